use std::collections::BTreeMap;

use api::{
    All, Invalids, List, Listed, schema,
    wire::{Money, SaleOfferResponse, timestamp},
};
use domain::{
    DetailsChange, GivenAttributes, GivenDetails, GivenPrice, Offer, OpenSales, Product, ProductDetails, ProductId,
    StockDelta, Timestamp,
};
use serde::{Deserialize, Serialize};
use table::{ProductCard, ProductPage};
use utoipa::ToSchema;

/// A product to create.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateProductRequest {
    /// `[A-Za-z0-9._-]{1,64}`; generated if left out.
    #[schema(value_type = Option<schema::ProductId>, example = "mug-1")]
    pub product_id: Option<String>,
    /// 1 to 200 characters, none of them invisible; stored in NFC, like every text of a product.
    #[schema(value_type = schema::ProductName, example = "Mug")]
    pub name: String,
    /// HTML; sanitised before it is stored. Pictures have `https:` URLs or paths relative to the storefront.
    pub description: Option<String>,
    /// Category path, outermost first: at most 4 levels of 1 to 100 characters, and 1,000 bytes of UTF-8 together,
    /// since each level is a key of the table.
    #[schema(value_type = schema::CategoryPath, example = json!(["Kitchen", "Mugs"]))]
    pub category: Vec<String>,
    /// In the currency that the shop sells in.
    #[schema(value_type = schema::Price)]
    pub price: Money,
    /// `https:` URL, or a path relative to the storefront.
    #[schema(value_type = Option<schema::Thumbnail>)]
    pub thumbnail: Option<String>,
    /// 1 to 100 characters.
    #[schema(value_type = Option<schema::Manufacturer>)]
    pub manufacturer: Option<String>,
    /// At most 32 strings, numbers or booleans, named by 1 to 64 characters. Names and values have at most 1,536 bytes
    /// of UTF-8 together, so that a product's page stays within one read unit.
    #[serde(default)]
    #[schema(value_type = schema::Attributes)]
    pub attributes: BTreeMap<String, serde_json::Value>,
    #[schema(value_type = Option<schema::FeaturedRank>)]
    pub featured_rank: Option<u32>,
    /// The initial stock.
    #[serde(default)]
    #[schema(value_type = schema::Stock)]
    pub stock: i64,
}

/// The new content of a product. The stock is changed by its own route, so that no sale is lost.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplaceProductRequest {
    #[schema(value_type = schema::ProductName)]
    pub name: String,
    /// HTML; sanitised before it is stored. Without it, the product has no description.
    pub description: Option<String>,
    #[schema(value_type = schema::CategoryPath)]
    pub category: Vec<String>,
    #[schema(value_type = schema::Price)]
    pub price: Money,
    #[schema(value_type = Option<schema::Thumbnail>)]
    pub thumbnail: Option<String>,
    #[schema(value_type = Option<schema::Manufacturer>)]
    pub manufacturer: Option<String>,
    #[serde(default)]
    #[schema(value_type = schema::Attributes)]
    pub attributes: BTreeMap<String, serde_json::Value>,
    #[schema(value_type = Option<schema::FeaturedRank>)]
    pub featured_rank: Option<u32>,
}

/// The fields of a product to change. A field that is left out stays; `null` removes an optional one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchProductRequest {
    #[schema(value_type = Option<schema::ProductName>)]
    pub name: Option<String>,
    #[schema(value_type = Option<schema::CategoryPath>)]
    pub category: Option<Vec<String>>,
    #[schema(value_type = Option<schema::Price>)]
    pub price: Option<Money>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<schema::Thumbnail>)]
    pub thumbnail: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<schema::Manufacturer>)]
    pub manufacturer: Option<Option<String>>,
    #[schema(value_type = Option<schema::Attributes>)]
    pub attributes: Option<BTreeMap<String, serde_json::Value>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<schema::FeaturedRank>)]
    pub featured_rank: Option<Option<u32>>,
}

/// Distinguishes `null` from left out.
pub fn given<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductResponse {
    #[schema(value_type = schema::ProductId)]
    pub product_id: String,
    pub name: String,
    pub category: Vec<String>,
    pub price: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub thumbnail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub manufacturer: Option<String>,
    pub attributes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false)]
    pub featured_rank: Option<u32>,
    /// Whether `/products/{productId}/description` exists.
    pub has_description: bool,
    pub stock: StockResponse,
    /// The sale in which it is bought now, at another price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = SaleOfferResponse, required = false)]
    pub sale: Option<SaleOfferResponse>,
    pub rating: RatingResponse,
    pub version: u64,
    /// RFC 3339, UTC.
    #[schema(value_type = schema::Timestamp)]
    pub created_at: String,
    #[schema(value_type = schema::Timestamp)]
    pub updated_at: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockResponse {
    /// Units that can be bought now. In a sale, which keeps no exact count, all units of the sale until it is sold out.
    pub available: i64,
    pub in_stock: bool,
}

/// The rating of a product, updated a moment after each review.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RatingResponse {
    pub reviews: u64,
    /// The average of one to five stars, in tenths: 43 is 4.3. `null` without reviews.
    #[schema(required)]
    pub average_tenths: Option<u64>,
}

/// A product in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductCardResponse {
    #[schema(value_type = schema::ProductId)]
    pub product_id: String,
    pub name: String,
    pub price: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub thumbnail: Option<String>,
    /// Updated a moment late; the product itself has the current number of units.
    pub sold_out: bool,
    /// The sale in which it is bought now, at another price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = SaleOfferResponse, required = false)]
    pub sale: Option<SaleOfferResponse>,
}

pub type ProductListResponse = List<ProductCardResponse>;

impl Listed for ProductCardResponse {
    const LIST: &'static str = "ProductListResponse";
    const ITEMS: &'static str = "FeaturedResponse";
}

impl CreateProductRequest {
    /// The product, and its initial stock.
    pub fn product(&self, fresh_id: impl FnOnce() -> ProductId, now: Timestamp) -> Result<(Product, i64), Invalids> {
        let given = GivenDetails {
            name: Some(self.name.clone()),
            category: Some(self.category.clone()),
            price: Some(price(&self.price)),
            thumbnail: Some(self.thumbnail.clone()),
            manufacturer: Some(self.manufacturer.clone()),
            attributes: Some(attributes(&self.attributes)),
            featured_rank: Some(self.featured_rank),
        };
        let (id, details, stock) = (
            self.product_id.as_deref().map(ProductId::of_new_product).transpose(),
            ProductDetails::parse(given),
            StockDelta::initial(self.stock),
        )
            .all()?;
        Ok((Product::new(id.unwrap_or_else(fresh_id), details, now), stock))
    }
}

impl ReplaceProductRequest {
    pub fn details(&self) -> Result<ProductDetails, Invalids> {
        Ok(ProductDetails::parse(GivenDetails {
            name: Some(self.name.clone()),
            category: Some(self.category.clone()),
            price: Some(price(&self.price)),
            thumbnail: Some(self.thumbnail.clone()),
            manufacturer: Some(self.manufacturer.clone()),
            attributes: Some(attributes(&self.attributes)),
            featured_rank: Some(self.featured_rank),
        })?)
    }
}

impl PatchProductRequest {
    pub fn change(&self) -> Result<DetailsChange, Invalids> {
        let given = GivenDetails {
            name: self.name.clone(),
            category: self.category.clone(),
            price: self.price.as_ref().map(price),
            thumbnail: self.thumbnail.clone(),
            manufacturer: self.manufacturer.clone(),
            attributes: self.attributes.as_ref().map(attributes),
            featured_rank: self.featured_rank,
        };
        Ok(given.parse()?)
    }
}

fn price(given: &Money) -> GivenPrice {
    GivenPrice::Minor { amount: given.amount, currency: given.currency.clone() }
}

fn attributes(given: &BTreeMap<String, serde_json::Value>) -> GivenAttributes {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(flag) => Some(flag.to_string()),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    };
    let entries = given.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    GivenAttributes { entries, shortened_to: None }
}

impl From<&ProductPage> for ProductResponse {
    fn from(page: &ProductPage) -> Self {
        let product = &page.record.product;
        let ProductDetails { name, category, price, thumbnail, manufacturer, attributes, featured_rank } =
            &product.details;
        Self {
            product_id: product.id.to_string(),
            name: name.as_str().to_owned(),
            category: category.segments().to_vec(),
            price: (*price).into(),
            thumbnail: thumbnail.as_ref().map(|t| t.as_str().to_owned()),
            manufacturer: manufacturer.as_ref().map(|m| m.as_str().to_owned()),
            attributes: attributes.iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
            featured_rank: *featured_rank,
            has_description: page.record.description.is_some(),
            stock: StockResponse { available: page.available, in_stock: page.available > 0 },
            sale: None,
            rating: RatingResponse { reviews: page.rating.reviews, average_tenths: page.rating.average_tenths() },
            version: product.version,
            created_at: timestamp(product.created_at),
            updated_at: timestamp(product.updated_at),
        }
    }
}

impl From<&ProductCard> for ProductCardResponse {
    fn from(card: &ProductCard) -> Self {
        Self {
            product_id: card.id.to_string(),
            name: card.name.clone(),
            price: card.price.into(),
            thumbnail: card.thumbnail.clone(),
            sold_out: card.sold_out,
            sale: None,
        }
    }
}

impl ProductResponse {
    /// As it is bought at this time.
    #[must_use]
    pub fn in_sale(mut self, offer: Option<Offer<'_>>) -> Self {
        if let Some(offer) = offer {
            let available = if offer.sale.sold_out { 0 } else { offer.sale.units.into() };
            self.stock = StockResponse { available, in_stock: available > 0 };
            self.sale = Some(offer.into());
        }
        self
    }
}

impl ProductCardResponse {
    /// As it is bought at this time.
    #[must_use]
    pub fn in_sale(mut self, sales: &OpenSales, now: Timestamp) -> Self {
        let offer = self.product_id.parse().ok().and_then(|id| sales.offer(&id, now));
        if let Some(offer) = offer {
            self.sold_out = offer.sale.sold_out;
            self.sale = Some(offer.into());
        }
        self
    }
}
