//! Sales: lots that a request left unwritten are written, and what is left of a sale that is over returns to the stock.
//!
//! Every step is one transaction on condition of the sale's version, so a run may end anywhere, and two may overlap.

use domain::{LotId, Sale, SaleProgress, Timestamp};
use jiff::SignedDuration;
use runtime::Clock;
use table::{StoreError, Table, error_chain};

/// With less time left than this nothing more is started.
const ENOUGH: SignedDuration = SignedDuration::from_secs(5);

/// Lots that one transaction removes, beside the sale.
const LOTS_AT_ONCE: usize = 90;

/// Rounds without progress before a sale is left to the next run: others return units to its lots.
const MAX_ROUNDS: usize = 20;

/// The result of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tended {
    /// Sales that ended.
    pub ended: usize,
    /// Sales that should have been continued long ago, and still are not.
    pub stuck: usize,
    pub failed: usize,
}

/// Continues every sale that needs it. `has_time` is asked before each step whether another may start.
///
/// # Errors
/// The list of sales cannot be read. A failure of one sale does not stop the others.
pub async fn go_on(
    table: &Table,
    clock: &Clock,
    has_time: impl Fn(SignedDuration) -> bool,
) -> Result<Tended, StoreError> {
    let mut tended = Tended::default();
    let now = clock.now();
    let [copy] = runtime::random();
    for seen in table.sales_open(copy).await?.all() {
        if !needs_care(seen, now) {
            continue;
        }
        let has_ended = tend(table, clock, seen, &has_time).await;
        tended.stuck += usize::from(seen.is_stuck(now) && !matches!(has_ended, Ok(true)));
        match has_ended {
            Ok(true) => tended.ended += 1,
            Ok(false) => {}
            Err(error) => {
                tracing::error!(sale = %seen.id, error = error_chain(&error), "a sale could not be continued");
                tended.failed += 1;
            }
        }
    }
    Ok(tended)
}

fn needs_care(sale: &Sale, now: Timestamp) -> bool {
    let prepare = matches!(sale.progress, SaleProgress::Preparing { .. });
    prepare || sale.can_close(now) || sale.sold_out
}

/// Returns whether the sale has ended.
async fn tend(
    table: &Table,
    clock: &Clock,
    seen: &Sale,
    has_time: &impl Fn(SignedDuration) -> bool,
) -> Result<bool, StoreError> {
    let now = clock.now();
    // The copy may be behind.
    let Some(mut sale) = table.sale_get(seen.id).await? else { return Ok(false) };
    if sale.can_close(now) {
        return close(table, clock, sale, has_time).await;
    }
    if matches!(sale.progress, SaleProgress::Preparing { .. }) {
        table.sale_prepare_rest(sale).await?;
        return Ok(false);
    }
    if sale.sold_out && units_are_left(table, &sale).await? {
        sale.sold_out = false;
        sale.version += 1;
        table.sale_write(&sale, "shop").await?;
    }
    Ok(false)
}

async fn units_are_left(table: &Table, sale: &Sale) -> Result<bool, StoreError> {
    for key in 0..sale.plan.keys {
        if table.sale_lots_get_consistent(sale.id, key).await?.units() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes the lots key by key, counting what was left in them, and returns the sum to the stock at the end.
async fn close(
    table: &Table,
    clock: &Clock,
    mut sale: Sale,
    has_time: &impl Fn(SignedDuration) -> bool,
) -> Result<bool, StoreError> {
    let mut rounds = 0;
    while rounds < MAX_ROUNDS && has_time(ENOUGH) {
        let (keys, units) = match sale.progress {
            SaleProgress::Ended { .. } => return Ok(true),
            SaleProgress::Closing { keys, units } => (keys, units),
            SaleProgress::Open => (0, 0),
            // Units that were never put into lots.
            SaleProgress::Preparing { lots } => {
                (0, sale.plan.lots(sale.units, lots..sale.plan.lots).map(|(_, units)| units).sum())
            }
        };
        let next = |progress| Sale { progress, version: sale.version + 1, ..sale.clone() };
        let (written, done) = if keys >= sale.plan.keys {
            let ended = next(SaleProgress::Ended { units });
            (table.sale_end(&ended, units, clock.uuid_v7()).await?, ended)
        } else {
            let lots = table.sale_lots_get_consistent(sale.id, keys).await?;
            let some: Vec<(LotId, u32)> = lots.iter().take(LOTS_AT_ONCE).collect();
            let removed: u32 = some.iter().map(|(_, left)| *left).sum();
            let keys = if some.len() < LOTS_AT_ONCE { keys + 1 } else { keys };
            let closing = next(SaleProgress::Closing { keys, units: units + removed });
            (table.sale_lots_remove(&closing, &some).await?, closing)
        };
        if written {
            rounds = 0;
            sale = done;
            continue;
        }
        // Units returned to one of the lots, or another run was first.
        rounds += 1;
        match table.sale_get(sale.id).await? {
            Some(current) => sale = current,
            None => return Ok(false),
        }
    }
    let ended = matches!(sale.progress, SaleProgress::Ended { .. });
    if ended {
        tracing::info!(sale = %sale.id, "a sale has ended");
    }
    Ok(ended)
}
