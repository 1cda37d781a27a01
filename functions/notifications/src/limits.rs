use domain::{Email, OrderId, Timestamp};
use jiff::SignedDuration;
use table::{RateLimit, RateVerdict, StoreError, Table, keys::sha256_hex};

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The shop's mails are counted in this many parts, by recipient: a single item of the table takes 1,000 writes a
/// second.
const SHARDS: u32 = 8;

/// Limits of mails. The counters are in the table, so that all environments count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailLimits {
    /// Mails about orders to one recipient in a UTC day, and of each kind about its account if it is verified. More are
    /// dropped, so that no inbox is flooded.
    pub recipient: u32,
    /// Mails of the whole shop in an hour, in eight equal parts by recipient. More become dead letters, so that they
    /// can be replayed: so many mails are a defect or an attack, which an operator has to examine.
    pub shop: u32,
    /// Links to one mailbox that is not verified in a UTC day, of each kind: about an account, or to an order. More are
    /// dropped.
    pub link_recipient: u32,
    /// Mails with links of the whole shop in an hour, in eight equal parts by recipient: so many to addresses that are
    /// verified, and so many to others, which strangers can cause. More are dropped, so that an attack with them delays
    /// no mail about an order. The notice that an address is being changed is not counted.
    pub link_shop: u32,
}

impl Default for MailLimits {
    fn default() -> Self {
        Self { recipient: 30, shop: 20_000, link_recipient: 10, link_shop: 2_000 }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither recipient=number or link_recipient=number, of 1 or more, nor shop=number or link_shop=number, of {SHARDS} or more"
)]
pub struct InvalidLimit(String);

/// Which limits a mail with a link has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkLimit {
    /// To an address that its owner has verified. It has a counter of its own, so that requests for other addresses of the
    /// same mailbox use up none of it.
    Verified,
    /// To another one.
    Unverified,
    /// A warning to a verified address, which the shop's limit does not hold back.
    Warning,
}

/// The result for one mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    Allowed,
    /// The recipient has reached the limit of a day.
    RecipientLimited,
    /// The shop has reached the limit of an hour.
    ShopLimited,
}

impl MailLimits {
    /// The defaults, overridden by `text`, such as `recipient=50,shop=100000`.
    ///
    /// # Errors
    /// Names the entry that is wrong.
    pub fn parse(text: &str) -> Result<Self, InvalidLimit> {
        let mut limits = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let invalid = || InvalidLimit(entry.to_owned());
            let (name, most) = entry.split_once('=').ok_or_else(invalid)?;
            let most: u32 = most.trim().parse().map_err(|_| invalid())?;
            match name.trim() {
                "recipient" if most >= 1 => limits.recipient = most,
                "shop" if most >= SHARDS => limits.shop = most,
                "link_recipient" if most >= 1 => limits.link_recipient = most,
                "link_shop" if most >= SHARDS => limits.link_shop = most,
                _ => return Err(invalid()),
            }
        }
        Ok(limits)
    }

    /// Counts a mail against both limits (AP-18a). A mail over the recipient's limit is not counted for the shop.
    ///
    /// # Errors
    /// The table could not count. The mail may have been counted all the same.
    pub async fn count(&self, table: &Table, to: &Email, now: Timestamp) -> Result<Allowance, StoreError> {
        let mailbox = sha256_hex(mailbox_of(to));
        if table.rate_count(&self.of_recipient(&mailbox), now).await? != RateVerdict::Allowed {
            return Ok(Allowance::RecipientLimited);
        }
        match table.rate_count(&self.of_shop(&mailbox), now).await? {
            RateVerdict::Allowed => Ok(Allowance::Allowed),
            RateVerdict::Limited { .. } => Ok(Allowance::ShopLimited),
        }
    }

    /// Counts a mail with a link against its limits (AP-18a), which are not those of mails about orders; whether it may be
    /// sent.
    ///
    /// # Errors
    /// The table could not count. The mail may have been counted all the same.
    pub async fn count_of_link(
        &self,
        table: &Table,
        which: &str,
        to: &Email,
        limit: LinkLimit,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (whose, most) = match limit {
            LinkLimit::Verified | LinkLimit::Warning => (sha256_hex(to.as_str()), self.recipient),
            LinkLimit::Unverified => (sha256_hex(mailbox_of(to)), self.link_recipient),
        };
        let scope = format!("mail-account:{which}:{whose}");
        if table.rate_count(&RateLimit { scope, most, window: DAY }, now).await? != RateVerdict::Allowed {
            return Ok(false);
        }
        let pool = match limit {
            LinkLimit::Verified => "verified",
            LinkLimit::Unverified => "unverified",
            LinkLimit::Warning => return Ok(true),
        };
        let (scope, most) = (format!("mail-accounts:{pool}:{}", shard(&whose)), self.link_shop / SHARDS);
        Ok(table.rate_count(&RateLimit { scope, most, window: HOUR }, now).await? == RateVerdict::Allowed)
    }

    /// The address is hashed: no key contains an e-mail.
    fn of_recipient(&self, mailbox: &str) -> RateLimit {
        RateLimit { scope: format!("mail-recipient:{mailbox}"), most: self.recipient, window: DAY }
    }

    fn of_shop(&self, mailbox: &str) -> RateLimit {
        RateLimit { scope: format!("mail-shop:{}", shard(mailbox)), most: self.shop / SHARDS, window: HOUR }
    }
}

/// The part of the shop's counters that a hashed address belongs to.
fn shard(hashed: &str) -> u32 {
    hashed.chars().next().and_then(|digit| digit.to_digit(16)).unwrap_or_default() % SHARDS
}

/// The address without its tag and its dots: providers deliver `ann+1@…` and `a.nn@…` to one mailbox, which has one
/// limit. At providers that do not, two mailboxes share a limit.
fn mailbox_of(email: &Email) -> String {
    let email = email.as_str();
    let (local, domain) = email.rsplit_once('@').unwrap_or((email, ""));
    let untagged = local.split_once('+').map_or(local, |(name, _)| name);
    // A local part that is only a tag is a mailbox of its own.
    let name = if untagged.is_empty() { local } else { untagged };
    format!("{}@{domain}", name.replace('.', ""))
}

/// The whole shop has reached its limit of this hour.
#[derive(Debug, thiserror::Error)]
#[error(
    "the shop has reached its limit of mails an hour (MAIL_LIMITS); replay this dead letter once the cause is known"
)]
pub struct ShopLimited;

/// The recipient's mail is dropped for good, so its order is logged.
pub fn log_dropped(order: OrderId, version: u64) {
    tracing::warn!(%order, version, "a mail is dropped: its recipient has reached the limit of a day");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_names_only_the_limits_it_changes() {
        let limits = MailLimits::parse("shop=100000, recipient=50").unwrap();

        assert_eq!(limits, MailLimits { recipient: 50, shop: 100_000, ..MailLimits::default() });
        assert_eq!(MailLimits::parse("").unwrap(), MailLimits::default());
        assert_eq!(MailLimits::parse("shop=8").unwrap(), MailLimits { shop: 8, ..MailLimits::default() });
        let of_links = MailLimits { link_recipient: 3, link_shop: 80, ..MailLimits::default() };
        assert_eq!(MailLimits::parse("link_recipient=3,link_shop=80").unwrap(), of_links);
        for wrong in [
            "link_shop=7",
            "link_recipient=0",
            "recipient",
            "recipient=",
            "recipient=0",
            "recipient=-1",
            "shop=7",
            "shop=many",
            "customer=5",
        ] {
            assert!(MailLimits::parse(wrong).unwrap_err().to_string().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_mailbox_has_one_limit_whatever_its_tag_and_its_dots() {
        let mailbox = |raw| mailbox_of(&Email::parse(raw).unwrap());

        assert_eq!(mailbox("Ann+shop@example.com"), mailbox("ann@example.com"));
        assert_eq!(mailbox("a.n.n@example.com"), mailbox("ann@example.com"));
        assert_ne!(mailbox("ann@example.com"), mailbox("ann@example.org"));
        assert_ne!(mailbox("+1@example.com"), mailbox("+2@example.com"));
    }

    #[test]
    fn the_parts_of_the_shops_limit_never_add_up_to_more() {
        let limits = MailLimits { shop: 100, ..MailLimits::default() };

        let parts: std::collections::BTreeMap<_, _> = (0..200)
            .map(|i| limits.of_shop(&sha256_hex(format!("{i}@example.com"))))
            .map(|l| (l.scope, l.most))
            .collect();

        assert_eq!((parts.len(), parts.values().sum::<u32>()), (8, 96));
    }
}
