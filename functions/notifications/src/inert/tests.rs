use proptest::prelude::*;

use super::*;

/// Finds what mail clients would link, by a check that is independent of the rules above.
pub(crate) fn link_in(text: &str) -> Option<String> {
    let words = |separators: &'static [char]| {
        text.split(move |c: char| c.is_whitespace() || separators.contains(&c)).filter(|word| !word.is_empty())
    };
    let lower = text.to_lowercase();
    let begins = |at: usize| !lower[..at].chars().next_back().is_some_and(char::is_alphanumeric);
    let schemes = ["www.", "mailto:", "tel:", "sms:", "javascript:"];
    let scheme = schemes.iter().find(|s| lower.match_indices(**s).any(|(at, _)| begins(at)));
    let scheme = scheme.or(["//"].iter().find(|slashes| lower.contains(**slashes)));
    let address = words(&[]).find(|word| {
        let mut sides = word.split('@');
        sides.next().is_some_and(|left| !left.is_empty()) && sides.any(|right| !right.is_empty())
    });
    let host = words(&['(', ')', '<', '>', '"', '\'', ',', ';', '/']).find(|word| {
        let labels: Vec<&str> = word.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}', '\u{2024}']).collect();
        labels.windows(2).any(|pair| {
            let top: String = pair[1].chars().take_while(|c| c.is_alphabetic()).collect();
            pair[0].chars().next_back().is_some_and(char::is_alphanumeric) && top.chars().count() >= 2
        })
    });
    let numbers = words(&['/', ':']).find(|word| word.split('.').filter(|n| n.parse::<u8>().is_ok()).count() == 4);
    let grouped = |c: char| c.is_numeric() || " -.()+/:…".contains(c);
    let telephone = text.split(|c| !grouped(c)).find(|run| run.chars().filter(|c| c.is_numeric()).count() > 6);
    let named = |word: Option<&str>| word.map(str::to_owned);
    named(scheme.copied()).or(named(address)).or(named(host)).or(named(numbers)).or(named(telephone))
}

fn hides(c: char) -> bool {
    c.is_control()
        || "\u{ad}\u{200b}\u{200c}\u{200d}\u{200e}\u{202a}\u{202e}\u{2060}\u{2066}\u{feff}\u{e0041}".contains(c)
}

#[test]
fn the_link_check_of_these_tests_finds_links() {
    for link in [
        "see http://evil.example",
        "//evil",
        "WWW.evil",
        "evil.com",
        "(evil.co.uk)",
        "evil\u{3002}com",
        "a@b",
        "mailto:a",
        "10.0.0.1/login",
        "(900) 555-0100",
    ] {
        assert!(link_in(link).is_some(), "{link}");
    }
    for text in ["Mug 1.5 l", "10:30", "J. R. R. Tolkien", "Mug @ home", "a/b"] {
        assert_eq!(link_in(text), None, "{text}");
    }
}

#[test]
fn a_name_stays_readable_and_is_not_a_link() {
    let read = |text| inert(text, NAME);

    assert_eq!(read("Mug, 1.5 l (2 × 0.75)"), "Mug, 1.5 l (2 × 0.75)");
    assert_eq!(read("Book: the sequel"), "Book: the sequel");
    assert_eq!(read("J.R.R. Tolkien's  \"Ring\"…"), "J. R. R. Tolkien's \"Ring\"…");
    assert_eq!(read("1 Harbour <Lane>, flat 3/4, door 10:30"), "1 Harbour <Lane>, flat 3/4, door 10:30");
    assert_eq!(read("Łódź, 東京都, Αθήνα"), "Łódź, 東京都, Αθήνα");
    assert_eq!(read("your account is locked: http://evil.example"), "your account is locked: http / /evil. example");
    assert_eq!(read("www.evil.example/login?a=b"), "www evil. example/login?a=b");
    assert_eq!(read("mail eve@evil.example or mailto:eve"), "mail eve @ evil. example or mailto eve");
    assert_eq!(read("10.0.0.1"), "10. 0. 0. 1");
    assert_eq!(read("192.168.0.1:8080"), "192. 168.…");
    assert_eq!(read("call +1-900-555-0100 today"), "call +1-900-55… today");
    assert_eq!(read("New York NY 10001, screws 4 × 40 (200)"), "New York NY 10001, screws 4 × 40 (200)");
    assert_eq!(read("evil\u{3002}com ｗｗｗ．ｅｖｉｌ．ｃｏｍ"), "evil. com www evil. com");
    assert_eq!(read("ev\u{200b}il.c\u{ad}om\u{202e}\r\nBcc: a"), "evil. com Bcc: a");
    assert_eq!(read(r"\\server\share"), "server share");
}

#[test]
fn a_long_text_is_cut_at_a_letter() {
    assert_eq!(inert("abcdef", 6), "abcdef");
    assert_eq!(inert("abcdefg", 6), "abcde…");
    assert_eq!(inert("abc. defg", 6), "abc…");
    assert_eq!(inert("......", 3), "…");
    assert_eq!(inert(&"ñ".repeat(200), NAME).chars().count(), NAME);
}

/// Any text, or parts of links with characters that hide them from a filter.
pub(crate) fn hostile_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("http"),
        Just("HTTPS"),
        Just("://"),
        Just("/"),
        Just(":"),
        Just("."),
        Just("。"),
        Just("．"),
        Just("｡"),
        Just("@"),
        Just("＠"),
        Just("www"),
        Just("ＷＷＷ"),
        Just("evil"),
        Just("com"),
        Just("1"),
        Just("255"),
        Just("mailto"),
        Just("tel"),
        Just(" "),
        Just("\u{200b}"),
        Just("\u{ad}"),
        Just("\u{202e}"),
        Just("\r\n"),
        Just("\u{301}"),
        Just("-"),
        Just("_"),
        Just("…"),
        Just("é"),
        Just("\\"),
        Just("("),
        Just("<"),
        Just("\u{2028}"),
        Just("\u{e0041}"),
    ];
    prop_oneof![any::<String>(), prop::collection::vec(part, 0..14).prop_map(|parts| parts.concat())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_text_becomes_bounded_and_is_not_a_link(
        text in hostile_text(),
        most in 1_usize..90,
    ) {
        let made = inert(&text, most);

        prop_assert!(made.chars().count() <= most, "{made:?}");
        prop_assert_eq!(link_in(&made), None, "{:?}", made);
        prop_assert!(!made.chars().any(hides), "{made:?}");
        prop_assert_eq!(inert(&made, most), made.clone());
    }
}
