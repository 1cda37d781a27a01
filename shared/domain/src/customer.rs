use std::fmt;

use jiff::Timestamp;

use crate::{Email, Invalid, UserId, text, text::text_line};

/// A person with an e-mail and a password. A guest is only a [`UserId`]: registering adds credentials to that id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    pub id: UserId,
    pub name: CustomerName,
    pub email: Email,
    /// Whether a link that was mailed to the address has been opened.
    pub email_verified: bool,
    /// Whether who uses the account has shown that they read the address's mail: they opened such a link while logged in,
    /// or set a new password by one. A link alone may have been opened by somebody whose address a stranger registered.
    pub email_owned: bool,
    pub role: Role,
    pub created_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Customer,
    Admin,
}

text_line!(CustomerName, "name", "name_invalid", 100);

impl CustomerName {
    /// The name of an account whose owner has not given one: what stands before the `@` of its address.
    pub fn of_account(email: &Email) -> Self {
        let local = email.as_str().split('@').next().unwrap_or_default();
        Self::parse(local).unwrap_or_else(|_| Self::stored("Customer".to_owned()))
    }
}

/// A password a customer chose: 8 to 128 characters, not a common one, no other rule. It is compared in NFKC, so that
/// it is the same from devices that compose characters and devices that do not (NIST SP 800-63B, section 5.1.1.2).
/// `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    normalised: String,
    /// As it was sent, if that differs: older hashes were made from it.
    raw: Option<String>,
}

impl Password {
    pub const MIN_CHARS: usize = 8;
    pub const MAX_CHARS: usize = 128;

    /// A password to be set.
    pub fn choose(raw: &str) -> Result<Self, Invalid> {
        let password = Self::read(raw);
        let normalised = &password.normalised;
        if !(Self::MIN_CHARS..=Self::MAX_CHARS).contains(&normalised.chars().count()) {
            return Err(Invalid::new("password", "password_length", "must be 8 to 128 characters"));
        }
        if COMMON.contains(&normalised.to_lowercase().as_str()) || is_one_character_repeated(normalised) {
            return Err(Invalid::new("password", "password_common", "is one of the most common passwords"));
        }
        Ok(password)
    }

    /// A password to compare: at most 128 characters, as sent or in NFKC.
    pub fn attempt(raw: &str) -> Result<Self, Invalid> {
        let password = Self::read(raw);
        let short_enough = |text: &str| text.chars().count() <= Self::MAX_CHARS;
        if !short_enough(&password.normalised) && !short_enough(raw) {
            return Err(Invalid::new("password", "password_length", "must be at most 128 characters"));
        }
        Ok(password)
    }

    fn read(raw: &str) -> Self {
        let normalised = text::nfkc(raw);
        let raw = (normalised != raw).then(|| raw.to_owned());
        Self { normalised, raw }
    }

    /// What is hashed.
    pub fn as_bytes(&self) -> &[u8] {
        self.normalised.as_bytes()
    }

    /// What was hashed before passwords were normalised, if it differs.
    pub fn unnormalised_bytes(&self) -> Option<&[u8]> {
        self.raw.as_ref().map(String::as_bytes)
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

/// Common passwords of eight characters or more; shorter ones are refused for their length.
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
    fn common_and_short_passwords_are_refused() {
        for raw in ["", "seven77", "Password1", "aaaaaaaaaaaa", &"x".repeat(129)] {
            assert!(Password::choose(raw).is_err(), "{raw}");
        }
        assert!(Password::choose("correct horse").is_ok());
        assert!(Password::choose(&"ñ1".repeat(64)).is_ok());
    }

    #[test]
    fn a_password_is_the_same_from_every_device() {
        let (composed, decomposed) = ("mañana grün 12", "man\u{303}ana gru\u{308}n 12");
        let chosen = Password::choose(composed).unwrap();
        let tried = Password::attempt(decomposed).unwrap();

        assert_eq!(chosen.as_bytes(), tried.as_bytes());
        assert_eq!((chosen.unnormalised_bytes(), tried.unnormalised_bytes()), (None, Some(decomposed.as_bytes())));
        // The length is that of the normalised password: seven characters sent as thirteen, and 128 sent as 192.
        assert!(Password::choose("n\u{303}u\u{308}n\u{303}u\u{308}n\u{303}u\u{308}1").is_err());
        assert!(Password::choose(&"n\u{303}1".repeat(64)).is_ok());
        assert!(Password::choose("ｐａｓｓｗｏｒｄ").is_err());
        // An old one, of 128 characters that are 256 in NFKC, can still be entered.
        assert!(Password::attempt(&"ﬁ".repeat(128)).is_ok());
    }

    #[test]
    fn secrets_do_not_print() {
        let printed = format!("{:?}", Password::choose("correct horse"));

        assert!(!printed.contains("horse"));
    }
}
