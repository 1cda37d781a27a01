//! Links in mails about an account: a new password, the verification of an address, and its change.

use std::fs;

use domain::{AccountAction, AccountLink, Customer, CustomerName, Email, Role};
use e2e::{Answer, PASSWORD, Shop, Shopper, streams::records};
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::join;

use crate::{
    customers::WEAK_HASH,
    sessions::{is_open, logged_in, registered_as},
};

const ANN: &str = "ann@example.com";
const NEW_ANN: &str = "ann@elsewhere.example";
const BOB: &str = "bob@example.com";
const NEW_PASSWORD: &str = "staple battery horse";

const RESET: AccountAction = AccountAction::ResetPassword;
const VERIFY: AccountAction = AccountAction::VerifyEmail;
const CHANGE: AccountAction = AccountAction::ChangeEmail;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

#[tokio::test]
async fn a_registration_mails_a_link_that_verifies_the_address_and_one_may_buy_before() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let ann = registered_as(&shop, ANN).await;
    let before = profile(&ann).await["emailVerified"].clone();
    ann.adds(&mug, 1).await.expect(200);
    ann.checks_out().await.expect(201);

    let token = mailed(&shop, VERIFY, ANN).await;
    // On another device.
    confirm(&shop, VERIFY, &token).await.expect(204);

    assert_eq!((before, profile(&ann).await["emailVerified"].clone()), (json!(false), json!(true)));
    assert_eq!(shop.customer().await.get("/users/me").await.json()["emailVerified"], Value::Null, "of a guest");
}

#[tokio::test]
async fn a_link_to_verify_is_mailed_until_the_customer_has_opened_one_while_logged_in() {
    let shop = Shop::with_stream().await;
    let ann = registered_as(&shop, ANN).await;
    let asks = async || {
        ann.post("/users/me/verification", Value::Null).await.expect(202);
        shop.drain().await;
        mails(&shop, VERIFY).len()
    };
    let first = mailed(&shop, VERIFY, ANN).await;
    confirm(&shop, VERIFY, &first).await.expect(204);

    let after_another_device = asks().await;
    let second = mailed(&shop, VERIFY, ANN).await;
    ann.post("/users/verify", json!({"token": second})).await.expect(204);

    assert_eq!((after_another_device, asks().await), (2, 2));
}

#[tokio::test]
async fn a_link_to_verify_can_be_mailed_again_and_only_the_newest_works() {
    let shop = Shop::with_stream().await;
    let ann = registered_as(&shop, ANN).await;
    let first = mailed(&shop, VERIFY, ANN).await;

    ann.send(ann.request(reqwest::Method::POST, "/users/me/verification")).await.expect(202);
    let second = mailed(&shop, VERIFY, ANN).await;

    assert_ne!(first, second);
    assert_eq!(confirm(&shop, VERIFY, &first).await.expect(422).code(), "link_invalid");
    confirm(&shop, VERIFY, &second).await.expect(204);
}

#[tokio::test]
async fn a_forgotten_password_is_set_by_a_mailed_link_and_every_session_ends() {
    let shop = Shop::with_stream().await;
    let ann = registered_as(&shop, ANN).await;
    let elsewhere = logged_in(&shop, ANN).await;

    reset(&shop, "Ann@Example.com").await.expect(202);
    let token = mailed(&shop, RESET, ANN).await;
    confirm(&shop, RESET, &token).await.expect(204);

    assert!(!is_open(&ann).await && !is_open(&elsewhere).await);
    assert_eq!(log_in(&shop, ANN, PASSWORD).await.expect(401).code(), "credentials_invalid");
    let ann = logged_in_with(&shop, ANN, NEW_PASSWORD).await;
    assert_eq!(profile(&ann).await["emailVerified"], true, "the mail was read");
}

#[tokio::test]
async fn the_link_in_a_mail_leads_to_the_page_of_the_storefront_with_the_token_behind_a_hash() {
    let shop = Shop::with_stream().await;
    registered_as(&shop, ANN).await;
    reset(&shop, ANN).await.expect(202);
    shop.drain().await;
    let link = stored(&shop, RESET).await;
    let mail = mails(&shop, RESET).remove(0);

    let token = shop.link_token(&link);

    assert!(mail.contains(&format!("http://{}/#/reset-password/{token}", shop.stack.gateway)), "{mail}");
}

#[tokio::test]
async fn a_mail_is_in_the_language_that_its_request_accepts() {
    let shop = Shop::with_stream().await;
    registered_as(&shop, ANN).await;
    let stranger = shop.stranger();
    let request = stranger.request(reqwest::Method::POST, "/passwords/reset").json(&json!({"email": ANN}));

    stranger.send(request.header("accept-language", "de-AT, en;q=0.5")).await.expect(202);
    shop.drain().await;

    let (verify, reset) = (mails(&shop, VERIFY).remove(0), mails(&shop, RESET).remove(0));
    assert!(verify.contains("Content-Language: en") && verify.contains("Confirm your address"), "{verify}");
    assert!(reset.contains("Content-Language: de") && reset.contains("Neues Passwort festlegen"), "{reset}");
}

#[tokio::test]
async fn a_link_works_once_however_often_it_is_used_at_once() {
    for action in AccountAction::ALL {
        let shop = Shop::with_stream().await;
        let (_, token) = asked(&shop, action).await;

        let answers = join_all((0..4).map(|_| confirm(&shop, action, &token))).await;
        let again = confirm(&shop, action, &token).await.expect(422);

        assert_eq!(answers.iter().filter(|answer| answer.status() == 204).count(), 1, "{action:?}");
        for refused in answers.iter().filter(|answer| answer.status() != 204) {
            assert_eq!(refused.code(), "link_invalid", "{action:?}");
        }
        assert_eq!(again.code(), "link_invalid", "{action:?}");
    }
}

#[tokio::test]
async fn a_link_is_refused_once_it_has_expired() {
    for action in AccountAction::ALL {
        let shop = Shop::with_stream().await;
        let (_, token) = asked(&shop, action).await;
        let link = stored(&shop, action).await;

        shop.clock.advance(link.expires_at.duration_since(shop.clock.now()));

        assert_eq!(confirm(&shop, action, &token).await.expect(422).code(), "link_invalid", "{action:?}");
        assert!(shop.clock.now().duration_since(link.requested_at()) <= SignedDuration::from_hours(24));
    }
}

#[tokio::test]
async fn a_link_is_refused_for_another_action_and_for_another_customer() {
    for action in AccountAction::ALL {
        let shop = Shop::with_stream().await;
        let (ann, token) = asked(&shop, action).await;
        let bob = registered_as(&shop, BOB).await;
        bob.post("/users/me/verification", Value::Null).await.expect(202);
        reset(&shop, BOB).await.expect(202);
        change(&bob, "bob@elsewhere.example", PASSWORD).await.expect(202);
        let before = shop.dump().await;

        for other in AccountAction::ALL.into_iter().filter(|other| *other != action) {
            assert_eq!(confirm(&shop, other, &token).await.expect(422).code(), "link_invalid", "{action:?} {other:?}");
        }
        let of_bob = token.replace(&ann.uid, &bob.uid);
        assert_ne!(of_bob, token);
        assert_eq!(confirm(&shop, action, &of_bob).await.expect(422).code(), "link_invalid", "{action:?}");

        assert_eq!(shop.dump().await, before, "nothing was written");
    }
}

#[tokio::test]
async fn a_token_is_refused_with_any_byte_altered() {
    for action in AccountAction::ALL {
        let shop = Shop::with_stream().await;
        let (_, token) = asked(&shop, action).await;

        for at in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(confirm(&shop, action, &altered).await.expect(422).code(), "link_invalid", "{action:?} at {at}");
        }
        for malformed in ["", ".", "x", &token[..token.len() - 1], &format!("{token}A"), &"A".repeat(5_000)] {
            assert_eq!(confirm(&shop, action, malformed).await.expect(422).code(), "link_invalid", "{malformed:.20}");
        }
        confirm(&shop, action, &token).await.expect(204);
    }
}

#[tokio::test]
async fn an_address_is_changed_by_a_link_to_the_new_one_and_the_old_one_gets_a_notice() {
    let shop = Shop::with_stream().await;
    let ann = verified_as(&shop, ANN).await;

    let wrong = change(&ann, NEW_ANN, NEW_PASSWORD).await.expect(403);
    change(&ann, NEW_ANN, PASSWORD).await.expect(202);
    let token = mailed(&shop, CHANGE, NEW_ANN).await;
    let before = profile(&ann).await["email"].clone();
    confirm(&shop, CHANGE, &token).await.expect(204);

    assert_eq!((wrong.code(), before), ("credentials_invalid".to_owned(), json!(ANN)));
    let notices: Vec<_> =
        all_mails(&shop).into_iter().filter(|(name, _)| name.ends_with("-email-changing.eml")).collect();
    assert!(matches!(&notices[..], [(_, notice)] if notice.contains(&format!("To: <{ANN}>"))), "{notices:?}");
    assert!(!notices[0].1.contains(NEW_ANN) && !notices[0].1.contains("#/"), "neither address nor link");
    let me = profile(&ann).await;
    assert_eq!((&me["email"], &me["emailVerified"]), (&json!(NEW_ANN), &json!(true)), "the session stays open");
    assert_eq!(log_in(&shop, ANN, PASSWORD).await.expect(401).code(), "credentials_invalid");
    assert_eq!(logged_in(&shop, NEW_ANN).await.uid, ann.uid);
    registered_as(&shop, ANN).await;
}

#[tokio::test]
async fn an_address_that_was_not_verified_gets_no_notice_of_its_change() {
    let shop = Shop::with_stream().await;
    let ann = registered_as(&shop, ANN).await;

    change(&ann, NEW_ANN, PASSWORD).await.expect(202);
    shop.drain().await;

    assert!(all_mails(&shop).iter().all(|(name, _)| !name.ends_with("-email-changing.eml")));
}

#[tokio::test]
async fn an_address_that_has_an_account_is_refused_to_its_owner_only_and_of_two_changes_to_one_address_one_wins() {
    let shop = Shop::with_stream().await;
    let (ann, bob) = (registered_as(&shop, ANN).await, registered_as(&shop, BOB).await);
    let taken = change(&ann, BOB, PASSWORD).await.expect(202);
    let token = mailed(&shop, CHANGE, BOB).await;

    let refused = confirm(&shop, CHANGE, &token).await.expect(409);
    let mut tokens = Vec::new();
    let mut answers = Vec::new();
    for who in [&ann, &bob] {
        answers.push(change(who, NEW_ANN, PASSWORD).await.expect(202));
        tokens.push(mailed(&shop, CHANGE, NEW_ANN).await);
    }
    let (one, other) = join!(confirm(&shop, CHANGE, &tokens[0]), confirm(&shop, CHANGE, &tokens[1]));

    assert_eq!((refused.code().as_str(), taken.text()), ("registration_refused", answers[0].text()));
    let mut statuses = [one.status(), other.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
    let (ann, bob) = (profile(&ann).await["email"].clone(), profile(&bob).await["email"].clone());
    assert!(
        [(json!(NEW_ANN), json!(BOB)), (json!(ANN), json!(NEW_ANN))].contains(&(ann.clone(), bob.clone())),
        "{ann} {bob}"
    );
}

#[tokio::test]
async fn after_a_change_of_the_address_no_link_to_the_old_one_works() {
    let shop = Shop::with_stream().await;
    let ann = registered_as(&shop, ANN).await;
    let verification = mailed(&shop, VERIFY, ANN).await;
    reset(&shop, ANN).await.expect(202);
    let password = mailed(&shop, RESET, ANN).await;

    change(&ann, NEW_ANN, PASSWORD).await.expect(202);
    let token = mailed(&shop, CHANGE, NEW_ANN).await;
    confirm(&shop, CHANGE, &token).await.expect(204);

    assert_eq!(confirm(&shop, VERIFY, &verification).await.expect(422).code(), "link_invalid");
    assert_eq!(confirm(&shop, RESET, &password).await.expect(422).code(), "link_invalid");
    logged_in(&shop, NEW_ANN).await;
    let before = mails(&shop, RESET).len();
    reset(&shop, ANN).await.expect(202);
    shop.drain().await;
    assert_eq!(mails(&shop, RESET).len(), before, "the old address has no account");
}

#[tokio::test]
async fn a_new_password_ends_the_change_of_the_address_and_no_reset() {
    let shop = Shop::with_stream().await;
    let ann = registered_as(&shop, ANN).await;
    reset(&shop, ANN).await.expect(202);
    let password = mailed(&shop, RESET, ANN).await;
    change(&ann, NEW_ANN, PASSWORD).await.expect(202);
    let address = mailed(&shop, CHANGE, NEW_ANN).await;

    let new = json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD});
    ann.patch("/users/me", new).await.expect(200);

    logged_in_with(&shop, ANN, NEW_PASSWORD).await;
    assert_eq!(confirm(&shop, CHANGE, &address).await.expect(422).code(), "link_invalid");
    // Somebody who knows the password cannot keep the owner out by changing it.
    confirm(&shop, RESET, &password).await.expect(204);
    assert!(!is_open(&ann).await);
}

#[tokio::test]
async fn the_current_address_is_no_new_one() {
    let shop = Shop::with_stream().await;
    let ann = registered_as(&shop, ANN).await;

    change(&ann, ANN, PASSWORD).await.expect(202);
    shop.drain().await;

    assert_eq!(mails(&shop, CHANGE), Vec::<String>::new());
    assert_eq!(profile(&ann).await["emailVerified"], false);
}

#[tokio::test]
async fn a_stranger_who_requests_new_passwords_leaves_the_owner_some_requests() {
    let behind_a_proxy = |o: &mut local::StackOptions| (o.dynamodb_endpoint, o.policy.trusted_proxy_hops) = (None, 1);
    let shop = Shop::open_with(behind_a_proxy).await;
    registered_as(&shop, ANN).await;
    let stranger = shop.stranger();
    let request = async |from: &str| {
        let request = stranger.request(reqwest::Method::POST, "/passwords/reset").header("x-forwarded-for", from);
        stranger.send(request.json(&json!({"email": ANN}))).await.expect(202);
    };
    for _ in 0..12 {
        request("203.0.113.7").await;
    }
    mailed(&shop, RESET, ANN).await;
    assert_eq!(mails(&shop, RESET).len(), 5);

    request("198.51.100.9").await;

    let token = mailed(&shop, RESET, ANN).await;
    assert_eq!(mails(&shop, RESET).len(), 6);
    confirm(&shop, RESET, &token).await.expect(204);
}

#[tokio::test]
async fn the_owner_of_an_address_that_somebody_else_registered_takes_it_and_ends_what_they_had() {
    let shop = Shop::with_stream().await;
    let mug = shop.product("mug").create().await;
    let mut squatter = shop.stranger();
    let body = json!({"email": ANN, "password": PASSWORD, "name": "Eve Squatter"});
    let answer = squatter.post("/users", body).await.expect(201);
    squatter.takes(&answer);
    let address = json!({"recipient": "Eve", "line1": "1 Evil Street", "city": "Bristol", "country": "GB"});
    for _ in 0..3 {
        squatter.post("/users/me/addresses", address.clone()).await.expect(201);
    }
    squatter.adds(&mug, 1).await.expect(200);
    let order = squatter.checks_out().await.expect(201).json()["orderId"].clone();
    change(&squatter, "eve@evil.example", PASSWORD).await.expect(202);
    let stolen = mailed(&shop, CHANGE, "eve@evil.example").await;

    reset(&shop, ANN).await.expect(202);
    let token = mailed(&shop, RESET, ANN).await;
    confirm(&shop, RESET, &token).await.expect(204);

    assert!(!is_open(&squatter).await);
    assert_eq!(log_in(&shop, ANN, PASSWORD).await.expect(401).code(), "credentials_invalid");
    assert_eq!(confirm(&shop, CHANGE, &stolen).await.expect(422).code(), "link_invalid", "a change they requested");
    let ann = logged_in_with(&shop, ANN, NEW_PASSWORD).await;
    let me = profile(&ann).await;
    assert_eq!((&me["name"], &me["emailVerified"]), (&json!("ann"), &json!(true)));
    assert_eq!(ann.get("/users/me/addresses").await.json()["items"], json!([]));
    assert_eq!(me["recentOrders"][0]["orderId"], order, "the shop's records stay");
}

#[tokio::test]
async fn a_customer_whose_address_is_verified_keeps_name_and_addresses_when_the_password_is_reset() {
    let shop = Shop::with_stream().await;
    let ann = verified_as(&shop, ANN).await;
    let address = json!({"recipient": "Ann", "line1": "1 Street", "city": "Bristol", "country": "GB"});
    ann.post("/users/me/addresses", address).await.expect(201);

    reset(&shop, ANN).await.expect(202);
    let token = mailed(&shop, RESET, ANN).await;
    confirm(&shop, RESET, &token).await.expect(204);

    let ann = logged_in_with(&shop, ANN, NEW_PASSWORD).await;
    assert_eq!(profile(&ann).await["name"], "Ann");
    assert_eq!(ann.get("/users/me/addresses").await.json()["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_reset_is_answered_alike_after_the_same_calls_whether_or_not_the_address_has_an_account() {
    let shop = Shop::with_stream().await;
    registered_as(&shop, ANN).await;
    registered_as(&shop, "ann@müller.example").await;
    verified_as(&shop, BOB).await;
    let pairs =
        [(ANN, "ann@nowhere.example"), (BOB, "bob@nowhere.example"), ("ann@müller.example", "bob@müller.example")];

    for (known, unknown) in pairs {
        // Beyond the limit of an address, too.
        for round in 0..7 {
            let (of_known, of_unknown) =
                (reset(&shop, known).await.expect(202), reset(&shop, unknown).await.expect(202));

            assert_eq!((of_known.text(), of_unknown.text()), ("", ""), "{known} in round {round}");
            assert_eq!(headers(&of_known), headers(&of_unknown), "{known} in round {round}");
            if e2e::engine_counts_like_aws() {
                assert_eq!(of_known.cost(), of_unknown.cost(), "{known} in round {round}");
            }
        }
        shop.clock.advance(MINUTE * 60);
    }
    shop.drain().await;

    let to: Vec<_> = mails(&shop, RESET);
    assert!(to.iter().all(|mail| !mail.contains("nowhere") && !mail.contains("bob@xn--mller-kva")), "{to:?}");
}

#[tokio::test]
async fn an_address_gets_five_links_an_hour_and_the_last_one_works_when_more_are_requested() {
    let shop = Shop::with_stream().await;
    registered_as(&shop, ANN).await;
    for _ in 0..5 {
        reset(&shop, ANN).await.expect(202);
    }
    let last = mailed(&shop, RESET, ANN).await;

    for _ in 0..3 {
        reset(&shop, ANN).await.expect(202);
    }
    shop.drain().await;

    assert_eq!(mails(&shop, RESET).len(), 5);
    confirm(&shop, RESET, &last).await.expect(204);
}

#[tokio::test]
async fn one_client_address_requests_twenty_links_an_hour() {
    let shop = Shop::open().await;

    let mut statuses = Vec::new();
    for i in 0..22 {
        statuses.push(reset(&shop, &format!("ann{i}@example.com")).await.status());
    }
    // Their mails could reach anybody, so they count, and the registration succeeds without a mail.
    registered_as(&shop, ANN).await;

    assert_eq!(statuses[..20], [202; 20]);
    assert_eq!(statuses[20..], [429; 2]);
    assert!(shop.dump().await.iter().all(|item| item["SK"] != "LINK#verify-email"));
    shop.clock.advance(MINUTE * 60);
    reset(&shop, ANN).await.expect(202);
}

/// What a run makes that gives access: it may be nowhere but in the one mail.
#[tokio::test]
async fn no_token_of_a_link_is_in_the_table_the_stream_the_audit_log_or_a_dead_letter() {
    let shop = Shop::with_stream().await;
    let ann = registered_as(&shop, ANN).await;
    let mut tokens = vec![mailed(&shop, VERIFY, ANN).await];
    reset(&shop, ANN).await.expect(202);
    tokens.push(mailed(&shop, RESET, ANN).await);
    change(&ann, NEW_ANN, PASSWORD).await.expect(202);
    tokens.push(mailed(&shop, CHANGE, NEW_ANN).await);
    let unused = shop.dump().await;
    // An account from before addresses were read strictly, to which no mail can be sent: its requests are dead letters.
    let before = Customer {
        id: "before".parse().unwrap(),
        name: CustomerName::parse("Before").unwrap(),
        email: Email::stored("before@example.com,".to_owned()),
        email_verified: false,
        email_owned: false,
        role: Role::Customer,
        created_at: shop.clock.now(),
    };
    shop.stack.table.customer_register(&before, WEAK_HASH, None, None, None).await.unwrap();
    let now = shop.clock.now();
    let link = AccountLink::request(shop.clock.uuid_v7().into(), before.id, RESET, before.email, None, now);
    shop.stack.table.account_link_put(&link).await.unwrap();
    tokens.push(shop.link_token(&link));
    shop.drain().await;
    confirm(&shop, CHANGE, &tokens[2]).await.expect(204);
    reset(&shop, NEW_ANN).await.expect(202);
    tokens.push(mailed(&shop, RESET, NEW_ANN).await);
    confirm(&shop, RESET, &tokens[4]).await.expect(204);
    shop.drain().await;

    let stream = records::read(&shop.stack.dynamodb, shop.stack.table.names(), &table::http_client()).await;
    let (audit, dead_letters) =
        (objects(&shop, local::AUDIT_BUCKET).await, objects(&shop, local::DEAD_LETTERS_BUCKET).await);
    let table = Value::Array(shop.dump().await).to_string();
    let kept = [Value::Array(unused).to_string(), table, Value::Array(stream).to_string(), audit, dead_letters.clone()];

    assert!(dead_letters.contains("LINK#reset-password"), "the request is there: {dead_letters:.500}");
    for token in &tokens {
        let sealed = token.rsplit_once('.').unwrap().1;
        // The first third is the id of the request and the expiry, the rest its signature.
        for secret in [token.as_str(), sealed, &sealed[sealed.len() / 2..]] {
            for place in &kept {
                assert!(!place.contains(secret), "{secret} in {place:.200}");
            }
        }
        assert!(all_mails(&shop).iter().filter(|(_, mail)| mail.contains(token)).count() <= 1);
    }
    for secret in [NEW_PASSWORD, PASSWORD] {
        assert!(kept.iter().all(|place| !place.contains(secret)));
    }
}

/// A new password for ann, a verification of her address or its change: her session, and the token that was mailed.
async fn asked(shop: &Shop, action: AccountAction) -> (Shopper, String) {
    let ann = registered_as(shop, ANN).await;
    let to = match action {
        RESET => {
            reset(shop, ANN).await.expect(202);
            ANN
        }
        VERIFY => ANN,
        CHANGE => {
            change(&ann, NEW_ANN, PASSWORD).await.expect(202);
            NEW_ANN
        }
    };
    let token = mailed(shop, action, to).await;
    (ann, token)
}

async fn verified_as(shop: &Shop, email: &str) -> Shopper {
    let shopper = registered_as(shop, email).await;
    let token = mailed(shop, VERIFY, email).await;
    confirm(shop, VERIFY, &token).await.expect(204);
    shopper
}

async fn reset(shop: &Shop, email: &str) -> Answer {
    // So that its mail sorts behind those before.
    shop.clock.advance(SignedDuration::from_millis(2));
    shop.stranger().post("/passwords/reset", json!({"email": email})).await
}

async fn change(shopper: &Shopper, email: &str, password: &str) -> Answer {
    shopper.post("/users/me/email", json!({"email": email, "currentPassword": password})).await
}

async fn confirm(shop: &Shop, action: AccountAction, token: &str) -> Answer {
    let (path, body) = match action {
        RESET => ("/passwords/reset/confirm", json!({"token": token, "newPassword": NEW_PASSWORD})),
        VERIFY => ("/users/verify", json!({"token": token})),
        CHANGE => ("/users/email/confirm", json!({"token": token})),
    };
    shop.stranger().post(path, body).await
}

async fn log_in(shop: &Shop, email: &str, password: &str) -> Answer {
    shop.stranger().post("/sessions", json!({"email": email, "password": password})).await
}

async fn logged_in_with(shop: &Shop, email: &str, password: &str) -> Shopper {
    let mut shopper = shop.stranger();
    shopper.logs_in(email, password).await;
    shopper
}

async fn profile(shopper: &Shopper) -> Value {
    shopper.get("/users/me").await.expect(200).json()
}

/// Without what differs between any two answers.
fn headers(answer: &Answer) -> Vec<(String, String)> {
    let names = ["content-type", "content-length", "cache-control", "set-cookie", "retry-after", "location"];
    names.into_iter().filter_map(|name| Some((name.to_owned(), answer.header(name)?.to_owned()))).collect()
}

/// The one request for a link of this kind that is stored.
async fn stored(shop: &Shop, action: AccountAction) -> AccountLink {
    let sk = format!("LINK#{}", action.as_str());
    let item = shop.dump().await.into_iter().find(|item| item["SK"] == sk.as_str()).expect("a request");
    let uid = item["PK"].as_str().unwrap().trim_start_matches("USER#").parse().unwrap();
    shop.stack.table.account_link_get(&uid, action).await.unwrap().expect("it is there")
}

/// The token of the newest link of this kind that was mailed to an address.
async fn mailed(shop: &Shop, action: AccountAction, to: &str) -> String {
    shop.drain().await;
    let mails = mails(shop, action).into_iter().filter(|mail| mail.contains(&format!("To: <{to}>")));
    let marker = format!("#/{}/", action.as_str());
    let token = |mail: String| {
        let (_, rest) = mail.split_once(&marker).expect("a link");
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    let newest = mails.map(token).next_back().unwrap_or_else(|| panic!("no {} was mailed to {to}", action.as_str()));
    // So that the next one sorts behind it.
    shop.clock.advance(SignedDuration::from_millis(2));
    newest
}

/// The mails with a link of this kind, oldest first.
fn mails(shop: &Shop, action: AccountAction) -> Vec<String> {
    let ending = format!("-{}.eml", action.as_str());
    all_mails(shop).into_iter().filter(|(name, _)| name.ends_with(&ending)).map(|(_, mail)| mail).collect()
}

/// Every mail by the name of its file, its lines unfolded.
pub(crate) fn all_mails(shop: &Shop) -> Vec<(String, String)> {
    let files = fs::read_dir(&shop.stack.mail).expect("a folder").map(|file| file.unwrap());
    let mut files: Vec<_> = files
        .map(|file| {
            let mail = fs::read_to_string(file.path()).unwrap().replace("=\r\n", "");
            (file.file_name().into_string().unwrap(), mail)
        })
        .collect();
    files.sort();
    files
}

/// Every object of a bucket.
pub(crate) async fn objects(shop: &Shop, bucket: &str) -> String {
    let bucket = shop.stack.descriptions.bucket().beside(bucket);
    let mut all = String::new();
    for object in bucket.list("", None).await.unwrap().objects {
        all.push_str(&String::from_utf8(bucket.get(&object.key).await.unwrap().unwrap()).unwrap());
    }
    all
}
