//! Every route of the OpenAPI document that changes something, requested from a page of another site.

use e2e::{Shop, Shopper};
use reqwest::RequestBuilder;

use crate::{
    routes::{Things, request, routes},
    sessions::token,
};

/// A storefront that the shop's policy allows.
const STOREFRONT: &str = "https://shop.example";

#[tokio::test]
async fn no_route_changes_anything_for_a_foreign_page_with_a_session_or_without() {
    let (shop, admin, thing) = set().await;
    let foreign = [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ];
    let before = shop.dump().await;

    for route in changing(&shop) {
        for (name, value) in foreign {
            for (how, asked) in ways(&shop, &admin, &route, &thing) {
                let answer = admin.send(asked.header(name, value)).await;

                let about = format!("{route} {how}, {name}: {value}");
                assert_eq!(answer.status(), 403, "{about}: {}", answer.text());
                assert_eq!(answer.code(), "cross_site_request", "{about}");
                assert_eq!(answer.cookies(), [] as [&str; 0], "{about}");
                assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{about}");
                assert_eq!(answer.header("access-control-allow-origin"), None, "{about}");
            }
        }
    }
    assert_eq!(shop.dump().await, before);
}

#[tokio::test]
async fn no_route_changes_anything_by_a_cookie_unless_the_page_is_known() {
    let (shop, admin, thing) = set().await;
    let before = shop.dump().await;

    for route in changing(&shop) {
        for (how, asked) in ways(&shop, &admin, &route, &thing).into_iter().filter(|(how, _)| *how == "with a cookie") {
            let answer = admin.send(asked).await;

            assert_eq!(answer.status(), 403, "{route} {how}: {}", answer.text());
            assert_eq!(answer.code(), "cross_site_request", "{route}");
        }
    }
    assert_eq!(shop.dump().await, before);
}

#[tokio::test]
async fn every_route_takes_trusted_pages_and_clients_without_a_page() {
    let (shop, admin, thing) = set().await;
    let own = shop.stack.url();
    let trusted: [&[(&str, &str)]; 5] = [
        &[],
        &[("origin", STOREFRONT)],
        &[("origin", STOREFRONT), ("sec-fetch-site", "cross-site")],
        &[("origin", own.as_str())],
        &[("sec-fetch-site", "same-origin")],
    ];

    for route in changing(&shop) {
        for page in trusted {
            for (how, asked) in ways(&shop, &admin, &route, &thing) {
                // With a cookie and no origin, the client may be an old browser, and is refused.
                if page.is_empty() && how == "with a cookie" {
                    continue;
                }
                let asked = page.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value));
                let answer = admin.send(asked).await;

                assert_ne!(answer.json()["code"], "cross_site_request", "{route} {how} {page:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_document_lists_the_refusal_for_every_route_that_changes_something() {
    let shop = Shop::open().await;
    let document = serde_json::to_value(&*shop.stack.openapi).unwrap();

    for route in changing(&shop) {
        let (method, path) = route.split_once(' ').unwrap();
        let refused = &document["paths"][path][method.to_lowercase()]["responses"]["403"];
        let description = refused["description"].as_str().unwrap_or_default();

        assert!(description.contains("cross_site_request"), "{route}: {description}");
    }
}

async fn set() -> (Shop, Shopper, Things) {
    let shop = Shop::open_with(|o| {
        o.policy.rates = None;
        o.policy.origins = vec![STOREFRONT.to_owned()];
    })
    .await;
    let (admin, thing) = (shop.admin().await, Things::of_owner(&shop).await);
    (shop, admin, thing)
}

fn changing(shop: &Shop) -> Vec<String> {
    let routes: Vec<_> =
        routes(shop).into_iter().map(|(route, _)| route).filter(|route| !route.starts_with("GET ")).collect();
    assert!(routes.len() > 20, "{routes:?}");
    routes
}

/// Requests of a route: without a session, and by a caller with access: with a cookie, and with a token.
fn ways(shop: &Shop, admin: &Shopper, route: &str, thing: &Things) -> [(&'static str, RequestBuilder); 3] {
    let who = if route.contains("/admin/") { admin } else { &thing.owner };
    let (stranger, cookie) = (shop.stranger(), format!("__Host-sid={}", token(who)));
    [
        ("without a session", request(&stranger, route, thing)),
        ("with a cookie", request(&stranger, route, thing).header("cookie", cookie)),
        ("with a token", request(who, route, thing)),
    ]
}
