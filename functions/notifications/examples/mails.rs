//! Writes each mail into a folder, `<kind>.<language>.html` and `.txt`, for `docs/mails.sh` to take
//! pictures of. The last kind, `long`, has what is hardest to show: long words, large amounts and every part of a mail.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use domain::{
    AccountAction, Address, Carrier, CountryCode, Language, Money, Order, OrderId, Quantity, Reason, RefundRequest,
    ReturnedLine, Shipment, Timestamp, TrackingNumber, TrackingUrl, VoidReason, parse_currency,
};
use notifications::{
    AccountMailKind, Notification, OrderLink, Sender, WayIn, Written, notifications, write, write_about_account,
    write_order_link,
};
use testing::{order, product, product_priced};

const NOW: Timestamp = Timestamp::constant(1_767_300_000, 0);

/// The order of the mail that is a link.
const LINKED: &str = "019b7a0c-3a00-7000-8000-00000000a001";

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("the folder is missing that the mails are written to")?);
    fs::create_dir_all(&folder)?;
    let shop = Sender::parse("Harbour Lane <orders@shop.example>").map_err(|e| e.to_string())?;
    for (kind, notification) in mails()? {
        for language in Language::ALL {
            let mut notification = notification.clone();
            notification.order.language = language;
            let (url, opens_it) = (format!("https://shop.example/orders/{}", notification.order.id), kind == "placed");
            let link = OrderLink { url, opens_it };
            let mail = write(&notification, &shop, Some(link))?;
            keep(&folder, kind, language, mail)?;
        }
    }
    for language in Language::ALL {
        let link = WayIn::Page(format!("https://shop.example/orders/{LINKED}#{LINKED}.AAAAAAAAAAAAAAAAAAAAAAAAAABpV"));
        let mail = write_order_link(LINKED.parse::<OrderId>()?.into(), &link, &shop, language)?;
        keep(&folder, "order-link", language, mail)?;
    }
    let links = AccountAction::ALL.map(AccountMailKind::Link).into_iter();
    for kind in links.chain([AccountMailKind::EmailChanging]) {
        for language in Language::ALL {
            let token = "018f99ff-0000-7000-8000-00000000a001.AY-aABwAcACAAAAAAAAAwQAAAABqSzMAn0V3l4kq7mQx";
            let link = WayIn::Page(format!("https://shop.example/account/{}#{token}", kind.as_str()));
            let has_link = matches!(kind, AccountMailKind::Link(_));
            let mail = write_about_account(kind, has_link.then_some(&link), &shop, language)?;
            keep(&folder, kind.as_str(), language, mail)?;
        }
    }
    Ok(())
}

fn keep(folder: &Path, kind: &str, language: Language, mail: Written) -> Outcome<()> {
    let name = format!("{kind}.{}", language.as_str());
    fs::write(folder.join(format!("{name}.html")), mail.html)?;
    fs::write(folder.join(format!("{name}.txt")), format!("Subject: {}\n\n{}", mail.subject, mail.text))?;
    Ok(())
}

/// Each kind of mail about an order, by its name.
fn mails() -> Outcome<Vec<(&'static str, Notification)>> {
    let held = || {
        let mug = product("mug", "Mug, blue", 899);
        let cloth = product("cloth", "Linen table cloth, 1.5 m × 2.5 m", 12_450);
        order().of(3, mug).of(1, cloth).contact("ann@example.com").to(address("Ann O'Hara", "1 Harbour Lane")).place()
    };
    let paid = held().paid("pay_1", NOW).ok_or("it is not paid")?.order;
    let shipped = ship(&paid, parcel("Parcels & Sons", "JJD0003900071234")?)?;
    let delivered = shipped.deliver(NOW)?.ok_or("it is delivered already")?.order;
    let returned = ReturnedLine { product: "mug".parse()?, quantity: Quantity::new(2)?, restock: false };
    let request = RefundRequest {
        lines: vec![returned],
        reason: Some(Reason::parse("Two handles were broken")?),
        ..RefundRequest::default()
    };
    let refunded = refund(&delivered, &request)?;
    let unpaid = held().outcome_unknown(NOW).and_then(|lost| lost.order.void(VoidReason::Expired, NOW));
    let cancelled = paid.refund(&RefundRequest::default(), NOW)?.order;
    Ok(vec![
        ("placed", last(&paid)?),
        ("shipped", last(&shipped)?),
        ("delivered", last(&delivered)?),
        ("refunded", last(&refunded)?),
        ("cancelled-unpaid", last(&unpaid.ok_or("it is paid")?.order)?),
        ("cancelled-refunding", last(&cancelled)?),
        ("long", last(&long()?)?),
    ])
}

fn long() -> Outcome<Order> {
    let dinars = |minor| Money::price(minor, parse_currency("KWD")?);
    let compound = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
    let order = order()
        .of(999, product_priced("compound", compound, dinars(1_234_567)?))
        .of(12, product_priced("mug", "Mug", dinars(1)?))
        .contact("ann@example.com")
        .to(address(&compound.to_lowercase(), &"Harbour Lane ".repeat(8)));
    let mut held = order.place();
    let currency = held.totals.total.currency();
    let kwd = |minor| Money::amount(minor, currency);
    (held.totals.discount, held.totals.shipping, held.totals.tax) = (kwd(1_000_000), kwd(12_500), kwd(7_000_001));
    held.totals.total = kwd(held.totals.subtotal.amount_minor() - 1_000_000 + 12_500 + 7_000_001);
    let paid = held.paid("pay_1", NOW).ok_or("it is not paid")?.order;
    let shipped = ship(&paid, parcel(&compound[..60], &"JJD000390007".repeat(5))?)?;
    let amount = Some(Money::amount(1_234_567, currency));
    let reason = Some(Reason::parse(&"The handle of the mug was broken. ".repeat(5))?);
    refund(&shipped, &RefundRequest { amount, reason, ..RefundRequest::default() })
}

fn ship(order: &Order, parcel: Shipment) -> Outcome<Order> {
    Ok(order.ship_as(parcel, NOW)?.ok_or("it is shipped already")?.order)
}

fn refund(order: &Order, request: &RefundRequest) -> Outcome<Order> {
    Ok(order.refund(request, NOW)?.order.refund_paid(1, NOW).ok_or("it is not refunded")?.order)
}

/// The notification of an order's last event.
fn last(order: &Order) -> Outcome<Notification> {
    Ok(notifications(order.version - 1, order, NOW).pop().ok_or("its last event is not mailed")?)
}

fn parcel(carrier: &str, number: &str) -> Outcome<Shipment> {
    Ok(Shipment {
        carrier: Some(Carrier::parse(carrier)?),
        tracking_number: Some(TrackingNumber::parse(number)?),
        tracking_url: Some(TrackingUrl::parse("https://carrier.example/parcels/JJD0003900071234")?),
    })
}

fn address(recipient: &str, line1: &str) -> Address {
    Address {
        id: "home".parse().expect("an id"),
        recipient: recipient.to_owned(),
        line1: line1.trim().to_owned(),
        line2: None,
        city: "Galway".to_owned(),
        region: None,
        postal_code: Some("H91 AB12".to_owned()),
        country: CountryCode::parse("IE").expect("a country"),
        phone: None,
    }
}
