use askama::Template;
use domain::{Address, CountryCode, Customer, Email, Money, Order, ReturnedLine};
use mail_builder::{
    MessageBuilder,
    headers::{address::Address as Mailbox, raw::Raw},
};

use crate::{
    inert::{self, inert},
    mailer::Mail,
    money::shown,
    notification::{Cancelled, Notification, NotificationKind},
    sender::Sender,
};

/// Why no mail can be composed for a notification.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    #[error("no mail can be sent to the customer's address")]
    Address,
    #[error("the text cannot be written")]
    Template(#[from] askama::Error),
    #[error("the mail cannot be written")]
    Mime(#[from] std::io::Error),
}

/// The content of a mail about an order, ready for the templates. The shop's own words are unchanged; text of customers
/// and suppliers is [`inert`], and the customer's name is left out, because anybody may have registered the address.
struct OrderEmail<'a> {
    shop: &'a str,
    subject: String,
    order: String,
    placed_on: String,
    lines: Vec<EmailLine>,
    /// The sums between lines and total, if there are any.
    sums: Vec<(&'static str, String)>,
    total: String,
    ship_to: Vec<String>,
    /// What the refund is for, if the notification is about one.
    refund: RefundFor,
}

struct EmailLine {
    name: String,
    quantity: u32,
    /// Of one unit.
    price: String,
    total: String,
}

/// What a refund is for.
#[derive(Default)]
struct RefundFor {
    /// A sentence.
    what: &'static str,
    /// What was returned, one line each.
    lines: Vec<String>,
    reason: Option<String>,
}

#[derive(Template)]
enum Text<'a> {
    #[template(path = "placed.txt")]
    Placed { email: &'a OrderEmail<'a> },
    #[template(path = "shipped.txt")]
    Shipped { email: &'a OrderEmail<'a> },
    #[template(path = "delivered.txt")]
    Delivered { email: &'a OrderEmail<'a> },
    #[template(path = "cancelled.txt")]
    Cancelled { email: &'a OrderEmail<'a>, why: Cancelled },
    #[template(path = "refunded.txt")]
    Refunded { email: &'a OrderEmail<'a>, amount: Money },
}

#[derive(Template)]
enum Html<'a> {
    #[template(path = "placed.html")]
    Placed { email: &'a OrderEmail<'a> },
    #[template(path = "shipped.html")]
    Shipped { email: &'a OrderEmail<'a> },
    #[template(path = "delivered.html")]
    Delivered { email: &'a OrderEmail<'a> },
    #[template(path = "cancelled.html")]
    Cancelled { email: &'a OrderEmail<'a>, why: Cancelled },
    #[template(path = "refunded.html")]
    Refunded { email: &'a OrderEmail<'a>, amount: Money },
}

/// Composes the mail of a notification.
///
/// # Errors
/// It can never be composed.
pub fn compose(notification: &Notification, customer: &Customer, from: &Sender) -> Result<Mail, EmailError> {
    // Parsed again: an address that was stored by older rules may be invalid, or have its domain in Unicode.
    let to = Email::parse(customer.email.as_str()).map_err(|_| EmailError::Address)?;
    let email = OrderEmail::new(notification, from);
    let (text, html) = written(notification.kind, &email)?;

    let id = format!("{}-{}", notification.order.id, notification.order.version);
    let raw = MessageBuilder::new()
        .from(Mailbox::new_address(from.name.as_deref().map(one_line), from.email.as_str()))
        .to(Mailbox::new_address(None::<String>, to.as_str()))
        .subject(email.subject.as_str())
        .date(notification.at.as_second())
        .message_id(format!("{id}@{}", from.domain()))
        // No out-of-office reply (RFC 3834), and no grouping of all mails with the same subject into one thread.
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("X-Entity-Ref-ID", Raw::new(id.as_str()))
        .text_body(text)
        .html_body(html)
        .write_to_vec()?;
    let from = from.email.clone();
    Ok(Mail { id, from, to, subject: email.subject, raw })
}

fn written(kind: NotificationKind, email: &OrderEmail<'_>) -> Result<(String, String), askama::Error> {
    let (text, html) = match kind {
        NotificationKind::Placed => (Text::Placed { email }, Html::Placed { email }),
        NotificationKind::Shipped => (Text::Shipped { email }, Html::Shipped { email }),
        NotificationKind::Delivered => (Text::Delivered { email }, Html::Delivered { email }),
        NotificationKind::Cancelled(why) => (Text::Cancelled { email, why }, Html::Cancelled { email, why }),
        NotificationKind::Refunded(amount) => (Text::Refunded { email, amount }, Html::Refunded { email, amount }),
    };
    Ok((text.render()?, html.render()?))
}

impl<'a> OrderEmail<'a> {
    fn new(notification: &Notification, from: &'a Sender) -> Self {
        let Order { id, lines, totals, ship_to, .. } = &notification.order;
        let line = |line: &domain::OrderLine| EmailLine {
            name: inert(&line.name, inert::NAME),
            quantity: line.quantity.units(),
            price: shown(line.unit_price),
            total: shown(line.subtotal()),
        };
        let off = Money::amount(-totals.discount.amount_minor(), totals.discount.currency());
        let sums =
            [("Subtotal", totals.subtotal), ("Discount", off), ("Shipping", totals.shipping), ("Tax", totals.tax)];
        // Without adjustments, lines and total show all.
        let adjusted = sums[1..].iter().any(|(_, sum)| sum.amount_minor() != 0);
        let sums = sums.into_iter().filter(|(_, sum)| adjusted && sum.amount_minor() != 0);
        Self {
            shop: &from.shop,
            subject: one_line(&subject(notification.kind, &from.shop)),
            order: id.to_string(),
            placed_on: id.placed_at().strftime("%-d %B %Y").to_string(),
            lines: lines.iter().map(line).collect(),
            sums: sums.map(|(name, sum)| (name, shown(sum))).collect(),
            total: shown(totals.total),
            ship_to: ship_to.as_ref().map(address_lines).unwrap_or_default(),
            refund: refund_for(&notification.order),
        }
    }
}

/// What the refund is for that was the order's last event, if it was one.
fn refund_for(order: &Order) -> RefundFor {
    let number = order.last_event().refund();
    let Some(refund) = order.payment.refunds.iter().find(|r| Some(r.number) == number) else {
        return RefundFor::default();
    };
    let line = |returned: &ReturnedLine| {
        let bought = order.lines.iter().find(|line| line.product == returned.product);
        let name = bought.map_or(returned.product.as_str(), |line| line.name.as_str());
        format!("{} × {}", returned.quantity.units(), inert(name, inert::NAME))
    };
    let (what, lines) = if refund.cancels {
        // Everything that was not shipped is restocked, and the whole order is shown anyway.
        ("It is for the order below, which was cancelled.", Vec::new())
    } else if !refund.lines.is_empty() {
        ("It is for:", refund.lines.iter().map(line).collect())
    } else if refund.amount == order.totals.total {
        ("It is for the whole order below.", Vec::new())
    } else {
        ("It is a part of what you paid for the order below.", Vec::new())
    };
    RefundFor { what, lines, reason: refund.reason.as_ref().map(|reason| inert(reason.as_str(), inert::REASON)) }
}

fn subject(kind: NotificationKind, shop: &str) -> String {
    match kind {
        NotificationKind::Placed => format!("Your {shop} order is confirmed"),
        NotificationKind::Shipped => format!("Your {shop} order is on its way"),
        NotificationKind::Delivered => format!("Your {shop} order has arrived"),
        NotificationKind::Cancelled(_) => format!("Your {shop} order is cancelled"),
        NotificationKind::Refunded(amount) => format!("{} for your {shop} order was refunded", shown(amount)),
    }
}

fn address_lines(to: &Address) -> Vec<String> {
    let city = [to.postal_code.as_deref(), Some(to.city.as_str())].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let lines = [Some(to.recipient.clone()), Some(to.line1.clone()), to.line2.clone(), Some(city), to.region.clone()];
    let lines = lines.into_iter().flatten().map(|line| inert(&line, inert::ADDRESS_LINE));
    lines.chain([country(to.country)]).collect()
}

/// The country's English name, or the code of a stored one that is not assigned.
fn country(code: CountryCode) -> String {
    code.english_name().unwrap_or(code.as_str()).to_owned()
}

/// Text for a header, where a line break would start another header.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
