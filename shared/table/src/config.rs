use std::time::Duration;

use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_dynamodb::config::{
    Credentials, SharedHttpClient,
    interceptors::InterceptorContext,
    retry::{ClassifyRetry, RetryAction},
};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};

use crate::{Bucket, Descriptions, Table};

/// Where the table and the description bucket are.
#[derive(Debug, Clone)]
pub struct TableConfig {
    pub table: String,
    pub bucket: String,
    /// `None` is AWS itself, with the credentials and region of the environment.
    pub endpoints: Option<Endpoints>,
    pub timeouts: Timeouts,
    /// What the SDK sends with: [`http_client`], or something around it that watches or disturbs.
    pub http: SharedHttpClient,
}

/// A local engine instead of AWS.
#[derive(Debug, Clone)]
pub struct Endpoints {
    pub dynamodb: String,
    pub s3: String,
}

/// How long to wait. The SDK has no operation timeout of its own, so all of them are set here.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    pub read_attempt: Duration,
    pub read_total: Duration,
    pub write_attempt: Duration,
    pub write_total: Duration,
}

impl Timeouts {
    /// For Lambda, in reach of the table: far below the function's own 20 seconds.
    pub const LAMBDA: Timeouts = Timeouts {
        read_attempt: Duration::from_millis(500),
        read_total: Duration::from_secs(2),
        write_attempt: Duration::from_millis(1_500),
        write_total: Duration::from_secs(9),
    };

    /// For one machine that runs the engine, the functions and their callers at once: a queue is not a failure.
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

/// The HTTP client under every SDK client: rustls on ring, which needs nothing but a C compiler to build.
pub fn http_client() -> SharedHttpClient {
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
}

/// Keeps the SDK from sending a write again whose answer was lost: it may have happened, and adding to a cart twice is
/// not adding once. Throttling is still retried, for then nothing happened; so are transactions, which carry a token.
#[derive(Debug)]
struct NeverWriteTwice;

impl ClassifyRetry for NeverWriteTwice {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let failed = context.response().is_some_and(|response| response.status().is_server_error());
        let error = context.output_or_error().and_then(|outcome| outcome.err());
        match error {
            Some(e) if failed || e.is_timeout_error() || e.is_response_error() || e.is_connector_error() => {
                RetryAction::RetryForbidden
            }
            _ => RetryAction::NoActionIndicated,
        }
    }

    fn name(&self) -> &'static str {
        "never write twice"
    }
}

/// Three attempts. The SDK's own first wait, up to a second, is longer than a read may take; DynamoDB answers in
/// milliseconds, so a short one is enough.
fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50))
}

fn timeouts(attempt: Duration, total: Duration) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(attempt)
        .operation_attempt_timeout(attempt)
        .operation_timeout(total)
        .build()
}

impl TableConfig {
    /// Reads `TABLE_NAME`, `BUCKET_NAME` and, for a local engine, `DYNAMODB_ENDPOINT` and `S3_ENDPOINT`.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env(var: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let table = var("TABLE_NAME").unwrap_or_else(|| "EcommerceApp".to_owned());
        let bucket = var("BUCKET_NAME").ok_or("BUCKET_NAME is not set: the bucket that holds large descriptions")?;
        let (endpoints, timeouts) = match (var("DYNAMODB_ENDPOINT"), var("S3_ENDPOINT")) {
            (None, None) => (None, Timeouts::LAMBDA),
            (Some(dynamodb), Some(s3)) => (Some(Endpoints { dynamodb, s3 }), Timeouts::LOCAL),
            _ => return Err("set both DYNAMODB_ENDPOINT and S3_ENDPOINT, or neither".to_owned()),
        };
        Ok(Self { table, bucket, endpoints, timeouts, http: http_client() })
    }

    /// Makes the clients. Nothing is sent yet.
    pub async fn connect(&self) -> (Table, Descriptions) {
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(self.http.clone())
            .retry_config(retries())
            .timeout_config(self.timeouts.reads());
        if self.endpoints.is_some() {
            // A local engine checks no signature, but the SDK wants something to sign with.
            let credentials = Credentials::new("local", "local", None, None, "local");
            loader = loader.region(Region::from_static("us-east-1")).credentials_provider(credentials);
        }
        let shared = loader.load().await;

        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(&shared);
        let mut s3 = aws_sdk_s3::config::Builder::from(&shared).timeout_config(self.timeouts.writes());
        if let Some(endpoints) = &self.endpoints {
            dynamodb = dynamodb.endpoint_url(&endpoints.dynamodb);
            s3 = s3.endpoint_url(&endpoints.s3).force_path_style(true);
        }
        let reads = aws_sdk_dynamodb::Client::from_conf(dynamodb.clone().build());
        let dynamodb = dynamodb.timeout_config(self.timeouts.writes());
        let transactions = aws_sdk_dynamodb::Client::from_conf(dynamodb.clone().build());
        let writes = aws_sdk_dynamodb::Client::from_conf(dynamodb.retry_classifier(NeverWriteTwice).build());
        let table = Table { reads, writes, transactions, name: self.table.clone() };
        (table, Descriptions::new(Bucket::new(aws_sdk_s3::Client::from_conf(s3.build()), self.bucket.clone())))
    }
}
