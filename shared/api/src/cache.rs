use std::{future::Future, hash::Hash};

use domain::Timestamp;
use jiff::SignedDuration;
use moka::ops::compute::Op;

/// Answers kept in memory until a deadline.
///
/// The deadline is wall-clock time read at each use: a Lambda environment is frozen between requests, and a monotonic
/// clock may stop meanwhile. Of concurrent callers that find an answer missing or expired, one loads it.
#[derive(Clone)]
pub struct Cache<K, V> {
    entries: moka::future::Cache<K, (Timestamp, V)>,
    ttl: SignedDuration,
}

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    #[must_use]
    pub fn new(capacity: u64, ttl: SignedDuration) -> Self {
        Self { entries: moka::future::Cache::new(capacity), ttl }
    }

    /// What is kept, or what `load` reads now.
    ///
    /// # Errors
    /// Those of `load`; nothing is kept then.
    pub async fn get<E, F>(&self, key: &K, now: Timestamp, load: impl FnOnce() -> F) -> Result<V, E>
    where
        F: Future<Output = Result<V, E>>,
        E: Send + Sync + 'static,
    {
        if let Some(value) = self.fresh(key, now).await {
            return Ok(value);
        }
        let result = self
            .entries
            .entry_by_ref(key)
            .and_try_compute_with(async |entry| {
                // Another caller may have loaded it while this one waited.
                if entry.is_some_and(|e| now < e.value().0) {
                    return Ok(Op::Nop);
                }
                Ok(Op::Put((now + self.ttl, load().await?)))
            })
            .await?;
        let entry = result.into_entry().expect("an entry was put or left in place");
        Ok(entry.into_value().1)
    }

    /// What is kept and has not expired, without loading it.
    pub async fn fresh(&self, key: &K, now: Timestamp) -> Option<V> {
        let (deadline, value) = self.entries.get(key).await?;
        (now < deadline).then_some(value)
    }

    /// Keeps what was read at this time together with other entries.
    pub async fn put(&self, key: K, now: Timestamp, value: V) {
        self.entries.insert(key, (now + self.ttl, value)).await;
    }

    pub async fn forget(&self, key: &K) {
        self.entries.invalidate(key).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicU32, Ordering},
    };

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[tokio::test]
    async fn a_hundred_callers_load_once_and_again_only_after_the_deadline() {
        let cache = Cache::new(10, SignedDuration::from_secs(2));
        let loads = AtomicU32::new(0);
        let load = async || {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(loads.fetch_add(1, Ordering::SeqCst))
        };

        for (now, expected) in
            [(NOW, 0), (NOW + SignedDuration::from_secs(1), 0), (NOW + SignedDuration::from_secs(2), 1)]
        {
            let callers = (0..100).map(|_| cache.get(&"mug", now, load));
            let answers = futures::future::join_all(callers).await;
            assert!(answers.iter().all(|a| *a == Ok(expected)), "{answers:?}");
        }
    }

    #[tokio::test]
    async fn what_was_read_with_others_is_kept_until_its_deadline() {
        let cache = Cache::new(10, SignedDuration::from_secs(2));

        cache.put("mug", NOW, 1).await;

        let at = |seconds| NOW + SignedDuration::from_secs(seconds);
        assert_eq!(cache.get(&"mug", at(1), async || Err("not read")).await, Ok(1));
        assert_eq!((cache.fresh(&"mug", at(1)).await, cache.fresh(&"mug", at(2)).await), (Some(1), None));
    }

    #[tokio::test]
    async fn a_failed_load_is_not_kept() {
        let cache: Cache<_, u32> = Cache::new(10, SignedDuration::from_secs(2));

        assert_eq!(cache.get(&"mug", NOW, async || Err("down")).await, Err("down"));
        assert_eq!(cache.get(&"mug", NOW, async || Ok::<_, &str>(1)).await, Ok(1));
    }
}
