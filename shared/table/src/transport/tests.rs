//! Against a server with real sockets: a fake would not show what an SDK client does with connections.

use std::{
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use aws_smithy_runtime_api::http::StatusCode;
use domain::{CustomerName, ProductId, UserId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{Endpoints, Place, StoreError, Table, TableConfig, Timeouts};

/// Answers every request with `{}`, and closes no connection by itself.
struct Server {
    endpoint: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: fn(usize) -> (StatusCode, &'static str)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let server = Self { endpoint, connections: connections.clone(), requests: requests.clone() };
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let requests = requests.clone();
                tokio::spawn(async move {
                    let mut buffer = vec![0; 64 * 1024];
                    // A request of a test arrives in one piece.
                    while let Ok(read @ 1..) = socket.read(&mut buffer).await {
                        let before = {
                            let mut requests = requests.lock().unwrap();
                            requests.push(String::from_utf8_lossy(&buffer[..read]).into_owned());
                            requests.len() - 1
                        };
                        let (status, body) = answer(before);
                        let head = format!("HTTP/1.1 {} Status\r\ncontent-length: {}\r\n", status.as_u16(), body.len());
                        let _ = socket.write_all(format!("{head}\r\n{body}").as_bytes()).await;
                    }
                });
            }
        });
        server
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn done(_: usize) -> (StatusCode, &'static str) {
    (StatusCode::try_from(200).unwrap(), "{}")
}

/// A table at an endpoint, on a wall clock of its own.
async fn table_at(endpoint: &str, clock: &Arc<AtomicI64>) -> Table {
    config_at(endpoint, clock).table()
}

fn config_at(endpoint: &str, clock: &Arc<AtomicI64>) -> TableConfig {
    let clock = clock.clone();
    let now = move || Timestamp::from_second(clock.load(Ordering::SeqCst)).unwrap();
    TableConfig {
        tables: crate::TableNames::one("Test"),
        bucket: "test".to_owned(),
        place: Place::Local(Endpoints { dynamodb: endpoint.to_owned(), s3: endpoint.to_owned() }),
        timeouts: Timeouts { write_total: Duration::from_secs(20), ..Timeouts::LAMBDA },
        transport: Transport::new(http_client_idle, now),
    }
}

async fn write(table: &Table) -> Result<bool, StoreError> {
    let ann: UserId = "ann".parse().unwrap();
    table.customer_rename(&ann, &CustomerName::parse("Ann").unwrap()).await
}

#[tokio::test]
async fn a_write_does_not_use_a_connection_that_was_idle_for_long_by_the_wall_clock() {
    let (server, clock) = (Server::start(done).await, Arc::new(AtomicI64::new(1_000)));
    let table = table_at(&server.endpoint, &clock).await;

    write(&table).await.unwrap();
    clock.fetch_add(4, Ordering::SeqCst);
    write(&table).await.unwrap();
    let at_work = server.connections();
    // As if frozen in between: no monotonic clock has advanced.
    clock.fetch_add(60, Ordering::SeqCst);
    write(&table).await.unwrap();
    let after_a_pause = server.connections();
    clock.fetch_sub(3_600, Ordering::SeqCst);
    write(&table).await.unwrap();

    assert_eq!((at_work, after_a_pause, server.connections()), (1, 2, 3));
}

/// The second of two connections is idle while the first one is used.
#[tokio::test]
async fn no_connection_for_writes_is_kept_idle_because_others_are_used() {
    let server = Server::start(done).await;
    let client = http_client_idle(Duration::from_millis(200));
    let config = TableConfig { transport: client.into(), ..config_at(&server.endpoint, &Arc::default()) };
    let table = config.table();

    let (one, other) = tokio::join!(write(&table), write(&table));
    let at_once = server.connections();
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        write(&table).await.unwrap();
    }
    let (again, another) = tokio::join!(write(&table), write(&table));

    assert!(one.is_ok() && other.is_ok() && again.is_ok() && another.is_ok());
    assert_eq!((at_once, server.connections()), (2, 3));
}

#[tokio::test]
async fn a_write_without_a_connection_is_retried_and_is_known_not_to_have_happened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let table = table_at(&endpoint, &Arc::default()).await;

    let refused = write(&table).await;

    assert!(matches!(refused, Err(StoreError::Busy(_))), "{refused:?}");
}

#[tokio::test]
async fn a_write_that_conflicts_with_a_transaction_is_sent_again() {
    const CONFLICT: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionConflictException","message":"Transaction is ongoing for the item"}"#;
    let twice_in_conflict = |request| match request {
        0 | 1 => (StatusCode::try_from(400).unwrap(), CONFLICT),
        _ => done(request),
    };
    let (server, clock) = (Server::start(twice_in_conflict).await, Arc::default());
    let table = table_at(&server.endpoint, &clock).await;

    assert!(write(&table).await.unwrap());

    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn connections_opened_at_the_start_serve_the_first_requests() {
    type Probe = for<'t> fn(&'t Table) -> futures::future::BoxFuture<'t, Result<(), StoreError>>;
    let probes: [Probe; 2] = [|table| Box::pin(table.product_probe()), |table| Box::pin(table.session_probe())];
    for probe in probes {
        let (server, clock) = (Server::start(done).await, Arc::default());
        let table = table_at(&server.endpoint, &clock).await;

        let (probed, ()) = tokio::join!(probe(&table), table.open_write_connection());
        let (opened, requests) = (server.connections(), server.requests());
        let read = table.customer_get(&"ann".parse().unwrap()).await;
        write(&table).await.unwrap();

        assert!(probed.is_ok() && read.is_ok(), "{probed:?} {read:?}");
        assert_eq!((opened, requests.len()), (2, 2));
        assert_eq!(server.connections(), opened, "the first read and the first write opened a new connection");
        let unsigned = requests.iter().find(|request| request.starts_with("GET / "));
        assert!(unsigned.is_some_and(|request| !request.contains("x-amz-target")), "{requests:?}");
        let read = requests.iter().find(|request| request.contains("x-amz-target"));
        assert!(read.is_some_and(|request| request.contains("authorization: ")), "{requests:?}");
        assert!(read.is_some_and(|request| !request.contains("\"ConsistentRead\":true")), "{requests:?}");
    }
}

#[test]
fn a_read_has_time_to_connect_twice() {
    let Timeouts { read_attempt, read_total, .. } = Timeouts::LAMBDA;

    assert!(read_attempt >= Duration::from_secs(1));
    assert!(read_total >= 2 * read_attempt);
}

/// DynamoDB completes a stuck transaction at the first attempt that comes 5 seconds after it.
#[tokio::test]
async fn a_transaction_in_progress_is_retried_under_its_token_until_dynamodb_completes_it() {
    const IN_PROGRESS: &str =
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionInProgressException","Message":"in progress"}"#;
    static FIRST: OnceLock<Instant> = OnceLock::new();
    let completed_after_5_seconds = |request| match FIRST.get_or_init(Instant::now).elapsed() < Duration::from_secs(5) {
        true => (StatusCode::try_from(400).unwrap(), IN_PROGRESS),
        false => done(request),
    };
    let (server, clock) = (Server::start(completed_after_5_seconds).await, Arc::default());
    let table = table_at(&server.endpoint, &clock).await;
    let mug: ProductId = "mug".parse().unwrap();

    let corrected = table.stock_correct(&mug, 3, 1, uuid::Uuid::nil()).await;

    assert!(corrected.unwrap());
    let token = |request: &String| {
        let (_, after) = request.split_once("ClientRequestToken\":\"").unwrap();
        after[..36].to_owned()
    };
    let tokens: Vec<_> = server.requests().iter().map(token).collect();
    assert!(tokens.len() > 2 && tokens.iter().all(|token| *token == tokens[0]), "{tokens:?}");
}

/// Repeating a request that the role does not allow is useless.
#[tokio::test]
async fn a_missing_permission_is_not_reported_as_a_busy_table() {
    const DENIED: &str = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"User is not authorized to perform: dynamodb:UpdateItem"}"#;
    let denied = |_| (StatusCode::try_from(400).unwrap(), DENIED);
    let (server, clock) = (Server::start(denied).await, Arc::default());
    let table = table_at(&server.endpoint, &clock).await;

    let (written, read) = (write(&table).await, table.customer_get(&"ann".parse().unwrap()).await);

    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    assert_eq!(server.requests().len(), 2);
}

const THROTTLED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"Throughput exceeds the current capacity"}"#;

/// It would be said that nothing was done.
#[tokio::test]
async fn a_transaction_whose_answer_was_lost_is_in_doubt_whatever_is_answered_afterwards() {
    let lost_then_throttled = |request| match request {
        0 => (StatusCode::try_from(500).unwrap(), "{}"),
        _ => (StatusCode::try_from(400).unwrap(), THROTTLED),
    };
    let (server, clock) = (Server::start(lost_then_throttled).await, Arc::default());
    let table = table_at(&server.endpoint, &clock).await;

    let corrected = table.stock_correct(&"mug".parse().unwrap(), 3, 1, uuid::Uuid::nil()).await;

    assert!(matches!(corrected, Err(StoreError::OutcomeUnknown(_))), "{corrected:?}");
}

#[tokio::test]
async fn a_transaction_whose_answer_was_lost_is_sent_again_under_its_token() {
    let lost_once = |request| match request {
        0 => (StatusCode::try_from(500).unwrap(), "{}"),
        _ => done(request),
    };
    let (server, clock) = (Server::start(lost_once).await, Arc::default());
    let table = table_at(&server.endpoint, &clock).await;

    let corrected = table.stock_correct(&"mug".parse().unwrap(), 3, 1, uuid::Uuid::nil()).await;

    assert!(corrected.unwrap());
    let requests = server.requests();
    let token = |request: &str| request.split_once("ClientRequestToken\":\"").unwrap().1[..36].to_owned();
    assert_eq!((requests.len(), token(&requests[0])), (2, token(&requests[1])));
}

/// An address that accepts no connection in time.
#[tokio::test]
async fn a_write_that_found_no_connection_in_time_is_known_not_to_have_happened() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let config = TableConfig {
        timeouts: Timeouts { write_attempt: Duration::from_millis(150), ..Timeouts::LAMBDA },
        ..config_at(&endpoint, &Arc::default())
    };

    let never_sent = write(&config.table()).await;

    assert!(matches!(never_sent, Err(StoreError::Busy(_))), "{never_sent:?}");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_not_sent_again() {
    let failing = |_| (StatusCode::try_from(500).unwrap(), "{}");
    let (server, clock) = (Server::start(failing).await, Arc::default());
    let table = table_at(&server.endpoint, &clock).await;

    let lost = write(&table).await;

    assert!(matches!(lost, Err(StoreError::OutcomeUnknown(_))), "{lost:?}");
    assert_eq!(server.requests().len(), 1);
}
