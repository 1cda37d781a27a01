//! What a cart and an order come to, by the number of their lines. `cargo xtask bench pure`

use std::collections::BTreeMap;

use divan::{Bencher, black_box};
use domain::{
    Cart, CartLine, Currency, PriceSeen, Product, Quantity,
    pricing::{self, Adjustment, AdjustmentKind, AppliesTo, Line},
};
use testing::{order, product};

const LINES: [usize; 3] = [3, 18, 90];

fn main() {
    divan::main();
}

fn products(lines: usize) -> Vec<Product> {
    let cents = |i| 500 + i64::try_from(i).expect("it is small");
    (0..lines).map(|i| product(&format!("product-{i:02}"), "Blue Stoneware Mug", cents(i))).collect()
}

fn two() -> Quantity {
    Quantity::new(2).expect("a quantity")
}

/// With a discount, shipping and tax, each split between all lines.
#[divan::bench(args = LINES)]
fn price(bencher: Bencher, lines: usize) {
    let products = products(lines);
    let line = |product: &'_ Product| (product.id.clone(), product.details.price);
    let priced: Vec<_> = products.iter().map(line).collect();
    let lines: Vec<_> =
        priced.iter().map(|(product, unit_price)| Line { product, quantity: two(), unit_price: *unit_price }).collect();
    let adjustment = |kind, amount| Adjustment::new(kind, amount, AppliesTo::Order).expect("it is small");
    let adjustments = [
        adjustment(AdjustmentKind::Discount, 1_000),
        adjustment(AdjustmentKind::Shipping, 490),
        adjustment(AdjustmentKind::Tax, 777),
    ];

    bencher.bench(|| pricing::price(black_box(&lines), black_box(&adjustments), Currency::USD));
}

/// The whole decision of a checkout, with the cart that it is made of.
#[divan::bench(args = LINES)]
fn order_place(bencher: Bencher, lines: usize) {
    let products = products(lines);
    let all = || products.iter().cloned().fold(order(), |order, product| order.of(2, product));

    bencher.with_inputs(all).bench_values(|order| order.place());
}

/// One more unit of a product that the cart has.
#[divan::bench(args = LINES)]
fn cart_add(bencher: Bencher, lines: usize) {
    let products = products(lines);
    let line = |product: &Product| {
        (product.id.clone(), CartLine { quantity: two(), price_seen: product.details.price, sale: None })
    };
    let lines: BTreeMap<_, _> = products.iter().map(line).collect();
    let cart = Cart { version: 1, lines, ..Cart::default() };
    let (id, price) = (&products[0].id, products[0].details.price);

    bencher.bench(|| cart.add(black_box(id), two(), PriceSeen { price, sale: None }));
}
