mod api;
mod file;

use std::{path::Path, time::Duration};

use dynoxide::Database;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};

pub use file::{Pointer, check, write_out};

use crate::{
    StackError,
    door::{Pages, guarded},
    serve, stop_requested,
};

/// How often expired items are deleted. AWS takes up to days, so nothing may rely on it.
const TTL_SWEEP: Duration = Duration::from_secs(60);

/// The engine reads its whole stream at each write to find the last sequence number (dynoxide-rs 3.2,
/// `next_stream_sequence_number`), so that writes get slower with the number of records. An index makes it a lookup.
fn index_stream(place: &str) -> Result<(), rusqlite::Error> {
    let index = "CREATE INDEX IF NOT EXISTS stream_tail \
                 ON _stream_records (table_name, CAST(sequence_number AS INTEGER))";
    rusqlite::Connection::open(place)?.execute_batch(index)
}

/// Serves the DynamoDB engine, in memory or in a file.
pub fn serve(
    listener: TcpListener,
    file: Option<&Path>,
    stopped: watch::Receiver<bool>,
    servers: &mut JoinSet<()>,
) -> Result<(), StackError> {
    let place = match file {
        Some(file) => file.to_string_lossy().into_owned(),
        // Not simply "in memory": it needs a name, so that the index below is created in the database the engine uses.
        None => format!("file:onetill-{}?mode=memory&cache=shared", uuid::Uuid::now_v7()),
    };
    let database = Database::new(&place).map_err(|e| StackError::start("DynamoDB engine", e))?;
    index_stream(&place).map_err(|e| StackError::start("DynamoDB engine", e))?;

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
            () = stop_requested(sweep_stopped) => {}
        }
    });
    serve::router("DynamoDB engine", listener, guarded(api::router(database), Pages::Refused), stopped, servers);
    Ok(())
}
