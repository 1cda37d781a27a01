//! Session tokens: `<uid>.<256-bit secret, base64url>`. The table only stores the secret's SHA-256.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::{SessionId, UserId};
use runtime::random;
use table::keys::sha256_hex;

/// A token as the client has it. Not `Debug`, so that it cannot end up in a log.
#[derive(Clone)]
pub struct Token {
    uid: UserId,
    secret: String,
}

impl Token {
    pub fn issue(uid: &UserId) -> Self {
        Self { uid: uid.clone(), secret: BASE64_URL_SAFE_NO_PAD.encode(random::<32>()) }
    }

    /// `None` for anything that cannot have been issued.
    pub fn parse(raw: &str) -> Option<Self> {
        // The uid may contain dots, the secret cannot.
        let (uid, secret) = raw.rsplit_once('.')?;
        let is_secret = BASE64_URL_SAFE_NO_PAD.decode(secret).is_ok_and(|bytes| bytes.len() == 32);
        Some(Self { uid: uid.parse().ok()?, secret: is_secret.then(|| secret.to_owned())? })
    }

    pub fn uid(&self) -> &UserId {
        &self.uid
    }

    /// The id of the session in the table.
    pub fn session_id(&self) -> SessionId {
        sha256_hex(&self.secret).parse().expect("64 hexadecimal digits are an id")
    }

    /// The whole token, for the one answer that contains it.
    pub fn reveal(&self) -> String {
        format!("{}.{}", self.uid, self.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_names_its_session_without_revealing_its_secret() {
        let token = Token::issue(&"ann.1".parse().unwrap());

        let read = Token::parse(&token.reveal()).unwrap();

        assert_eq!(read.uid().as_str(), "ann.1");
        assert_eq!(read.session_id(), token.session_id());
        assert!(!token.reveal().contains(token.session_id().as_str()));
    }

    #[test]
    fn what_was_never_issued_is_not_a_token() {
        for raw in ["", "ann", "ann.", ".abc", "ann.short", "a#b.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(Token::parse(raw).is_none(), "{raw}");
        }
    }
}
