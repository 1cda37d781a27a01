//! Products and orders for tests. The crate `testing` has this file too, so paths begin with `domain`.

use std::collections::BTreeMap;

use domain::{
    Address, Cart, CartLine, Contact, Currency, Email, HoldLength, Language, Money, OpenSales, Order, Placement,
    Product, ProductDetails, ProductName, Quantity, Timestamp, pricing::Adjustment,
};

/// A new product of which only the name and a price in cents are said.
pub fn product(id: &str, name: &str, cents: i64) -> Product {
    product_priced(id, name, Money::price(cents, Currency::USD).expect("a price"))
}

pub fn product_priced(id: &str, name: &str, price: Money) -> Product {
    let details = ProductDetails::new(ProductName::parse(name).expect("a name"), price);
    Product::new(id.parse().expect("an id"), details, Timestamp::UNIX_EPOCH)
}

/// An order of a customer `ann`, placed at the epoch from version 1 of her cart, if the test does not say otherwise.
pub struct OrderBuilder {
    bought: Vec<(Product, i64)>,
    guest: bool,
    adjustments: Vec<Adjustment>,
    contact: Option<Contact>,
    language: Language,
    ship_to: Option<Address>,
    now: Timestamp,
}

pub fn order() -> OrderBuilder {
    OrderBuilder {
        bought: Vec::new(),
        guest: false,
        adjustments: Vec::new(),
        contact: None,
        language: Language::En,
        ship_to: None,
        now: Timestamp::UNIX_EPOCH,
    }
}

impl OrderBuilder {
    pub fn of(mut self, units: i64, product: Product) -> Self {
        self.bought.push((product, units));
        self
    }

    pub fn by_a_guest(mut self) -> Self {
        self.guest = true;
        self
    }

    pub fn adjusted(mut self, adjustment: Adjustment) -> Self {
        self.adjustments.push(adjustment);
        self
    }

    /// With only an e-mail as its contact.
    pub fn contact(mut self, email: &str) -> Self {
        let email = Email::parse(email).expect("an e-mail address");
        self.contact = Some(Contact { email, name: None, phone: None });
        self
    }

    pub fn in_language(mut self, language: Language) -> Self {
        self.language = language;
        self
    }

    pub fn to(mut self, address: Address) -> Self {
        self.ship_to = Some(address);
        self
    }

    pub fn placed_at(mut self, now: Timestamp) -> Self {
        self.now = now;
        self
    }

    /// The order, placed and not paid, in the currency of its first product.
    pub fn place(self) -> Order {
        let currency = self.bought.first().map_or(Currency::USD, |(product, _)| product.details.price.currency());
        let line = |(product, units): &(Product, i64)| {
            let quantity = Quantity::new(*units).expect("a quantity");
            (product.id.clone(), CartLine { quantity, price_seen: product.details.price, sale: None })
        };
        let cart = Cart { version: 1, lines: self.bought.iter().map(line).collect(), ..Cart::default() };
        let products: Vec<_> = self.bought.into_iter().map(|(product, _)| product).collect();
        let placed = Order::place(Placement {
            id: "018cc251-f400-7000-8000-000000000000".parse().expect("an id"),
            customer: &"ann".parse().expect("an id"),
            guest: self.guest,
            cart: &cart,
            products: &products,
            incarnations: &BTreeMap::new(),
            sales: &OpenSales::default(),
            currency,
            adjustments: &self.adjustments,
            expected_total: None,
            contact: self.contact,
            language: self.language,
            ship_to: self.ship_to,
            bill_to: None,
            hold: HoldLength::default(),
            now: self.now,
        });
        placed.expect("every product of the cart is sold")
    }
}
