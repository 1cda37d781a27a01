//! What gives access to something is nowhere but where it has to be: every secret that one run makes is looked for in
//! everything that the run leaves behind.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::AccountAction;
use e2e::{PASSWORD, Shop, streams::records};
use serde_json::{Value, json};
use table::keys;

use crate::{
    account_links::{all_mails, objects},
    sessions::{registered_as, secret, token},
};

const EMAIL: &str = "ann@example.com";
const NEW_PASSWORD: &str = "staple battery horse";

/// A secret, what it is, and in how many mails it may stand.
struct Made {
    what: &'static str,
    secret: String,
    mails: usize,
}

#[tokio::test]
async fn no_secret_of_a_run_is_in_the_table_the_stream_the_audit_log_a_dead_letter_or_another_mail() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").stock(50).create().await;
    let mut made = Vec::new();
    let mut makes = |what, secret: String, mails| made.push(Made { what, secret, mails });

    // A guest whose bank asks, and who comes back by the mail.
    let guest = shop.customer().await;
    makes("a guest's session", secret(token(&guest)).to_owned(), 0);
    guest.adds(&mug, 1).await.expect(200);
    let asked = guest.pays_with("tok_3ds", "a-guest-is-asked").await.expect(202).json();
    let client_secret = asked["payment"]["action"]["clientSecret"].as_str().unwrap().to_owned();
    makes("a client secret", client_secret.clone(), 0);
    shop.drain().await;
    let answer = json!({"clientSecret": client_secret, "authorises": true});
    guest.post("/local/challenge", answer).await.expect(200);
    let of_order = shop.order_token(asked["orderId"].as_str().unwrap());
    shop.drain().await;
    let lookup = json!({"number": asked["number"], "email": guest.contact().unwrap()});
    shop.stranger().post("/orders/lookup", lookup).await.expect(202);
    // Of the same second: the confirmation and the mail that was asked for have the same one.
    makes("a link to an order", of_order, 2);

    // A customer: registration, verification, a change of the password, a reset.
    let mut ann = registered_as(&shop, EMAIL).await;
    makes("a session", secret(token(&ann)).to_owned(), 0);
    makes("a password", PASSWORD.to_owned(), 0);
    makes("a link that verifies", link(&shop, &ann.uid, AccountAction::VerifyEmail).await, 1);
    shop.stranger().post("/passwords/reset", json!({"email": EMAIL})).await.expect(202);
    makes("a link to a new password", link(&shop, &ann.uid, AccountAction::ResetPassword).await, 1);
    let change = json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD});
    let changed = ann.patch("/users/me", change).await.expect(200);
    ann.takes(&changed);
    makes("a new session", secret(token(&ann)).to_owned(), 0);
    makes("a device", changed.json()["deviceToken"].as_str().unwrap().to_owned(), 0);
    makes("a new password", NEW_PASSWORD.to_owned(), 0);

    // An order that a bank asks about and that no mail can be sent about becomes a dead letter with all its images.
    ann.adds(&mug, 1).await.expect(200);
    let asked = ann.pays_with("tok_3ds", "a-customer-is-asked").await.expect(202).json();
    let order = asked["orderId"].as_str().unwrap().parse().unwrap();
    let client_secret = asked["payment"]["action"]["clientSecret"].as_str().unwrap().to_owned();
    makes("another client secret", client_secret.clone(), 0);
    let keys::Key { pk, sk } = keys::order(order);
    let unreachable = shop.raw_client().update_item().table_name(shop.table_of(&pk));
    unreachable
        .key("PK", AttributeValue::S(pk))
        .key("SK", AttributeValue::S(sk))
        .update_expression("SET contact.email = :none")
        .expression_attribute_values(":none", AttributeValue::S("ann@example.com,".to_owned()))
        .send()
        .await
        .unwrap();
    let answer = json!({"clientSecret": client_secret, "authorises": true});
    ann.post("/local/challenge", answer).await.expect(200);
    let before = Value::Array(shop.dump().await).to_string();
    shop.drain().await;

    let table = Value::Array(shop.dump().await).to_string();
    let stream = records::read(&shop.stack.dynamodb, shop.stack.table.names(), &table::http_client()).await;
    let audit = objects(&shop, local::AUDIT_BUCKET).await;
    let dead_letters = objects(&shop, local::DEAD_LETTERS_BUCKET).await;
    let mails: Vec<String> = all_mails(&shop).into_iter().map(|(_, mail)| mail).collect();
    assert!(dead_letters.contains(asked["orderId"].as_str().unwrap()), "the order is there: {dead_letters:.500}");
    assert!(audit.contains(&ann.uid) && mails.len() == 4, "{} mails", mails.len());
    let kept = [("the table", before), ("the table", table), ("the stream", Value::Array(stream).to_string())];
    let kept = kept.into_iter().chain([("the audit log", audit), ("the dead letters", dead_letters)]);
    for (place, content) in kept {
        for Made { what, secret, .. } in &made {
            assert!(!content.contains(secret), "{what} is in {place}");
        }
    }
    for Made { what, secret, mails: allowed } in &made {
        let found = mails.iter().filter(|mail| mail.contains(secret)).count();
        assert_eq!(found, *allowed, "mails with {what}");
    }
}

async fn link(shop: &Shop, uid: &str, action: AccountAction) -> String {
    let link = shop.stack.table.account_link_get(&uid.parse().unwrap(), action).await.unwrap();
    shop.link_token(&link.expect("it was requested"))
}
