//! Reads that only an operator's `reconcile` needs: all of an index, partition by partition, and what a product's stock
//! is made of. A damaged item affects only itself, because lists return keys only.

use domain::{OrderId, OrderState, ProductId, Timestamp};
use uuid::Uuid;

use crate::{
    Page, StoreError, Table,
    conditions::{Condition, NEW, values},
    keys::{self, Key, key_of_item},
    meter::{Pattern, metered},
    rows,
    rows::{Item, n, s},
    schema::{self, Index},
    sold_out::SOLD_OUT,
    stock::{MoveKind, available, move_item},
    stream_image::product_of,
    transact::AnyCondition,
};

/// Keys of an index that one call reads.
const KEYS: i32 = 1_000;

/// The position of an entry in a partition of an index, or of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexPosition(Item);

impl IndexPosition {
    pub(crate) fn of_key(key: Item) -> Self {
        Self(key)
    }

    pub(crate) fn into_key(self) -> Item {
        self.0
    }
}

/// What `reconcile` compares of a product, as of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductState {
    pub created_at: Timestamp,
    /// The object that holds the product's description, if there is one.
    pub description_s3_key: Option<String>,
    /// `None` if the product has no stock item, because an import was interrupted.
    pub available: Option<i64>,
    /// What lists show.
    pub listed_as_sold_out: bool,
}

/// A line of a product's stock ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockMove {
    /// From its id; the epoch if the id has no time, as that of an import's first line.
    pub at: Timestamp,
    pub delta: i64,
    pub kind: MoveKind,
}

impl Table {
    /// AP-05 for `reconcile`: the products of one of the eight price shards. Query catalog-price-index, 1,000 keys.
    pub async fn product_ids_by_shard(
        &self,
        shard: u8,
        after: Option<IndexPosition>,
    ) -> Result<Page<Result<ProductId, StoreError>, IndexPosition>, StoreError> {
        let page = self.index_keys("AP-05", &schema::CATALOG_PRICE, keys::price_shard_name(shard), after).await?;
        Ok(page.read(product_of))
    }

    /// AP-12 for `reconcile`: the orders of one of the due shards, whenever they are due. Query due-index, 1,000
    /// keys.
    pub async fn order_ids_by_due_shard(
        &self,
        shard: u8,
        after: Option<IndexPosition>,
    ) -> Result<Page<Result<OrderId, StoreError>, IndexPosition>, StoreError> {
        let page = self.index_keys("AP-12", &schema::DUE, keys::due_shard_name(shard), after).await?;
        Ok(page.read(order_of))
    }

    /// AP-42 for `reconcile`: settled orders of one state placed on one UTC day, of one shard. Query order-state-index,
    /// 1,000 keys.
    pub async fn order_ids_by_state(
        &self,
        state: OrderState,
        day: &str,
        shard: u8,
        after: Option<IndexPosition>,
    ) -> Result<Page<Result<OrderId, StoreError>, IndexPosition>, StoreError> {
        let page = self.index_keys("AP-42", &schema::ORDER_STATE, keys::state_day(state, day, shard), after).await?;
        Ok(page.read(order_of))
    }

    pub(crate) async fn index_keys(
        &self,
        pattern: Pattern,
        index: &Index,
        hash: String,
        after: Option<IndexPosition>,
    ) -> Result<Page<Key, IndexPosition>, StoreError> {
        let call = self
            .query_index(index)
            .key_condition_expression("#hash = :hash")
            .projection_expression("PK, SK")
            .expression_attribute_names("#hash", index.hash)
            .expression_attribute_values(":hash", s(hash))
            .limit(KEYS)
            .set_exclusive_start_key(after.map(|IndexPosition(key)| key))
            .send();
        let output = metered(pattern, call).await?;
        let items = output.items.unwrap_or_default().iter().filter_map(key_of_item).collect();
        Ok(Page { items, next: output.last_evaluated_key.map(IndexPosition) })
    }

    /// AP-19b for `reconcile`: what is compared of products, any number. BatchGetItem of 2 for each product,
    /// consistent. Products that are not sold are left out; one that cannot be read has its own error.
    pub async fn product_states_get(
        &self,
        ids: &[ProductId],
    ) -> Result<Vec<(ProductId, Result<ProductState, StoreError>)>, StoreError> {
        let keys_of = |id: &ProductId| [keys::product(id), keys::stock(id, keys::ONLY_STOCK_SHARD)];
        let items = self.items_get("AP-19", ids.iter().flat_map(keys_of).collect(), true).await?;
        let found: std::collections::HashMap<Key, Item> =
            items.into_iter().filter_map(|item| Some((key_of_item(&item)?, item))).collect();
        let state = |id: &ProductId| {
            let [product, stock] = keys_of(id);
            Some((id.clone(), product_state(found.get(&product)?, found.get(&stock))))
        };
        Ok(ids.iter().filter_map(state).collect())
    }

    /// AP-50: operators' changes of a product's stock, oldest first. Query `PROD#id` begins_with `MOVE#`, consistent,
    /// 1,000 lines at a time until there are no more.
    pub async fn stock_moves(&self, id: &ProductId) -> Result<Vec<StockMove>, StoreError> {
        let (mut moves, mut after) = (Vec::new(), None);
        loop {
            let call = self
                .query(keys::product_pk(id))
                .consistent_read(true)
                .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
                .expression_attribute_values(":prefix", s(keys::STOCK_MOVE_PREFIX))
                .limit(1_000)
                .set_exclusive_start_key(after)
                .send();
            let output = metered("AP-50", call).await?;
            for item in output.items.unwrap_or_default() {
                moves.push(stock_move(&item)?);
            }
            after = output.last_evaluated_key;
            if after.is_none() {
                return Ok(moves);
            }
        }
    }

    /// AP-51: corrects a product's stock by `delta` to the sum of ledger and orders, if it is still `was`. Returns
    /// whether it was. TransactWriteItems of two: the ledger adds up already, so its line has a delta of zero and keeps
    /// the difference in `corrected`.
    pub async fn stock_correct(&self, id: &ProductId, was: i64, delta: i64, move_id: Uuid) -> Result<bool, StoreError> {
        let mut line = move_item(id, move_id, MoveKind::Reconciled, 0, "reconciled", "ops");
        line.insert("corrected".to_owned(), n(delta));
        let mut transaction = self.transaction();
        transaction.update_if(
            AnyCondition,
            Condition::new("available = :was", values([(":was", n(was))])),
            keys::stock(id, keys::ONLY_STOCK_SHARD),
            "ADD available :delta",
            values([(":delta", n(delta))]),
        );
        transaction.put_if(AnyCondition, NEW, line);
        Ok(transaction.write("AP-51").await?.is_ok())
    }
}

impl Page<Key, IndexPosition> {
    pub(crate) fn read<T>(self, id: impl Fn(&Key) -> Option<T>) -> Page<Result<T, StoreError>, IndexPosition> {
        let damaged = |key: &Key| StoreError::corrupt(format!("{} / {}", key.pk, key.sk), "a key without an id");
        let read = |key: Key| id(&key).ok_or_else(|| damaged(&key));
        Page { items: self.items.into_iter().map(read).collect(), next: self.next }
    }
}

fn order_of(key: &Key) -> Option<OrderId> {
    keys::order_id(&key.pk).ok()
}

fn product_state(product: &Item, stock: Option<&Item>) -> Result<ProductState, StoreError> {
    let damaged = |what| StoreError::corrupt(rows::key_of(product), what);
    let created_at = number(product, "createdAt").and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let description_s3_key = match product.get("descriptionS3Key") {
        None => None,
        Some(key) => Some(key.as_s().map_err(|_| damaged("a description key that is no text"))?.clone()),
    };
    Ok(ProductState {
        created_at: created_at.ok_or_else(|| damaged("a product without the time it was created"))?,
        description_s3_key,
        available: stock.map(available).transpose()?,
        listed_as_sold_out: product.get(SOLD_OUT).and_then(|flag| flag.as_bool().ok()) == Some(&true),
    })
}

fn stock_move(item: &Item) -> Result<StockMove, StoreError> {
    let delta = number(item, "delta");
    let text = |name| item.get(name).and_then(|v| v.as_s().ok());
    let id = text(keys::SK).and_then(|sk| sk.strip_prefix(keys::STOCK_MOVE_PREFIX));
    let at = id.and_then(|id| id.parse::<Uuid>().ok()?.get_timestamp()).map(|at| at.to_unix());
    let at = at.and_then(|(seconds, nanos)| Timestamp::new(seconds.try_into().ok()?, nanos.try_into().ok()?).ok());
    Ok(StockMove {
        at: at.unwrap_or(Timestamp::UNIX_EPOCH),
        delta: delta.ok_or_else(|| StoreError::corrupt(rows::key_of(item), "a ledger line without its delta"))?,
        kind: MoveKind::of(item)
            .ok_or_else(|| StoreError::corrupt(rows::key_of(item), "a ledger line of an unknown kind"))?,
    })
}

fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_ledger_line_is_in_its_id() {
        let mug: ProductId = "mug".parse().unwrap();
        let id = "018cc251-f400-7000-8000-000000000000".parse().unwrap();
        let line = move_item(&mug, id, MoveKind::Adjusted, -3, "broken", "ann");

        let read = stock_move(&line).unwrap();

        assert_eq!((read.at.to_string().as_str(), read.delta), ("2024-01-01T00:00:00Z", -3));
        assert_eq!(read.kind, MoveKind::Adjusted);
    }

    #[test]
    fn a_product_without_its_stock_is_distinguished_from_one_that_is_sold_out() {
        let mug: ProductId = "mug".parse().unwrap();
        let mut product = keys::product(&mug).into_item();
        product.insert("createdAt".to_owned(), n(0));
        let sold_out = crate::stock::stock_item(&mug, 0, domain::Incarnation::from(7), Timestamp::UNIX_EPOCH);

        assert_eq!(product_state(&product, None).unwrap().available, None);
        assert_eq!(product_state(&product, Some(&sold_out)).unwrap().available, Some(0));
        assert!(product_state(&keys::product(&mug).into_item(), None).is_err());
    }
}
