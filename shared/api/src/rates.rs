//! How often something may happen. Counters are in the table, so that every environment counts together.

use std::net::IpAddr;

use domain::{Email, UserId};
use jiff::SignedDuration;
use table::{RateLimit, RateVerdict, keys::sha256_hex};

use crate::{Context, Problem};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// 5 in 15 minutes for one account from one address. The account is hashed: no e-mail stands in a key.
pub fn login_account_address(email: &Email, address: Option<IpAddr>) -> RateLimit {
    let scope = format!("login-account-address:{}:{}", account(email), shown(address));
    RateLimit { scope, most: 5, window: MINUTE * 15 }
}

/// 20 an hour for one account, from anywhere.
pub fn login_account(email: &Email) -> RateLimit {
    RateLimit { scope: format!("login-account:{}", account(email)), most: 20, window: HOUR }
}

/// 100 an hour for one address, whatever the account; registrations count too.
pub fn login_address(address: Option<IpAddr>) -> RateLimit {
    RateLimit { scope: format!("login-address:{}", shown(address)), most: 100, window: HOUR }
}

/// 10 checkouts a minute for one customer.
pub fn checkout(uid: &UserId) -> RateLimit {
    RateLimit { scope: format!("checkout:{uid}"), most: 10, window: MINUTE }
}

/// 60 new guests a minute from one address: each is three items in the table.
pub fn guest(address: Option<IpAddr>) -> RateLimit {
    RateLimit { scope: format!("guest:{}", shown(address)), most: 60, window: MINUTE }
}

/// Counts an event against each limit in turn, and stops at the first that is used up.
///
/// # Errors
/// 429 `rate_limited` with `Retry-After`.
pub async fn allow(context: &Context, limits: &[RateLimit]) -> Result<(), Problem> {
    if !context.policy.rates {
        return Ok(());
    }
    for limit in limits {
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

fn shown(address: Option<IpAddr>) -> String {
    address.map_or_else(|| "unknown".to_owned(), |a| a.to_string())
}
