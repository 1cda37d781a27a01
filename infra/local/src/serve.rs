use std::net::SocketAddr;

use axum::Router;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::stop_requested;

/// Serves a router until the stack stops; `what` names it in logs.
pub fn router(
    what: &'static str,
    listener: TcpListener,
    router: Router,
    stopped: watch::Receiver<bool>,
    servers: &mut JoinSet<()>,
) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    servers.spawn(async move {
        let served = axum::serve(listener, service).with_graceful_shutdown(stop_requested(stopped)).await;
        if let Err(error) = served {
            tracing::error!(%error, "the {what} ended");
        }
    });
}
