//! Freezes an environment between invocations, as Lambda does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::Timestamp;
use jiff::SignedDuration;
use runtime::Clock;

/// A peer closes connections that were idle for longer.
const PEER_MAX_IDLE: SignedDuration = SignedDuration::from_secs(5);

/// Counts how often an environment was thawed after a pause that was long enough for its connections to be closed.
/// Cheap to clone; clones are of the same environment.
#[derive(Debug, Clone)]
pub struct Freezer {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    last_ended: Option<Timestamp>,
    thaws: usize,
}

/// A running invocation.
#[derive(Debug)]
pub struct Invocation(Freezer);

impl Freezer {
    pub fn new(clock: Clock) -> Self {
        Self { clock, state: Arc::default() }
    }

    /// Begins an invocation; it ends when it is dropped.
    pub fn invoke(&self) -> Invocation {
        let now = self.clock.now();
        let mut state = self.state();
        let frozen = state.last_ended.filter(|_| state.running == 0);
        state.thaws += usize::from(frozen.is_some_and(|ended| now.duration_since(ended) > PEER_MAX_IDLE));
        state.running += 1;
        Invocation(self.clone())
    }

    pub fn thaws(&self) -> usize {
        self.state().thaws
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Invocation {
    fn drop(&mut self) {
        let now = self.0.clock.now();
        let mut state = self.0.state();
        state.running -= 1;
        state.last_ended = Some(now);
    }
}
