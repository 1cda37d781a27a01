//! An order and a sender for the tests of this crate.

use std::collections::BTreeMap;

use domain::{
    Address, Cart, CartLine, CountryCode, Currency, Customer, CustomerName, Email, Money, Order, Placement, Product,
    ProductDetails, ProductName, Quantity, Role, Timestamp,
};

use crate::Sender;

pub const NOW: Timestamp = Timestamp::constant(1_700_000_000, 0);

/// Three mugs at 8.99 and one pan at 1,200.00, placed and not paid.
pub fn held() -> Order {
    let products = [product("mug", "Mug & <Saucer>", 899), product("pan", "Pan", 120_000)];
    let line = |units| CartLine { quantity: Quantity::new(units).unwrap(), price_seen: usd(1) };
    let lines = BTreeMap::from([("mug".parse().unwrap(), line(3)), ("pan".parse().unwrap(), line(1))]);
    Order::place(Placement {
        id: "018cc251-f400-7000-8000-000000000000".parse().unwrap(),
        customer: &"ann".parse().unwrap(),
        guest: false,
        cart: &Cart { version: 4, lines, ..Cart::default() },
        products: &products,
        incarnations: &BTreeMap::new(),
        currency: Currency::USD,
        expected_total: None,
        ship_to: Some(address()),
        now: NOW,
    })
    .unwrap()
}

fn product(id: &str, name: &str, price: i64) -> Product {
    let details = ProductDetails::new(ProductName::parse(name).unwrap(), usd(price));
    Product::new(id.parse().unwrap(), details, NOW)
}

fn address() -> Address {
    Address {
        id: "home".parse().unwrap(),
        recipient: "Ann O'Hara".to_owned(),
        line1: "1 Harbour <Lane>".to_owned(),
        line2: None,
        city: "Galway".to_owned(),
        region: None,
        postal_code: Some("H91 AB12".to_owned()),
        country: CountryCode::parse("IE").unwrap(),
        phone: None,
    }
}

pub fn usd(cents: i64) -> Money {
    Money::amount(cents, Currency::USD)
}

pub fn ann() -> Customer {
    Customer {
        id: "ann".parse().unwrap(),
        name: CustomerName::parse("Ann <b>Núñez</b>").unwrap(),
        email: Email::parse("ann@example.com").unwrap(),
        role: Role::Customer,
        created_at: NOW,
    }
}

pub fn shop() -> Sender {
    Sender::parse("The Shop <orders@shop.example>").unwrap()
}
