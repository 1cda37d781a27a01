//! The catalog that shoppers browse.

use std::sync::Arc;

use api::{PathId, Problem, QueryParams, schema, wire::page_limit};
use axum::{
    Json,
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{CategoryPath, MAX_PRICE_MINOR, ProductId, Rating};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use table::{PriceRange, ProductPage, SortOrder};
use utoipa::{IntoParams, ToSchema};

use crate::{
    state::State,
    wire::{ProductCardResponse, ProductListResponse, ProductResponse},
};

/// Maximum featured products in the answer.
const FEATURED: i32 = 24;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// Category path such as `Kitchen/Mugs`, including the categories below it. A slash within a name is `%2F`, before
    /// URL encoding.
    #[param(value_type = Option<schema::CategoryName>)]
    category: Option<String>,
    /// Minimum price, in minor units.
    #[param(value_type = Option<schema::PriceAmount>)]
    min_price: Option<i64>,
    /// Maximum price, in minor units.
    #[param(value_type = Option<schema::PriceAmount>)]
    max_price: Option<i64>,
    /// `price`, lowest first, or `-price`, highest first.
    #[param(value_type = Option<schema::ProductSort>)]
    sort: Option<String>,
    /// 1 to 100, by default 24.
    #[param(value_type = Option<schema::PageLimit>)]
    limit: Option<i64>,
    /// `nextCursor` of the page before.
    #[param(value_type = Option<schema::Cursor>)]
    cursor: Option<String>,
}

/// Lists products by price, of one category or of all.
#[utoipa::path(get, path = "/products", operation_id = "listProducts", tag = "products", params(ListParams), security(()), responses(
    (status = 200, description = "a page of products", body = ProductListResponse),
    (status = 422, description = "`category_invalid`"),
))]
pub async fn list(
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<ListParams>,
) -> Result<impl IntoResponse, Problem> {
    let limit = page_limit(params.limit)?;
    let range = price_range(&params)?;
    let order = match params.sort.as_deref() {
        None | Some("price") => SortOrder::CheapestFirst,
        Some("-price") => SortOrder::DearestFirst,
        Some(_) => return Err(Problem::bad_request("sort_invalid", "sort must be price or -price")),
    };
    let category = params.category.as_deref().map(CategoryPath::sought).transpose()?;
    let context = &state.context;
    let now = context.clock.now();
    // A cursor is valid for this route with these filters only.
    let of = |c: &CategoryPath| c.to_string();
    let list = format!("/products {:?} {range:?} {order:?}", category.as_ref().map(of));

    let (cards, next_cursor) = match &category {
        Some(category) => {
            let after = params.cursor.as_deref().map(|c| context.cursors.open(c, &list, now)).transpose()?;
            let page = context.table.product_list_by_category(category, range, order, limit, after.as_ref()).await?;
            (page.items, page.next.map(|p| context.cursors.seal(&p, &list, now)))
        }
        None => {
            let after = params.cursor.as_deref().map(|c| context.cursors.open(c, &list, now)).transpose()?;
            let page = context.table.product_list_by_price(range, order, limit, after).await?;
            (page.items, page.next.map(|p| context.cursors.seal(&p, &list, now)))
        }
    };
    let items = cards.iter().map(ProductCardResponse::from).collect();
    Ok((public(30), Json(ProductListResponse { items, next_cursor })))
}

fn price_range(params: &ListParams) -> Result<PriceRange, Problem> {
    let range = PriceRange { min: params.min_price.unwrap_or(0), max: params.max_price.unwrap_or(MAX_PRICE_MINOR) };
    let allowed = 0..=MAX_PRICE_MINOR;
    if range.min > range.max || !allowed.contains(&range.min) || !allowed.contains(&range.max) {
        let detail = format!("prices must be 0 to {MAX_PRICE_MINOR} minor units, and minPrice at most maxPrice");
        return Err(Problem::bad_request("price_range_invalid", detail));
    }
    Ok(range)
}

#[derive(Debug, Serialize, ToSchema)]
pub struct FeaturedResponse {
    pub items: Vec<ProductCardResponse>,
}

/// Lists the featured products by rank, at most 24.
#[utoipa::path(get, path = "/products/featured", operation_id = "listFeaturedProducts", tag = "products", security(()), responses(
    (status = 200, description = "the featured products, by rank", body = FeaturedResponse),
))]
pub async fn featured(Extract(state): Extract<State>) -> Result<impl IntoResponse, Problem> {
    let table = &state.context.table;
    let load = async || table.product_list_featured(FEATURED).await.map(Arc::new);
    let cards = state.featured.get(&(), state.context.clock.now(), load).await?;
    Ok((public(30), Json(FeaturedResponse { items: cards.iter().map(ProductCardResponse::from).collect() })))
}

/// Returns a product with its stock.
#[utoipa::path(get, path = "/products/{productId}", operation_id = "getProduct", tag = "products", security(()),
    params(("productId" = String, Path)),
    responses(
        (status = 200, description = "the product", body = ProductResponse, headers(("ETag" = String, description = "Changes with the product, its stock and its rating."))),
        (status = 304, description = "`If-None-Match` names the current ETag"),
        (status = 404, description = "`not_found`: the product does not exist"),
    ))]
pub async fn get(
    Extract(state): Extract<State>,
    PathId(id): PathId<ProductId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = product(&state, &id).await?;
    let etag = etag(&page);
    if matches(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)], public(2)).into_response());
    }
    Ok(([(header::ETAG, etag)], public(2), Json(ProductResponse::from(&*page))).into_response())
}

/// A product through the cache.
pub async fn product(state: &State, id: &ProductId) -> Result<Arc<ProductPage>, Problem> {
    let load = async || Ok::<_, table::StoreError>(state.context.table.product_get(id).await?.map(Arc::new));
    let page = state.products.get(id, state.context.clock.now(), load).await?;
    page.ok_or_else(|| Problem::not_found("product"))
}

/// `"<version>-<available>-<reviews>-<stars>"`: only the version counts for `If-Match`.
pub fn etag(page: &ProductPage) -> HeaderValue {
    let ProductPage { record, available, incarnation: _, rating } = page;
    tag(record.product.version, *available, *rating)
}

/// The tag of a product that was just created with this stock.
pub fn first_etag(available: i64) -> HeaderValue {
    tag(1, available, Rating::default())
}

fn tag(version: u64, available: i64, rating: Rating) -> HeaderValue {
    let tag = format!("\"{version}-{available}-{}-{}\"", rating.reviews, rating.stars);
    HeaderValue::from_str(&tag).expect("digits and dashes are a header value")
}

pub fn matches(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let given = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let etag = etag.to_str().unwrap_or_default();
    given.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == "*" || tag == etag)
}

/// Any cache may keep the answer for this many seconds.
pub fn public(seconds: u32) -> [(header::HeaderName, HeaderValue); 1] {
    let value = format!("public, max-age={seconds}");
    [(header::CACHE_CONTROL, HeaderValue::from_str(&value).expect("digits are a header value"))]
}
