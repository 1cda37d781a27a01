use api::{Admin, All, Json, PathId, Problem, RequestKey, codes, idempotency, schema};
use axum::{
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{ProductId, Reason, StockDelta};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use table::StockAdjustError;
use utoipa::ToSchema;

use crate::state::State;

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustStockRequest {
    /// Units to add; negative to remove.
    #[schema(value_type = schema::StockDelta, example = 5)]
    delta: i64,
    /// The reason for the ledger, as free text: one line of up to 200 characters.
    #[schema(value_type = schema::Reason, example = "restock")]
    reason: String,
}

/// A line of the stock ledger. The resulting stock is in the product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockMoveResponse {
    #[schema(value_type = schema::ProductId)]
    pub product_id: String,
    pub move_id: String,
    pub delta: i64,
    pub reason: String,
}

/// What the digest of the idempotency record covers: the body and the product.
#[derive(Serialize)]
struct Payload<'a> {
    product: &'a str,
    body: &'a AdjustStockRequest,
}

/// Adds to the stock of a product, or removes units. Concurrent sales count as well.
#[utoipa::path(post, path = "/admin/products/{productId}/stock", operation_id = "adjustStock", tag = "products", security(("admin" = [])),
    params(("productId" = String, Path), ("Idempotency-Key" = String, Header)),
    request_body = AdjustStockRequest,
    responses(
        (status = 201, description = "the new line of the stock ledger", body = StockMoveResponse),
        codes::NotFound,
        codes::OutOfStock,
    ))]
pub async fn adjust(
    admin: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<ProductId>,
    key: RequestKey,
    Json(body): Json<AdjustStockRequest>,
) -> Result<Response, Problem> {
    let (delta, reason) = (StockDelta::new(body.delta), Reason::parse(&body.reason)).all()?;
    let (now, move_id) = (state.context.clock.now(), state.context.clock.uuid_v7());
    let request = key.request(&admin.uid, &Payload { product: id.as_str(), body: &body });
    let answer = StockMoveResponse {
        product_id: id.to_string(),
        move_id: move_id.to_string(),
        delta: body.delta,
        reason: reason.as_str().to_owned(),
    };
    let answer = serde_json::to_string(&answer).map_err(Problem::internal)?;

    let table = &state.context.table;
    let adjusted = table.stock_adjust(&id, delta, reason.as_str(), &admin.uid, move_id, &answer, &request, now).await;
    state.forget(&id).await;
    let json = [(header::CONTENT_TYPE, "application/json")];
    match adjusted {
        Ok(()) => Ok((StatusCode::CREATED, json, answer).into_response()),
        Err(StockAdjustError::Repeated(prior)) => {
            let prior = idempotency::same_request(prior)?;
            Ok(idempotency::replayed((StatusCode::CREATED, json, prior.outcome).into_response()))
        }
        Err(StockAdjustError::UnknownProduct) => Err(Problem::not_found("product")),
        Err(error @ StockAdjustError::NotEnough { available }) => {
            Err(Problem::new(codes::OutOfStock, error.to_string()).with("available", available))
        }
        Err(StockAdjustError::Store(error)) => Err(error.into()),
    }
}
