//! The one definition of the table: keys, indexes, stream and TTL. The local stack and the tests create it from here,
//! and the deployment templates are compared with it.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::create_table::CreateTableError,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType, StreamSpecification, StreamViewType, TableStatus, TimeToLiveSpecification,
    },
};

use crate::{
    StoreError, Table,
    keys::{DataKind, PK, SK},
};

/// Epoch seconds after which DynamoDB may delete an item. It takes up to days, so reads check the time themselves.
pub const TTL_ATTRIBUTE: &str = "expiresAt";

/// The fields of a product card, besides the keys and the price that every index has.
const CARD: &[&str] = &["name", "currency", "thumbnail", "soldOut"];

/// A global secondary index.
#[derive(Debug, Clone, Copy)]
pub struct Index {
    pub name: &'static str,
    /// Of the items in it.
    pub kind: DataKind,
    pub hash: &'static str,
    pub range: &'static str,
    pub range_type: RangeType,
    /// Attributes beside the keys; empty is KEYS_ONLY.
    pub include: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeType {
    Number,
    String,
}

/// One index for each level of a category path: a product in `Apparel/Shoes` is an entry of `Apparel` in the first and
/// of `Apparel/Shoes` in the second, so the list of a parent category is one Query too. DynamoDB keeps them in step; a
/// level costs one WRU when a field of the card changes.
pub const CATEGORY_INDEXES: [Index; domain::MAX_CATEGORY_DEPTH] = [
    category("category-price-index", "category"),
    category("category-2-price-index", "category2"),
    category("category-3-price-index", "category3"),
    category("category-4-price-index", "category4"),
];

const fn category(name: &'static str, hash: &'static str) -> Index {
    Index { name, kind: DataKind::Catalogue, hash, range: "price", range_type: RangeType::Number, include: CARD }
}

/// Active products by price, over all categories, in eight partitions.
pub const CATALOG_PRICE: Index = Index {
    name: "catalog-price-index",
    kind: DataKind::Catalogue,
    hash: "priceShard",
    range: "price",
    range_type: RangeType::Number,
    include: CARD,
};

/// Featured products by rank. One partition, so it is only read through the cache.
pub const FEATURED: Index = Index {
    name: "featured-index",
    kind: DataKind::Catalogue,
    hash: "featured",
    range: "featuredRank",
    range_type: RangeType::Number,
    include: &["name", "currency", "thumbnail", "soldOut", "price"],
};

/// Orders with something open, a payment without an outcome or an owed refund, by the time at which the sweeper has to
/// process them.
pub const DUE: Index = Index {
    name: "due-index",
    kind: DataKind::Orders,
    hash: "dueShard",
    range: "dueAt",
    range_type: RangeType::Number,
    include: &[],
};

/// Settled orders by state and the day they were placed.
pub const ORDER_STATE: Index = Index {
    name: "order-state-index",
    kind: DataKind::Orders,
    hash: "stateDay",
    range: "placedAt",
    range_type: RangeType::String,
    include: &["total", "currency", "itemCount", "version"],
};

/// Every index.
pub fn indexes() -> Vec<Index> {
    [&CATEGORY_INDEXES[..], &[CATALOG_PRICE, FEATURED, DUE, ORDER_STATE]].concat()
}

/// The indexes of a table with these kinds of data.
pub fn indexes_of(kinds: &[DataKind]) -> Vec<Index> {
    indexes().into_iter().filter(|index| kinds.contains(&index.kind)).collect()
}

impl Table {
    /// Creates the table if it does not exist and waits until it is active, and the tables of kinds of data that have their
    /// own. Returns whether one was created.
    ///
    /// For local engines and tests; on AWS the templates create them, with recovery and deletion protection on.
    pub async fn create(&self) -> Result<bool, StoreError> {
        let mut created = false;
        for (name, kinds) in self.names.tables() {
            created |= self.create_one(name, &kinds).await?;
        }
        Ok(created)
    }

    async fn create_one(&self, name: &str, kinds: &[DataKind]) -> Result<bool, StoreError> {
        let mut attributes = vec![attribute(PK, ScalarAttributeType::S), attribute(SK, ScalarAttributeType::S)];
        let mut request = self
            .writes
            .create_table()
            .table_name(name)
            .billing_mode(BillingMode::PayPerRequest)
            .key_schema(key(PK, KeyType::Hash))
            .key_schema(key(SK, KeyType::Range));
        for index in indexes_of(kinds) {
            attributes.push(attribute(index.hash, ScalarAttributeType::S));
            let range_type = match index.range_type {
                RangeType::Number => ScalarAttributeType::N,
                RangeType::String => ScalarAttributeType::S,
            };
            if attributes.iter().all(|a| a.attribute_name() != index.range) {
                attributes.push(attribute(index.range, range_type));
            }
            request = request.global_secondary_indexes(index.definition());
        }
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages)
            .build()
            .expect("stream_enabled is set");

        let created = request.set_attribute_definitions(Some(attributes)).stream_specification(stream).send().await;
        match created {
            Ok(_) => {}
            Err(e) if matches!(e.as_service_error(), Some(CreateTableError::ResourceInUseException(_))) => {
                return Ok(false);
            }
            Err(e) => return Err(e.into()),
        }
        self.wait_until_active(name).await?;
        self.enable_ttl(name).await?;
        Ok(true)
    }

    async fn wait_until_active(&self, name: &str) -> Result<(), StoreError> {
        loop {
            let description = self.reads.describe_table().table_name(name).send().await?;
            if description.table().and_then(|t| t.table_status()) == Some(&TableStatus::Active) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn enable_ttl(&self, name: &str) -> Result<(), StoreError> {
        let ttl = TimeToLiveSpecification::builder()
            .enabled(true)
            .attribute_name(TTL_ATTRIBUTE)
            .build()
            .expect("enabled and attribute_name are set");
        self.writes.update_time_to_live().table_name(name).time_to_live_specification(ttl).send().await?;
        Ok(())
    }
}

impl Index {
    fn definition(&self) -> GlobalSecondaryIndex {
        let projection = match self.include {
            [] => Projection::builder().projection_type(ProjectionType::KeysOnly),
            include => include
                .iter()
                .fold(Projection::builder().projection_type(ProjectionType::Include), |projection, attribute| {
                    projection.non_key_attributes(*attribute)
                }),
        };
        GlobalSecondaryIndex::builder()
            .index_name(self.name)
            .key_schema(key(self.hash, KeyType::Hash))
            .key_schema(key(self.range, KeyType::Range))
            .projection(projection.build())
            .build()
            .expect("name, keys and projection are set")
    }
}

fn attribute(name: &str, kind: ScalarAttributeType) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().expect("name and type are set")
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("name and type are set")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn index_names_are_unique_and_no_attribute_has_two_types() {
        let names: BTreeSet<_> = indexes().iter().map(|i| i.name).collect();
        let hashes: BTreeSet<_> = indexes().iter().map(|i| i.hash).collect();

        assert_eq!(names.len(), indexes().len());
        assert!(indexes().iter().all(|i| !hashes.contains(i.range)));
    }
}
