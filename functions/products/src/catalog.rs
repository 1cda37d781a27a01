//! The catalog that shoppers browse.

use std::sync::Arc;

use api::{
    Items, Page, PathId, Problem, QueryParams,
    codes::{self, Code},
    schema,
};
use axum::{
    Json,
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{CategoryPath, MAX_PRICE_MINOR, Offer, ProductId, Rating};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Deserialize;
use table::{PriceRange, ProductPage, SortOrder};
use utoipa::IntoParams;

use crate::{
    price_page::{PricePageKey, price_page},
    state::State,
    wire::{ProductCardResponse, ProductListResponse, ProductResponse},
};

/// Seconds that any cache may keep a list.
const LIST_SECONDS: u32 = 30;

/// Maximum featured products in the answer.
const FEATURED: i32 = 24;

api::codes! {
    PriceRangeInvalid = Code::bad_request(
        "price_range_invalid",
        "the prices are out of range, or the least is above the highest",
    );
    SortInvalid = Code::bad_request("sort_invalid", "the list does not support this order");
}

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
}

/// Lists products by price, of one category or of all.
///
/// A list of all may be 30 seconds old.
#[utoipa::path(get, path = "/products", operation_id = "listProducts", tag = "products", params(ListParams, Page), security(()), responses(
    (status = 200, description = "a page of products", body = ProductListResponse),
    SortInvalid,
    PriceRangeInvalid,
    (status = 422, description = "`category_invalid`"),
))]
pub async fn list(
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<ListParams>,
    page: Page,
) -> Result<impl IntoResponse, Problem> {
    let range = price_range(&params)?;
    let order = match params.sort.as_deref() {
        None | Some("price") => SortOrder::CheapestFirst,
        Some("-price") => SortOrder::DearestFirst,
        Some(_) => return Err(Problem::new(SortInvalid, "sort must be price or -price")),
    };
    let category = params.category.as_deref().map(CategoryPath::parse_search).transpose()?;
    let page = page.of(format_args!("{:?} {range:?} {order:?}", category.as_ref().map(CategoryPath::to_string)));
    let table = &state.context.table;

    let mut products: ProductListResponse = match &category {
        Some(category) => {
            let after = page.after()?;
            page.list(&table.product_list_by_category(category, range, order, page.limit, after.as_ref()).await?)
        }
        None => {
            let (limit, after) = (page.limit, page.after()?);
            let key = PricePageKey { range, order, limit, after, changes: state.changes() };
            page.list(&*price_page(&state, &key, state.context.clock.now()).await?)
        }
    };
    let (sales, now) = (state.context.open_sales().await?, state.context.clock.now());
    products.items = products.items.into_iter().map(|card| card.in_sale(&sales, now)).collect();
    Ok((public(LIST_SECONDS), Json(products)))
}

fn price_range(params: &ListParams) -> Result<PriceRange, Problem> {
    let range = PriceRange { min: params.min_price.unwrap_or(0), max: params.max_price.unwrap_or(MAX_PRICE_MINOR) };
    let allowed = 0..=MAX_PRICE_MINOR;
    if range.min > range.max || !allowed.contains(&range.min) || !allowed.contains(&range.max) {
        let detail = format!("prices must be 0 to {MAX_PRICE_MINOR} minor units, and minPrice at most maxPrice");
        return Err(Problem::new(PriceRangeInvalid, detail));
    }
    Ok(range)
}

pub type FeaturedResponse = Items<ProductCardResponse>;

/// Lists the featured products by rank, at most 24.
#[utoipa::path(get, path = "/products/featured", operation_id = "listFeaturedProducts", tag = "products", security(()), responses(
    (status = 200, description = "the featured products, by rank", body = FeaturedResponse),
))]
pub async fn featured(Extract(state): Extract<State>) -> Result<impl IntoResponse, Problem> {
    let table = &state.context.table;
    let load = async || table.product_list_featured(FEATURED).await.map(Arc::new);
    let cards = state.featured.get(&(), state.context.clock.now(), load).await?;
    let (sales, now) = (state.context.open_sales().await?, state.context.clock.now());
    let items = cards.iter().map(|card| ProductCardResponse::from(card).in_sale(&sales, now)).collect();
    Ok((public(LIST_SECONDS), Json(FeaturedResponse { items })))
}

/// Returns a product with its stock.
#[utoipa::path(get, path = "/products/{productId}", operation_id = "getProduct", tag = "products", security(()),
    params(("productId" = String, Path)),
    responses(
        (status = 200, description = "the product", body = ProductResponse, headers(("ETag" = String, description = "Changes with the product, its stock and its rating."))),
        (status = 304, description = "`If-None-Match` names the current ETag"),
        codes::NotFound,
    ))]
pub async fn get(
    Extract(state): Extract<State>,
    PathId(id): PathId<ProductId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = product(&state, &id).await?;
    let (sales, now) = (state.context.open_sales().await?, state.context.clock.now());
    let offer = sales.offer(&id, now);
    let etag = offer.map_or_else(|| etag(&page), |offer| sale_etag(&page, offer));
    if matches(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)], public(2)).into_response());
    }
    let product = ProductResponse::from(&*page).in_sale(offer);
    Ok(([(header::ETAG, etag)], public(2), Json(product)).into_response())
}

/// A product through the cache.
pub async fn product(state: &State, id: &ProductId) -> Result<Arc<ProductPage>, Problem> {
    let load = async || Ok::<_, table::StoreError>(state.context.table.product_get(id).await?.map(Arc::new));
    let page = state.products.get(id, state.context.clock.now(), load).await?;
    page.ok_or_else(|| Problem::not_found("product"))
}

/// `"<version>-<available>-<reviews>-<stars>"`: only the version counts for `If-Match`.
pub fn etag(page: &ProductPage) -> HeaderValue {
    let ProductPage { record, available, incarnation: _, in_sale: _, rating } = page;
    tag(record.product.version, *available, *rating)
}

/// The same, with the sale that it is in: its version says whether the price has changed.
fn sale_etag(page: &ProductPage, Offer { sale, terms }: Offer<'_>) -> HeaderValue {
    let tag = format!(
        "\"{}-{}-{}-{}-{}\"",
        page.record.product.version,
        u8::from(sale.sold_out),
        sale.id,
        sale.version,
        terms.price.amount_minor()
    );
    HeaderValue::from_str(&tag).expect("digits, letters and dashes are a header value")
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
