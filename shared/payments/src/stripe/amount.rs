//! Amounts in Stripe's smallest unit, which for some currencies is not the minor unit of ISO 4217, and which amounts
//! Stripe accepts. <https://docs.stripe.com/currencies#zero-decimal>

use domain::{Currency, Money};

use crate::NotChargeable;

/// How Stripe represents an amount of a currency.
enum Written {
    /// In minor units.
    Alike,
    /// In minor units, and only multiples of ten.
    InTens,
    /// Stripe still uses two decimals that the currency no longer has.
    Hundredfold,
    /// Stripe uses no decimals, although the currency formally has some.
    Whole,
}

fn written(currency: Currency) -> Option<Written> {
    match currency.code() {
        "ISK" | "UGX" => Some(Written::Hundredfold),
        "MGA" => Some(Written::Whole),
        "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "VND" | "VUV" | "XAF" | "XOF"
        | "XPF" => Some(Written::Alike),
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => Some(Written::InTens),
        // Any other currency without two decimals is not in Stripe's list, and a guess could charge a hundredfold.
        _ => (currency.exponent() == Some(2)).then_some(Written::Alike),
    }
}

/// In Stripe's unit; nothing is rounded. Used for refunds too, which have no minimum.
///
/// # Errors
/// Stripe cannot represent this amount exactly, or does not accept the currency.
pub fn to_stripe(money: Money) -> Result<i64, NotChargeable> {
    let (amount, currency) = (money.amount_minor(), money.currency());
    let multiple_of = |step: i64| {
        let whole = (amount % step == 0).then_some(amount);
        whole.ok_or(NotChargeable::NotAMultiple { step: Money::amount(step, currency) })
    };
    match written(currency).ok_or(NotChargeable::Currency(currency))? {
        Written::Alike => Ok(amount),
        Written::InTens => multiple_of(10),
        Written::Hundredfold => amount.checked_mul(100).ok_or_else(|| match amount < 0 {
            true => below_minimum(currency),
            false => above_maximum(currency),
        }),
        Written::Whole => multiple_of(100).map(|amount| amount / 100),
    }
}

/// In Stripe's unit, as [`to_stripe`], if a card can pay it.
///
/// # Errors
/// As [`to_stripe`], and less than the minimum or more than the maximum of the currency.
pub fn chargeable(money: Money) -> Result<i64, NotChargeable> {
    let (amount, currency) = (to_stripe(money)?, money.currency());
    match amount {
        _ if amount < least(currency) => Err(below_minimum(currency)),
        _ if amount > most(currency) => Err(above_maximum(currency)),
        _ => Ok(amount),
    }
}

fn below_minimum(currency: Currency) -> NotChargeable {
    let minimum = from_units(least(currency), currency);
    minimum.map_or(NotChargeable::Currency(currency), |minimum| NotChargeable::BelowMinimum { minimum })
}

fn above_maximum(currency: Currency) -> NotChargeable {
    let maximum = from_units(most(currency), currency);
    maximum.map_or(NotChargeable::Currency(currency), |maximum| NotChargeable::AboveMaximum { maximum })
}

/// The minimum that a card can pay in a currency, in Stripe's unit, for an account that is settled in this currency.
/// Where the amount is converted, the minimum depends on the rate, and only Stripe knows it.
/// <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>
fn least(currency: Currency) -> i64 {
    match currency.code() {
        "USD" | "AUD" | "BRL" | "CAD" | "CHF" | "EUR" | "INR" | "JPY" | "NZD" | "SGD" => 50,
        "GBP" => 30,
        "BGN" => 100,
        "AED" | "MYR" | "PLN" | "RON" => 200,
        "DKK" => 250,
        "NOK" | "SEK" => 300,
        "HKD" => 400,
        "MXN" | "THB" => 1_000,
        "CZK" => 1_500,
        "HUF" => 17_500,
        // Stripe names no minimum: one unit, or a whole one where Stripe uses decimals that the currency does not have.
        _ => match written(currency) {
            Some(Written::InTens) => 10,
            Some(Written::Hundredfold) => 100,
            Some(Written::Alike | Written::Whole) | None => 1,
        },
    }
}

/// The maximum that a card can pay, in Stripe's unit: the number of digits is limited.
/// <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>
fn most(currency: Currency) -> i64 {
    let digits = match currency.code() {
        "IDR" => 12,
        "LBP" => 11,
        "COP" | "HUF" | "JPY" => 10,
        "INR" => 9,
        _ => 8,
    };
    let most = 10_i64.pow(digits) - 1;
    // The largest amount that can be represented; it can be charged.
    match written(currency) {
        Some(Written::InTens) => most - most % 10,
        Some(Written::Hundredfold) => most - most % 100,
        Some(Written::Alike | Written::Whole) | None => most,
    }
}

/// From an amount and a currency code in lower case, as Stripe's objects have them.
pub fn from_stripe(amount: i64, currency: &str) -> Option<Money> {
    from_units(amount, domain::parse_currency(&currency.to_ascii_uppercase()).ok()?)
}

fn from_units(amount: i64, currency: Currency) -> Option<Money> {
    let minor = match written(currency)? {
        Written::Alike | Written::InTens => amount,
        Written::Hundredfold => (amount % 100 == 0).then_some(amount / 100)?,
        Written::Whole => amount.checked_mul(100)?,
    };
    Some(Money::amount(minor, currency))
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::select};

    use super::*;

    fn money(amount: i64, code: &str) -> Money {
        Money::amount(amount, domain::parse_currency(code).unwrap())
    }

    fn sent(amount: i64, code: &str) -> Option<i64> {
        to_stripe(money(amount, code)).ok()
    }

    fn currencies() -> Vec<Currency> {
        let codes = (b'A'..=b'Z').flat_map(|a| (b'A'..=b'Z').flat_map(move |b| (b'A'..=b'Z').map(move |c| [a, b, c])));
        codes.filter_map(|code| domain::parse_currency(std::str::from_utf8(&code).unwrap()).ok()).collect()
    }

    proptest! {
        #[test]
        fn a_chargeable_amount_can_be_sent_and_refunded_and_is_within_its_limits(
            currency in select(currencies()),
            minor in prop_oneof![-200..20_000_i64, 0..domain::MAX_PRICE_MINOR, any::<i64>()],
        ) {
            let money = Money::amount(minor, currency);

            match chargeable(money) {
                Ok(units) => {
                    prop_assert_eq!(to_stripe(money), Ok(units));
                    prop_assert_eq!(from_stripe(units, &currency.code().to_ascii_lowercase()), Some(money));
                    prop_assert!(minor > 0, "only a positive amount can be charged");
                }
                // The limit that is named can be paid.
                Err(NotChargeable::BelowMinimum { minimum }) => {
                    prop_assert!(chargeable(minimum).is_ok() && minor < minimum.amount_minor());
                }
                Err(NotChargeable::AboveMaximum { maximum }) => {
                    prop_assert!(chargeable(maximum).is_ok() && minor > maximum.amount_minor());
                }
                Err(NotChargeable::NotAMultiple { step }) => prop_assert!(minor % step.amount_minor() != 0),
                Err(NotChargeable::Currency(named)) => {
                    prop_assert_eq!(named, currency);
                    prop_assert!(chargeable(Money::amount(10_000, currency)).is_err());
                }
            }
        }
    }

    #[test]
    fn an_amount_is_chargeable_from_its_minimum_to_its_maximum() {
        let takes = |amount, code| chargeable(money(amount, code)).is_ok();

        for (least, most, code) in [
            (50, 99_999_999, "USD"),
            (30, 99_999_999, "GBP"),
            (50, 9_999_999_999, "JPY"),
            (17_500, 9_999_999_999, "HUF"),
            (1, 999_999_999_999, "IDR"),
            (1, 999_999, "ISK"),
        ] {
            assert!(takes(least, code) && !takes(least - 1, code), "{code} from {least}");
            assert!(takes(most, code) && !takes(most + 1, code), "{code} up to {most}");
        }
        let refused = |amount, code| chargeable(money(amount, code)).unwrap_err();
        assert_eq!(refused(30, "USD"), NotChargeable::BelowMinimum { minimum: money(50, "USD") });
        assert_eq!(refused(1_234, "KWD"), NotChargeable::NotAMultiple { step: money(10, "KWD") });
        assert_eq!(refused(1_000, "IQD").reason(), "currency_not_taken");
        assert_eq!(sent(1, "USD"), Some(1), "a refund has no minimum");
    }

    #[test]
    fn amounts_are_sent_in_the_unit_stripe_reads() {
        assert_eq!(sent(1_299, "USD"), Some(1_299));
        assert_eq!(sent(500, "JPY"), Some(500));
        assert_eq!(sent(500, "ISK"), Some(50_000));
        assert_eq!(sent(500, "UGX"), Some(50_000));
        assert_eq!(sent(1_200, "MGA"), Some(12));
        assert_eq!(sent(5_120, "KWD"), Some(5_120));
    }

    #[test]
    fn an_amount_that_stripe_cannot_represent_exactly_is_not_sent() {
        assert_eq!(sent(5_124, "KWD"), None);
        assert_eq!(sent(1_250, "MGA"), None);
        assert_eq!(sent(1_000, "IQD"), None);
    }

    #[test]
    fn an_amount_reads_back_as_it_was_sent() {
        for (amount, code) in [(899, "USD"), (500, "JPY"), (500, "ISK"), (1_200, "MGA"), (5_120, "KWD")] {
            let stripe = sent(amount, code).unwrap();

            let read = from_stripe(stripe, &code.to_ascii_lowercase());

            assert_eq!(read.map(|money| (money.amount_minor(), money.currency().code())), Some((amount, code)));
        }
        assert_eq!(from_stripe(1, "xxx"), None);
    }
}
