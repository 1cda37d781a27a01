use std::fmt;

use crate::{AddressId, Invalid, text::text_line};

text_line!(AddressLine, "address", "address_invalid", 200);

/// Where an order goes. `Debug` hides it, so that no log shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    pub id: AddressId,
    pub recipient: String,
    pub line1: String,
    pub line2: Option<String>,
    pub city: String,
    pub region: Option<String>,
    pub postal_code: Option<String>,
    pub country: CountryCode,
}

impl Address {
    /// Reads one line of an address: trimmed, 1 to 200 bytes, no control characters.
    pub fn line(raw: &str) -> Result<String, Invalid> {
        AddressLine::parse(raw).map(|l| l.as_str().to_owned())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}, redacted)", self.id)
    }
}

/// Two capital letters of ISO 3166-1. That the letters are assigned is the carrier's to check: lists go stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        match raw.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => Ok(Self([*a, *b])),
            _ => Err(Invalid::new("country", "country_invalid", "must be an ISO 3166-1 alpha-2 code such as DE")),
        }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("ZZ")
    }
}
