//! Batches, of which DynamoDB may process a part: the rest is sent again, with backoff.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use aws_sdk_dynamodb::types::{KeysAndAttributes, PutRequest, WriteRequest};

use crate::{
    StoreError, Table, keys,
    meter::{Pattern, metered},
    rows::{Item, pk_of},
};

impl Table {
    /// Reads any number of items by key, 100 in each BatchGetItem; unprocessed keys are requested again with backoff. A
    /// repeated key is read once, because BatchGetItem refuses duplicates.
    pub(crate) async fn items_get(
        &self,
        pattern: Pattern,
        keys: Vec<keys::Key>,
        consistent: bool,
    ) -> Result<Vec<Item>, StoreError> {
        let mut named = HashSet::new();
        let keys: Vec<_> = keys.into_iter().filter(|key| named.insert(key.clone())).collect();
        let mut found = Vec::new();
        for chunk in keys.chunks(100) {
            let mut of_tables = HashMap::<_, Vec<_>>::new();
            for key in chunk {
                let table = self.names.of_partition(&key.pk).to_owned();
                of_tables.entry(table).or_default().push(key.clone().into_item());
            }
            let wanted = |keys| KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(consistent).build();
            let mut pending: HashMap<_, _> =
                of_tables.into_iter().map(|(table, keys)| (table, wanted(keys).expect("keys are set"))).collect();
            for attempt in 1.. {
                let call = self.batch_get().set_request_items(Some(std::mem::take(&mut pending))).send();
                let output = metered(pattern, call).await?;
                found.extend(output.responses.into_iter().flatten().flat_map(|(_, items)| items));
                pending = output.unprocessed_keys.unwrap_or_default();
                if pending.is_empty() {
                    break;
                }
                if attempt == 8 {
                    return Err(StoreError::Busy("keys stayed unprocessed".into()));
                }
                backoff(attempt).await;
            }
        }
        Ok(found)
    }

    /// Writes items, 25 in each BatchWriteItem; unprocessed ones again with backoff. Returns what stayed unwritten.
    pub(crate) async fn items_put(&self, pattern: Pattern, items: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let mut unwritten = Vec::new();
        for chunk in items.chunks(25) {
            let put = |item: &Item| PutRequest::builder().set_item(Some(item.clone())).build().expect("item is set");
            let mut pending = HashMap::<_, Vec<_>>::new();
            for item in chunk {
                let table = self.names.of_partition(pk_of(item)).to_owned();
                pending.entry(table).or_default().push(WriteRequest::builder().put_request(put(item)).build());
            }
            for attempt in 1.. {
                let call = self.batch_write().set_request_items(Some(std::mem::take(&mut pending))).send();
                let output = metered(pattern, call).await?;
                pending = output.unprocessed_items.unwrap_or_default();
                if pending.is_empty() || attempt == 8 {
                    break;
                }
                backoff(attempt).await;
            }
            let requests = pending.into_values().flatten();
            unwritten.extend(requests.filter_map(|request| request.put_request).map(|put| put.item));
        }
        Ok(unwritten)
    }
}

/// Full jitter: up to 25 ms doubled with each attempt, at most 1.6 s.
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
pub(crate) async fn backoff(attempt: u32) {
    let most_ms = 25u64 << attempt.min(6);
    let mut random = [0; 8];
    // Without randomness the wait is the longest one.
    let wait_ms = getrandom::fill(&mut random).map_or(most_ms, |()| u64::from_le_bytes(random) % most_ms);
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
}
