use std::collections::{BTreeSet, HashSet};

use api::{
    Admin, Json, Problem,
    strict::{self, Mismatch},
    wire::ProblemDetails,
};
use axum::{extract::State as Extract, response::IntoResponse};
use domain::Invalid;
use serde::{Deserialize, Serialize};
use table::{ImportOutcome, ImportRecord, ProductRecord};
use utoipa::ToSchema;

use crate::{State, description::sanitise, wire::CreateProductRequest};

const MOST: usize = 100;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// 1 to 100 products, each as `POST /admin/products` takes it.
    #[schema(value_type = Vec<CreateProductRequest>, min_items = 1, max_items = 100)]
    items: Vec<serde_json::Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResponse {
    /// One for each product, in the order they came in.
    items: Vec<BatchOutcome>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchOutcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    product_id: Option<String>,
    /// `created`, `exists`, `invalid`, or `unwritten`: send that one again.
    #[schema(example = "created")]
    outcome: &'static str,
    /// Why it is invalid: a stable code, and a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Up to 100 new products. One that cannot be created does not keep the others out.
#[utoipa::path(post, path = "/admin/products/batch", tag = "products", security(("admin" = [])),
    request_body = BatchRequest,
    responses(
        (status = 200, body = BatchResponse),
        (status = 400, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "`batch_size`", body = ProblemDetails, content_type = "application/problem+json"),
    ))]
pub async fn create_batch(
    admin: Admin,
    Extract(state): Extract<State>,
    Json(request): Json<BatchRequest>,
) -> Result<impl IntoResponse, Problem> {
    if !(1..=MOST).contains(&request.items.len()) {
        return Err(Problem::unprocessable("batch_size", format!("a batch holds 1 to {MOST} products")));
    }
    let (mut items, mut records, mut places, mut seen) = (Vec::new(), Vec::new(), Vec::new(), HashSet::new());
    for value in &request.items {
        let (outcome, record) = match read(&state, value) {
            Err(refused) => (refused.into(), None),
            Ok((product, _, _)) if !seen.insert(product.id.clone()) => {
                let repeated = Invalid::new("productId", "product_repeated", "stands in the batch already");
                (Refused::from(repeated).into(), None)
            }
            Ok((product, html, stock)) => {
                let description = match html {
                    Some(html) => Some(state.descriptions.store(&product.id, html, state.context.clock.now()).await?),
                    None => None,
                };
                let outcome = BatchOutcome {
                    product_id: Some(product.id.to_string()),
                    outcome: "unwritten",
                    code: None,
                    detail: None,
                };
                let record = ProductRecord { product, description };
                (outcome, Some(ImportRecord { record, stock }))
            }
        };
        if let Some(record) = record {
            places.push(items.len());
            records.push(record);
        }
        items.push(outcome);
    }

    let paths: BTreeSet<_> = records.iter().map(|r| r.record.product.category.clone()).collect();
    let (table, now) = (&state.context.table, state.context.clock.now());
    table.categories_add(&paths).await?;
    let outcomes = table.products_import(&records, false, admin.uid.as_str(), now).await?;
    for (place, outcome) in places.into_iter().zip(outcomes) {
        items[place].outcome = match outcome {
            ImportOutcome::Created | ImportOutcome::Unfinished => "created",
            ImportOutcome::Exists | ImportOutcome::Unchanged | ImportOutcome::Updated => "exists",
            ImportOutcome::Unwritten => "unwritten",
        };
    }
    for record in &records {
        state.forget(&record.record.product.id).await;
    }
    Ok(axum::Json(BatchResponse { items }))
}

fn read(state: &State, value: &serde_json::Value) -> Result<(domain::Product, Option<String>, i64), Refused> {
    let request: CreateProductRequest = strict::from_value(value)?;
    let clock = &state.context.clock;
    let product = request.product(|| clock.uuid_v7().into(), clock.now())?;
    let html = request.description.as_deref().map(sanitise).filter(|html| !html.is_empty());
    Ok((product, html, request.stock()?))
}

/// Why one product of a batch cannot be created.
struct Refused {
    code: &'static str,
    detail: String,
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Self { code: invalid.code, detail: invalid.to_string() }
    }
}

impl From<Mismatch> for Refused {
    fn from(mismatch: Mismatch) -> Self {
        Self { code: "body_invalid", detail: mismatch.to_string() }
    }
}

impl From<Refused> for BatchOutcome {
    fn from(Refused { code, detail }: Refused) -> Self {
        Self { product_id: None, outcome: "invalid", code: Some(code), detail: Some(detail) }
    }
}
