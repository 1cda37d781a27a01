use std::{fmt, str::FromStr};

use jiff::Timestamp;
use uuid::Uuid;

use crate::Invalid;

/// Every id that becomes part of a table key: `[A-Za-z0-9._-]`, so that no id can contain the `#` that separates the
/// parts of a key, nor a control character.
fn check(raw: &str, field: &'static str, min: usize, max: usize) -> Result<(), Invalid> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    // "." and ".." are removed by URL normalisation.
    let is_dots = matches!(raw, "." | "..");
    if (min..=max).contains(&raw.len()) && raw.bytes().all(allowed) && !is_dots {
        return Ok(());
    }
    Err(Invalid::new(field, "id_invalid", format!("must be {min} to {max} characters of A-Z a-z 0-9 . _ -")))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $field:literal, $min:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(raw: &str) -> Result<Self, Invalid> {
                check(raw, $field, $min, 64)?;
                Ok(Self(raw.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id.to_string())
            }
        }
    };
}

id!(
    /// A product, chosen by the shop or made from a UUID.
    ProductId, "productId", 1
);
id!(
    /// A customer, registered or guest.
    UserId, "userId", 1
);
id!(AddressId, "addressId", 1);

impl AddressId {
    /// The id of an address that was sent with an order and is not among the customer's. Theirs have UUIDs.
    pub fn of_order() -> Self {
        Self("inline".to_owned())
    }
}

id!(
    /// The id of a session, which does not give access to it: the SHA-256 of its secret, in hexadecimal.
    SessionId, "sessionId", 1
);
id!(
    /// What a client sends to make a retry safe: 16 to 64 characters.
    IdempotencyKey, "Idempotency-Key", 16
);

id!(
    /// The payment provider's id of an event.
    PaymentEventId, "id", 1
);

id!(
    /// The payment provider's id of an object: a refund made by hand, a dispute.
    ProviderId, "id", 1
);

/// Distinguishes a product from an earlier one with the same id that was deleted: units of the one never become units
/// of the other. 48 bits, because every line of an order has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Incarnation(u64);

impl Incarnation {
    const BITS: u64 = (1 << 48) - 1;

    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl From<u64> for Incarnation {
    /// The lower 48 bits.
    fn from(bits: u64) -> Self {
        Self(bits & Self::BITS)
    }
}

impl From<Uuid> for Incarnation {
    /// The lower 48 bits, which are random in a UUIDv7.
    fn from(id: Uuid) -> Self {
        Self::from(id.as_u64_pair().1)
    }
}

impl ProductId {
    /// The id of a product to be created: not one of the two that the routes `/products/featured` and
    /// `/admin/products/batch` would shadow.
    pub fn of_new_product(raw: &str) -> Result<Self, Invalid> {
        match raw {
            "featured" | "batch" => Err(Invalid::new("productId", "id_invalid", "is the name of a route")),
            _ => raw.parse(),
        }
    }
}

/// An order's id: a UUIDv7, so that orders sort by the time they were placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderId(Uuid);

impl OrderId {
    /// When the order was placed, to the millisecond. Its day is part of the key of the customer's list entry, so it is
    /// derived from the id rather than passed separately.
    pub fn placed_at(&self) -> Timestamp {
        let (seconds, nanos) = self.0.get_timestamp().map_or((0, 0), |t| t.to_unix());
        let (seconds, nanos) = (i64::try_from(seconds).unwrap_or(0), i32::try_from(nanos).unwrap_or(0));
        Timestamp::new(seconds, nanos).unwrap_or_default()
    }

    pub fn as_uuid(&self) -> Uuid {
        self.0
    }
}

impl FromStr for OrderId {
    type Err = Invalid;

    fn from_str(raw: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::new("orderId", "id_invalid", "must be a UUID of version 7");
        // Only the canonical form: otherwise one order would have several ids.
        if raw.len() != 36 || raw.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(invalid());
        }
        let id = Uuid::parse_str(raw).map_err(|_| invalid())?;
        Self::try_from(id).map_err(|_| invalid())
    }
}

impl TryFrom<Uuid> for OrderId {
    type Error = Invalid;

    fn try_from(id: Uuid) -> Result<Self, Invalid> {
        if id.get_version_num() != 7 {
            return Err(Invalid::new("orderId", "id_invalid", "must be a UUID of version 7"));
        }
        Ok(Self(id))
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_accepted_id_never_contains_a_key_separator_or_control_character(raw in ".{0,70}") {
            if let Ok(id) = raw.parse::<ProductId>() {
                prop_assert!(!id.as_str().contains('#'));
                prop_assert!(!id.as_str().chars().any(char::is_control));
                prop_assert!((1..=64).contains(&id.as_str().len()));
            }
        }
    }

    #[test]
    fn an_order_id_contains_the_time_the_order_was_placed() {
        let id: OrderId = "018cc251-f400-7000-8000-000000000000".parse().unwrap();

        assert_eq!(id.placed_at().to_string(), "2024-01-01T00:00:00Z");
    }

    #[test]
    fn an_order_id_has_one_spelling() {
        assert!("018CC251-F400-7000-8000-000000000000".parse::<OrderId>().is_err());
        assert!("018cc251f40070008000000000000000".parse::<OrderId>().is_err());
        assert!("018cc251-f400-4000-8000-000000000000".parse::<OrderId>().is_err());
    }
}
