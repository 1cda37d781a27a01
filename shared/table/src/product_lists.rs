//! Lists of products, by category, by price and by rank.

#[cfg(test)]
#[path = "../../../docs/examples/manufacturers.rs"]
mod manufacturers_example;

use std::collections::VecDeque;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use domain::{CategoryPath, Invalid, Money, ProductId};
use serde::{Deserialize, Serialize};

use crate::{
    Page, StoreError, Table, keys,
    meter::{Pattern, metered},
    page::one_more_than,
    rows,
    rows::{Item, from_item, n, s},
    schema::{self, Index},
};

/// The fields of a product in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductCard {
    pub id: ProductId,
    pub name: String,
    pub price: Money,
    pub thumbnail: Option<String>,
    /// From the stream: a moment late, and never used to decide about a sale.
    pub sold_out: bool,
}

/// The position of a card in an index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CardPosition {
    /// The index' range key: the price in minor units, or the rank.
    #[serde(rename = "r")]
    pub range: i64,
    #[serde(rename = "i")]
    pub id: String,
}

/// One position for each shard of the catalogue's price index.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PricePosition(Vec<ShardPosition>);

/// As a string, `""`, `"<price>:<id>"` or `"."`: eight with the longest ids still fit a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PriceRange {
    pub min: i64,
    pub max: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SortOrder {
    CheapestFirst,
    DearestFirst,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CardRow {
    #[serde(rename = "PK")]
    pk: String,
    name: String,
    price: i64,
    currency: String,
    thumbnail: Option<String>,
    #[serde(default)]
    sold_out: bool,
}

fn card(item: Item) -> Result<ProductCard, StoreError> {
    let row: CardRow = from_item(item)?;
    let read = || -> Result<ProductCard, Invalid> {
        let id = keys::product_id(&row.pk)?;
        let price = rows::money(row.price, &row.currency)?;
        let (name, thumbnail) = (row.name.clone(), row.thumbnail.clone());
        Ok(ProductCard { id, name, price, thumbnail, sold_out: row.sold_out })
    };
    read().map_err(|e| StoreError::corrupt(&row.pk, e))
}

impl Table {
    /// AP-03: a category's products, and those of the categories below it, by price. One Query on the index of the
    /// path's level. The empty path has no list.
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
        self.card_page(("AP-03", index), &category.to_string(), range, order, limit, after).await
    }

    /// AP-04: featured products by rank. Query featured-index; read it through a cache, it is one partition.
    pub async fn product_list_featured(&self, limit: i32) -> Result<Vec<ProductCard>, StoreError> {
        let all = PriceRange { min: 0, max: i64::from(u32::MAX) };
        let page =
            self.card_page(("AP-04", &schema::FEATURED), keys::FEATURED, all, SortOrder::CheapestFirst, limit, None);
        Ok(page.await?.items)
    }

    /// AP-05: all products by price. A Query on each of the eight shards, merged; a shard that is used up while others
    /// still have further products is queried again.
    ///
    /// The Queries hold more cards than a page of the usual size has, at the same cost: the answer is the page, and the
    /// whole pages after it for which no shard has to be queried again.
    pub async fn product_list_by_price(
        &self,
        range: PriceRange,
        order: SortOrder,
        limit: i32,
        after: Option<PricePosition>,
    ) -> Result<Vec<Page<ProductCard, PricePosition>>, StoreError> {
        let shards = usize::from(keys::PRICE_SHARDS);
        let positions = match after {
            Some(PricePosition(positions)) if positions.len() == shards => positions,
            _ => vec![ShardPosition::Start; shards],
        };
        // With an even distribution each shard has limit / 8; twice that makes a second Query rare.
        let limit = usize::try_from(limit).unwrap_or(1).max(1);
        let batch = (limit.div_ceil(shards) * 2 + 1).max(SHARD_CARDS);
        let batch = i32::try_from(batch).unwrap_or(i32::MAX);
        let fetch = async |shard: usize, position: &ShardPosition| {
            let after = match position {
                ShardPosition::Start => None,
                ShardPosition::After(position) => Some(position),
                ShardPosition::End => return Ok::<_, StoreError>(ShardCards::default()),
            };
            let name = keys::price_shard_name(u8::try_from(shard).expect("there are 8 shards"));
            let page = self.card_page(("AP-05", &schema::CATALOG_PRICE), &name, range, order, batch, after).await?;
            Ok(ShardCards { more: page.next.is_some(), cards: page.items.into() })
        };
        let first = positions.iter().enumerate().map(|(shard, position)| fetch(shard, position));
        let fetched = futures::future::try_join_all(first).await?;
        let mut merged = MergedShards { fetched, positions };

        let (mut pages, mut items) = (Vec::new(), Vec::with_capacity(limit));
        loop {
            while let Some(shard) = merged.used_up() {
                if !pages.is_empty() {
                    return Ok(pages);
                }
                merged.fetched[shard] = fetch(shard, &merged.positions[shard]).await?;
            }
            let Some(card) = merged.next_card(order) else { break };
            items.push(card);
            if items.len() == limit {
                let next = merged.position();
                let is_last = next.is_none();
                pages.push(Page { items: std::mem::take(&mut items), next });
                if is_last {
                    return Ok(pages);
                }
            }
        }
        pages.push(Page { items, next: None });
        Ok(pages)
    }

    async fn card_page(
        &self,
        (pattern, index): (Pattern, &Index),
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
        let call = by_range(self.query_index(index), index, hash)
            .expression_attribute_values(":min", n(range.min))
            .expression_attribute_values(":max", n(range.max))
            .scan_index_forward(order == SortOrder::CheapestFirst)
            .limit(one_more_than(limit))
            .set_exclusive_start_key(start)
            .send();
        let output = metered(pattern, call).await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default().into_iter().map(card).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, limit, more, position_of))
    }
}

/// Cards that AP-05 reads of each shard at least: of 250 bytes, 16 fit 0.5 RRU, and a Query reads one more.
const SHARD_CARDS: usize = 15;

/// The next cards of a shard, and whether it has more than those.
#[derive(Default)]
struct ShardCards {
    cards: VecDeque<ProductCard>,
    more: bool,
}

/// The shards of the catalogue, read as one list.
struct MergedShards {
    fetched: Vec<ShardCards>,
    /// Of each shard, after the cards that were taken.
    positions: Vec<ShardPosition>,
}

impl MergedShards {
    /// A shard whose next card is not read yet.
    fn used_up(&self) -> Option<usize> {
        self.fetched.iter().position(|shard| shard.cards.is_empty() && shard.more)
    }

    fn next_card(&mut self, order: SortOrder) -> Option<ProductCard> {
        let heads = self.fetched.iter().enumerate();
        let heads = heads.filter_map(|(shard, read)| Some((read.cards.front()?.price.amount_minor(), shard)));
        let (_, shard) = match order {
            SortOrder::CheapestFirst => heads.min(),
            SortOrder::DearestFirst => heads.max(),
        }?;
        let card = self.fetched[shard].cards.pop_front()?;
        self.positions[shard] = ShardPosition::After(position_of(&card));
        Some(card)
    }

    /// After the cards that were taken; `None` at the end of all shards.
    fn position(&self) -> Option<PricePosition> {
        let after = |(position, shard): (&ShardPosition, &ShardCards)| match shard.cards.is_empty() && !shard.more {
            true => ShardPosition::End,
            false => position.clone(),
        };
        let positions: Vec<_> = self.positions.iter().zip(&self.fetched).map(after).collect();
        let is_end = positions.iter().all(|position| *position == ShardPosition::End);
        (!is_end).then_some(PricePosition(positions))
    }
}

fn position_of(card: &ProductCard) -> CardPosition {
    CardPosition { range: card.price.amount_minor(), id: card.id.to_string() }
}

fn by_range(query: QueryFluentBuilder, index: &Index, hash: &str) -> QueryFluentBuilder {
    query
        .key_condition_expression("#hash = :hash AND #range BETWEEN :min AND :max")
        .expression_attribute_names("#hash", index.hash)
        .expression_attribute_names("#range", index.range)
        .expression_attribute_values(":hash", s(hash))
}
