use stream::{Change, Failure};
use table::{Table, product_of};

/// Keeps right how many products are in each category, whenever a product comes, goes or is put into another.
pub async fn project(table: &Table, change: &Change) -> Result<(), Failure> {
    let Some(product) = product_of(&change.key) else { return Ok(()) };
    if change.key != table::keys::product(&product) {
        return Ok(());
    }
    let category = |image: &Option<table::Image>| image.as_ref().map(|image| image.category()).transpose();
    let (before, after) = (category(&change.old)?.flatten(), category(&change.new)?.flatten());
    // Most changes of a product leave it where it is.
    if before == after {
        return Ok(());
    }
    let mut touched = table.product_category_count(&product).await?.touched;
    // An earlier delivery may have counted it, and died before the categories above had it.
    touched.extend(before.into_iter().chain(after));
    table.categories_settle(touched).await?;
    Ok(())
}
