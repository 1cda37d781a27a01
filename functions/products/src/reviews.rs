//! What customers say of a product.

use api::{
    Id, Params, Problem, schema,
    wire::{page_limit, timestamp},
};
use axum::{Json, extract::State as Extract, response::IntoResponse};
use domain::{ProductId, Review};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    State,
    catalog::{product, public},
};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReviewListParams {
    /// 1 to 100, 24 by default.
    #[param(value_type = Option<schema::PageLimit>)]
    limit: Option<i64>,
    /// `nextCursor` of the previous page.
    #[param(value_type = Option<schema::Cursor>)]
    cursor: Option<String>,
}

/// A review, without the customer who wrote it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewResponse {
    #[schema(minimum = 1, maximum = 5)]
    pub stars: u8,
    pub text: String,
    #[schema(value_type = schema::Timestamp)]
    pub at: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReviewListResponse {
    pub items: Vec<ReviewResponse>,
    /// Pass as `cursor` to get the next page; `null` on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

impl From<&Review> for ReviewResponse {
    fn from(review: &Review) -> Self {
        Self { stars: review.stars.count(), text: review.text.as_str().to_owned(), at: timestamp(review.at) }
    }
}

/// The reviews of a product.
#[utoipa::path(get, path = "/products/{productId}/reviews", operation_id = "listReviews", tag = "products", security(()),
    params(("productId" = String, Path), ReviewListParams),
    responses(
        (status = 200, description = "a page of reviews", body = ReviewListResponse),
        (status = 404, description = "`not_found`: there is no such product"),
    ))]
pub async fn list(
    Extract(state): Extract<State>,
    Id(id): Id<ProductId>,
    Params(params): Params<ReviewListParams>,
) -> Result<impl IntoResponse, Problem> {
    let limit = page_limit(params.limit)?;
    let context = &state.context;
    let now = context.clock.now();
    let list = format!("/products/{id}/reviews");
    let after = params.cursor.as_deref().map(|c| context.cursors.open(c, &list, now)).transpose()?;
    product(&state, &id).await?;

    let page = context.table.review_list(&id, limit, after.as_ref()).await?;

    let next_cursor = page.next.map(|position| context.cursors.seal(&position, &list, now));
    Ok((
        public(30),
        Json(ReviewListResponse { items: page.items.iter().map(ReviewResponse::from).collect(), next_cursor }),
    ))
}
