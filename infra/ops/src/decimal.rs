//! Numbers with twelve decimals, for money and for what is paid for: prices go down to a ten-millionth of a dollar, and
//! binary fractions would add up to other cents.

use std::{
    fmt,
    iter::Sum,
    ops::{Add, AddAssign, Sub},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

const DECIMALS: usize = 12;
const ONE: i128 = 10_i128.pow(DECIMALS as u32);

/// A decimal number. What is smaller than its last decimal is rounded, half away from zero; what is larger than about
/// 10²⁶ stays there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decimal(i128);

impl Decimal {
    pub const ZERO: Self = Self(0);
    pub const ONE: Self = Self(ONE);

    pub const fn whole(units: u64) -> Self {
        Self((units as i128).saturating_mul(ONE))
    }

    /// A hundredth of a number of percent.
    pub const fn percent(percent: u64) -> Self {
        Self((percent as i128).saturating_mul(ONE / 100))
    }

    /// The product. Whole and fraction are multiplied apart, so that no step is larger than the result.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        let (whole, fraction) = (self.0 / ONE, self.0 % ONE);
        Self(whole.saturating_mul(other.0).saturating_add(rounded_ratio(fraction.saturating_mul(other.0), ONE)))
    }

    /// The quotient, or nothing if the other is zero.
    #[must_use]
    pub fn over(self, other: Self) -> Option<Self> {
        let whole = self.0.checked_div(other.0)?;
        let rest = self.0 % other.0;
        Some(Self(whole.saturating_mul(ONE).saturating_add(rounded_ratio(rest.saturating_mul(ONE), other.0))))
    }

    /// The next whole number that is not smaller.
    #[must_use]
    pub fn ceil(self) -> Self {
        Self(self.0.div_euclid(ONE).saturating_add(i128::from(self.0.rem_euclid(ONE) > 0)).saturating_mul(ONE))
    }

    /// With so many decimals, and a comma after each three digits: `1,234.50`.
    pub fn to_text(self, decimals: usize) -> String {
        let text = self.to_fixed(decimals);
        let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
        let mut grouped = sign.to_owned();
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        if let Some(fraction) = fraction {
            grouped.extend(['.'].into_iter().chain(fraction.chars()));
        }
        grouped
    }

    /// With so many decimals: `1234.50`.
    pub fn to_fixed(self, decimals: usize) -> String {
        let decimals = decimals.min(DECIMALS);
        let unit = 10_i128.pow((DECIMALS - decimals) as u32);
        let rounded = rounded_ratio(self.0, unit);
        let scale = 10_i128.pow(decimals as u32);
        let (whole, fraction) = (rounded.abs() / scale, rounded.abs() % scale);
        let sign = if rounded < 0 { "-" } else { "" };
        match decimals {
            0 => format!("{sign}{whole}"),
            _ => format!("{sign}{whole}.{fraction:0decimals$}"),
        }
    }

    /// For lengths in a picture only.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / ONE as f64
    }
}

/// Rounded half away from zero.
fn rounded_ratio(dividend: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    match rest.unsigned_abs() >= divisor.unsigned_abs().div_ceil(2) && rest != 0 {
        true => quotient + dividend.signum() * divisor.signum(),
        false => quotient,
    }
}

/// `0.5`, `12`, `-3.25`: without an exponent, and with at most twelve decimals.
impl FromStr for Decimal {
    type Err = NotADecimal;

    fn from_str(text: &str) -> Result<Self, NotADecimal> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
        let fraction = fraction.map_or(Ok("0"), |text| if text.is_empty() { Err(NotADecimal) } else { Ok(text) })?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || whole.len() > 25 {
            return Err(NotADecimal);
        }
        let significant = fraction.trim_end_matches('0');
        if significant.len() > DECIMALS {
            return Err(NotADecimal);
        }
        let whole: i128 = whole.parse().map_err(|_| NotADecimal)?;
        let fraction: i128 = format!("{significant:0<DECIMALS$}").parse().map_err(|_| NotADecimal)?;
        Ok(Self(sign * (whole * ONE + fraction)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a number such as 12 or 0.25")]
pub struct NotADecimal;

/// Without superfluous zeros.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_fixed(DECIMALS);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Add for Decimal {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Decimal {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Decimal {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Decimal {
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        numbers.fold(Self::ZERO, Add::add)
    }
}

/// A text, so that a reader of JSON does not make a binary fraction of it.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A number or a text. The shortest text of a binary fraction is what was written.
impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Decimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Decimal, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Decimal, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Decimal, E> {
                self.visit_str(&number.to_string())
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
                text.parse().map_err(|error| E::custom(format_args!("{text:?} is {error}")))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn a_number_has_one_value_and_is_printed_as_it_was_written() {
        for text in ["0", "12", "0.125", "-3.25", "13.3334", "0.000000000001"] {
            assert_eq!(decimal(text).to_string(), text);
        }
        for wrong in ["", ".", "1.", ".5", "1e3", "1,000", "+1", " 1", "0.0000000000001", "--1", "NaN"] {
            assert_eq!(wrong.parse::<Decimal>(), Err(NotADecimal), "{wrong}");
        }
    }

    #[test]
    fn cents_are_rounded_half_up_and_grouped() {
        assert_eq!(decimal("15.025").to_fixed(2), "15.03");
        assert_eq!(decimal("-0.005").to_fixed(2), "-0.01");
        assert_eq!(decimal("1234567.891").to_text(2), "1,234,567.89");
        assert_eq!(decimal("-1000").to_text(0), "-1,000");
        assert_eq!(decimal("0.29").ceil(), Decimal::ONE);
        assert_eq!(decimal("7").ceil(), decimal("7"));
    }

    #[test]
    fn large_amounts_are_exact() {
        let scans = Decimal::whole(8_640_000).times(Decimal::whole(5_000_000));

        assert_eq!(scans.times(decimal("0.00000025")).to_string(), "10800000");
        assert_eq!(Decimal::ONE.over(Decimal::ZERO), None);
        assert_eq!(Decimal::ONE.over(decimal("3")).unwrap().to_string(), "0.333333333333");
    }

    proptest! {
        #[test]
        fn products_and_quotients_are_those_of_integers(a in 0_u64..1_000_000_000_000, b in 1_u64..1_000_000_000) {
            let product = Decimal::whole(a).times(Decimal::whole(b));

            prop_assert_eq!(product.over(Decimal::whole(b)), Some(Decimal::whole(a)));
            prop_assert_eq!(product.to_string(), (u128::from(a) * u128::from(b)).to_string());
        }

        #[test]
        fn the_order_of_factors_does_not_matter(a in 0_i64..1_000_000_000_000, b in 0_i64..1_000_000_000_000) {
            let (a, b) = (Decimal(i128::from(a)), Decimal(i128::from(b)));

            prop_assert_eq!(a.times(b), b.times(a));
        }

        #[test]
        fn text_is_read_as_it_is_written(raw in any::<i64>()) {
            let number = Decimal(i128::from(raw));

            prop_assert_eq!(number.to_string().parse(), Ok(number));
        }
    }
}
