//! Amounts in Stripe's smallest unit, which for some currencies is not the minor unit of ISO 4217.
//! <https://docs.stripe.com/currencies#zero-decimal>

use domain::{Currency, Money};

/// How Stripe writes an amount of a currency.
enum Written {
    /// In minor units.
    Alike,
    /// In minor units, and only whole tens of them.
    InTens,
    /// Stripe still writes two decimals that the currency no longer has.
    Hundredfold,
    /// Stripe writes none of the decimals that the currency has on paper.
    Whole,
}

fn written(currency: Currency) -> Option<Written> {
    match currency.code() {
        "ISK" | "UGX" => Some(Written::Hundredfold),
        "MGA" => Some(Written::Whole),
        "BIF" | "CLP" | "DJF" | "GNF" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "VND" | "VUV" | "XAF" | "XOF"
        | "XPF" => Some(Written::Alike),
        "BHD" | "JOD" | "KWD" | "OMR" | "TND" => Some(Written::InTens),
        // Whatever else has not two decimals is not in Stripe's list, and a guess could charge a hundredfold.
        _ => (currency.exponent() == Some(2)).then_some(Written::Alike),
    }
}

/// `None` is an amount that Stripe cannot take to the last minor unit; nothing is rounded.
pub fn to_stripe(money: Money) -> Option<i64> {
    let amount = money.amount_minor();
    match written(money.currency())? {
        Written::Alike => Some(amount),
        Written::InTens => (amount % 10 == 0).then_some(amount),
        Written::Hundredfold => amount.checked_mul(100),
        Written::Whole => (amount % 100 == 0).then_some(amount / 100),
    }
}

/// Of an amount and a currency code in lower case, as Stripe's objects have them.
pub fn from_stripe(amount: i64, currency: &str) -> Option<Money> {
    let currency = domain::parse_currency(&currency.to_ascii_uppercase()).ok()?;
    let minor = match written(currency)? {
        Written::Alike | Written::InTens => amount,
        Written::Hundredfold => (amount % 100 == 0).then_some(amount / 100)?,
        Written::Whole => amount.checked_mul(100)?,
    };
    Some(Money::amount(minor, currency))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(amount: i64, code: &str) -> Option<i64> {
        to_stripe(Money::amount(amount, domain::parse_currency(code).unwrap()))
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
    fn what_stripe_cannot_take_to_the_last_unit_is_not_sent() {
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
