//! Orders: checkout, and what customers and staff see of orders.

mod cancelled;
mod challenge;
mod checkout;
mod claims;
mod contact;
mod guest_links;
mod lists;
mod retries;
mod search;
mod shipping;

use std::collections::BTreeMap;

use domain::{Contact, Email, HoldLength, OpenSales, Order, OrderId, Placement, pricing::Adjustment};
use e2e::{Shop, Shopper, home};
use serde_json::Value;
use table::{Idempotency, keys::sha256_hex};

fn contact(email: String) -> Contact {
    Contact { email: Email::parse(&email).unwrap(), name: None, phone: None }
}

/// The digest of a checkout, which is over its members in the order of the request's type.
pub fn digest(body: Value) -> String {
    let request: orders::PlaceOrderRequest = serde_json::from_value(body).unwrap();
    sha256_hex(serde_json::to_vec(&request).unwrap())
}

/// Places an order without paying it, like a checkout that crashes before it pays.
pub async fn hold(shop: &Shop, shopper: &Shopper, token: &str, key: &str) -> Order {
    hold_adjusted(shop, shopper, token, key, &[]).await
}

/// The same of an order whose price is adjusted, which no route does yet.
pub async fn hold_adjusted(
    shop: &Shop,
    shopper: &Shopper,
    token: &str,
    key: &str,
    adjustments: &[Adjustment],
) -> Order {
    let cart = cart_of(shop, shopper).await;
    let ids: Vec<_> = cart.lines.keys().cloned().collect();
    let pages = shop.stack.table.products_get(&ids).await.unwrap();
    let incarnations = pages.iter().map(|p| (p.record.product.id.clone(), p.incarnation.unwrap())).collect();
    let products: Vec<_> = pages.into_iter().map(|p| p.record.product).collect();
    let customer = shopper.uid.parse().unwrap();
    let guest = shop.stack.table.customer_get(&customer).await.unwrap().is_none();
    let order = Order::place(Placement {
        id: OrderId::try_from(shop.clock.uuid_v7()).unwrap(),
        customer: &customer,
        guest,
        cart: &cart,
        products: &products,
        incarnations: &incarnations,
        sales: &OpenSales::default(),
        currency: products[0].details.price.currency(),
        adjustments,
        expected_total: None,
        contact: shopper.contact().map(contact),
        language: domain::Language::En,
        ship_to: Some(home()),
        bill_to: None,
        hold: HoldLength::default(),
        now: shop.clock.now(),
    })
    .unwrap();
    let request = Idempotency {
        customer: customer.clone(),
        key: key.parse().unwrap(),
        route: "POST /orders".to_owned(),
        payload_sha256: digest(shopper.checkout(token)),
    };
    shop.stack.table.order_place(&order, &BTreeMap::new(), &request, shop.clock.now()).await.unwrap();
    order
}

async fn cart_of(shop: &Shop, shopper: &Shopper) -> domain::Cart {
    let token = api::token::Token::parse(shopper.token.as_deref().unwrap()).unwrap();
    let found = shop.stack.table.session_and_cart_get(token.uid(), &token.session_id()).await.unwrap();
    found.unwrap().cart
}

/// Every item of a list, page by page.
pub async fn pages(shopper: &Shopper, path: &str) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = shopper.get(&format!("{path}{cursor}")).await.expect(200).json();
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["nextCursor"].as_str() else { return items };
        let separator = if path.contains('?') { '&' } else { '?' };
        cursor = format!("{separator}cursor={next}");
    }
}
