use stream::{Change, Failure};
use table::{
    Table,
    keys::{Entity, reviewer_id},
    product_of,
};

/// Adds a review to the sum of the product's reviews, or subtracts it.
pub async fn project(table: &Table, change: &Change) -> Result<(), Failure> {
    let Some(product) = product_of(&change.key).filter(|_| change.key.entity() == Some(Entity::Review)) else {
        return Ok(());
    };
    let customer = reviewer_id(&change.key.sk).map_err(|e| Failure::Never(Box::new(e)))?;
    table.review_count(&product, &customer).await?;
    Ok(())
}
