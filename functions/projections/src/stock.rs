use stream::{Change, Failure};
use table::{Table, keys::Entity, product_of};

/// Maintains the sold-out flag in lists, whenever a product's stock is used up or comes back, or the product is
/// rewritten.
pub async fn project(table: &Table, change: &Change) -> Result<(), Failure> {
    let Some(product) = product_of(&change.key) else { return Ok(()) };
    if !may_make_wrong(change)? {
        return Ok(());
    }
    // The current state counts, not the one at the time of the record.
    match table.sold_out_flag_get(&product).await? {
        Some(sign) if sign.is_wrong() => {
            table.sold_out_flag_set(&product, sign.available <= 0).await?;
            Ok(())
        }
        _ => Ok(()),
    }
}

fn may_make_wrong(change: &Change) -> Result<bool, Failure> {
    match change.key.entity() {
        Some(Entity::Product) => return Ok(change.new.is_some()),
        Some(Entity::Stock) => {}
        _ => return Ok(false),
    }
    // Sales in between, the most frequent changes, cost nothing.
    let units = |image: &Option<table::StreamImage>| image.as_ref().map(|i| i.available()).transpose();
    let (before, after) = (units(&change.old)?.unwrap_or_default(), units(&change.new)?.unwrap_or_default());
    Ok(change.old.is_none() || (before <= 0) != (after <= 0))
}
