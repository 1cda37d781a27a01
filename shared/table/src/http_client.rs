//! What the SDK sends requests with: hyper, and rustls on ring.
//!
//! The SDK's own client does the same, but brings HTTP/2, which DynamoDB and S3 do not speak: half a megabyte of every
//! function. It also makes the settings of TLS, with the roots, for each client that is configured.

use std::{
    collections::HashMap,
    error::Error,
    fmt, io,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use aws_sdk_dynamodb::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        connection::{CaptureSmithyConnection, ConnectionMetadata},
        connector_metadata::ConnectorMetadata,
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
};
use aws_smithy_types::{body::SdkBody, retry::ErrorKind};
use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        self, Client,
        connect::{CaptureConnection, HttpConnector as Tcp, HttpInfo, capture_connection},
    },
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::time::timeout;
use tower::Service;

/// The settings of TLS, made when the first request needs them.
type Tls = Arc<LazyLock<ClientConfig, Box<dyn FnOnce() -> ClientConfig + Send>>>;

/// How long a connection may be idle by default.
pub(crate) const IDLE: Duration = Duration::from_secs(90);

/// A client that trusts the certificates of the machine. They are read once in a process.
pub fn http_client() -> SharedHttpClient {
    http_client_idle(IDLE)
}

/// The same, whose connections are closed once they were idle for so long.
pub(crate) fn http_client_idle(max_idle: Duration) -> SharedHttpClient {
    static MACHINE: LazyLock<Tls> = LazyLock::new(|| tls(native_roots));
    Connections::shared(MACHINE.clone(), max_idle)
}

/// Clients that trust these certificates and read none. They share what resumes a session of TLS.
pub(crate) fn trusting(roots: RootCertStore) -> impl Fn(Duration) -> SharedHttpClient + Send + Sync {
    let tls = tls(move || roots);
    move |max_idle| Connections::shared(tls.clone(), max_idle)
}

fn tls(roots: impl FnOnce() -> RootCertStore + Send + 'static) -> Tls {
    Arc::new(LazyLock::new(Box::new(move || {
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions of TLS")
            .with_root_certificates(roots())
            .with_no_client_auth()
    })))
}

/// Without any, a local engine can be reached all the same.
fn native_roots() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    if !found.errors.is_empty() {
        tracing::warn!(errors = ?found.errors, "certificates of this machine cannot be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    roots
}

/// Pools of connections, one for each setting of timeouts.
struct Connections {
    tls: Tls,
    max_idle: Duration,
    pools: Mutex<HashMap<Limits, SharedHttpConnector>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Limits {
    connect: Option<Duration>,
    read: Option<Duration>,
}

impl Connections {
    fn shared(tls: Tls, max_idle: Duration) -> SharedHttpClient {
        SharedHttpClient::new(Self { tls, max_idle, pools: Mutex::default() })
    }

    fn pool(&self, limits: Limits) -> Pool {
        let mut tcp = Tcp::new();
        tcp.set_nodelay(true);
        // The connector above it distinguishes HTTPS from HTTP.
        tcp.enforce_http(false);
        let config = ClientConfig::clone(&self.tls);
        let https = HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1();
        let connector = Limited { inner: https.wrap_connector(tcp), limit: limits.connect };
        // Without a timer, idle connections are never closed.
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).pool_idle_timeout(self.max_idle);
        Pool { client: client.build(connector), read: limits.read }
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl HttpClient for Connections {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let limits = Limits { connect: settings.connect_timeout(), read: settings.read_timeout() };
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.entry(limits).or_insert_with(|| SharedHttpConnector::new(self.pool(limits))).clone()
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        Some(ConnectorMetadata::new("hyper", Some("1.x".into())))
    }
}

#[derive(Debug)]
struct Pool {
    client: Client<Limited, SdkBody>,
    /// Until an answer begins.
    read: Option<Duration>,
}

impl HttpConnector for Pool {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let used = capture_connection(&mut request);
        // By it, the SDK has a connection closed whose answer was a server error, or no whole one.
        if let Some(captured) = request.extensions().get::<CaptureSmithyConnection>() {
            captured.set_connection_retriever(move || connection(&used));
        }
        let (answer, limit) = (self.client.request(request), self.read);
        HttpConnectorFuture::new(async move {
            let answer = match limit {
                None => answer.await,
                Some(limit) => timeout(limit, answer).await.map_err(|e| ConnectorError::timeout(e.into()))?,
            };
            let answer = answer.map_err(connector_error)?.map(SdkBody::from_body_1_x);
            HttpResponse::try_from(answer).map_err(|e| ConnectorError::other(e.into(), None))
        })
    }
}

fn connection(used: &CaptureConnection) -> Option<ConnectionMetadata> {
    let (used, poisoned) = (used.connection_metadata(), used.clone());
    let mut extras = http::Extensions::new();
    used.as_ref()?.get_extras(&mut extras);
    let info = extras.get::<HttpInfo>();
    let mut metadata = ConnectionMetadata::builder().proxied(false).poison_fn(move || {
        if let Some(connection) = poisoned.connection_metadata().as_ref() {
            connection.poison();
        }
    });
    metadata.set_local_addr(info.map(HttpInfo::local_addr)).set_remote_addr(info.map(HttpInfo::remote_addr));
    Some(metadata.build())
}

/// What kind of error it is: the SDK sends a request again after those of connections and of time.
fn connector_error(error: legacy::Error) -> ConnectorError {
    let sources = || std::iter::successors(Some(&error as &(dyn Error + 'static)), |&e| e.source());
    let of_hyper = sources().find_map(|e| e.downcast_ref::<hyper::Error>());
    let is_io = sources().any(|e| e.is::<io::Error>());
    let is_over = sources().any(|e| e.is::<TimedOut>()) || of_hyper.is_some_and(hyper::Error::is_timeout);
    let is_closed = of_hyper.is_some_and(|e| e.is_closed() || e.is_canceled());
    let is_cut = of_hyper.is_some_and(hyper::Error::is_incomplete_message);
    if is_over {
        ConnectorError::timeout(error.into())
    } else if error.is_connect() || is_closed || is_io {
        ConnectorError::io(error.into())
    } else {
        ConnectorError::other(error.into(), is_cut.then_some(ErrorKind::TransientError))
    }
}

/// No connection, TLS included, was made in time.
#[derive(Debug, thiserror::Error)]
#[error("no connection in {0:?}")]
struct TimedOut(Duration);

/// Limits how long a connection takes, TLS included.
#[derive(Debug, Clone)]
struct Limited {
    inner: HttpsConnector<Tcp>,
    limit: Option<Duration>,
}

impl Service<Uri> for Limited {
    type Response = <HttpsConnector<Tcp> as Service<Uri>>::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connected, limit) = (self.inner.call(uri), self.limit);
        Box::pin(async move {
            match limit {
                None => connected.await,
                Some(limit) => timeout(limit, connected).await.map_err(|_| TimedOut(limit))?,
            }
        })
    }
}
