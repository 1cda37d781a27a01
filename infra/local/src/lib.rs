//! The local stack: a DynamoDB engine, an S3, every function and a web page in one process, reached the way AWS is
//! reached, through the real SDK over loopback.

mod admin;
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
mod store;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use api::{Clock, Context, Cursors, Policy};
use consumers::{Dependencies, consumers};
use mapping::{Checkpoints, Consumer, Delivered, DrainError, Source};
use notifications::MailLimits;
use payments::{LocalPayments, PaymentProvider};
use saga::Saga;
use stream::DeadLetters;
use table::{Descriptions, Endpoints, StoreError, Table, TableConfig, Timeouts, Transport, http_client};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use utoipa::openapi::OpenApi;

pub use admin::{AdminAccount, AdminOutcome, AnnounceAdmin};
pub use connections::ConnectionLimits;
pub use document::openapi;
pub use gateway::{deployed_as, functions};
pub use sample::Seed;
pub use table::error_chain;

/// What a stack is started with.
#[derive(Clone)]
pub struct StackOptions {
    /// 0 picks a free port; so for the other two.
    pub port: u16,
    pub engine_port: u16,
    pub s3_port: u16,
    /// Where everything is kept; `None` is memory, and forgotten at the end.
    pub data: Option<PathBuf>,
    pub table: String,
    pub seed: Seed,
    pub policy: Policy,
    /// What keeps clients of the gateway from using it up.
    pub connections: ConnectionLimits,
    pub clock: Clock,
    pub admin: Option<AdminAccount>,
    /// Called if an admin has to be made up, before it can log in; [`Stack::admin`] has it too.
    pub announce_admin: AnnounceAdmin,
    /// Where the local payment provider keeps its ledger, if not in the data folder.
    pub ledger: Option<PathBuf>,
    /// Another payment provider than the local one.
    pub provider: Option<Arc<dyn PaymentProvider>>,
    /// How often the sweeper runs; `None` is never, for whoever runs it by hand.
    pub sweep_every: Option<Duration>,
    /// What becomes of the table's stream.
    pub streams: Streams,
    /// Where mail goes, a file each, if not into the data folder.
    pub mail: Option<PathBuf>,
    /// How many mails go out; `None` is without limits.
    pub mail_limits: Option<MailLimits>,
    /// An engine that runs already, such as Amazon's DynamoDB Local; then none is started.
    pub dynamodb_endpoint: Option<String>,
    /// What the functions' SDK sends with.
    pub transport: Transport,
}

impl Default for StackOptions {
    fn default() -> Self {
        Self {
            port: 0,
            engine_port: 0,
            s3_port: 0,
            data: None,
            table: "EcommerceApp".to_owned(),
            seed: Seed::None,
            policy: Policy { show_costs: true, ..Policy::default() },
            connections: ConnectionLimits::default(),
            clock: Clock::System,
            admin: None,
            announce_admin: |_, _| Ok(()),
            ledger: None,
            provider: None,
            sweep_every: Some(Duration::from_secs(60)),
            streams: Streams::On,
            mail: None,
            mail_limits: Some(MailLimits::default()),
            dynamodb_endpoint: None,
            transport: Transport::default(),
        }
    }
}

/// What becomes of the table's stream.
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

/// The buckets of the local S3: large descriptions, records that were given up, and the audit log.
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
    /// The local provider, which takes the payments unless another was named.
    pub payments: Arc<LocalPayments>,
    /// What its schedule does once a minute.
    pub sweeper: sweeper::State,
    /// The functions that the table's stream is delivered to.
    pub consumers: Vec<Arc<Consumer>>,
    /// What they could not handle.
    pub dead_letters: DeadLetters,
    /// The folder of the mail they sent, a file each.
    pub mail: PathBuf,
    pub openapi: Arc<OpenApi>,
    /// What became of the admin account, to be told once.
    pub admin: admin::AdminOutcome,
    stop: watch::Sender<bool>,
    servers: JoinSet<()>,
    data: store::DataFolder,
}

impl Stack {
    /// Starts everything and returns once it can serve.
    pub async fn start(options: StackOptions) -> Result<Self, StackError> {
        // Ports first: a taken one must not leave a half-made data folder behind.
        let gateway_listener = bind(options.port, "the gateway").await?;
        let s3_listener = bind(options.s3_port, "S3").await?;
        let engine_listener = match options.dynamodb_endpoint {
            Some(_) => None,
            None => Some(bind(options.engine_port, "DynamoDB").await?),
        };
        // Then what there was before, all of it, so that nothing is begun on a damaged folder.
        let own_table = engine_listener.as_ref().map(|_| options.table.as_str());
        let data = store::DataFolder::open(options.data.as_deref(), own_table, options.ledger.as_deref())?;
        let payments = Arc::new(data.payments(options.ledger.as_deref())?);
        let cursors = Arc::new(Cursors::new(&[data.cursor_key()?]));
        let (stop, stopped) = watch::channel(false);
        let mut servers = JoinSet::new();

        let mut dynamodb = options.dynamodb_endpoint.unwrap_or_default();
        if let Some(listener) = engine_listener {
            dynamodb = format!("http://{}", address(&listener)?);
            engine::serve(listener, data.engine_file().as_deref(), stopped.clone(), &mut servers)?;
        }
        let s3 = address(&s3_listener)?;
        s3::serve(s3_listener, &data.s3_folder()?, stopped.clone(), &mut servers)?;

        let source = Source::new(&dynamodb, &options.table, http_client());
        let config = TableConfig {
            table: options.table,
            bucket: BUCKET.to_owned(),
            endpoints: Some(Endpoints { dynamodb: dynamodb.clone(), s3: format!("http://{s3}") }),
            timeouts: Timeouts::LOCAL,
            transport: options.transport,
        };
        let (table, descriptions) = config.connect().await;
        table.create().await?;
        let dead_letters = descriptions.bucket().beside(DEAD_LETTERS_BUCKET);
        let audit = descriptions.bucket().beside(AUDIT_BUCKET);
        for bucket in [descriptions.bucket(), &dead_letters, &audit] {
            bucket.create().await.map_err(|e| StackError::start("bucket", error_chain(&e)))?;
        }
        let dead_letters = DeadLetters::new(dead_letters);
        if ops::migrate::is_due(&table).await? {
            tracing::warn!("the table is of an earlier version; it is being migrated");
            let migrated = ops::migrate::run(&table, options.clock.now(), |_| {}).await?;
            tracing::warn!("migrated: {migrated}");
        }
        sample::load(options.seed, &data, &table, &descriptions, options.policy.currency, options.clock.now()).await?;
        let admin = admin::ensure(&table, &options.clock, options.admin, options.announce_admin).await?;
        // Nobody was served yet: until here a folder may be made again.
        data.complete()?;

        let provider = options.provider.unwrap_or_else(|| payments.clone());
        let policy = Arc::new(options.policy);
        let sweeper = sweeper::State::new(Saga::new(table.clone(), provider.clone()), options.clock.clone());
        if let Some(every) = options.sweep_every {
            schedule::serve(every, sweeper.clone(), stopped.clone(), &mut servers);
        }

        let mail = options.mail.unwrap_or_else(|| data.mail_folder());
        if !matches!(options.streams, Streams::To(_)) {
            // Whoever is shown the folder may look into it before the first mail.
            let unusable = |source| StackError::Mail { folder: mail.clone(), source };
            std::fs::create_dir_all(&mail).map_err(unusable)?;
        }
        let with = Dependencies {
            table: &table,
            audit,
            dead_letters: &dead_letters,
            mail: &mail,
            mail_limits: options.mail_limits,
            clock: &options.clock,
        };
        let checkpoints = Checkpoints::new(data.streams_folder());
        let consumers = consumers(with, &options.streams, &source, &checkpoints)?;
        if options.streams != Streams::Off {
            for consumer in &consumers {
                mapping::serve(consumer.clone(), stopped.clone(), &mut servers);
            }
        }

        let context = Context { table: table.clone(), clock: options.clock, cursors, policy };
        let (router, openapi) = gateway::router(&context, &descriptions, provider, &consumers);
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
    /// themselves, with no pause anywhere. For a stack whose stream is [`Streams::Off`].
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
        // Nobody listens any more: everything has ended already.
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

async fn bind(port: u16, what: &'static str) -> Result<TcpListener, StackError> {
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|source| StackError::Port { port, what, source })
}

fn address(listener: &TcpListener) -> Result<SocketAddr, StackError> {
    listener.local_addr().map_err(|e| StackError::start("listener", e))
}

/// Resolves when the stack is told to stop.
async fn told_to_stop(mut stopped: watch::Receiver<bool>) {
    // An error means the stack was dropped, which stops it as well.
    let _ = stopped.wait_for(|stop| *stop).await;
}
