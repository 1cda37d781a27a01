//! The single-table repository: every access pattern is one method, and no other crate calls DynamoDB.
//!
//! A method's doc names its access pattern (AP-nn of `docs/access-patterns.md`). A method sets limit, consistency and
//! condition, requests consumed capacity, and returns domain types. There is no Scan, and no way to express one.

mod account_links;
mod addresses;
mod batches;
mod buckets;
mod carts;
mod categories;
mod categories_before;
mod category_counts;
mod category_renames;
mod category_spelling;
mod conditions;
mod config;
mod connections;
mod customers;
mod descriptions;
mod error;
mod guest_accounts;
mod http_client;
mod idempotency;
pub mod keys;
pub mod meter;
mod names;
mod notifications;
mod on_first_use;
mod order_lists;
mod order_lookups;
mod order_projections;
mod order_rows;
mod order_search;
mod orders;
mod page;
mod password_resets;
mod product_lists;
mod product_rows;
mod products;
mod products_import;
mod rates;
mod reconcile;
mod reviews;
mod rows;
mod sale_lots;
mod sale_rows;
mod sales;
pub mod schema;
mod search;
mod search_changes;
mod sessions;
mod sold_out;
mod stock;
mod stream_image;
mod transact;
mod transport;
mod warm_throughput;
#[cfg(test)]
#[path = "../../../docs/examples/wishes.rs"]
mod wishes_example;

use aws_sdk_dynamodb::{
    Client,
    operation::{
        batch_get_item::builders::BatchGetItemFluentBuilder, batch_write_item::builders::BatchWriteItemFluentBuilder,
        delete_item::builders::DeleteItemFluentBuilder, get_item::builders::GetItemFluentBuilder,
        put_item::builders::PutItemFluentBuilder, query::builders::QueryFluentBuilder,
        update_item::builders::UpdateItemFluentBuilder,
    },
    types::ReturnConsumedCapacity,
};
use on_first_use::OnFirstUse;

pub use account_links::{EmailChangeError, SpendLinkError};
pub use aws_sdk_dynamodb::config::SharedHttpClient;
pub use buckets::{Bucket, BucketError, ObjectEntry, ObjectPage};
pub use carts::{CartWrite, CartWriteError};
pub use categories::{CategoryDeleteError, CategoryPosition, Shown};
pub use categories_before::CategoriesBefore;
pub use category_counts::{CategoryCount, CategoryCounted};
pub use category_renames::{CategoryRenamePosition, Moving};
pub use config::{Endpoints, Place, TableConfig, Timeouts};
pub use customers::{Credential, EmailTaken, NewSession, RegisterError};
pub use descriptions::{DescriptionError, Descriptions, StoredDescription};
pub use error::{StoreError, error_chain};
pub use http_client::http_client;
pub use idempotency::{Idempotency, IdempotencyPutError, PriorRequest, REQUEST_RUNNING};
pub use names::{SameName, TableNames};
pub use notifications::{Claim, GivenUp};
pub use order_lists::{CustomerOrder, DayPosition, DuePosition, Open, OrderPosition};
pub use order_lookups::OrderLookup;
pub use order_projections::Projection;
pub use order_search::{FoundPosition, OrderSearch};
pub use orders::{Cause, OrderTransitionError, PlaceOrderError, Shortage};
pub use page::Page;
pub use product_lists::{CardPosition, PricePosition, PriceRange, ProductCard, SortOrder};
pub use product_rows::{ImportDigest, PRODUCT_ATTRIBUTES, ProductPage, ProductRecord};
pub use products::{ProductCreateOnceError, ProductWriteError};
pub use products_import::{AttributePart, Existing, ImportOutcome, ImportRecord, Said, Says};
pub use rates::{RateLimit, RateVerdict};
pub use reconcile::{IndexPosition, ProductState, StockMove};
pub use reviews::ReviewPosition;
pub use sale_lots::LotShort;
pub use sales::{SaleCreateError, SalePosition};
pub use search::{
    GoneProduct, SearchManifest, SearchRebuild, SearchRulesAt, SearchState, SearchWriteError, SearchedProduct,
};
pub use search_changes::ChangedProduct;
pub use sessions::{LoginError, SessionRecord, SessionSummary, SessionWithCart};
pub use sold_out::SoldOutFlag;
pub use stock::{MoveKind, StockAdjustError};
pub use stream_image::{StreamImage, product_of};
pub use transact::MAX_ACTIONS;
pub use transport::Transport;
pub use warm_throughput::WarmThroughput;

/// Access to the one table. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Table {
    /// Short timeouts: a read can simply be repeated.
    reads: OnFirstUse<Client>,
    /// Longer timeouts and a single attempt: a write whose answer is lost has to be looked up.
    writes: OnFirstUse<Client>,
    /// The same: a transaction whose answer is lost is sent again by [`transact`], under its token.
    transactions: OnFirstUse<Client>,
    names: TableNames,
}

impl Table {
    /// Of the table of everything that has no table of its own. What is measured of a shop is named after it.
    pub fn name(&self) -> &str {
        self.names.of(keys::DataKind::Rest)
    }

    pub fn names(&self) -> &TableNames {
        &self.names
    }

    fn get(&self, key: keys::Key) -> GetItemFluentBuilder {
        let capacity = ReturnConsumedCapacity::Total;
        let table = self.names.of_partition(&key.pk);
        self.reads.get_item().table_name(table).set_key(Some(key.into_item())).return_consumed_capacity(capacity)
    }

    /// Of a partition, which is `:pk` in the condition.
    fn query(&self, pk: impl Into<String>) -> QueryFluentBuilder {
        let pk = pk.into();
        let query = self.query_of(self.names.of_partition(&pk));
        query.expression_attribute_values(":pk", rows::s(pk))
    }

    fn query_index(&self, index: &schema::Index) -> QueryFluentBuilder {
        self.query_of(self.names.of(index.kind)).index_name(index.name)
    }

    fn query_of(&self, table: &str) -> QueryFluentBuilder {
        self.reads.query().table_name(table).return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    fn batch_get(&self) -> BatchGetItemFluentBuilder {
        self.reads.batch_get_item().return_consumed_capacity(ReturnConsumedCapacity::Total)
    }

    fn put(&self, item: rows::Item) -> PutItemFluentBuilder {
        let capacity = ReturnConsumedCapacity::Total;
        let table = self.names.of_partition(rows::pk_of(&item));
        self.writes.put_item().table_name(table).set_item(Some(item)).return_consumed_capacity(capacity)
    }

    fn update(&self, key: keys::Key) -> UpdateItemFluentBuilder {
        let capacity = ReturnConsumedCapacity::Total;
        self.writes
            .update_item()
            .table_name(self.names.of_partition(&key.pk))
            .set_key(Some(key.into_item()))
            .return_consumed_capacity(capacity)
    }

    fn delete(&self, key: keys::Key) -> DeleteItemFluentBuilder {
        let capacity = ReturnConsumedCapacity::Total;
        self.writes
            .delete_item()
            .table_name(self.names.of_partition(&key.pk))
            .set_key(Some(key.into_item()))
            .return_consumed_capacity(capacity)
    }

    fn batch_write(&self) -> BatchWriteItemFluentBuilder {
        self.writes.batch_write_item().return_consumed_capacity(ReturnConsumedCapacity::Total)
    }
}
