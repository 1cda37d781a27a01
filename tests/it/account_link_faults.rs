//! Links in mails about an account, with every call that they make failing in turn.

use domain::{AccountAction, AccountLink, Address, Email};
use e2e::faults::{
    checker,
    plan::{Fault, Plan},
    runs::Engine,
    world::World,
};
use serde_json::{Value, json};

use crate::faults::on_a_large_stack;
use table::Credential;

const FAULTS: [Fault; 4] = [Fault::CrashBefore, Fault::CrashAfter, Fault::LoseAnswer, Fault::ServerErrorBefore];
const BOB: &str = "bob@example.com";
const NEW_BOB: &str = "bob@elsewhere.example";

#[test]
fn a_reset_sets_the_password_and_ends_what_was_there_or_does_nothing_whichever_call_fails() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let mut suffered = 0;
        for fault in FAULTS {
            for k in 0.. {
                let world = engine.world(&format!("reset-{k}-{}", fault.name()), None).await;
                let healthy = world.environment(Plan::none()).await;
                let bob = world.customer("bob", BOB).await;
                let elsewhere = world.shopper("elsewhere").await;
                let thief = world.log_in(&healthy, &elsewhere, BOB).await.unwrap().1.unwrap();
                world.table.address_put(&bob.uid, &address(), true).await.unwrap();
                let token = requested(&world, AccountAction::ResetPassword, BOB).await;
                let body = json!({"token": token, "newPassword": "staple battery horse"});
                let confirm = async |environment| world.post(environment, "/passwords/reset/confirm", &body).await;

                let plan = Plan::at(k, fault);
                let failing = world.environment(plan.clone()).await;
                let confirmed = confirm(&failing).await;

                let is_set = !world.is_open(&bob).await;
                let context = format!("{fault:?} at {k}: {confirmed:?} {:?}", plan.log());
                assert_eq!(world.is_open(&thief).await, !is_set, "{context}");
                assert_eq!(world.table.address_list(&bob.uid).await.unwrap().is_empty(), is_set, "{context}");
                let customer = world.table.customer_get(&bob.uid).await.unwrap().unwrap();
                assert_eq!((customer.email_verified, customer.name.as_str() == "bob"), (is_set, is_set), "{context}");
                assert!(confirmed != Some(204) || is_set, "{context}");
                // The link works once, and still works if it did nothing.
                assert_eq!(confirm(&healthy).await, Some(if is_set { 422 } else { 204 }), "{context}");
                assert!(world.new_password_works(&healthy, BOB).await, "{context}");
                assert_eq!(checker::check(&world.evidence().await), [], "{context}");
                suffered += plan.injected().len();
                if k >= plan.calls() {
                    break;
                }
            }
        }
        assert!(suffered > 12, "only {suffered} calls failed");
    });
}

#[test]
fn an_address_is_changed_in_profile_and_credential_or_in_neither_whichever_call_fails() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let mut suffered = 0;
        for fault in FAULTS {
            for k in 0.. {
                let world = engine.world(&format!("email-{k}-{}", fault.name()), None).await;
                let (healthy, bob) = (world.environment(Plan::none()).await, world.customer("bob", BOB).await);
                let token = requested(&world, AccountAction::ChangeEmail, NEW_BOB).await;
                let body = json!({"token": token});
                let confirm = async |environment| world.post(environment, "/users/email/confirm", &body).await;

                let plan = Plan::at(k, fault);
                let failing = world.environment(plan.clone()).await;
                let confirmed = confirm(&failing).await;

                let context = format!("{fault:?} at {k}: {confirmed:?} {:?}", plan.log());
                let customer = world.table.customer_get(&bob.uid).await.unwrap().unwrap();
                let is_changed = customer.email.as_str() == NEW_BOB;
                assert_eq!(customer.email_verified, is_changed, "{context}");
                for (email, is_there) in [(BOB, !is_changed), (NEW_BOB, is_changed)] {
                    let email = Email::parse(email).unwrap();
                    assert_eq!(world.table.credential_get(&email).await.unwrap().is_some(), is_there, "{context}");
                }
                assert!(confirmed != Some(204) || is_changed, "{context}");
                assert_eq!(confirm(&healthy).await, Some(if is_changed { 422 } else { 204 }), "{context}");
                let stranger = world.shopper("stranger").await;
                assert_eq!(world.login(&healthy, &stranger, NEW_BOB).await, Some(201), "{context}");
                suffered += plan.injected().len();
                if k >= plan.calls() {
                    break;
                }
            }
        }
        assert!(suffered > 12, "only {suffered} calls failed");
    });
}

#[test]
fn a_claim_moves_the_order_or_does_nothing_whichever_call_fails() {
    const CLAIM: &str = "POST /users/me/claimable-orders/{orderId}/claim";
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let mut suffered = 0;
        for fault in FAULTS {
            for k in 0.. {
                let world = engine.world(&format!("claim-{k}-{}", fault.name()), None).await;
                let healthy = world.environment(Plan::none()).await;
                let mug = world.product("mug", 899, 5).await;
                let guest = world.shopper("guest").await;
                world.add(&healthy, &guest, &mug, 1).await;
                let bought = world.send(&healthy, &world.checkout(&guest, "tok_visa"), false).await.unwrap();
                let order = bought.body["orderId"].as_str().unwrap().to_owned();
                let email = bought.body["contact"]["email"].as_str().unwrap();
                let bob = world.customer("bob", email).await;
                let credential = world.table.credential_get(&Email::parse(email).unwrap()).await.unwrap().unwrap();
                let link = request_under(&world, credential, AccountAction::VerifyEmail, email).await;
                world.table.email_verify(&link, true).await.unwrap();
                let claim = world.about(&bob, CLAIM, &order, Value::Null);

                let plan = Plan::at(k, fault);
                let failing = world.environment(plan.clone()).await;
                let claimed = world.send(&failing, &claim, false).await;

                let context = format!("{fault:?} at {k}: {claimed:?} {:?}", plan.log());
                let owner = async || {
                    let stored = world.table.order_get_for_shop(order.parse().unwrap()).await.unwrap().unwrap();
                    (stored.customer, stored.guest)
                };
                let (bobs, guests) = ((bob.uid.clone(), false), (guest.uid.clone(), true));
                let after = owner().await;
                assert!(after == bobs || after == guests, "{context}");
                assert!(claimed.is_none_or(|answer| answer.status != 200) || after == bobs, "{context}");
                assert_eq!(
                    world.send(&healthy, &claim, false).await.map(|answer| answer.status),
                    Some(200),
                    "{context}"
                );
                assert_eq!(owner().await, bobs, "{context}");
                suffered += plan.injected().len();
                if k >= plan.calls() {
                    break;
                }
            }
        }
        assert!(suffered > 12, "only {suffered} calls failed");
    });
}

#[test]
fn a_login_and_a_reset_at_once_leave_no_session_under_the_old_password() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        for round in 0..12 {
            let world = engine.world(&format!("race-{round}"), None).await;
            let (one, other) = (world.environment(Plan::none()).await, world.environment(Plan::none()).await);
            world.customer("bob", BOB).await;
            let elsewhere = world.shopper("elsewhere").await;
            let token = requested(&world, AccountAction::ResetPassword, BOB).await;
            let body = json!({"token": token, "newPassword": "staple battery horse"});

            let (logged_in, confirmed) = tokio::join!(
                world.log_in(&one, &elsewhere, BOB),
                world.post(&other, "/passwords/reset/confirm", &body)
            );

            assert_eq!(confirmed, Some(204), "round {round}");
            let opened = logged_in.and_then(|(_, opened)| opened);
            let is_open = match &opened {
                Some(session) => world.is_open(session).await,
                None => false,
            };
            assert!(!is_open, "round {round}");
            assert_eq!(checker::check(&world.evidence().await), [], "round {round}");
        }
    });
}

/// The token of a link for bob, requested now.
async fn requested(world: &World, action: AccountAction, email: &str) -> String {
    let credential = world.table.credential_get(&Email::parse(BOB).unwrap()).await.unwrap().unwrap();
    let link = request_under(world, credential, action, email).await;
    world.link_token(&link)
}

async fn request_under(world: &World, credential: Credential, action: AccountAction, email: &str) -> AccountLink {
    let (id, email) = (world.clock.uuid_v7().into(), Email::parse(email).unwrap());
    let asked_under = Some(credential.digest());
    let link = AccountLink::request(id, credential.uid, action, email, asked_under, world.clock.now());
    world.table.account_link_put(&link).await.unwrap();
    link
}

fn address() -> Address {
    Address {
        id: "home".parse().unwrap(),
        recipient: "Bob".to_owned(),
        line1: "1 Street".to_owned(),
        line2: None,
        city: "Bristol".to_owned(),
        region: None,
        postal_code: None,
        country: domain::CountryCode::parse("GB").unwrap(),
        phone: None,
    }
}
