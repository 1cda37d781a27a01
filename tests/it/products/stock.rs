//! Staff add to the stock and take from it.

use std::collections::BTreeSet;

use e2e::Shop;
use futures::future::join_all;
use serde_json::json;
use tokio::join;

use super::{ledger, restock, stored};

#[tokio::test]
async fn a_restock_shows_at_once_and_stands_in_the_ledger() {
    let shop = Shop::open().await;
    shop.product("mug").stock(3).create().await;
    let (admin, reader) = (shop.admin().await, shop.stranger());
    assert_eq!(reader.get("/products/mug").await.json()["stock"]["available"], 3);

    let moved = restock(&admin, "mug", "restock-number-0001", 5).await.expect(201).json();
    let taken = restock(&admin, "mug", "restock-number-0002", -8).await.expect(201).json();

    assert_eq!(reader.get("/products/mug").await.json()["stock"], json!({"available": 0, "inStock": false}));
    for (answer, delta) in [(&moved, 5), (&taken, -8)] {
        let move_id = answer["moveId"].as_str().expect("a move has an id");
        let fields = json!({"productId": "mug", "moveId": move_id, "delta": delta, "reason": "restock"});
        assert_eq!(*answer, fields);
        let line = stored(&shop, &format!("MOVE#{move_id}")).await;
        assert_eq!((&line["delta"], &line["actor"]), (&json!(delta), &json!(admin.uid)));
    }
    assert_eq!(ledger(&shop, "mug").await, [-8, 3, 5]);
}

#[tokio::test]
async fn the_reason_of_a_restock_may_be_any_text() {
    let shop = Shop::open().await;
    shop.product("mug").stock(3).create().await;
    let admin = shop.admin().await;
    let body = json!({"delta": 2, "reason": " Zwei im Lager gefunden \u{2014} 棚卸し "});

    let moved = admin.post_once("/admin/products/mug/stock", "found-in-the-cellar", body).await.expect(201).json();

    assert_eq!(moved["reason"], "Zwei im Lager gefunden \u{2014} 棚卸し");
    let line = stored(&shop, &format!("MOVE#{}", moved["moveId"].as_str().expect("a move has an id"))).await;
    assert_eq!(line["reason"], moved["reason"]);
}

#[tokio::test]
async fn a_restock_sent_twice_counts_once() {
    let shop = Shop::open().await;
    let (mug, cup) = join!(shop.product("mug").stock(3).create(), shop.product("cup").stock(3).create());
    let admin = shop.admin().await;
    let key = "restock-number-0001";

    let first = restock(&admin, "mug", key, 5).await.expect(201);
    let replay = restock(&admin, "mug", key, 5).await.expect(201);
    let other_payload = restock(&admin, "mug", key, 6).await;
    let other_product = restock(&admin, "cup", key, 5).await;
    let at_once = join_all((0..10).map(|_| restock(&admin, "cup", "restock-number-0002", 1))).await;

    assert_eq!((first.header("idempotency-replayed"), replay.header("idempotency-replayed")), (None, Some("true")));
    assert_eq!(first.text(), replay.text());
    assert_eq!(other_payload.expect(422).code(), "idempotency_key_reused");
    assert_eq!(other_product.expect(422).code(), "idempotency_key_reused");
    let answers: BTreeSet<_> = at_once.into_iter().map(|answer| answer.expect(201).text().to_owned()).collect();
    assert_eq!(answers.len(), 1);
    assert_eq!((shop.stock(&mug).await, shop.stock(&cup).await), (8, 4));
    assert_eq!(ledger(&shop, "cup").await, [1, 3]);
}

#[tokio::test]
async fn no_more_can_be_taken_than_is_available_and_nothing_from_an_unknown_product() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(3).create().await;
    let admin = shop.admin().await;
    let before = shop.dump().await;

    let too_many = restock(&admin, "mug", "restock-number-0001", -4).await.expect(409);
    let unknown = restock(&admin, "jug", "restock-number-0002", 4).await.expect(404);
    let keyless = admin.post("/admin/products/mug/stock", json!({"delta": 1, "reason": "restock"})).await.expect(400);

    assert_eq!((too_many.code().as_str(), &too_many.json()["available"]), ("out_of_stock", &json!(3)));
    assert_eq!(unknown.code(), "not_found");
    assert_eq!(keyless.code(), "idempotency_key_missing");
    assert_eq!(shop.dump().await, before);
    // Nothing happened under that key, so it can still be used.
    restock(&admin, "mug", "restock-number-0001", -3).await.expect(201);
    assert_eq!(shop.stock(&mug).await, 0);
}

#[tokio::test]
async fn fifty_restocks_at_once_all_count() {
    let shop = Shop::open().await;
    let mug = shop.product("mug").stock(3).create().await;
    let admin = shop.admin().await;
    let keys: Vec<_> = (0..50).map(|i| format!("restock-number-{i:04}")).collect();

    let answers = join_all(keys.iter().map(|key| restock(&admin, "mug", key, 1))).await;

    assert!(answers.iter().all(|answer| answer.status() == 201));
    let moves = ledger(&shop, "mug").await;
    assert_eq!((shop.stock(&mug).await, moves.len(), moves.iter().sum::<i64>()), (53, 51, 53));
}
