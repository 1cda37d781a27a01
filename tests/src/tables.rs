//! Whether a shop's items are in one table, or each kind of data in a table of its own.

use table::TableNames;

/// One table, or four with `TEST_TABLES=split`: every test holds for both.
pub fn named(table: &str) -> TableNames {
    match std::env::var("TEST_TABLES").as_deref() {
        Ok("split") => TableNames::split(table),
        Ok(other) => panic!("TEST_TABLES is {other}; it can be split, or not set"),
        Err(_) => TableNames::one(table),
    }
}

/// The table of customers beside a table of orders.
pub fn of_customers(orders: &str) -> &str {
    orders.strip_suffix("-Orders").unwrap_or(orders)
}
