//! What a cluster may answer, from a peer that answers whatever a test says.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_smithy_async::{
    rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep},
    time::{SharedTimeSource, SystemTimeSource},
};
use aws_smithy_runtime_api::{
    client::{
        behavior_version::BehaviorVersion,
        http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use opensearch::{Endpoint, OpenSearch};
use proptest::prelude::*;
use search::{Change, Filters, Language, Query, QueryText, Rules, SearchEngine as _, SuggestQuery};
use serde_json::{Value, json};

/// A status and a body.
type Answer = (u16, Vec<u8>);

/// Answers in this order, and then the last one again and again.
#[derive(Debug, Clone)]
struct Peer {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    sent: Arc<Mutex<Vec<String>>>,
    pauses: Arc<Mutex<Vec<Duration>>>,
}

impl HttpConnector for Peer {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        self.sent.lock().unwrap().push(format!("{} {} {body}", request.method(), request.uri()));
        let mut answers = self.answers.lock().unwrap();
        let (status, body) = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
        HttpConnectorFuture::ready(Ok(HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body))))
    }
}

/// Does not wait, except for timeouts, which never come.
impl AsyncSleep for Peer {
    fn sleep(&self, duration: Duration) -> Sleep {
        const TIMEOUTS: [u64; 4] = [2, 5, 30, 90];
        if TIMEOUTS.map(Duration::from_secs).contains(&duration) {
            return Sleep::new(std::future::pending());
        }
        self.pauses.lock().unwrap().push(duration);
        Sleep::new(std::future::ready(()))
    }
}

impl Peer {
    fn new<B: Into<Vec<u8>>>(answers: impl IntoIterator<Item = (u16, B)>) -> Self {
        let answers = answers.into_iter().map(|(status, body)| (status, body.into())).collect();
        Self { answers: Arc::new(Mutex::new(answers)), sent: Arc::default(), pauses: Arc::default() }
    }

    fn engine(&self) -> OpenSearch {
        let peer = self.clone();
        let http: SharedHttpClient = http_client_fn(move |_, _| SharedHttpConnector::new(peer.clone()));
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(http)
            .sleep_impl(SharedAsyncSleep::new(self.clone()))
            .time_source(SharedTimeSource::new(SystemTimeSource::new()))
            .build();
        let endpoint = Endpoint::parse("http://localhost:9200").unwrap();
        OpenSearch::new(&config, &endpoint, "products".parse().unwrap(), Language::English).unwrap()
    }
}

fn query() -> Query {
    let mut filters = Filters { in_stock: true, ..Filters::default() };
    filters.attributes.insert("colour".to_owned(), vec!["red".to_owned()]);
    Query { text: QueryText::parse("lamp"), filters, limit: 1, correct: true, ..Query::default() }
}

/// The answer to a search, with something in every part of it.
fn found() -> Value {
    let hit = json!({
        "_id": "lamp",
        "_source": {
            "id": "lamp", "name": "Lamp", "manufacturer": "Acme", "categories": ["Light"],
            "price": 100, "currency": "EUR",
            "thumbnail": null, "sold_out": false, "average_tenths": 45, "reviews": 3,
            "created_at": "2026-01-01T00:00:00Z", "version": 1,
        },
        "highlight": {"name": ["\u{e000}Lamp\u{e001}"]},
        "sort": [1.5, "lamp"],
    });
    let counts = |keys: [&str; 2]| {
        let buckets = keys.map(|key| json!({"key": key, "doc_count": 1}));
        json!({"doc_count": 2, "values": {"buckets": buckets}})
    };
    json!({
        "timed_out": false,
        "_shards": {"failed": 0},
        "hits": {"total": {"value": 2}, "hits": [hit, hit]},
        "aggregations": {
            "matching": {"doc_count": 2},
            "categories": counts(["Light", "Light/Desk"]),
            "manufacturers": counts(["Acme", "Borealis"]),
            "prices": counts(["0", "100"]),
            "in_stock": {"doc_count": 2, "values": {"doc_count": 2}},
            "rating": counts(["4", "3"]),
            "attribute_names": counts(["colour", "size"]),
            "attributes": counts(["size\u{1f}1", "size\u{1f}2"]),
            "chosen 0": counts(["colour\u{1f}red", "colour\u{1f}blue"]),
        },
        "suggest": {"words": [{"offset": 0, "length": 4, "options": [{"text": "lamps"}]}]},
    })
}

/// What an alias names.
const ALIAS: &str = r#"{"products-1": {"aliases": {"products": {}}}}"#;

#[tokio::test]
async fn an_answer_is_read_in_all_its_parts() {
    let engine = Peer::new([(200, found().to_string())]).engine();

    let found = engine.search(&query(), &Rules::default()).await.unwrap();

    assert_eq!((found.total, found.hits.len(), found.corrected), (2, 1, None));
    assert_eq!(found.hits[0].highlights.first(), Some(&(0..4)));
    assert_eq!(found.next.unwrap().id, "lamp");
    assert_eq!(found.facets.categories[0].below[0].path.to_string(), "Light/Desk");
    assert_eq!((found.facets.in_stock, found.facets.prices.len(), found.facets.rating.len()), (2, 2, 2));
    assert_eq!(found.facets.attributes[0].values.len(), 2);
}

#[tokio::test]
async fn an_answer_of_a_part_of_the_index_is_an_error() {
    for (pointer, value) in [("/timed_out", json!(true)), ("/_shards/failed", json!(1))] {
        let mut answer = found();
        *answer.pointer_mut(pointer).unwrap() = value;
        let engine = Peer::new([(200, answer.to_string())]).engine();

        assert!(engine.search(&query(), &Rules::default()).await.is_err(), "{pointer}");
    }
}

#[tokio::test]
async fn changes_that_are_put_off_are_sent_again_and_no_others() {
    let items = |statuses: [u16; 2]| {
        let items = statuses.map(|status| json!({"delete": {"status": status}}));
        json!({"items": items}).to_string()
    };
    let last = json!({"items": [{"delete": {"status": 200}}]}).to_string();
    let peer = Peer::new([
        (200, ALIAS.to_owned()),
        (200, items([200, 429])),
        (200, json!({"items": [{"delete": {"status": 503}}]}).to_string()),
        (200, last),
    ]);
    let deleted = |id: &str| (Change::Delete(id.parse().unwrap()), 7);

    let applied = peer.engine().apply([deleted("a"), deleted("b")]).await.unwrap();

    assert_eq!((applied.changed, applied.outdated, applied.refused.len()), (2, 0, 0));
    let sent = peer.sent.lock().unwrap();
    assert_eq!(sent.len(), 4);
    let sent = &sent[1..];
    assert!(sent[0].starts_with("POST http://localhost:9200/products/_bulk?require_alias=true"));
    assert!(
        sent[0].contains(r#""_id":"a""#) && !sent[1].contains(r#""_id":"a""#) && sent[2].contains(r#""version":7"#)
    );
    assert_eq!(*peer.pauses.lock().unwrap(), [200, 400].map(Duration::from_millis));
}

#[tokio::test]
async fn a_cluster_that_stays_busy_is_an_error_in_the_end() {
    let busy = json!({"items": [{"delete": {"status": 429}}]}).to_string();
    let peer = Peer::new([(200, ALIAS.to_owned()), (200, busy)]);

    let error = peer.engine().apply([(Change::Delete("a".parse().unwrap()), 1)]).await.unwrap_err();

    assert_eq!(error.context, "OpenSearch has no capacity for changes");
    assert_eq!(peer.sent.lock().unwrap().len(), 1 + 6);
}

#[tokio::test]
async fn a_whole_request_that_is_put_off_is_sent_again() {
    let peer = Peer::new([(429, "{}".to_owned()), (200, found().to_string())]);

    peer.engine().search(&query(), &Rules::default()).await.unwrap();

    assert_eq!(peer.sent.lock().unwrap().len(), 2);
}

/// Everything that an answer is read for.
fn ask_everything(status: u16, answer: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let engine = Peer::new([(status, answer)]).engine();
        let _ = engine.search(&query(), &Rules::default()).await;
        let _ = engine.search(&Query { text: None, limit: 0, ..query() }, &Rules::default()).await;
        let text = QueryText::parse("la").unwrap();
        let _ = engine.suggest(&SuggestQuery { text, limit: 10 }).await;
        let _ = engine.apply([(Change::Delete("a".parse().unwrap()), u64::MAX)]).await;
        let index = engine.begin_rebuild().await;
        if let Ok(index) = index {
            let _ = engine.finish_rebuild(&index).await;
        }
        let _ = (engine.count().await, engine.refresh().await, engine.current().await);
    });
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map("[a-z_]{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// All places in a value.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(nth, value)| pointers(value, &format!("{at}/{nth}"), all))
        }
        Value::Object(map) => {
            map.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{}", escaped(key)), all))
        }
        _ => (),
    }
}

proptest! {
    #[test]
    fn no_answer_is_a_panic(status in prop_oneof![Just(200_u16), Just(404), 100..600_u16], answer: Vec<u8>) {
        ask_everything(status, &answer);
    }

    #[test]
    fn no_json_is_a_panic(answer in any_json()) {
        ask_everything(200, answer.to_string().as_bytes());
    }

    #[test]
    fn an_answer_with_anything_in_one_place_is_no_panic(place: prop::sample::Index, other in any_json()) {
        let bulk = json!({"items": [{"delete": {"status": 400, "error": {"type": "a", "reason": "b"}}}]});
        for mut answer in [found(), bulk, json!({"acknowledged": true, "count": 1, "products-1": {"aliases": {}}})] {
            let mut all = Vec::new();
            pointers(&answer, "", &mut all);
            *answer.pointer_mut(&all[place.index(all.len())]).unwrap() = other.clone();
            ask_everything(200, answer.to_string().as_bytes());
        }
    }
}
