use std::fmt;

use crate::{AddressId, Invalid, text};

/// Where an order is sent. `Debug` hides it, so that no log shows it.
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
    /// For the carrier.
    pub phone: Option<Phone>,
}

impl Address {
    /// The most characters that each line has.
    pub const MAX_LINE_CHARS: usize = 200;

    /// Reads one line of an address: in NFC, trimmed, 1 to 200 visible characters. Errors name `field`.
    pub fn line(raw: &str, field: &'static str) -> Result<String, Invalid> {
        text::line(raw, field, "address_invalid", Self::MAX_LINE_CHARS)
    }

    /// Reads an optional line: a blank one counts as missing.
    pub fn optional_line(raw: Option<&str>, field: &'static str) -> Result<Option<String>, Invalid> {
        raw.filter(|raw| !raw.trim().is_empty()).map(|raw| Self::line(raw, field)).transpose()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({}, redacted)", self.id)
    }
}

/// A telephone number as people write it: 4 to 20 digits, optionally a leading `+`, and between the digits spaces, `-`,
/// `.`, `/`, `(` and `)`. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

impl Phone {
    pub const MAX_CHARS: usize = 40;

    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let invalid = |reason: &str| Invalid::new("phone", "phone_invalid", reason);
        if let Some(reason) = text::unprintable(raw) {
            return Err(invalid(&reason));
        }
        // Full-width digits become ASCII digits, and every dash becomes a hyphen.
        let number: String = text::nfkc(raw).trim().chars().map(|c| if is_dash(c) { '-' } else { c }).collect();
        let digits = number.chars().filter(char::is_ascii_digit).count();
        let after_plus = number.strip_prefix('+').unwrap_or(&number);
        let known = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '/' | '(' | ')');
        if !(4..=20).contains(&digits) || number.len() > Self::MAX_CHARS || !after_plus.chars().all(known) {
            return Err(invalid("must be a telephone number of 4 to 20 digits, such as +44 117 496 0123"));
        }
        Ok(Self(number))
    }

    /// Reads an optional number: a blank one counts as missing.
    pub fn optional(raw: Option<&str>) -> Result<Option<Self>, Invalid> {
        raw.filter(|raw| !raw.trim().is_empty()).map(Self::parse).transpose()
    }

    /// Reads a stored one, which may follow older rules.
    pub fn stored(number: String) -> Self {
        Self(number)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(redacted)")
    }
}

/// Hyphens and dashes of Unicode that keyboards and address books put into numbers.
fn is_dash(c: char) -> bool {
    matches!(c, '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// A country or territory: a code that ISO 3166-1 alpha-2 has assigned, or `XK`, which it leaves to users and which the
/// European Union, Unicode and carriers use for Kosovo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CountryCode([u8; 2]);

/// Codes that people send for a country whose code is another one.
const COMMONLY_MISTAKEN: [(&str, &str, &str); 2] = [("UK", "GB", "the United Kingdom"), ("EL", "GR", "Greece")];

impl CountryCode {
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let invalid = |reason: String| Invalid::new("country", "country_invalid", reason);
        if let Some((code, right, country)) = COMMONLY_MISTAKEN.iter().find(|(code, ..)| *code == raw) {
            return Err(invalid(format!("must be {right} for {country}: {code} is not its ISO 3166-1 code")));
        }
        let code = Self::stored(raw)?;
        match code.english_name() {
            Some(_) => Ok(code),
            None => Err(invalid(format!("{raw} is not assigned: must be an ISO 3166-1 alpha-2 code such as DE"))),
        }
    }

    /// Reads a stored one, from when any two capital letters were accepted.
    ///
    /// # Errors
    /// It is not two capital letters.
    pub fn stored(raw: &str) -> Result<Self, Invalid> {
        match raw.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => Ok(Self([*a, *b])),
            _ => Err(Invalid::new("country", "country_invalid", "must be an ISO 3166-1 alpha-2 code such as DE")),
        }
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("ZZ")
    }

    /// The short English name of ISO 3166-1, such as `Germany` or `Korea (Republic of)`. `None` for an old stored code
    /// that is not assigned.
    pub fn english_name(&self) -> Option<&'static str> {
        match self.as_str() {
            "XK" => Some("Kosovo"),
            code => rust_iso3166::from_alpha2(code).map(|country| country.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_is_one_that_iso_3166_has_assigned() {
        for (code, name) in [("DE", "Germany"), ("CI", "Côte d'Ivoire"), ("SS", "South Sudan"), ("XK", "Kosovo")] {
            assert_eq!(CountryCode::parse(code).unwrap().english_name(), Some(name));
        }
        let assigned = (b'A'..=b'Z').flat_map(|a| (b'A'..=b'Z').map(move |b| [a, b]));
        let assigned = assigned.filter(|code| CountryCode::parse(str::from_utf8(code).unwrap()).is_ok());
        assert_eq!(assigned.count(), 249 + 1);
        for raw in ["ZZ", "AN", "SU", "EU", "gb", "G", "GBR", "", "ＧＢ"] {
            assert!(CountryCode::parse(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn uk_is_refused_with_the_correct_code() {
        let reason = CountryCode::parse("UK").unwrap_err().reason;

        assert_eq!(reason, "must be GB for the United Kingdom: UK is not its ISO 3166-1 code");
        assert_eq!(CountryCode::stored("UK").unwrap().english_name(), None);
    }

    #[test]
    fn an_error_of_a_line_names_the_field() {
        assert_eq!(Address::line(" ", "city").unwrap_err().field, "city");
        assert!(Address::line(&"ก".repeat(200), "line1").is_ok());
        assert_eq!(Address::line(&"ก".repeat(201), "line1").unwrap_err().reason, "must be at most 200 characters");
        assert_eq!(Address::optional_line(Some(" "), "postalCode"), Ok(None));
        assert_eq!(Address::optional_line(Some("a\u{200b}"), "postalCode").unwrap_err().field, "postalCode");
    }

    #[test]
    fn a_telephone_number_is_accepted_as_people_write_it() {
        for raw in ["+44 117 496 0123", "0117/4960123", "(0117) 496-0123", "112233", "+1.415.555.0100"] {
            assert_eq!(Phone::parse(raw).unwrap().as_str(), raw);
        }
        assert_eq!(Phone::parse(" ０３\u{2011}１２３４ ").unwrap().as_str(), "03-1234");
        for raw in
            ["", "123", "call me", "+44 117 496 0123 or 0124", "1+2345", "\u{202a}+44117\u{202c}", &"1".repeat(21)]
        {
            assert!(Phone::parse(raw).is_err(), "{raw}");
        }
        assert_eq!(Phone::optional(Some("")), Ok(None));
        assert!(!format!("{:?}", Phone::parse("+44 117 496 0123")).contains("117"));
    }
}
