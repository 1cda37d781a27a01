//! The throughput that a flash sale needs from its first second: of the table, and of each index that a checkout writes.

use table::{WarmThroughput, schema};

/// What a new table and a new index take at once, on demand.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput-scenarios.html>
const AT_FIRST: (u64, u64) = (12_000, 4_000);

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

/// Of a checkout of n lines by a new guest, in read and write units: a session, n additions to the cart, and `POST
/// /orders` with its payment, as docs/access-patterns.md has them; and what the stream writes of the order.
fn table_units(forecast: Forecast) -> (u64, u64) {
    let Forecast { lines: n, limit, checkouts_per_second: _ } = forecast;
    let (session, carts, limits) = ((0, 5), (4 * n, n), if limit { 4 } else { 0 });
    // Without what the indexes take: 1 of the order that is placed, 2 of its payment.
    let checkout = (2 * n + 3, 3 * n + 12 - 3 + limits);
    let stream = (2, 7);
    (session.0 + carts.0 + checkout.0 + stream.0, session.1 + carts.1 + checkout.1 + stream.1)
}

/// The warm throughput of the table, and of the indexes that need more than they have at first.
pub fn warm_throughput(forecast: Forecast) -> Vec<WarmThroughput> {
    let rate = forecast.checkouts_per_second;
    let (reads, writes) = table_units(forecast);
    let of = |index: Option<&'static str>, reads: u64, writes: u64| WarmThroughput {
        index,
        reads_per_second: rounded(reads * rate).max(AT_FIRST.0),
        writes_per_second: rounded(writes * rate).max(AT_FIRST.1),
    };
    vec![
        of(None, reads, writes),
        // An entry when the order is held, and its removal when it is paid.
        of(Some(schema::DUE.name), 0, 2),
        of(Some(schema::ORDER_STATE.name), 0, 1),
    ]
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

        let warm: Vec<_> = warm_throughput(forecast)
            .iter()
            .map(|warm| (warm.index, warm.reads_per_second, warm.writes_per_second))
            .collect();

        // 11 read units and 29 write units for each.
        assert_eq!(
            warm,
            [(None, 22_000, 58_000), (Some("due-index"), 12_000, 4_000), (Some("order-state-index"), 12_000, 4_000)]
        );
    }

    #[test]
    fn a_small_sale_needs_nothing_but_what_a_new_table_has() {
        let forecast = Forecast { checkouts_per_second: 50, lines: 3, limit: false };

        let warm = warm_throughput(forecast);

        assert!(warm.iter().all(|warm| (warm.reads_per_second, warm.writes_per_second) == AT_FIRST));
    }
}
