//! An order and a sender for the tests of this crate.

use domain::{
    Address, Carrier, Contact, CountryCode, Currency, Customer, CustomerName, Email, Language, Money, Order, Role,
    Shipment, Timestamp, TrackingNumber, TrackingUrl,
};
use links::LinkKeys;
use testing::{order, product};

use crate::{MailLinks, OrderUrl, Sender};

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

pub fn ann() -> Email {
    Email::parse("ann@example.com").unwrap()
}

/// Ann's account, under a name that is none of a person.
pub fn customer() -> Customer {
    Customer {
        id: "ann".parse().unwrap(),
        name: CustomerName::parse("Ann <b>Núñez</b>").unwrap(),
        email: ann(),
        email_verified: false,
        email_owned: false,
        role: Role::Customer,
        created_at: NOW,
    }
}

/// The same person, under a name that is none of a person.
pub fn contact() -> Contact {
    Contact { email: ann(), name: Some(CustomerName::parse("Ann <b>Núñez</b>").unwrap()), phone: None }
}

/// A parcel that the carrier follows.
pub fn parcel() -> Shipment {
    Shipment {
        carrier: Some(Carrier::parse("Parcels & Sons").unwrap()),
        tracking_number: Some(TrackingNumber::parse("JJD000390007").unwrap()),
        tracking_url: Some(TrackingUrl::parse("https://carrier.example/?parcel=JJD000390007&lang=en").unwrap()),
    }
}

/// The order with mails in a language.
pub fn in_language(order: Order, language: Language) -> Order {
    Order { language, ..order }
}

pub fn order_url() -> OrderUrl {
    OrderUrl::parse("https://shop.example/orders/{orderId}").unwrap()
}

/// Without pages of a storefront.
pub fn links() -> MailLinks {
    let keys = || LinkKeys::new(&[[7; 32]]);
    MailLinks { order_keys: keys(), order_page: None, account_keys: keys(), account_page: None }
}

pub fn shop() -> Sender {
    Sender::parse("The Shop <orders@shop.example>").unwrap()
}
