use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, query::builders::QueryFluentBuilder},
    types::ReturnValuesOnConditionCheckFailure,
};
use domain::{
    Attributes, CategoryPath, Invalid, Manufacturer, Money, Product, ProductId, ProductName, Thumbnail, Timestamp,
    UserId,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Page, StoreError, StoredDescription, Table,
    conditions::NEW,
    keys,
    meter::metered,
    rows,
    rows::{Item, from_item, millis, n, s},
    schema::{self, Index},
    stock::{available, move_item, stock_item},
    transact::{TransactError, condition_failed},
};

/// A product as it is stored: with where its description is.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductRecord {
    pub product: Product,
    pub description: Option<StoredDescription>,
}

/// What a product page shows.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductPage {
    pub record: ProductRecord,
    /// Units that can be sold now, over all shards.
    pub available: i64,
}

/// What a list shows of a product.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductCard {
    pub id: ProductId,
    pub name: String,
    pub price: Money,
    pub thumbnail: Option<String>,
}

/// The place of a card in an index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CardPosition {
    /// The index' range key: the price in minor units, or the rank.
    #[serde(rename = "r")]
    pub range: i64,
    #[serde(rename = "i")]
    pub id: String,
}

/// One place for each shard of the catalogue's price index.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PricePosition(Vec<ShardPosition>);

/// As a string, `""`, `"<price>:<id>"` or `"."`: eight with the longest ids still fit a cursor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
enum ShardPosition {
    Start,
    After(CardPosition),
    End,
}

impl From<ShardPosition> for String {
    fn from(position: ShardPosition) -> Self {
        match position {
            ShardPosition::Start => String::new(),
            ShardPosition::After(card) => format!("{}:{}", card.range, card.id),
            ShardPosition::End => ".".to_owned(),
        }
    }
}

impl TryFrom<String> for ShardPosition {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let no_position = "not a position";
        match text.as_str() {
            "" => Ok(Self::Start),
            "." => Ok(Self::End),
            text => {
                let (price, id) = text.split_once(':').ok_or(no_position)?;
                let range = price.parse().map_err(|_| no_position)?;
                Ok(Self::After(CardPosition { range, id: id.to_owned() }))
            }
        }
    }
}

/// Inclusive, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceRange {
    pub min: i64,
    pub max: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortOrder {
    CheapestFirst,
    DearestFirst,
}

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

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProductRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    id: String,
    name: String,
    price: i64,
    currency: String,
    /// The path, one attribute a level, each the hash key of that level's index.
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category2: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category3: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category4: Option<String>,
    price_shard: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    featured: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    featured_rank: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manufacturer: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
    #[serde(flatten)]
    description: Option<StoredDescription>,
    version: u64,
    created_at: i64,
    updated_at: i64,
}

pub(crate) fn product_item(record: &ProductRecord) -> Item {
    let ProductRecord { product, description } = record;
    let keys::Key { pk, sk } = keys::product(&product.id);
    let mut levels = product.category.levels().map(|l| l.to_string());
    rows::to_item(ProductRow {
        pk,
        sk,
        id: product.id.to_string(),
        name: product.name.as_str().to_owned(),
        price: product.price.amount_minor(),
        currency: product.price.currency().code().to_owned(),
        category: levels.next(),
        category2: levels.next(),
        category3: levels.next(),
        category4: levels.next(),
        price_shard: keys::price_shard(&product.id),
        featured: product.featured_rank.map(|_| keys::FEATURED.to_owned()),
        featured_rank: product.featured_rank,
        thumbnail: product.thumbnail.as_ref().map(|t| t.as_str().to_owned()),
        manufacturer: product.manufacturer.as_ref().map(|m| m.as_str().to_owned()),
        attributes: product.attributes.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        description: description.clone(),
        version: product.version,
        created_at: millis(product.created_at),
        updated_at: millis(product.updated_at),
    })
}

pub(crate) fn product_record(item: Item) -> Result<ProductRecord, StoreError> {
    let key = rows::key_of(&item);
    let row: ProductRow = from_item(item)?;
    let description = row.description.clone();
    let product = row.into_product().map_err(|e| StoreError::corrupt(key, e))?;
    Ok(ProductRecord { product, description })
}

impl ProductRow {
    fn into_product(self) -> Result<Product, Invalid> {
        let path = [self.category4, self.category3, self.category2, self.category].into_iter().flatten().next();
        Ok(Product {
            id: self.id.parse()?,
            name: ProductName::parse(&self.name)?,
            category: path.as_deref().map(CategoryPath::parse).transpose()?.unwrap_or_default(),
            price: rows::money(self.price, &self.currency)?,
            thumbnail: self.thumbnail.as_deref().map(Thumbnail::parse).transpose()?,
            manufacturer: self.manufacturer.as_deref().map(Manufacturer::parse).transpose()?,
            attributes: Attributes::new(self.attributes)?,
            featured_rank: self.featured_rank,
            version: self.version,
            created_at: rows::from_millis(self.created_at)?,
            updated_at: rows::from_millis(self.updated_at)?,
        })
    }
}

#[derive(Deserialize)]
struct CardRow {
    #[serde(rename = "PK")]
    pk: String,
    name: String,
    price: i64,
    currency: String,
    thumbnail: Option<String>,
}

fn card(item: Item) -> Result<ProductCard, StoreError> {
    let row: CardRow = from_item(item)?;
    let read = || -> Result<ProductCard, Invalid> {
        let id = row.pk.strip_prefix("PROD#").unwrap_or_default().parse()?;
        let price = rows::money(row.price, &row.currency)?;
        Ok(ProductCard { id, name: row.name.clone(), price, thumbnail: row.thumbnail.clone() })
    };
    read().map_err(|e| StoreError::corrupt(&row.pk, e))
}

impl Table {
    /// AP-01: a product with its stock. Query `PROD#id`, begins_with `META#`, eventually consistent.
    pub async fn product_get(&self, id: &ProductId) -> Result<Option<ProductPage>, StoreError> {
        self.product_page(id, false).await
    }

    /// AP-14: a product with its stock as it is this moment, for whoever is about to change it. As AP-01, consistent.
    pub async fn product_get_consistent(&self, id: &ProductId) -> Result<Option<ProductPage>, StoreError> {
        self.product_page(id, true).await
    }

    async fn product_page(&self, id: &ProductId, consistent: bool) -> Result<Option<ProductPage>, StoreError> {
        let call = self
            .query()
            .consistent_read(consistent)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":pk", s(keys::product_pk(id)))
            .expression_attribute_values(":prefix", s(keys::PRODUCT_PAGE_PREFIX))
            // META and at most 100 stock shards.
            .limit(101)
            .send();
        let output = metered(call).await?;
        product_pages(output.items.unwrap_or_default()).map(|mut pages| pages.pop())
    }

    /// AP-19a: the products of a cart with their stock, to be shown. BatchGetItem, eventually consistent: checkout looks
    /// again. Products that are not sold are left out.
    pub async fn products_get(&self, ids: &[ProductId]) -> Result<Vec<ProductPage>, StoreError> {
        product_pages(self.items_get(product_and_stock(ids), false).await?)
    }

    /// AP-19b: the products of a cart with their stock, to be bought. As AP-19a, consistent: money depends on it.
    pub async fn products_get_consistent(&self, ids: &[ProductId]) -> Result<Vec<ProductPage>, StoreError> {
        product_pages(self.items_get(product_and_stock(ids), true).await?)
    }

    /// AP-03: a category's products, and those of the categories below it, by price. One Query on the index of the
    /// path's level. An empty path has no list.
    pub async fn product_list_by_category(
        &self,
        category: &CategoryPath,
        range: PriceRange,
        order: SortOrder,
        limit: i32,
        after: Option<&CardPosition>,
    ) -> Result<Page<ProductCard, CardPosition>, StoreError> {
        let Some(index) = category.depth().checked_sub(1).and_then(|level| schema::CATEGORY_INDEXES.get(level)) else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        self.card_page(index, &category.to_string(), range, order, limit, after).await
    }

    /// AP-04: featured products by rank. Query featured-index; read it through a cache, it is one partition.
    pub async fn product_list_featured(&self, limit: i32) -> Result<Vec<ProductCard>, StoreError> {
        let all = PriceRange { min: 0, max: i64::from(u32::MAX) };
        let page = self.card_page(&schema::FEATURED, keys::FEATURED, all, SortOrder::CheapestFirst, limit, None);
        Ok(page.await?.items)
    }

    /// AP-05: all products by price. A Query on each of the eight shards, merged; a shard that runs dry while others
    /// still have dearer (cheaper) products is asked again.
    pub async fn product_list_by_price(
        &self,
        range: PriceRange,
        order: SortOrder,
        limit: i32,
        after: Option<PricePosition>,
    ) -> Result<Page<ProductCard, PricePosition>, StoreError> {
        let shards = usize::from(keys::PRICE_SHARDS);
        let mut positions = match after {
            Some(PricePosition(positions)) if positions.len() == shards => positions,
            _ => vec![ShardPosition::Start; shards],
        };
        // An even spread gives each shard limit / 8; twice that makes asking again rare.
        let limit = usize::try_from(limit).unwrap_or(1);
        let batch = i32::try_from(limit.div_ceil(shards) * 2 + 2).unwrap_or(i32::MAX);
        let fetch = async |shard: usize, position: &ShardPosition| {
            let after = match position {
                ShardPosition::Start => None,
                ShardPosition::After(position) => Some(position),
                ShardPosition::End => return Ok(Page { items: Vec::new(), next: None }),
            };
            let name = keys::price_shard_name(u8::try_from(shard).expect("there are 8 shards"));
            self.card_page(&schema::CATALOG_PRICE, &name, range, order, batch, after).await
        };
        let first = positions.iter().enumerate().map(|(shard, position)| fetch(shard, position));
        let mut fetched: Vec<ShardCards> = futures::future::try_join_all(first)
            .await?
            .into_iter()
            .map(|page| ShardCards { more: page.next.is_some(), cards: page.items.into() })
            .collect();

        let mut items = Vec::with_capacity(limit);
        while items.len() < limit {
            for shard in 0..shards {
                if fetched[shard].cards.is_empty() && fetched[shard].more {
                    let page = fetch(shard, &positions[shard]).await?;
                    fetched[shard] = ShardCards { more: page.next.is_some(), cards: page.items.into() };
                }
            }
            let head = |shard: &usize| fetched[*shard].cards.front().map(|c| c.price.amount_minor());
            let candidates = (0..shards).filter_map(|shard| head(&shard).map(|price| (price, shard)));
            let best = match order {
                SortOrder::CheapestFirst => candidates.min(),
                SortOrder::DearestFirst => candidates.max(),
            };
            let Some((_, shard)) = best else { break };
            let card = fetched[shard].cards.pop_front().expect("the best shard has a card");
            positions[shard] = ShardPosition::After(position_of(&card));
            items.push(card);
        }

        for (position, shard) in positions.iter_mut().zip(&fetched) {
            if shard.cards.is_empty() && !shard.more {
                *position = ShardPosition::End;
            }
        }
        let done = positions.iter().all(|p| *p == ShardPosition::End);
        Ok(Page { items, next: (!done).then_some(PricePosition(positions)) })
    }

    async fn card_page(
        &self,
        index: &Index,
        hash: &str,
        range: PriceRange,
        order: SortOrder,
        limit: i32,
        after: Option<&CardPosition>,
    ) -> Result<Page<ProductCard, CardPosition>, StoreError> {
        let start = after.and_then(|position| {
            let id: ProductId = position.id.parse().ok()?;
            let mut key = keys::product(&id).into_item();
            key.insert(index.hash.to_owned(), s(hash));
            key.insert(index.range.to_owned(), n(position.range));
            Some(key)
        });
        let call = by_range(self.query(), index, hash)
            .expression_attribute_values(":min", n(range.min))
            .expression_attribute_values(":max", n(range.max))
            .scan_index_forward(order == SortOrder::CheapestFirst)
            .limit(limit)
            .set_exclusive_start_key(start)
            .send();
        let output = metered(call).await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default().into_iter().map(card).collect::<Result<Vec<_>, _>>()?;
        let next = items.last().filter(|_| more).map(position_of);
        Ok(Page { items, next })
    }

    /// AP-20: a new product with its first stock. TransactWriteItems: neither can be there without the other.
    pub async fn product_create(
        &self,
        record: &ProductRecord,
        stock: i64,
        actor: &UserId,
        move_id: Uuid,
    ) -> Result<(), ProductWriteError> {
        let id = &record.product.id;
        let mut actions = vec![
            self.transact_put(product_item(record), Some(NEW)),
            self.transact_put(stock_item(id, stock), Some(NEW)),
        ];
        if stock > 0 {
            actions.push(self.transact_put(move_item(id, move_id, stock, "initial", actor.as_str()), None));
        }
        match self.transact(actions).await {
            Ok(()) => Ok(()),
            Err(TransactError::Canceled(reasons)) if reasons.iter().any(condition_failed) => {
                Err(ProductWriteError::Exists)
            }
            Err(TransactError::Canceled(_)) => Err(ProductWriteError::Changed),
            Err(TransactError::Store(error)) => Err(error.into()),
        }
    }

    /// AP-21: writes a product over the version it was read at. PutItem, conditional on that version.
    pub async fn product_put(&self, record: &ProductRecord) -> Result<(), ProductWriteError> {
        let call = self
            .put(product_item(record))
            .condition_expression("version = :read")
            .expression_attribute_values(":read", n(record.product.version - 1))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send();
        match metered(call).await {
            Ok(_) => Ok(()),
            Err(e) => match e.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    let gone = failed.item().is_none();
                    Err(if gone { ProductWriteError::Unknown } else { ProductWriteError::Changed })
                }
                _ => Err(StoreError::from(e).into()),
            },
        }
    }

    /// AP-22: takes a product out of the shop. TransactWriteItems of two, so that no stock is left without its product;
    /// the ledger stays, and so do the names in orders.
    pub async fn product_delete(&self, id: &ProductId, version: Option<u64>) -> Result<(), ProductWriteError> {
        let (condition, values) = match version {
            Some(version) => ("version = :read", Item::from([(":read".to_owned(), n(version))])),
            None => ("attribute_exists(PK)", Item::new()),
        };
        let actions = vec![
            self.transact_delete(keys::product(id), Some(condition), values),
            self.transact_delete(keys::stock(id, keys::ONLY_STOCK_SHARD), None, Item::new()),
        ];
        match self.transact(actions).await {
            Ok(()) => Ok(()),
            Err(TransactError::Canceled(_)) if version.is_some() => Err(ProductWriteError::Changed),
            Err(TransactError::Canceled(_)) => Err(ProductWriteError::Unknown),
            Err(TransactError::Store(error)) => Err(error.into()),
        }
    }
}

fn product_and_stock(ids: &[ProductId]) -> Vec<keys::Key> {
    ids.iter().flat_map(|id| [keys::product(id), keys::stock(id, keys::ONLY_STOCK_SHARD)]).collect()
}

struct ShardCards {
    cards: std::collections::VecDeque<ProductCard>,
    more: bool,
}

fn position_of(card: &ProductCard) -> CardPosition {
    CardPosition { range: card.price.amount_minor(), id: card.id.to_string() }
}

fn by_range(query: QueryFluentBuilder, index: &Index, hash: &str) -> QueryFluentBuilder {
    query
        .index_name(index.name)
        .key_condition_expression("#hash = :hash AND #range BETWEEN :min AND :max")
        .expression_attribute_names("#hash", index.hash)
        .expression_attribute_names("#range", index.range)
        .expression_attribute_values(":hash", s(hash))
}

/// Puts META and stock items, in any order, together.
fn product_pages(items: Vec<Item>) -> Result<Vec<ProductPage>, StoreError> {
    let mut stock: BTreeMap<String, i64> = BTreeMap::new();
    let mut records = Vec::new();
    for item in items {
        match item.get(keys::PK).and_then(|pk| pk.as_s().ok()) {
            Some(pk) if item.contains_key("available") => *stock.entry(pk.clone()).or_default() += available(&item)?,
            _ => records.push(product_record(item)?),
        }
    }
    let page = |record: ProductRecord| {
        let available = stock.get(&keys::product_pk(&record.product.id)).copied().unwrap_or_default();
        ProductPage { record, available }
    };
    Ok(records.into_iter().map(page).collect())
}

impl ProductRecord {
    /// The same product one version on.
    pub fn changed(mut self, now: Timestamp) -> Self {
        self.product.version += 1;
        self.product.updated_at = now;
        self
    }
}
