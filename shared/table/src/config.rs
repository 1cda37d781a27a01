use std::{error::Error, time::Duration};

use aws_sdk_dynamodb::{
    config::{
        BehaviorVersion, Credentials, Region, SharedCredentialsProvider,
        interceptors::InterceptorContext,
        retry::{ClassifyRetry, RetryAction, RetryConfig, RetryPartition},
        timeout::TimeoutConfig,
    },
    error::ProvideErrorMetadata,
    operation::{delete_item::DeleteItemError, put_item::PutItemError, update_item::UpdateItemError},
};
use aws_smithy_async::{rt::sleep::TokioSleep, time::SystemTimeSource};
use aws_smithy_runtime_api::client::{interceptors::context, orchestrator::OrchestratorError};
use aws_types::SdkConfig;
use uuid::Uuid;

use crate::{Bucket, Descriptions, Table, TableNames, Transport, on_first_use::OnFirstUse};

/// The names of the tables and the description bucket, and where they are.
#[derive(Debug, Clone)]
pub struct TableConfig {
    pub tables: TableNames,
    pub bucket: String,
    pub place: Place,
    pub timeouts: Timeouts,
    /// What the SDK sends requests with.
    pub transport: Transport,
}

/// Where the table and the buckets are.
#[derive(Debug, Clone)]
pub enum Place {
    /// On AWS, reached with these credentials, in this region. How they are found is the caller's decision: a function is
    /// given them in variables, an operator's command looks for them as the AWS CLI does.
    Aws(Box<SdkConfig>),
    Local(Endpoints),
}

impl Place {
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }
}

/// A local engine instead of AWS.
#[derive(Debug, Clone)]
pub struct Endpoints {
    pub dynamodb: String,
    pub s3: String,
}

/// Timeouts. The SDK has no operation timeout of its own, so all of them are set here.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    pub read_attempt: Duration,
    pub read_total: Duration,
    pub write_attempt: Duration,
    pub write_total: Duration,
}

impl Timeouts {
    /// For Lambda, near the table: far below the function's own 20 seconds. An attempt may have to connect first, and
    /// the TLS handshake has a fraction of a processor: 0.29 with 512 MB. DynamoDB itself answers in milliseconds.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html>
    pub const LAMBDA: Timeouts = Timeouts {
        read_attempt: Duration::from_secs(1),
        read_total: Duration::from_millis(2_500),
        write_attempt: Duration::from_millis(1_500),
        write_total: Duration::from_secs(9),
    };

    /// For one machine that runs the engine, the functions and their callers at once: waiting is not a failure.
    pub const LOCAL: Timeouts = Timeouts {
        read_attempt: Duration::from_secs(30),
        read_total: Duration::from_secs(60),
        write_attempt: Duration::from_secs(30),
        write_total: Duration::from_secs(60),
    };

    fn reads(&self) -> TimeoutConfig {
        timeouts(self.read_attempt, self.read_total)
    }

    fn writes(&self) -> TimeoutConfig {
        timeouts(self.write_attempt, self.write_total)
    }
}

/// Keeps the SDK from sending a write again whose answer was lost: it may have happened, and adding to a cart twice is
/// wrong. For a transaction, whose token would allow it, the SDK would return the error of the last attempt alone, which
/// says nothing about the ones before. A request that certainly had no effect is sent again: one that was throttled, that conflicted with a
/// transaction on its item, or for which there was no connection.
#[derive(Debug)]
struct NeverWriteTwice;

impl ClassifyRetry for NeverWriteTwice {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let failed = context.response().is_some_and(|response| response.status().is_server_error());
        match context.output_or_error().and_then(|outcome| outcome.err()) {
            Some(e) if e.as_connector_error().is_some_and(|e| never_connected(e)) => RetryAction::transient_error(),
            Some(e) if failed || e.is_timeout_error() || e.is_response_error() || e.is_connector_error() => {
                RetryAction::RetryForbidden
            }
            Some(e) if met_a_transaction(e) => RetryAction::throttling_error(),
            Some(_) | None => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "never write twice"
    }
}

/// Whether the request was never sent, because there was no connection to send it on.
pub(crate) fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let chain = std::iter::successors(Some(error), |&e| e.source());
    chain.filter_map(|e| e.downcast_ref::<hyper_util::client::legacy::Error>()).any(|e| e.is_connect())
}

/// Whether a single write was refused because a transaction was writing its item.
fn met_a_transaction(error: &OrchestratorError<context::Error>) -> bool {
    let Some(error) = error.as_operation_error() else { return false };
    let put = || error.downcast_ref::<PutItemError>().and_then(|e| e.code());
    let update = || error.downcast_ref::<UpdateItemError>().and_then(|e| e.code());
    let delete = || error.downcast_ref::<DeleteItemError>().and_then(|e| e.code());
    put().or_else(update).or_else(delete) == Some("TransactionConflictException")
}

/// Attempts at a write. A hot item may conflict with several transactions in a row.
const WRITE_ATTEMPTS: u32 = 6;

/// Three attempts. The SDK's default first wait, up to a second, is longer than a read may take; DynamoDB answers in
/// milliseconds, so a short one is enough.
fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50))
}

/// With the same limit for a connection and for an attempt it would be chance which of them is over first, and so whether a
/// write that was never sent is known not to be.
fn timeouts(attempt: Duration, total: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(attempt * 2 / 3)
        .operation_attempt_timeout(attempt)
        .operation_timeout(total)
        .build()
}

impl TableConfig {
    /// Reads `TABLE_NAME` and, where kinds of data have tables of their own, `CATALOGUE_TABLE`, `ORDERS_TABLE` and
    /// `SESSIONS_TABLE`, `BUCKET_NAME` and, for a local engine, `DYNAMODB_ENDPOINT` and `S3_ENDPOINT`. Without these the
    /// table is on AWS, reached as `aws` and `transport` say.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_env(
        var: impl Fn(&str) -> Option<String>,
        aws: &SdkConfig,
        transport: Transport,
    ) -> Result<Self, String> {
        let table = var("TABLE_NAME").unwrap_or_else(|| "EcommerceApp".to_owned());
        let tables = TableNames::new(table, |kind| var(kind.variable())).map_err(|e| e.to_string())?;
        let bucket = var("BUCKET_NAME").ok_or("BUCKET_NAME is not set: the bucket that holds large descriptions")?;
        let (place, timeouts) = match (var("DYNAMODB_ENDPOINT"), var("S3_ENDPOINT")) {
            (None, None) => (Place::Aws(Box::new(aws.clone())), Timeouts::LAMBDA),
            (Some(dynamodb), Some(s3)) => (Place::Local(Endpoints { dynamodb, s3 }), Timeouts::LOCAL),
            _ => return Err("set both DYNAMODB_ENDPOINT and S3_ENDPOINT, or neither".to_owned()),
        };
        Ok(Self { tables, bucket, place, timeouts, transport })
    }

    /// The table and the buckets. Nothing is sent yet.
    pub fn connect(&self) -> (Table, Descriptions) {
        (self.table(), self.descriptions())
    }

    /// The table. Nothing is sent yet.
    pub fn table(&self) -> Table {
        // The SDK's quota of retries is one for the process. An environment is a process; a simulation of many is not.
        let quota = RetryPartition::new(format!("table {}", Uuid::now_v7()));
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&self.shared()).retry_partition(quota);
        if let Place::Local(endpoints) = &self.place {
            dynamodb = dynamodb.endpoint_url(&endpoints.dynamodb);
        }
        let slow = dynamodb.clone().timeout_config(self.timeouts.writes()).http_client(self.transport.for_writes());
        let slow = slow.retry_classifier(NeverWriteTwice);
        let once = slow.clone().retry_config(retries().with_max_attempts(WRITE_ATTEMPTS));
        let client = |config: aws_sdk_dynamodb::config::Builder| {
            OnFirstUse::new(move || aws_sdk_dynamodb::Client::from_conf(config.build()))
        };
        Table { reads: client(dynamodb), writes: client(once), transactions: client(slow), names: self.tables.clone() }
    }

    /// The buckets. Nothing is sent yet.
    ///
    /// Apart from [`TableConfig::table`], so that a function without it has nothing of S3's client in it.
    pub fn descriptions(&self) -> Descriptions {
        let mut s3 = aws_sdk_s3::config::Builder::from(&self.shared()).timeout_config(self.timeouts.writes());
        if let Place::Local(endpoints) = &self.place {
            s3 = s3.endpoint_url(&endpoints.s3).force_path_style(true);
        }
        let client = OnFirstUse::new(move || aws_sdk_s3::Client::from_conf(s3.build()));
        Descriptions::new(Bucket::new(client, self.bucket.clone()))
    }

    /// What the clients have in common.
    fn shared(&self) -> SdkConfig {
        let base = match &self.place {
            Place::Aws(config) => config.to_builder(),
            Place::Local(_) => SdkConfig::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .sleep_impl(TokioSleep::new())
                .time_source(SystemTimeSource::new())
                .region(Region::from_static("us-east-1"))
                // A local engine checks no signature, but the SDK needs credentials to sign with.
                .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                    "local", "local", None, None, "local",
                ))),
        };
        base.http_client(self.transport.for_reads())
            .retry_config(retries())
            .timeout_config(self.timeouts.reads())
            .build()
    }
}
