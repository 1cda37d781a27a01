//! The indexer under faults: each of its calls fails in turn, others overtake it, S3 loses an upload. Afterwards the index
//! has to be what the table is, as it is read here a second time, and at every moment the generation that is named can be
//! opened.

pub mod wire;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use aws_sdk_dynamodb::config::SharedHttpClient;
use domain::{CategoryPath, Currency, Money, Product, ProductDetails, ProductId, ProductName, UserId};
use generations::{Generation, Generations};
use indexer::{IndexReport, RunError};
use jiff::SignedDuration;
use local::{Stack, StackOptions, Streams};
use runtime::Clock;
use search::{Language, Reader};
use stream::DeadLetters;
use table::{
    Descriptions, Endpoints, GoneProduct, Place, ProductPage, ProductRecord, Table, TableConfig, TableNames, Timeouts,
    keys::{PRICE_SHARDS, SEARCH_SHARDS},
};

use self::wire::{Bug, Gate, Way};
use crate::faults::{
    plan::{Fault, Plan},
    wire::FaultyHttp,
};

/// An engine that many runs share, each with a table and a bucket of its own.
pub struct Engine {
    endpoints: Endpoints,
    http: SharedHttpClient,
    _stack: Stack,
}

impl Engine {
    pub async fn start() -> Arc<Self> {
        let options =
            StackOptions { sweep_every: None, index_every: None, streams: Streams::Off, ..StackOptions::default() };
        let stack = Stack::start(options).await.unwrap_or_else(|e| panic!("{}", local::error_chain(&e)));
        let endpoints = Endpoints { dynamodb: stack.dynamodb.clone(), s3: format!("http://{}", stack.s3) };
        Arc::new(Self { endpoints, http: table::http_client(), _stack: stack })
    }
}

/// A shop of a few products and its index.
struct Shop {
    engine: Arc<Engine>,
    name: String,
    clock: Clock,
    table: Table,
    descriptions: Descriptions,
}

/// A Lambda environment of the indexer: it dies at the first crash of its plan.
struct Environment {
    plan: Plan,
    state: indexer::State,
}

impl Environment {
    /// `None` if it died.
    async fn run(&self) -> Option<Result<IndexReport, RunError>> {
        tokio::select! {
            biased;
            () = self.plan.crashed() => None,
            report = indexer::run(&self.state, None) => Some(report),
        }
    }
}

impl Shop {
    async fn open(engine: &Arc<Engine>, name: &str) -> Self {
        let clock = Clock::manual("2040-01-15T10:00:00Z".parse().expect("a time"));
        let (table, descriptions) = connect(engine, name, engine.http.clone());
        table.create().await.expect("the engine makes a table");
        descriptions.bucket().create().await.expect("the local S3 makes a bucket");
        let shop = Self { engine: engine.clone(), name: name.to_owned(), clock, table, descriptions };
        for i in 0..5 {
            shop.creates(&format!("product-{i}"), "first").await;
        }
        shop.healthy(&mut BTreeSet::new()).await;
        shop
    }

    fn environment(&self, plan: Plan, way: &Way) -> Environment {
        let faulty = FaultyHttp::new(self.engine.http.clone(), plan.clone()).into_shared();
        let (table, descriptions) = connect(&self.engine, &self.name, way.over(faulty));
        let dead_letters = DeadLetters::new(descriptions.bucket().clone());
        let state = indexer::State::new(table, descriptions, dead_letters, self.clock.clone(), Language::English);
        Environment { plan, state }
    }

    /// Runs without faults until there is nothing left to do.
    async fn healthy(&self, broken: &mut BTreeSet<String>) {
        let environment = self.environment(Plan::none(), &Way::default());
        for _ in 0..10 {
            self.clock.advance(SignedDuration::from_secs(60));
            let report = match environment.run().await.expect("it does not die") {
                Ok(report) => report,
                Err(error) => {
                    broken.insert(format!("healthy-run-failed: {}", local::error_chain(&error)));
                    return;
                }
            };
            if report.changed == 0 && !report.lost && report.rebuilt.is_none() {
                return;
            }
        }
        broken.insert("never-done: the indexer always has something to do".to_owned());
    }

    async fn creates(&self, id: &str, name: &str) {
        let id: ProductId = id.parse().expect("an id");
        let product = Product::new(id.clone(), details(name), self.clock.now());
        let record = ProductRecord { product, description: None, imported: None };
        let (by, of) = (staff(), self.clock.uuid_v7());
        self.table.product_create(&record, 5, &by, of).await.expect("it is created");
        self.notes(&id).await;
    }

    async fn page(&self, id: &str) -> ProductPage {
        let page = self.table.product_get_consistent(&id.parse().expect("an id")).await;
        page.expect("the table answers").expect("it is there")
    }

    async fn renames(&self, id: &str, name: &str) {
        self.clock.advance(SignedDuration::from_secs(1));
        let mut page = self.page(id).await;
        page.record.product.details.name = ProductName::parse(name).expect("a name");
        let record = page.record.changed(self.clock.now());
        self.table.product_put(&record, page.available, &staff()).await.expect("it is changed");
        self.notes(&record.product.id).await;
    }

    async fn deletes(&self, id: &str) {
        self.clock.advance(SignedDuration::from_secs(1));
        let page = self.page(id).await;
        self.table.product_delete(&page, &staff(), self.clock.uuid_v7()).await.expect("it is deleted");
        let product = page.record.product;
        let gone = GoneProduct { id: product.id.clone(), created_at: product.created_at, at: self.clock.now() };
        self.table.search_gone_put(&gone).await.expect("it is hidden");
        self.notes(&product.id).await;
    }

    /// As `projections` does with each record of the product.
    async fn notes(&self, id: &ProductId) {
        let noted = self.table.search_change_note(id, self.clock.uuid_v7(), self.clock.now()).await;
        noted.expect("it is noted");
    }

    /// What happens in the shop before the run that is judged.
    async fn changes(&self) {
        self.renames("product-0", "second").await;
        self.deletes("product-1").await;
        self.creates("product-5", "new").await;
        self.deletes("product-2").await;
        self.creates("product-2", "another").await;
    }

    async fn read(&self) -> Result<(Reader, Vec<String>), String> {
        let state = self.table.search_state_get_consistent().await.map_err(|e| local::error_chain(&e))?;
        let manifest = state.manifest.ok_or("there is no manifest")?;
        let generations = Generations::new(self.descriptions.bucket().clone());
        for list in &manifest.lists {
            let loaded = generations.load(list, &Generation::default()).await;
            loaded.map_err(|e| format!("{list}: {}", local::error_chain(&e)))?;
        }
        let newest = generations.load(manifest.list(), &Generation::default()).await;
        let files = newest.map_err(|e| local::error_chain(&e))?.files;
        let reader = Reader::in_memory(files).map_err(|e| local::error_chain(&e))?;
        Ok((reader, manifest.lists))
    }

    /// At every moment: each generation that is named can be opened.
    async fn can_be_read(&self, broken: &mut BTreeSet<String>) {
        if let Err(error) = self.read().await {
            broken.insert(format!("generation-unreadable: {error}"));
        }
    }

    /// In the end: the index is what the table is, and nothing waits.
    async fn is_right(&self, broken: &mut BTreeSet<String>) {
        let (reader, lists) = match self.read().await {
            Ok(read) => read,
            Err(error) => {
                broken.insert(format!("generation-unreadable: {error}"));
                return;
            }
        };
        let mut sold: BTreeMap<ProductId, (u64, String)> = BTreeMap::new();
        for shard in 0..PRICE_SHARDS {
            let page = self.table.product_ids_by_shard(shard, None).await.expect("the table answers");
            for id in page.items.into_iter().flatten() {
                let page = self.table.product_get_consistent(&id).await.expect("the table answers");
                let product = page.expect("it is there").record.product;
                sold.insert(id, (product.version, product.details.name.as_str().to_owned()));
            }
        }
        for (id, product) in &sold {
            let indexed = reader.product(id).expect("it can be read").map(|hit| (hit.version, hit.name));
            if indexed.as_ref() != Some(product) {
                broken.insert(format!("index-differs: {id} is {indexed:?} and should be {product:?}"));
            }
        }
        if reader.documents() != sold.len() as u64 {
            broken.insert(format!("index-differs: {} products instead of {}", reader.documents(), sold.len()));
        }
        for shard in 0..SEARCH_SHARDS {
            for left in self.table.search_changes_get(shard, 100).await.expect("the table answers") {
                broken.insert(format!("note-left: {}", left.id));
            }
        }
        if lists.len() > 3 {
            broken.insert(format!("generations-kept: {}", lists.len()));
        }
        self.is_clean(&lists, broken).await;
    }

    /// What interrupted runs left in S3 can be removed, and nothing else is.
    async fn is_clean(&self, lists: &[String], broken: &mut BTreeSet<String>) {
        let generations = Generations::new(self.descriptions.bucket().clone());
        let swept = generations.sweep(lists, "2100-01-01T00:00:00Z".parse().expect("a time")).await;
        if let Err(error) = swept {
            broken.insert(format!("sweep-failed: {}", local::error_chain(&error)));
        }
        self.can_be_read(broken).await;
        let again = generations.sweep(lists, "2100-01-01T00:00:00Z".parse().expect("a time")).await;
        if !matches!(again, Ok(0)) {
            broken.insert(format!("sweep-left: {again:?}"));
        }
    }
}

fn connect(engine: &Engine, name: &str, http: SharedHttpClient) -> (Table, Descriptions) {
    let config = TableConfig {
        tables: TableNames::one(name),
        bucket: name.to_owned(),
        place: Place::Local(engine.endpoints.clone()),
        timeouts: Timeouts::LOCAL,
        transport: http.into(),
    };
    config.connect()
}

fn staff() -> UserId {
    "staff".parse().expect("an id")
}

fn details(name: &str) -> ProductDetails {
    ProductDetails {
        name: ProductName::parse(name).expect("a name"),
        category: CategoryPath::parse("Kitchen/Mugs").expect("a path"),
        price: Money::price(900, Currency::USD).expect("a price"),
        thumbnail: None,
        manufacturer: None,
        attributes: Default::default(),
        featured_rank: None,
    }
}

/// The result of many runs.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub runs: usize,
    /// Calls of one run, each of which has failed in every way.
    pub calls: usize,
    /// What was broken, by the name of the run.
    pub violations: Vec<(String, String)>,
}

impl Tally {
    fn add(&mut self, run: &str, broken: BTreeSet<String>) {
        self.runs += 1;
        self.violations.extend(broken.into_iter().map(|rule| (run.to_owned(), rule)));
    }

    pub fn rules(&self) -> BTreeSet<&str> {
        self.violations.iter().filter_map(|(_, rule)| rule.split(':').next()).collect()
    }
}

/// Faults that every call has in turn.
pub const FAULTS: [Fault; 7] = [
    Fault::CrashBefore,
    Fault::CrashAfter,
    Fault::DropBefore,
    Fault::LoseAnswer,
    Fault::ServerErrorBefore,
    Fault::ServerErrorAfter,
    Fault::Throttle,
];

/// Each call has each of these faults, and a healthy run follows. `every`: only each so many-th call.
pub async fn enumerate(engine: &Arc<Engine>, bug: Option<Bug>, faults: &[Fault], every: usize) -> Tally {
    let mut tally = Tally::default();
    for fault in faults {
        for k in (0..).step_by(every) {
            let name = format!("{}-{k}-{}", fault.name(), bug.map_or("none", Bug::name));
            let shop = Shop::open(engine, &name).await;
            shop.changes().await;
            let environment = shop.environment(Plan::at(k, *fault), &Way { bug, ..Way::default() });
            // A failure is what is expected of it.
            let _outcome = environment.run().await;
            let mut broken = BTreeSet::new();
            shop.can_be_read(&mut broken).await;
            shop.renames("product-3", "meanwhile").await;
            shop.healthy(&mut broken).await;
            shop.is_right(&mut broken).await;
            tally.add(&name, broken);
            tally.calls = tally.calls.max(environment.plan.calls());
            if environment.plan.calls() <= k {
                break;
            }
        }
    }
    tally
}

/// A run is held just before it publishes. Meanwhile the shop changes, and with `other` another run does all its work.
pub async fn overtaken(engine: &Arc<Engine>, bug: Option<Bug>, other: bool) -> Tally {
    let name = format!("overtaken-{other}-{}", bug.map_or("none", Bug::name));
    let shop = Shop::open(engine, &name).await;
    shop.changes().await;
    let gate = Gate::default();
    let held = shop.environment(Plan::none(), &Way { bug, gate: Some(gate.clone()), ..Way::default() });
    let mut broken = BTreeSet::new();
    let meanwhile = async {
        gate.reached().await;
        shop.deletes("product-0").await;
        shop.renames("product-4", "overtaking").await;
        let mut broken = BTreeSet::new();
        if other {
            shop.healthy(&mut broken).await;
        }
        gate.open();
        broken
    };
    let (outcome, meanwhile) = tokio::join!(held.run(), meanwhile);
    broken.extend(meanwhile);
    let lost = outcome.and_then(Result::ok).is_some_and(|report| report.lost);
    if other && bug.is_none() && !lost {
        broken.insert("both-published: the run that was overtaken has an effect".to_owned());
    }
    shop.can_be_read(&mut broken).await;
    shop.healthy(&mut broken).await;
    shop.is_right(&mut broken).await;
    let mut tally = Tally::default();
    tally.add(&name, broken);
    tally
}

/// S3 acknowledges each upload of a file in turn, and loses it.
pub async fn lost_uploads(engine: &Arc<Engine>) -> Tally {
    let mut tally = Tally::default();
    for number in 0.. {
        let name = format!("lost-upload-{number}");
        let shop = Shop::open(engine, &name).await;
        shop.changes().await;
        let way = Way { loses: Some(number), ..Way::default() };
        let environment = shop.environment(Plan::none(), &way);
        let outcome = environment.run().await.expect("it does not die");
        let mut broken = BTreeSet::new();
        let happened = way.uploads() > number;
        if happened && outcome.is_ok() {
            broken.insert("lost-upload-published: the run says that all is well".to_owned());
        }
        shop.can_be_read(&mut broken).await;
        shop.healthy(&mut broken).await;
        shop.is_right(&mut broken).await;
        tally.add(&name, broken);
        if !happened {
            return tally;
        }
    }
    tally
}

/// The rules that find a planted bug, of those scenes that can show it.
pub async fn plant(engine: &Arc<Engine>, bug: Bug) -> BTreeSet<String> {
    let tallies = match bug {
        Bug::ManifestBeforeFiles => vec![enumerate(engine, Some(bug), &[Fault::CrashAfter], 1).await],
        Bug::LastWriterWins => vec![overtaken(engine, Some(bug), true).await],
        Bug::DeleteOvertaken => vec![overtaken(engine, Some(bug), false).await],
    };
    tallies.iter().flat_map(Tally::rules).map(str::to_owned).collect()
}
