use std::fmt;

use jiff::Timestamp;

use crate::{Invalid, UserId, text::text_line};

/// Somebody with an e-mail and a password. A guest is only a [`UserId`]: registering gives that same id credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    pub id: UserId,
    pub name: CustomerName,
    pub email: Email,
    pub role: Role,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Customer,
    Admin,
}

text_line!(CustomerName, "name", "name_invalid", 100);

/// An e-mail address, lower-cased: what makes a customer unique. `Debug` hides it, so that no log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Lower-cases first, because some letters grow by that (`Ⱥ`, of two bytes, becomes `ⱥ`, of three): what is checked is
    /// what is stored and read again. Then checks the shape only: one `@`, something before it, a domain with a dot after
    /// it. Whether mail arrives shows only when mail is sent.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let email = raw.trim().to_lowercase();
        let plausible = email.len() <= 254
            && email.chars().all(|c| !c.is_control() && !c.is_whitespace())
            && email.split_once('@').is_some_and(|(local, domain)| {
                let labels = domain.split('.').all(|l| !l.is_empty() && !l.starts_with('-') && !l.ends_with('-'));
                !local.is_empty() && local.len() <= 64 && !domain.contains('@') && domain.contains('.') && labels
            });
        if !plausible {
            return Err(Invalid::new("email", "email_invalid", "must be an e-mail address"));
        }
        Ok(Self(email))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(redacted)")
    }
}

/// A password a customer chose: 8 to 128 characters, none of the common ones, no other rule
/// (NIST SP 800-63B, section 5.1.1.2). `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// A password somebody wants to use from now on.
    pub fn choose(raw: &str) -> Result<Self, Invalid> {
        let length = raw.chars().count();
        if !(8..=128).contains(&length) {
            return Err(Invalid::new("password", "password_length", "must be 8 to 128 characters"));
        }
        if COMMON.contains(&raw.to_lowercase().as_str()) || is_one_character_repeated(raw) {
            return Err(Invalid::new("password", "password_common", "is among the first that attackers try"));
        }
        Ok(Self(raw.to_owned()))
    }

    /// A password to compare: anything short enough to hash.
    pub fn attempt(raw: &str) -> Result<Self, Invalid> {
        if raw.chars().count() > 128 {
            return Err(Invalid::new("password", "password_length", "must be at most 128 characters"));
        }
        Ok(Self(raw.to_owned()))
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

fn is_one_character_repeated(raw: &str) -> bool {
    let mut chars = raw.chars();
    chars.next().is_none_or(|first| chars.all(|c| c == first))
}

/// The common passwords of eight characters or more; shorter ones never get this far.
const COMMON: &[&str] = &[
    "00000000",
    "11111111",
    "12121212",
    "123123123",
    "12341234",
    "12345678",
    "123456789",
    "1234567890",
    "1234567891",
    "12345678910",
    "1234qwer",
    "147258369",
    "1q2w3e4r",
    "1q2w3e4r5t",
    "1qaz2wsx",
    "1qazxsw2",
    "87654321",
    "88888888",
    "987654321",
    "a1234567",
    "a12345678",
    "aa123456",
    "aa12345678",
    "abc12345",
    "abcd1234",
    "abcdefgh",
    "access14",
    "admin123",
    "administrator",
    "alexander",
    "asdf1234",
    "asdfasdf",
    "asdfghjk",
    "asdfghjkl",
    "babygirl",
    "barcelona",
    "baseball",
    "basketball",
    "blink182",
    "butterfly",
    "changeme",
    "charlie1",
    "chelsea1",
    "chocolate",
    "computer",
    "corvette",
    "dragon123",
    "elephant",
    "facebook",
    "football",
    "football1",
    "garfield",
    "hello123",
    "homelesspa",
    "iloveyou",
    "iloveyou1",
    "internet",
    "jennifer",
    "jordan23",
    "letmein1",
    "letmein123",
    "liverpool",
    "liverpool1",
    "marlboro",
    "maverick",
    "mercedes",
    "michelle",
    "midnight",
    "minecraft",
    "monkey123",
    "naruto123",
    "nicholas",
    "p@ssw0rd",
    "p@ssword",
    "pass1234",
    "passw0rd",
    "password",
    "password!",
    "password1",
    "password12",
    "password123",
    "password1234",
    "pokemon1",
    "princess",
    "princess1",
    "q1w2e3r4",
    "q1w2e3r4t5",
    "qazwsxedc",
    "qwer1234",
    "qwerty12",
    "qwerty123",
    "qwerty1234",
    "qwertyui",
    "qwertyuiop",
    "samantha",
    "snowball",
    "sunshine",
    "sunshine1",
    "superman",
    "superstar",
    "target123",
    "test1234",
    "trustno1",
    "universe",
    "veronica",
    "victoria",
    "welcome1",
    "welcome123",
    "whatever",
    "william1",
    "zaq12wsx",
    "zaq1zaq1",
    "zxcvbnm1",
    "zxcvbnm123",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_is_unique_whatever_its_case() {
        assert_eq!(Email::parse(" Ann@Example.COM ").unwrap(), Email::parse("ann@example.com").unwrap());
        for raw in ["", "ann", "@example.com", "ann@", "ann@example", "a b@example.com", "a@b@example.com", "a@.com"] {
            assert!(Email::parse(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn an_email_is_as_long_as_what_is_stored_of_it() {
        // 64 bytes before the @ as they are typed, 96 in lower case.
        assert!(Email::parse(&format!("{}@example.com", "Ⱥ".repeat(32))).is_err());
        assert!(Email::parse(&format!("{}@example.com", "Ⱥ".repeat(21))).is_ok());
        // 66 bytes as they are typed, 64 in lower case: the Kelvin sign becomes a k.
        assert!(Email::parse(&format!("\u{212a}{}@example.com", "k".repeat(63))).is_ok());
    }

    #[test]
    fn common_and_short_passwords_are_refused() {
        for raw in ["", "seven77", "Password1", "aaaaaaaaaaaa", &"x".repeat(129)] {
            assert!(Password::choose(raw).is_err(), "{raw}");
        }
        assert!(Password::choose("correct horse").is_ok());
        assert!(Password::choose(&"ñ1".repeat(64)).is_ok());
    }

    #[test]
    fn secrets_do_not_print() {
        let printed = format!("{:?} {:?}", Email::parse("a@b.co"), Password::choose("correct horse"));

        assert!(!printed.contains("a@b.co") && !printed.contains("horse"));
    }
}
