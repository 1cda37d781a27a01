//! Searching products.

use api::{Page, Problem, codes::Code, edge};
use axum::{
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use search::{Position, Query, SearchEngine as _};
use serde::Serialize;
use table::keys::sha256_hex;

use crate::{
    index::Open,
    params::SearchParams,
    state::State,
    wire::{FoundProductResponse, SearchResponse},
};

/// Seconds that any cache may keep an answer.
const SECONDS: u32 = 30;

api::codes! {
    pub SearchNotReady = Code::unavailable("search_not_ready", "the search index is being built; lists of products are there");
}

/// Searches products, or lists them by filters alone.
///
/// Products are shown as they were when they were indexed, at most about a minute before; their own page and the cart have
/// the current price and stock. A deleted product is left out within seconds.
#[utoipa::path(get, path = "/search", operation_id = "searchProducts", tag = "search", params(SearchParams, Page), security(()),
    responses(
        (status = 200, description = "a page of products, with the facets of all that match", body = SearchResponse, headers(
            ("ETag" = String, description = "Changes with the answer."),
            ("X-Search-Generation" = u64, description = "The generation of the index."),
            ("X-Search-Age" = u64, description = "Seconds since this generation was made. Without changes none is made, so it may be old and complete."),
        )),
        (status = 304, description = "`If-None-Match` names the current ETag"),
        (status = 422, description = "`category_invalid`"),
        SearchNotReady,
    ))]
pub async fn search(
    Extract(state): Extract<State>,
    params: SearchParams,
    page: Page,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = page.of(format_args!("{params:?}"));
    let SearchParams { text, filters, sort, correct } = params;
    let after = page.after::<Position>()?;
    let limit = usize::try_from(page.limit).unwrap_or_default();
    let open = open(&state).await?;
    let query = Query { text, filters, sort, limit, after, correct };
    let mut found = open.reader.search(&query, &open.rules).await.map_err(Problem::internal)?;
    let hits = found.hits.len();
    found.hits.retain(|hit| !open.is_gone(&hit.id, hit.created_at));
    found.total -= (hits - found.hits.len()) as u64;

    let (sales, now) = (state.context.open_sales().await?, state.context.clock.now());
    let mut response = SearchResponse {
        items: found.hits.iter().map(|hit| FoundProductResponse::of(hit, &sales, now)).collect(),
        next_cursor: None,
        total: found.total,
        corrected: found.corrected,
        facets: found.facets.into(),
    };
    // A cursor is another text each time, for the same position.
    let etag = etag(&response);
    response.next_cursor = page.with(Vec::<()>::new(), found.next.as_ref()).next_cursor;
    Ok(answer(&state, &open, &headers, &etag, &response))
}

/// Of an answer with this content.
pub fn etag(content: &impl Serialize) -> String {
    let digest = sha256_hex(serde_json::to_vec(content).expect("texts, numbers and lists are JSON"));
    format!("\"{}\"", &digest[..32])
}

/// The generation to answer from.
pub async fn open(state: &State) -> Result<std::sync::Arc<Open>, Problem> {
    let open = state.index.open(state.context.clock.now()).await;
    open.ok_or_else(|| Problem::new(SearchNotReady, "the search index is being built"))
}

/// An answer that caches keep, with what it was made from.
pub fn answer(state: &State, open: &Open, headers: &HeaderMap, etag: &str, response: &impl Serialize) -> Response {
    let body = serde_json::to_vec(response).expect("texts, numbers and lists are JSON");
    let age = state.context.clock.now().duration_since(open.manifest.as_of).as_secs().max(0);
    let named = [
        (header::ETAG, HeaderValue::from_str(etag)),
        (header::CACHE_CONTROL, HeaderValue::from_str(&format!("public, max-age={SECONDS}"))),
        (edge::SEARCH_GENERATION, HeaderValue::from_str(&open.manifest.generation.to_string())),
        (edge::SEARCH_AGE, HeaderValue::from_str(&age.to_string())),
    ];
    let named: HeaderMap = named.into_iter().filter_map(|(name, value)| Some((name, value.ok()?))).collect();
    let given = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if given.split(',').map(|tag| tag.trim().trim_start_matches("W/")).any(|tag| tag == "*" || tag == etag) {
        return (StatusCode::NOT_MODIFIED, named).into_response();
    }
    (named, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}
