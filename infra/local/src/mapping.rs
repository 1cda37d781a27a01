//! Lambda's event source mappings: each delivers the table's stream to a function, in batches, until every record is
//! handled or is a dead letter.
//!
//! `delivery` has the rules of a batch, independent of the source and the time of records; `filter` decides which
//! records a function is called for; `poller` reads the stream, shard by shard, and stores checkpoints.

mod checkpoint;
mod delivery;
mod filter;
mod invoke;
mod poller;
mod record;
mod source;
mod target;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use stream::{DeadLetters, Mapping};
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
};

pub use checkpoint::{Checkpoint, Checkpoints};
pub use delivery::{Delivered, deliver};
pub use filter::{Filter, FilterError};
pub use invoke::router as invoke;
pub use poller::DrainError;
pub use source::{Source, SourceError};
pub use target::{Handler, InvokeError, Lambda, Target};

/// A function, and its mapping.
pub struct Consumer {
    pub mapping: Mapping,
    /// The function in this process, even if the stream is delivered to the same function elsewhere.
    pub handler: Handler,
    target: Target,
    filter: Filter,
    source: Source,
    checkpoints: Checkpoints,
    dead_letters: DeadLetters,
    draining: Mutex<()>,
}

impl Consumer {
    /// `target` is where the stream is delivered, if not to the handler.
    ///
    /// # Errors
    /// A filter of the mapping cannot be read.
    pub fn new(
        mapping: Mapping,
        handler: Handler,
        target: Option<Target>,
        source: Source,
        checkpoints: Checkpoints,
        dead_letters: DeadLetters,
    ) -> Result<Self, FilterError> {
        let filter = Filter::parse(&mapping.patterns())?;
        let target = target.unwrap_or_else(|| Target::InProcess(handler.clone()));
        Ok(Self { mapping, handler, target, filter, source, checkpoints, dead_letters, draining: Mutex::new(()) })
    }

    /// Delivers what is on the stream now and was not delivered yet, without waiting between deliveries, and returns
    /// the outcome. Only one call at a time, and not concurrently with [`serve`]: both would deliver the same records.
    pub async fn drain(&self) -> Result<Delivered, DrainError> {
        let _alone = self.draining.lock().await;
        poller::drain(self).await
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("mapping", &self.mapping).field("target", &self.target).finish_non_exhaustive()
    }
}

/// Delivers the stream until the stack stops; a running delivery is finished.
pub fn serve(consumer: Arc<Consumer>, stopped: watch::Receiver<bool>, servers: &mut JoinSet<()>) {
    servers.spawn(poller::follow(consumer, stopped));
}
