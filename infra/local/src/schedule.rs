//! The schedules that EventBridge has on AWS: run the sweeper and the indexer repeatedly.

use std::{future::Future, time::Duration};

use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};

use crate::{error_chain, function, stop_requested};

pub fn sweep(every: Duration, sweeper: sweeper::State, stopped: watch::Receiver<bool>, servers: &mut JoinSet<()>) {
    servers.spawn(repeat(every, stopped, move || {
        let sweeper = sweeper.clone();
        async move {
            match function::run_as("sweeper", sweeper::sweep(&sweeper, None)).await {
                Ok(swept) if swept.due > 0 || swept.moved > 0 => tracing::info!(?swept, "swept"),
                Ok(_) => {}
                Err(error) => tracing::error!(error = error_chain(&error), "the sweeper failed; it runs again"),
            }
        }
    }));
}

pub fn index(every: Duration, indexer: indexer::State, stopped: watch::Receiver<bool>, servers: &mut JoinSet<()>) {
    servers.spawn(repeat(every, stopped, move || {
        let indexer = indexer.clone();
        async move {
            match function::run_as("indexer", indexer::run(&indexer, None)).await {
                Ok(report) if report.changed > 0 => tracing::info!(?report, "indexed"),
                Ok(_) => {}
                Err(error) => tracing::error!(error = error_chain(&error), "the indexer failed; it runs again"),
            }
        }
    }));
}

async fn repeat<F: Future<Output = ()>>(every: Duration, stopped: watch::Receiver<bool>, run: impl Fn() -> F) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stop = stop_requested(stopped);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = ticks.tick() => {}
        }
        run().await;
    }
}
