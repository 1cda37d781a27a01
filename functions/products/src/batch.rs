use std::collections::{BTreeSet, HashSet};

use api::{
    Admin, Invalids, Json, Problem, RequestKey,
    codes::Code,
    schema,
    strict::{self, Mismatch},
    wire::FieldError,
};
use axum::{extract::State as Extract, response::IntoResponse};
use domain::{Invalid, ProductId, sanitise};
use serde::{Deserialize, Serialize};
use table::{Existing, ImportOutcome, ImportRecord, ProductRecord, Says};
use utoipa::ToSchema;

use crate::{state::State, wire::CreateProductRequest};

const MAX_ITEMS: usize = 100;

api::codes! {
    BatchSize = Code::unprocessable("batch_size", "a batch has 1 to 100 products");
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// 1 to 100 products, each as in `POST /admin/products`.
    #[schema(value_type = Vec<CreateProductRequest>, min_items = 1, max_items = 100)]
    items: Vec<serde_json::Value>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResponse {
    /// One for each product, in the order of the request.
    items: Vec<BatchOutcome>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchOutcome {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::ProductId, required = false)]
    product_id: Option<String>,
    /// Send an `unwritten` product again.
    #[schema(value_type = schema::BatchOutcomeName, example = "created")]
    outcome: &'static str,
    /// Why it is invalid: a stable code, and a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::ErrorCode, required = false)]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    detail: Option<String>,
    /// All refused fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// Creates up to 100 products. Invalid products do not prevent the others. With an `Idempotency-Key`, a retry finds the
/// products without an id that it created: their outcome is `exists`.
#[utoipa::path(post, path = "/admin/products/batch", operation_id = "createProducts", tag = "products", security(("admin" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = BatchRequest,
    responses(
        (status = 200, description = "the outcome for each product", body = BatchResponse),
        BatchSize,
    ))]
pub async fn create_batch(
    admin: Admin,
    Extract(state): Extract<State>,
    key: Option<RequestKey>,
    Json(request): Json<BatchRequest>,
) -> Result<impl IntoResponse, Problem> {
    if !(1..=MAX_ITEMS).contains(&request.items.len()) {
        return Err(Problem::new(BatchSize, format!("a batch has 1 to {MAX_ITEMS} products")));
    }
    let (mut items, mut records, mut places, mut seen) = (Vec::new(), Vec::new(), Vec::new(), HashSet::new());
    for (place, value) in request.items.iter().enumerate() {
        let fresh_id = || match &key {
            // Derived from this product at this index, so that reusing a key hides no other product.
            Some(key) => key.created_id(&admin.uid, &format!("product {place} {value}")).into(),
            None => state.context.clock.uuid_v7().into(),
        };
        let (outcome, record) = match read(&state, value, fresh_id) {
            Err(refused) => (refused.into(), None),
            Ok((product, _, _)) if !seen.insert(product.id.clone()) => {
                let repeated = Invalid::new("productId", "product_repeated", "occurs in the batch already");
                (Refused::from(Invalids::from(repeated)).into(), None)
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
                    errors: Vec::new(),
                };
                let record = ProductRecord { product, description, imported: None };
                (outcome, Some(ImportRecord { record, stock, says: Says::Everything }))
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
    let outcomes = table.products_import(&records, Existing::Keep, admin.uid.as_str(), now).await?;
    for (place, outcome) in places.into_iter().zip(outcomes) {
        items[place].outcome = match outcome {
            ImportOutcome::Created | ImportOutcome::Unfinished => "created",
            ImportOutcome::Exists
            | ImportOutcome::Unchanged
            | ImportOutcome::Updated
            | ImportOutcome::AttributesRefused => "exists",
            ImportOutcome::Unwritten => "unwritten",
        };
    }
    for record in &records {
        state.forget(&record.record.product.id).await;
    }
    Ok(axum::Json(BatchResponse { items }))
}

fn read(
    state: &State,
    value: &serde_json::Value,
    fresh_id: impl FnOnce() -> ProductId,
) -> Result<(domain::Product, Option<String>, i64), Refused> {
    let request: CreateProductRequest = strict::from_value(value)?;
    let (product, stock) = request.product(fresh_id, state.context.clock.now())?;
    product.is_priced_in(state.context.policy.currency).map_err(Invalids::from)?;
    let html = request.description.as_deref().map(sanitise).filter(|html| !html.is_empty());
    Ok((product, html, stock))
}

/// Why one product of a batch cannot be created.
struct Refused {
    code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
}

impl From<Invalids> for Refused {
    fn from(invalids: Invalids) -> Self {
        Self { code: invalids.code(), detail: invalids.detail(), errors: invalids.errors() }
    }
}

impl From<Mismatch> for Refused {
    fn from(mismatch: Mismatch) -> Self {
        let (code, detail) = ("body_invalid", mismatch.to_string());
        let errors = mismatch.field().map(|field| FieldError { field, code, detail: detail.clone() });
        Self { code, detail, errors: errors.into_iter().collect() }
    }
}

impl From<Refused> for BatchOutcome {
    fn from(Refused { code, detail, errors }: Refused) -> Self {
        Self { product_id: None, outcome: "invalid", code: Some(code), detail: Some(detail), errors }
    }
}
