//! Time and fresh ids, passed in rather than read from the machine, so that tests can move the clock.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use domain::Timestamp;
use jiff::SignedDuration;
use uuid::Uuid;

/// The current time.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    #[default]
    System,
    /// Stands still until [`Clock::advance`] moves it. Milliseconds since the epoch.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    pub fn manual(start: Timestamp) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(start.as_millisecond())))
    }

    pub fn now(&self) -> Timestamp {
        match self {
            Clock::System => Timestamp::now(),
            Clock::Manual(ms) => Timestamp::from_millisecond(ms.load(Ordering::SeqCst)).unwrap_or_default(),
        }
    }

    /// Moves a manual clock; has no effect on the system's.
    pub fn advance(&self, by: SignedDuration) {
        if let Clock::Manual(ms) = self {
            let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            ms.fetch_add(by, Ordering::SeqCst);
        }
    }

    /// An id that sorts by this clock's time, to the millisecond.
    pub fn uuid_v7(&self) -> Uuid {
        let ms = u64::try_from(self.now().as_millisecond()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(ms, &random()).into_uuid()
    }
}

/// Bytes from the operating system.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness there are no sessions and no ids; an abort of this request is the only honest answer.
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
