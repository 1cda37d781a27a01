//! Connections of clients to the gateway: their number, how long a request may take to arrive, and what happens to a
//! body that was not read.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    BoxError, Router,
    body::{Body, Bytes, HttpBody},
    extract::{ConnectInfo, Request},
    response::Response,
};
use futures::FutureExt as _;
use http::{HeaderValue, header};
use http_body_util::BodyExt as _;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, Sleep, sleep, sleep_until, timeout},
};
use tower::{Service, ServiceExt as _};

use crate::stop_requested;

/// Limits for clients of the gateway.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Maximum concurrent connections. Another one is answered 503 and closed.
    pub most: usize,
    /// Timeout of the head of a request. An idle connection is closed after the same time.
    pub head: Duration,
    /// Timeout of the body, from then on.
    pub body: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        // On many machines a process may open 1,024 files, and the engine and the SDK need some.
        Self { most: 512, head: Duration::from_secs(30), body: Duration::from_secs(30) }
    }
}

/// Maximum bytes of a body that are read only to be dropped: the limit of API Gateway.
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html>
const DRAINED_BYTES: u64 = 10 * 1024 * 1024;

/// How long an answer waits for the rest of a body that it does not need.
const DRAINED_WITHIN: Duration = Duration::from_secs(1);

/// How long a rejected client may take to read the answer.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

/// Serves a router until the stack stops.
pub fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    stopped: watch::Receiver<bool>,
    servers: &mut JoinSet<()>,
) {
    servers.spawn(async move {
        let (places, graceful) = (Arc::new(Semaphore::new(limits.most)), GracefulShutdown::new());
        // All connections end with this task, as when the stack is dropped.
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop_requested(stopped));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                () = &mut stop => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Most likely too many open files: some are closed soon.
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                connections.spawn(timeout(REFUSED_WITHIN, refuse(stream)).map(drop));
                continue;
            };
            let answers = Answers { router: router.clone(), peer, body: limits.body };
            let mut http = Builder::new(TokioExecutor::new()).http1_only();
            http.http1().timer(TokioTimer::new()).header_read_timeout(limits.head);
            let connection =
                http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(answers)).into_owned();
            let connection = graceful.watch(connection);
            connections.spawn(async move {
                // A client that disconnects, or is too slow, does not affect the others.
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended");
                }
                drop(place);
            });
        }
        drop(listener);
        graceful.shutdown().await;
    });
}

/// Answers that there are too many connections, and waits until the client has closed its side: closing first, with a
/// request unread, would make the client's system discard the answer.
async fn refuse(mut stream: TcpStream) -> std::io::Result<()> {
    let body = r#"{"type":"about:blank","title":"Service Unavailable","status":503,"code":"busy","detail":"too many connections; try again"}"#;
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\nconnection: \
         close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await?;
    let mut rest = [0; 4096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Serves the requests of one connection.
#[derive(Clone)]
struct Answers {
    router: Router,
    peer: SocketAddr,
    body: Duration,
}

impl<B> Service<http::Request<B>> for Answers
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let Self { router, peer, body: within } = self.clone();
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(ConnectInfo(peer));
        let waits_to_send = parts.headers.contains_key(header::EXPECT);
        let returned = Returned::default();
        let body = Lent { body: Some(Arriving::new(Body::new(body), within)), to: returned.clone() };
        let request = Request::from_parts(parts, Body::new(body));
        Box::pin(async move {
            let mut response = router.oneshot(request).await?;
            let rest = returned.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Otherwise the code that creates the answer's own body is still reading it.
            if let Some(rest) = rest
                && !rest.drained(waits_to_send).await
            {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response)
        })
    }
}

/// Returns a body to the connection once no handler has it any more.
type Returned = Arc<Mutex<Option<Arriving>>>;

/// A body that is lent to the router.
struct Lent {
    body: Option<Arriving>,
    to: Returned,
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.to.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take();
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.as_ref().map(HttpBody::size_hint).unwrap_or_default()
    }
}

/// A body with a timeout.
struct Arriving {
    body: Body,
    late: Pin<Box<Sleep>>,
    begun: bool,
    ended: bool,
}

impl Arriving {
    fn new(body: Body, within: Duration) -> Self {
        Self { body, late: Box::pin(sleep_until(Instant::now() + within)), begun: false, ended: false }
    }

    /// Reads and drops the rest of a body, so that the next request of the connection can be read. False if the rest is
    /// too large, too slow, or would never come because the client waits for `100 Continue`.
    async fn drained(mut self, waits_to_send: bool) -> bool {
        if self.is_end_stream() {
            return true;
        }
        if self.size_hint().lower() > DRAINED_BYTES || (waits_to_send && !self.begun) {
            return false;
        }
        let drain = async {
            let mut left = DRAINED_BYTES;
            while let Some(frame) = self.frame().await {
                let bytes = frame.ok().map(|frame| frame.into_data().map_or(0, |data| data.len() as u64));
                match bytes.and_then(|bytes| left.checked_sub(bytes)) {
                    Some(rest) => left = rest,
                    None => return false,
                }
            }
            true
        };
        timeout(DRAINED_WITHIN, drain).await.unwrap_or(false)
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, BoxError>>> {
        self.begun = true;
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.ended |= frame.is_none();
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.late.as_mut().poll(cx));
        Poll::Ready(Some(Err("the body did not arrive in time".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}
