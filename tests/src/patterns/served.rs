//! A shop to be measured from outside: its engine, products, and guests with carts. Its stream is not read.

use api::token::Token;
use domain::{Currency, Money, Product, ProductDetails, ProductName, Thumbnail, Timestamp};
use runtime::Clock;
use serde::Serialize;
use table::{Existing, ImportRecord, ProductRecord, Says, TableNames};

use crate::a_few_at_once;

/// Lines of each cart.
const LINES: usize = 3;

pub struct Shop {
    pub served: Served,
    _shop: crate::Shop,
}

/// Where it is, and what it has.
#[derive(Debug, Serialize)]
pub struct Served {
    pub dynamodb: String,
    pub s3: String,
    pub table: String,
    pub products: Vec<String>,
    /// The cart of each has three products: of all products the first three, the next three, and from the first again.
    pub guests: Vec<Guest>,
}

#[derive(Debug, Serialize)]
pub struct Guest {
    pub user: String,
    pub token: String,
    /// The key of the session in the table.
    pub session: String,
}

impl Shop {
    /// With three products for each of the first half of the guests.
    ///
    /// # Panics
    /// The shop refuses something.
    pub async fn open(guests: usize) -> Self {
        // Functions outside have the time of the machine.
        let shop = crate::Shop::open_with(|o| {
            o.policy.rates = None;
            o.clock = Clock::System;
            o.tables = TableNames::one("EcommerceApp");
        })
        .await;
        let now = Timestamp::now();
        let products: Vec<_> = (0..guests.div_ceil(2) * LINES).map(|number| product(number, now)).collect();
        let imported = shop.stack.table.products_import(&products, Existing::Keep, "measure", now).await;
        assert_eq!(imported.expect("the table answers").len(), products.len());
        let ids: Vec<_> = products.iter().map(|import| import.record.product.id.clone()).collect();
        let filled = (0..guests).map(async |number| {
            let guest = shop.customer().await;
            for line in 0..LINES {
                guest.adds(&ids[(number * LINES + line) % ids.len()], 1).await.expect(200);
            }
            let token = guest.token.expect("a guest has a session");
            let session = Token::parse(&token).expect("a token").session_id().to_string();
            Guest { user: guest.uid, token, session }
        });
        let served = Served {
            guests: a_few_at_once(filled).await,
            products: ids.iter().map(ToString::to_string).collect(),
            dynamodb: shop.stack.dynamodb.clone(),
            s3: format!("http://{}", shop.stack.s3),
            table: shop.stack.table.name().to_owned(),
        };
        Self { served, _shop: shop }
    }
}

fn product(number: usize, now: Timestamp) -> ImportRecord {
    let name = ProductName::parse(&format!("Product number {number:05}")).expect("a name");
    let price = Money::price(1_250, Currency::USD).expect("a price");
    let thumbnail = Thumbnail::parse(&format!("images/{number:05}.svg")).ok();
    let details = ProductDetails { thumbnail, ..ProductDetails::new(name, price) };
    let product = Product::new(format!("product-{number:05}").parse().expect("an id"), details, now);
    let record = ProductRecord { product, description: None, imported: None };
    ImportRecord { record, stock: 1_000_000, says: Says::Everything }
}
