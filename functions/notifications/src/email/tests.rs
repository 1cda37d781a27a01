use domain::{Language, Reason, RefundRequest, ReturnedLine, VoidReason};
use proptest::prelude::*;

use super::*;
use crate::{
    NotificationKind,
    inert::tests::{hostile_text, link_in},
    notification::Cancelled,
    notifications,
    testing::{NOW, ann, contact, held, in_language, order_url, parcel, shop, usd},
};

/// An order that was paid, shipped, delivered and refunded in part, with a notification of each.
fn delivered() -> Vec<Notification> {
    let mut order = held();
    order.contact = Some(contact());
    let paid = order.paid("pay_1", NOW).unwrap().order;
    let shipped = paid.ship_as(parcel(), NOW).unwrap().unwrap().order;
    let delivered = shipped.deliver(NOW).unwrap().unwrap().order;
    let part = RefundRequest { amount: Some(usd(1_000)), ..RefundRequest::default() };
    let refunded = delivered.refund(&part, NOW).unwrap().order.refund_paid(1, NOW).unwrap().order;
    notifications(0, &refunded, NOW)
}

/// One of each kind, in English.
fn every_kind() -> Vec<Notification> {
    let lost = held().outcome_unknown(NOW).unwrap().order;
    let unpaid = lost.void(VoidReason::Expired, NOW).unwrap().order;
    let paid = held().paid("pay_1", NOW).unwrap().order;
    let cancelled = paid.refund(&RefundRequest::default(), NOW).unwrap().order;
    let mut all = delivered();
    all.extend(notifications(2, &unpaid, NOW));
    all.extend(notifications(2, &cancelled, NOW));
    assert_eq!(all.len(), 6);
    all
}

fn placed() -> Notification {
    delivered().swap_remove(0)
}

fn in_(language: Language, notification: &Notification) -> Notification {
    Notification { order: in_language(notification.order.clone(), language), ..notification.clone() }
}

fn written(notification: &Notification) -> Written {
    write(notification, &shop(), page_of(&notification.order)).unwrap()
}

/// The link that a customer gets.
fn page_of(order: &Order) -> Option<OrderLink> {
    Some(OrderLink { url: order_url().link(order.id, None), opens_it: false })
}

fn raw(to: &Email, from: &Sender) -> String {
    String::from_utf8(compose(&placed(), to, from, None).unwrap().raw).unwrap()
}

/// The headers of a mail, unfolded.
fn headers(raw: &str) -> Vec<String> {
    let (head, _) = raw.split_once("\r\n\r\n").unwrap();
    head.replace("\r\n ", " ").split("\r\n").map(str::to_owned).collect()
}

/// What is shown of a part, a line for each text between tags.
fn visible(html: &str) -> String {
    let body = html.split_once("</head>").unwrap().1;
    let texts = body.split('<').filter_map(|tag| tag.split_once('>')).map(|(_, text)| text);
    let text = texts.collect::<Vec<_>>().join("\n");
    text.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"").replace("&#39;", "'").replace("&#38;", "&")
}

#[test]
fn every_mail_has_the_orders_number_lines_totals_address_and_a_link_to_it() {
    for notification in every_kind() {
        let Written { text, html, .. } = written(&notification);

        for part in [&text, &html] {
            for shown in [
                "Order 00000-00000",
                "Placed on 1 January 2024",
                "$8.99 each",
                "$26.97",
                "$1,200.00 each",
                "Total",
                "$1,226.97",
                "Delivery address",
                "H91 AB12 Galway",
                "Ireland",
                "View your order",
                "https://shop.example/orders/018cc251-f400-7000-8000-000000000000",
                "You receive this e-mail because this address was given for an order at The Shop.",
            ] {
                assert!(part.contains(shown), "{shown} is missing in {part}");
            }
        }
        let lines =
            "\n3 × Mug & <Saucer>\n  $8.99 each, $26.97\n1 × Pan\n  $1,200.00 each, $1,200.00\n\nTotal: $1,226.97\n";
        assert!(text.contains(lines), "{text}");
        assert!(text.starts_with("Hello,\n\n") && text.contains("\n  1 Harbour <Lane>\n"), "{text}");
        assert!(!text.contains("\n\n\n") && text.ends_with("at The Shop."), "{text}");
    }
}

#[test]
fn a_german_order_is_mailed_in_german_from_subject_to_country() {
    for notification in every_kind() {
        let Written { subject, text, html } = written(&in_(Language::De, &notification));

        assert!(subject.contains("Bestellung 00000-00000 bei The Shop"), "{subject}");
        for part in [&text, &html] {
            for shown in [
                "Guten Tag,",
                "Bestellung 00000-00000",
                "Bestellt am 1. Januar 2024",
                "je 8,99\u{a0}$",
                "26,97\u{a0}$",
                "Gesamt",
                "1.226,97\u{a0}$",
                "Lieferadresse",
                "Irland",
                "Bestellung ansehen",
                "Zahlung",
            ] {
                assert!(part.contains(shown), "{shown} is missing in {part}");
            }
            for english in ["Hello", "Placed", "each", "Total", "address", "Ireland", "View", "Payment", "$8.99"] {
                assert!(
                    !part.split_once("</head>").map_or(part.as_str(), |(_, body)| body).contains(english),
                    "{part}"
                );
            }
        }
        assert!(html.contains(r#"<html lang="de">"#), "{html}");
    }
}

#[test]
fn each_mail_says_in_its_language_what_happened_and_what_happens_next() {
    let says: [[(&str, &[&str]); 2]; 6] = [
        [
            (
                "Your The Shop order 00000-00000 is confirmed",
                &["Your payment was received", "preparing it", "Paid by card on 14 November 2023"],
            ),
            (
                "Ihre Bestellung 00000-00000 bei The Shop ist bestätigt",
                &["Ihre Zahlung ist eingegangen", "bereiten sie vor", "Mit Karte bezahlt am 14. November 2023"],
            ),
        ],
        [
            (
                "Your The Shop order 00000-00000 is on its way",
                &[
                    "was shipped",
                    "write again when it is delivered",
                    "Carrier: Parcels & Sons",
                    "Tracking number: JJD000390007",
                    "Track the shipment",
                ],
            ),
            (
                "Ihre Bestellung 00000-00000 bei The Shop ist unterwegs",
                &[
                    "wurde versandt",
                    "sobald sie zugestellt ist",
                    "Versanddienst: Parcels & Sons",
                    "Sendungsnummer: JJD000390007",
                    "Sendung verfolgen",
                ],
            ),
        ],
        [
            (
                "Your The Shop order 00000-00000 has arrived",
                &["We hope you enjoy it", "there is nothing to do", "Carrier: Parcels & Sons"],
            ),
            (
                "Ihre Bestellung 00000-00000 bei The Shop ist angekommen",
                &["viel Freude", "müssen Sie nichts tun", "Versanddienst: Parcels & Sons"],
            ),
        ],
        [
            (
                "$10.00 for your The Shop order 00000-00000 was refunded",
                &["We have refunded $10.00", "until your bank shows it", "a part of what you paid", "Refunded: $10.00"],
            ),
            (
                "10,00\u{a0}$ für Ihre Bestellung 00000-00000 bei The Shop wurden erstattet",
                &["Wir haben 10,00\u{a0}$", "bis Ihre Bank", "ein Teil des Betrags", "Erstattet: 10,00\u{a0}$"],
            ),
        ],
        [
            (
                "Your The Shop order 00000-00000 is cancelled",
                &[
                    "did not go through, so your order was cancelled. Nothing was charged.",
                    "order again at any time",
                    "Payment\n",
                    "Nothing was charged\n",
                ],
            ),
            (
                "Ihre Bestellung 00000-00000 bei The Shop ist storniert",
                &[
                    "Ihre Zahlung war nicht erfolgreich",
                    "jederzeit erneut bestellen",
                    "Zahlung\n",
                    "Es wurde nichts abgebucht\n",
                ],
            ),
        ],
        [
            (
                "Your The Shop order 00000-00000 is cancelled",
                &["$1,226.97 will be refunded", "once the refund is paid", "Paid by card"],
            ),
            (
                "Ihre Bestellung 00000-00000 bei The Shop ist storniert",
                &["Wir erstatten 1.226,97\u{a0}$", "sobald die Erstattung ausgezahlt ist", "Mit Karte bezahlt"],
            ),
        ],
    ];

    for (notification, of_languages) in every_kind().iter().zip(says) {
        for (language, (subject, sentences)) in Language::ALL.into_iter().zip(of_languages) {
            let mail = written(&in_(language, notification));
            assert_eq!(mail.subject, subject);
            for sentence in sentences {
                assert!(mail.text.contains(sentence), "{sentence} is missing in {}", mail.text);
                assert!(visible(&mail.html).contains(sentence), "{sentence} is missing in {}", mail.html);
            }
            assert!(!mail.text.contains(['{', '}']) && !mail.subject.contains(['{', '}']), "{}", mail.text);
        }
    }
}

#[test]
fn nothing_that_a_customer_wrote_is_markup() {
    for notification in every_kind() {
        let Written { html, .. } = written(&notification);

        for markup in ["<b>", "<Saucer>", "<Lane>"] {
            assert!(!html.contains(markup), "{html}");
        }
        assert!(html.contains("Mug &#38; &#60;Saucer&#62;"), "{html}");
    }
}

#[test]
fn no_mail_shows_the_name_that_its_address_was_given_under() {
    for notification in delivered() {
        let mail = compose(&notification, &ann(), &shop(), None).unwrap();
        let Written { text, html, .. } = written(&notification);

        assert!(!format!("{text}{html}").contains("Núñez") && !format!("{text}{html}").contains("Ann <"), "{text}");
        let raw = String::from_utf8(mail.raw).unwrap();
        assert!(headers(&raw).iter().any(|h| h == "To: <ann@example.com>"), "{raw}");
    }
}

/// The notification, with this text wherever a stranger can put one: a supplier, a customer, or staff who copy it.
fn filled_with(notification: &Notification, text: &str) -> Notification {
    let mut notification = notification.clone();
    let order = &mut notification.order;
    for line in &mut order.lines {
        line.name = text.to_owned();
    }
    let to = order.ship_to.as_mut().unwrap();
    for line in [&mut to.recipient, &mut to.line1, &mut to.city] {
        *line = text.to_owned();
    }
    (to.line2, to.region, to.postal_code) = (Some(text.into()), Some(text.into()), Some(text.into()));
    for shipment in &mut order.shipments {
        shipment.carrier = Some(domain::Carrier::stored(text.to_owned()));
    }
    for refund in &mut order.payment.refunds {
        refund.reason = Some(Reason::stored(text.to_owned()));
    }
    notification
}

/// The visible text of both parts, without the links that are the shop's own.
fn without_own_links(notification: &Notification) -> String {
    let Written { text, html, .. } = written(notification);
    let mut shown = format!("{text}\n{}", visible(&html));
    let order = &notification.order;
    let tracking = order.shipments.iter().filter_map(|parcel| parcel.tracking_url.as_ref());
    for url in tracking.map(|url| url.as_str().to_owned()).chain(page_of(order).map(|link| link.url)) {
        shown = shown.replace(&url, "");
    }
    // Digits of the shop and of the carrier.
    shown.replace("00000-00000", "").replace("JJD000390007", "")
}

#[test]
fn no_text_of_a_stranger_acts_as_a_link() {
    let chosen = "locked: http://evil.example or www.evil.example or eve@evil.example, mailto:eve";
    let long = format!("{chosen} {}", "long ".repeat(30));
    for notification in every_kind() {
        for language in Language::ALL {
            let shown = without_own_links(&in_(language, &filled_with(&notification, &long)));

            for link in ["//", "www.", "evil.example", "eve@", "mailto:"] {
                assert!(!shown.contains(link), "{link}: {shown}");
            }
            // A reason may be longer than a name and a line of an address.
            for line in shown.lines().filter(|line| !line.starts_with("Reason") && !line.starts_with("Grund")) {
                assert!(!line.contains("long long long long long long long"), "{line}");
            }
            assert!(!shown.contains(&"long ".repeat(26)), "{shown}");
            assert!(shown.contains("locked: http / /evil. example"), "{shown}");
        }
    }
    let no_detection = r#"<meta name="format-detection" content="telephone=no,date=no,address=no,email=no,url=no">"#;
    assert!(written(&placed()).html.contains(no_detection));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_text_of_a_stranger_becomes_a_link_in_any_language(text in hostile_text(), which in 0..6_usize) {
        for language in Language::ALL {
            let notification = in_(language, &filled_with(&every_kind()[which], &text));

            let shown = without_own_links(&notification);

            for line in shown.lines() {
                prop_assert_eq!(link_in(line), None, "{:?}", line);
            }
            // Nor is it markup: the tags are those of the same mail with another text.
            let tags = |html: &str| html.matches('<').count();
            let harmless = in_(language, &filled_with(&every_kind()[which], "Mug"));
            prop_assert_eq!(tags(&written(&notification).html), tags(&written(&harmless).html));
        }
    }
}

#[test]
fn the_only_links_of_a_mail_are_the_orders_page_and_the_carriers() {
    let hrefs = |notification: &Notification, link| {
        let html = write(notification, &shop(), link).unwrap().html;
        html.split("href=\"").skip(1).map(|link| link.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let of_order = "https://shop.example/orders/018cc251-f400-7000-8000-000000000000";
    let of_carrier = "https://carrier.example/?parcel=JJD000390007&#38;lang=en";
    let all = delivered();
    let [placed, shipped, ..] = all.as_slice() else { panic!("it was shipped") };

    assert_eq!(hrefs(placed, page_of(&placed.order)), [of_order]);
    assert_eq!(hrefs(shipped, page_of(&shipped.order)), [of_order, of_carrier]);
    assert_eq!(hrefs(shipped, None), [of_carrier]);
    assert!(!write(placed, &shop(), None).unwrap().text.contains("View your order"));
    assert!(
        written(shipped)
            .text
            .contains("  Track the shipment:\n  https://carrier.example/?parcel=JJD000390007&lang=en\n")
    );
    let mut old = shipped.clone();
    old.order.shipments[0].tracking_url = Some(domain::TrackingUrl::stored("javascript:alert(1)".to_owned()));
    assert_eq!(hrefs(&old, None), Vec::<String>::new());
}

#[test]
fn a_mail_says_of_its_link_that_it_needs_no_login_if_that_is_so() {
    let notification = placed();
    for (opens_it, language, says) in [
        (true, Language::En, "opens the order without a login. Please do not forward"),
        (true, Language::De, "öffnet die Bestellung ohne Anmeldung. Bitte leiten"),
        (false, Language::En, "without a login"),
    ] {
        let notification = in_(language, &notification);
        let link = page_of(&notification.order).map(|link| OrderLink { opens_it, ..link });

        let Written { text, html, .. } = write(&notification, &shop(), link).unwrap();

        assert_eq!((text.contains(says), html.contains(says)), (opens_it, opens_it), "{text}");
    }
}

#[test]
fn a_parcel_shows_what_is_known_of_it() {
    let shipped = &delivered().swap_remove(1);
    let with = |change: fn(&mut domain::Shipment)| {
        let mut notification = shipped.clone();
        change(&mut notification.order.shipments[0]);
        written(&notification)
    };

    let carrier = with(|parcel| (parcel.tracking_number, parcel.tracking_url) = (None, None));
    assert!(carrier.text.contains("\nShipment\n  Carrier: Parcels & Sons\n\nPayment\n"), "{}", carrier.text);
    let link = with(|parcel| (parcel.tracking_number, parcel.carrier) = (None, None));
    assert!(link.text.contains("\nShipment\n  Track the shipment:\n"), "{}", link.text);
    let mut unknown = shipped.clone();
    unknown.order.shipments.clear();
    assert!(!written(&unknown).text.contains("Shipment") && !written(&unknown).html.contains("Shipment"));
}

#[test]
fn the_table_of_lines_shows_quantity_unit_price_and_total() {
    let Written { html, .. } = written(&placed());

    let column = |name: &str| html.find(&format!(">{name}</th>")).unwrap();
    assert!(column("Item") < column("Total"), "{html}");
    let rows = html.split("</tr>").skip_while(|row| !row.contains("Saucer")).take(2).collect::<String>();
    let texts = rows.split('>').filter_map(|part| part.split('<').next()).map(str::trim);
    let shown: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
    assert_eq!(shown, ["3 × Mug &#38; &#60;Saucer&#62;", "$8.99 each", "$26.97"]);
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
        let Written { text, html, .. } = written(&notification);
        assert!(!text.contains("\n\n\n") && !text.contains("www.") && !html.contains("www."), "{text}");
        (text, html)
    };

    let (text, html) = says(&shipped, RefundRequest { lines: vec![mug], reason, ..RefundRequest::default() });
    assert!(text.contains("\n\nIt is for:\n  2 × Mug & <Saucer>\n\nReason: Both handles were broken, see "), "{text}");
    assert!(
        html.contains("<li>2 × Mug &#38; &#60;Saucer&#62;</li>") && html.contains("Reason: Both handles"),
        "{html}"
    );
    let (text, _) = says(&shipped, RefundRequest { amount: Some(usd(100)), ..RefundRequest::default() });
    assert!(text.contains("a part of what you paid") && !text.contains("Reason"), "{text}");
    assert!(says(&shipped, RefundRequest::default()).0.contains("for the whole order"));
    assert!(says(&paid, RefundRequest::default()).0.contains("which was cancelled"));
}

#[test]
fn a_mail_about_a_cancellation_gives_the_reason_of_staff() {
    let paid = held().paid("pay_1", NOW).unwrap().order;
    let reason = Some(Reason::parse("The mug is sold out").unwrap());
    let cancelled = paid.refund(&RefundRequest { reason, ..RefundRequest::default() }, NOW).unwrap().order;

    let Written { text, .. } = written(&notifications(2, &cancelled, NOW)[0]);

    assert!(
        text.contains("will be refunded to your original means of payment.\n\nReason: The mug is sold out\n"),
        "{text}"
    );
    assert!(!text.contains("It is for"), "{text}");
}

#[test]
fn several_refunds_are_added_up() {
    let shipped = held().paid("pay_1", NOW).unwrap().order.ship(NOW).unwrap().unwrap().order;
    let part = |cents| RefundRequest { amount: Some(usd(cents)), ..RefundRequest::default() };
    let first = shipped.refund(&part(100), NOW).unwrap().order.refund_paid(1, NOW).unwrap().order;
    let owed = first.refund(&part(250), NOW).unwrap().order;
    let second = owed.refund_paid(2, NOW).unwrap().order;

    let text = |order: &Order| written(notifications(0, order, NOW).last().unwrap()).text;

    assert!(text(&owed).contains("  Refunded: $1.00\n"), "{}", text(&owed));
    assert!(text(&second).contains("refunded $2.50") && text(&second).contains("  Refunded: $3.50\n"));
}

#[test]
fn an_order_with_a_discount_and_no_address_shows_its_sums_and_no_address() {
    let mut notification = placed();
    notification.order.totals.discount = usd(100_000);
    notification.order.totals.total = usd(22_697);
    notification.order.ship_to = None;

    let Written { text, html, .. } = written(&notification);

    assert!(text.contains("\n\nSubtotal: $1,226.97\nDiscount: -$1,000.00\nTotal: $226.97\n\nPayment\n"), "{text}");
    assert!(!text.contains("Delivery address") && !html.contains("Delivery address"), "{text}");
    assert!(!text.contains("\n\n\n"), "{text}");
}

#[test]
fn a_mail_is_mime_with_both_parts_and_says_what_it_is() {
    let raw = raw(&ann(), &shop());
    let headers = headers(&raw);

    let id = "018cc251-f400-7000-8000-000000000000-2";
    for header in [
        "From: \"The Shop\" <orders@shop.example>".to_owned(),
        "Subject: Your The Shop order 00000-00000 is confirmed".to_owned(),
        "Date: Tue, 14 Nov 2023 22:13:20 +0000".to_owned(),
        format!("Message-ID: <{id}@shop.example>"),
        "Content-Language: en".to_owned(),
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
        let composed = compose(&placed(), &Email::stored(stored.to_owned()), &shop(), None);

        assert!(matches!(composed, Err(EmailError::Address)), "{stored}");
    }
}

#[test]
fn a_stored_address_with_a_unicode_domain_is_sent_to_in_ascii() {
    let ann = Email::stored("ann@müller.example".to_owned());

    let mail = compose(&placed(), &ann, &shop(), None).unwrap();

    assert_eq!(mail.to.as_str(), "ann@xn--mller-kva.example");
    assert!(String::from_utf8(mail.raw).unwrap().contains("ann@xn--mller-kva.example"));
}

#[test]
fn a_mail_has_the_id_of_the_version_it_is_about() {
    let lost = held().outcome_unknown(NOW).unwrap().order;
    let order = lost.void(VoidReason::Expired, NOW).unwrap().order;
    let notification = &crate::notifications(2, &order, NOW)[0];

    let mail = compose(notification, &ann(), &shop(), None).unwrap();

    assert_eq!(mail.id, "018cc251-f400-7000-8000-000000000000-3");
    assert_eq!(notification.kind, NotificationKind::Cancelled(Cancelled::Unpaid));
    assert!(!format!("{mail:?}").contains("ann"));
}
