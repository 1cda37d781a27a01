use domain::UserId;
use stream::{Change, Failure};
use table::{Table, keys::REVIEW_PREFIX, product_of};

/// Adds a review to the sum of the product's reviews, or subtracts it.
pub async fn project(table: &Table, change: &Change) -> Result<(), Failure> {
    let Some(product) = product_of(&change.key) else { return Ok(()) };
    let Some(customer) = change.key.sk.strip_prefix(REVIEW_PREFIX) else { return Ok(()) };
    let customer: UserId = customer.parse().map_err(|e| Failure::Never(Box::new(e)))?;
    table.review_count(&product, &customer).await?;
    Ok(())
}
