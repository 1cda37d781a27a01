//! Stored values are parsed again when they are read. So a type has to accept every value that it accepted before,
//! unchanged: otherwise an item that was written could never be read.

use std::fmt::Debug;

use domain::{
    Address, AddressId, Attributes, Carrier, CategoryPath, CountryCode, Currency, CustomerName, Email, IdempotencyKey,
    Invalid, Manufacturer, Money, OrderEvent, OrderId, OrderNumber, OrderState, Password, PaymentEventId, PaymentState,
    Phone, ProductId, ProductName, Quantity, RefundState, ReviewText, SessionId, Stars, Thumbnail, TrackingNumber,
    TrackingUrl, UserId, parse_currency,
};
use proptest::{prelude::*, sample::select};

/// Characters that grow, shrink or depend on their neighbours when their case is folded, that combine, that are trimmed
/// or not, and that are separators.
const ODD: [&str; 56] = [
    "Ⱥ",
    "Ⱦ",
    "İ",
    "ı",
    "ẞ",
    "ß",
    "ﬀ",
    "ŉ",
    "ǰ",
    "Σ",
    "σ",
    "ς",
    "ΑΣ",
    "\u{212a}",
    "\u{212b}",
    "Ω",
    "ſ",
    "e\u{301}",
    "\u{301}",
    "\u{345}",
    "\u{a0}",
    "\u{2028}",
    "\u{3000}",
    "\u{85}",
    "\u{200b}",
    "\u{feff}",
    " ",
    "\t",
    "\n",
    "\r",
    "\0",
    "%2F",
    "%25",
    "%",
    "/",
    "#",
    "😀",
    "日本",
    // Characters that one normal form changes into another, and joiners that depend on their neighbours.
    "\u{344}",
    "\u{958}",
    "\u{fb1d}",
    "ﷺ",
    "Ｋ",
    "１",
    "\u{1100}\u{1161}",
    "が",
    "か\u{3099}",
    "\u{200c}",
    "\u{200d}",
    "\u{202e}",
    "\u{ad}",
    "\u{fe0f}",
    "क्\u{200d}ष",
    "می\u{200c}خ",
    "👩\u{200d}👧",
    "。",
];

/// Any text, biased to text that some of these types accept.
fn text() -> impl Strategy<Value = String> {
    let odd = || select(&ODD[..]).prop_map(str::to_owned);
    let plain = || "[a-zA-Z0-9._-]{1,12}";
    let mixed = move |parts| prop::collection::vec(prop_oneof![odd(), plain()], parts).prop_map(|parts| parts.concat());
    prop_oneof![
        any::<String>(),
        mixed(0..12),
        // Around every length limit.
        (odd(), select(&[16, 21, 22, 32, 50, 64, 65, 66, 67, 100, 127, 128, 200, 254, 300, 2_000][..]))
            .prop_map(|(odd, bytes)| odd.repeat((bytes / odd.len()).max(1))),
        (odd(), 14_usize..34, mixed(0..2)).prop_map(|(odd, times, end)| format!("{}{end}", odd.repeat(times))),
    ]
}

fn email() -> impl Strategy<Value = String> {
    (text(), prop_oneof![Just("example.com".to_owned()), Just("EXAMPLE.COM".to_owned()), text()])
        .prop_map(|(local, domain)| format!("{local}@{domain}"))
}

/// Parses, writes and parses again.
fn reads_again<T: PartialEq + Debug>(
    raw: &str,
    parse: impl Fn(&str) -> Result<T, Invalid>,
    written: impl Fn(&T) -> String,
) -> Result<(), TestCaseError> {
    if let Ok(first) = parse(raw) {
        let again = parse(&written(&first));
        prop_assert!(again.as_ref() == Ok(&first), "{raw:?} is {first:?}, and {again:?} when it is read again");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_email_reads_back_as_itself(raw in prop_oneof![email(), text()]) {
        // Not `Debug`, which hides it.
        if let Ok(first) = Email::parse(&raw) {
            let again = Email::parse(first.as_str());
            prop_assert!(again.as_ref() == Ok(&first), "{raw:?}: {:?} does not read back", first.as_str());
            prop_assert!(first.as_str().is_ascii() && first.as_str().len() <= 254);
            prop_assert!(Email::stored_forms(&raw).contains(&first));
            if let Some(unicode) = first.in_unicode() {
                prop_assert!(Email::parse(unicode.as_str()) == Ok(first.clone()), "{:?} is another", unicode.as_str());
            }
        }
    }

    #[test]
    fn texts_read_back_as_themselves(raw in text()) {
        reads_again(&raw, CustomerName::parse, |name| name.as_str().to_owned())?;
        reads_again(&raw, ProductName::parse, |name| name.as_str().to_owned())?;
        reads_again(&raw, Manufacturer::parse, |name| name.as_str().to_owned())?;
        reads_again(&raw, |raw| Address::line(raw, "city"), String::clone)?;
        reads_again(&raw, Phone::parse, |phone| phone.as_str().to_owned())?;
        reads_again(&raw, ReviewText::parse, |text| text.as_str().to_owned())?;
        reads_again(&raw, Thumbnail::parse, |url| url.as_str().to_owned())?;
        reads_again(&raw, CountryCode::parse, |code| code.as_str().to_owned())?;
        reads_again(&raw, Carrier::parse, |name| name.as_str().to_owned())?;
        reads_again(&raw, TrackingNumber::parse, |number| number.as_str().to_owned())?;
        reads_again(&raw, TrackingUrl::parse, |url| url.as_str().to_owned())?;
        reads_again(&raw, str::parse::<OrderNumber>, OrderNumber::to_string)?;
    }

    #[test]
    fn accepted_text_is_visible_and_within_its_length(raw in text()) {
        let accepted = [
            (CustomerName::parse(&raw).map(|name| name.as_str().to_owned()), CustomerName::MAX_CHARS),
            (ProductName::parse(&raw).map(|name| name.as_str().to_owned()), ProductName::MAX_CHARS),
            (Manufacturer::parse(&raw).map(|name| name.as_str().to_owned()), Manufacturer::MAX_CHARS),
            (Carrier::parse(&raw).map(|name| name.as_str().to_owned()), Carrier::MAX_CHARS),
            (TrackingNumber::parse(&raw).map(|number| number.as_str().to_owned()), TrackingNumber::MAX_CHARS),
            (Address::line(&raw, "city"), Address::MAX_LINE_CHARS),
        ];
        for (text, most) in accepted {
            let Ok(text) = text else { continue };
            prop_assert!(text.chars().count() <= most);
            prop_assert!(!text.contains(['\u{200b}', '\u{feff}', '\u{202e}', '\u{ad}', '\0', '\n', '\u{2028}']), "{text:?}");
        }
    }

    #[test]
    fn a_telephone_number_reads_back_as_itself(raw in "[+]?[0-9 ./()-]{3,45}") {
        reads_again(&raw, Phone::parse, |phone| phone.as_str().to_owned())?;
    }

    #[test]
    fn a_password_is_the_same_when_it_is_normalised_again(raw in text()) {
        if let Ok(first) = Password::choose(&raw) {
            let again = Password::choose(str::from_utf8(first.as_bytes()).expect("text"));
            prop_assert!(again.is_ok_and(|again| again.as_bytes() == first.as_bytes()));
            prop_assert!(Password::attempt(&raw).is_ok());
        }
    }

    #[test]
    fn a_stored_category_reads_back_in_its_joined_form(joined in prop::collection::vec(text(), 1..4)) {
        let first = CategoryPath::stored(&joined.join("/"));
        prop_assert_eq!(CategoryPath::stored(&first.to_string()), first);
    }

    #[test]
    fn a_thumbnail_and_a_country_read_back_as_themselves(url in "(https://)?[!-~]{0,40}", country in "[A-Z]{2}") {
        reads_again(&url, Thumbnail::parse, |url| url.as_str().to_owned())?;
        reads_again(&country, CountryCode::parse, |code| code.as_str().to_owned())?;
    }

    #[test]
    fn ids_read_back_as_themselves(raw in prop_oneof![text(), "[A-Za-z0-9._-]{0,66}".boxed()]) {
        reads_again(&raw, str::parse::<ProductId>, ToString::to_string)?;
        reads_again(&raw, ProductId::of_new_product, ToString::to_string)?;
        reads_again(&raw, str::parse::<UserId>, ToString::to_string)?;
        reads_again(&raw, str::parse::<AddressId>, ToString::to_string)?;
        reads_again(&raw, str::parse::<SessionId>, ToString::to_string)?;
        reads_again(&raw, str::parse::<IdempotencyKey>, ToString::to_string)?;
        reads_again(&raw, str::parse::<PaymentEventId>, ToString::to_string)?;
    }

    #[test]
    fn an_order_id_reads_back_as_itself(bytes in any::<[u8; 10]>(), millis in 0_u64..1 << 48) {
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid();
        reads_again(&id.to_string(), str::parse::<OrderId>, ToString::to_string)?;
        prop_assert!(id.to_string().parse::<OrderId>().is_ok());
    }

    #[test]
    fn a_category_reads_back_as_itself_in_its_joined_form(
        segments in prop::collection::vec(text(), 0..5),
        joined in prop::collection::vec(text(), 1..4).prop_map(|parts| parts.join("/")),
    ) {
        // A product of no category has no joined form.
        if let Ok(path) = CategoryPath::new(&segments) && !path.is_empty() {
            reads_again(&path.to_string(), CategoryPath::parse, ToString::to_string)?;
            prop_assert_eq!(CategoryPath::parse(&path.to_string()), Ok(path.clone()));
            prop_assert_eq!(CategoryPath::new(path.segments()), Ok(path.clone()));
            for level in path.levels() {
                prop_assert_eq!(CategoryPath::parse(&level.to_string()), Ok(level));
            }
        }
        reads_again(&joined, CategoryPath::parse, ToString::to_string)?;
    }

    #[test]
    fn attributes_read_back_as_themselves(entries in prop::collection::vec((text(), text()), 0..6)) {
        if let Ok(first) = Attributes::new(entries) {
            let written = first.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            prop_assert_eq!(Attributes::new(written), Ok(first.clone()));
        }
    }

    #[test]
    fn numbers_read_back_as_themselves(units in any::<i64>(), near in -2_i64..10_002, stars in any::<u8>()) {
        for units in [units, near] {
            if let Ok(first) = Quantity::new(units) {
                prop_assert_eq!(Quantity::new(first.units().into()), Ok(first));
            }
            if let Ok(first) = Money::price(units, Currency::USD) {
                prop_assert_eq!(Money::price(first.amount_minor(), first.currency()), Ok(first));
            }
        }
        if let Ok(first) = Stars::new(stars) {
            prop_assert_eq!(Stars::new(first.count()), Ok(first));
        }
    }

    #[test]
    fn a_currency_reads_back_as_itself(code in prop_oneof!["[A-Za-z]{3}".boxed(), text().boxed()]) {
        reads_again(&code, parse_currency, |currency| currency.code().to_owned())?;
    }

    #[test]
    fn states_and_events_read_back_as_themselves(raw in text(), number in 1_u32..200) {
        if let Some(state) = OrderState::parse(&raw) {
            prop_assert_eq!(OrderState::parse(state.as_str()), Some(state));
        }
        for event in [
            OrderEvent::Placed, OrderEvent::PaymentLost, OrderEvent::ActionRequired, OrderEvent::ChallengeFailed,
            OrderEvent::Confirmed, OrderEvent::Declined,
            OrderEvent::Expired, OrderEvent::Cancelled, OrderEvent::Shipped, OrderEvent::Delivered,
            OrderEvent::PaidLate(number), OrderEvent::RefundRequested(number), OrderEvent::RefundPaid(number),
            OrderEvent::RefundRefused(number),
        ] {
            prop_assert_eq!(OrderEvent::parse(event.as_str(), event.refund()), Some(event));
        }
    }
}

#[test]
fn every_state_reads_back_as_itself() {
    use OrderState::{Cancelled, Confirmed, Delivered, PaymentUnknown, PendingPayment, Shipped};

    for state in [PendingPayment, PaymentUnknown, Confirmed, Shipped, Delivered, Cancelled] {
        assert_eq!(OrderState::parse(state.as_str()), Some(state));
    }
    for name in ["pending", "action_required", "unknown", "captured", "declined", "voided"] {
        assert_eq!(PaymentState::parse(name).map(PaymentState::as_str), Some(name));
    }
    for name in ["requested", "paid", "refused"] {
        assert_eq!(RefundState::parse(name).map(RefundState::as_str), Some(name));
    }
}
