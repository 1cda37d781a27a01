//! The schedule that EventBridge has on AWS: runs the sweeper repeatedly.

use std::time::Duration;

use tokio::{sync::watch, task::JoinSet, time::MissedTickBehavior};

use crate::{error_chain, function, stop_requested};

pub fn serve(every: Duration, sweeper: sweeper::State, stopped: watch::Receiver<bool>, servers: &mut JoinSet<()>) {
    servers.spawn(async move {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stop = stop_requested(stopped);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = ticks.tick() => {}
            }
            match function::run_as("sweeper", sweeper::sweep(&sweeper, None)).await {
                Ok(swept) if swept.due > 0 || swept.moved > 0 => tracing::info!(?swept, "swept"),
                Ok(_) => {}
                Err(error) => tracing::error!(error = error_chain(&error), "the sweeper failed; it runs again"),
            }
        }
    });
}
