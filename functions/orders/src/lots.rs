//! The lots of sales as this environment knows them, and which of them an order takes its units from.
//!
//! A checkout calls [`Lots::take`] before each attempt at its transaction, and says afterwards what the attempt has shown:
//! [`Lots::took`] or [`Lots::missed`]. How long something is believed is decided by [`domain::KnownLots`].

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{KnownLots, LineSale, LotTake, LotsSeen, OpenSales, Order, ProductId, Sale, SaleId, Timestamp};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use table::{LotShort, MAX_ACTIONS, Shortage, StoreError, Table, error_chain};

/// Actions of the transaction of an order beside its lines: the order, the cart and the idempotency record.
const OTHER_ACTIONS: usize = 3;

/// Keys that are tried before every key is read consistently.
const MAX_KEYS_TRIED: usize = 4;

/// Keys of past and present sales that are kept in memory.
const MAX_KNOWN: usize = 2_000;

/// Keys read at the same time.
const CONCURRENCY: usize = 16;

/// What is believed to be in the lots, by sale and key.
#[derive(Debug, Clone, Default)]
pub struct Lots(Arc<Mutex<HashMap<(SaleId, u16), KnownLots>>>);

#[derive(Debug)]
pub enum TakeLotsError {
    /// More lines are of sales than one transaction can take lots for.
    TooManyLines,
    /// The sale of a line is not the product's.
    OtherSale(SaleId),
    Store(StoreError),
}

impl From<StoreError> for TakeLotsError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Lots to take a line's units from.
enum Choice {
    Lots(Vec<LotTake>),
    /// Every key was looked at, and together they have no more than this for one line.
    Short {
        available: u32,
    },
}

impl Lots {
    /// Chooses lots for each line of a sale. Returns the lines that are short. `missed` is whether this order has been tried
    /// in vain before.
    ///
    /// # Errors
    /// The table cannot be read, or the lines do not fit into one transaction.
    pub async fn take(
        &self,
        table: &Table,
        order: &mut Order,
        sales: &OpenSales,
        missed: bool,
        now: Timestamp,
    ) -> Result<Vec<Shortage>, TakeLotsError> {
        let mut wanted = Vec::new();
        for line in &order.lines {
            let Some(LineSale { id, .. }) = &line.sale else { continue };
            let sale = sales.get(&line.product).filter(|sale| sale.id == *id);
            wanted.push((line.product.clone(), line.quantity.units(), sale.ok_or(TakeLotsError::OtherSale(*id))?));
        }
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let most = order.lots_of_line(MAX_ACTIONS - OTHER_ACTIONS).ok_or(TakeLotsError::TooManyLines)?;
        let mut short = Vec::new();
        for (product, units, sale) in wanted {
            match self.choose(table, sale, units, most, missed, now).await? {
                Choice::Lots(lots) => order.take_lots(&product, lots),
                Choice::Short { available } => {
                    note_sold_out(table, sale, available).await;
                    short.push(Shortage { product, available: available.into() });
                }
            }
        }
        Ok(short)
    }

    /// The order has its units.
    pub fn took(&self, order: &Order) {
        let mut known = self.known();
        let sales = order.lines.iter().filter_map(|line| line.sale.as_ref());
        for (sale, take) in sales.flat_map(|sale| sale.lots.iter().map(|take| (sale.id, *take))) {
            if let Some(key) = known.get_mut(&(sale, take.lot.key())) {
                key.took(take);
            }
        }
    }

    /// What a transaction has shown of lots that could not be taken from.
    pub fn missed(&self, order: &Order, product: &ProductId, lots: &[LotShort]) {
        let line = order.lines.iter().find(|line| line.product == *product);
        let Some(sale) = line.and_then(|line| line.sale.as_ref()) else { return };
        let mut known = self.known();
        for short in lots {
            known.entry((sale.id, short.lot.key())).or_default().missed(short.lot, short.left);
        }
    }

    /// Lots of a random key of which enough is believed to be left, or of all keys after a consistent look at each. `most` is
    /// the number of lots that the line can take from.
    async fn choose(
        &self,
        table: &Table,
        sale: &Sale,
        units: u32,
        most: usize,
        missed: bool,
        now: Timestamp,
    ) -> Result<Choice, StoreError> {
        let mut keys: Vec<u16> = (0..sale.plan.keys).collect();
        for _ in 0..MAX_KEYS_TRIED.min(keys.len()) {
            let key = keys.swap_remove(random_below(keys.len()));
            let choose = |seen: &LotsSeen| seen.choose(units, most, random());
            if let Some(takes) = self.choose_of_key(table, sale.id, key, missed, now, choose).await? {
                return Ok(Choice::Lots(takes));
            }
        }
        let all = self.read_all(table, sale, now).await?;
        Ok(match all.choose(units, most, random()) {
            Some(takes) => Choice::Lots(takes),
            None => Choice::Short { available: all.obtainable(most) },
        })
    }

    /// Of the lots of one key, which are read eventually consistently unless what is known of them is likely to be so still.
    async fn choose_of_key(
        &self,
        table: &Table,
        sale: SaleId,
        key: u16,
        missed: bool,
        now: Timestamp,
        choose: impl Fn(&LotsSeen) -> Option<Vec<LotTake>>,
    ) -> Result<Option<Vec<LotTake>>, StoreError> {
        if let Some(known) = self.known().get_mut(&(sale, key)) {
            if known.is_trusted(missed, now) {
                return Ok(choose(known.lots()));
            }
            known.is_being_read(now);
        }
        let seen = table.sale_lots_get(sale, key).await?;
        let chosen = choose(&seen);
        let mut known = self.known();
        let read = KnownLots::read(seen, known.get(&(sale, key)), now);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert((sale, key), read);
        Ok(chosen)
    }

    /// The lots of all keys, each read consistently unless it was a moment ago.
    async fn read_all(&self, table: &Table, sale: &Sale, now: Timestamp) -> Result<LotsSeen, StoreError> {
        let look = |key: u16| async move {
            let certain = |known: &&KnownLots| known.is_certain(sale.sold_out, now);
            let known = self.known().get(&(sale.id, key)).filter(certain).map(|known| known.lots().clone());
            if let Some(known) = known {
                return Ok(known);
            }
            let seen = table.sale_lots_get_consistent(sale.id, key).await?;
            self.known().insert((sale.id, key), KnownLots::read_consistently(seen.clone(), now));
            Ok::<_, StoreError>(seen)
        };
        let looks = stream::iter(0..sale.plan.keys).map(look).buffer_unordered(CONCURRENCY);
        looks.try_fold(LotsSeen::default(), |all, seen| async move { Ok(all.and(&seen)) }).await
    }

    fn known(&self) -> MutexGuard<'_, HashMap<(SaleId, u16), KnownLots>> {
        // A panic elsewhere leaves beliefs, which are checked anyway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lists show that nothing is left. If it cannot be written, the next checkout does it.
async fn note_sold_out(table: &Table, sale: &Sale, available: u32) {
    if sale.sold_out || available > 0 {
        return;
    }
    let sold_out = Sale { sold_out: true, version: sale.version + 1, ..sale.clone() };
    if let Err(error) = table.sale_write(&sold_out, "shop").await {
        tracing::warn!(sale = %sale.id, error = error_chain(&error), "a sale could not be listed as sold out");
    }
}

fn random() -> u64 {
    u64::from_be_bytes(runtime::random())
}

fn random_below(count: usize) -> usize {
    let count = u64::try_from(count).unwrap_or(1).max(1);
    usize::try_from(random() % count).unwrap_or_default()
}
