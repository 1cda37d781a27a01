//! How often something may happen. Counters are in the table, so that every environment counts together.

use std::net::IpAddr;

use domain::{Email, UserId};
use jiff::SignedDuration;
use table::{RateLimit, RateVerdict, keys::sha256_hex};

use crate::{Context, Problem};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// How many are allowed in each window. The defaults are those of the security design; a deployment may set others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Logins in 15 minutes for one account from one address; registrations and changes of a password count too.
    pub login_account_address: u32,
    /// Logins an hour for one account, from anywhere.
    pub login_account: u32,
    /// Logins and registrations an hour from one address, whatever the account.
    pub login_address: u32,
    /// Checkouts a minute for one customer.
    pub checkout: u32,
    /// New guests a minute from one address: each is two items in the table.
    pub guest: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self { login_account_address: 5, login_account: 20, login_address: 100, checkout: 10, guest: 60 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not name=number of login_account_address, login_account, login_address, checkout or guest")]
pub struct InvalidRate(String);

impl Rates {
    /// The defaults with what `text` says otherwise, such as `checkout=20,guest=200`.
    pub fn parse(text: &str) -> Result<Self, InvalidRate> {
        let mut rates = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let invalid = || InvalidRate(entry.to_owned());
            let (name, most) = entry.split_once('=').ok_or_else(invalid)?;
            let most = most.trim().parse().ok().filter(|most| *most > 0).ok_or_else(invalid)?;
            match name.trim() {
                "login_account_address" => rates.login_account_address = most,
                "login_account" => rates.login_account = most,
                "login_address" => rates.login_address = most,
                "checkout" => rates.checkout = most,
                "guest" => rates.guest = most,
                _ => return Err(invalid()),
            }
        }
        Ok(rates)
    }

    /// The account is hashed: no e-mail stands in a key.
    pub fn login_account_address(&self, email: &Email, address: Option<IpAddr>) -> RateLimit {
        let scope = format!("login-account-address:{}:{}", account(email), shown(address));
        RateLimit { scope, most: self.login_account_address, window: MINUTE * 15 }
    }

    pub fn login_account(&self, email: &Email) -> RateLimit {
        RateLimit { scope: format!("login-account:{}", account(email)), most: self.login_account, window: HOUR }
    }

    pub fn login_address(&self, address: Option<IpAddr>) -> RateLimit {
        RateLimit { scope: format!("login-address:{}", shown(address)), most: self.login_address, window: HOUR }
    }

    pub fn checkout(&self, uid: &UserId) -> RateLimit {
        RateLimit { scope: format!("checkout:{uid}"), most: self.checkout, window: MINUTE }
    }

    pub fn guest(&self, address: Option<IpAddr>) -> RateLimit {
        RateLimit { scope: format!("guest:{}", shown(address)), most: self.guest, window: MINUTE }
    }
}

/// Counts an event against each limit in turn, and stops at the first that is used up.
///
/// # Errors
/// 429 `rate_limited` with `Retry-After`.
pub async fn allow(context: &Context, limits: impl FnOnce(&Rates) -> Vec<RateLimit>) -> Result<(), Problem> {
    let Some(rates) = &context.policy.rates else { return Ok(()) };
    for limit in &limits(rates) {
        let verdict = context.table.rate_count(limit, context.clock.now()).await?;
        if let RateVerdict::Limited { retry_after } = verdict {
            return Err(Problem::too_many("too often; wait before the next try", retry_after.as_secs()));
        }
    }
    Ok(())
}

fn account(email: &Email) -> String {
    sha256_hex(email.as_str())
}

/// An IPv6 customer has a whole /64 of addresses; it counts as one.
fn shown(address: Option<IpAddr>) -> String {
    match address.map(|a| a.to_canonical()) {
        None => "unknown".to_owned(),
        Some(IpAddr::V4(v4)) => v4.to_string(),
        Some(IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}.{b:x}.{c:x}.{d:x}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_names_only_the_rates_it_changes() {
        let rates = Rates::parse("checkout=20, guest=200").unwrap();

        assert_eq!(rates, Rates { checkout: 20, guest: 200, ..Rates::default() });
        assert_eq!(Rates::parse("").unwrap(), Rates::default());
        for wrong in ["checkout", "checkout=", "checkout=0", "checkout=-1", "logins=5"] {
            assert!(Rates::parse(wrong).is_err(), "{wrong}");
        }
    }
}
