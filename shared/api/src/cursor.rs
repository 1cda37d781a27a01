use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use domain::Timestamp;
use jiff::SignedDuration;
use runtime::random;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use crate::{Problem, codes};

/// How long a cursor can be used.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// The longest cursor that is issued or accepted: a category's path of 1,000 bytes fits.
const MAX_BYTES: usize = 2_048;

const NONCE_BYTES: usize = 24;

/// Seals positions in lists, so that a client can neither read nor make one, nor use it on another list.
///
/// XChaCha20-Poly1305; the route, the owner and the filters are the associated data. The first key seals, all keys
/// open. To rotate: add the new key second, later move it first, and drop the old one a day after that.
pub struct Cursors(Vec<XChaCha20Poly1305>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cursor keys must be one or two of at least 43 random letters and digits each, separated by a comma")]
pub struct InvalidKeys;

#[derive(Serialize, Deserialize)]
struct Sealed<P> {
    #[serde(rename = "t")]
    expires_at: i64,
    #[serde(rename = "p")]
    position: P,
}

impl Cursors {
    pub fn new(keys: &[[u8; 32]]) -> Self {
        Self(keys.iter().map(|key| XChaCha20Poly1305::new(&(*key).into())).collect())
    }

    /// Reads `<key>` or `<key>,<other key>`. A key is the SHA-256 of its text, so that any random text will do; 43
    /// letters and digits are 256 bits.
    pub fn parse(keys: &str) -> Result<Self, InvalidKeys> {
        let read = |key: &str| (key.trim().len() >= 43).then(|| Sha256::digest(key.trim()).into());
        let keys: Option<Vec<[u8; 32]>> = keys.split(',').map(read).collect();
        match keys {
            Some(keys) if (1..=2).contains(&keys.len()) => Ok(Self::new(&keys)),
            _ => Err(InvalidKeys),
        }
    }

    pub fn seal(&self, position: &impl Serialize, list: &str, now: Timestamp) -> String {
        self.seal_until(position, list, now + LIFETIME)
    }

    /// Opens a cursor for the list it was sealed for.
    ///
    /// # Errors
    /// 400 `cursor_invalid`, for any defect.
    pub fn open<P: DeserializeOwned>(&self, cursor: &str, list: &str, now: Timestamp) -> Result<P, Problem> {
        let invalid = || Problem::new(codes::CursorInvalid, "the cursor does not belong to this list, or has expired");
        self.open_live(cursor, list, now).ok_or_else(invalid)
    }

    /// Seals any small value that a client keeps for the shop. `purpose` is the associated data. Purposes of lists
    /// begin with `/`, so that nothing else is accepted as a cursor.
    pub(crate) fn seal_until(&self, value: &impl Serialize, purpose: &str, expires_at: Timestamp) -> String {
        let sealed = Sealed { expires_at: expires_at.as_second(), position: value };
        let plain = serde_json::to_vec(&sealed).expect("positions are plain structs");
        let nonce: [u8; NONCE_BYTES] = random();
        let payload = Payload { msg: &plain, aad: purpose.as_bytes() };
        let cipher = self.0.first().expect("there is at least one key");
        let secret = cipher.encrypt(&XNonce::from(nonce), payload).expect("a position is far below the cipher's limit");
        BASE64_URL_SAFE_NO_PAD.encode([nonce.as_slice(), &secret].concat())
    }

    /// `None` if it was not sealed here for this purpose, or has expired.
    pub(crate) fn open_live<P: DeserializeOwned>(&self, text: &str, purpose: &str, now: Timestamp) -> Option<P> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, secret) = bytes.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        let payload = || Payload { msg: secret, aad: purpose.as_bytes() };
        let plain = self.0.iter().find_map(|key| key.decrypt(&XNonce::from(nonce), payload()).ok())?;
        let sealed: Sealed<P> = serde_json::from_slice(&plain).ok()?;
        (now.as_second() < sealed.expires_at).then_some(sealed.position)
    }
}

impl std::fmt::Debug for Cursors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursors({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_cursor_opens_only_for_its_own_list_and_only_for_a_day() {
        let cursors = Cursors::new(&[[7; 32]]);
        let cursor = cursors.seal(&42, "/orders ann", NOW);

        assert_eq!(cursors.open::<i32>(&cursor, "/orders ann", NOW).unwrap(), 42);
        assert!(cursors.open::<i32>(&cursor, "/orders bob", NOW).is_err());
        assert!(cursors.open::<i32>(&cursor, "/orders ann", NOW + LIFETIME).is_err());
    }

    #[test]
    fn no_flipped_bit_goes_unnoticed() {
        let cursors = Cursors::new(&[[7; 32]]);
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursors.seal(&42, "list", NOW)).unwrap();

        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let cursor = BASE64_URL_SAFE_NO_PAD.encode(flipped);
            assert!(cursors.open::<i32>(&cursor, "list", NOW).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn the_old_key_still_opens_while_the_new_one_seals() {
        let (old, new) = ([1; 32], [2; 32]);
        let before = Cursors::new(&[old]).seal(&42, "list", NOW);
        let rotated = Cursors::new(&[new, old]);

        assert_eq!(rotated.open::<i32>(&before, "list", NOW).unwrap(), 42);
        assert!(Cursors::new(&[old]).open::<i32>(&rotated.seal(&42, "list", NOW), "list", NOW).is_err());
    }

    #[test]
    fn rubbish_is_refused() {
        let cursors = Cursors::new(&[[7; 32]]);

        for cursor in ["", "x", "ä", &"A".repeat(3_000), "AAAA"] {
            assert!(cursors.open::<i32>(cursor, "list", NOW).is_err());
        }
    }

    #[test]
    fn keys_are_one_or_two_random_texts() {
        let (one, other) = ("a".repeat(43), "b".repeat(64));
        let sealed = Cursors::parse(&one).unwrap().seal(&42, "list", NOW);

        assert_eq!(Cursors::parse(&format!("{other}, {one}")).unwrap().open::<i32>(&sealed, "list", NOW).unwrap(), 42);
        assert!(Cursors::parse(&other).unwrap().open::<i32>(&sealed, "list", NOW).is_err());
        for wrong in [String::new(), "a".repeat(42), format!("{one},"), format!("{one},{other},{one}")] {
            assert_eq!(Cursors::parse(&wrong).unwrap_err(), InvalidKeys, "{wrong}");
        }
    }
}
