use domain::{Currency, Language, Money};
use icu_decimal::{DecimalFormatter, input::Decimal};
use icu_locale_core::{Locale, locale};

/// Signs that stand for one currency, as [CLDR](https://cldr.unicode.org) has them in English. Any other currency is
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

fn sign(currency: Currency, language: Language) -> Option<&'static str> {
    match (language, currency) {
        // In German CLDR writes it by its code.
        (Language::De, Currency::PHP) => None,
        (Language::En | Language::De, _) => SIGNS.iter().find(|(of, _)| *of == currency).map(|(_, sign)| *sign),
    }
}

fn formatter(language: Language) -> DecimalFormatter {
    let locale: Locale = match language {
        Language::En => locale!("en"),
        Language::De => locale!("de"),
    };
    DecimalFormatter::try_new(locale.into(), Default::default()).expect("the formats of all languages are compiled in")
}

/// An amount as its language writes it: `$1,234.56` and `CHF 1,234.50` in English, `1.234,56 $` and `1.234,50 CHF` in
/// German. It has no space at which a line could break.
pub fn shown(money: Money, language: Language) -> String {
    let currency = money.currency();
    let mut amount = Decimal::from(money.amount_minor().unsigned_abs());
    amount.multiply_pow10(-i16::try_from(currency.exponent().unwrap_or_default()).unwrap_or_default());
    let formatter = formatter(language);
    let number = formatter.format(&amount);
    let minus = if money.amount_minor() < 0 { "-" } else { "" };
    let (sign, code) = (sign(currency, language), currency.code());
    match (language, sign) {
        (Language::En, Some(sign)) => format!("{minus}{sign}{number}"),
        (Language::En, None) => format!("{minus}{code}\u{a0}{number}"),
        (Language::De, sign) => format!("{minus}{number}\u{a0}{}", sign.unwrap_or(code)),
    }
}

#[cfg(test)]
mod tests {
    use domain::parse_currency;
    use iso_currency::IntoEnumIterator as _;
    use proptest::prelude::*;

    use super::*;

    fn write(minor: i64, code: &str) -> [String; 2] {
        Language::ALL.map(|language| shown(Money::amount(minor, parse_currency(code).unwrap()), language))
    }

    #[test]
    fn amounts_are_written_as_their_language_does_whatever_their_currency() {
        for (minor, code, english, german) in [
            (123_456, "USD", "$1,234.56", "1.234,56\u{a0}$"),
            (123_456, "EUR", "€1,234.56", "1.234,56\u{a0}€"),
            (-123_456, "EUR", "-€1,234.56", "-1.234,56\u{a0}€"),
            (12_345_600, "INR", "₹123,456.00", "123.456,00\u{a0}₹"),
            (1_234, "JPY", "¥1,234", "1.234\u{a0}¥"),
            (1_234_567, "KWD", "KWD\u{a0}1,234.567", "1.234,567\u{a0}KWD"),
            (123_450, "CHF", "CHF\u{a0}1,234.50", "1.234,50\u{a0}CHF"),
            (-5, "CAD", "-CAD\u{a0}0.05", "-0,05\u{a0}CAD"),
            (100, "PHP", "₱1.00", "1,00\u{a0}PHP"),
            (0, "USD", "$0.00", "0,00\u{a0}$"),
            (5, "USD", "$0.05", "0,05\u{a0}$"),
            (i64::MIN, "JPY", "-¥9,223,372,036,854,775,808", "-9.223.372.036.854.775.808\u{a0}¥"),
        ] {
            assert_eq!(write(minor, code), [english, german]);
        }
    }

    proptest! {
        #[test]
        fn no_figure_of_an_amount_is_lost(minor in any::<i64>()) {
            for currency in Currency::iter().filter(|currency| parse_currency(currency.code()).is_ok()) {
                let money = Money::amount(minor, currency);
                for language in Language::ALL {
                    let shown = shown(money, language);

                    let decimal = match language {
                        Language::En => '.',
                        Language::De => ',',
                    };
                    let kept = shown.chars().filter(|c| matches!(c, '0'..='9' | '-') || *c == decimal);
                    let figures = kept.map(|c| if c == decimal { '.' } else { c }).collect::<String>();
                    let exact = money.to_string();
                    let exact = exact.chars().filter(|c| matches!(c, '0'..='9' | '.' | '-')).collect::<String>();
                    prop_assert_eq!(figures, exact, "{}", shown);
                }
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
