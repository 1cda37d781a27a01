//! Connections of the local gateway: slow ones, many at once, and those of requests answered before they were read.

use std::time::Duration;

use e2e::Shop;
use futures::future::join_all;
use local::ConnectionLimits;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// A client that speaks HTTP by hand.
struct Wire(BufReader<TcpStream>);

/// Status, the headers in lower case, and the body.
#[derive(Debug)]
struct Answered {
    status: u16,
    headers: String,
    body: String,
}

impl Answered {
    fn announces_the_end(&self) -> bool {
        self.headers.contains("connection: close")
    }
}

impl Wire {
    async fn to(shop: &Shop) -> Self {
        Self(BufReader::new(TcpStream::connect(shop.stack.gateway).await.unwrap()))
    }

    async fn says(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    /// `None` if the other side closed instead.
    async fn answer(&mut self) -> Option<Answered> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            self.0.read_line(&mut head).await.ok().filter(|bytes| *bytes > 0)?;
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let headers = head.to_lowercase();
        let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await.ok()?;
        Some(Answered { status, headers, body: String::from_utf8(body).unwrap() })
    }

    /// Whether the other side has closed, or does so without another byte.
    async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.is_err() || rest.is_empty()
    }
}

fn post(path: &str, headers: &str, bytes: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {bytes}\r\n{headers}\r\n"
    )
}

async fn shop_with(limits: ConnectionLimits) -> Shop {
    Shop::open_with(|o| o.connections = limits).await
}

#[tokio::test]
async fn an_early_refusal_leaves_the_connection_usable_or_says_that_it_ends() {
    let shop = Shop::open().await;
    let mut wire = Wire::to(&shop).await;
    let mut connections = 1;

    for i in 0..60 {
        // Refused for its headers, for its session, for its type or as too large, before its body was looked at.
        let (path, headers, bytes) = match i % 4 {
            0 => ("/cart/items", "", 30_000),
            1 => ("/orders", "authorization: Bearer no.such.token\r\n", 70_000),
            2 => ("/nothing/here", "", 200_000),
            _ => ("/sessions", "x-filler: 1\r\nhost: localhost\r\n", 100),
        };
        wire.says(&post(path, headers, bytes)).await;
        wire.says(&"x".repeat(bytes)).await;
        let answered = wire.answer().await.unwrap_or_else(|| panic!("request {i} found the connection closed"));
        assert!((400..500).contains(&answered.status), "{answered:?}");
        if answered.announces_the_end() {
            wire = Wire::to(&shop).await;
            connections += 1;
        }
    }

    assert_eq!(connections, 1, "all of it is small enough to be read");
}

#[tokio::test]
async fn a_body_that_is_too_large_or_never_sent_ends_the_connection_and_the_answer_says_so() {
    let shop = Shop::open().await;
    let (mut huge, mut waiting, mut stuck) = (Wire::to(&shop).await, Wire::to(&shop).await, Wire::to(&shop).await);

    huge.says(&post("/cart/items", "", 11 * 1024 * 1024)).await;
    waiting.says(&post("/cart/items", "expect: 100-continue\r\n", 100)).await;
    stuck.says(&post("/cart/items", "", 100)).await;

    for wire in [&mut huge, &mut waiting, &mut stuck] {
        let answered = wire.answer().await.unwrap();
        assert_eq!((answered.status, answered.announces_the_end()), (401, true), "{answered:?}");
        assert!(wire.is_closed().await);
    }
}

#[tokio::test]
async fn three_hundred_slow_clients_do_not_block_others_and_are_disconnected() {
    let shop = shop_with(ConnectionLimits { head: Duration::from_millis(500), ..ConnectionLimits::default() }).await;
    let slow = join_all((0..300).map(async |_| {
        let mut wire = Wire::to(&shop).await;
        wire.says("GET /healthz HTTP/1.1\r\nhost: local").await;
        wire
    }))
    .await;

    let answers = join_all((0..20).map(|_| async { shop.stranger().get("/healthz").await.status() })).await;
    let mut ends = slow;
    let closed = join_all(ends.iter_mut().map(async |wire| wire.answer().await.is_none_or(|a| a.status == 408))).await;

    assert_eq!(answers, [200; 20]);
    assert!(closed.into_iter().all(|closed| closed));
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_answered_and_ends_the_connection() {
    let shop = shop_with(ConnectionLimits { body: Duration::from_millis(300), ..ConnectionLimits::default() }).await;
    let mut wire = Wire::to(&shop).await;

    wire.says(&post("/sessions", "", 100)).await;
    wire.says("{\"email\":").await;
    let answered = wire.answer().await.unwrap();

    assert_eq!((answered.status, answered.announces_the_end()), (400, true), "{answered:?}");
    assert!(answered.body.contains("body_unreadable"), "{answered:?}");
    assert!(wire.is_closed().await);
}

#[tokio::test]
async fn one_connection_too_many_is_answered_503_and_accepted_once_another_ends() {
    let shop = shop_with(ConnectionLimits { most: 3, ..ConnectionLimits::default() }).await;
    let get = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut wire = Wire::to(&shop).await;
        wire.says(get).await;
        assert_eq!(wire.answer().await.unwrap().status, 200);
        held.push(wire);
    }

    let mut fourth = Wire::to(&shop).await;
    fourth.says(get).await;
    let refused = fourth.answer().await.unwrap();
    let mut kept = held.pop().unwrap();
    kept.says(get).await;
    let still = kept.answer().await.unwrap();
    kept.says("GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await;
    let last = kept.answer().await.unwrap();
    assert!(kept.is_closed().await);
    let room = loop {
        let mut next = Wire::to(&shop).await;
        next.says(get).await;
        // The slot is released a moment after the connection closes.
        match next.answer().await {
            Some(answered) if answered.status == 200 => break answered,
            Some(_) | None => tokio::task::yield_now().await,
        }
    };

    assert_eq!((refused.status, refused.announces_the_end()), (503, true), "{refused:?}");
    assert!(refused.body.contains("\"code\":\"busy\"") && refused.headers.contains("retry-after"), "{refused:?}");
    assert_eq!((still.status, last.status, room.status), (200, 200, 200));
}
