//! The test harness: a whole shop for each test, on the embedded engine, reached over HTTP.
//!
//! With `TEST_DYNAMODB_ENDPOINT` set, shops use tables of their own on that engine instead, such as Amazon's DynamoDB
//! Local. With `TEST_TABLES=split` each kind of data has a table of its own.

mod answer;
pub mod contention;
mod dump;
pub mod faults;
pub mod indexing;
pub mod model;
pub mod partition;
pub mod patterns;
mod product;
mod recorder;
mod shopper;
pub mod streams;
mod tables;

use std::sync::atomic::{AtomicU32, Ordering};

use api::Policy;
use domain::{AccountAction, AccountLink, Currency, Email, Password, ProductId, Timestamp};
use futures::{StreamExt as _, stream};
use indexer::IndexReport;
use links::{Link, LinkKeys, Purpose};
use local::{AdminAccount, Stack, StackOptions, Streams};
use runtime::Clock;
use sweeper::SweepReport;
use table::Transport;
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

pub use answer::{Answer, Cost};
pub use product::ProductBuilder;
pub use shopper::{Shopper, home, with};

pub const ADMIN_EMAIL: &str = "admin@shop.example";
pub const ADMIN_PASSWORD: &str = "harbour-lantern-42";
pub const PASSWORD: &str = "correct horse battery";

/// The keys of the links in mails.
const LINK_KEY: [u8; 32] = [3; 32];
const ORDER_LINK_KEY: [u8; 32] = [4; 32];

/// A shop with an engine, an S3 and a clock of its own.
pub struct Shop {
    pub stack: Stack,
    pub clock: Clock,
    http: reqwest::Client,
    shoppers: AtomicU32,
}

impl Shop {
    pub async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    /// A shop with other options: `change` gets the default ones.
    pub async fn open_with(change: impl FnOnce(&mut StackOptions)) -> Self {
        // Errors inside the shop are logged in the output of its test; any test may be the first to set this up.
        // The SDK logs an error about its connections for every injected fault.
        let shown = Targets::new().with_default(LevelFilter::ERROR).with_target("aws_smithy_runtime", LevelFilter::OFF);
        let lines = tracing_subscriber::fmt::layer().with_test_writer().with_filter(shown);
        let _ = tracing_subscriber::registry().with(lines).try_init();
        // Far ahead of any engine's own clock, so that no engine deletes by TTL what a test still needs.
        let clock = Clock::manual("2040-01-15T10:00:00Z".parse::<Timestamp>().expect("a time"));
        let endpoint = std::env::var("TEST_DYNAMODB_ENDPOINT").ok();
        let mut options = StackOptions {
            clock: clock.clone(),
            tables: tables::named(&match endpoint {
                Some(_) => format!("Test-{}", uuid::Uuid::now_v7()),
                None => "EcommerceApp".to_owned(),
            }),
            dynamodb_endpoint: endpoint,
            policy: Policy { show_costs: true, ..Policy::default() },
            // Tests run the sweeper and deliver the stream themselves.
            sweep_every: None,
            index_every: None,
            streams: Streams::Off,
            link_keys: Some(LinkKeys::new(&[LINK_KEY])),
            order_link_keys: Some(LinkKeys::new(&[ORDER_LINK_KEY])),
            transport: Transport::new(|_| recorder::recording(table::http_client()), Timestamp::now),
            admin: Some(AdminAccount {
                email: Email::parse(ADMIN_EMAIL).expect("an e-mail"),
                password: Password::choose(ADMIN_PASSWORD).expect("a password"),
            }),
            ..StackOptions::default()
        };
        change(&mut options);
        let stack = Stack::start(options).await.unwrap_or_else(|e| panic!("{}", local::error_chain(&e)));
        Self { stack, clock, http: reqwest::Client::new(), shoppers: AtomicU32::new(0) }
    }

    /// A shop whose stream is read, on the embedded engine whatever engine the others are on: DynamoDB Local writes an
    /// empty map as `{}` in a stream record, such as the lines of an empty cart, which the SDK refuses to read.
    pub async fn with_stream() -> Self {
        Self::open_with(|options| options.dynamodb_endpoint = None).await
    }

    /// A product to be created, with `.create()` at the end.
    pub fn product(&self, id: &str) -> ProductBuilder<'_> {
        ProductBuilder::new(self, id)
    }

    /// A client without a session.
    pub fn stranger(&self) -> Shopper {
        Shopper::new(self.http.clone(), self.stack.url())
    }

    /// A guest, with a session.
    pub async fn customer(&self) -> Shopper {
        let mut shopper = self.stranger();
        shopper.becomes_guest().await;
        shopper
    }

    /// A customer who has registered, with an e-mail address of their own.
    pub async fn registered(&self) -> Shopper {
        let number = self.shoppers.fetch_add(1, Ordering::Relaxed);
        let mut shopper = self.stranger();
        shopper.registers(&format!("shopper{number}@example.com")).await;
        shopper
    }

    /// `count` guests, each with this product in the cart.
    pub async fn buyers(&self, count: usize, id: &ProductId, quantity: i64) -> Vec<Shopper> {
        a_few_at_once((0..count).map(async |_| {
            let buyer = self.customer().await;
            buyer.adds(id, quantity).await.expect(200);
            buyer
        }))
        .await
    }

    pub async fn admin(&self) -> Shopper {
        let mut shopper = self.stranger();
        shopper.logs_in(ADMIN_EMAIL, ADMIN_PASSWORD).await;
        shopper
    }

    /// Units left, read consistently from the table.
    pub async fn stock(&self, id: &ProductId) -> i64 {
        let page = self.stack.table.product_get_consistent(id).await.expect("the table answers");
        page.expect("the product is there").available
    }

    /// The table that a partition is in.
    pub fn table_of(&self, pk: &str) -> &str {
        self.stack.table.names().of_partition(pk)
    }

    /// Every item of the tables, for checks that use no code of the product.
    pub async fn dump(&self) -> Vec<serde_json::Value> {
        dump::items(&self.stack.dynamodb, self.stack.table.names(), &table::http_client()).await
    }

    /// The token of a link, as the mail has it.
    pub fn link_token(&self, link: &AccountLink) -> String {
        let link = Link {
            purpose: Purpose::Account(link.action),
            subject: link.customer.to_string(),
            request: link.id.as_uuid(),
            expires_at: link.expires_at,
        };
        LinkKeys::new(&[LINK_KEY]).token(&link).reveal().to_owned()
    }

    /// The token of the link to an order, as a mail has it that is sent now.
    pub fn order_token(&self, order: &str) -> String {
        let token = LinkKeys::new(&[ORDER_LINK_KEY]).order_token(order.parse().expect("an id"), self.clock.now());
        token.reveal().to_owned()
    }

    /// Opens the link that the registration mailed, on another device.
    pub async fn verifies(&self, shopper: &Shopper) {
        let uid = shopper.uid.parse().expect("an id");
        let link = self.stack.table.account_link_get(&uid, AccountAction::VerifyEmail).await;
        let link = link.expect("the table answers").expect("a registration requests a link");
        let token = serde_json::json!({"token": self.link_token(&link)});
        self.stranger().post("/users/verify", token).await.expect(204);
    }

    /// Runs the sweeper once. `deadline` is when its invocation is cut off.
    pub async fn sweep(&self, deadline: Option<Timestamp>) -> SweepReport {
        let swept = local::function::run_as("sweeper", sweeper::sweep(&self.stack.sweeper, deadline));
        swept.await.expect("the table answers")
    }

    /// Delivers the stream, and brings the index of the search up to date.
    pub async fn index(&self) -> IndexReport {
        self.drain().await;
        self.run_indexer().await
    }

    /// Runs the indexer once, without the stream: the first time it makes the index.
    pub async fn run_indexer(&self) -> IndexReport {
        let run = local::function::run_as("indexer", indexer::run(&self.stack.indexer, None)).await;
        run.unwrap_or_else(|e| panic!("{}", local::error_chain(&e)))
    }

    /// Delivers everything that is on the table's stream.
    pub async fn drain(&self) {
        let drained = self.stack.drain_streams().await;
        drained.unwrap_or_else(|e| panic!("{}", local::error_chain(&e)));
    }

    /// A client of the SDK, without the `table` crate.
    pub fn raw_client(&self) -> aws_sdk_dynamodb::Client {
        dump::raw_client(&self.stack.dynamodb, &table::http_client())
    }
}

/// Whether the engine reports consumed capacity as AWS does. The embedded one follows what was measured there; DynamoDB
/// Local counts neither the doubling of transactions nor indexes, so costs are compared on the embedded one only.
pub fn engine_counts_like_aws() -> bool {
    std::env::var_os("TEST_DYNAMODB_ENDPOINT").is_none()
}

/// Runs futures eight at a time: DynamoDB Local fails a write that waits too long for its only lock.
pub async fn a_few_at_once<F: Future>(all: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    stream::iter(all).buffered(8).collect().await
}

/// US dollars, in cents.
pub fn usd(cents: i64) -> serde_json::Value {
    serde_json::json!({"amount": cents, "currency": Currency::USD.code()})
}
