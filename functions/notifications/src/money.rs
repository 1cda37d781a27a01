use domain::Money;
use rusty_money::{FormattableCurrency as _, Formatter, LocalFormat, Money as Formattable, Params, Position, iso};

/// An amount as shoppers write it: `$1,234.56`, `€1.234,56`, `₹1,23,456.00`.
///
/// A currency that the formats do not cover, or cover with other decimals, is written as `1234.56 XYZ`.
pub fn shown(money: Money) -> String {
    let currency = money.currency();
    let decimals = currency.exponent().map(u32::from);
    match iso::find(currency.code()) {
        Some(format) if Some(format.exponent) == decimals => in_format(money, format),
        _ => money.to_string(),
    }
}

fn in_format(money: Money, currency: &'static iso::Currency) -> String {
    let local = LocalFormat::from_locale(currency.locale());
    let symbol = currency.symbol();
    // Symbols are next to the digits, letters are separated by a space: `$5`, but `Fr 5`.
    let lettered = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '.');
    let positions: &[Position] = match currency.symbol_first() {
        true if lettered(symbol.chars().next_back()) => {
            &[Position::Sign, Position::Symbol, Position::Space, Position::Amount]
        }
        true => &[Position::Sign, Position::Symbol, Position::Amount],
        false if lettered(symbol.chars().next()) => {
            &[Position::Sign, Position::Amount, Position::Space, Position::Symbol]
        }
        false => &[Position::Sign, Position::Amount, Position::Symbol],
    };
    let params = Params {
        digit_separator: local.digit_separator,
        exponent_separator: local.exponent_separator,
        separator_pattern: local.digit_separator_pattern,
        positions,
        rounding: Some(currency.exponent),
        symbol: Some(symbol),
        code: Some(currency.code()),
    };
    Formatter::money(&Formattable::from_minor(money.amount_minor(), currency), params)
}

#[cfg(test)]
mod tests {
    use domain::{Currency, parse_currency};
    use iso_currency::IntoEnumIterator as _;

    use super::*;

    fn write(minor: i64, code: &str) -> String {
        shown(Money::amount(minor, parse_currency(code).unwrap()))
    }

    #[test]
    fn amounts_are_written_as_their_currency_is() {
        assert_eq!(write(123_456, "USD"), "$1,234.56");
        assert_eq!(write(123_456, "EUR"), "€1.234,56");
        assert_eq!(write(123_456, "GBP"), "£1,234.56");
        assert_eq!(write(12_345_600, "INR"), "₹1,23,456.00");
        assert_eq!(write(1_234, "JPY"), "¥1,234");
        assert_eq!(write(1_234_567, "KWD"), "د.ك 1,234.567");
        assert_eq!(write(123_450, "CHF"), "Fr 1,234.50");
        assert_eq!(write(123_450, "SEK"), "1 234,50 kr");
        assert_eq!(write(0, "USD"), "$0.00");
        assert_eq!(write(5, "USD"), "$0.05");
    }

    #[test]
    fn every_currency_a_shop_can_charge_in_is_written_with_its_own_decimals() {
        let mut plain = Vec::new();
        for currency in Currency::iter().filter(|c| parse_currency(c.code()).is_ok()) {
            let money = Money::amount(1_234_567, currency);

            let shown = shown(money);

            let digits: String = shown.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(digits, "1234567", "{shown}");
            let decimals = usize::from(currency.exponent().unwrap());
            let last = shown.rfind(|c: char| c.is_ascii_digit()).unwrap();
            let fraction = shown[..=last].rsplit([',', '.']).next().unwrap().len();
            assert!(fraction == decimals || decimals == 0, "{} {shown}", currency.code());
            if shown == money.to_string() {
                plain.push(currency.code());
            }
        }
        // The formats have other decimals for these than the stored prices.
        assert_eq!(plain, ["HUF", "MGA", "MRU"]);
    }
}
