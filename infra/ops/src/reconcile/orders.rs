use std::collections::HashSet;

use domain::{Order, OrderId, OrderState};
use futures::{
    StreamExt,
    future::{join, try_join_all},
    stream,
};
use jiff::{ToSpan, civil::Date};
use table::{
    Projection, StoreError, Table,
    keys::{self, Key},
};

use super::{
    CONCURRENCY, Check, DAYS, Options, Outcome, Problem, Progress, ReconcileError, Run, day_of, days, pages::all,
    stock::StockAudit,
};

/// Orders of some days and all open ones, each read once.
pub(super) struct Orders {
    from: Date,
    to: Date,
    /// Whether they go up to the newest.
    to_the_last: bool,
    /// Whether their projections are compared too.
    project: bool,
    seen: HashSet<OrderId>,
    /// Those whose projections were behind in the first check.
    behind: Vec<OrderId>,
    /// Those that staff did not find by everything they are found by.
    unfound: Vec<OrderId>,
}

/// The orders of one step.
enum Step {
    /// Those with something open, whenever they were placed.
    Open,
    /// Those settled, of one day.
    Day(Date),
}

type Ids = Vec<Result<OrderId, StoreError>>;

impl Orders {
    pub(super) fn new(options: &Options, oldest_product: Option<Date>) -> Self {
        let today = day_of(options.now);
        let project = options.includes(Check::Orders);
        let last_days = today.saturating_sub((DAYS - 1).days());
        let from = options.from.unwrap_or(if project { last_days } else { oldest_product.unwrap_or(today) });
        // A function's clock may be ahead: orders of tomorrow can exist a little before midnight.
        let tomorrow = today.saturating_add(1.day());
        let to_the_last = options.to.is_none_or(|to| to >= today);
        let to = options.to.unwrap_or(tomorrow).min(tomorrow);
        let to = if to_the_last { tomorrow } else { to };
        Self { from, to, to_the_last, project, seen: HashSet::new(), behind: Vec::new(), unfound: Vec::new() }
    }

    /// Whether all orders since that day are included.
    pub(super) fn are_all_since(&self, day: Date) -> bool {
        self.to_the_last && self.from <= day
    }

    pub(super) fn look_wrong(&self) -> bool {
        !self.behind.is_empty() || !self.unfound.is_empty()
    }

    /// Reads the orders that were not read before. Open ones come first and the states in the order they follow
    /// each other, so that one that moves on meanwhile is not missed.
    pub(super) async fn go_through(
        &mut self,
        run: &mut Run<'_>,
        mut audit: Option<&mut StockAudit>,
    ) -> Result<(), ReconcileError> {
        let days = days(self.from, self.to);
        // Tomorrow does not count as a day in the report.
        run.report.looked_at.days = days.iter().filter(|day| **day <= day_of(run.options.now)).count();
        let steps: Vec<_> = std::iter::once(Step::Open).chain(days.into_iter().map(Step::Day)).collect();
        let (table, project) = (run.table, self.project);
        for (done, step) in steps.iter().enumerate() {
            let mut ids = Vec::new();
            for id in step.list(table).await? {
                match run.readable(id)? {
                    Some(id) if self.seen.insert(id) => ids.push(id),
                    Some(_) => {}
                    None => Self::miss(&mut audit),
                }
            }
            let mut looks = stream::iter(ids).map(|id| look(table, id, project)).buffer_unordered(CONCURRENCY);
            while let Some((id, looked)) = looks.next().await {
                run.report.looked_at.orders += 1;
                (run.progress)(self.progress(done, steps.len()));
                match run.readable(looked.order)? {
                    Some(Some(order)) => {
                        if let Some(audit) = audit.as_deref_mut() {
                            audit.take(&order);
                        }
                        let projection = looked.projection.map(|read| run.readable(read)).transpose()?.flatten();
                        if projection.is_some_and(|projection| projection.is_behind(&order)) {
                            self.behind.push(id);
                        }
                        if looked
                            .missing
                            .map(|read| run.readable(read))
                            .transpose()?
                            .flatten()
                            .is_some_and(|m| !m.is_empty())
                        {
                            self.unfound.push(id);
                        }
                    }
                    // Orders are never deleted, and an index never has one before the table does.
                    Some(None) => {}
                    None => Self::miss(&mut audit),
                }
            }
            (run.progress)(self.progress(done + 1, steps.len()));
        }
        Ok(())
    }

    /// Checks again what was behind, and repairs it.
    pub(super) async fn verify(&mut self, run: &mut Run<'_>) -> Result<(), ReconcileError> {
        for id in std::mem::take(&mut self.behind) {
            let looked = look(run.table, id, true).await.1;
            let Some(Some(order)) = run.readable(looked.order)? else { continue };
            let Some(projection) = looked.projection.map(|p| run.readable(p)).transpose()?.flatten() else { continue };
            if !projection.is_behind(&order) {
                continue;
            }
            let outcome = match run.options.repair {
                true => mend(run.table, &order).await?,
                false => Outcome::Reported,
            };
            run.report.add(problem(&order, projection), outcome);
        }
        for id in std::mem::take(&mut self.unfound) {
            let looked = look(run.table, id, true).await.1;
            let Some(Some(order)) = run.readable(looked.order)? else { continue };
            let missing = looked.missing.map(|read| run.readable(read)).transpose()?.flatten().unwrap_or_default();
            if missing.is_empty() {
                continue;
            }
            let outcome = match run.options.repair {
                true => {
                    run.table.order_found_put(&order, None).await?;
                    Outcome::Mended
                }
                false => Outcome::Reported,
            };
            let missing = missing.into_iter().map(shown).collect();
            run.report.add(Problem::OrderUnfound { key: shown(keys::order(order.id)), missing }, outcome);
        }
        Ok(())
    }

    fn progress(&self, done: usize, of: usize) -> Progress {
        Progress { looking_at: "orders", seen: self.seen.len(), done, of: Some(of) }
    }

    /// The units in a malformed order are unknown.
    fn miss(audit: &mut Option<&mut StockAudit>) {
        if let Some(audit) = audit.as_deref_mut() {
            audit.orders_unreadable = true;
        }
    }
}

impl Step {
    async fn list(&self, table: &Table) -> Result<Ids, StoreError> {
        let lists = match self {
            Step::Open => {
                let shard = |shard| all(async move |after| table.order_ids_by_due_shard(shard, after).await);
                try_join_all((0..keys::DUE_SHARDS).map(shard)).await?
            }
            Step::Day(day) => {
                let day = &day.to_string();
                let settled = OrderState::ALL.into_iter().filter(|state| !state.awaits_payment());
                let shards = settled.flat_map(|state| (0..keys::STATE_SHARDS).map(move |shard| (state, shard)));
                let list =
                    |(state, shard)| all(async move |after| table.order_ids_by_state(state, day, shard, after).await);
                try_join_all(shards.map(list)).await?
            }
        };
        Ok(lists.into_iter().flatten().collect())
    }
}

struct Looked {
    order: Result<Option<Order>, StoreError>,
    /// Skipped if not requested, or without an order.
    projection: Option<Result<Projection, StoreError>>,
    /// The same: what it is found by and is not there.
    missing: Option<Result<Vec<Key>, StoreError>>,
}

async fn look(table: &Table, id: OrderId, project: bool) -> (OrderId, Looked) {
    let order = table.order_get_for_shop(id).await;
    let (projection, missing) = match &order {
        Ok(Some(order)) if project => {
            let reads = join(table.order_projection_get(&order.customer, id), table.order_found_missing(order));
            let (projection, missing) = reads.await;
            (Some(projection), Some(missing))
        }
        _ => (None, None),
    };
    (id, Looked { order, projection, missing })
}

async fn mend(table: &Table, order: &Order) -> Result<Outcome, ReconcileError> {
    table.order_project(order).await?;
    Ok(Outcome::Mended)
}

fn shown(key: Key) -> String {
    format!("{} / {}", key.pk, key.sk)
}

fn problem(order: &Order, projection: Projection) -> Problem {
    Problem::OrderBehind {
        key: shown(keys::order(order.id)),
        entry_key: shown(keys::customer_order(&order.customer, order.id)),
        version: order.version,
        listed_version: projection.listed_version,
        lines: order.lines.len(),
        listed_lines: projection.lines,
    }
}
