//! The stored form of products.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Attributes, CategoryPath, Incarnation, Invalid, Manufacturer, Product, ProductDetails, ProductName, Rating,
    Thumbnail, Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError, StoredDescription, keys,
    reviews::rating,
    rows,
    rows::{BY, Item, from_item, millis, s},
    sold_out::SOLD_OUT,
    stock::{IN_SALE, available, incarnation},
};

/// A product as it is stored, with the place of its description.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductRecord {
    pub product: Product,
    pub description: Option<StoredDescription>,
    /// Of the last import, if there was one. Other writers keep it.
    pub imported: Option<ImportDigest>,
}

/// Shows whether an import has the same content for a product as the one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImportDigest(String);

impl ImportDigest {
    /// 128 bits of SHA-256, enough to distinguish versions of a line and small in the item.
    pub fn of(said: &str) -> Self {
        let mut digest = keys::sha256_hex(said);
        digest.truncate(32);
        Self(digest)
    }
}

/// The data of a product page.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductPage {
    pub record: ProductRecord,
    /// Units that can be sold now, over all shards.
    pub available: i64,
    /// Of its stock, if that has one.
    pub incarnation: Option<Incarnation>,
    /// Whether units of it are set aside for a sale, so that it cannot be deleted.
    pub in_sale: bool,
    /// The sum of its reviews so far. Not read for carts and checkout.
    pub rating: Rating,
}

/// The attributes of a product's item that the audit log may show: all but its keys.
pub const PRODUCT_ATTRIBUTES: &[&str] = &[
    "id",
    "name",
    "price",
    "currency",
    "category",
    "category2",
    "category3",
    "category4",
    "featured",
    "featuredRank",
    "thumbnail",
    "manufacturer",
    "attributes",
    "description",
    "descriptionS3Key",
    "descriptionBytes",
    "descriptionSha256",
    "importDigest",
    "soldOut",
    "version",
    "createdAt",
    "updatedAt",
    "writtenBy",
];

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
    /// The path, one attribute for each level, each the hash key of that level's index.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    import_digest: Option<ImportDigest>,
    version: u64,
    created_at: i64,
    updated_at: i64,
}

/// `by`: who writes it. Lists show whether it is sold out; the stream's consumer maintains that.
pub(crate) fn product_item(record: &ProductRecord, sold_out: bool, by: &str) -> Item {
    let ProductRecord { product, description, imported } = record;
    let ProductDetails { name, category, price, thumbnail, manufacturer, attributes, featured_rank } = &product.details;
    let keys::Key { pk, sk } = keys::product(&product.id);
    let mut levels = category.levels().map(|l| l.to_string());
    let mut item = rows::to_item(ProductRow {
        pk,
        sk,
        id: product.id.to_string(),
        name: name.as_str().to_owned(),
        price: price.amount_minor(),
        currency: price.currency().code().to_owned(),
        category: levels.next(),
        category2: levels.next(),
        category3: levels.next(),
        category4: levels.next(),
        price_shard: keys::price_shard(&product.id),
        featured: featured_rank.map(|_| keys::FEATURED.to_owned()),
        featured_rank: *featured_rank,
        thumbnail: thumbnail.as_ref().map(|t| t.as_str().to_owned()),
        manufacturer: manufacturer.as_ref().map(|m| m.as_str().to_owned()),
        attributes: attributes.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
        description: description.clone(),
        import_digest: imported.clone(),
        version: product.version,
        created_at: millis(product.created_at),
        updated_at: millis(product.updated_at),
    });
    item.insert(BY.to_owned(), s(by));
    if sold_out {
        item.insert(SOLD_OUT.to_owned(), AttributeValue::Bool(true));
    }
    item
}

pub(crate) fn product_record(item: Item) -> Result<ProductRecord, StoreError> {
    let key = rows::key_of(&item);
    let row: ProductRow = from_item(item)?;
    let (description, imported) = (row.description.clone(), row.import_digest.clone());
    let product = row.into_product().map_err(|e| StoreError::corrupt(key, e))?;
    Ok(ProductRecord { product, description, imported })
}

impl ProductRow {
    fn into_product(self) -> Result<Product, Invalid> {
        let path = [self.category4, self.category3, self.category2, self.category].into_iter().flatten().next();
        Ok(Product {
            id: self.id.parse()?,
            details: ProductDetails {
                name: ProductName::stored(self.name),
                category: path.as_deref().map(CategoryPath::stored).unwrap_or_default(),
                price: rows::money(self.price, &self.currency)?,
                thumbnail: self.thumbnail.as_deref().map(Thumbnail::parse).transpose()?,
                manufacturer: self.manufacturer.map(Manufacturer::stored),
                attributes: Attributes::stored(self.attributes),
                featured_rank: self.featured_rank,
            },
            version: self.version,
            created_at: rows::from_millis(self.created_at)?,
            updated_at: rows::from_millis(self.updated_at)?,
        })
    }
}

impl ProductRecord {
    /// The same product one version on.
    pub fn changed(mut self, now: Timestamp) -> Self {
        self.product.version += 1;
        self.product.updated_at = now;
        self
    }
}

/// Combines META and stock items, in any order.
pub(crate) fn product_pages(items: Vec<Item>) -> Result<Vec<ProductPage>, StoreError> {
    let (mut stock, mut ratings) = (BTreeMap::<String, (i64, Option<Incarnation>, bool)>::new(), BTreeMap::new());
    let mut records = Vec::new();
    for item in items {
        match item.get(keys::PK).and_then(|pk| pk.as_s().ok()) {
            Some(pk) if item.contains_key("available") => {
                let (units, of, in_sale) = stock.entry(pk.clone()).or_default();
                *units += available(&item)?;
                *of = incarnation(&item);
                *in_sale = item.contains_key(IN_SALE);
            }
            // Of a product's page only META has a name.
            Some(pk) if !item.contains_key("name") => {
                ratings.insert(pk.clone(), rating(item)?);
            }
            _ => records.push(product_record(item)?),
        }
    }
    let page = |record: ProductRecord| {
        let pk = keys::product_pk(&record.product.id);
        let (available, incarnation, in_sale) = stock.get(&pk).copied().unwrap_or_default();
        ProductPage { record, available, incarnation, in_sale, rating: ratings.get(&pk).copied().unwrap_or_default() }
    };
    Ok(records.into_iter().map(page).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_attribute_of_a_product_is_listed_for_the_audit_log() {
        let details = ProductDetails {
            name: ProductName::parse("Mug").unwrap(),
            category: CategoryPath::parse("Home/Kitchen/Mugs/Blue").unwrap(),
            price: rows::money(899, "USD").unwrap(),
            thumbnail: Thumbnail::parse("images/mug.svg").ok(),
            manufacturer: Manufacturer::parse("Potter").ok(),
            attributes: Attributes::new([("size".to_owned(), "9".to_owned())]).unwrap(),
            featured_rank: Some(1),
        };
        let record = ProductRecord {
            product: Product::new("mug".parse().unwrap(), details, Timestamp::UNIX_EPOCH),
            description: None,
            imported: Some(ImportDigest::of("mug")),
        };

        let item = product_item(&record, true, "ann");

        let keys = [keys::PK, keys::SK, "priceShard"];
        let found: BTreeSet<_> = item.keys().map(String::as_str).filter(|name| !keys.contains(name)).collect();
        let listed = PRODUCT_ATTRIBUTES.iter().copied().filter(|name| !name.starts_with("description"));
        assert_eq!(found, listed.collect());
    }
}
