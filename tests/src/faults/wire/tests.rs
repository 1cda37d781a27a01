use std::{collections::VecDeque, future::Future, time::Duration};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
    error::{ProvideErrorMetadata as _, SdkError},
    operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsOutput},
    types::{AttributeValue, KeysAndAttributes, Put, PutRequest, TransactWriteItem, WriteRequest},
};

use super::*;

const ORDER: &str = "018cc251-f400-7000-8000-000000000000";

/// Stands in for DynamoDB: records its requests and gives prepared answers, then `{}`.
#[derive(Debug, Clone, Default)]
struct Engine {
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
}

impl Engine {
    fn answering(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() }
    }

    fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().unwrap().clone()
    }

    fn client(&self, plan: &Plan, bug: Option<Bug>) -> Client {
        self.client_of(FaultyHttp::new(SharedHttpClient::new(self.clone()), plan.clone()), bug)
    }

    fn client_of(&self, http: FaultyHttp, bug: Option<Bug>) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .endpoint_url("http://localhost:1")
            .retry_config(RetryConfig::disabled())
            .http_client(http.with_bug(bug, Arc::default()).into_shared());
        Client::from_conf(config.build())
    }
}

impl HttpClient for Engine {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Engine {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = request.body().bytes().unwrap_or_default();
        let length = request.headers().get("content-length").map(str::to_owned);
        assert!(length.is_none_or(|length| length == body.len().to_string()));
        let operation = request.headers().get(TARGET).and_then(|t| t.strip_prefix(VERSION)).unwrap_or("S3");
        let body = serde_json::from_slice(body).unwrap_or_default();
        self.asked.lock().unwrap().push((operation.to_owned(), body));
        let (status, json) = self.answers.lock().unwrap().pop_front().unwrap_or((200, json!({})));
        HttpConnectorFuture::ready(Ok(Answer { status, json }.into_response()))
    }
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn item(pk: &str, sk: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([("PK".to_owned(), s(pk)), ("SK".to_owned(), s(sk))])
}

fn put_of(item: HashMap<String, AttributeValue>) -> TransactWriteItem {
    let put = Put::builder().table_name("Shop").set_item(Some(item)).condition_expression("attribute_not_exists(PK)");
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

/// A checkout without stock or cart: the order, then the record.
fn place() -> Vec<TransactWriteItem> {
    let mut order = item(&format!("ORDER#{ORDER}"), "STATUS");
    order.extend([
        ("customer".to_owned(), s("ann")),
        ("placedAt".to_owned(), s("2024-01-01T00:00:00.000Z")),
        ("total".to_owned(), AttributeValue::N("899".to_owned())),
        ("currency".to_owned(), s("USD")),
    ]);
    vec![put_of(order), put_of(item("IDEM#ann#k", "POST /orders"))]
}

fn transact(
    client: &Client,
    actions: Vec<TransactWriteItem>,
) -> impl Future<Output = Result<TransactWriteItemsOutput, SdkError<TransactWriteItemsError, HttpResponse>>> {
    client.transact_write_items().client_request_token("t").set_transact_items(Some(actions)).send()
}

fn codes(error: &SdkError<TransactWriteItemsError, HttpResponse>) -> Vec<String> {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        panic!("{error:?} is not a cancellation");
    };
    cancelled.cancellation_reasons().iter().map(|reason| reason.code().unwrap_or("?").to_owned()).collect()
}

async fn get(client: &Client, consistent: bool) -> Option<HashMap<String, AttributeValue>> {
    let call = client.get_item().table_name("Shop").set_key(Some(item("A", "B"))).consistent_read(consistent);
    call.send().await.unwrap().item
}

#[tokio::test]
async fn a_lost_call_is_a_timeout_or_a_broken_connection_whether_or_not_it_was_carried_out() {
    for (fault, carried_out) in [(Fault::DropBefore, 0), (Fault::LoseAnswer, 1)] {
        let engine = Engine::default();
        let client = engine.client(&Plan::at(0, fault), None);

        let error = client.put_item().table_name("Shop").set_item(Some(item("A", "B"))).send().await.unwrap_err();

        assert!(matches!(&error, SdkError::DispatchFailure(e) if e.is_timeout()), "{error:?}");
        assert_eq!(engine.asked().len(), carried_out, "{}", fault.name());
    }
    let client = Engine::default().client(&Plan::at(1, Fault::DropBefore), None);
    get(&client, true).await;
    let error = client.put_item().table_name("Shop").set_item(Some(item("A", "B"))).send().await.unwrap_err();
    assert!(matches!(&error, SdkError::DispatchFailure(e) if e.is_io()), "{error:?}");
}

#[tokio::test]
async fn a_server_error_is_one_to_the_sdk_whether_or_not_it_was_carried_out() {
    for (fault, carried_out) in [(Fault::ServerErrorBefore, 0), (Fault::ServerErrorAfter, 1)] {
        let engine = Engine::default();
        let client = engine.client(&Plan::at(0, fault), None);

        let error = transact(&client, place()).await.unwrap_err();

        assert_eq!(error.raw_response().unwrap().status().as_u16(), 500);
        assert!(matches!(error.as_service_error(), Some(TransactWriteItemsError::InternalServerError(_))));
        assert_eq!(engine.asked().len(), carried_out, "{}", fault.name());
    }
}

#[tokio::test]
async fn throttling_has_two_names() {
    let engine = Engine::default();
    let even = transact(&engine.client(&Plan::at(0, Fault::Throttle), None), place()).await.unwrap_err();
    let client = engine.client(&Plan::at(1, Fault::Throttle), None);
    transact(&client, place()).await.unwrap();
    let odd = transact(&client, place()).await.unwrap_err();

    let name = |error: &SdkError<TransactWriteItemsError, HttpResponse>| {
        error.as_service_error().and_then(|e| e.code()).unwrap_or_default().to_owned()
    };
    assert_eq!([name(&even), name(&odd)], ["ProvisionedThroughputExceededException", "ThrottlingException"]);
    assert_eq!(engine.asked().len(), 1, "what was throttled was not carried out");
}

#[tokio::test]
async fn a_retry_of_the_sdk_is_a_call_of_its_own() {
    let (engine, plan) = (Engine::default(), Plan::at(0, Fault::Throttle));
    let http = FaultyHttp::new(SharedHttpClient::new(engine.clone()), plan.clone());
    let client = engine.client_of(http, None);
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
    let client = Client::from_conf(client.config().to_builder().retry_config(retries).build());

    transact(&client, place()).await.unwrap();

    let log = plan.log().into_iter().map(|call| (call.what, call.fault)).collect::<Vec<_>>();
    let what = "TransactWriteItems".to_owned();
    assert_eq!(log, [(what.clone(), Some(Fault::Throttle)), (what, None)]);
}

#[tokio::test]
async fn a_conflict_names_some_actions_and_not_all() {
    for count in 1..=12 {
        for number in 0..4 {
            let engine = Engine::default();
            let client = engine.client(&Plan::at(number, Fault::Conflict), None);
            let actions = vec![put_of(item("A", "B")); count];
            for _ in 0..number {
                transact(&client, actions.clone()).await.unwrap();
            }

            let codes = codes(&transact(&client, actions).await.unwrap_err());

            let at_fault = codes.iter().filter(|code| *code == "TransactionConflict").count();
            assert!(codes.iter().all(|code| code == "TransactionConflict" || code == "None"));
            assert_eq!(codes.len(), count);
            assert!(at_fault >= 1 && (count == 1 || at_fault < count), "{codes:?}");
            assert_eq!(engine.asked().len(), number);
        }
    }
}

#[tokio::test]
async fn a_single_write_can_conflict_and_a_transaction_can_be_in_progress() {
    let client = Engine::default().client(&Plan::at(0, Fault::Conflict), None);
    let error = client.put_item().table_name("Shop").set_item(Some(item("A", "B"))).send().await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_transaction_conflict_exception());

    let client = Engine::default().client(&Plan::at(0, Fault::InProgress), None);
    let error = transact(&client, place()).await.unwrap_err();
    assert!(error.as_service_error().unwrap().is_transaction_in_progress_exception());
}

#[tokio::test]
async fn a_stale_read_repeats_an_earlier_answer_and_a_consistent_one_never_does() {
    let version = |n: u32| (200, json!({"Item": {"v": {"N": n.to_string()}}}));
    let engine = Engine::answering([version(1), version(2), version(3), version(4), version(5)]);
    let plan = Plan::at(3, Fault::Stale);
    let client = engine.client(&plan, None);
    let read = async |consistent| get(&client, consistent).await.unwrap()["v"].as_n().unwrap().clone();

    let answers = [read(false).await, read(true).await, read(false).await, read(false).await, read(false).await];

    assert_eq!(answers, ["1", "2", "3", "1", "4"]);
    assert_eq!(plan.injected(), [(Fault::Stale, 1)].into());

    let (engine, plan) = (Engine::default(), Plan::at(1, Fault::Stale));
    let client = engine.client(&plan, None);
    get(&client, true).await;
    get(&client, true).await;
    assert!(plan.injected().is_empty(), "a consistent read is not stale");
}

#[tokio::test]
async fn a_stale_index_that_was_never_read_is_empty_and_a_table_is_not() {
    let found = json!({"Items": [{"PK": {"S": "A"}}], "Count": 1, "ScannedCount": 1});
    for (index, expected) in [(Some("due-index"), 0), (None, 1)] {
        let engine = Engine::answering([(200, found.clone())]);
        let plan = Plan::at(0, Fault::Stale);
        let query = engine.client(&plan, None).query().table_name("Shop").key_condition_expression("PK = :pk");
        let query = query.expression_attribute_values(":pk", s("A")).set_index_name(index.map(str::to_owned));

        assert_eq!(query.send().await.unwrap().items().len(), expected);
        assert_eq!(plan.injected().len(), 1 - expected);
    }
}

#[tokio::test]
async fn two_spellings_of_one_request_are_the_same_request() {
    let engine = Engine::answering([(200, json!({"Item": {"v": {"N": "1"}}})), (200, json!({}))]);
    let earlier = EarlierAnswers::default();
    let http = |plan: Plan| FaultyHttp::new(SharedHttpClient::new(engine.clone()), plan).remembering(earlier.clone());
    // The SDK writes maps in no order: sixteen requests for one key would differ if their text was compared.
    get(&engine.client_of(http(Plan::none()), None), false).await;
    for _ in 0..16 {
        let plan = Plan::at(0, Fault::Stale);

        let answer = get(&engine.client_of(http(plan.clone()), None), false).await;

        assert!(answer.is_some() && plan.injected().len() == 1);
    }
}

#[tokio::test]
async fn half_of_a_batch_is_written_and_the_rest_is_handed_back() {
    for (count, written) in [(1, 0), (2, 1), (3, 1), (25, 12)] {
        let engine = Engine::default();
        let put = |n: usize| PutRequest::builder().set_item(Some(item("A", &n.to_string()))).build().unwrap();
        let writes: Vec<_> = (0..count).map(|n| WriteRequest::builder().put_request(put(n)).build()).collect();

        let client = engine.client(&Plan::at(0, Fault::Unprocessed), None);
        let answer = client.batch_write_item().request_items("Shop", writes.clone()).send().await.unwrap();

        let sent = engine.asked().first().map_or(0, |(_, body)| body["RequestItems"]["Shop"].as_array().unwrap().len());
        assert_eq!(sent, written);
        assert_eq!(answer.unprocessed_items().unwrap()["Shop"], writes[written..]);
    }
}

#[tokio::test]
async fn half_of_the_keys_are_read_and_the_rest_is_handed_back_as_it_was_asked() {
    for (count, read) in [(1, 0), (2, 1), (5, 2)] {
        let found = json!({"Responses": {"Shop": [{"PK": {"S": "A"}}]}, "UnprocessedKeys": {}});
        let engine = Engine::answering([(200, found)]);
        let keys = (0..count).map(|n| item("A", &n.to_string())).collect();
        let asked = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build().unwrap();

        let client = engine.client(&Plan::at(0, Fault::Unprocessed), None);
        let answer = client.batch_get_item().request_items("Shop", asked.clone()).send().await.unwrap();

        let left = &answer.unprocessed_keys().unwrap()["Shop"];
        assert_eq!((left.keys(), left.consistent_read()), (&asked.keys()[read..], Some(true)));
        assert_eq!((engine.asked().len(), answer.responses().map_or(0, HashMap::len)), (read.min(1), read.min(1)));
    }
}

#[tokio::test]
async fn a_crash_leaves_the_request_hanging_until_it_is_dropped() {
    for (fault, carried_out) in [(Fault::CrashBefore, 0), (Fault::CrashAfter, 1)] {
        let (engine, plan) = (Engine::default(), Plan::at(0, fault));
        let client = engine.client(&plan, None);

        let died = tokio::select! {
            _ = transact(&client, place()) => false,
            () = plan.crashed() => true,
        };

        assert!(died);
        assert_eq!(engine.asked().len(), carried_out);
    }
}

#[tokio::test]
async fn requests_to_s3_are_calls_too() {
    let (engine, plan) = (Engine::default(), Plan::at(1, Fault::ServerErrorAfter));
    let wire = FaultyHttp::new(SharedHttpClient::new(engine.clone()), plan.clone()).wire;
    let inner = SharedHttpConnector::new(engine.clone());
    let mut put = HttpRequest::empty();
    put.set_method("PUT").unwrap();

    let read = wire.carry_s3(&inner, HttpRequest::empty()).await.unwrap();
    let written = wire.carry_s3(&inner, put).await.unwrap();

    assert_eq!((read.status().as_u16(), written.status().as_u16()), (200, 500));
    assert_eq!(engine.asked().len(), 2);
    assert_eq!(plan.log().into_iter().map(|call| call.what).collect::<Vec<_>>(), ["S3 GET", "S3 PUT"]);
}

#[tokio::test]
async fn an_action_removed_by_a_bug_does_not_shift_the_indexes() {
    let cancelled = Answer::cancelled(vec![bugs::condition_failed(None)]);
    let engine = Engine::answering([(200, json!({})), (400, cancelled.json)]);
    let plan = Plan::none();
    let client = engine.client(&plan, Some(Bug::IdempotencyRecordBeforeTheOrder));

    let error = transact(&client, place()).await.unwrap_err();

    assert_eq!(codes(&error), ["ConditionalCheckFailed", "None"]);
    let asked: Vec<_> = engine.asked().into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(asked, ["PutItem", "TransactWriteItems"]);
    assert_eq!((plan.calls(), plan.bug_actions()), (1, 1));
}

#[tokio::test]
async fn an_existing_record_ends_the_checkout_with_its_outcome() {
    let mut failed = Answer::error(400, "ConditionalCheckFailedException", "The conditional request failed");
    failed.json["Item"] = json!({"outcome": {"S": "earlier"}});
    let engine = Engine::answering([(400, failed.json)]);
    let client = engine.client(&Plan::none(), Some(Bug::IdempotencyRecordBeforeTheOrder));

    let error = transact(&client, place()).await.unwrap_err();

    assert_eq!(
        (codes(&error).as_slice(), engine.asked().len()),
        (&["None", "ConditionalCheckFailed"].map(String::from)[..], 1)
    );
    let Some(TransactWriteItemsError::TransactionCanceledException(e)) = error.as_service_error() else {
        panic!("it is a cancellation");
    };
    assert_eq!(e.cancellation_reasons()[1].item().unwrap()["outcome"], s("earlier"));
    assert!(e.message().unwrap().ends_with("for specific reasons [None, ConditionalCheckFailed]"));
}

#[tokio::test]
async fn a_bugs_own_request_is_sent_even_if_the_transaction_never_arrives() {
    let (engine, ledger) = (Engine::default(), Arc::new(LocalPayments::default()));
    let http = |bug| {
        let plan = Plan::at(0, Fault::DropBefore);
        let http = FaultyHttp::new(SharedHttpClient::new(engine.clone()), plan);
        http.with_bug(Some(bug), ledger.clone())
    };
    let client = |bug| {
        let config = engine.client(&Plan::none(), None).config().to_builder();
        Client::from_conf(config.http_client(http(bug).into_shared()).build())
    };

    transact(&client(Bug::ProjectionsBeforeCommit), place()).await.unwrap_err();
    transact(&client(Bug::ChargedBeforeCommit), place()).await.unwrap_err();

    let asked = engine.asked();
    assert_eq!((asked.len(), asked[0].0.as_str()), (1, "PutItem"));
    assert_eq!(asked[0].1["Item"]["SK"]["S"], format!("ORDER#2024-01-01#{ORDER}"));
    assert_eq!((ledger.entries().len(), ledger.entries()[0].amount), (1, 899));
}

#[tokio::test]
async fn an_injected_conflict_too_looks_like_a_lack_of_stock_with_the_bug() {
    let plan = Plan::at(0, Fault::Conflict);
    let client = Engine::default().client(&plan, Some(Bug::EveryCancellationIsOutOfStock));

    let error = transact(&client, place()).await.unwrap_err();

    assert_eq!(codes(&error), ["ConditionalCheckFailed", "None"]);
    assert_eq!(plan.bug_actions(), 1);
}
