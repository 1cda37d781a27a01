use std::{fmt, thread, time::Duration};

use super::{
    check::Check,
    checkouts::{Capacity, Replay, percentile},
    invoices::{Invoice, Selection},
    pounds,
    stack::Import,
    thousands,
};

/// The report on one screen; its `Display` is all of it.
pub struct Report<'a> {
    pub first: Import,
    pub again: Import,
    pub selection: &'a Selection,
    pub replay: &'a Replay,
    pub checks: &'a [Check],
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, again, selection, replay, checks } = self;
        writeln!(f, "import    {}", import(first))?;
        writeln!(f, "again     {}", import(again))?;
        self.invoices(f)?;
        let (orders, lines) = (thousands(replay.placed), thousands(replay.cart_lines));
        let seconds = replay.elapsed.as_secs_f64();
        let per_second = replay.placed as f64 / seconds.max(0.001);
        writeln!(f, "orders    {orders} by {} customers, {lines} cart lines", thousands(replay.customers))?;
        writeln!(f, "          {seconds:.1} s, {per_second:.1} orders/s with their carts")?;
        writeln!(f, "checkout  {}", self.per_order(replay.checkout))?;
        writeln!(f, "cart      {}", self.per_order(replay.cart))?;
        let percentile = |percent| milliseconds(percentile(&replay.checkout_times, percent));
        writeln!(f, "latency   checkout p50 {:.1} ms, p99 {:.1} ms", percentile(50), percentile(99))?;
        let total: i64 = selection.invoices.iter().map(Invoice::total_pence).sum();
        writeln!(f, "total     {} on the invoices", pounds(total))?;
        let cores = thread::available_parallelism().map_or_else(|_| "?".to_owned(), |cores| cores.to_string());
        writeln!(f, "machine   {cores} cores, debug build")?;
        for check in *checks {
            write!(f, "\n{check}")?;
        }
        Ok(())
    }
}

impl Report<'_> {
    fn invoices(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (eligible, looked_at) = (self.selection.invoices.len(), self.selection.looked_at());
        writeln!(f, "invoices  {} eligible of {} looked at", thousands(eligible), thousands(looked_at))?;
        for (reason, count) in &self.selection.ineligible {
            writeln!(f, "          {:>6} {reason}", thousands(*count))?;
        }
        Ok(())
    }

    fn per_order(&self, all: Capacity) -> String {
        let orders = self.replay.placed.max(1) as f64;
        let Capacity { rru, wru } = all;
        format!("{:.1} WRU and {:.1} RRU an order ({wru:.0} and {rru:.0} in all)", wru / orders, rru / orders)
    }
}

fn import(import: &Import) -> String {
    let Import { products_per_second, wru, rru, .. } = import;
    format!("{} products/s, {} WRU, {} RRU", thousands(*products_per_second), thousands(*wru), thousands(*rru))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
