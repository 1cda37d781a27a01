//! What it costs to fill a cart, through HTTP.

use jiff::SignedDuration;
use serde::Serialize;

/// A cart that was filled, a line at a time.
#[derive(Debug, Clone, Serialize)]
pub struct FilledCart {
    pub lines: usize,
    /// Between two lines, in milliseconds.
    pub pause_ms: i64,
    /// Of all requests that added a line.
    pub rru: f64,
    pub wru: f64,
    /// To show it afterwards.
    pub shown_rru: f64,
}

/// Fills carts of each of these sizes, with each of these pauses. The pauses pass on the shop's own clock.
///
/// # Panics
/// The shop refuses a line.
pub async fn fill(sizes: &[usize], pauses: &[SignedDuration]) -> Vec<FilledCart> {
    let shop = super::open().await;
    let mut products = Vec::new();
    for i in 0..sizes.iter().copied().max().unwrap_or_default() {
        products.push(shop.product(&format!("product-{i:02}")).create().await);
    }
    let mut filled = Vec::new();
    for (lines, pause) in sizes.iter().flat_map(|lines| pauses.iter().map(move |pause| (*lines, *pause))) {
        // So that nothing is in memory.
        shop.clock.advance(SignedDuration::from_mins(1));
        let shopper = shop.customer().await;
        let mut cart = FilledCart {
            lines,
            pause_ms: i64::try_from(pause.as_millis()).unwrap_or(i64::MAX),
            rru: 0.0,
            wru: 0.0,
            shown_rru: 0.0,
        };
        for product in &products[..lines] {
            let cost = shopper.adds(product, 1).await.expect(200).cost();
            cart.rru += cost.rru;
            cart.wru += cost.wru;
            shop.clock.advance(pause);
        }
        let shown = shopper.get("/cart").await.expect(200);
        assert_eq!(shown.json()["items"].as_array().map(Vec::len), Some(lines));
        cart.shown_rru = shown.cost().rru;
        filled.push(cart);
    }
    filled
}
