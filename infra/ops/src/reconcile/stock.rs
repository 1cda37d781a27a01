use std::collections::BTreeMap;

use domain::{Order, ProductId, SaleProgress, Timestamp};
use futures::{StreamExt, future::try_join_all, stream};
use jiff::{SignedDuration, civil::Date};
use table::{MoveKind, ProductState, StockMove, keys};
use uuid::Uuid;

use super::{CONCURRENCY, NotVerified, Outcome, Problem, Progress, ReconcileError, Run, Why, day_of, pages::all};

/// A change this shortly before stock was read may be included or not: clocks differ, and a function may write some
/// time after it read its own clock.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// Products that one call reads: 100 keys, one BatchGetItem.
const BATCH: usize = 50;

/// Every product's stock as it was in the first check, and its expected value.
pub(super) struct StockAudit {
    /// Before the first product was read.
    read_at: Timestamp,
    products: BTreeMap<ProductId, StockSnapshot>,
    /// Whether an order is malformed, so that its units are unknown.
    pub(super) orders_unreadable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct StockSnapshot {
    available: i64,
    created_at: Timestamp,
    /// The sold-out flag in lists is wrong.
    flag_wrong: bool,
    /// The sum of the ledger; `None` until it was read.
    supplied: Option<i64>,
    /// Units in orders.
    out: i64,
    in_sales: SaleUnits,
    why_not: Option<Why>,
}

/// Units of a product that were set aside for sales.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct SaleUnits {
    /// What the ledger says: taken out of the stock for sales, less what has come back.
    set_aside: i64,
    /// Of sales that have not ended: in their lots, or counted while these are removed.
    in_lots: i64,
    in_orders: i64,
}

impl SaleUnits {
    fn is_wrong(self) -> bool {
        self.set_aside != self.in_lots + self.in_orders
    }
}

impl StockAudit {
    fn new(read_at: Timestamp) -> Self {
        Self { read_at, products: BTreeMap::new(), orders_unreadable: false }
    }

    fn add(&mut self, id: ProductId, state: &ProductState) {
        // Without its stock item a product is not on sale yet: its import was interrupted.
        if let Some(available) = state.available {
            let flag_wrong = state.listed_as_sold_out != (available <= 0);
            let created_at = state.created_at;
            let (supplied, out, in_sales) = (None, 0, SaleUnits::default());
            let snapshot = StockSnapshot { available, created_at, flag_wrong, supplied, out, in_sales, why_not: None };
            self.products.insert(id, snapshot);
        }
    }

    /// The day the oldest product was created.
    pub(super) fn oldest_day(&self) -> Option<Date> {
        self.products.values().map(|snapshot| snapshot.created_at).min().map(day_of)
    }

    /// Adds an order's units to its products. Those of a sale had left the stock before, by a line of the ledger.
    pub(super) fn take(&mut self, order: &Order) {
        let out = order.units_allocated();
        let moving = order.history.iter().any(|happened| self.is_recent(happened.at));
        for line in &order.lines {
            let Some(snapshot) = self.products.get_mut(&line.product) else { continue };
            let units = out.get(&line.product).copied().map_or(0, i64::from);
            match line.sale {
                None => snapshot.out += units,
                Some(_) => snapshot.in_sales.in_orders += units,
            }
            if order.placed_at() + SETTLED_AFTER < snapshot.created_at {
                snapshot.why_not.get_or_insert(Why::CreatedAgain);
            } else if moving {
                snapshot.why_not.get_or_insert(Why::Moving);
            }
        }
    }

    /// Adds up a product's ledger.
    fn supply(&mut self, id: &ProductId, moves: &[StockMove]) {
        let moving = moves.iter().any(|line| self.is_recent(line.at));
        let Some(snapshot) = self.products.get_mut(id) else { return };
        snapshot.supplied = Some(moves.iter().map(|line| line.delta).sum());
        let of_sales = |line: &&StockMove| {
            matches!(line.kind, MoveKind::SaleCreated | MoveKind::SaleEnded | MoveKind::SaleReturned)
        };
        snapshot.in_sales.set_aside = -moves.iter().filter(of_sales).map(|line| line.delta).sum::<i64>();
        // The ledger of a deleted product stays, and continues under a new product with the same id.
        let (first, later): (Vec<_>, Vec<_>) = moves.iter().partition(|line| line.kind == MoveKind::Initial);
        let of_another =
            |line: &&&StockMove| line.kind == MoveKind::Deleted || line.at + SETTLED_AFTER < snapshot.created_at;
        if first.len() > 1 || later.iter().any(|line| of_another(&line)) {
            snapshot.why_not.get_or_insert(Why::CreatedAgain);
        } else if moving {
            snapshot.why_not.get_or_insert(Why::Moving);
        }
    }

    fn is_recent(&self, at: Timestamp) -> bool {
        at > self.read_at - SETTLED_AFTER
    }

    /// Whether any product's stock, or its flag in lists, is wrong.
    pub(super) fn look_wrong(&self) -> bool {
        let flag_or_sale = |snapshot: &StockSnapshot| snapshot.flag_wrong || snapshot.sales_are_wrong();
        self.wrong().next().is_some() || self.products.values().any(flag_or_sale)
    }

    fn wrong(&self) -> impl Iterator<Item = (&ProductId, &StockSnapshot)> {
        self.products
            .iter()
            .filter(|(_, snapshot)| snapshot.expected().is_some_and(|units| units != snapshot.available))
    }
}

impl StockSnapshot {
    /// If the ledger was read.
    fn sales_are_wrong(&self) -> bool {
        self.supplied.is_some() && self.in_sales.is_wrong()
    }

    /// The expected number of available units, if the ledger was read.
    fn expected(&self) -> Option<i64> {
        Some(self.supplied? - self.out)
    }
}

/// Reads the stock of every product on sale.
pub(super) async fn read(run: &mut Run<'_>) -> Result<StockAudit, ReconcileError> {
    let table = run.table;
    let mut audit = StockAudit::new(run.now());
    let shard = |shard| all(async move |after| table.product_ids_by_shard(shard, after).await);
    let mut ids = Vec::new();
    for id in try_join_all((0..keys::PRICE_SHARDS).map(shard)).await?.into_iter().flatten() {
        ids.extend(run.readable(id)?);
    }
    // An index may have a product twice while its price changes.
    ids.sort_unstable();
    ids.dedup();
    let batches = stream::iter(ids.chunks(BATCH)).map(|batch| table.product_states_get(batch));
    let mut batches = batches.buffer_unordered(CONCURRENCY);
    let mut seen = 0;
    while let Some(states) = batches.next().await {
        for (id, state) in states? {
            seen += 1;
            if let Some(state) = run.readable(state)? {
                audit.add(id, &state);
            }
        }
        (run.progress)(Progress { looking_at: "products", seen, done: seen, of: Some(ids.len()) });
    }
    for (product, units) in in_lots(run).await? {
        if let Some(snapshot) = audit.products.get_mut(&product) {
            snapshot.in_sales.in_lots = units;
        }
    }
    Ok(audit)
}

/// Units of each product that are in the lots of its sale, or on the way to or from them.
async fn in_lots(run: &mut Run<'_>) -> Result<BTreeMap<ProductId, i64>, ReconcileError> {
    let mut found = BTreeMap::new();
    // All copies are the same, but each may be behind.
    for seen in run.table.sales_open(0).await?.all() {
        let sale = run.table.sale_get(seen.id).await;
        let Some(sale) = run.readable(sale)?.flatten() else { continue };
        let between: u32 = match sale.progress {
            SaleProgress::Preparing { lots } => {
                sale.plan.lots(sale.units, lots..sale.plan.lots).map(|(_, units)| units).sum()
            }
            SaleProgress::Closing { units, .. } => units,
            SaleProgress::Open => 0,
            SaleProgress::Ended { .. } => continue,
        };
        let mut units = i64::from(between);
        for key in 0..sale.plan.keys {
            let lots = run.table.sale_lots_get_consistent(sale.id, key).await?;
            units += i64::try_from(lots.units()).unwrap_or(i64::MAX);
        }
        *found.entry(sale.product).or_default() += units;
    }
    Ok(found)
}

/// Checks the units of sales again that do not add up. They are not repaired: who has them is not known.
pub(super) async fn verify_sales(run: &mut Run<'_>, audit: &StockAudit) -> Result<(), ReconcileError> {
    let wrong: Vec<_> = audit.products.iter().filter(|(_, snapshot)| snapshot.sales_are_wrong()).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let now = in_lots(run).await?;
    for (id, snapshot) in wrong {
        let SaleUnits { set_aside, in_lots, in_orders } = snapshot.in_sales;
        let moved = (now.get(id).copied().unwrap_or_default() != in_lots).then_some(Why::Moving);
        if let Some(why) = snapshot.why_not.or(moved) {
            run.report.not_judged.push(NotVerified { product: id.to_string(), why });
            continue;
        }
        let outcome = match run.options.repair {
            false => Outcome::Reported,
            true => Outcome::unmended("which sale or order has them is not known"),
        };
        let key = keys::product(id);
        let key = format!("{} / {}", key.pk, key.sk);
        run.report.add(Problem::SaleUnitsWrong { key, set_aside, in_lots, in_orders }, outcome);
    }
    Ok(())
}

/// Reads the ledger of every product. A product with a malformed ledger is not judged.
pub(super) async fn add_ledgers(run: &mut Run<'_>, audit: &mut StockAudit) -> Result<(), ReconcileError> {
    let (table, ids) = (run.table, audit.products.keys().cloned().collect::<Vec<_>>());
    let ledgers = stream::iter(&ids).map(async |id| (id, table.stock_moves(id).await));
    let mut ledgers = ledgers.buffer_unordered(CONCURRENCY);
    let mut seen = 0;
    while let Some((id, moves)) = ledgers.next().await {
        seen += 1;
        if let Some(moves) = run.readable(moves)? {
            audit.supply(id, &moves);
        }
        (run.progress)(Progress { looking_at: "stock ledgers", seen, done: seen, of: Some(ids.len()) });
    }
    run.report.looked_at.products = ids.len();
    Ok(())
}

/// Checks wrong stock again, and repairs it.
pub(super) async fn verify(run: &mut Run<'_>, audit: &StockAudit) -> Result<(), ReconcileError> {
    let wrong: Vec<_> = audit.wrong().collect();
    let ids: Vec<_> = wrong.iter().map(|(id, _)| (*id).clone()).collect();
    let mut now = BTreeMap::new();
    for (id, state) in run.table.product_states_get(&ids).await? {
        if let Some(available) = run.readable(state)?.and_then(|state| state.available) {
            now.insert(id, available);
        }
    }
    for (id, snapshot) in wrong {
        // Deleted meanwhile.
        let Some(available) = now.get(id) else { continue };
        let moved = (*available != snapshot.available).then_some(Why::Moving);
        if let Some(why) = snapshot.why_not.or(moved) {
            run.report.not_judged.push(NotVerified { product: id.to_string(), why });
            continue;
        }
        let Some(expected) = snapshot.expected() else { continue };
        let outcome = match run.options.repair {
            true => mend(run, audit, id, snapshot.available, expected).await?,
            false => Outcome::Reported,
        };
        let key = keys::stock(id, keys::ONLY_STOCK_SHARD);
        let problem = Problem::StockWrong {
            key: format!("{} / {}", key.pk, key.sk),
            available: snapshot.available,
            expected,
            supplied: snapshot.supplied.unwrap_or_default(),
            in_orders: snapshot.out,
        };
        run.report.add(problem, outcome);
    }
    Ok(())
}

/// Checks wrong sold-out flags again, and corrects them. The stream's consumer does that within moments, unless it
/// missed the record.
pub(super) async fn verify_flags(run: &mut Run<'_>, audit: &StockAudit) -> Result<(), ReconcileError> {
    for (id, _) in audit.products.iter().filter(|(_, snapshot)| snapshot.flag_wrong) {
        let Some(sign) = run.table.sold_out_flag_get(id).await?.filter(|sign| sign.is_wrong()) else { continue };
        let sold_out = sign.available <= 0;
        let outcome = match run.options.repair {
            false => Outcome::Reported,
            true if run.table.sold_out_flag_set(id, sold_out).await? => Outcome::Mended,
            true => Outcome::unmended("the stock was changed meanwhile; run it again"),
        };
        let key = keys::product(id);
        run.report.add(Problem::SignWrong { key: format!("{} / {}", key.pk, key.sk), sold_out }, outcome);
    }
    Ok(())
}

async fn mend(
    run: &Run<'_>,
    audit: &StockAudit,
    id: &ProductId,
    was: i64,
    expected: i64,
) -> Result<Outcome, ReconcileError> {
    if expected < 0 {
        return Ok(Outcome::unmended("stock cannot be negative: more was sold than was ever supplied"));
    }
    if audit.orders_unreadable {
        return Ok(Outcome::unmended("an order is malformed, and may have the missing units"));
    }
    // From the clock that was passed in, like the ledger's other lines.
    let now = run.now().as_duration();
    let seconds = u64::try_from(now.as_secs()).unwrap_or_default();
    let at = uuid::Timestamp::from_unix_time(seconds, now.subsec_nanos().unsigned_abs(), 0, 0);
    Ok(match run.table.stock_correct(id, was, expected - was, Uuid::new_v7(at)).await? {
        true => Outcome::Mended,
        false => Outcome::unmended("the stock was changed meanwhile; run it again"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2024-03-01T12:00:00Z";

    fn at(time: &str) -> Timestamp {
        time.parse().unwrap()
    }

    fn mug() -> ProductId {
        "mug".parse().unwrap()
    }

    /// One mug, created on the first of February, with 7 units.
    fn audit() -> StockAudit {
        let mut audit = StockAudit::new(at(NOW));
        let state = ProductState {
            created_at: at("2024-02-01T00:00:00Z"),
            description_s3_key: None,
            available: Some(7),
            listed_as_sold_out: false,
        };
        audit.add(mug(), &state);
        audit
    }

    fn line(time: &str, delta: i64, kind: MoveKind) -> StockMove {
        StockMove { at: at(time), delta, kind }
    }

    fn wrong(audit: &StockAudit) -> Vec<(i64, Option<Why>)> {
        audit.wrong().map(|(_, snapshot)| (snapshot.expected().unwrap(), snapshot.why_not)).collect()
    }

    #[test]
    fn stock_that_agrees_with_its_ledger_is_correct() {
        let mut audit = audit();

        audit.supply(
            &mug(),
            &[line("1970-01-01T00:00:00Z", 5, MoveKind::Initial), line("2024-02-02T00:00:00Z", 2, MoveKind::Adjusted)],
        );

        assert_eq!(wrong(&audit), []);
        assert_eq!(audit.oldest_day().unwrap().to_string(), "2024-02-01");
    }

    #[test]
    fn stock_that_differs_is_wrong_and_is_not_judged_while_it_changes() {
        let (mut at_rest, mut moving) = (audit(), audit());

        at_rest.supply(&mug(), &[line("2024-03-01T11:59:00Z", 9, MoveKind::Initial)]);
        moving.supply(&mug(), &[line("2024-03-01T11:59:01Z", 9, MoveKind::Initial)]);

        assert_eq!(wrong(&at_rest), [(9, None)]);
        assert_eq!(wrong(&moving), [(9, Some(Why::Moving))]);
    }

    #[test]
    fn a_product_that_was_created_again_is_not_judged_by_the_ledger_of_both() {
        let (mut twice, mut older) = (audit(), audit());

        let first = line("2024-02-01T00:00:00Z", 5, MoveKind::Initial);
        twice.supply(&mug(), &[line("2024-01-01T00:00:00Z", 5, MoveKind::Initial), first.clone()]);
        older.supply(&mug(), &[line("2024-01-01T00:00:00Z", 5, MoveKind::Adjusted), first]);

        assert_eq!(wrong(&twice), [(10, Some(Why::CreatedAgain))]);
        assert_eq!(wrong(&older), [(10, Some(Why::CreatedAgain))]);
    }

    #[test]
    fn units_that_were_set_aside_for_sales_are_in_lots_or_in_orders_or_have_come_back() {
        let mut audit = audit();
        let mug = mug();
        let created = line("2024-02-02T00:00:00Z", -9, MoveKind::SaleCreated);
        let returned = line("2024-02-03T00:00:00Z", 2, MoveKind::SaleReturned);
        let first = line("2024-02-01T00:00:00Z", 14, MoveKind::Initial);
        audit.supply(&mug, &[first, created, returned]);
        let with = |in_lots, in_orders| {
            let snapshot = audit.products[&mug].clone();
            let in_sales = SaleUnits { in_lots, in_orders, ..snapshot.in_sales };
            StockSnapshot { in_sales, ..snapshot }
        };

        assert_eq!(wrong(&audit), []);
        assert!(!with(4, 3).sales_are_wrong() && !with(0, 7).sales_are_wrong());
        assert!(with(4, 4).sales_are_wrong() && with(4, 2).sales_are_wrong());
    }

    #[test]
    fn a_product_without_ledger_and_stock_is_correct_and_one_whose_ledger_was_not_read_is_not_judged() {
        let mut audit = audit();
        assert_eq!(wrong(&audit), []);

        audit.products.get_mut(&mug()).unwrap().available = 0;
        audit.supply(&mug(), &[]);

        assert_eq!(wrong(&audit), []);
    }
}
