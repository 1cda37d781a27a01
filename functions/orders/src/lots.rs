//! The lots of sales as this environment knows them, and which of them a checkout takes its units from.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{LotTake, LotsSeen, Order, OrderLine, Sale, SaleId, Timestamp};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::SignedDuration;
use table::{LotShort, StoreError, Table};

/// How long a read of one key's lots is used at most, and by a checkout that has found a lot with less than was believed:
/// then most of what else is believed is wrong as well.
const FRESH: SignedDuration = SignedDuration::from_secs(1);
const FRESH_AFTER_A_MISS: SignedDuration = SignedDuration::from_millis(50);

/// How long a sale that was found to be sold out is said to be so without another look, once all know it. Held units may
/// come back.
const SOLD_OUT: SignedDuration = SignedDuration::from_secs(5);

/// Keys that are tried before every key is read consistently.
const MAX_KEYS_TRIED: usize = 4;

/// Keys of past and present sales that are kept in memory.
const MAX_KNOWN: usize = 2_000;

/// Keys read at the same time.
const CONCURRENCY: usize = 16;

/// What is believed to be in the lots, by sale and key. A belief may be wrong in both directions; the transaction decides.
#[derive(Debug, Clone, Default)]
pub struct Lots(Arc<Mutex<HashMap<(SaleId, u16), Key>>>);

#[derive(Debug, Clone, Default)]
struct Key {
    seen: LotsSeen,
    read_at: Timestamp,
    /// When it was last read consistently.
    certain_at: Timestamp,
}

/// Lots to take a line's units from.
#[derive(Debug, PartialEq, Eq)]
pub enum Choice {
    Lots(Vec<LotTake>),
    /// Every key was looked at, and together they have no more than this for one line.
    Short {
        available: u32,
    },
}

impl Lots {
    /// Lots for a line of an order: of a random key of which enough is believed to be left, or of all keys after a consistent
    /// look at each. `most` is the number of lots that the line can take from; `missed` is whether this checkout has tried
    /// in vain before.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn choose(
        &self,
        table: &Table,
        sale: &Sale,
        units: u32,
        most: usize,
        missed: bool,
        now: Timestamp,
    ) -> Result<Choice, StoreError> {
        let fresh = if missed { FRESH_AFTER_A_MISS } else { FRESH };
        let mut keys: Vec<u16> = (0..sale.plan.keys).collect();
        for _ in 0..MAX_KEYS_TRIED.min(keys.len()) {
            let key = keys.swap_remove(random_below(keys.len()));
            let seen = self.read(table, sale.id, key, fresh, now).await?;
            if let Some(takes) = seen.choose(units, most, random()) {
                return Ok(Choice::Lots(takes));
            }
        }
        let all = self.read_all(table, sale, now).await?;
        Ok(match all.choose(units, most, random()) {
            Some(takes) => Choice::Lots(takes),
            None => Choice::Short { available: all.obtainable(most) },
        })
    }

    /// The order has its units.
    pub fn took(&self, order: &Order) {
        let mut known = self.known();
        for (sale, take) in order
            .lines
            .iter()
            .filter_map(|line| line.sale.as_ref())
            .flat_map(|sale| sale.lots.iter().map(|take| (sale.id, *take)))
        {
            if let Some(key) = known.get_mut(&(sale, take.lot.key())) {
                key.seen.took(&[take]);
            }
        }
    }

    /// What a transaction has shown of lots that could not be taken from. One that others are writing is left to them.
    pub fn correct(&self, line: &OrderLine, lots: &[LotShort]) {
        let Some(sale) = &line.sale else { return };
        let mut known = self.known();
        for short in lots {
            let key = known.entry((sale.id, short.lot.key())).or_default();
            key.seen.correct(short.lot, short.left.unwrap_or(0));
            // The others may not get it: what is left of the key is to be read again before the sale is said to be sold out.
            if short.left.is_none() {
                key.certain_at = Timestamp::UNIX_EPOCH;
            }
        }
    }

    /// The lots of one key, eventually consistent, unless what is known of them is likely to be so still.
    async fn read(
        &self,
        table: &Table,
        sale: SaleId,
        key: u16,
        fresh: SignedDuration,
        now: Timestamp,
    ) -> Result<LotsSeen, StoreError> {
        {
            let mut known = self.known();
            if let Some(key) = known.get_mut(&(sale, key)) {
                let age = now.duration_since(key.read_at);
                // A key without units is not read for every checkout that comes too late.
                let likely = key.seen.units() == 0 || key.seen.is_likely_after(age);
                if age < fresh && likely {
                    return Ok(key.seen.clone());
                }
                // Other requests go on with what is known while this one reads.
                key.read_at = now;
            }
        }
        let seen = table.sale_lots_get(sale, key).await?;
        let mut known = self.known();
        // That nothing is left stays certain if this read, which may be stale, says so too.
        let before = known.get(&(sale, key)).filter(|_| seen.units() == 0);
        let certain_at = before.map_or(Timestamp::UNIX_EPOCH, |key| key.certain_at);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert((sale, key), Key { seen: seen.clone(), read_at: now, certain_at });
        Ok(seen)
    }

    /// The lots of all keys, each read consistently unless it was a moment ago.
    async fn read_all(&self, table: &Table, sale: &Sale, now: Timestamp) -> Result<LotsSeen, StoreError> {
        let fresh = if sale.sold_out { SOLD_OUT } else { FRESH };
        let look = |key: u16| async move {
            let known =
                self.known().get(&(sale.id, key)).filter(|key| now.duration_since(key.certain_at) < fresh).cloned();
            if let Some(known) = known {
                return Ok(known.seen);
            }
            let seen = table.sale_lots_get_consistent(sale.id, key).await?;
            self.known().insert((sale.id, key), Key { seen: seen.clone(), read_at: now, certain_at: now });
            Ok::<_, StoreError>(seen)
        };
        let looks = stream::iter(0..sale.plan.keys).map(look).buffer_unordered(CONCURRENCY);
        looks.try_fold(LotsSeen::default(), |all, seen| async move { Ok(all.and(&seen)) }).await
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(SaleId, u16), Key>> {
        // A panic elsewhere leaves beliefs, which are checked anyway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random() -> u64 {
    u64::from_be_bytes(runtime::random())
}

fn random_below(count: usize) -> usize {
    let count = u64::try_from(count).unwrap_or(1).max(1);
    usize::try_from(random() % count).unwrap_or_default()
}
