use std::path::Path;

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{StackError, told_to_stop};

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

    servers.spawn(async move {
        let server = Builder::new(TokioExecutor::new());
        let connections = GracefulShutdown::new();
        let mut stop = std::pin::pin!(told_to_stop(stopped));
        loop {
            let socket = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((socket, _)) => socket,
                    Err(_) => continue,
                },
                () = stop.as_mut() => break,
            };
            let connection = server.serve_connection(TokioIo::new(socket), service.clone()).into_owned();
            let connection = connections.watch(connection);
            tokio::spawn(async move {
                // A client that goes away in the middle of a request is the client's business.
                let _ = connection.await;
            });
        }
        connections.shutdown().await;
    });
    Ok(())
}
