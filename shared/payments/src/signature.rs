//! Signatures of events: `t=<epoch seconds>,v1=<hexadecimal HMAC-SHA-256 of "<t>.<body>">`, as Stripe sends them.
//! <https://docs.stripe.com/webhooks#verify-manually>

use domain::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::EventRefused;

/// The maximum age of a signature, in seconds, so that a recorded event cannot be replayed later.
const TOLERANCE_S: i64 = 300;

/// The secrets that sign events: the current one and, during a rotation, the other.
#[derive(Clone)]
pub struct Secrets(Vec<Vec<u8>>);

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(redacted)")
    }
}

impl Secrets {
    pub fn new(secrets: impl IntoIterator<Item = impl Into<Vec<u8>>>) -> Self {
        Self(secrets.into_iter().map(Into::into).collect())
    }

    /// Reads secrets separated by commas; without any, every event is refused.
    pub fn parse(text: &str) -> Self {
        Self::new(text.split(',').map(str::trim).filter(|secret| !secret.is_empty()))
    }

    /// Signs with the first secret.
    ///
    /// # Panics
    /// There is no secret.
    pub fn sign(&self, body: &[u8], now: Timestamp) -> String {
        let seconds = now.as_second();
        let secret = self.0.first().expect("there is at least one secret");
        let tag = mac(secret, seconds, body).finalize().into_bytes();
        let hex: String = tag.iter().map(|b| format!("{b:02x}")).collect();
        format!("t={seconds},v1={hex}")
    }

    /// Whether one of the secrets signed a body, recently. Compares in constant time.
    ///
    /// # Errors
    /// The signature is missing, wrong or too old.
    pub fn verify(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<(), EventRefused> {
        let parts = || signature.split(',').filter_map(|part| part.trim().split_once('='));
        // With two times it would be unclear which one was signed.
        let mut times = parts().filter(|(name, _)| *name == "t").map(|(_, value)| value);
        let (time, None) = (times.next().ok_or(EventRefused::Forged)?, times.next()) else {
            return Err(EventRefused::Forged);
        };
        let seconds: i64 = time.parse().map_err(|_| EventRefused::Forged)?;
        if seconds.to_string() != time {
            return Err(EventRefused::Forged);
        }
        let tags = parts().filter(|(name, _)| *name == "v1").filter_map(|(_, hex)| bytes(hex));
        let signed = tags.take(8).any(|tag| self.0.iter().any(|s| mac(s, seconds, body).verify_slice(&tag).is_ok()));
        if !signed {
            return Err(EventRefused::Forged);
        }
        match (-TOLERANCE_S..=TOLERANCE_S).contains(&now.as_second().saturating_sub(seconds)) {
            true => Ok(()),
            false => Err(EventRefused::Stale),
        }
    }
}

fn mac(secret: &[u8], seconds: i64, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    mac
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    (0..64).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn a_signature_is_accepted_within_300_seconds_either_way() {
        let secrets = Secrets::new(["whsec_test"]);
        let signature = secrets.sign(b"{}", at(10_000));

        assert_eq!(secrets.verify(&signature, b"{}", at(10_300)), Ok(()));
        assert_eq!(secrets.verify(&signature, b"{}", at(9_700)), Ok(()));
        assert_eq!(secrets.verify(&signature, b"{}", at(10_301)), Err(EventRefused::Stale));
        assert_eq!(secrets.verify(&signature, b"{}", at(9_699)), Err(EventRefused::Stale));
    }

    #[test]
    fn both_secrets_are_accepted_during_a_rotation() {
        let (old, new) = (Secrets::new(["old"]), Secrets::parse("new, old"));

        assert_eq!(new.verify(&old.sign(b"{}", at(0)), b"{}", at(0)), Ok(()));
        assert_eq!(old.verify(&new.sign(b"{}", at(0)), b"{}", at(0)), Err(EventRefused::Forged));
        assert_eq!(Secrets::parse("").verify(&old.sign(b"{}", at(0)), b"{}", at(0)), Err(EventRefused::Forged));
    }

    #[test]
    fn a_second_time_or_a_missing_part_is_refused() {
        let secrets = Secrets::new(["whsec_test"]);
        let signature = secrets.sign(b"{}", at(0));
        let tag = signature.split_once(',').unwrap().1;

        for wrong in ["", "t=0", tag, &format!("{signature},t=1"), &format!("t=+0,{tag}"), &format!("t=00,{tag}")] {
            assert_eq!(secrets.verify(wrong, b"{}", at(0)), Err(EventRefused::Forged), "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]
        #[test]
        fn none_of_10_000_mutations_is_accepted(at_byte in 0usize..400, bit in 0u8..8, in_body: bool) {
            let secrets = Secrets::new(["whsec_test"]);
            let body = br#"{"id":"evt_1","order":"018cc251-f400-7000-8000-000000000000","amount":899,"currency":"USD"}"#;
            let signature = secrets.sign(body, at(1_700_000_000));
            let (mut body, mut signature) = (body.to_vec(), signature.into_bytes());
            let target = if in_body { &mut body } else { &mut signature };
            let index = at_byte % target.len();
            target[index] ^= 1 << bit;
            let signature = String::from_utf8_lossy(&signature).into_owned();

            let verdict = secrets.verify(&signature, &body, at(1_700_000_000));

            // Hexadecimal ignores case; everything else does not.
            let signed = secrets.sign(&body, at(1_700_000_000));
            let (names, hex) = signed.split_at(signed.len() - 64);
            let same = signature.strip_prefix(names).is_some_and(|rest| rest.eq_ignore_ascii_case(hex));
            prop_assert_eq!(verdict.is_ok(), same && !in_body);
        }
    }
}
