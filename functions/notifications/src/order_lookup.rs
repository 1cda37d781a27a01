//! The mail that a guest asks for who has lost the link to an order.

use domain::Order;
use stream::{Change, Failure, Kind};
use table::OrderSearch;

use crate::{
    State,
    email::compose_order_link,
    limits::LinkLimit,
    linked::{Answered, send_once},
    mail_links::NoKeys,
    notification::was_paid,
};

/// Orders with one number, of which there is hardly ever a second.
const MAX_ORDERS: i32 = 5;

/// Its name in keys, ids and logs.
pub const WHICH: &str = "order-link";

/// Mails the link to the order that a request names, if there is one. Only a guest's order has such a link, and only one
/// that was paid: another costs nothing to place, so its contact may be a stranger's address.
pub async fn notify_change(state: &State, change: &Change) -> Result<(), Failure> {
    // TTL deleted it.
    let is_gone = matches!(change.kind, Kind::Remove | Kind::Expire);
    let Some(new) = change.new.as_ref().filter(|_| !is_gone) else { return Ok(()) };
    let lookup = new.order_lookup()?;
    if lookup.is_expired(state.clock.now()) {
        tracing::info!(kind = WHICH, "no mail: it was requested more than a day ago");
        return Ok(());
    }
    let found = state.table.order_search(&OrderSearch::Number(lookup.number), MAX_ORDERS, None).await?;
    let is_mailed = |order: &&Order| lookup.fits(order) && order.guest && was_paid(order);
    let Some(order) = found.items.iter().find(is_mailed) else { return Ok(()) };
    let Some(contact) = &order.contact else { return Ok(()) };
    let links = state.links.as_ref().ok_or_else(|| Failure::Never(NoKeys.into()))?;
    let way_in = links.to_order(order, lookup.requested_at);
    let mail = compose_order_link(&lookup, order, &contact.email, &way_in, &state.shop);
    let mail = mail.map_err(|e| Failure::Never(e.into()))?;
    let answered = Answered { request: lookup.id, which: WHICH, record: &change.event_id };
    send_once(state, answered, &mail, LinkLimit::Unverified).await
}
