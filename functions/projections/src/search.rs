use domain::ProductId;
use runtime::Clock;
use stream::{Change, Failure};
use table::{GoneProduct, Table, keys::Entity, product_of};

/// Notes for the indexer that a product has changed: itself, its rating, or its price by a sale. A deleted one is hidden at
/// once, because an index has it until the next generation.
pub async fn project(table: &Table, change: &Change, clock: &Clock) -> Result<(), Failure> {
    let Some(product) = product_to_index(change)? else { return Ok(()) };
    if let (Some(Entity::Product), None, Some(deleted)) = (change.key.entity(), &change.new, &change.old) {
        let created_at = deleted.product()?.product.created_at;
        table.search_gone_put(&GoneProduct { id: product.clone(), created_at, at: clock.now() }).await?;
    }
    table.search_change_note(&product, clock.uuid_v7(), clock.now()).await?;
    Ok(())
}

fn product_to_index(change: &Change) -> Result<Option<ProductId>, Failure> {
    match change.key.entity() {
        Some(Entity::Product | Entity::Rating) => Ok(product_of(&change.key)),
        Some(Entity::Sale) => {
            let image = change.new.as_ref().or(change.old.as_ref());
            Ok(image.map(table::StreamImage::sale).transpose()?.map(|sale| sale.product))
        }
        _ => Ok(None),
    }
}
