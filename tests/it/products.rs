//! Products, for shoppers and for staff.

mod admin;
mod batches;
mod caches;
mod descriptions;
mod lists;
mod stock;
mod values;

use e2e::{Answer, Shop, Shopper, usd};
use serde_json::{Value, json};

fn mug() -> Value {
    json!({"productId": "mug", "name": "Mug", "category": ["Kitchen", "Mugs"], "price": usd(899)})
}

async fn restock(admin: &Shopper, product: &str, key: &str, delta: i64) -> Answer {
    let body = json!({"delta": delta, "reason": "restock"});
    admin.post_once(&format!("/admin/products/{product}/stock"), key, body).await
}

/// The ids of one page of a list below `/products`.
async fn listed(shop: &Shop, list: &str) -> Vec<String> {
    let page = shop.stranger().get(&format!("/products{list}")).await.expect(200).json();
    cards(&page).into_iter().map(|(_, id)| id).collect()
}

/// Once in a second or so, the first answer with a price also costs 0.5 RRU for the sales.
async fn knows_the_sales(reader: &Shopper) {
    reader.get("/sales").await.expect(200);
}

fn cards(page: &Value) -> Vec<(i64, String)> {
    let card = |item: &Value| Some((item["price"]["amount"].as_i64()?, item["productId"].as_str()?.to_owned()));
    let items = page["items"].as_array().expect("a list has items");
    items.iter().map(|item| card(item).expect("a card has a price and an id")).collect()
}

/// The item with this sort key, as it is stored.
async fn stored(shop: &Shop, sk: &str) -> Value {
    shop.dump().await.into_iter().find(|item| item["SK"] == sk).expect("the item is stored")
}

/// The changes in a product's ledger, ascending.
async fn ledger(shop: &Shop, product: &str) -> Vec<i64> {
    let mut items = shop.dump().await;
    let is_move = |item: &Value| item["SK"].as_str().is_some_and(|sk| sk.starts_with("MOVE#"));
    items.retain(|item| item["PK"] == format!("PROD#{product}") && is_move(item));
    let mut units: Vec<_> = items.iter().map(|item| item["delta"].as_i64().expect("units")).collect();
    units.sort_unstable();
    units
}
