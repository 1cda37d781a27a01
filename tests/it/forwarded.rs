//! Rate limits by address, behind a CDN or a storefront's server.

use api::rates::Rates;
use e2e::{Answer, Shop};
use reqwest::Method;

async fn shop_behind(hops: u8) -> Shop {
    Shop::open_with(|o| {
        o.policy.rates = Some(Rates { guest: 2, ..Rates::default() });
        o.policy.trusted_proxy_hops = hops;
    })
    .await
}

/// Opens a guest session with this `X-Forwarded-For` header.
async fn guest(shop: &Shop, forwarded_for: &str) -> Answer {
    let stranger = shop.stranger();
    stranger.send(stranger.request(Method::POST, "/sessions/guest").header("x-forwarded-for", forwarded_for)).await
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_shopper_is_counted_by_their_own_address() {
    let shop = shop_behind(1).await;

    for shopper in ["198.51.100.1", "198.51.100.2", "2001:db8::1"] {
        for _ in 0..2 {
            guest(&shop, shopper).await.expect(201);
        }
        guest(&shop, shopper).await.expect(429);
    }
}

#[tokio::test]
async fn what_a_shopper_writes_into_the_header_changes_nothing() {
    let (none, one) = (shop_behind(0).await, shop_behind(1).await);

    // The proxy appends the address of its caller on the right.
    let through_it = |i: u8| format!("203.0.113.{i}, 10.0.0.{i}, 198.51.100.1");
    for i in 0..2 {
        guest(&one, &through_it(i)).await.expect(201);
        guest(&none, &format!("203.0.113.{i}")).await.expect(201);
    }

    guest(&one, &through_it(9)).await.expect(429);
    guest(&one, "198.51.100.1:55123").await.expect(429);
    // Without a trusted proxy, the shopper wrote the whole header.
    guest(&none, "203.0.113.9").await.expect(429);
    guest(&none, "203.0.113.9, 198.51.100.7").await.expect(429);
}

#[tokio::test]
async fn with_a_header_that_is_too_short_the_address_of_the_connection_counts() {
    let shop = shop_behind(2).await;

    for i in 0..2 {
        guest(&shop, &format!("203.0.113.{i}")).await.expect(201);
    }

    guest(&shop, "203.0.113.9").await.expect(429);
    guest(&shop, "").await.expect(429);
    guest(&shop, "198.51.100.7, 192.0.2.1").await.expect(201);
}
