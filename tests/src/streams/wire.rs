//! Plants bugs between a consumer and the SDK's own client.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_sdk_dynamodb::config::{
    RuntimeComponents, SharedHttpClient,
    http::{HttpRequest, HttpResponse},
};
use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        result::ConnectorError,
    },
    http::StatusCode,
};
use serde_json::Value;
use table::Bucket;

use super::bugs::{Bug, Deed};

const TARGET: &str = "x-amz-target";
const VERSION: &str = "DynamoDB_20120810.";

/// A bug, and how often it made a difference. Cheap to clone; clones are the same.
#[derive(Debug, Clone)]
pub struct Planted {
    pub bug: Bug,
    acted: Arc<AtomicUsize>,
}

impl Planted {
    pub fn new(bug: Bug) -> Self {
        Self { bug, acted: Arc::default() }
    }

    pub fn acted(&self) -> usize {
        self.acted.load(Ordering::SeqCst)
    }

    /// Counts, and says how often it acted before.
    pub fn act(&self) -> usize {
        self.acted.fetch_add(1, Ordering::SeqCst)
    }
}

/// The HTTP client of a consumer with a planted bug.
#[derive(Debug, Clone)]
pub struct PlantedHttp {
    inner: SharedHttpClient,
    planted: Planted,
    /// The audit log as the consumer reaches it: [`Bug::AuditByArrival`] writes to it under other keys.
    audit: Bucket,
}

impl PlantedHttp {
    pub fn new(inner: SharedHttpClient, planted: Planted, audit: Bucket) -> Self {
        Self { inner, planted, audit }
    }
}

impl HttpClient for PlantedHttp {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, planted: self.planted.clone(), audit: self.audit.clone() })
    }
}

#[derive(Debug, Clone)]
struct Connector {
    inner: SharedHttpConnector,
    planted: Planted,
    audit: Bucket,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { connector.carry(request).await })
    }
}

impl Connector {
    async fn carry(&self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let operation = request.headers().get(TARGET).and_then(|target| target.strip_prefix(VERSION));
        let Some(operation) = operation.map(str::to_owned) else { return self.carry_s3(request).await };
        let body = request.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok());
        let mut body: Value = body.unwrap_or_default();
        match self.planted.bug.ask(&operation, &mut body) {
            Deed::Nothing => {}
            Deed::Changed => {
                self.planted.act();
                let text = body.to_string();
                // The signature is wrong now; no local engine checks it.
                request.headers_mut().insert("content-length", text.len().to_string());
                *request.body_mut() = text.into();
            }
            Deed::Answered(answer) => {
                self.planted.act();
                return Ok(respond("application/x-amz-json-1.0", answer.to_string()));
            }
        }
        self.inner.call(request).await
    }

    async fn carry_s3(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let audited = request.method() == "PUT" && request.uri().contains(&format!("/{}/", self.audit.name()));
        let content = request.body().bytes().map(<[u8]>::to_vec);
        let Some(content) = content.filter(|_| audited && self.planted.bug == Bug::AuditByArrival) else {
            return self.inner.call(request).await;
        };
        // A request of its own, because S3 checks signatures.
        let key = format!("arrived/{:06}.jsonl", self.planted.act());
        let put = self.audit.put(&key, content, "application/jsonl").await;
        put.map_err(|e| ConnectorError::io(e.into()))?;
        Ok(respond("application/xml", String::new()))
    }
}

fn respond(content_type: &'static str, body: String) -> HttpResponse {
    let length = body.len().to_string();
    let mut response = HttpResponse::new(StatusCode::try_from(200).expect("a status"), body.into());
    response.headers_mut().insert("content-type", content_type);
    response.headers_mut().insert("content-length", length);
    response
}
