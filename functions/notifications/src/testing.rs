//! An order and a sender for the tests of this crate.

use domain::{Address, CountryCode, Currency, Customer, CustomerName, Email, Money, Order, Role, Timestamp};
use testing::{order, product};

use crate::Sender;

pub const NOW: Timestamp = Timestamp::constant(1_700_000_000, 0);

/// Three mugs at 8.99 and one pan at 1,200.00, placed and not paid.
pub fn held() -> Order {
    let (mug, pan) = (product("mug", "Mug & <Saucer>", 899), product("pan", "Pan", 120_000));
    order().of(3, mug).of(1, pan).to(address()).placed_at(NOW).place()
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
        email_verified: false,
        role: Role::Customer,
        created_at: NOW,
    }
}

pub fn shop() -> Sender {
    Sender::parse("The Shop <orders@shop.example>").unwrap()
}
