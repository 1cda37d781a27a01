use domain::Timestamp;
use stream::{Change, Failure};
use table::{Table, keys::Entity};

use crate::guest_accounts::claim;

/// Writes what staff find an order by, and projections that are missing after a crash: an order's lines, and its entry in
/// the customer's list.
///
/// Mostly the request that changed the order has written both by now, and two cheap reads are all there is to do.
///
/// An order that a guest placed may appear only after they logged in to an account: then it is claimed here.
pub async fn project(table: &Table, change: &Change, now: Timestamp) -> Result<(), Failure> {
    if change.key.entity() != Some(Entity::Order) {
        return Ok(());
    }
    let Some(image) = &change.new else { return Ok(()) };
    let order = image.order()?;
    // An item that could not be read before, and now can, was repaired: check it.
    let before = change.old.as_ref().and_then(|old| old.order().ok());
    if before.as_ref().is_some_and(|before| before.version == order.version) {
        // Only postponed.
        return Ok(());
    }
    table.order_found_put(&order, before.as_ref()).await?;
    if order.guest
        && let Some(account) = table.guest_account_get(&order.customer).await?
    {
        claim(table, order.id, &order.customer, &account, now).await?;
        return Ok(());
    }
    // An earlier claim may have crashed before the entry left the guest's list.
    if let Some(guest) = before.map(|before| before.customer).filter(|guest| *guest != order.customer) {
        table.order_list_entry_delete(&guest, order.id).await?;
    }
    let projection = table.order_projection_get(&order.customer, order.id).await?;
    if projection.is_behind(&order) {
        table.order_project(&order).await?;
        tracing::info!(order = %order.id, version = order.version, "an order was projected from the stream");
    }
    Ok(())
}
