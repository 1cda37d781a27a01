use stream::{Change, Failure};
use table::{Table, keys::ORDER_STATUS};

/// Writes what a crash left out: an order's lines, and its entry in the customer's list.
///
/// Mostly the request that moved the order has written both by now, and two cheap reads are all there is to do.
pub async fn project(table: &Table, change: &Change) -> Result<(), Failure> {
    if change.key.sk != ORDER_STATUS {
        return Ok(());
    }
    let Some(image) = &change.new else { return Ok(()) };
    let order = image.order()?;
    // One that did not read back before, and does now, was mended: look.
    let before = change.old.as_ref().and_then(|old| old.order().ok());
    if before.is_some_and(|before| before.version == order.version) {
        // Only put off.
        return Ok(());
    }
    let projection = table.order_projection_get(&order.customer, order.id).await?;
    if projection.is_behind(&order) {
        table.order_project(&order).await?;
        tracing::info!(order = %order.id, version = order.version, "an order was projected from the stream");
    }
    Ok(())
}
