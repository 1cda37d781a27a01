use std::fmt;

use iso_currency::Currency;

use crate::Invalid;

/// The highest price of one unit, in minor units. 90 lines of 9,999 units at this price stay below 2^53, so that a
/// JavaScript client reads every total exactly.
pub const MAX_PRICE_MINOR: i64 = 10_000_000_000;

/// An amount in integer minor units (cents, pence, yen) of an ISO 4217 currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    amount_minor: i64,
    currency: Currency,
}

impl Money {
    /// A price: zero to [`MAX_PRICE_MINOR`].
    pub fn price(amount_minor: i64, currency: Currency) -> Result<Self, Invalid> {
        if !(0..=MAX_PRICE_MINOR).contains(&amount_minor) {
            let reason = format!("must be 0 to {MAX_PRICE_MINOR} minor units");
            return Err(Invalid::new("price", "price_out_of_range", reason));
        }
        Ok(Self { amount_minor, currency })
    }

    /// An amount that is not a price of one unit: a total, a part of one, or an expected total.
    pub fn amount(amount_minor: i64, currency: Currency) -> Self {
        Self { amount_minor, currency }
    }

    /// Reads a decimal such as `12.99` with the currency's number of decimals, written like a JSON number: a digit on
    /// both sides of the point and no leading zeros.
    ///
    /// # Errors
    /// More decimals than the currency has are refused, never rounded.
    pub fn parse_decimal(raw: &str, currency: Currency) -> Result<Self, Invalid> {
        let decimals = usize::from(currency.exponent().unwrap_or(0));
        let invalid = || {
            let reason = format!("{raw:?} is not an amount of {} with {decimals} decimals", currency.code());
            Invalid::new("price", "price_invalid", reason)
        };
        let (whole, fraction) = raw.split_once('.').unwrap_or((raw, ""));
        let padded = whole.len() > 1 && whole.starts_with('0');
        if padded || raw.ends_with('.') {
            return Err(invalid());
        }
        let fraction = if fraction.len() > decimals { fraction.trim_end_matches('0') } else { fraction };
        let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > decimals {
            return Err(invalid());
        }
        let amount = format!("{whole}{fraction:0<decimals$}").parse().map_err(|_| invalid())?;
        Self::price(amount, currency)
    }

    pub fn amount_minor(&self) -> i64 {
        self.amount_minor
    }

    pub fn currency(&self) -> Currency {
        self.currency
    }
}

impl fmt::Display for Money {
    /// `12.99 USD`, exact; for logs and operators, not for shoppers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = usize::from(self.currency.exponent().unwrap_or(0));
        let sign = if self.amount_minor < 0 { "-" } else { "" };
        let digits = format!("{:0>1$}", self.amount_minor.unsigned_abs(), decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        let point = if decimals == 0 { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction} {}", self.currency.code())
    }
}

/// Reads an ISO 4217 code of a currency that can be charged: upper case, and none of the `X..` codes for metals, tests
/// or no currency.
pub fn parse_currency(code: &str) -> Result<Currency, Invalid> {
    const REAL_X: [&str; 5] = ["XAF", "XCD", "XCG", "XOF", "XPF"];
    let chargeable = code.len() == 3 && (!code.starts_with('X') || REAL_X.contains(&code));
    // The crate ignores case; a contract with one spelling is simpler to rely on.
    chargeable
        .then(|| Currency::from_code(code))
        .flatten()
        .filter(|c| c.code() == code && c.exponent().is_some())
        .ok_or_else(|| Invalid::new("currency", "currency_invalid", "must be an ISO 4217 code such as USD"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_follow_the_currency() {
        let minor = |raw, currency| Money::parse_decimal(raw, currency).map(|m| m.amount_minor()).ok();

        assert_eq!(minor("12.99", Currency::USD), Some(1299));
        assert_eq!(minor("12.9", Currency::USD), Some(1290));
        assert_eq!(minor("12", Currency::USD), Some(1200));
        assert_eq!(minor("12.990", Currency::USD), Some(1299));
        assert_eq!(minor("12.999", Currency::USD), None);
        assert_eq!(minor("500", Currency::JPY), Some(500));
        assert_eq!(minor("1.234", Currency::KWD), Some(1234));
        assert_eq!(minor("-1.00", Currency::USD), None);
        for one_sided_or_padded in [".50", "12.", ".", "007.50", "00", "00.50", "01"] {
            assert_eq!(minor(one_sided_or_padded, Currency::USD), None, "{one_sided_or_padded}");
        }
        assert_eq!(minor("0", Currency::USD), Some(0));
        assert_eq!(minor("0.50", Currency::USD), Some(50));
        assert_eq!(minor("1e3", Currency::USD), None);
        assert_eq!(minor("", Currency::USD), None);
    }

    #[test]
    fn only_real_money_is_a_currency() {
        assert!(parse_currency("USD").is_ok());
        assert!(parse_currency("XOF").is_ok());
        for code in ["XXX", "XTS", "XAU", "usd", "US", "USDX", ""] {
            assert!(parse_currency(code).is_err(), "{code}");
        }
    }

    #[test]
    fn a_price_is_never_negative_nor_beyond_what_clients_can_hold() {
        assert!(Money::price(-1, Currency::USD).is_err());
        assert!(Money::price(MAX_PRICE_MINOR, Currency::USD).is_ok());
        assert!(Money::price(MAX_PRICE_MINOR + 1, Currency::USD).is_err());
        const { assert!(MAX_PRICE_MINOR * 9_999 * 90 < 1 << 53) };
    }

    proptest! {
        #[test]
        fn printing_and_reading_an_amount_gives_it_back(minor in 0..=MAX_PRICE_MINOR) {
            for currency in [Currency::USD, Currency::JPY, Currency::KWD] {
                let money = Money::price(minor, currency).unwrap();
                let printed = money.to_string();
                let (decimal, _) = printed.split_once(' ').unwrap();
                prop_assert_eq!(Money::parse_decimal(decimal, currency).unwrap(), money);
            }
        }
    }
}
