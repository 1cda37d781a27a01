//! The throughput that tables and their indexes take at once. Operators raise it before a peak.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    GlobalSecondaryIndexUpdate, UpdateGlobalSecondaryIndexAction, WarmThroughput as SdkWarmThroughput,
};

use crate::{StoreError, Table};

/// Of a table, or of an index of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarmThroughput {
    pub table: String,
    /// `None` is the table itself.
    pub index: Option<&'static str>,
    pub reads_per_second: u64,
    pub writes_per_second: u64,
}

impl WarmThroughput {
    fn is_above(&self, (reads, writes): (u64, u64)) -> bool {
        self.reads_per_second > reads || self.writes_per_second > writes
    }

    /// Not lower than it is: DynamoDB refuses that.
    fn sdk(&self, (reads, writes): (u64, u64)) -> SdkWarmThroughput {
        let units = |wanted: u64, current: u64| i64::try_from(wanted.max(current)).unwrap_or(i64::MAX);
        SdkWarmThroughput::builder()
            .read_units_per_second(units(self.reads_per_second, reads))
            .write_units_per_second(units(self.writes_per_second, writes))
            .build()
    }
}

impl Table {
    /// Raises what is lower than wanted, and returns it. DescribeTable and UpdateTable of each table; DynamoDB carries it
    /// out in the background.
    pub async fn warm_throughput_raise(&self, wanted: &[WarmThroughput]) -> Result<Vec<WarmThroughput>, StoreError> {
        let mut raised = Vec::new();
        for of_table in wanted.chunk_by(|one, other| one.table == other.table) {
            let Some(first) = of_table.first() else { continue };
            raised.extend(self.raise_one(&first.table, of_table).await?);
        }
        Ok(raised)
    }

    async fn raise_one(&self, name: &str, wanted: &[WarmThroughput]) -> Result<Vec<WarmThroughput>, StoreError> {
        let described = self.reads.describe_table().table_name(name).send().await?;
        let table = described.table();
        let units = |units: Option<i64>| units.and_then(|units| u64::try_from(units).ok()).unwrap_or_default();
        let of_table = table.and_then(|table| table.warm_throughput());
        let of_table = of_table.map(|warm| (units(warm.read_units_per_second()), units(warm.write_units_per_second())));
        let indexes = table.map(|table| table.global_secondary_indexes()).unwrap_or_default();
        let of_indexes: HashMap<_, _> = indexes
            .iter()
            .filter_map(|index| {
                let warm = index.warm_throughput()?;
                Some((index.index_name()?, (units(warm.read_units_per_second()), units(warm.write_units_per_second()))))
            })
            .collect();
        let current = |index: Option<&str>| match index {
            None => of_table.unwrap_or_default(),
            Some(name) => of_indexes.get(name).copied().unwrap_or_default(),
        };

        let raised: Vec<_> = wanted.iter().filter(|warm| warm.is_above(current(warm.index))).cloned().collect();
        if raised.is_empty() {
            return Ok(raised);
        }
        let mut update = self.writes.update_table().table_name(name);
        for warm in &raised {
            let sdk = warm.sdk(current(warm.index));
            update = match warm.index {
                None => update.warm_throughput(sdk),
                Some(name) => {
                    let action = UpdateGlobalSecondaryIndexAction::builder().index_name(name).warm_throughput(sdk);
                    let action = action.build().expect("the name is set");
                    update.global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().update(action).build())
                }
            };
        }
        update.send().await?;
        Ok(raised)
    }
}
