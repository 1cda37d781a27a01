//! Notifications: a mail about each event of an order, made from the table's stream.
//!
//! # Duplicates
//!
//! A record is delivered at least once. So each notification is claimed before it is sent and marked afterwards, in one
//! item `NOTIFY#<order>#<version>`; a marked one is never sent again.
//!
//! Between sending and marking there is a window that cannot be closed: sending is not part of the table's transaction,
//! SES takes no idempotency token, and it replaces the `Message-ID`, so that no mailbox recognises a duplicate. A crash
//! in that window leaves a claim that expires after a minute, and the mail is sent again under the same id. That is on
//! purpose: marking first would lose the mail instead, and a duplicate is better than no mail. A mail folder has no
//! such window, because the same id is the same file.
//!
//! The window is kept small: the mail is composed and its recipient read before the claim; the mark is one small write,
//! directly after SES's answer, tried three times; if even that fails the record counts as done, because delivering it
//! again would certainly send the mail again; SES is given seconds to answer although it takes tenths; and nothing is
//! started with less than three seconds left. So a duplicate needs a crash, or a lost answer of SES, at exactly that
//! moment.
//!
//! A record is delivered again only after the delivery before has ended, so a record takes over its own claim at once.
//! Replaying one dead letter twice at the same time, or again while a function still handles it, may send its mail
//! twice.
//!
//! # Recipients
//!
//! A mail about an order goes to the contact that was given for the order, by a guest too. An order that is older than
//! contacts is mailed to the account of its customer.
//!
//! # Limits against abuse
//!
//! An address that was given for an order may be a stranger's. So only paid orders are mailed (see `notification`), and
//! the one mail about an order that was not paid goes to the customer's account only, if its address is verified; no text
//! of a customer acts as a link (see `inert`); and the mails to a recipient and of the whole shop are counted between the
//! claim and the sending (see `limits`), once for each notification however often it is tried. Mails about accounts have
//! rules of their own (see `account`), and so has the link to an order that a guest asks for (see `order_lookup`).

mod account;
mod account_url;
mod countries;
mod email;
mod folder;
mod from_env;
mod inert;
mod limits;
mod linked;
mod mail_links;
mod mailer;
mod money;
mod notification;
mod order_lookup;
mod order_url;
mod sender;
mod ses;
#[cfg(test)]
mod testing;
mod texts;

use std::{sync::Arc, time::Duration};

use domain::{Customer, Email, Order, OrderId, Timestamp};
use runtime::Clock;
use stream::{Answer, Batch, Change, DeadLetters, EventName, Failure, Kind, Mapping, Runner};
use table::{Claim, GivenUp, StoreError, Table, error_chain, keys::Entity};

use limits::{ShopLimited, log_dropped};

pub use account::AccountMailKind;
pub use account_url::{AccountUrl, InvalidAccountUrl};
pub use email::{EmailError, Written, compose, write, write_about_account, write_order_link};
pub use folder::MailFolder;
pub use from_env::{account_url_from_env, limits_from_env, mailer_from_env, order_url_from_env, sender_from_env};
pub use limits::{Allowance, InvalidLimit, MailLimits};
pub use mail_links::{MailLinks, OrderLink, WayIn};
pub use mailer::{Mail, MailError, Mailer, Sending};
use notification::is_stale;
pub use notification::{Cancelled, Notification, NotificationKind, notifications};
pub use order_url::{InvalidOrderUrl, OrderUrl};
pub use sender::Sender;
pub use ses::{Ses, SesConfig};

/// How the stream is delivered. A mail is sent as soon as its order changed, without waiting to fill a batch.
pub const MAPPING: Mapping = Mapping {
    function: "notifications",
    batch_size: 25,
    window: Duration::ZERO,
    retries: 5,
    max_age: Duration::from_secs(6 * 3_600),
    bisect: true,
    events: &[EventName::Insert, EventName::Modify],
    entities: &[Entity::Order, Entity::AccountLink, Entity::OrderLookup],
};

/// Attempts to mark a mail as sent.
const MARKS: u32 = 3;

#[derive(Clone)]
pub struct State {
    table: Table,
    mailer: Arc<dyn Mailer>,
    shop: Sender,
    limits: Option<MailLimits>,
    links: Option<MailLinks>,
    runner: Runner,
    clock: Clock,
}

impl State {
    pub fn new(table: Table, mailer: Arc<dyn Mailer>, shop: Sender, dead_letters: DeadLetters, clock: Clock) -> Self {
        let runner = Runner::new(MAPPING.function, dead_letters);
        let limits = Some(MailLimits::default());
        Self { table, mailer, shop, limits, links: None, runner, clock }
    }

    /// With other limits than the defaults; `None` is without any.
    pub fn limited(self, limits: Option<MailLimits>) -> Self {
        Self { limits, ..self }
    }

    /// With links; without this, a request for one becomes a dead letter.
    pub fn with_links(self, links: MailLinks) -> Self {
        Self { links: Some(links), ..self }
    }

    /// Under the name the function is deployed by, if any.
    pub fn deployed_as(mut self, name: Option<String>) -> Self {
        self.runner = self.runner.deployed_as(name);
        self
    }
}

/// Mails the notifications of a batch of records. `deadline` is when the invocation ends.
pub async fn handle(state: &State, batch: Batch, deadline: Option<Timestamp>) -> Answer {
    state
        .runner
        .run(batch, deadline, state.clock.now(), |change| async move { notify_change(state, &change).await })
        .await
}

/// Mails what one change asks for. Other changes are ignored, without relying on the mapping's filter.
async fn notify_change(state: &State, change: &Change) -> Result<(), Failure> {
    match change.key.entity() {
        Some(Entity::Order) => notify_order_change(state, change).await,
        Some(Entity::AccountLink) => account::notify_change(state, change).await,
        Some(Entity::OrderLookup) => order_lookup::notify_change(state, change).await,
        _ => Ok(()),
    }
}

async fn notify_order_change(state: &State, change: &Change) -> Result<(), Failure> {
    // TTL or an operator deleted the order; its customer has been notified of everything.
    let is_gone = matches!(change.kind, Kind::Remove | Kind::Expire);
    let Some(new) = change.new.as_ref().filter(|_| !is_gone) else { return Ok(()) };
    let order = new.order()?;
    // An item that could not be read before, and now can, was repaired: only its last event is mailed.
    let version_before =
        |old: &table::StreamImage| old.order().map_or(order.version.saturating_sub(1), |old| old.version);
    let seen = change.old.as_ref().map_or(0, version_before);

    let notifications = notifications(seen, &order, state.clock.now());
    if notifications.is_empty() {
        if is_stale(seen, &order, state.clock.now()) {
            tracing::info!(order = %order.id, "no mail: the event is more than 30 days old");
        }
        return Ok(());
    }
    // A mail that is refused for good does not stop the others.
    let mut refused = None;
    for notification in &notifications {
        let Some(to) = recipient(state, notification).await? else {
            tracing::info!(order = %order.id, "no mail: the order has no address, or was not paid and its customer's is not verified");
            continue;
        };
        match notify(state, &change.event_id, notification, &to).await {
            Err(Failure::Never(error)) => refused = Some(Failure::Never(error)),
            result => result?,
        }
    }
    refused.map_or(Ok(()), Err)
}

/// The recipient of a mail: the order's contact if the order was paid, otherwise the account of its customer. An unpaid
/// order costs nothing to place, so that its contact may be a stranger's address.
async fn recipient(state: &State, notification: &Notification) -> Result<Option<Email>, StoreError> {
    let contact = notification.order.contact.as_ref().filter(|_| !notification.kind.is_unpaid());
    match contact {
        Some(contact) => Ok(Some(contact.email.clone())),
        None => {
            // For the same reason the mail about an unpaid order goes to a verified address only.
            let is_mailed = |customer: &Customer| customer.email_verified || !notification.kind.is_unpaid();
            Ok(customer_of(state, &notification.order).await?.filter(is_mailed).map(|customer| customer.email))
        }
    }
}

/// The customer of an order, or the account that the guest who placed it logged in to meanwhile.
async fn customer_of(state: &State, order: &Order) -> Result<Option<Customer>, StoreError> {
    if let Some(customer) = state.table.customer_get(&order.customer).await? {
        return Ok(Some(customer));
    }
    match state.table.guest_account_get(&order.customer).await? {
        Some(account) => state.table.customer_get(&account).await,
        None => Ok(None),
    }
}

async fn notify(state: &State, record: &str, notification: &Notification, to: &Email) -> Result<(), Failure> {
    let Order { id, version, .. } = notification.order;
    let link = state.links.as_ref().and_then(|links| links.in_mail_about(&notification.order, notification.at));
    let mail = compose(notification, to, &state.shop, link);
    let mail = mail.map_err(|e| Failure::Never(e.into()))?;
    match state.table.notification_claim(id, version, record, state.clock.now()).await? {
        Claim::Done => return Ok(()),
        Claim::Elsewhere => return Err(Failure::Again(SentElsewhere.into())),
        // Counted when it was first claimed, so that an outage of the mail service uses up no limit.
        Claim::Again => {}
        Claim::First => match count(state, &mail.to).await? {
            Allowance::Allowed => {}
            Allowance::RecipientLimited => {
                log_dropped(id, version);
                state.table.notification_give_up(id, version, GivenUp::ForGood, state.clock.now()).await?;
                return Ok(());
            }
            Allowance::ShopLimited => {
                state.table.notification_give_up(id, version, GivenUp::UntilReplayed, state.clock.now()).await?;
                return Err(Failure::Never(ShopLimited.into()));
            }
        },
    }
    if let Err(error) = state.mailer.send(&mail).await {
        return Err(match error {
            MailError::Refused(_) => Failure::Never(error.into()),
            MailError::Unavailable { .. } => Failure::Again(error.into()),
        });
    }
    tracing::info!(order = %id, version, kind = notification.kind.as_str(), "the customer was notified");
    mark(state, id, version).await;
    Ok(())
}

async fn count(state: &State, to: &Email) -> Result<Allowance, Failure> {
    match &state.limits {
        Some(limits) => Ok(limits.count(&state.table, to, state.clock.now()).await?),
        None => Ok(Allowance::Allowed),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("another record's delivery is sending the mail, or crashed while sending it less than a minute ago")]
struct SentElsewhere;

/// Never an error: the mail was sent, and delivering its record again would send another.
async fn mark(state: &State, order: OrderId, version: u64) {
    for attempt in 1..=MARKS {
        let Err(error) = state.table.notification_sent(order, version, state.clock.now()).await else { return };
        tracing::error!(%order, version, attempt, error = error_chain(&error), "a mail was sent but could not be marked as sent");
    }
}
