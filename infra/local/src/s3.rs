use std::path::Path;

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tower::ServiceExt as _;

use crate::{
    StackError,
    door::{Pages, guarded},
    gateway,
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
    // The SDK signs whatever it sends; these are the credentials it signs with locally.
    builder.set_auth(SimpleAuth::from_single("local", "local"));
    let service = builder.build();

    let answer = async move |request: Request| -> Response {
        match service.clone().oneshot(request).await {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                tracing::error!(?error, "the S3 could not answer");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    };
    gateway::serve("S3", listener, guarded(Router::new().fallback(answer), Pages::Refused), stopped, servers);
    Ok(())
}
