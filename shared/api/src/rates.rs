//! Rate limits. Counters are in the table, so that all environments count together.

use std::net::IpAddr;

use domain::{AccountAction, Email, OrderNumber, UserId};
use jiff::SignedDuration;
use table::{RateLimit, RateVerdict, error_chain, keys::sha256_hex};

use crate::{Context, KnownDevice, Problem, Session};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Events allowed in each window. The defaults are those of the security design; a deployment may set others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Logins in 15 minutes for one account from one address; registrations count too. The same limit holds for each
    /// device that the account knows, and for password changes in one session, each counted separately.
    pub login_account_address: u32,
    /// Logins an hour for one account from unknown devices, over all addresses. They alone never refuse a login; above
    /// this limit each address has 2 logins in 15 minutes for that account, above five times as many 1.
    pub login_account: u32,
    /// Logins from unknown devices, and registrations, an hour from one address, over all accounts.
    pub login_address: u32,
    /// Checkouts a minute for one customer.
    pub checkout: u32,
    /// Reads of a payment's state at the provider, a minute for one customer.
    pub payment_refresh: u32,
    /// New guests a minute from one address: each is two items in the table.
    pub guest: u32,
    /// Requests an hour from one address for a link that is mailed, such as one that sets a new password. A registration
    /// requests one.
    pub link_address: u32,
    /// Such requests of one kind an hour for one e-mail; for a guest's order, for its number and e-mail. A new password, and
    /// the link to a guest's order, can be requested by strangers: so often a day from one address, and four times as often an hour from all.
    pub link_email: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            login_account_address: 5,
            login_account: 20,
            login_address: 100,
            checkout: 10,
            payment_refresh: 30,
            guest: 60,
            link_address: 20,
            link_email: 5,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not name=number of login_account_address, login_account, login_address, checkout, payment_refresh, guest, \
     link_address or link_email"
)]
pub struct InvalidRate(String);

impl Rates {
    /// The defaults, overridden by `text`, such as `checkout=20,guest=200`.
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
                "payment_refresh" => rates.payment_refresh = most,
                "guest" => rates.guest = most,
                "link_address" => rates.link_address = most,
                "link_email" => rates.link_email = most,
                _ => return Err(invalid()),
            }
        }
        Ok(rates)
    }

    /// The account is hashed: no key contains an e-mail.
    pub fn login_account_address(&self, email: &Email, address: Option<IpAddr>) -> RateLimit {
        let scope = format!("login-account-address:{}:{}", account(email), shown(address));
        RateLimit { scope, most: self.login_account_address, window: MINUTE * 15 }
    }

    /// A device that the account knows is counted separately, so that guesses of others do not limit its customer.
    pub fn login_device(&self, email: &Email, device: &KnownDevice) -> RateLimit {
        let scope = format!("login-device:{}:{}", account(email), device.id());
        RateLimit { scope, most: self.login_account_address, window: MINUTE * 15 }
    }

    /// By customer and the absolute expiry of the login. A refresh of the session changes neither, so it gives no
    /// further attempts.
    pub fn password_change(&self, session: &Session) -> RateLimit {
        let until = session.lifetime.absolute_expires_at.as_second();
        let scope = format!("password-change:{}:{until}", session.uid);
        RateLimit { scope, most: self.login_account_address, window: MINUTE * 15 }
    }

    /// The counter that all unknown devices share. `most` is where they are slowed down.
    pub fn login_account(&self, email: &Email) -> RateLimit {
        RateLimit { scope: format!("login-account:{}", account(email)), most: self.login_account, window: HOUR }
    }

    pub fn login_address(&self, address: Option<IpAddr>) -> RateLimit {
        RateLimit { scope: format!("login-address:{}", shown(address)), most: self.login_address, window: HOUR }
    }

    pub fn checkout(&self, uid: &UserId) -> RateLimit {
        RateLimit { scope: format!("checkout:{uid}"), most: self.checkout, window: MINUTE }
    }

    pub fn payment_refresh(&self, uid: &UserId) -> RateLimit {
        RateLimit { scope: format!("payment-refresh:{uid}"), most: self.payment_refresh, window: MINUTE }
    }

    pub fn guest(&self, address: Option<IpAddr>) -> RateLimit {
        RateLimit { scope: format!("guest:{}", shown(address)), most: self.guest, window: MINUTE }
    }

    pub fn link_address(&self, address: Option<IpAddr>) -> RateLimit {
        RateLimit { scope: format!("link-address:{}", shown(address)), most: self.link_address, window: HOUR }
    }

    /// Counted whether or not the e-mail has an account. Each action has its own counter, so that requests for other
    /// links cannot keep an owner from setting a new password.
    pub fn link_email(&self, action: AccountAction, email: &Email) -> RateLimit {
        let scope = format!("link-email:{}:{}", action.as_str(), account(email));
        RateLimit { scope, most: self.link_email, window: HOUR }
    }

    /// A link that sets a new password, which strangers can request.
    pub fn password_reset(&self, email: &Email, address: Option<IpAddr>) -> [RateLimit; 2] {
        self.by_address_first(self.link_email(AccountAction::ResetPassword, email), address)
    }

    /// A link to an order, which strangers can request. Counted for the number and the e-mail together, so that requests
    /// with wrong numbers use up none of what the customer has.
    pub fn order_lookup(&self, number: OrderNumber, email: &Email, address: Option<IpAddr>) -> [RateLimit; 2] {
        let scope = format!("link-email:order:{}:{}", number.digits(), account(email));
        self.by_address_first(RateLimit { scope, most: self.link_email, window: HOUR }, address)
    }

    /// Counted by client address first, so that a stranger uses up little of what an owner has.
    fn by_address_first(&self, shared: RateLimit, address: Option<IpAddr>) -> [RateLimit; 2] {
        let own = RateLimit {
            scope: format!("{}:{}", shared.scope, shown(address)),
            most: self.link_email,
            window: HOUR * 24,
        };
        [own, RateLimit { most: self.link_email.saturating_mul(4), ..shared }]
    }

    /// How many attempts in 15 minutes one address has at an account with this many attempts from unknown devices in
    /// this hour.
    fn while_guessed_at(&self, tries: u32) -> u32 {
        let slowed = match tries {
            n if n > self.login_account.saturating_mul(5) => 1,
            n if n > self.login_account => 2,
            _ => self.login_account_address,
        };
        slowed.min(self.login_account_address)
    }
}

/// Counts an event against each limit in turn, and stops at the first that is exceeded.
///
/// # Errors
/// 429 `rate_limited` with `Retry-After`.
pub async fn allow(context: &Context, limits: impl FnOnce(&Rates) -> Vec<RateLimit>) -> Result<(), Problem> {
    let Some(rates) = &context.policy.rates else { return Ok(()) };
    for limit in &limits(rates) {
        if let RateVerdict::Limited { retry_after } = context.table.rate_count(limit, context.clock.now()).await? {
            return Err(too_often(retry_after));
        }
    }
    Ok(())
}

/// Counts an event like [`allow`], for a caller that is answered alike whether or not it exceeds a limit.
///
/// # Errors
/// The table cannot count.
pub async fn is_allowed(context: &Context, limits: impl FnOnce(&Rates) -> Vec<RateLimit>) -> Result<bool, Problem> {
    let Some(rates) = &context.policy.rates else { return Ok(true) };
    for limit in &limits(rates) {
        if context.table.rate_count(limit, context.clock.now()).await? != RateVerdict::Allowed {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Counts an attempt at an account's password, before anything is hashed.
///
/// Attempts of others never lock an account. A login from a device that the account knows is counted for that device
/// only. Any other is counted by its address; the attempts of all addresses together only lower the limit of each, so
/// that an address always keeps one attempt of its own.
///
/// # Errors
/// 429 `rate_limited` with `Retry-After`.
pub async fn allow_login(
    context: &Context,
    email: &Email,
    address: Option<IpAddr>,
    device: Option<&KnownDevice>,
) -> Result<(), Problem> {
    let Some(rates) = &context.policy.rates else { return Ok(()) };
    if let Some(device) = device {
        return allow(context, |rates| vec![rates.login_device(email, device)]).await;
    }
    let (table, now) = (&context.table, context.clock.now());
    let of_address = rates.login_account_address(email, address);
    let limited = || Err(too_often(of_address.retry_after(now)));
    let tries_of_address = table.rate_tally(&of_address, now).await?;
    // An attempt that the address limit refuses does not count against the account.
    if tries_of_address > of_address.most {
        return limited();
    }
    allow(context, |rates| vec![rates.login_address(address)]).await?;
    let tries_of_strangers = table.rate_tally(&rates.login_account(email), now).await?;
    if tries_of_address > rates.while_guessed_at(tries_of_strangers) {
        return limited();
    }
    Ok(())
}

/// Resets the attempts before a successful login: they were the customer's own. If that fails, the customer has fewer
/// attempts left in this window, and the login succeeds all the same.
pub async fn forgive_login(context: &Context, email: &Email, address: Option<IpAddr>, device: Option<&KnownDevice>) {
    let Some(rates) = &context.policy.rates else { return };
    let limit = match device {
        Some(device) => rates.login_device(email, device),
        None => rates.login_account_address(email, address),
    };
    if let Err(error) = context.table.rate_reset(&limit, context.clock.now()).await {
        tracing::warn!(cause = error_chain(&error), "the attempts before a login could not be reset");
    }
}

fn too_often(retry_after: SignedDuration) -> Problem {
    Problem::too_many("too many requests; wait before the next one", retry_after.as_secs())
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

    #[test]
    fn attempts_from_unknown_devices_lower_the_limit_of_an_address_but_not_to_zero() {
        let rates = Rates::default();

        for (tries, left) in [(1, 5), (20, 5), (21, 2), (100, 2), (101, 1), (u32::MAX, 1)] {
            assert_eq!(rates.while_guessed_at(tries), left, "{tries}");
        }
        assert_eq!(Rates { login_account_address: 1, ..rates }.while_guessed_at(21), 1);
    }
}
