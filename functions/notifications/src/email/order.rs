use askama::Template;
use domain::{Address, Language, Money, Order, OrderEvent, OrderLine, RefundState, ReturnedLine, Shipment};

use super::{Link, Page, Paragraph};
use crate::{
    countries::country,
    inert::{self, inert},
    mail_links::OrderLink,
    money::shown,
    notification::{Cancelled, Notification, NotificationKind},
    texts::{OrderTexts, Texts, fill},
};

#[derive(Template)]
#[template(path = "order.txt")]
pub struct Text<'a> {
    pub page: &'a Page<'a>,
    pub order: &'a Details,
}

#[derive(Template)]
#[template(path = "order.html")]
pub struct Html<'a> {
    pub page: &'a Page<'a>,
    pub order: &'a Details,
}

/// What a mail shows of its order.
pub struct Details {
    number: String,
    placed_on: String,
    lines: Vec<Line>,
    /// The sums between lines and total, if there are any.
    sums: Vec<(&'static str, String)>,
    total: String,
    shipments: Vec<Parcel>,
    payment: Vec<String>,
    ship_to: Vec<String>,
}

struct Line {
    quantity: u32,
    name: String,
    /// The price of one unit.
    each: String,
    total: String,
}

struct Parcel {
    carrier: Option<String>,
    tracking_number: Option<String>,
    tracking_url: Option<String>,
}

/// The content of a mail about an order.
pub fn page<'a>(notification: &Notification, shop: &'a str, link: Option<OrderLink>) -> (Page<'a>, Details) {
    let order = &notification.order;
    let texts = Texts::of(order.language);
    let said = said(notification.kind, texts);
    let number = order.number().to_string();
    let amount = amount(notification.kind).map(|amount| shown(amount, order.language)).unwrap_or_default();
    let filled = |text: &str| fill(text, &[("shop", shop), ("number", &number), ("amount", &amount)]);
    let mut paragraphs = vec![Paragraph::from(filled(&said.message))];
    paragraphs.extend(refund(notification, texts));
    paragraphs.push(filled(&said.next).into());
    if link.as_ref().is_some_and(|link| link.opens_it) {
        paragraphs.push(texts.order.opens_without_login.clone().into());
    }
    let page = Page {
        language: order.language.as_str(),
        texts,
        shop,
        subject: filled(&said.subject),
        heading: &said.heading,
        paragraphs,
        button: link.map(|link| Link { text: texts.order.view.clone(), url: link.url }),
        why: filled(&texts.order.why),
    };
    (page, details(order, texts))
}

fn said(kind: NotificationKind, texts: &Texts) -> &OrderTexts {
    match kind {
        NotificationKind::Placed => &texts.placed,
        NotificationKind::Shipped => &texts.shipped,
        NotificationKind::Delivered => &texts.delivered,
        NotificationKind::Cancelled(Cancelled::Unpaid) => &texts.cancelled_unpaid,
        NotificationKind::Cancelled(Cancelled::Refunding(_)) => &texts.cancelled_refunding,
        NotificationKind::Refunded(_) => &texts.refunded,
    }
}

fn amount(kind: NotificationKind) -> Option<Money> {
    match kind {
        NotificationKind::Cancelled(Cancelled::Refunding(amount)) | NotificationKind::Refunded(amount) => Some(amount),
        NotificationKind::Placed
        | NotificationKind::Shipped
        | NotificationKind::Delivered
        | NotificationKind::Cancelled(Cancelled::Unpaid) => None,
    }
}

/// What the refund is for that was the order's last event, and why, if it was one.
fn refund(notification: &Notification, texts: &Texts) -> Vec<Paragraph> {
    let order = &notification.order;
    let number = order.last_event().refund();
    let Some(refund) = order.payment.refunds.iter().find(|r| Some(r.number) == number) else { return Vec::new() };
    let line = |returned: &ReturnedLine| {
        let bought = order.lines.iter().find(|line| line.product == returned.product);
        let name = bought.map_or(returned.product.as_str(), |line| line.name.as_str());
        format!("{} × {}", returned.quantity.units(), inert(name, inert::NAME))
    };
    let (text, items) = if refund.cancels {
        // Everything that was not shipped is restocked, and the whole order is shown anyway.
        (&texts.refund.of_cancelled, Vec::new())
    } else if !refund.lines.is_empty() {
        (&texts.refund.of_lines, refund.lines.iter().map(line).collect())
    } else if refund.amount == order.totals.total {
        (&texts.refund.of_everything, Vec::new())
    } else {
        (&texts.refund.of_part, Vec::new())
    };
    let reason = |reason: &str| format!("{}: {}", texts.refund.reason, inert(reason, inert::REASON));
    let reason = refund.reason.as_ref().map(|text| Paragraph::from(reason(text.as_str())));
    match notification.kind {
        NotificationKind::Refunded(_) => [Paragraph { text: text.clone(), items }].into_iter().chain(reason).collect(),
        // The message says what is refunded.
        NotificationKind::Cancelled(_) => reason.into_iter().collect(),
        NotificationKind::Placed | NotificationKind::Shipped | NotificationKind::Delivered => Vec::new(),
    }
}

fn details(order: &Order, texts: &'static Texts) -> Details {
    let Order { language, lines, totals, ship_to, .. } = order;
    let (language, words) = (*language, &texts.order);
    let line = |line: &OrderLine| Line {
        quantity: line.quantity.units(),
        name: inert(&line.name, inert::NAME),
        each: fill(&words.each, &[("price", &shown(line.unit_price, language))]),
        total: shown(line.subtotal(), language),
    };
    let off = Money::amount(-totals.discount.amount_minor(), totals.discount.currency());
    let sums = [
        (&words.subtotal, totals.subtotal),
        (&words.discount, off),
        (&words.shipping, totals.shipping),
        (&words.tax, totals.tax),
    ];
    // Without adjustments, lines and total show all.
    let adjusted = sums[1..].iter().any(|(_, sum)| sum.amount_minor() != 0);
    let sums = sums.into_iter().filter(|(_, sum)| adjusted && sum.amount_minor() != 0);
    Details {
        number: fill(&words.number, &[("number", &order.number().to_string())]),
        placed_on: fill(&words.placed_on, &[("date", &texts.date(order.placed_at()))]),
        lines: lines.iter().map(line).collect(),
        sums: sums.map(|(name, sum)| (name.as_str(), shown(sum, language))).collect(),
        total: shown(totals.total, language),
        shipments: order.shipments.iter().map(parcel).collect(),
        payment: payment(order, texts),
        ship_to: ship_to.as_ref().map(|to| address_lines(to, language)).unwrap_or_default(),
    }
}

/// How it was paid, and what was refunded since. All payments are by card.
fn payment(order: &Order, texts: &Texts) -> Vec<String> {
    let taken = |event| matches!(event, OrderEvent::Confirmed | OrderEvent::PaidLate(_));
    let Some(paid) = order.history.iter().find(|happened| taken(happened.event)) else {
        return vec![texts.payment.not_charged.clone()];
    };
    let refunds = order.payment.refunds.iter().filter(|refund| refund.state == RefundState::Paid);
    let refunded: i64 = refunds.map(|refund| refund.amount.amount_minor()).sum();
    let refunded =
        (refunded > 0).then(|| shown(Money::amount(refunded, order.totals.total.currency()), order.language));
    let paid = fill(&texts.payment.paid, &[("date", &texts.date(paid.at))]);
    [paid].into_iter().chain(refunded.map(|amount| format!("{}: {amount}", texts.payment.refunded))).collect()
}

/// Staff type the number, and the link is checked when it is stored, so both are shown as they are.
fn parcel(Shipment { carrier, tracking_number, tracking_url }: &Shipment) -> Parcel {
    Parcel {
        carrier: carrier.as_ref().map(|carrier| inert(carrier.as_str(), inert::NAME)),
        tracking_number: tracking_number.as_ref().map(|number| number.as_str().to_owned()),
        // A stored one may follow older rules.
        tracking_url: tracking_url
            .as_ref()
            .map(|url| url.as_str())
            .filter(|url| url.starts_with("https://"))
            .map(str::to_owned),
    }
}

fn address_lines(to: &Address, language: Language) -> Vec<String> {
    let city = [to.postal_code.as_deref(), Some(to.city.as_str())].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let lines = [Some(to.recipient.clone()), Some(to.line1.clone()), to.line2.clone(), Some(city), to.region.clone()];
    let lines = lines.into_iter().flatten().map(|line| inert(&line, inert::ADDRESS_LINE));
    lines.chain([country(to.country, language)]).collect()
}
