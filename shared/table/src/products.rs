use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use domain::{ProductId, Timestamp, UserId};
use uuid::Uuid;

use crate::{
    Idempotency, PriorRequest, ProductPage, ProductRecord, StoreError, Table,
    conditions::{Condition, ConditionFailed, NEW, values, version_is, write_if},
    keys,
    meter::{Pattern, metered},
    product_rows::{product_item, product_pages},
    rows::{n, s},
    stock::{MoveKind, move_item, stock_item},
    transact::{AnyCondition, Transaction},
};

#[derive(Debug, thiserror::Error)]
pub enum ProductWriteError {
    #[error("a product with this id exists")]
    Exists,
    #[error("there is no such product")]
    Unknown,
    #[error("the product was changed by somebody else")]
    Changed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, thiserror::Error)]
pub enum ProductCreateOnceError {
    #[error("a product with this id exists")]
    Exists,
    #[error("the idempotency key was used before")]
    Repeated(PriorRequest),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Table {
    /// AP-01: a product with its stock. Query `PROD#id`, begins_with `META#`, eventually consistent; if nothing is
    /// found, again consistently, because it may have been created a moment ago.
    pub async fn product_get(&self, id: &ProductId) -> Result<Option<ProductPage>, StoreError> {
        match self.product_page("AP-01", id, false).await? {
            Some(page) => Ok(Some(page)),
            None => self.product_page("AP-01", id, true).await,
        }
    }

    /// AP-14: a product with its current stock, before changing it. As AP-01, consistent.
    pub async fn product_get_consistent(&self, id: &ProductId) -> Result<Option<ProductPage>, StoreError> {
        self.product_page("AP-14", id, true).await
    }

    async fn product_page(
        &self,
        pattern: Pattern,
        id: &ProductId,
        consistent: bool,
    ) -> Result<Option<ProductPage>, StoreError> {
        let call = self
            .query(keys::product_pk(id))
            .consistent_read(consistent)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::PRODUCT_PAGE_PREFIX))
            .limit(keys::PRODUCT_PAGE_ITEMS)
            .send();
        let output = metered(pattern, call).await?;
        product_pages(output.items.unwrap_or_default()).map(|mut pages| pages.pop())
    }

    /// AP-19a: the products of a cart with their stock, to be shown. BatchGetItem, eventually consistent: checkout
    /// reads them again. Products that are not sold are left out.
    pub async fn products_get(&self, ids: &[ProductId]) -> Result<Vec<ProductPage>, StoreError> {
        product_pages(self.items_get("AP-19", product_and_stock(ids), false).await?)
    }

    /// AP-19b: the products of a cart with their stock, to be bought. As AP-19a, consistent: money depends on it.
    pub async fn products_get_consistent(&self, ids: &[ProductId]) -> Result<Vec<ProductPage>, StoreError> {
        product_pages(self.items_get("AP-19", product_and_stock(ids), true).await?)
    }

    /// AP-20: creates a product with its first stock. TransactWriteItems: neither can exist without the other. If an
    /// interrupted import left stock without its product, AP-63 completes it.
    pub async fn product_create(
        &self,
        record: &ProductRecord,
        stock: i64,
        actor: &UserId,
        move_id: Uuid,
    ) -> Result<ProductPage, ProductWriteError> {
        let mut transaction = self.transaction();
        product_puts(&mut transaction, record, stock, actor, move_id);
        let Err(failed) = transaction.write("AP-20").await? else {
            let (record, incarnation, rating) = (record.clone(), Some(move_id.into()), Default::default());
            return Ok(ProductPage { record, available: stock, incarnation, in_sale: false, rating });
        };
        if failed.contains(CreateCondition::Product) {
            return Err(ProductWriteError::Exists);
        }
        self.product_complete(record, stock, actor.as_str()).await?.ok_or(ProductWriteError::Exists)
    }

    /// AP-70: as AP-20, once for each idempotency key, whose record is part of the transaction: its `answer` is what a
    /// retry gets.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the product, of its ledger or of the record")]
    pub async fn product_create_once(
        &self,
        record: &ProductRecord,
        stock: i64,
        actor: &UserId,
        move_id: Uuid,
        request: &Idempotency,
        answer: &str,
        now: Timestamp,
    ) -> Result<(), ProductCreateOnceError> {
        let recorded = request.item(answer, now);
        let mut transaction = self.transaction();
        transaction.put_if(CreateCondition::Request, NEW, recorded.clone());
        product_puts(&mut transaction, record, stock, actor, move_id);
        let Err(failed) = transaction.write("AP-70").await? else { return Ok(()) };
        // A repeated key comes first: the product may exist because the first request created it.
        if failed.contains(CreateCondition::Request) {
            return Err(ProductCreateOnceError::Repeated(request.read_prior(failed.item(CreateCondition::Request))?));
        }
        if failed.contains(CreateCondition::Product) {
            return Err(ProductCreateOnceError::Exists);
        }
        let completed = self.product_complete_with(record, stock, actor.as_str(), Some(recorded)).await?;
        completed.map(drop).ok_or(ProductCreateOnceError::Exists)
    }

    /// AP-21: writes a product over the version at which it was read, with the stock that was read. PutItem,
    /// conditional on that version.
    pub async fn product_put(
        &self,
        record: &ProductRecord,
        available: i64,
        actor: &UserId,
    ) -> Result<(), ProductWriteError> {
        let call = self
            .put(product_item(record, available <= 0, actor.as_str()))
            .condition_expression("version = :read")
            .expression_attribute_values(":read", n(record.product.version - 1))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send();
        match write_if("AP-21", call).await? {
            Ok(_) => Ok(()),
            Err(ConditionFailed { item: None }) => Err(ProductWriteError::Unknown),
            Err(ConditionFailed { item: Some(_) }) => Err(ProductWriteError::Changed),
        }
    }

    /// AP-22: deletes a product as it was read, with its stock. TransactWriteItems of three, so that no stock is left
    /// without its product, and a line in the ledger records who removed how much. The ledger stays, and so do the
    /// names in orders.
    pub async fn product_delete(
        &self,
        page: &ProductPage,
        actor: &UserId,
        move_id: Uuid,
    ) -> Result<(), ProductWriteError> {
        let (product, available) = (&page.record.product, page.available);
        let id = &product.id;
        // Units of a sale come back to the stock.
        let same_stock = Condition::new(
            "(available = :read AND attribute_not_exists(sale)) OR attribute_not_exists(PK)",
            values([(":read", n(available))]),
        );
        let mut transaction = self.transaction();
        transaction.delete_if(AnyCondition, version_is(product.version), keys::product(id));
        transaction.delete_if(AnyCondition, same_stock, keys::stock(id, keys::ONLY_STOCK_SHARD));
        transaction.put(move_item(id, move_id, MoveKind::Deleted, -available, "deleted", actor.as_str()));
        transaction.write("AP-22").await?.map_err(|_failed| ProductWriteError::Changed)
    }
}

/// Conditions of AP-20 and AP-70.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CreateCondition {
    Product,
    Stock,
    Request,
}

/// A product, its stock and, if the stock is not zero, the first line of its ledger.
fn product_puts(
    transaction: &mut Transaction<'_, CreateCondition>,
    record: &ProductRecord,
    stock: i64,
    actor: &UserId,
    move_id: Uuid,
) {
    let id = &record.product.id;
    transaction.put_if(CreateCondition::Product, NEW, product_item(record, stock <= 0, actor.as_str()));
    let first_stock = stock_item(id, stock, move_id.into(), record.product.created_at);
    transaction.put_if(CreateCondition::Stock, NEW, first_stock);
    if stock > 0 {
        transaction.put(move_item(id, move_id, MoveKind::Initial, stock, "initial", actor.as_str()));
    }
}

fn product_and_stock(ids: &[ProductId]) -> Vec<keys::Key> {
    ids.iter().flat_map(|id| [keys::product(id), keys::stock(id, keys::ONLY_STOCK_SHARD)]).collect()
}
