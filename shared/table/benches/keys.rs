//! Building keys, and reading what an item is from its key. `cargo xtask bench pure`

use divan::{Bencher, black_box};
use domain::{CategoryPath, Email, OrderId, ProductId, UserId};
use table::keys;

fn main() {
    divan::main();
}

fn product_id() -> ProductId {
    "product-number-12".parse().expect("an id")
}

fn order_id() -> OrderId {
    "018cc251-f400-7000-8000-000000000000".parse().expect("an id")
}

#[divan::bench]
fn product(bencher: Bencher) {
    let id = product_id();
    bencher.bench(|| keys::product(black_box(&id)));
}

/// With a SHA-256 of the id.
#[divan::bench]
fn price_shard(bencher: Bencher) {
    let id = product_id();
    bencher.bench(|| keys::price_shard(black_box(&id)));
}

#[divan::bench]
fn category(bencher: Bencher) {
    let path = CategoryPath::parse("Kitchen/Mugs/Stoneware").expect("a path");
    bencher.bench(|| keys::category(black_box(&path)));
}

/// With the day in the id.
#[divan::bench]
fn customer_order(bencher: Bencher) {
    let (customer, id): (UserId, _) = ("ann".parse().expect("an id"), order_id());
    bencher.bench(|| keys::customer_order(black_box(&customer), id));
}

/// With a SHA-256 of the address.
#[divan::bench]
fn credential(bencher: Bencher) {
    let email = Email::parse("ann.smith@example.com").expect("an e-mail");
    bencher.bench(|| keys::credential(black_box(&email)));
}

#[divan::bench]
fn entity(bencher: Bencher) {
    let key = keys::customer_order(&"ann".parse().expect("an id"), order_id());
    bencher.bench(|| black_box(&key).entity());
}
