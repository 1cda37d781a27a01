use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::State};
use domain::Currency;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::PaymentToken;

/// A fake of Stripe that gives these answers one after the other, and records its requests. The first answer to a key
/// is repeated for every later request with it, an error of Stripe's own included, except refusals before anything was
/// done: <https://docs.stripe.com/api/idempotent_requests>.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<(u16, Value)>>,
    saved: Mutex<HashMap<String, (u16, Value)>>,
    asked: Mutex<Vec<Recorded>>,
}

struct Recorded {
    what: String,
    key: Option<String>,
    body: String,
}

impl Script {
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.what.clone()).collect()
    }
}

async fn answer(
    State(script): State<Arc<Script>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, [(&'static str, &'static str); 1], Json<Value>) {
    assert_eq!(headers["authorization"], "Bearer sk_test_12345");
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap().to_owned());
    script.asked.lock().unwrap().push(Recorded { what: format!("{method} {}", uri.path()), key: key.clone(), body });
    let saved = key.as_ref().and_then(|key| script.saved.lock().unwrap().get(key).cloned());
    let replayed = if saved.is_some() { "true" } else { "false" };
    let next = || script.answers.lock().unwrap().pop_front().expect("the script has an answer to everything");
    let (status, body) = saved.unwrap_or_else(next);
    if let Some(key) = key.filter(|_| !matches!(status, 400 | 401 | 409 | 429)) {
        script.saved.lock().unwrap().insert(key, (status, body.clone()));
    }
    (StatusCode::from_u16(status).unwrap(), [("idempotent-replayed", replayed)], Json(body))
}

async fn stripe(answers: impl IntoIterator<Item = (u16, Value)>) -> (Stripe, Arc<Script>) {
    let script = Arc::new(Script { answers: Mutex::new(answers.into_iter().collect()), ..Script::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (Stripe::new(config(&[("STRIPE_ENDPOINT", &endpoint)]).unwrap()).unwrap(), script)
}

fn config(more: &[(&str, &str)]) -> Result<StripeConfig, String> {
    let usual = [("STRIPE_SECRET_KEY", "sk_test_12345"), ("STRIPE_WEBHOOK_SECRETS", "whsec_test")];
    StripeConfig::from_env(|name| {
        more.iter().chain(&usual).find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

/// Placed `hours` ago.
fn order(hours: i64) -> OrderId {
    let placed = Timestamp::now().as_millisecond() - hours * 3_600_000;
    let time = format!("{placed:012x}");
    format!("{}-{}-7000-8000-000000000000", &time[..8], &time[8..]).parse().unwrap()
}

fn usd(cents: i64) -> Money {
    Money::amount(cents, Currency::USD)
}

fn charge(hours: i64) -> Charge {
    Charge { order: order(hours), amount: usd(899), token: PaymentToken::parse("pm_1").unwrap() }
}

fn refund() -> RefundCharge {
    RefundCharge { order: order(0), number: 2, reference: "pi_1".to_owned(), amount: usd(500) }
}

fn intent(status: &str) -> (u16, Value) {
    (200, json!({"id": "pi_1", "object": "payment_intent", "status": status, "next_action": null}))
}

/// The customer's bank asks them for authentication.
fn asks() -> (u16, Value) {
    let next = json!({"type": "use_stripe_sdk"});
    (200, json!({"id": "pi_1", "status": "requires_action", "client_secret": SECRET, "next_action": next}))
}

const SECRET: &str = "pi_1_secret_of_the_customer";

fn action() -> PaymentAction {
    let client_secret = ClientSecret::new(SECRET.to_owned());
    PaymentAction { client_secret, publishable_key: None, return_url: None }
}

fn refusal(status: u16, error: Value) -> (u16, Value) {
    (status, json!({ "error": error }))
}

fn of_state() -> (u16, Value) {
    refusal(400, json!({"type": "invalid_request_error", "code": "payment_intent_unexpected_state"}))
}

fn captured<T: From<CloseOutcome>>() -> Result<T, OutcomeUnknown> {
    Ok(CloseOutcome::Captured { reference: "pi_1".to_owned() }.into())
}

#[tokio::test]
async fn an_intent_depends_only_on_the_order_and_is_confirmed_with_the_token() {
    let (stripe, script) = stripe([intent("requires_payment_method"), intent("succeeded")]).await;
    let charge = charge(0);

    let outcome = stripe.charge(&charge).await;

    assert_eq!(outcome, captured());
    assert_eq!(script.asked(), ["POST /v1/payment_intents", "POST /v1/payment_intents/pi_1/confirm"]);
    let asked = script.asked.lock().unwrap();
    assert_eq!(asked[0].key, Some(charge.order.to_string()));
    let form =
        format!("amount=899&currency=usd&metadata%5Border_id%5D={}&payment_method_types%5B%5D=card", charge.order);
    assert_eq!(asked[0].body, form);
    assert_eq!((asked[1].key.as_deref(), asked[1].body.as_str()), (None, "payment_method=pm_1"));
}

#[tokio::test]
async fn the_answer_to_a_confirmation_decides_the_outcome() {
    let made = || intent("requires_payment_method");
    let no_token = || refusal(400, json!({"code": "resource_missing", "param": "payment_method"}));
    let no_confirmation_token = || refusal(400, json!({"code": "resource_missing", "param": "confirmation_token"}));
    let used_token = || {
        let message = "The provided PaymentMethod was previously used with a PaymentIntent. It may not be used again.";
        refusal(400, json!({"type": "invalid_request_error", "message": message}))
    };
    for (answers, outcome) in [
        (vec![refusal(402, json!({"type": "card_error", "code": "card_declined"}))], Ok(ChargeOutcome::Declined)),
        (vec![no_token(), intent("requires_payment_method")], Ok(ChargeOutcome::Declined)),
        (vec![used_token(), intent("requires_payment_method")], Ok(ChargeOutcome::Declined)),
        (vec![no_token(), intent("succeeded")], captured()),
        (vec![asks()], Ok(ChargeOutcome::ActionRequired(action()))),
        (vec![of_state(), asks()], Ok(ChargeOutcome::ActionRequired(action()))),
        (vec![intent("requires_action")], Err(OutcomeUnknown)),
        (vec![no_confirmation_token(), intent("requires_payment_method")], Ok(ChargeOutcome::Declined)),
        (vec![of_state(), intent("succeeded")], captured()),
        (vec![of_state(), intent("canceled")], Ok(ChargeOutcome::Declined)),
        (vec![of_state(), intent("processing")], Err(OutcomeUnknown)),
        (vec![intent("processing")], Err(OutcomeUnknown)),
        (vec![refusal(401, json!({"type": "invalid_request_error"}))], Err(OutcomeUnknown)),
        (vec![refusal(400, json!({"code": "parameter_unknown", "param": "colour"}))], Err(OutcomeUnknown)),
        (vec![refusal(409, json!({"code": "idempotency_key_in_use"}))], Err(OutcomeUnknown)),
        (vec![refusal(429, json!({"code": "lock_timeout"}))], Err(OutcomeUnknown)),
        (vec![(500, json!({}))], Err(OutcomeUnknown)),
        (vec![(200, json!("not an intent"))], Err(OutcomeUnknown)),
    ] {
        let shown = format!("{answers:?}");
        let (stripe, _) = stripe(std::iter::once(made()).chain(answers)).await;

        assert_eq!(stripe.charge(&charge(0)).await, outcome, "{shown}");
    }
}

#[tokio::test]
async fn an_intent_is_confirmed_with_a_confirmation_token_and_the_storefronts_return_url() {
    let (scripted, script) = stripe([intent("requires_payment_method"), asks(), asks()]).await;
    let url = "https://shop.example/paid?order={orderId}";
    let more = [("PAYMENT_RETURN_URL", url), ("STRIPE_PUBLISHABLE_KEY", "pk_test_1")];
    let stripe = Stripe { api: scripted.api, ..Stripe::new(config(&more).unwrap()).unwrap() };
    let charge = Charge { token: PaymentToken::parse("ctoken_1").unwrap(), ..charge(0) };

    let asked = stripe.charge(&charge).await;
    let looked = stripe.look(charge.order, charge.amount).await;

    let returns = format!("https://shop.example/paid?order={}", charge.order);
    let key = Some("pk_test_1".to_owned());
    let action = PaymentAction { publishable_key: key, return_url: Some(returns), ..action() };
    assert_eq!(asked, Ok(ChargeOutcome::ActionRequired(action.clone())));
    assert_eq!(looked, Ok(PaymentStatus::ActionRequired(action)));
    let url = format!("https%3A%2F%2Fshop.example%2Fpaid%3Forder%3D{}", charge.order);
    assert_eq!(script.asked.lock().unwrap()[1].body, format!("confirmation_token=ctoken_1&return_url={url}"));
}

#[tokio::test]
async fn looking_at_a_payment_retrieves_it_and_never_confirms() {
    let made = || intent("requires_payment_method");
    for (answers, status) in [
        (vec![asks()], Ok(PaymentStatus::ActionRequired(action()))),
        (vec![intent("succeeded")], Ok(PaymentStatus::Captured { reference: "pi_1".to_owned() })),
        (vec![made()], Ok(PaymentStatus::Unpaid)),
        (vec![intent("canceled")], Ok(PaymentStatus::Closed)),
        (vec![intent("processing")], Err(OutcomeUnknown)),
        (vec![(500, json!({}))], Err(OutcomeUnknown)),
    ] {
        let shown = format!("{answers:?}");
        let (stripe, script) = stripe(std::iter::once(made()).chain(answers)).await;
        let order = order(1);

        assert_eq!(stripe.look(order, usd(899)).await, status, "{shown}");
        assert_eq!(script.asked(), ["POST /v1/payment_intents", "GET /v1/payment_intents/pi_1"]);
        assert_eq!(script.asked.lock().unwrap()[0].key, Some(order.to_string()));
    }
    let (stripe, script) = stripe([]).await;
    assert_eq!(stripe.look(order(24), usd(899)).await, Err(OutcomeUnknown));
    assert!(script.asked().is_empty(), "a forgotten key would make another intent");
}

#[tokio::test]
async fn closing_cancels_an_intent_whose_customer_is_asked() {
    let (stripe, script) = stripe([intent("requires_payment_method"), intent("canceled")]).await;

    assert_eq!(stripe.close(order(0), usd(899)).await, Ok(CloseOutcome::Closed));
    assert_eq!(script.asked()[1], "POST /v1/payment_intents/pi_1/cancel");
}

#[tokio::test]
async fn an_amount_stripe_does_not_accept_is_not_reported_as_declined_and_its_order_is_closed() {
    let too_small = || refusal(400, json!({"code": "amount_too_small", "param": "amount"}));
    let (stripe, _) = stripe([too_small(), too_small()]).await;

    assert_eq!(stripe.charge(&charge(0)).await, Ok(ChargeOutcome::NotChargeable));
    assert_eq!(stripe.close(order(0), usd(1)).await, Ok(CloseOutcome::Closed));
}

fn failure() -> (u16, Value) {
    refusal(500, json!({"type": "api_error"}))
}

#[tokio::test]
async fn after_an_error_that_stripe_replays_the_next_key_is_tried() {
    let made = || intent("requires_payment_method");
    let (stripe, script) = stripe([failure(), made(), intent("succeeded"), of_state(), intent("succeeded")]).await;
    let charge = charge(0);
    let key = |at: usize| if at == 1 { charge.order.to_string() } else { format!("{}.{at}", charge.order) };

    let first_hand = stripe.charge(&charge).await;
    let asked_once = script.asked().len();
    let again = stripe.charge(&charge).await;
    let closed = stripe.close(charge.order, charge.amount).await;

    assert_eq!((first_hand, asked_once), (Err(OutcomeUnknown), 1), "an error that is not replayed is a lost answer");
    assert_eq!((again, closed), (captured(), captured()));
    let asked = script.asked.lock().unwrap();
    let keys: Vec<_> = asked.iter().filter_map(|asked| asked.key.clone()).collect();
    assert_eq!(keys, [key(1), key(1), key(2), key(1), key(2)]);
    let bodies: Vec<_> = asked.iter().filter(|asked| asked.key.is_some()).map(|asked| &asked.body).collect();
    assert!(bodies.windows(2).all(|two| two[0] == two[1]), "the request is the same under every key");
}

#[tokio::test]
async fn closing_first_keeps_a_charge_from_paying_under_another_key() {
    let made = || intent("requires_payment_method");
    let answers = [failure(), made(), intent("canceled"), of_state(), intent("canceled")];
    let (stripe, script) = stripe(answers).await;
    let charge = charge(0);

    let lost = stripe.close(charge.order, charge.amount).await;
    let closed = stripe.close(charge.order, charge.amount).await;
    let late = stripe.charge(&charge).await;

    assert_eq!((lost, closed, late), (Err(OutcomeUnknown), Ok(CloseOutcome::Closed), Ok(ChargeOutcome::Declined)));
    assert_eq!(script.asked().last().unwrap(), "GET /v1/payment_intents/pi_1");
}

#[tokio::test]
async fn after_eight_keys_no_further_one_is_tried() {
    let (stripe, script) = stripe((0..8).map(|_| failure())).await;
    let charge = charge(0);

    for _ in 0..9 {
        assert_eq!(stripe.charge(&charge).await, Err(OutcomeUnknown));
    }

    let asked = script.asked.lock().unwrap();
    let last = asked.iter().filter_map(|asked| asked.key.clone()).next_back();
    assert_eq!(last, Some(format!("{}.8", charge.order)));
}

#[tokio::test]
async fn a_refund_whose_error_is_replayed_is_searched_for_before_the_next_key() {
    let list = |made: Value| (200, json!({"data": made}));
    let refund = refund();
    let metadata = json!({"order_id": refund.order.to_string(), "refund": "2"});
    let paid = || json!({"id": "re_1", "status": "succeeded", "metadata": metadata});
    let (unmade, script) = stripe([list(json!([])), failure(), list(json!([])), list(json!([])), (200, paid())]).await;
    let (made, other) = stripe([list(json!([])), failure(), list(json!([])), list(json!([paid()]))]).await;

    for stripe in [&unmade, &made] {
        assert_eq!(stripe.refund(&refund).await, Err(OutcomeUnknown));
        assert_eq!(stripe.refund(&refund).await, Ok(RefundOutcome::Paid));
    }

    let keys: Vec<_> = script.asked.lock().unwrap().iter().filter_map(|asked| asked.key.clone()).collect();
    let key = format!("{}-refund-2", refund.order);
    assert_eq!(keys, [key.clone(), key.clone(), format!("{key}.2")]);
    assert_eq!(other.asked().iter().filter(|what| *what == "POST /v1/refunds").count(), 2, "no other one is made");
}

#[tokio::test]
async fn a_payment_belongs_to_the_order_it_names_or_to_another_shop() {
    let order = order(0);
    let found = |metadata: Value| (200, json!({"id": "pi_1", "status": "succeeded", "metadata": metadata}));
    for (answer, owner) in [
        (found(json!({"order_id": order.to_string()})), Ok(Some(order))),
        (found(json!({"order_id": "4711"})), Ok(None)),
        (found(json!({})), Ok(None)),
        (refusal(404, json!({"type": "invalid_request_error", "code": "resource_missing"})), Ok(None)),
        (failure(), Err(OutcomeUnknown)),
        (refusal(401, json!({"type": "invalid_request_error"})), Err(OutcomeUnknown)),
    ] {
        let shown = format!("{answer:?}");
        let (stripe, script) = stripe([answer]).await;

        assert_eq!(stripe.order_of("pi_1").await, owner, "{shown}");
        assert_eq!(script.asked(), ["GET /v1/payment_intents/pi_1"]);
    }
}

#[tokio::test]
async fn refunds_by_hand_are_those_without_a_number_of_ours() {
    let ours = json!({"order_id": order(0).to_string(), "refund": "1"});
    let refund = |id: &str, status: &str, metadata: &Value| json!({"id": id, "amount": 500, "currency": "usd", "status": status, "metadata": metadata});
    let (none, data) = (json!(null), json!({"why": "a friend"}));
    let made = [refund("re_3", "failed", &data), refund("re_2", "succeeded", &ours), refund("re_1", "pending", &none)];
    let (stripe, _) = stripe([(200, json!({"data": made}))]).await;

    let by_hand = stripe.refunds_by_hand("pi_1").await.unwrap();

    let found: Vec<_> = by_hand.iter().map(|made| (made.id.as_str(), made.failed)).collect();
    assert_eq!(found, [("re_1", false), ("re_3", true)]);
}

#[tokio::test]
async fn no_request_is_sent_for_an_amount_that_stripe_cannot_accept() {
    let stripe = Stripe::new(config(&[]).unwrap()).unwrap();

    assert_eq!(stripe.chargeable(usd(49)).unwrap_err().reason(), "below_minimum");
    assert_eq!(stripe.chargeable(usd(50)), Ok(()));
    assert_eq!(stripe.refundable(usd(1)), Ok(()));
    assert_eq!(stripe.refundable(Money::amount(1_234, Currency::KWD)).unwrap_err().reason(), "not_a_multiple");
}

#[tokio::test]
async fn closing_finds_the_intent_by_its_key_and_cancels_it() {
    let made = || intent("requires_payment_method");
    for (answers, outcome) in [
        (vec![intent("canceled")], Ok(CloseOutcome::Closed)),
        (vec![of_state(), intent("succeeded")], captured()),
        (vec![of_state(), intent("canceled")], Ok(CloseOutcome::Closed)),
        (vec![of_state(), intent("processing")], Err(OutcomeUnknown)),
        (vec![(503, json!({}))], Err(OutcomeUnknown)),
    ] {
        let shown = format!("{answers:?}");
        let (stripe, script) = stripe(std::iter::once(made()).chain(answers)).await;
        let order = order(22);

        assert_eq!(stripe.close(order, usd(899)).await, outcome, "{shown}");
        assert_eq!(script.asked()[..2], ["POST /v1/payment_intents", "POST /v1/payment_intents/pi_1/cancel"]);
        assert_eq!(script.asked.lock().unwrap()[0].key, Some(order.to_string()));
    }
}

#[tokio::test]
async fn an_order_whose_key_may_be_forgotten_is_searched_for_and_never_charged_again() {
    let found = |intents: Value| (200, json!({"object": "search_result", "data": intents}));
    let old = || found(json!([{"id": "pi_1", "status": "requires_payment_method"}]));
    let (taken, _) = stripe([old(), of_state(), intent("succeeded")]).await;
    let (open, script) = stripe([old(), intent("canceled")]).await;
    let (unknown, created) = stripe([found(json!([])), intent("requires_payment_method"), intent("canceled")]).await;

    assert_eq!(taken.close(order(24), usd(899)).await, captured());
    assert_eq!(open.charge(&charge(24)).await, Ok(ChargeOutcome::Declined));
    assert_eq!(script.asked(), ["GET /v1/payment_intents/search", "POST /v1/payment_intents/pi_1/cancel"]);
    assert_eq!(unknown.close(order(24), usd(899)).await, Ok(CloseOutcome::Closed));
    assert_eq!(created.asked()[1], "POST /v1/payment_intents");
}

#[tokio::test]
async fn a_refund_is_made_once_under_its_number() {
    let refund = refund();
    let metadata = json!({"order_id": refund.order.to_string(), "refund": "1"});
    let other = json!({"id": "re_1", "status": "succeeded", "metadata": metadata});
    let (stripe, script) = stripe([(200, json!({"data": [other]})), (200, json!({"status": "succeeded"}))]).await;

    assert_eq!(stripe.refund(&refund).await, Ok(RefundOutcome::Paid));
    assert_eq!(script.asked(), ["GET /v1/refunds", "POST /v1/refunds"]);
    let asked = script.asked.lock().unwrap();
    assert_eq!(asked[1].key, Some(format!("{}-refund-2", refund.order)));
    let start = format!("payment_intent=pi_1&amount=500&metadata%5Border_id%5D={}", refund.order);
    assert_eq!(asked[1].body, format!("{start}&metadata%5Brefund%5D=2"));
}

#[tokio::test]
async fn a_refund_that_was_made_before_is_not_made_again() {
    for (status, outcome) in [
        ("succeeded", Ok(RefundOutcome::Paid)),
        ("pending", Err(OutcomeUnknown)),
        ("failed", Ok(RefundOutcome::Refused)),
        ("canceled", Ok(RefundOutcome::Refused)),
        ("requires_action", Err(OutcomeUnknown)),
    ] {
        let refund = refund();
        let made = json!({"status": status, "metadata": {"order_id": refund.order.to_string(), "refund": "2"}});
        let (stripe, script) = stripe([(200, json!({"data": [made]}))]).await;

        assert_eq!(stripe.refund(&refund).await, outcome, "{status}");
        assert_eq!(script.asked(), ["GET /v1/refunds"]);
    }
}

#[tokio::test]
async fn refunds_are_limited_to_what_is_left_of_a_payment() {
    for (answer, outcome) in [
        (refusal(400, json!({"code": "charge_already_refunded"})), Ok(RefundOutcome::Refused)),
        (refusal(400, json!({"type": "invalid_request_error", "param": "amount"})), Ok(RefundOutcome::Refused)),
        (refusal(400, json!({"code": "balance_insufficient"})), Err(OutcomeUnknown)),
        ((500, json!({})), Err(OutcomeUnknown)),
    ] {
        let shown = format!("{answer:?}");
        let (stripe, _) = stripe([(200, json!({"data": []})), answer]).await;

        assert_eq!(stripe.refund(&refund()).await, outcome, "{shown}");
    }
}

#[tokio::test]
async fn a_failed_connection_is_an_unknown_outcome() {
    let stripe = Stripe::new(config(&[("STRIPE_ENDPOINT", "http://127.0.0.1:1")]).unwrap()).unwrap();

    assert_eq!(stripe.charge(&charge(0)).await, Err(OutcomeUnknown));
}

#[test]
fn neither_the_key_nor_a_secret_is_shown() {
    let shown = format!("{:?} {:?}", config(&[]).unwrap(), Stripe::new(config(&[]).unwrap()).unwrap());

    assert!(!shown.contains("sk_test") && !shown.contains("whsec"), "{shown}");
    assert!(shown.contains("https://api.stripe.com"), "{shown}");
}

#[test]
fn a_key_is_sent_over_https_or_within_the_machine() {
    assert!(config(&[("STRIPE_ENDPOINT", "http://stripe.example.com")]).is_err());
    assert!(config(&[("STRIPE_ENDPOINT", "http://127.0.0.1:8420")]).is_ok());
    assert!(config(&[("STRIPE_SECRET_KEY", "")]).is_err());
    assert!(config(&[("STRIPE_PUBLISHABLE_KEY", "sk_test_12345")]).is_err(), "it is sent to customers");
    assert!(config(&[("STRIPE_PUBLISHABLE_KEY", " "), ("PAYMENT_RETURN_URL", "")]).is_ok());
    assert!(config(&[("PAYMENT_RETURN_URL", "http://shop.example/")]).is_err());
    assert!(config(&[("STRIPE_WEBHOOK_SECRETS", " , ")]).is_err());
}

#[test]
fn a_forged_or_stale_event_is_refused_before_it_is_read() {
    let stripe = Stripe::new(config(&[]).unwrap()).unwrap();
    let at = |second| Timestamp::from_second(second).unwrap();
    let [own, foreign] = ["whsec_test", "whsec_other"].map(|secret| Secrets::new([secret]).sign(b"{", at(1_000)));

    assert_eq!(stripe.event(&own, b"{", at(1_000)), Err(EventRefused::Malformed));
    assert_eq!(stripe.event(&foreign, b"{", at(1_000)), Err(EventRefused::Forged));
    assert_eq!(stripe.event(&own, b"{", at(1_301)), Err(EventRefused::Stale));
}
