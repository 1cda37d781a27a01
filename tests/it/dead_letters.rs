//! Dead letters: records that could not be handled. An operator lists, shows and replays them.

use domain::OrderId;
use e2e::{Shop, Shopper};
use jiff::SignedDuration;
use ops::dead_letters::{self, Functions, Listed, Replayed};
use serde_json::Value;
use stream::DeadLetters;

use crate::orders::hold;

#[tokio::test]
async fn a_record_that_cannot_be_handled_is_listed_shown_and_replayed_once_it_can() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(10).create().await;
    let (ann, bob) = (shop.registered().await, shop.registered().await);
    for shopper in [&ann, &bob] {
        shopper.adds(&mug, 1).await.expect(200);
    }
    // Their registrations were mailed.
    shop.drain().await;
    // The mail folder is a file, so no e-mail can be sent.
    std::fs::remove_dir_all(&shop.stack.mail).ok();
    std::fs::write(&shop.stack.mail, "").expect("a file");
    let orders = [bought(&ann).await, bought(&bob).await];
    shop.drain().await;
    let dead_letters = list(&shop.stack.dead_letters).await;
    let functions = Functions::at(Some(&shop.stack.url()), true).await.unwrap();
    let replay = async |key: &str| dead_letters::replay(&shop.stack.dead_letters, &functions, key, false).await;

    let too_early = replay(&dead_letters[0].key).await;
    std::fs::remove_file(&shop.stack.mail).expect("the file goes");
    let shown = dead_letters::show(&shop.stack.dead_letters, &dead_letters[0].key).await.expect("a dead letter");
    for dead_letter in &dead_letters {
        assert_eq!(replay(&dead_letter.key).await.expect("it can be handled now"), Replayed::Deleted);
    }

    assert_eq!(dead_letters.len(), 2, "one for each mail: {dead_letters:?}");
    assert!(dead_letters.iter().all(|l| l.function == "notifications" && l.condition == "RetryAttemptsExhausted"));
    assert!(too_early.is_err(), "the cause is still there");
    let keys = shown["payload"]["Records"][0]["dynamodb"]["Keys"]["PK"]["S"].as_str().expect("a record").to_owned();
    assert!(orders.iter().any(|order| keys == format!("ORDER#{order}")), "{shown}");
    let mut mails: Vec<_> = std::fs::read_dir(&shop.stack.mail)
        .expect("a folder")
        .map(|f| f.unwrap().file_name().into_string().unwrap())
        .collect();
    mails.sort();
    let mut expected = orders.map(|order| format!("{order}-2.eml"));
    expected.sort();
    assert_eq!(mails, expected);
    assert!(list(&shop.stack.dead_letters).await.is_empty());
}

#[tokio::test]
async fn a_damaged_item_blocks_no_other_record_and_its_replay_fails() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(10).create().await;
    let (ann, bob) = (shop.customer().await, shop.registered().await);
    for shopper in [&ann, &bob] {
        shopper.adds(&mug, 1).await.expect(200);
    }
    let damaged = hold(&shop, &ann, "tok_visa", "a-request-that-died").await;
    shop.drain().await;
    let update = shop.raw_client().update_item().table_name(shop.table_of("ORDER#"));
    let text = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let update = update.key("PK", text(&format!("ORDER#{}", damaged.id))).key("SK", text("STATUS"));
    let update = update.update_expression("SET paymentState = :nonsense");
    update.expression_attribute_values(":nonsense", text("teleported")).send().await.expect("the engine answers");
    let order = bought(&bob).await;
    shop.drain().await;

    let dead_letters = list(&shop.stack.dead_letters).await;
    let functions = Functions::at(Some(&shop.stack.url()), true).await.unwrap();
    shop.clock.advance(SignedDuration::from_secs(1));
    let again = dead_letters::replay(&shop.stack.dead_letters, &functions, &dead_letters[0].key, false).await;

    let mut functions_of: Vec<_> = dead_letters.iter().map(|l| l.function.as_str()).collect();
    functions_of.sort_unstable();
    assert_eq!(functions_of, ["notifications", "projections"]);
    for dead_letter in &dead_letters {
        assert_eq!((dead_letter.condition.as_str(), dead_letter.records), ("Unprocessable", 1));
        assert!(dead_letter.error.as_deref().is_some_and(|e| e.contains("does not read back")), "{dead_letter:?}");
    }
    assert!(shop.stack.mail.join(format!("{order}-2.eml")).exists(), "a later record was handled");
    assert!(again.is_err(), "the damaged record fails again");
    assert!(!list(&shop.stack.dead_letters).await.is_empty(), "its dead letter stays");
}

async fn list(dead_letters: &DeadLetters) -> Vec<dead_letters::Summary> {
    let listed = dead_letters::list(dead_letters, None).await.expect("S3 answers");
    let dead_letter = |listed| match listed {
        Listed::DeadLetter(dead_letter) => dead_letter,
        Listed::Foreign { key, why } => panic!("{key}: {why}"),
    };
    listed.into_iter().map(dead_letter).collect()
}

async fn bought(shopper: &Shopper) -> OrderId {
    let answer: Value = shopper.checks_out().await.expect(201).json();
    answer["orderId"].as_str().and_then(|id| id.parse().ok()).expect("an order's id")
}
