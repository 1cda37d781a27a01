use api::{
    schema,
    wire::{Money, SaleOfferResponse},
};
use domain::{OpenSales, Timestamp};
use search::{AttributeFacet, CategoryCount, Facets, Hit, PriceRange, RatingCount, Suggestions, ValueCount};
use serde::Serialize;
use utoipa::ToSchema;

/// A page of products that match, and what is known about all of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SearchResponse {
    pub items: Vec<FoundProductResponse>,
    /// Pass as `cursor` to get the next page; `null` on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
    /// Products of all pages.
    pub total: u64,
    /// The text that was searched instead of `q`, because a word of it is probably misspelled. With `correct=false` the
    /// search is for `q` as it is.
    #[schema(required)]
    pub corrected: Option<String>,
    pub facets: FacetsResponse,
}

/// A product that matches, as it was when it was indexed; `sale` is current.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FoundProductResponse {
    #[schema(value_type = schema::ProductId)]
    pub product_id: String,
    pub name: String,
    /// The parts of `name` that match: start and end, in UTF-16 code units, as JavaScript's `slice` takes them.
    #[schema(value_type = Vec<Vec<u32>>)]
    pub highlights: Vec<[u32; 2]>,
    pub price: Money,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub thumbnail: Option<String>,
    pub category: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub manufacturer: Option<String>,
    pub sold_out: bool,
    /// The sale in which it is bought now, at another price.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = SaleOfferResponse, required = false)]
    pub sale: Option<SaleOfferResponse>,
    pub reviews: u64,
    /// The average of one to five stars, in tenths: 43 is 4.3. `null` without reviews.
    #[schema(required)]
    pub average_tenths: Option<u64>,
}

/// How many of the products that match have which property. A filter that was chosen is left out where its own
/// alternatives are counted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FacetsResponse {
    pub categories: Vec<CategoryFacetResponse>,
    pub manufacturers: Vec<ValueFacetResponse>,
    pub prices: Vec<PriceFacetResponse>,
    /// Products that are not sold out.
    pub in_stock: u64,
    pub ratings: Vec<RatingFacetResponse>,
    pub attributes: Vec<AttributeFacetResponse>,
}

/// A category, with the products in it and below.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CategoryFacetResponse {
    pub category: Vec<String>,
    pub products: u64,
    #[schema(no_recursion)]
    pub below: Vec<CategoryFacetResponse>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValueFacetResponse {
    pub value: String,
    pub products: u64,
}

/// Prices from `min` to `max`, both included, in minor units.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceFacetResponse {
    pub min: i64,
    /// `null` has no upper end.
    #[schema(required)]
    pub max: Option<i64>,
    pub products: u64,
}

/// Products whose reviews average so many stars or more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RatingFacetResponse {
    pub stars: u64,
    pub products: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttributeFacetResponse {
    pub name: String,
    pub values: Vec<ValueFacetResponse>,
}

/// What a shopper may mean.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuggestionsResponse {
    pub products: Vec<SuggestedProductResponse>,
    pub categories: Vec<SuggestedCategoryResponse>,
    pub manufacturers: Vec<ValueFacetResponse>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuggestedProductResponse {
    #[schema(value_type = schema::ProductId)]
    pub product_id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub thumbnail: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuggestedCategoryResponse {
    pub category: Vec<String>,
    pub products: u64,
}

impl FoundProductResponse {
    /// As it is bought at this time.
    pub fn of(hit: &Hit, sales: &OpenSales, now: Timestamp) -> Self {
        let offer = sales.offer(&hit.id, now);
        Self {
            product_id: hit.id.to_string(),
            name: hit.name.clone(),
            highlights: hit.highlights.iter().map(|range| in_utf16(&hit.name, range)).collect(),
            price: hit.list_price.into(),
            thumbnail: hit.thumbnail.clone(),
            category: hit.category.segments().to_vec(),
            manufacturer: hit.manufacturer.clone(),
            sold_out: offer.as_ref().map_or(hit.sold_out, |offer| offer.sale.sold_out),
            sale: offer.map(Into::into),
            reviews: hit.reviews,
            average_tenths: hit.average_tenths,
        }
    }
}

/// A range of bytes in code units of UTF-16.
fn in_utf16(text: &str, range: &std::ops::Range<usize>) -> [u32; 2] {
    let units = |bytes: usize| {
        let before = text.get(..bytes).unwrap_or(text);
        u32::try_from(before.encode_utf16().count()).unwrap_or(u32::MAX)
    };
    [units(range.start), units(range.end)]
}

impl From<Facets> for FacetsResponse {
    fn from(facets: Facets) -> Self {
        let Facets { categories, manufacturers, prices, in_stock, rating, attributes } = facets;
        Self {
            categories: categories.into_iter().map(Into::into).collect(),
            manufacturers: manufacturers.into_iter().map(Into::into).collect(),
            prices: prices.into_iter().map(Into::into).collect(),
            in_stock,
            ratings: rating.into_iter().map(Into::into).collect(),
            attributes: attributes.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<CategoryCount> for CategoryFacetResponse {
    fn from(CategoryCount { path, count, below }: CategoryCount) -> Self {
        let below = below.into_iter().map(Into::into).collect();
        Self { category: path.segments().to_vec(), products: count, below }
    }
}

impl From<ValueCount> for ValueFacetResponse {
    fn from(ValueCount { value, count }: ValueCount) -> Self {
        Self { value, products: count }
    }
}

impl From<PriceRange> for PriceFacetResponse {
    fn from(PriceRange { from, below, count }: PriceRange) -> Self {
        Self { min: from, max: below.map(|below| below - 1), products: count }
    }
}

impl From<RatingCount> for RatingFacetResponse {
    fn from(RatingCount { stars, count }: RatingCount) -> Self {
        Self { stars, products: count }
    }
}

impl From<AttributeFacet> for AttributeFacetResponse {
    fn from(AttributeFacet { name, values }: AttributeFacet) -> Self {
        Self { name, values: values.into_iter().map(Into::into).collect() }
    }
}

impl From<Suggestions> for SuggestionsResponse {
    fn from(found: Suggestions) -> Self {
        let product = |product: search::SuggestedProduct| SuggestedProductResponse {
            product_id: product.id.to_string(),
            name: product.name,
            thumbnail: product.thumbnail,
        };
        let category = |(category, products): (domain::CategoryPath, u64)| SuggestedCategoryResponse {
            category: category.segments().to_vec(),
            products,
        };
        Self {
            products: found.products.into_iter().map(product).collect(),
            categories: found.categories.into_iter().map(category).collect(),
            manufacturers: found.manufacturers.into_iter().map(Into::into).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn highlights_are_where_javascript_finds_them() {
        let name = "Größe 🦀 Mug";

        let mug = name.find("Mug").unwrap();

        let [start, end] = in_utf16(name, &(mug..mug + 3)).map(|at| at as usize);
        let units: Vec<u16> = name.encode_utf16().collect();
        assert_eq!(String::from_utf16_lossy(&units[start..end]), "Mug");
    }
}
