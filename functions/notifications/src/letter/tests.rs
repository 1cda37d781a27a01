use domain::{CustomerName, Email, NotPaid};

use super::*;
use crate::testing::{NOW, ann, held, shop, usd};

fn notice(news: News) -> Notice {
    Notice { news, order: held().paid("pay_1", NOW).unwrap().order, at: NOW }
}

fn every_news() -> [News; 8] {
    [
        News::Placed,
        News::Declined,
        News::Shipped,
        News::Delivered,
        News::Cancelled(Cancelled::NotPaid),
        News::Cancelled(Cancelled::AsAsked),
        News::Cancelled(Cancelled::Refunding(usd(122_697))),
        News::Refunded(usd(123_456)),
    ]
}

/// Text and HTML, before MIME encodes them.
fn read(news: News) -> (String, String) {
    let (notice, ann, shop) = (notice(news), ann(), shop());
    written(news, &Letter::new(&notice, &ann, &shop)).unwrap()
}

fn raw(customer: &Customer, from: &Sender) -> String {
    String::from_utf8(compose(&notice(News::Placed), customer, from).unwrap().raw).unwrap()
}

/// The headers of a mail, unfolded.
fn headers(raw: &str) -> Vec<String> {
    let (head, _) = raw.split_once("\r\n\r\n").unwrap();
    head.replace("\r\n ", " ").split("\r\n").map(str::to_owned).collect()
}

#[test]
fn every_mail_shows_what_was_ordered_and_what_it_comes_to() {
    for news in every_news() {
        let (text, html) = read(news);

        for part in [&text, &html] {
            for shown in ["018cc251-f400-7000-8000-000000000000", "1 January 2024", "$26.97", "$1,200.00", "$1,226.97"]
            {
                assert!(part.contains(shown), "{shown} is missing in {part}");
            }
            assert!(part.contains("H91 AB12 Galway") && part.contains("What happens next"), "{part}");
        }
        assert!(text.contains("3 × Mug & <Saucer>: $26.97\n1 × Pan: $1,200.00\n"), "{text}");
        assert!(text.contains("Hello Ann <b>Núñez</b>,") && text.contains("  1 Harbour <Lane>\n"), "{text}");
        assert!(!text.contains("\n\n\n"), "{text}");
    }
}

#[test]
fn nothing_a_customer_wrote_is_markup() {
    for news in every_news() {
        let (_, html) = read(news);

        for markup in ["<b>", "<Saucer>", "<Lane>"] {
            assert!(!html.contains(markup), "{html}");
        }
        assert!(html.contains("Hello Ann &#60;b&#62;Núñez&#60;/b&#62;,"), "{html}");
        assert!(html.contains("Mug &#38; &#60;Saucer&#62;"), "{html}");
    }
}

#[test]
fn each_news_says_what_became_of_the_money() {
    let says = |news, sentence: &str| {
        let (text, html) = read(news);
        assert!(text.contains(sentence) && html.contains(sentence), "{text}");
    };

    says(News::Placed, "Your payment has arrived");
    says(News::Declined, "Nothing was charged");
    says(News::Cancelled(Cancelled::NotPaid), "not paid in time, so it was cancelled. Nothing was charged");
    says(News::Cancelled(Cancelled::AsAsked), "as you asked. Nothing was charged");
    says(News::Cancelled(Cancelled::Refunding(usd(122_697))), "$1,226.97 goes back to you");
    says(News::Refunded(usd(123_456)), "We have paid $1,234.56 back to you");
}

#[test]
fn a_free_order_speaks_of_no_payment() {
    let mut notice = notice(News::Placed);
    notice.order.totals.discount = notice.order.totals.total;
    notice.order.totals.total = usd(0);
    notice.order.ship_to = None;
    let (ann, shop) = (ann(), shop());

    let (text, html) = written(News::Placed, &Letter::new(&notice, &ann, &shop)).unwrap();

    assert!(text.contains("It is confirmed.") && !text.contains("payment"), "{text}");
    assert!(text.contains("\nSubtotal: $1,226.97\nDiscount: -$1,226.97\nTotal: $0.00\n"), "{text}");
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
    assert!(headers.iter().any(|h| h.starts_with("To: =?utf-8?") && h.ends_with(" <ann@example.com>")), "{headers:#?}");
    assert!(headers.iter().any(|h| h.starts_with("Content-Type: multipart/alternative; boundary=")), "{headers:#?}");
    let (text, html) = (raw.find("Content-Type: text/plain; charset=\"utf-8\""), raw.find("Content-Type: text/html"));
    assert!(text.is_some() && text < html, "{raw}");
    assert!(raw.is_ascii(), "{raw}");
    assert!(raw.split("\r\n").all(|line| line.len() <= 998 && !line.contains('\n')), "{raw}");
}

#[test]
fn no_name_begins_a_header_of_its_own() {
    let from = shop().of_shop("Mugs\r\nBcc: eve@example.com\r\n\r\nBody");
    let mut from = Sender { name: Some("Shop\r\nBcc: eve@example.com".to_owned()), ..from };
    let ann = Customer { name: CustomerName::parse("Ann, \"A\" <eve@example.com>").unwrap(), ..ann() };

    for _ in 0..2 {
        let raw = raw(&ann, &from);
        let headers = headers(&raw);

        assert!(!headers.iter().any(|h| h.to_lowercase().starts_with("bcc")), "{headers:#?}");
        assert!(headers.iter().any(|h| h.starts_with("X-Entity-Ref-ID")), "{headers:#?}");
        let to = r#"To: "Ann, \"A\" <eve@example.com>" <ann@example.com>"#;
        assert!(headers.iter().any(|h| h == to), "{headers:#?}");
        // Once more with letters that have to be encoded.
        from.shop.push('é');
        from.name.iter_mut().for_each(|name| name.push('é'));
    }
}

#[test]
fn an_address_that_is_none_is_refused_rather_than_guessed() {
    let eve = Customer { email: Email::parse("x>,<bob@example.com").unwrap(), ..ann() };

    let composed = compose(&notice(News::Placed), &eve, &shop());

    assert!(matches!(composed, Err(LetterError::Address)));
}

#[test]
fn a_mail_has_the_id_of_the_version_it_tells_of() {
    let order = held().not_paid(NotPaid::Expired, NOW).unwrap().order;
    let notice = &crate::notices(1, &order, NOW)[0];

    let mail = compose(notice, &ann(), &shop()).unwrap();

    assert_eq!(mail.id, "018cc251-f400-7000-8000-000000000000-2");
    assert!(!format!("{mail:?}").contains("ann"));
}
