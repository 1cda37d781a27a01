use domain::{Email, Reason, RefundRequest, VoidReason};

use super::*;
use crate::testing::{NOW, ann, held, shop, usd};

fn notification(kind: NotificationKind) -> Notification {
    Notification { kind, order: held().paid("pay_1", NOW).unwrap().order, at: NOW }
}

fn every_kind() -> [NotificationKind; 6] {
    [
        NotificationKind::Placed,
        NotificationKind::Shipped,
        NotificationKind::Delivered,
        NotificationKind::Cancelled(Cancelled::Unpaid),
        NotificationKind::Cancelled(Cancelled::Refunding(usd(122_697))),
        NotificationKind::Refunded(usd(123_456)),
    ]
}

/// Text and HTML, before MIME encodes them.
fn read(kind: NotificationKind) -> (String, String) {
    read_notification(&notification(kind))
}

fn read_notification(notification: &Notification) -> (String, String) {
    let shop = shop();
    written(notification.kind, &OrderEmail::new(notification, &shop)).unwrap()
}

fn raw(customer: &Customer, from: &Sender) -> String {
    String::from_utf8(compose(&notification(NotificationKind::Placed), customer, from).unwrap().raw).unwrap()
}

/// The headers of a mail, unfolded.
fn headers(raw: &str) -> Vec<String> {
    let (head, _) = raw.split_once("\r\n\r\n").unwrap();
    head.replace("\r\n ", " ").split("\r\n").map(str::to_owned).collect()
}

#[test]
fn every_mail_shows_the_lines_and_the_total() {
    for kind in every_kind() {
        let (text, html) = read(kind);

        for part in [&text, &html] {
            for shown in ["018cc251-f400-7000-8000-000000000000", "1 January 2024", "$26.97", "$1,200.00", "$1,226.97"]
            {
                assert!(part.contains(shown), "{shown} is missing in {part}");
            }
            assert!(
                part.contains("H91 AB12 Galway") && part.contains("Ireland") && part.contains("What happens next"),
                "{part}"
            );
        }
        assert!(text.contains("3 × Mug & <Saucer>: $26.97\n1 × Pan: $1,200.00\n"), "{text}");
        assert!(text.starts_with("Hello,\n") && text.contains("  1 Harbour <Lane>\n"), "{text}");
        assert!(!text.contains("\n\n\n"), "{text}");
    }
}

#[test]
fn nothing_a_customer_wrote_is_markup() {
    for kind in every_kind() {
        let (_, html) = read(kind);

        for markup in ["<b>", "<Saucer>", "<Lane>"] {
            assert!(!html.contains(markup), "{html}");
        }
        assert!(html.contains("Mug &#38; &#60;Saucer&#62;"), "{html}");
    }
}

#[test]
fn no_mail_shows_the_name_that_its_address_was_registered_under() {
    for kind in every_kind() {
        let raw = String::from_utf8(compose(&notification(kind), &ann(), &shop()).unwrap().raw).unwrap();
        let (text, html) = read(kind);

        assert!(!format!("{text}{html}").contains("Núñez") && !format!("{text}{html}").contains("Ann <"), "{text}");
        assert!(headers(&raw).iter().any(|h| h == "To: <ann@example.com>"), "{raw}");
    }
}

#[test]
fn no_text_of_a_stranger_acts_as_a_link() {
    let chosen = "locked: http://evil.example or www.evil.example or eve@evil.example, mailto:eve";
    let mut notification = notification(NotificationKind::Placed);
    notification.order.lines[0].name = format!("{chosen} {}", "long ".repeat(30));
    let to = notification.order.ship_to.as_mut().unwrap();
    for line in [&mut to.recipient, &mut to.line1, &mut to.city] {
        *line = format!("{chosen} {}", "long ".repeat(20));
    }
    (to.line2, to.region, to.postal_code) = (Some(chosen.into()), Some(chosen.into()), Some(chosen.into()));

    let (text, html) = read_notification(&notification);

    let body = html.split_once("</head>").unwrap().1;
    for part in [text.as_str(), body] {
        for link in ["//", "www.", "evil.example", "eve@", "mailto:"] {
            assert!(!part.contains(link), "{link}: {part}");
        }
        assert!(!part.contains("long long long long long long long"), "{part}");
    }
    assert!(
        html.contains(r#"<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">"#)
    );
}

#[test]
fn each_mail_says_what_happens_to_the_money() {
    let says = |kind, sentence: &str| {
        let (text, html) = read(kind);
        assert!(text.contains(sentence) && html.contains(sentence), "{text}");
    };

    says(NotificationKind::Placed, "Your payment was received");
    says(
        NotificationKind::Cancelled(Cancelled::Unpaid),
        "did not go through, so your order was cancelled. Nothing was charged",
    );
    says(NotificationKind::Cancelled(Cancelled::Refunding(usd(122_697))), "$1,226.97 will be refunded");
    says(NotificationKind::Refunded(usd(123_456)), "We have refunded $1,234.56");
}

#[test]
fn the_table_of_lines_shows_unit_price_and_total() {
    let (_, html) = read(NotificationKind::Placed);

    let column = |name: &str| html.find(&format!(">{name}</th>")).unwrap();
    assert!(column("Quantity") < column("Price each") && column("Price each") < column("Total"), "{html}");
    let row: Vec<_> = html.split("</tr>").find(|row| row.contains(">3</td>")).unwrap().split("</td>").collect();
    let cells: Vec<_> = row.iter().filter_map(|cell| cell.rsplit('>').next()).take(4).collect();
    assert_eq!(cells[1..], ["3", "$8.99", "$26.97"]);
}

#[test]
fn a_mail_about_a_refund_says_what_it_is_for() {
    let paid = held().paid("pay_1", NOW).unwrap().order;
    let shipped = paid.ship(NOW).unwrap().unwrap().order;
    let mug =
        ReturnedLine { product: "mug".parse().unwrap(), quantity: domain::Quantity::new(2).unwrap(), restock: false };
    let reason = Some(Reason::parse("Both handles were broken, see www.evil.example").unwrap());
    let says = |order: &Order, request: RefundRequest| {
        let refunded = order.refund(&request, NOW).unwrap().order.refund_paid(1, NOW).unwrap().order;
        let notification = crate::notifications(refunded.version - 1, &refunded, NOW).pop().unwrap();
        let (text, html) = read_notification(&notification);
        assert!(!text.contains("\n\n\n") && !text.contains("www.") && !html.contains("www."), "{text}");
        (text, html)
    };

    let (text, html) = says(&shipped, RefundRequest { lines: vec![mug], reason, ..RefundRequest::default() });
    assert!(text.contains("It is for:\n  2 × Mug & <Saucer>\n\nReason: Both handles were broken, see "), "{text}");
    assert!(html.contains("2 × Mug &#38; &#60;Saucer&#62;") && html.contains("Reason: Both handles"), "{html}");
    let (text, _) = says(&shipped, RefundRequest { amount: Some(usd(100)), ..RefundRequest::default() });
    assert!(text.contains("a part of what you paid") && !text.contains("Reason"), "{text}");
    assert!(says(&shipped, RefundRequest::default()).0.contains("for the whole order"));
    assert!(says(&paid, RefundRequest::default()).0.contains("which was cancelled"));
}

#[test]
fn an_order_with_a_discount_and_no_address_shows_its_sums_and_no_address() {
    let mut notification = notification(NotificationKind::Placed);
    notification.order.totals.discount = usd(100_000);
    notification.order.totals.total = usd(22_697);
    notification.order.ship_to = None;

    let (text, html) = read_notification(&notification);

    assert!(text.contains("\nSubtotal: $1,226.97\nDiscount: -$1,000.00\nTotal: $226.97\n"), "{text}");
    assert!(!text.contains("Delivery address") && !html.contains("Delivery address"), "{text}");
}

#[test]
fn a_mail_is_mime_with_both_parts_and_says_what_it_is() {
    let raw = raw(&ann(), &shop());
    let headers = headers(&raw);

    let id = "018cc251-f400-7000-8000-000000000000-2";
    for header in [
        "From: \"The Shop\" <orders@shop.example>".to_owned(),
        "Subject: Your The Shop order is confirmed".to_owned(),
        "Date: Tue, 14 Nov 2023 22:13:20 +0000".to_owned(),
        format!("Message-ID: <{id}@shop.example>"),
        "Auto-Submitted: auto-generated".to_owned(),
        format!("X-Entity-Ref-ID: {id}"),
        "MIME-Version: 1.0".to_owned(),
    ] {
        assert!(headers.contains(&header), "{header} is not in {headers:#?}");
    }
    assert!(headers.iter().any(|h| h == "To: <ann@example.com>"), "{headers:#?}");
    assert!(headers.iter().any(|h| h.starts_with("Content-Type: multipart/alternative; boundary=")), "{headers:#?}");
    let (text, html) = (raw.find("Content-Type: text/plain; charset=\"utf-8\""), raw.find("Content-Type: text/html"));
    assert!(text.is_some() && text < html, "{raw}");
    assert!(raw.is_ascii(), "{raw}");
    assert!(raw.split("\r\n").all(|line| line.len() <= 998 && !line.contains('\n')), "{raw}");
}

#[test]
fn no_name_starts_another_header() {
    let from = shop().of_shop("Mugs\r\nBcc: eve@example.com\r\n\r\nBody");
    let mut from = Sender { name: Some("Shop\r\nBcc: eve@example.com".to_owned()), ..from };

    for _ in 0..2 {
        let raw = raw(&ann(), &from);
        let headers = headers(&raw);

        assert!(!headers.iter().any(|h| h.to_lowercase().starts_with("bcc")), "{headers:#?}");
        assert!(headers.iter().any(|h| h.starts_with("X-Entity-Ref-ID")), "{headers:#?}");
        // Again with characters that have to be encoded.
        from.shop.push('é');
        from.name.iter_mut().for_each(|name| name.push('é'));
    }
}

#[test]
fn an_invalid_address_is_refused() {
    for stored in
        ["x>,<bob@example.com", "ann@example.com,", "<ann@example.com>", "ann@example.com\u{200b}", "ä@example.com"]
    {
        let eve = Customer { email: Email::stored(stored.to_owned()), ..ann() };

        let composed = compose(&notification(NotificationKind::Placed), &eve, &shop());

        assert!(matches!(composed, Err(EmailError::Address)), "{stored}");
    }
}

#[test]
fn a_stored_address_with_a_unicode_domain_is_sent_to_in_ascii() {
    let ann = Customer { email: Email::stored("ann@müller.example".to_owned()), ..ann() };

    let mail = compose(&notification(NotificationKind::Placed), &ann, &shop()).unwrap();

    assert_eq!(mail.to.as_str(), "ann@xn--mller-kva.example");
    assert!(String::from_utf8(mail.raw).unwrap().contains("ann@xn--mller-kva.example"));
}

#[test]
fn a_mail_has_the_id_of_the_version_it_is_about() {
    let lost = held().outcome_unknown(NOW).unwrap().order;
    let order = lost.void(VoidReason::Expired, NOW).unwrap().order;
    let notification = &crate::notifications(2, &order, NOW)[0];

    let mail = compose(notification, &ann(), &shop()).unwrap();

    assert_eq!(mail.id, "018cc251-f400-7000-8000-000000000000-3");
    assert!(!format!("{mail:?}").contains("ann"));
}
