//! What a search has to know of its index: which generation answers, the rules of staff, how far a rebuild is, and which
//! products were deleted lately. All are in one partition, read by one Query.
//!
//! The files of a generation are in S3 and never change; this partition names them. So a generation is complete before it
//! answers, and of two writers the second one fails.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Invalid, ProductId, Rating, Timestamp, UserId};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::{
    IndexPosition, ProductRecord, StoreError, Table,
    conditions::{Condition, NEW, values, version_is, write_if},
    keys::{self, Key},
    meter::{Pattern, metered},
    product_rows::product_record,
    reviews::rating,
    rows::{self, BY, Item, from_item, key_of, millis, n, s},
    schema::TTL_ATTRIBUTE,
    sold_out::SOLD_OUT,
    transact::{AnyCondition, Transaction},
};

/// Items of the partition that one Query reads: the deleted products beyond these are shown until the next generation.
const MAX_ITEMS: i32 = 1_000;

/// A deleted product is forgotten after a day even if nothing indexes.
const GONE_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The generation of the index that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchManifest {
    /// The number of times that an index was published.
    pub generation: u64,
    /// The S3 keys of the lists of files: of this generation, and then of those before it that are kept.
    pub lists: Vec<String>,
    /// What wrote it: a program that expects another schema cannot open it.
    pub schema: String,
    pub documents: u64,
    pub bytes: u64,
    /// It has every change up to here.
    pub as_of: Timestamp,
}

impl SearchManifest {
    /// The S3 key of the list of its files.
    pub fn list(&self) -> &str {
        self.lists.first().map_or("", String::as_str)
    }
}

/// How far the rebuild of the index is.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchRebuild {
    pub requested_at: Timestamp,
    pub by: String,
    /// The S3 key of the list of files so far.
    pub list: Option<String>,
    /// What wrote these files.
    pub schema: String,
    /// The shard of the catalogue that is read, and the position in it.
    pub shard: u8,
    pub after: Option<IndexPosition>,
    /// Products so far.
    pub products: u64,
    /// The number of writes of this item.
    pub version: u64,
}

/// Where the rules of staff are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchRulesAt {
    pub version: u64,
    pub s3_key: String,
    pub updated_at: Timestamp,
    pub by: UserId,
}

/// A product that was deleted, and may still be in the generation that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoneProduct {
    pub id: ProductId,
    /// When it was created: a later product may have its id.
    pub created_at: Timestamp,
    /// When its deletion was noted.
    pub at: Timestamp,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SearchState {
    pub manifest: Option<SearchManifest>,
    pub rebuild: Option<SearchRebuild>,
    pub rules: Option<SearchRulesAt>,
    pub gone: Vec<GoneProduct>,
}

/// What an index needs of a product, beside its description.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchedProduct {
    pub record: ProductRecord,
    pub rating: Rating,
    /// What lists show.
    pub sold_out: bool,
}

/// A write of search state was not the first: another process has changed it since it was read.
#[derive(Debug, thiserror::Error)]
pub enum SearchWriteError {
    #[error("another process has changed the search's state")]
    Changed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    generation: u64,
    lists: Vec<String>,
    schema: String,
    documents: u64,
    bytes: u64,
    as_of: i64,
}

fn manifest_item(manifest: &SearchManifest) -> Item {
    let Key { pk, sk } = keys::search_manifest();
    let SearchManifest { generation, lists, schema, documents, bytes, as_of } = manifest.clone();
    rows::to_item(ManifestRow { pk, sk, generation, lists, schema, documents, bytes, as_of: millis(as_of) })
}

fn manifest(item: Item) -> Result<SearchManifest, StoreError> {
    let key = key_of(&item);
    let ManifestRow { generation, lists, schema, documents, bytes, as_of, .. } = from_item(item)?;
    let as_of = rows::from_millis(as_of).map_err(|e| StoreError::corrupt(key, e))?;
    Ok(SearchManifest { generation, lists, schema, documents, bytes, as_of })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RebuildRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    requested_at: i64,
    requested_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<String>,
    schema: String,
    shard: u8,
    products: u64,
    version: u64,
}

/// The position in the shard, as the key of the index that it is.
const AFTER: &str = "after";

fn rebuild_item(rebuild: &SearchRebuild) -> Item {
    let Key { pk, sk } = keys::search_rebuild();
    let SearchRebuild { requested_at, by, list, schema, shard, after, products, version } = rebuild.clone();
    let (requested_at, requested_by) = (millis(requested_at), by);
    let mut item =
        rows::to_item(RebuildRow { pk, sk, requested_at, requested_by, list, schema, shard, products, version });
    item.extend(after.map(|after| (AFTER.to_owned(), AttributeValue::M(after.into_key()))));
    item
}

fn rebuild(mut item: Item) -> Result<SearchRebuild, StoreError> {
    let key = key_of(&item);
    let after = match item.remove(AFTER) {
        Some(AttributeValue::M(position)) => Some(IndexPosition::of_key(position)),
        _ => None,
    };
    let RebuildRow { requested_at, requested_by: by, list, schema, shard, products, version, .. } = from_item(item)?;
    let requested_at = rows::from_millis(requested_at).map_err(|e| StoreError::corrupt(key, e))?;
    Ok(SearchRebuild { requested_at, by, list, schema, shard, after, products, version })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RulesRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    version: u64,
    s3_key: String,
    updated_at: i64,
    #[serde(rename = "writtenBy")]
    by: String,
}

fn rules_at(item: Item) -> Result<SearchRulesAt, StoreError> {
    let row: RulesRow = from_item(item)?;
    let read = || -> Result<SearchRulesAt, Invalid> {
        let (updated_at, by) = (rows::from_millis(row.updated_at)?, row.by.parse()?);
        Ok(SearchRulesAt { version: row.version, s3_key: row.s3_key.clone(), updated_at, by })
    };
    read().map_err(|e| StoreError::corrupt(format!("{} / {}", row.pk, row.sk), e))
}

fn gone(item: Item) -> Result<GoneProduct, StoreError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct GoneRow {
        #[serde(rename = "SK")]
        sk: String,
        created_at: i64,
        at: i64,
    }
    let key = key_of(&item);
    let row: GoneRow = from_item(item)?;
    let read = || -> Result<GoneProduct, Invalid> {
        let (created_at, at) = (rows::from_millis(row.created_at)?, rows::from_millis(row.at)?);
        Ok(GoneProduct { id: keys::search_product_id(&row.sk)?, created_at, at })
    };
    read().map_err(|e| StoreError::corrupt(key, e))
}

impl Table {
    /// AP-94a: what a search has to know. Query `SEARCH#INDEX`, eventually consistent: read every few seconds by each
    /// environment.
    pub async fn search_state_get(&self) -> Result<SearchState, StoreError> {
        self.search_state("AP-94", false).await
    }

    /// AP-94b: the same, before it is changed. As AP-94a, consistent.
    pub async fn search_state_get_consistent(&self) -> Result<SearchState, StoreError> {
        self.search_state("AP-94", true).await
    }

    async fn search_state(&self, pattern: Pattern, consistent: bool) -> Result<SearchState, StoreError> {
        let call = self
            .query(keys::search_pk())
            .consistent_read(consistent)
            .key_condition_expression("PK = :pk")
            // Backwards: REBUILD, RULES and MANIFEST come before the deleted products.
            .scan_index_forward(false)
            .limit(MAX_ITEMS)
            .send();
        let mut state = SearchState::default();
        for item in metered(pattern, call).await?.items.unwrap_or_default() {
            match keys::key_of_item(&item).and_then(|key| key.entity()) {
                Some(keys::Entity::SearchManifest) => state.manifest = Some(manifest(item)?),
                Some(keys::Entity::SearchRebuild) => state.rebuild = Some(rebuild(item)?),
                Some(keys::Entity::SearchRules) => state.rules = Some(rules_at(item)?),
                Some(keys::Entity::SearchGone) => state.gone.push(gone(item)?),
                _ => return Err(StoreError::corrupt(key_of(&item), "no part of the search's state")),
            }
        }
        Ok(state)
    }

    /// AP-94c: publishes a generation, if the one before it is the one that answers. PutItem, conditional.
    pub async fn search_publish(&self, next: &SearchManifest) -> Result<(), SearchWriteError> {
        let Condition { expression, values } = follows(next);
        let call = self
            .put(manifest_item(next))
            .condition_expression(expression)
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .send();
        write_if("AP-94", call).await?.map_err(|_failed| SearchWriteError::Changed).map(drop)
    }

    /// AP-94d: begins a rebuild, or records how far it is, if nobody else has since it was read. PutItem, conditional on
    /// the version.
    pub async fn search_rebuild_write(&self, next: &SearchRebuild) -> Result<(), SearchWriteError> {
        let Condition { expression, values } = match next.version {
            1 => NEW.into(),
            version => version_is(version - 1),
        };
        let call = self
            .put(rebuild_item(next))
            .condition_expression(expression)
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .send();
        write_if("AP-94", call).await?.map_err(|_failed| SearchWriteError::Changed).map(drop)
    }

    /// AP-94e: publishes what a rebuild made, and ends it. TransactWriteItems of two, conditional on both.
    pub async fn search_rebuild_end(
        &self,
        next: &SearchManifest,
        ended: &SearchRebuild,
    ) -> Result<(), SearchWriteError> {
        let mut transaction: Transaction<'_, AnyCondition> = self.transaction();
        transaction.put_if(AnyCondition, follows(next), manifest_item(next));
        transaction.delete_if(AnyCondition, version_is(ended.version), keys::search_rebuild());
        transaction.write("AP-94").await?.map_err(|_failed| SearchWriteError::Changed)
    }

    /// AP-95a: names new rules of staff, if those before them are the ones that apply. PutItem, conditional on the
    /// version.
    pub async fn search_rules_put(&self, next: &SearchRulesAt) -> Result<(), SearchWriteError> {
        let Key { pk, sk } = keys::search_rules();
        let SearchRulesAt { version, s3_key, updated_at, by } = next.clone();
        let (updated_at, by) = (millis(updated_at), by.to_string());
        let item = rows::to_item(RulesRow { pk, sk, version, s3_key, updated_at, by });
        let Condition { expression, values } = match version {
            1 => NEW.into(),
            version => version_is(version - 1),
        };
        let call = self
            .put(item)
            .condition_expression(expression)
            .set_expression_attribute_values((!values.is_empty()).then_some(values))
            .send();
        write_if("AP-95", call).await?.map_err(|_failed| SearchWriteError::Changed).map(drop)
    }

    /// AP-95b: a product was deleted, so no search shows it any more. PutItem, unless it is noted already.
    pub async fn search_gone_put(&self, gone: &GoneProduct) -> Result<(), StoreError> {
        let mut item = keys::search_gone(&gone.id).into_item();
        item.insert("createdAt".to_owned(), n(millis(gone.created_at)));
        item.insert("at".to_owned(), n(millis(gone.at)));
        item.insert(TTL_ATTRIBUTE.to_owned(), n((gone.at + GONE_FOR).as_second()));
        item.insert(BY.to_owned(), s("shop"));
        let call = self
            .put(item)
            .condition_expression("attribute_not_exists(PK) OR createdAt <> :created")
            .expression_attribute_values(":created", n(millis(gone.created_at)))
            .send();
        let _noted = write_if("AP-95", call).await?;
        Ok(())
    }

    /// AP-95c: the deletion is in every generation that still answers. DeleteItem, conditional on the time it was noted.
    pub async fn search_gone_delete(&self, gone: &GoneProduct) -> Result<(), StoreError> {
        let call = self
            .delete(keys::search_gone(&gone.id))
            .condition_expression("#at = :read")
            .expression_attribute_names("#at", "at")
            .set_expression_attribute_values(Some(values([(":read", n(millis(gone.at)))])))
            .send();
        // Another deletion of a product with this id was noted since.
        let _later = write_if("AP-95", call).await?;
        Ok(())
    }

    /// AP-97: what an index needs of products, any number. BatchGetItem of 2 for each, consistent. Products that are not
    /// sold are left out; one that cannot be read has its own error.
    pub async fn search_products_get(
        &self,
        ids: &[ProductId],
    ) -> Result<Vec<(ProductId, Result<SearchedProduct, StoreError>)>, StoreError> {
        let keys = ids.iter().flat_map(|id| [keys::product(id), keys::rating(id)]).collect();
        let mut ratings = std::collections::BTreeMap::new();
        let mut products = Vec::new();
        for item in self.items_get("AP-97", keys, true).await? {
            let Some(key) = keys::key_of_item(&item) else { continue };
            let Some(id) = crate::product_of(&key) else { continue };
            match key.entity() {
                Some(keys::Entity::Rating) => drop(ratings.insert(id, rating(item))),
                _ => products.push((id, item)),
            }
        }
        let mut read = |id: &ProductId, item: Item| {
            let sold_out = matches!(item.get(SOLD_OUT), Some(AttributeValue::Bool(true)));
            let rating = ratings.remove(id).transpose()?.unwrap_or_default();
            Ok(SearchedProduct { record: product_record(item)?, rating, sold_out })
        };
        let products = products.into_iter().map(|(id, item)| {
            let product = read(&id, item);
            (id, product)
        });
        Ok(products.collect())
    }
}

/// The generation before it is the one that answers; before the first there is none.
fn follows(next: &SearchManifest) -> Condition {
    match next.generation {
        1 => NEW.into(),
        generation => Condition::new("generation = :before", values([(":before", n(generation - 1))])),
    }
}
