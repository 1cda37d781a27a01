//! The throughput that a flash sale needs from its first second: of the table, and of each index that a checkout writes.

use table::{TableNames, WarmThroughput, keys::DataKind, schema};

/// What a new table and a new index take at once, on demand.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html>
const AT_FIRST: (u64, u64) = (12_000, 4_000);

/// An index has few keys, and those that meet on one partition share its 1,000 writes. So that they hardly ever do, it gets
/// several times what it takes: 16 shards of `due-index` on 16 partitions exceed none by more than a few in a thousand, and
/// two of the 8 shards of `order-state-index` are seldom on one of 16 (`cargo xtask partitions`).
const DUE_MARGIN: u64 = 4;
const ORDER_STATE_MARGIN: u64 = 8;

/// The quota of a table, and of an index, in a new account.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>
pub const QUOTA: u64 = 40_000;

/// What is expected of a sale.
#[derive(Debug, Clone, Copy)]
pub struct Forecast {
    /// At most, in any second.
    pub checkouts_per_second: u64,
    /// Lines of an order.
    pub lines: u64,
    /// Whether the sale has a limit for each customer.
    pub limit: bool,
}

/// What a checkout of n lines by a new guest reads and writes of a kind of data, in units: a session, n additions to the
/// cart, and `POST /orders` with its payment, as docs/access-patterns.md has them; and what the stream writes of the order.
/// Without what the indexes take. One line is of the sale, whose lots are with the orders.
fn units(kind: DataKind, forecast: Forecast) -> (u64, u64) {
    let Forecast { lines: n, limit, checkouts_per_second: _ } = forecast;
    match kind {
        // Products to show and to buy; the stock of the other lines.
        DataKind::Catalogue => (2 * n + 2 * n, 2 * (n - 1)),
        // The lot, the order and its confirmation, the idempotency record, lines, and entries to find the order by.
        DataKind::Orders => (1 + 2, 2 + 2 + 1 + 2 + n + 3 + if limit { 4 } else { 0 }),
        // The session is written once and read with each request, two of which are counted against a rate.
        DataKind::Sessions => (n + 1, 2 + 1 + 1),
        // The session's entry in a list, the cart, the order's entry in a list, and mails.
        DataKind::Rest => (n + 1, 2 + n + 2 + 1 + 4),
    }
}

/// The warm throughput of each table, and of the indexes that need more than they have at first.
pub fn warm_throughput(forecast: Forecast, tables: &TableNames) -> Vec<WarmThroughput> {
    let rate = forecast.checkouts_per_second;
    let mut all = Vec::new();
    for (table, kinds) in tables.tables() {
        let of = |index: Option<&'static str>, reads: u64, writes: u64| WarmThroughput {
            table: table.to_owned(),
            index,
            reads_per_second: rounded(reads * rate).max(AT_FIRST.0),
            writes_per_second: rounded(writes * rate).max(AT_FIRST.1),
        };
        let (reads, writes): (Vec<_>, Vec<_>) = kinds.iter().map(|kind| units(*kind, forecast)).unzip();
        all.push(of(None, reads.iter().sum(), writes.iter().sum()));
        if kinds.contains(&schema::DUE.kind) {
            // An entry when the order is held, and its removal when it is paid.
            all.push(of(Some(schema::DUE.name), 0, 2 * DUE_MARGIN));
            all.push(of(Some(schema::ORDER_STATE.name), 0, ORDER_STATE_MARGIN));
        }
    }
    all
}

/// To the next thousand, as partitions are.
fn rounded(units: u64) -> u64 {
    units.div_ceil(1_000) * 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_thousand_checkouts_a_second_of_one_line_need_more_than_a_new_table_has() {
        let forecast = Forecast { checkouts_per_second: 2_000, lines: 1, limit: true };

        let warm: Vec<_> = warm_throughput(forecast, &TableNames::one("Shop"))
            .iter()
            .map(|warm| (warm.index, warm.reads_per_second, warm.writes_per_second))
            .collect();

        // 11 read units and 29 write units for each.
        assert_eq!(
            warm,
            [(None, 22_000, 58_000), (Some("due-index"), 12_000, 16_000), (Some("order-state-index"), 12_000, 16_000)]
        );
    }

    #[test]
    fn tables_of_their_own_need_together_what_one_needs() {
        let forecast = Forecast { checkouts_per_second: 2_000, lines: 3, limit: true };

        let one = warm_throughput(forecast, &TableNames::one("Shop"));
        let split = warm_throughput(forecast, &TableNames::split("Shop"));

        let writes = |of: &[WarmThroughput]| {
            let tables = of.iter().filter(|warm| warm.index.is_none());
            tables.map(|warm| (warm.table.clone(), warm.writes_per_second)).collect::<Vec<_>>()
        };
        assert_eq!(writes(&one), [("Shop".to_owned(), 74_000)]);
        let expected = [("Shop", 24_000), ("Shop-Catalogue", 8_000), ("Shop-Orders", 34_000), ("Shop-Sessions", 8_000)];
        assert_eq!(writes(&split), expected.map(|(table, writes)| (table.to_owned(), writes)));
        let with_indexes: Vec<_> = split.iter().filter(|warm| warm.index.is_some()).map(|warm| &warm.table).collect();
        assert_eq!(with_indexes, ["Shop-Orders", "Shop-Orders"]);
    }

    #[test]
    fn a_small_sale_needs_nothing_but_what_a_new_table_has() {
        let forecast = Forecast { checkouts_per_second: 50, lines: 3, limit: false };

        let warm = warm_throughput(forecast, &TableNames::one("Shop"));

        assert!(warm.iter().all(|warm| (warm.reads_per_second, warm.writes_per_second) == AT_FIRST));
    }
}
