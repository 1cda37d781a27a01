use domain::{Currency, Money};
use icu_decimal::{DecimalFormatter, input::Decimal};
use icu_locale_core::locale;

/// Signs that stand for one currency in English, as [CLDR](https://cldr.unicode.org) has them. Any other currency is
/// written by its code: a `$` may be of twenty countries.
const SIGNS: [(Currency, &str); 9] = [
    (Currency::EUR, "€"),
    (Currency::GBP, "£"),
    (Currency::ILS, "₪"),
    (Currency::INR, "₹"),
    (Currency::JPY, "¥"),
    (Currency::KRW, "₩"),
    (Currency::PHP, "₱"),
    (Currency::USD, "$"),
    (Currency::VND, "₫"),
];

/// Mails are in English, and so are their numbers.
fn english() -> DecimalFormatter {
    let english = DecimalFormatter::try_new(locale!("en").into(), Default::default());
    english.expect("the English format is compiled in")
}

/// An amount as it is written in English: `$1,234.56`, `€1,234.56`, `CHF 1,234.50`.
pub fn shown(money: Money) -> String {
    let currency = money.currency();
    let mut amount = Decimal::from(money.amount_minor().unsigned_abs());
    amount.multiply_pow10(-i16::try_from(currency.exponent().unwrap_or_default()).unwrap_or_default());
    let english = english();
    let number = english.format(&amount);
    let minus = if money.amount_minor() < 0 { "-" } else { "" };
    match SIGNS.iter().find(|(of, _)| *of == currency) {
        Some((_, sign)) => format!("{minus}{sign}{number}"),
        // Kept on one line with the number.
        None => format!("{minus}{}\u{a0}{number}", currency.code()),
    }
}

#[cfg(test)]
mod tests {
    use domain::parse_currency;
    use iso_currency::IntoEnumIterator as _;
    use proptest::prelude::*;

    use super::*;

    fn write(minor: i64, code: &str) -> String {
        shown(Money::amount(minor, parse_currency(code).unwrap()))
    }

    #[test]
    fn amounts_are_written_in_english_whatever_their_currency() {
        assert_eq!(write(123_456, "USD"), "$1,234.56");
        assert_eq!(write(123_456, "EUR"), "€1,234.56");
        assert_eq!(write(-123_456, "EUR"), "-€1,234.56");
        assert_eq!(write(12_345_600, "INR"), "₹123,456.00");
        assert_eq!(write(1_234, "JPY"), "¥1,234");
        assert_eq!(write(1_234_567, "KWD"), "KWD\u{a0}1,234.567");
        assert_eq!(write(123_450, "CHF"), "CHF\u{a0}1,234.50");
        assert_eq!(write(-5, "CAD"), "-CAD\u{a0}0.05");
        assert_eq!(write(0, "USD"), "$0.00");
        assert_eq!(write(5, "USD"), "$0.05");
        assert_eq!(write(i64::MIN, "JPY"), "-¥9,223,372,036,854,775,808");
    }

    proptest! {
        #[test]
        fn no_figure_of_an_amount_is_lost(minor in any::<i64>()) {
            for currency in Currency::iter().filter(|currency| parse_currency(currency.code()).is_ok()) {
                let money = Money::amount(minor, currency);

                let shown = shown(money);

                let without = |text: &str| text.chars().filter(|c| matches!(c, '0'..='9' | '.' | '-')).collect::<String>();
                prop_assert_eq!(without(&shown), without(&money.to_string()), "{}", shown);
            }
        }
    }

    #[test]
    fn a_sign_stands_for_one_currency_only() {
        let mut signs: Vec<_> = SIGNS.iter().map(|(_, sign)| sign).collect();
        signs.sort();
        signs.dedup();

        assert_eq!(signs.len(), SIGNS.len());
    }
}
