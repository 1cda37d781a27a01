//! Every number that the model assumes, with its source.

use std::time::Duration;

/// How long a kind of request takes, log-normally distributed.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    pub median_ms: f64,
    pub p99_ms: f64,
}

pub const PARTITION_READ_UNITS: f64 = 3_000.0;
pub const PARTITION_WRITE_UNITS: f64 = 1_000.0;
pub const BURST_SECONDS: f64 = 300.0;
pub const NEW_READ_UNITS: f64 = 12_000.0;
pub const NEW_WRITE_UNITS: f64 = 4_000.0;
pub const READ_UNIT_BYTES: usize = 4 * 1_024;
pub const WRITE_UNIT_BYTES: usize = 1_024;
/// A transaction prepares and commits each item.
pub const TRANSACTION_FACTOR: f64 = 2.0;

pub const SPLIT_AFTER: Duration = Duration::from_secs(60);
/// Throttling that pauses for longer begins anew.
pub const SPLIT_PAUSE: Duration = Duration::from_secs(1);
/// Requests of a partition whose keys decide where it is split.
pub const SPLIT_SAMPLE: usize = 512;

pub const READ: Latency = Latency { median_ms: 4.0, p99_ms: 10.0 };
pub const WRITE: Latency = Latency { median_ms: 5.0, p99_ms: 12.0 };
pub const TRANSACTION: Latency = Latency { median_ms: 15.0, p99_ms: 40.0 };
/// Throttled, in conflict, or a failed condition.
pub const REFUSAL: Latency = Latency { median_ms: 4.0, p99_ms: 10.0 };
/// An authorisation of a payment provider.
pub const PROVIDER: Latency = Latency { median_ms: 300.0, p99_ms: 1_000.0 };

/// Environments of one function at once.
pub const ENVIRONMENTS: usize = 1_000;
/// A customer presses the button so often, counting the first time.
pub const TRIES: u32 = 3;
/// Between two tries of a customer: this long and up to as long again.
pub const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// A number of the model, for its documentation.
#[derive(Debug, Clone)]
pub struct Constant {
    pub what: &'static str,
    pub value: String,
    pub source: &'static str,
}

const NOT_PUBLISHED: &str = "assumed; AWS publishes no figure";

/// All of them, in the order in which they are documented.
pub fn all() -> Vec<Constant> {
    let seconds = |time: Duration| format!("{} s", time.as_secs());
    let ms = |Latency { median_ms, p99_ms }: Latency| format!("{median_ms} ms, p99 {p99_ms} ms");
    vec![
        Constant {
            what: "reads of a partition",
            value: format!("{PARTITION_READ_UNITS} units a second"),
            source: "[Partition key design](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html)",
        },
        Constant {
            what: "writes of a partition",
            value: format!("{PARTITION_WRITE_UNITS} units a second"),
            source: "the same page; reads and writes are counted apart",
        },
        Constant {
            what: "burst",
            value: format!("{BURST_SECONDS} s of unused capacity, never above a partition's limit"),
            source: "[Burst and adaptive capacity](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html), [spiky workloads](https://repost.aws/knowledge-center/dynamodb-spiky-workloads-short-intervals). On demand a partition has its whole limit already, so that there is nothing to add",
        },
        Constant {
            what: "a new table or index on demand",
            value: format!("{NEW_READ_UNITS} read and {NEW_WRITE_UNITS} write units a second: 4 partitions"),
            source: "[Warm throughput](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/warm-throughput.html)",
        },
        Constant {
            what: "size of a unit",
            value: format!("{WRITE_UNIT_BYTES} bytes written, {READ_UNIT_BYTES} bytes read, rounded up"),
            source: "[Read and write operations](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html)",
        },
        Constant {
            what: "a transaction's write",
            value: format!("{TRANSACTION_FACTOR} × on the table, once on indexes"),
            source: "[Transactions](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html): one to prepare, one to commit",
        },
        Constant {
            what: "a transaction that is cancelled",
            value: "the units of its prepare phase, of the items that were not throttled".to_owned(),
            source: "assumed from the two phases",
        },
        Constant {
            what: "a throttled index",
            value: "refuses the write of the table at once".to_owned(),
            source: "[Back-pressure of indexes](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/gsi-throttling.html); how much an index queues before is not published, and assumed to be nothing",
        },
        Constant {
            what: "placement of a key",
            value: "FNV-1a with a final mix, from a seed".to_owned(),
            source: "DynamoDB's hash is not public; another seed is another placement",
        },
        Constant {
            what: "split of a partition for heat",
            value: format!(
                "after {} of throttling without a pause of {}, between the keys that were requested; never one item",
                seconds(SPLIT_AFTER),
                seconds(SPLIT_PAUSE)
            ),
            source: "that it happens: [partitions and split for heat](https://aws.amazon.com/blogs/database/part-3-scaling-dynamodb-how-partitions-hot-keys-and-split-for-heat-impact-performance/); after how long: assumed, and rather too early than too late",
        },
        Constant { what: "a read", value: ms(READ), source: NOT_PUBLISHED },
        Constant { what: "a write", value: ms(WRITE), source: NOT_PUBLISHED },
        Constant {
            what: "a transaction",
            value: format!("{}; so long it conflicts with others on its items", ms(TRANSACTION)),
            source: "assumed; that it conflicts: [transactions](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling)",
        },
        Constant { what: "a refusal", value: ms(REFUSAL), source: NOT_PUBLISHED },
        Constant { what: "the payment provider", value: ms(PROVIDER), source: "assumed" },
        Constant {
            what: "environments at once",
            value: ENVIRONMENTS.to_string(),
            source: "[Lambda's default concurrency](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html); further requests are refused",
        },
        Constant {
            what: "a customer whose checkout is refused or answered 503",
            value: format!("tries {TRIES} times, {} to {} apart", seconds(BETWEEN_TRIES), seconds(2 * BETWEEN_TRIES)),
            source: "assumed",
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_has_a_source() {
        for Constant { what, value, source } in all() {
            assert!(!value.is_empty() && !source.is_empty(), "{what}");
            assert!(
                source.contains("assumed")
                    || source.contains("same page")
                    || source.contains("public")
                    || source.contains("https://"),
                "{what}"
            );
        }
    }
}
