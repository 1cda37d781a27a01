use std::{
    hash::{BuildHasher as _, RandomState},
    path::Path,
    sync::Arc,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{Method, StatusCode};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::{
    net::TcpListener,
    sync::{RwLock, watch},
    task::JoinSet,
};
use tower::ServiceExt as _;

use crate::{
    StackError,
    door::{Pages, guarded},
    serve,
};

/// Serves an S3 that keeps its objects as files below `folder`.
pub fn serve(
    listener: TcpListener,
    folder: &Path,
    stopped: watch::Receiver<bool>,
    servers: &mut JoinSet<()>,
) -> Result<(), StackError> {
    let files = FileSystem::new(folder).map_err(|e| StackError::start("S3", format!("{e:?}")))?;
    let mut builder = S3ServiceBuilder::new(files);
    // The SDK signs every request; these are the credentials it signs with locally.
    builder.set_auth(SimpleAuth::from_single("local", "local"));
    let service = builder.build();

    let turns = Turns::default();
    let answer = async move |request: Request| -> Response {
        let (service, turns) = (service.clone(), turns.clone());
        let answer = async move {
            let turn = turns.of(request.uri().path());
            let reads = [Method::GET, Method::HEAD].contains(request.method());
            let (_reading, _writing) = match reads {
                true => (Some(turn.read().await), None),
                false => (None, Some(turn.write().await)),
            };
            service.oneshot(request).await
        };
        // In a task of its own, so that a client that disconnects leaves no object half written.
        match tokio::spawn(answer).await {
            Ok(Ok(response)) => response.map(Body::new),
            Ok(Err(error)) => {
                tracing::error!(?error, "the S3 could not answer");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
            Err(error) => {
                tracing::error!(%error, "the S3 could not answer");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    };
    serve::router("S3", listener, guarded(Router::new().fallback(answer), Pages::Refused), stopped, servers);
    Ok(())
}

/// The file system stores an object in two files, its text and its checksum. Writers of one object take turns, also
/// with readers, so that no reader gets the text of one version with the checksum of another.
#[derive(Clone, Default)]
struct Turns {
    locks: Arc<[RwLock<()>; 16]>,
    hash: RandomState,
}

impl Turns {
    /// Different objects may share a lock, which only costs a little time.
    fn of(&self, path: &str) -> &RwLock<()> {
        let lock = self.hash.hash_one(path) % 16;
        &self.locks[usize::try_from(lock).unwrap_or_default()]
    }
}
