//! The products that wait to be indexed.

use std::collections::BTreeSet;

use domain::{ProductId, Timestamp};
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use runtime::random;
use table::{ChangedProduct, StoreError, Table, keys::SEARCH_SHARDS};

use crate::Waiting;

/// Products of one shard in one run. The rest are in the next one.
const OF_A_SHARD: i32 = 2_000;

const CONCURRENCY: usize = 16;

/// What waits now.
pub async fn waiting(table: &Table) -> Result<Waiting, StoreError> {
    let shards = (0..SEARCH_SHARDS).map(|shard| table.search_changes_get(shard, OF_A_SHARD));
    let mut waiting = Waiting::default();
    for mut changes in try_join_all(shards).await? {
        if changes.len() >= usize::try_from(OF_A_SHARD).unwrap_or(usize::MAX) {
            // At least as long as one that is in this run: the others are not known.
            waiting.left_since = waiting.left_since.max(changes.iter().map(|change| change.since).max());
        }
        waiting.changes.append(&mut changes);
    }
    Ok(waiting)
}

/// The products whose sale started or ended in this time: their price has changed without a write.
pub async fn sales_between(
    table: &Table,
    after: Timestamp,
    until: Timestamp,
) -> Result<BTreeSet<ProductId>, StoreError> {
    let [copy] = random();
    let sales = table.sales_open(copy).await?;
    let changes = |at: Timestamp| after < at && at <= until;
    let changed = sales.all().filter(|sale| {
        let times = sale.terms.iter().flat_map(|dated| [dated.active_from, dated.terms.starts_at, dated.terms.ends_at]);
        times.into_iter().any(changes)
    });
    Ok(changed.map(|sale| sale.product.clone()).collect())
}

/// Removes the notes of products that were indexed, unless they have changed again.
pub async fn done(table: &Table, changes: &[ChangedProduct], indexed_at: Timestamp) -> Result<(), StoreError> {
    // Owned: a stream of futures that borrow what they are made from is not `Send`.
    let removals = stream::iter(changes.to_vec());
    let removals = removals.map(|change| async move { table.search_change_done(&change, indexed_at).await });
    removals.buffer_unordered(CONCURRENCY).try_collect().await
}
