//! The local stack: a DynamoDB engine, an S3, every function and a web page in one process, connected like on AWS,
//! through the real SDK over loopback.

mod admin;
mod challenge;
mod connections;
mod consumers;
mod document;
mod door;
mod durable;
mod engine;
pub mod function;
mod gateway;
pub mod mapping;
mod pictures;
mod s3;
mod sample;
mod schedule;
mod serve;
mod store;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use api::{Context, Cursors, Policy};
use consumers::{Dependencies, consumers};
use links::LinkKeys;
use mapping::{Checkpoints, Consumer, Delivered, DrainError};
use notifications::{AccountUrl, MailLimits, MailLinks, OrderUrl};
use payments::{LocalPayments, PaymentProvider};
use runtime::Clock;
use saga::Saga;
use search::Language;
use sha2::{Digest as _, Sha256};
use stream::DeadLetters;
use table::{Descriptions, Endpoints, Place, StoreError, Table, TableConfig, TableNames, Timeouts, Transport};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use utoipa::openapi::OpenApi;

pub use admin::{AdminAccount, AdminOutcome, AnnounceAdmin};
pub use connections::ConnectionLimits;
pub use document::openapi;
pub use gateway::{Functions, Links};
pub use sample::Seed;
pub use search_function::IndexSettings;
pub use table::error_chain;

/// The settings of a stack.
#[derive(Clone)]
pub struct StackOptions {
    /// 0 picks a free port; also for the other two.
    pub port: u16,
    pub engine_port: u16,
    pub s3_port: u16,
    /// The data folder; `None` is memory, lost at the end.
    pub data: Option<PathBuf>,
    pub tables: TableNames,
    pub seed: Seed,
    pub policy: Policy,
    /// Limits for clients of the gateway.
    pub connections: ConnectionLimits,
    pub clock: Clock,
    pub admin: Option<AdminAccount>,
    /// Called if an admin has to be created, before it can log in; [`Stack::admin`] has it too.
    pub announce_admin: AnnounceAdmin,
    /// The ledger of the local payment provider, if not in the data folder.
    pub ledger: Option<PathBuf>,
    /// A payment provider other than the local one.
    pub provider: Option<Arc<dyn PaymentProvider>>,
    /// The interval of the sweeper; `None` is never, for tests that run it themselves.
    pub sweep_every: Option<Duration>,
    /// The interval of the indexer; `None` is never, for tests that run it themselves.
    pub index_every: Option<Duration>,
    /// The language that products are searched in.
    pub search_language: Language,
    /// How the function that searches opens the index.
    pub search_index: IndexSettings,
    /// How the table's stream is delivered.
    pub streams: Streams,
    /// The mail folder, one file for each mail, if not in the data folder.
    pub mail: Option<PathBuf>,
    /// Limits of mails; `None` is unlimited.
    pub mail_limits: Option<MailLimits>,
    /// The storefront's page of an order, which mails link to; by default the page of this stack.
    pub order_url: Option<OrderUrl>,
    /// The keys that sign links in mails, if functions elsewhere have others than are derived from the data folder's.
    pub link_keys: Option<LinkKeys>,
    /// The same of links to orders.
    pub order_link_keys: Option<LinkKeys>,
    /// Where the links in mails about an account lead to; by default the page of this stack.
    pub account_url: Option<AccountUrl>,
    /// An engine that is running already, such as Amazon's DynamoDB Local; then none is started.
    pub dynamodb_endpoint: Option<String>,
    /// The credentials of the functions' SDK.
    pub transport: Transport,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            port: 0,
            engine_port: 0,
            s3_port: 0,
            data: None,
            tables: TableNames::one("EcommerceApp"),
            seed: Seed::None,
            policy: Policy { show_costs: true, ..Policy::default() },
            connections: ConnectionLimits::default(),
            clock: Clock::System,
            admin: None,
            announce_admin: |_, _| Ok(()),
            ledger: None,
            provider: None,
            sweep_every: Some(Duration::from_secs(60)),
            index_every: Some(Duration::from_millis(500)),
            search_language: Language::English,
            search_index: IndexSettings::ALWAYS,
            streams: Streams::On,
            mail: None,
            mail_limits: Some(MailLimits::default()),
            order_url: None,
            link_keys: None,
            order_link_keys: None,
            account_url: None,
            dynamodb_endpoint: None,
            transport: Transport::default(),
        }
    }
}

/// How the table's stream is delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Streams {
    /// It is delivered when [`Stack::drain_streams`] is called, and not by itself.
    Off,
    /// It is delivered to the functions in this process.
    On,
    /// It is delivered to the functions at this address, which speaks Lambda's Invoke API: `http://127.0.0.1:9001` is
    /// `cargo lambda watch`.
    To(String),
}

/// The buckets of the local S3: large descriptions, dead letters, and the audit log.
pub const BUCKET: &str = "onetill-descriptions";
pub const DEAD_LETTERS_BUCKET: &str = "onetill-dead-letters";
pub const AUDIT_BUCKET: &str = "onetill-audit";

#[derive(Debug, thiserror::Error)]
pub enum StackError {
    #[error("port {port} for {what} cannot be used")]
    Port { port: u16, what: &'static str, source: std::io::Error },
    #[error("the data folder {folder:?} cannot be used: {reason}")]
    Data { folder: PathBuf, reason: String },
    #[error("the folder of mail {folder:?} cannot be used")]
    Mail { folder: PathBuf, source: std::io::Error },
    #[error("the {what} could not be started: {reason}")]
    Start { what: &'static str, reason: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StackError {
    fn start(what: &'static str, reason: impl ToString) -> Self {
        Self::Start { what, reason: reason.to_string() }
    }
}

/// A running stack. Dropping it stops it without waiting; [`Stack::stop`] waits.
pub struct Stack {
    pub gateway: SocketAddr,
    pub dynamodb: String,
    pub s3: SocketAddr,
    pub table: Table,
    pub descriptions: Descriptions,
    /// The local provider, used for payments unless another one was set.
    pub payments: Arc<LocalPayments>,
    /// The task of its schedule, once a minute.
    pub sweeper: sweeper::State,
    /// What keeps the index of the search up to date.
    pub indexer: indexer::State,
    /// The functions that consume the table's stream.
    pub consumers: Vec<Arc<Consumer>>,
    /// The dead letters.
    pub dead_letters: DeadLetters,
    /// The folder of sent mail, one file for each.
    pub mail: PathBuf,
    pub openapi: Arc<OpenApi>,
    /// The admin account after the start.
    pub admin: admin::AdminOutcome,
    stop: watch::Sender<bool>,
    servers: JoinSet<()>,
    data: store::DataFolder,
}

impl Stack {
    /// Starts everything and returns once it can serve.
    pub async fn start(options: StackOptions) -> Result<Self, StackError> {
        // Ports first: a port that is in use must not leave an incomplete data folder.
        let gateway_listener = bind(options.port, "the gateway").await?;
        let s3_listener = bind(options.s3_port, "S3").await?;
        let engine_listener = match options.dynamodb_endpoint {
            Some(_) => None,
            None => Some(bind(options.engine_port, "DynamoDB").await?),
        };
        // Then all existing data, so that nothing starts with a damaged folder.
        let own_table = engine_listener.as_ref().map(|_| &options.tables);
        let data = store::DataFolder::open(options.data.as_deref(), own_table, options.ledger.as_deref())?;
        let payments = Arc::new(data.payments(options.ledger.as_deref())?);
        let cursor_key = data.cursor_key()?;
        let cursors = Arc::new(Cursors::new(&[cursor_key]));
        let derived = |what| LinkKeys::new(&[link_key(&cursor_key, what)]);
        let links = gateway::Links {
            accounts: options.link_keys.unwrap_or_else(|| derived("links")),
            orders: options.order_link_keys.unwrap_or_else(|| derived("order links")),
        };
        let (stop, stopped) = watch::channel(false);
        let mut servers = JoinSet::new();

        let mut dynamodb = options.dynamodb_endpoint.unwrap_or_default();
        if let Some(listener) = engine_listener {
            dynamodb = format!("http://{}", address(&listener)?);
            engine::serve(listener, data.engine_file().as_deref(), stopped.clone(), &mut servers)?;
        }
        let s3 = address(&s3_listener)?;
        s3::serve(s3_listener, &data.s3_folder()?, stopped.clone(), &mut servers)?;

        let config = TableConfig {
            tables: options.tables,
            bucket: BUCKET.to_owned(),
            place: Place::Local(Endpoints { dynamodb: dynamodb.clone(), s3: format!("http://{s3}") }),
            timeouts: Timeouts::LOCAL,
            transport: options.transport,
        };
        let (table, descriptions) = config.connect();
        table.create().await?;
        let dead_letters = descriptions.bucket().beside(DEAD_LETTERS_BUCKET);
        let audit = descriptions.bucket().beside(AUDIT_BUCKET);
        for bucket in [descriptions.bucket(), &dead_letters, &audit] {
            bucket.create().await.map_err(|e| StackError::start("bucket", error_chain(&e)))?;
        }
        let dead_letters = DeadLetters::new(dead_letters);
        if ops::migrate::is_due(&table).await? {
            tracing::warn!("the table is of an earlier version; it is being migrated");
            let migrated = ops::migrate::run(&table, options.clock.now(), None, |_| {}).await?;
            tracing::warn!("migrated: {migrated}");
        }
        sample::load(options.seed, &data, &table, &descriptions, options.policy.currency, options.clock.now()).await?;
        let admin = admin::ensure(&table, &options.clock, options.admin, options.announce_admin).await?;
        // No client was served yet: until here the folder may be created again.
        data.complete()?;

        let asked_here = options.provider.is_none().then(|| payments.clone());
        let provider = options.provider.unwrap_or_else(|| payments.clone());
        let policy = Arc::new(options.policy);
        let sweeper = sweeper::State::new(Saga::new(table.clone(), provider.clone()), options.clock.clone());
        if let Some(every) = options.sweep_every {
            schedule::sweep(every, sweeper.clone(), stopped.clone(), &mut servers);
        }
        let language = options.search_language;
        let (clock, letters) = (options.clock.clone(), dead_letters.clone());
        let indexer = indexer::State::new(table.clone(), descriptions.clone(), letters, clock, language);
        if let Some(every) = options.index_every {
            schedule::index(every, indexer.clone(), stopped.clone(), &mut servers);
        }

        let mail = options.mail.unwrap_or_else(|| data.mail_folder());
        if !matches!(options.streams, Streams::To(_)) {
            // The folder is shown to the user, so it has to exist before the first mail.
            let unusable = |source| StackError::Mail { folder: mail.clone(), source };
            std::fs::create_dir_all(&mail).map_err(unusable)?;
        }
        let gateway = address(&gateway_listener)?;
        let page = || AccountUrl::parse(&format!("http://{gateway}/#/{{action}}/{{token}}"));
        let account_url = options.account_url.map_or_else(page, Ok).map_err(|e| StackError::start("mail", e))?;
        let page = || OrderUrl::parse(&format!("http://{gateway}/#/orders/{{orderId}}/{{token}}"));
        let order_url = options.order_url.map_or_else(page, Ok).map_err(|e| StackError::start("mail", e))?;
        let with = Dependencies {
            mail_links: MailLinks {
                order_keys: links.orders.clone(),
                order_page: Some(order_url),
                account_keys: links.accounts.clone(),
                account_page: Some(account_url),
            },
            table: &table,
            audit,
            dead_letters: &dead_letters,
            mail: &mail,
            mail_limits: options.mail_limits,
            clock: &options.clock,
        };
        let checkpoints = Checkpoints::new(data.streams_folder());
        let consumers = consumers(with, &options.streams, &dynamodb, &checkpoints)?;
        if options.streams != Streams::Off {
            for consumer in &consumers {
                mapping::serve(consumer.clone(), stopped.clone(), &mut servers);
            }
        }

        let context =
            Context { table: table.clone(), clock: options.clock, cursors, policy, sales: api::SalesCache::default() };
        let asked_here = asked_here.as_ref();
        let with = Functions {
            context: &context,
            descriptions: &descriptions,
            payments: provider,
            links: &links,
            language,
            index: options.search_index,
        };
        let (router, openapi) = gateway::router(with, asked_here, &consumers);
        let gateway = address(&gateway_listener)?;
        connections::serve(gateway_listener, router, options.connections, stopped, &mut servers);

        let openapi = Arc::new(openapi);
        Ok(Self {
            gateway,
            dynamodb,
            s3,
            table,
            descriptions,
            payments,
            sweeper,
            indexer,
            consumers,
            dead_letters,
            mail,
            openapi,
            admin,
            stop,
            servers,
            data,
        })
    }

    /// Where requests go: `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.gateway)
    }

    /// Delivers what is on the table's stream to every consumer, until nothing is left of it or of what they wrote
    /// themselves, without waiting. For a stack whose stream is [`Streams::Off`].
    ///
    /// # Errors
    /// The stream cannot be read, or a dead letter cannot be kept; what was not delivered then is delivered next time.
    pub async fn drain_streams(&self) -> Result<Delivered, DrainError> {
        let mut all = Delivered::default();
        loop {
            let mut round = Delivered::default();
            for consumer in &self.consumers {
                round += consumer.drain().await?;
            }
            if round == Delivered::default() {
                return Ok(all);
            }
            all += round;
        }
    }

    /// Lets running requests finish, for at most five seconds.
    pub async fn stop(mut self) {
        // No receiver is left: everything has ended already.
        let _ = self.stop.send(true);
        let all = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(5), all).await.is_err() {
            tracing::warn!("some requests did not finish and were cut off");
        }
        if let Err(error) = self.data.note() {
            tracing::warn!(error = error_chain(&error), "what was added to the data folder is not in its manifest");
        }
    }
}

/// A key of its own for links of a kind, so that a data folder needs no other file.
fn link_key(cursor_key: &[u8; 32], what: &str) -> [u8; 32] {
    Sha256::digest([b"the key of ".as_slice(), what.as_bytes(), b": ", cursor_key].concat()).into()
}

async fn bind(port: u16, what: &'static str) -> Result<TcpListener, StackError> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|source| StackError::Port { port, what, source })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, StackError> {
    listener.local_addr().map_err(|e| StackError::start("listener", e))
}

/// Resolves when the stack is stopped.
async fn stop_requested(mut stopped: watch::Receiver<bool>) {
    // An error means the stack was dropped, which stops it as well.
    let _ = stopped.wait_for(|stop| *stop).await;
}
