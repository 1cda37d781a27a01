//! What a shopper may mean who has begun to type.

use api::{Problem, QueryParams};
use axum::{extract::State as Extract, response::Response};
use http::HeaderMap;
use search::{QueryText, SearchEngine as _, SuggestQuery, Suggestions};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    search_products::{SearchNotReady, answer, etag, open},
    state::State,
    wire::SuggestionsResponse,
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SuggestParams {
    /// What was typed so far.
    #[param(value_type = Option<api::schema::SearchText>)]
    q: Option<String>,
}

/// Suggests products, categories and manufacturers, at most 10 of each.
///
/// The last word may be incomplete, and a word may have a typing error.
#[utoipa::path(get, path = "/search/suggest", operation_id = "suggestSearches", tag = "search", params(SuggestParams), security(()),
    responses(
        (status = 200, description = "what may be meant", body = SuggestionsResponse, headers(
            ("ETag" = String, description = "Changes with the answer."),
            ("X-Search-Generation" = u64, description = "The generation of the index."),
            ("X-Search-Age" = u64, description = "Seconds since this generation was made. Without changes none is made, so it may be old and complete."),
        )),
        (status = 304, description = "`If-None-Match` names the current ETag"),
        SearchNotReady,
    ))]
pub async fn suggest(
    Extract(state): Extract<State>,
    QueryParams(params): QueryParams<SuggestParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let open = open(&state).await?;
    let mut found = match params.q.as_deref().and_then(QueryText::parse) {
        Some(text) => {
            let query = SuggestQuery { text, limit: SuggestQuery::MAX_LIMIT };
            open.reader.suggest(&query).await.map_err(Problem::internal)?
        }
        None => Suggestions::default(),
    };
    found.products.retain(|product| !open.is_gone(&product.id, product.created_at));
    let response = SuggestionsResponse::from(found);
    Ok(answer(&state, &open, &headers, &etag(&response), &response))
}
