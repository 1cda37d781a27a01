//! Notifications: a mail to the customer for each thing that happens to an order, made from the table's stream.
//!
//! # Once, as far as that can be had
//!
//! A record is delivered at least once. So each notification is claimed before it
//! is sent and marked afterwards, in one item `NOTIFY#<order>#<version>`: what is marked is never sent again.
//!
//! Between sending and marking lies a window that nothing closes: sending is not in the table's transaction, SES takes no
//! idempotency token, and it replaces the `Message-ID` it is given, so that no mailbox can tell a second copy. Who dies in
//! there leaves a claim that runs out after a minute, and the mail is sent again under the same id. That is on purpose:
//! marking first would lose the mail instead, and a customer who reads twice that an order was shipped is better off than
//! one who never does. A folder of mail has no such window, for the same id is the same file.
//!
//! What narrows it: the mail is written and its customer read before the claim; the mark is one small write, right after
//! SES's answer, tried three times; if even that fails the record counts as done, because asking for it again would
//! surely send the mail again; SES is given seconds to answer, not the tenths it takes; and nothing is begun with less
//! than three seconds left. So a second copy needs a crash, or an answer of SES that never came, at just that moment.
//!
//! A record is delivered again only after the delivery before has ended, so a record takes over its own claim at once.
//! Who replays one letter twice at the same time, or gives up waiting while a function is still at it, may send its mail
//! twice.
//!
//! # Few, as far as strangers can cause them
//!
//! A registered address is not verified: it may be a stranger's. So only what was paid for is mailed (see `notice`), no text
//! that a customer chose acts as a link (see `inert`), and the mails to a recipient and of the whole shop are counted
//! between the claim and the sending (see `limits`), once a notification however often it is tried.

mod folder;
mod from_env;
mod inert;
mod letter;
mod limits;
mod mailer;
mod money;
mod notice;
mod sender;
mod ses;
#[cfg(test)]
mod testing;

use std::{sync::Arc, time::Duration};

use api::Clock;
use domain::{Customer, Email, Order, OrderId, Timestamp};
use stream::{Answer, Batch, Change, DeadLetters, EventName, Failure, Kind, Mapping, Runner};
use table::{Claim, GivenUp, StoreError, Table, error_chain, keys::Entity};

use limits::{ShopLimited, log_dropped};

pub use folder::MailFolder;
pub use from_env::{limits_from_env, mailer_from_env, sender_from_env};
pub use letter::{LetterError, compose};
pub use limits::{Allowance, InvalidLimit, MailLimits};
pub use mailer::{Mail, MailError, Mailer, Sending};
use notice::is_stale;
pub use notice::{Cancelled, News, Notice, notices};
pub use sender::Sender;
pub use ses::{Ses, SesConfig};

/// How the stream is delivered. Nobody waits for company: a mail goes out as soon as its order changed.
pub const MAPPING: Mapping = Mapping {
    function: "notifications",
    batch_size: 25,
    window: Duration::ZERO,
    retries: 5,
    max_age: Duration::from_secs(6 * 3_600),
    bisect: true,
    events: &[EventName::Insert, EventName::Modify],
    entities: &[Entity::Order],
};

/// How often the mark that a mail was sent is tried.
const MARKS: u32 = 3;

#[derive(Clone)]
pub struct State {
    table: Table,
    mailer: Arc<dyn Mailer>,
    shop: Sender,
    limits: Option<MailLimits>,
    runner: Runner,
    clock: Clock,
}

impl State {
    pub fn new(table: Table, mailer: Arc<dyn Mailer>, shop: Sender, dead_letters: DeadLetters, clock: Clock) -> Self {
        let runner = Runner::new(MAPPING.function, dead_letters);
        Self { table, mailer, shop, limits: Some(MailLimits::default()), runner, clock }
    }

    /// With other limits than the usual ones; `None` is without any.
    pub fn limited(self, limits: Option<MailLimits>) -> Self {
        Self { limits, ..self }
    }

    /// Under the name that the function is deployed by, if it is.
    pub fn deployed_as(mut self, name: Option<String>) -> Self {
        self.runner = self.runner.deployed_as(name);
        self
    }
}

/// Tells customers what the records of a batch say. `deadline` is when the invocation is cut off.
pub async fn handle(state: &State, batch: Batch, deadline: Option<Timestamp>) -> Answer {
    state.runner.run(batch, deadline, state.clock.now(), |change| async move { tell(state, &change).await }).await
}

/// Tells a customer what one change of an order says. Any other change says nothing: a mapping's filter is not relied on.
async fn tell(state: &State, change: &Change) -> Result<(), Failure> {
    let is_order = change.key.entity() == Some(Entity::Order);
    // Time or an operator cleared an order away, and the customer has heard all about it.
    let is_gone = matches!(change.kind, Kind::Remove | Kind::Expire);
    let Some(new) = change.new.as_ref().filter(|_| is_order && !is_gone) else { return Ok(()) };
    let order = new.order()?;
    // One that did not read back before, and does now, was mended: what happened last is told.
    let version_before = |old: &table::Image| old.order().map_or(order.version.saturating_sub(1), |old| old.version);
    let seen = change.old.as_ref().map_or(0, version_before);

    let notices = notices(seen, &order, state.clock.now());
    if notices.is_empty() {
        if is_stale(seen, &order, state.clock.now()) {
            tracing::info!(order = %order.id, "nothing is mailed: what happened is more than 30 days ago");
        }
        return Ok(());
    }
    let Some(customer) = recipient(state, &order).await? else {
        tracing::info!(order = %order.id, "the order is a guest's: there is no address to write to");
        return Ok(());
    };
    // One that is refused for good keeps no other from being sent.
    let mut refused = None;
    for notice in &notices {
        match notify(state, &change.event_id, notice, &customer).await {
            Err(Failure::Never(error)) => refused = Some(Failure::Never(error)),
            told => told?,
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Whom mail about an order goes to: its customer, or the account that the guest who placed it logged in to meanwhile.
async fn recipient(state: &State, order: &Order) -> Result<Option<Customer>, StoreError> {
    if let Some(customer) = state.table.customer_get(&order.customer).await? {
        return Ok(Some(customer));
    }
    match state.table.guest_account_get(&order.customer).await? {
        Some(account) => state.table.customer_get(&account).await,
        None => Ok(None),
    }
}

async fn notify(state: &State, record: &str, notice: &Notice, customer: &Customer) -> Result<(), Failure> {
    let Order { id, version, .. } = notice.order;
    let mail = compose(notice, customer, &state.shop).map_err(|e| Failure::Never(e.into()))?;
    match state.table.notification_claim(id, version, record, state.clock.now()).await? {
        Claim::Done => return Ok(()),
        Claim::Elsewhere => return Err(Failure::Again(SentElsewhere.into())),
        // Counted when it was claimed first: that the mail service is away uses up no limit.
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
    tracing::info!(order = %id, version, news = notice.news.as_str(), "the customer was told");
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
#[error("another record's delivery is sending the mail, or died over it less than a minute ago")]
struct SentElsewhere;

/// Never an error: the mail is out, and delivering its record again would send another.
async fn mark(state: &State, order: OrderId, version: u64) {
    for attempt in 1..=MARKS {
        let Err(error) = state.table.notification_sent(order, version, state.clock.now()).await else { return };
        tracing::error!(%order, version, attempt, error = error_chain(&error), "a mail that was sent is not marked so");
    }
}
