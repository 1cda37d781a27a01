//! Changes of products by the shop's staff.

use api::{Admin, IfMatch, Json, PathId, Problem, RequestKey, codes, idempotency};
use axum::{
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{ProductId, Rating};
use http::{HeaderValue, StatusCode, header};
use serde::Deserialize;
use table::{PriorRequest, ProductCreateOnceError, ProductPage, ProductRecord, ProductWriteError};

use crate::{
    catalog::{etag, first_etag},
    record::{ProductExists, read, remember_category, stored_description, write, write_problem},
    state::State,
    wire::{CreateProductRequest, PatchProductRequest, ProductResponse, ReplaceProductRequest},
};

/// Rounds of read and delete before a product that others keep changing is not deleted.
const ROUNDS: usize = 6;

/// Creates a product. With an `Idempotency-Key`, a retry does not create a second one.
#[utoipa::path(post, path = "/admin/products", operation_id = "createProduct", tag = "products", security(("admin" = [])),
    params(("Idempotency-Key" = Option<String>, Header)),
    request_body = CreateProductRequest,
    responses(
        (status = 201, description = "the product was created", body = ProductResponse, headers(("Location"), ("ETag"))),
        ProductExists,
        codes::CurrencyMismatch,
    ))]
pub async fn create(
    admin: Admin,
    Extract(state): Extract<State>,
    key: Option<RequestKey>,
    Json(request): Json<CreateProductRequest>,
) -> Result<Response, Problem> {
    let (table, clock) = (&state.context.table, &state.context.clock);
    let (product, available) = request.product(|| clock.uuid_v7().into(), clock.now())?;
    product.details.is_priced_in(state.context.policy.currency)?;
    let once = key.map(|key| key.request(&admin.uid, &request));
    // Checked before a description is stored that would belong to no product.
    if let Some(once) = &once
        && let Some(prior) = table.idempotency_get(once).await?
    {
        return created_before(prior, available);
    }
    let id = product.id.clone();
    let description = stored_description(&state, &id, request.description).await?;

    remember_category(&state, &product.details.category).await?;
    let record = ProductRecord { product, description, imported: None };
    let move_id = clock.uuid_v7();
    let page =
        ProductPage { record, available, incarnation: Some(move_id.into()), in_sale: false, rating: Rating::default() };
    let body = serde_json::to_string(&ProductResponse::from(&page)).map_err(Problem::internal)?;
    match once {
        None => {
            let created = table.product_create(&page.record, available, &admin.uid, move_id).await;
            created.map_err(write_problem)?;
        }
        Some(once) => {
            let now = clock.now();
            let created =
                table.product_create_once(&page.record, available, &admin.uid, move_id, &once, &body, now).await;
            match created {
                Ok(()) => {}
                Err(ProductCreateOnceError::Repeated(prior)) => return created_before(prior, available),
                Err(ProductCreateOnceError::Exists) => return Err(write_problem(ProductWriteError::Exists)),
                Err(ProductCreateOnceError::Store(error)) => return Err(error.into()),
            }
        }
    }
    state.forget(&id).await;
    created(&id, etag(&page), body)
}

/// Repeats the first answer. `available` is the initial stock, since a key belongs to one body.
fn created_before(prior: PriorRequest, available: i64) -> Result<Response, Problem> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Created {
        product_id: String,
    }
    let body = idempotency::same_request(prior)?.outcome;
    let Created { product_id } = serde_json::from_str(&body).map_err(Problem::internal)?;
    let id = product_id.parse()?;
    Ok(idempotency::replayed(created(&id, first_etag(available), body)?))
}

fn created(id: &ProductId, etag: HeaderValue, body: String) -> Result<Response, Problem> {
    let location = HeaderValue::from_str(&format!("/products/{id}")).map_err(Problem::internal)?;
    let json = HeaderValue::from_static("application/json");
    let headers = [(header::LOCATION, location), (header::ETAG, etag), (header::CONTENT_TYPE, json)];
    Ok((StatusCode::CREATED, headers, body).into_response())
}

/// Replaces a product, except its stock.
#[utoipa::path(put, path = "/admin/products/{productId}", operation_id = "replaceProduct", tag = "products", security(("admin" = [])),
    params(("productId" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = ReplaceProductRequest,
    responses(
        (status = 200, description = "the current product", body = ProductResponse),
        codes::NotFound,
        codes::CurrencyMismatch,
    ))]
pub async fn replace(
    admin: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<ProductId>,
    if_match: IfMatch,
    Json(request): Json<ReplaceProductRequest>,
) -> Result<impl IntoResponse, Problem> {
    let page = read(&state, &id, &if_match).await?;
    let details = request.details()?;
    details.is_priced_in(state.context.policy.currency)?;
    let description = stored_description(&state, &id, request.description).await?;
    write(&state, &admin, page, details, description).await
}

/// Changes the fields of a product that the body names, and leaves the others.
#[utoipa::path(patch, path = "/admin/products/{productId}", operation_id = "updateProduct", tag = "products", security(("admin" = [])),
    params(("productId" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = PatchProductRequest,
    responses(
        (status = 200, description = "the current product", body = ProductResponse),
        codes::NotFound,
        codes::CurrencyMismatch,
    ))]
pub async fn patch(
    admin: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<ProductId>,
    if_match: IfMatch,
    Json(request): Json<PatchProductRequest>,
) -> Result<impl IntoResponse, Problem> {
    let page = read(&state, &id, &if_match).await?;
    let old = &page.record.product.details;
    let details = old.clone().changed(request.change()?);
    // A product from before, in another currency, keeps it until its price is changed.
    if details.price != old.price {
        details.is_priced_in(state.context.policy.currency)?;
    }
    let description = page.record.description.clone();
    write(&state, &admin, page, details, description).await
}

/// Deletes a product. Orders keep their copy of it.
#[utoipa::path(delete, path = "/admin/products/{productId}", operation_id = "deleteProduct", tag = "products", security(("admin" = [])),
    params(("productId" = String, Path), ("If-Match" = Option<String>, Header)),
    responses(
        (status = 204, description = "the product is deleted"),
        codes::NotFound,
        codes::ProductInSale,
    ))]
pub async fn delete(
    admin: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<ProductId>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    let context = &state.context;
    for _ in 0..ROUNDS {
        let page = read(&state, &id, &if_match).await?;
        if page.in_sale {
            return Err(Problem::new(codes::ProductInSale, "the product has a sale that is not over; stop it first"));
        }
        match context.table.product_delete(&page, &admin.uid, context.clock.uuid_v7()).await {
            // Changed or sold meanwhile: if the client named a version, the next read decides whether it is still that
            // one.
            Err(ProductWriteError::Changed) => {}
            done => {
                done.map_err(write_problem)?;
                state.forget(&id).await;
                return Ok(StatusCode::NO_CONTENT);
            }
        }
    }
    Err(Problem::busy("the product keeps being sold or changed; send the request again"))
}
