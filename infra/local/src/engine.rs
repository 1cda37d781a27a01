use std::{path::PathBuf, time::Duration};

use dynoxide::Database;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

use crate::{StackError, told_to_stop};

/// How often expired items are deleted. AWS takes up to days, so nothing may rely on it.
const TTL_SWEEP: Duration = Duration::from_secs(60);

/// Serves the DynamoDB engine, in memory or in a file.
pub fn serve(
    listener: TcpListener,
    file: Option<PathBuf>,
    stopped: watch::Receiver<bool>,
    servers: &mut JoinSet<()>,
) -> Result<(), StackError> {
    let database = match &file {
        Some(file) => Database::new(&file.to_string_lossy()),
        None => Database::memory(),
    };
    let database = database.map_err(|e| StackError::start("DynamoDB engine", e))?;

    let swept = database.clone();
    let sweep_stopped = stopped.clone();
    servers.spawn(async move {
        let sweep = async {
            loop {
                tokio::time::sleep(TTL_SWEEP).await;
                let database = swept.clone();
                let outcome = tokio::task::spawn_blocking(move || database.sweep_ttl()).await;
                if let Ok(Err(error)) = outcome {
                    tracing::warn!(%error, "expired items were not deleted");
                }
            }
        };
        tokio::select! {
            () = sweep => {}
            () = told_to_stop(sweep_stopped) => {}
        }
    });
    servers.spawn(async move {
        let served = dynoxide::server::serve_with_shutdown(listener, database, told_to_stop(stopped)).await;
        if let Err(error) = served {
            tracing::error!(error, "the DynamoDB engine ended");
        }
    });
    Ok(())
}
