use stream::{Change, Failure};
use table::{Table, keys::Entity, product_of};

/// Keeps right what lists say of a product's stock, whenever it runs out, comes back, or the product is rewritten.
pub async fn project(table: &Table, change: &Change) -> Result<(), Failure> {
    let Some(product) = product_of(&change.key) else { return Ok(()) };
    if !may_make_wrong(change)? {
        return Ok(());
    }
    // What is so this moment counts, not what was so at the time of the record.
    match table.stock_sign_get(&product).await? {
        Some(sign) if sign.is_wrong() => {
            table.stock_sign_set(&product, sign.available <= 0).await?;
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
    // Sales in between, the most of all changes, cost nothing.
    let units = |image: &Option<table::Image>| image.as_ref().map(|i| i.available()).transpose();
    let (before, after) = (units(&change.old)?.unwrap_or_default(), units(&change.new)?.unwrap_or_default());
    Ok(change.old.is_none() || (before <= 0) != (after <= 0))
}
