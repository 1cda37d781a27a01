use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version, password_hash::phc::PasswordHash};
use domain::Password;
use tokio::sync::Semaphore;

/// OWASP's recommended parameters for Argon2id: 19 MiB, two passes, one lane.
/// <https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html#argon2id>
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes and verifies passwords, one at a time in each environment, so that memory stays bounded under any load.
#[derive(Debug, Clone)]
pub struct Passwords(Arc<Semaphore>);

/// The result of comparing a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, but hashed with weaker parameters than today's, or before passwords were normalised.
    RightButWeak,
}

#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("hashing failed")]
    Hash(#[from] argon2::password_hash::Error),
    #[error("a stored hash does not parse")]
    Stored(#[from] argon2::password_hash::phc::Error),
    #[error("the hashing thread ended")]
    Thread(#[from] tokio::task::JoinError),
}

impl Default for Passwords {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }
}

impl Passwords {
    /// A PHC string with a fresh salt.
    pub async fn hash(&self, password: Password) -> Result<String, PasswordError> {
        self.one_at_a_time(move || Ok(argon2().hash_password(password.as_bytes())?.to_string())).await
    }

    /// Compares with a stored hash. Without one, the same time is spent on a dummy hash, so that an unknown e-mail
    /// takes as long as a wrong password.
    pub async fn verify(&self, password: Password, stored: Option<String>) -> Result<Verdict, PasswordError> {
        self.one_at_a_time(move || {
            let Some(stored) = stored else {
                argon2().hash_password(password.as_bytes())?;
                return Ok(Verdict::Wrong);
            };
            let hash = PasswordHash::new(&stored)?;
            let is_right = |bytes: &[u8]| argon2().verify_password(bytes, &hash).is_ok();
            if is_right(password.as_bytes()) {
                return Ok(if is_weak(&hash) { Verdict::RightButWeak } else { Verdict::Right });
            }
            Ok(if password.unnormalised_bytes().is_some_and(is_right) { Verdict::RightButWeak } else { Verdict::Wrong })
        })
        .await
    }

    async fn one_at_a_time<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let _turn = self.0.acquire().await.expect("the semaphore is never closed");
        tokio::task::spawn_blocking(work).await?
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the constants are in Argon2's range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn is_weak(hash: &PasswordHash) -> bool {
    match Params::try_from(hash) {
        Ok(params) => params.m_cost() < MEMORY_KIB || params.t_cost() < PASSES,
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(raw: &str) -> Password {
        Password::attempt(raw).unwrap()
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let passwords = Passwords::default();
        let hash = passwords.hash(password("correct horse")).await.unwrap();

        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(passwords.verify(password("correct horse"), Some(hash.clone())).await.unwrap(), Verdict::Right);
        assert_eq!(passwords.verify(password("correct house"), Some(hash)).await.unwrap(), Verdict::Wrong);
        assert_eq!(passwords.verify(password("correct horse"), None).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_password_verifies_in_composed_and_decomposed_form() {
        let passwords = Passwords::default();
        let (composed, decomposed) = ("mañana grün 12", "man\u{303}ana gru\u{308}n 12");
        let today = passwords.hash(password(composed)).await.unwrap();
        let before = argon2().hash_password(decomposed.as_bytes()).unwrap().to_string();

        let verdict = async |raw, hash: &String| passwords.verify(password(raw), Some(hash.clone())).await.unwrap();

        assert_eq!(verdict(decomposed, &today).await, Verdict::Right);
        assert_eq!(verdict(composed, &today).await, Verdict::Right);
        // Marked for rehashing, so that the next login may come from the other device.
        assert_eq!(verdict(decomposed, &before).await, Verdict::RightButWeak);
        assert_eq!(verdict("man\u{303}ana grun 12", &before).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_with_weaker_parameters_is_marked_for_rehashing() {
        let params = Params::new(8_192, 1, 1, None).unwrap();
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash = weak.hash_password(b"correct horse").unwrap().to_string();

        let verdict = Passwords::default().verify(password("correct horse"), Some(hash)).await.unwrap();

        assert_eq!(verdict, Verdict::RightButWeak);
    }
}
