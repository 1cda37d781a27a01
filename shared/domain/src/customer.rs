use std::fmt;

use jiff::Timestamp;
use zxcvbn::{Score, zxcvbn};

use crate::{Email, Invalid, UserId, text, text::text_line};

/// A person with an e-mail and a password. A guest is only a [`UserId`]: registering adds credentials to that id.
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

/// A password a customer chose: 8 to 128 characters, not one that is guessed soon, no other rule. It is compared in
/// NFKC, so that it is the same from devices that compose characters and devices that do not (NIST SP 800-63B, section
/// 5.1.1.2). `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    normalised: String,
    /// As it was sent, if that differs: older hashes were made from it.
    raw: Option<String>,
}

impl Password {
    pub const MIN_CHARS: usize = 8;
    pub const MAX_CHARS: usize = 128;

    /// A password to be set. One that would be found within a million guesses is refused; the rate limit of logins
    /// allows no more than that. <https://www.usenix.org/conference/usenixsecurity16/technical-sessions/presentation/wheeler>
    pub fn choose(raw: &str) -> Result<Self, Invalid> {
        let password = Self::read(raw);
        let normalised = &password.normalised;
        if !(Self::MIN_CHARS..=Self::MAX_CHARS).contains(&normalised.chars().count()) {
            return Err(Invalid::new("password", "password_length", "must be 8 to 128 characters"));
        }
        if zxcvbn(normalised, &[]).score() < Score::Two {
            return Err(Invalid::new("password", "password_common", "is among the first that attackers guess"));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_and_short_passwords_are_refused() {
        for raw in ["", "seven77", "Password1", "aaaaaaaaaaaa", &"x".repeat(129)] {
            assert!(Password::choose(raw).is_err(), "{raw}");
        }
        assert!(Password::choose("correct horse").is_ok());
        assert!(Password::choose(&long("ñ")).is_ok());
    }

    #[test]
    fn what_is_guessed_soon_is_refused_however_it_is_written() {
        for raw in [
            "12345678",
            "1q2w3e4r",
            "1qaz2wsx",
            "abcd1234",
            "administrator",
            "asdfghjkl",
            "barcelona",
            "blink182",
            "changeme",
            "football1",
            "homelesspa",
            "iloveyou",
            "letmein123",
            "naruto123",
            "p@ssw0rd",
            "password1234",
            "qwertyuiop",
            "sunshine1",
            "trustno1",
            "zaq12wsx",
            "PASSWORD2024",
            "drowssap1",
            "Summer2024",
            "abcabcabc",
            "31.12.1999",
            "ñññññññññññ",
        ] {
            assert!(Password::choose(raw).is_err(), "{raw}");
        }
        for raw in ["almost right battery", "pepper and salt", "harbour-lantern-42", "mañana grün 12"] {
            assert!(Password::choose(raw).is_ok(), "{raw}");
        }
    }

    /// 64 times the same letter, each before another one: nothing in it repeats.
    fn long(letter: &str) -> String {
        (0..64).flat_map(|n| letter.chars().chain(char::from_u32(0x4e00 + n * n))).collect()
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
        assert!(Password::choose(&long("n\u{303}")).is_ok());
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
