use std::{fmt, str::FromStr};

use crate::{Invalid, OrderId};

/// The digits of Crockford's base 32: none looks like another. <https://www.crockford.com/base32.html>
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// What people call an order: ten digits of Crockford's base 32 in two groups, such as `7K3QX-94M2A`.
///
/// It is derived from the random bits of the order's id, so it is not counted and not stored with the order. Two orders
/// may have the same number: among a million orders the probability is about 1 in 2,250 (2^50 numbers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderNumber(u64);

impl OrderNumber {
    /// Without the hyphen.
    pub const CHARS: usize = 10;
    /// The most that is read as one, with hyphens and spaces.
    pub const MAX_CHARS: usize = 20;
    const BITS_PER_DIGIT: usize = 5;
    const MASK: u64 = (1 << (Self::CHARS * Self::BITS_PER_DIGIT)) - 1;

    /// The digits, without the hyphen: as it stands in a key.
    pub fn digits(self) -> String {
        let digit = |place: usize| char::from(DIGITS[usize::from(self.digit(place))]);
        (0..Self::CHARS).rev().map(digit).collect()
    }

    /// The digit at a place; the last one has place 0.
    fn digit(self, place: usize) -> u8 {
        ((self.0 >> (place * Self::BITS_PER_DIGIT)) & 31) as u8
    }
}

impl From<OrderId> for OrderNumber {
    /// The last 50 bits, which are random in a UUIDv7.
    fn from(id: OrderId) -> Self {
        Self(id.as_uuid().as_u64_pair().1 & Self::MASK)
    }
}

impl FromStr for OrderNumber {
    type Err = Invalid;

    /// Reads a number as people write or dictate it: in either case, with hyphens and spaces anywhere or nowhere, with I
    /// or L for 1 and O for 0.
    fn from_str(raw: &str) -> Result<Self, Invalid> {
        let invalid = || {
            let reason = "must be ten letters and digits, such as 7K3QX-94M2A; an order number has no U";
            Invalid::new("number", "order_number_invalid", reason)
        };
        if raw.chars().count() > Self::MAX_CHARS {
            return Err(invalid());
        }
        let (mut number, mut digits) = (0, 0);
        for c in raw.chars().filter(|c| !matches!(c, '-' | ' ')) {
            let digit = match c.to_ascii_uppercase() {
                'I' | 'L' => '1',
                'O' => '0',
                c => c,
            };
            let value = (0u64..).zip(DIGITS).find(|(_, known)| char::from(**known) == digit).ok_or_else(invalid)?.0;
            digits += 1;
            if digits > Self::CHARS {
                return Err(invalid());
            }
            number = number << Self::BITS_PER_DIGIT | value;
        }
        if digits == Self::CHARS { Ok(Self(number)) } else { Err(invalid()) }
    }
}

impl fmt::Display for OrderNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        let (first, second) = digits.split_at(Self::CHARS / 2);
        write!(f, "{first}-{second}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number_of(id: &str) -> OrderNumber {
        OrderNumber::from(id.parse::<OrderId>().unwrap())
    }

    proptest! {
        #[test]
        fn a_number_is_read_from_every_way_it_is_written(random: u64, hyphen in 0..=10usize) {
            let number = OrderNumber(random & OrderNumber::MASK);
            let digits = number.digits();
            let (first, second) = digits.split_at(hyphen);

            for raw in [
                number.to_string(),
                digits.to_lowercase(),
                format!(" {first}-{second} "),
                digits.replace('1', "l").replace('0', "o"),
                digits.replace('1', "I"),
            ] {
                prop_assert_eq!(raw.parse(), Ok(number), "{}", raw);
            }
        }

        #[test]
        fn every_text_is_refused_or_read_as_a_number_that_reads_back(raw in ".{0,14}") {
            if let Ok(number) = raw.parse::<OrderNumber>() {
                prop_assert_eq!(number.to_string().parse(), Ok(number));
                prop_assert!(number.to_string().is_ascii());
            }
        }

        #[test]
        fn orders_that_differ_in_the_random_bits_of_a_number_have_different_numbers(one: u64, other: u64) {
            let id = |random: u64| {
                let low = 0x8000_0000_0000_0000 | (random & OrderNumber::MASK);
                OrderId::try_from(uuid::Uuid::from_u64_pair(0x018c_c251_f400_7000, low)).unwrap()
            };
            let differ = one & OrderNumber::MASK != other & OrderNumber::MASK;

            prop_assert_eq!(OrderNumber::from(id(one)) != OrderNumber::from(id(other)), differ);
        }
    }

    #[test]
    fn a_number_is_two_groups_of_five() {
        assert_eq!(number_of("018cc251-f400-7000-8000-000000000000").to_string(), "00000-00000");
        assert_eq!(number_of("018cc251-f400-7000-bfff-ffffffffffff").to_string(), "ZZZZZ-ZZZZZ");
        assert_eq!(number_of("018cc251-f400-7000-8000-000000000021").to_string(), "00000-00011");
        assert_eq!(number_of("018cc251-f400-7000-8000-000000000021").digits(), "0000000011");
    }

    #[test]
    fn what_is_not_an_order_number_is_refused() {
        let long = format!("7K3QX-{}94M2A", " ".repeat(10));
        for raw in [&long, "", "7K3QX-94M2", "7K3QX-94M2AB", "7K3QX-94M2U", "7K3QX_94M2A", "7K3QX-94M2\u{130}"] {
            assert_eq!(raw.parse::<OrderNumber>().unwrap_err().code, "order_number_invalid", "{raw}");
        }
    }
}
