//! Tokens of links in mails: `<subject>.<request, expiry and HMAC-SHA-256, base64url>`.
//!
//! A token is computed from facts that are stored, or in the link itself, and from a key that only the functions have.
//! So the function that mails a link and the one that accepts it need no common secret in the table, and nothing that is
//! stored, streamed or logged gives access to the link. What was accepted already, or replaced, is for the caller to
//! check: by the request's id, which the token contains. The link to an order has none, and works until it expires.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::{AccountAction, OrderId, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const REQUEST_BYTES: usize = 16;
const EXPIRY_BYTES: usize = 8;
const MAC_BYTES: usize = 32;

/// How long the link to an order works. Each mail about the order has a fresh one.
pub const ORDER_LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What is authenticated begins with this, so that the keys can never sign anything else by mistake.
const CONTEXT: &[u8] = b"onetill link 1\0";

/// The keys that sign links. The first one signs, all accept. To rotate: add the new key second, later move it first, and
/// drop the old one when its last link has expired.
#[derive(Clone)]
pub struct LinkKeys(Vec<[u8; 32]>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("link keys must be one or two of at least 43 random letters and digits each, separated by a comma")]
pub struct InvalidKeys;

/// What a link is for. A token of one purpose is refused for every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An action on the account of a customer, who is the subject.
    Account(AccountAction),
    /// Looking at an order, which is the subject, and cancelling it.
    Order,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Account(action) => action.as_str(),
            Self::Order => "order",
        }
    }
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub purpose: Purpose,
    /// An id: 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
    pub subject: String,
    /// The id of the request that the link was made for. Nil for an order's link, which works until it expires.
    pub request: Uuid,
    /// From this second on the link is refused.
    pub expires_at: Timestamp,
}

/// A token as it stands in a link. `Debug` hides it, so that no log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct LinkToken(String);

impl LinkToken {
    /// The whole token, for the one mail that contains it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for LinkToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkToken(redacted)")
    }
}

impl std::fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LinkKeys({} keys)", self.0.len())
    }
}

impl LinkKeys {
    pub fn new(keys: &[[u8; 32]]) -> Self {
        Self(keys.to_vec())
    }

    /// Reads `<key>` or `<key>,<other key>`. A key is the SHA-256 of its text, so that any random text will do; 43
    /// letters and digits are 256 bits.
    ///
    /// # Errors
    /// There are none, more than two, or one is too short.
    pub fn parse(keys: &str) -> Result<Self, InvalidKeys> {
        let read = |key: &str| (key.trim().len() >= 43).then(|| Sha256::digest(key.trim()).into());
        let keys: Option<Vec<[u8; 32]>> = keys.split(',').map(read).collect();
        match keys {
            Some(keys) if (1..=2).contains(&keys.len()) => Ok(Self(keys)),
            _ => Err(InvalidKeys),
        }
    }

    /// The keys of links to what is done with an account: `LINK_KEYS` of an environment.
    ///
    /// # Errors
    /// Names the variable and what is wrong with it.
    pub fn of_accounts(var: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        Self::from_env("LINK_KEYS", var)
    }

    /// The keys of links to orders: `ORDER_LINK_KEYS` of an environment. They are others, so that the function that answers
    /// for orders cannot make a link to an account.
    ///
    /// # Errors
    /// Names the variable and what is wrong with it.
    pub fn of_orders(var: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        Self::from_env("ORDER_LINK_KEYS", var)
    }

    fn from_env(name: &str, var: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let keys = var(name).ok_or_else(|| format!("{name} is not set: the keys that sign links in mails"))?;
        Self::parse(&keys).map_err(|e| format!("{name}: {e}"))
    }

    /// The token of a link. The same link has the same token.
    ///
    /// # Panics
    /// There is no key.
    pub fn token(&self, link: &Link) -> LinkToken {
        let key = self.0.first().expect("there is at least one key");
        let mut bytes = Vec::with_capacity(REQUEST_BYTES + EXPIRY_BYTES + MAC_BYTES);
        bytes.extend(link.request.as_bytes());
        bytes.extend(link.expires_at.as_second().to_be_bytes());
        bytes.extend(mac(key, link.purpose, &link.subject, &bytes).finalize().into_bytes());
        LinkToken(format!("{}.{}", link.subject, BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// The token of an order's link that is mailed at this time.
    pub fn order_token(&self, order: OrderId, mailed_at: Timestamp) -> LinkToken {
        // Whole seconds, as a token has them.
        let this_second = Timestamp::from_second(mailed_at.as_second()).unwrap_or(mailed_at);
        let expires_at = this_second + ORDER_LINK_LIFETIME;
        self.token(&Link { purpose: Purpose::Order, subject: order.to_string(), request: Uuid::nil(), expires_at })
    }

    /// The order that a token gives access to; `None` if it gives none.
    pub fn check_order(&self, token: &str, now: Timestamp) -> Option<OrderId> {
        self.check(token, Purpose::Order, now)?.subject.parse().ok()
    }

    /// What a token says; `None` if it was not made here for this purpose, was altered, or has expired. Compares in
    /// constant time.
    pub fn check(&self, token: &str, purpose: Purpose, now: Timestamp) -> Option<Link> {
        // The subject may contain dots, the rest cannot.
        let (subject, sealed) = token.rsplit_once('.')?;
        if !is_id(subject) {
            return None;
        }
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed).ok()?;
        if bytes.len() != REQUEST_BYTES + EXPIRY_BYTES + MAC_BYTES {
            return None;
        }
        let (signed, tag) = bytes.split_at(REQUEST_BYTES + EXPIRY_BYTES);
        let is_signed = self.0.iter().any(|key| mac(key, purpose, subject, signed).verify_slice(tag).is_ok());
        let (request, expiry) = signed.split_at(REQUEST_BYTES);
        let expires_at = Timestamp::from_second(i64::from_be_bytes(expiry.try_into().ok()?)).ok()?;
        let request = Uuid::from_slice(request).ok()?;
        (is_signed && now < expires_at).then(|| Link { purpose, subject: subject.to_owned(), request, expires_at })
    }
}

/// Every field has a length that is fixed or stands before it, so that no two links are signed as the same bytes.
fn mac(key: &[u8; 32], purpose: Purpose, subject: &str, request_and_expiry: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(CONTEXT);
    for field in [purpose.as_str().as_bytes(), subject.as_bytes()] {
        mac.update(&(field.len() as u64).to_be_bytes());
        mac.update(field);
    }
    mac.update(request_and_expiry);
    mac
}

fn is_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const RESET: Purpose = Purpose::Account(AccountAction::ResetPassword);
    const PURPOSES: [Purpose; 4] = [
        RESET,
        Purpose::Account(AccountAction::VerifyEmail),
        Purpose::Account(AccountAction::ChangeEmail),
        Purpose::Order,
    ];

    fn keys() -> LinkKeys {
        LinkKeys::new(&[[7; 32]])
    }

    fn link(purpose: Purpose) -> Link {
        let expires_at = NOW + SignedDuration::from_mins(30);
        Link { purpose, subject: "ann.1".to_owned(), request: Uuid::from_u128(42), expires_at }
    }

    #[test]
    fn a_token_reads_back_for_its_own_purpose_only() {
        for made in PURPOSES {
            let token = keys().token(&link(made));

            for asked in PURPOSES {
                let read = keys().check(token.reveal(), asked, NOW);
                assert_eq!(read, (asked == made).then(|| link(made)), "{made:?} as {asked:?}");
            }
        }
    }

    #[test]
    fn a_token_is_refused_from_the_second_it_expires() {
        let token = keys().token(&link(RESET));
        let expires_at = link(RESET).expires_at;

        assert!(keys().check(token.reveal(), RESET, expires_at - SignedDuration::from_millis(1)).is_some());
        assert!(keys().check(token.reveal(), RESET, expires_at).is_none());
    }

    #[test]
    fn no_altered_byte_goes_unnoticed() {
        let token = keys().token(&link(RESET)).reveal().as_bytes().to_vec();

        for at in 0..token.len() {
            for other in (0_u8..128).filter(|other| *other != token[at]) {
                let mut altered = token.clone();
                altered[at] = other;
                let altered = String::from_utf8(altered).unwrap();
                assert!(keys().check(&altered, RESET, NOW).is_none(), "{other} at {at}");
            }
        }
    }

    #[test]
    fn the_link_of_an_order_works_for_thirty_days_from_when_it_was_mailed() {
        let order: OrderId = "018cc251-f400-7000-8000-000000000000".parse().unwrap();
        let mailed_at = NOW + SignedDuration::from_millis(1_999);
        let token = keys().order_token(order, mailed_at);
        let expires_at = NOW + SignedDuration::from_secs(1) + SignedDuration::from_hours(720);

        assert_eq!(keys().check_order(token.reveal(), expires_at - SignedDuration::from_millis(1)), Some(order));
        assert_eq!(keys().check_order(token.reveal(), expires_at), None);
        assert_eq!(keys().check_order(keys().token(&link(RESET)).reveal(), NOW), None, "of another purpose");
    }

    #[test]
    fn a_token_can_stand_in_a_url() {
        let token = keys().token(&link(RESET));

        assert!(token.reveal().bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)), "{}", token.reveal());
    }

    #[test]
    fn the_old_key_is_still_accepted_while_the_new_one_signs() {
        let (old, new) = ([1; 32], [2; 32]);
        let before = LinkKeys::new(&[old]).token(&link(RESET));
        let rotated = LinkKeys::new(&[new, old]);

        assert!(rotated.check(before.reveal(), RESET, NOW).is_some());
        assert!(LinkKeys::new(&[old]).check(rotated.token(&link(RESET)).reveal(), RESET, NOW).is_none());
    }

    #[test]
    fn keys_are_one_or_two_random_texts_and_are_not_shown() {
        let (one, other) = ("a".repeat(43), "b".repeat(64));
        let token = LinkKeys::parse(&one).unwrap().token(&link(RESET));

        assert!(
            LinkKeys::parse(&format!("{other}, {one}")).unwrap().check(token.reveal(), RESET, NOW).is_some()
                && LinkKeys::parse(&other).unwrap().check(token.reveal(), RESET, NOW).is_none()
        );
        for wrong in [String::new(), "a".repeat(42), format!("{one},"), format!("{one},{other},{one}")] {
            assert_eq!(LinkKeys::parse(&wrong).unwrap_err(), InvalidKeys, "{wrong}");
        }
        assert!(LinkKeys::of_accounts(|_| None).unwrap_err().starts_with("LINK_KEYS"));
        assert!(LinkKeys::of_orders(|_| Some("short".to_owned())).unwrap_err().starts_with("ORDER_LINK_KEYS"));
        assert_eq!(format!("{:?} {token:?}", keys()), "LinkKeys(1 keys) LinkToken(redacted)");
    }

    proptest! {
        #[test]
        fn what_was_never_made_is_refused(text in ".{0,200}") {
            prop_assert_eq!(keys().check(&text, RESET, NOW), None);
        }

        #[test]
        fn links_that_differ_have_tokens_that_differ(subject in "[a-z.]{1,64}", request: u128, seconds in 1_i64..1_000_000) {
            let other = Link {
                purpose: RESET,
                subject,
                request: Uuid::from_u128(request),
                expires_at: NOW + SignedDuration::from_secs(seconds),
            };
            let token = keys().token(&other);

            prop_assert_eq!(keys().check(token.reveal(), RESET, NOW), Some(other.clone()));
            prop_assert_eq!(token == keys().token(&link(RESET)), other == link(RESET));
        }
    }
}
