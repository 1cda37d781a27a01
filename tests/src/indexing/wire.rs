//! Between the indexer and the SDK's own client: planted bugs, uploads that are lost, and a gate that holds a run where
//! others overtake it.

use std::sync::{
    Arc, Mutex, PoisonError,
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
use tokio::sync::Notify;

use crate::faults::bugs::{drop_condition, key};

const TARGET: &str = "x-amz-target";
const VERSION: &str = "DynamoDB_20120810.";

/// What the indexer would do if its code had one of these mistakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// The generation is named before its files are there.
    ManifestBeforeFiles,
    /// A generation is published whatever was published since it was begun.
    LastWriterWins,
    /// The note of a product is removed although the product has changed since it was read.
    DeleteOvertaken,
}

impl Bug {
    pub const ALL: [Bug; 3] = [Bug::ManifestBeforeFiles, Bug::LastWriterWins, Bug::DeleteOvertaken];

    pub fn name(self) -> &'static str {
        match self {
            Bug::ManifestBeforeFiles => "manifest-before-files",
            Bug::LastWriterWins => "last-writer-wins",
            Bug::DeleteOvertaken => "delete-overtaken-by-an-older-update",
        }
    }
}

/// Holds the publication of a generation until it is opened.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Notify, Notify)>);

impl Gate {
    /// Resolves when a run is about to publish.
    pub async fn reached(&self) {
        self.0.0.notified().await;
    }

    pub fn open(&self) {
        self.0.1.notify_one();
    }
}

/// What happens on the way, beside the faults of a plan.
#[derive(Debug, Clone, Default)]
pub struct Way {
    pub bug: Option<Bug>,
    pub gate: Option<Gate>,
    /// The upload of a file that S3 acknowledges and loses, counted from 0.
    pub loses: Option<usize>,
    pub(super) uploads: Arc<AtomicUsize>,
    /// Uploads that come after the manifest.
    pub(super) late: Arc<Mutex<Vec<HttpRequest>>>,
}

impl Way {
    pub fn over(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Http { inner, way: self.clone() })
    }

    /// Uploads of files so far.
    pub fn uploads(&self) -> usize {
        self.uploads.load(Ordering::SeqCst)
    }
}

#[derive(Debug, Clone)]
struct Http {
    inner: SharedHttpClient,
    way: Way,
}

impl HttpClient for Http {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, way: self.way.clone() })
    }
}

#[derive(Debug, Clone)]
struct Connector {
    inner: SharedHttpConnector,
    way: Way,
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
        let (pk, sk) = key(&body);
        let publishes = operation == "PutItem" && sk == "MANIFEST";
        let removes = operation == "DeleteItem" && pk.starts_with("SEARCH#CHANGED#");
        if publishes && let Some(gate) = &self.way.gate {
            gate.0.0.notify_one();
            gate.0.1.notified().await;
        }
        let is_wrong = match self.way.bug {
            Some(Bug::LastWriterWins) => publishes,
            Some(Bug::DeleteOvertaken) => removes,
            Some(Bug::ManifestBeforeFiles) | None => false,
        };
        if is_wrong {
            drop_condition(&mut body);
            let text = body.to_string();
            // The signature is wrong now; no local engine checks it.
            request.headers_mut().insert("content-length", text.len().to_string());
            *request.body_mut() = text.into();
        }
        let response = self.inner.call(request).await?;
        if publishes {
            let late = std::mem::take(&mut *self.way.late.lock().unwrap_or_else(PoisonError::into_inner));
            for upload in late {
                self.inner.call(upload).await?;
            }
        }
        Ok(response)
    }

    async fn carry_s3(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        if !request.uri().contains("/search/files/") {
            return self.inner.call(request).await;
        }
        let is_early = self.way.bug == Some(Bug::ManifestBeforeFiles);
        match request.method() {
            "PUT" => {
                let number = self.way.uploads.fetch_add(1, Ordering::SeqCst);
                if self.way.loses == Some(number) {
                    return Ok(respond(None));
                }
                if is_early {
                    self.way.late.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                    return Ok(respond(None));
                }
                self.inner.call(request).await
            }
            // As if nobody looked whether it has arrived.
            "HEAD" if is_early => {
                let late = self.way.late.lock().unwrap_or_else(PoisonError::into_inner);
                let path = |request: &HttpRequest| request.uri().split('?').next().unwrap_or_default().to_owned();
                let upload = late.iter().find(|upload| path(upload) == path(&request));
                let bytes = upload.and_then(|upload| upload.body().bytes()).map_or(0, <[u8]>::len);
                Ok(respond(Some(bytes)))
            }
            _ => self.inner.call(request).await,
        }
    }
}

fn respond(length: Option<usize>) -> HttpResponse {
    let mut response = HttpResponse::new(StatusCode::try_from(200).expect("a status"), String::new().into());
    response.headers_mut().insert("content-length", length.unwrap_or_default().to_string());
    response
}
