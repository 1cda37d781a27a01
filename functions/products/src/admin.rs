//! What the shop's staff do with products.

use std::collections::BTreeSet;

use api::{Admin, Id, IfMatch, Json, Problem};
use axum::{
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{CategoryPath, Product, ProductId};
use http::{StatusCode, header};
use table::{ProductPage, ProductRecord, ProductWriteError, StoredDescription};

use crate::{
    State,
    catalog::etag,
    description::sanitise,
    wire::{CreateProductRequest, PatchProductRequest, ProductResponse, ReplaceProductRequest},
};

/// Rounds of read and delete before a product that others keep changing stays.
const ROUNDS: usize = 6;

/// Creates a product.
#[utoipa::path(post, path = "/admin/products", operation_id = "createProduct", tag = "products", security(("admin" = [])),
    request_body = CreateProductRequest,
    responses(
        (status = 201, description = "the product was created", body = ProductResponse, headers(("Location"), ("ETag"))),
        (status = 409, description = "`product_exists`"),
    ))]
pub async fn create(
    admin: Admin,
    Extract(state): Extract<State>,
    Json(request): Json<CreateProductRequest>,
) -> Result<Response, Problem> {
    let clock = &state.context.clock;
    let (product, available) = request.product(|| clock.uuid_v7().into(), clock.now())?;
    let id = product.id.clone();
    let description = stored_description(&state, &id, request.description).await?;

    remember_category(&state, &product.category).await?;
    let record = ProductRecord { product, description };
    let move_id = clock.uuid_v7();
    let created = state.context.table.product_create(&record, available, &admin.uid, move_id).await;
    let page = created.map_err(write_problem)?;
    state.forget(&id).await;

    let location = [(header::LOCATION, format!("/products/{id}"))];
    Ok((StatusCode::CREATED, location, answer(&page)).into_response())
}

/// Replaces a product, but for its stock.
#[utoipa::path(put, path = "/admin/products/{productId}", operation_id = "replaceProduct", tag = "products", security(("admin" = [])),
    params(("productId" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = ReplaceProductRequest,
    responses(
        (status = 200, description = "the product as it is now", body = ProductResponse),
        (status = 404, description = "`not_found`: there is no such product"),
    ))]
pub async fn replace(
    admin: Admin,
    Extract(state): Extract<State>,
    Id(id): Id<ProductId>,
    if_match: IfMatch,
    Json(request): Json<ReplaceProductRequest>,
) -> Result<impl IntoResponse, Problem> {
    let page = read(&state, &id, if_match).await?;
    let product = request.replacing(&page.record.product)?;
    let description = stored_description(&state, &id, request.description).await?;
    write(&state, &admin, page, product, description).await
}

/// Changes what the body names, and leaves the rest.
#[utoipa::path(patch, path = "/admin/products/{productId}", operation_id = "updateProduct", tag = "products", security(("admin" = [])),
    params(("productId" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body = PatchProductRequest,
    responses(
        (status = 200, description = "the product as it is now", body = ProductResponse),
        (status = 404, description = "`not_found`: there is no such product"),
    ))]
pub async fn patch(
    admin: Admin,
    Extract(state): Extract<State>,
    Id(id): Id<ProductId>,
    if_match: IfMatch,
    Json(request): Json<PatchProductRequest>,
) -> Result<impl IntoResponse, Problem> {
    let page = read(&state, &id, if_match).await?;
    let product = request.changing(&page.record.product)?;
    let description = page.record.description.clone();
    write(&state, &admin, page, product, description).await
}

/// Deletes a product. Orders keep their copy of it.
#[utoipa::path(delete, path = "/admin/products/{productId}", operation_id = "deleteProduct", tag = "products", security(("admin" = [])),
    params(("productId" = String, Path), ("If-Match" = Option<String>, Header)),
    responses(
        (status = 204, description = "the product is deleted"),
        (status = 404, description = "`not_found`: there is no such product"),
    ))]
pub async fn delete(
    admin: Admin,
    Extract(state): Extract<State>,
    Id(id): Id<ProductId>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    let context = &state.context;
    for _ in 0..ROUNDS {
        let page = read(&state, &id, if_match).await?;
        match context.table.product_delete(&page, &admin.uid, context.clock.uuid_v7()).await {
            // Changed or sold meanwhile: with a version asked for, the next reading says whether it still is the one.
            Err(ProductWriteError::Changed) => {}
            done => {
                done.map_err(write_problem)?;
                state.forget(&id).await;
                return Ok(StatusCode::NO_CONTENT);
            }
        }
    }
    Err(Problem::busy("the product is being sold or changed all the time"))
}

/// The product as it is this moment, if it is the version the client saw.
pub async fn read(state: &State, id: &ProductId, IfMatch(expected): IfMatch) -> Result<ProductPage, Problem> {
    let page = state.context.table.product_get_consistent(id).await?.ok_or_else(|| Problem::not_found("product"))?;
    match expected {
        Some(version) if version != page.record.product.version => Err(version_mismatch()),
        _ => Ok(page),
    }
}

/// Writes a product one version on.
pub async fn write(
    state: &State,
    admin: &Admin,
    page: ProductPage,
    product: Product,
    description: Option<StoredDescription>,
) -> Result<impl IntoResponse + use<>, Problem> {
    if product.category != page.record.product.category {
        remember_category(state, &product.category).await?;
    }
    let record = ProductRecord { product, description }.changed(state.context.clock.now());
    state.context.table.product_put(&record, page.available, &admin.uid).await.map_err(write_problem)?;
    state.forget(&record.product.id).await;
    Ok(answer(&ProductPage { record, ..page }))
}

async fn stored_description(
    state: &State,
    id: &ProductId,
    html: Option<String>,
) -> Result<Option<StoredDescription>, Problem> {
    match html.map(|html| sanitise(&html)).filter(|html| !html.is_empty()) {
        Some(html) => Ok(Some(state.descriptions.store(id, html, state.context.clock.now()).await?)),
        None => Ok(None),
    }
}

/// Makes a category known before its first product is, so that no product stands where nobody can look.
async fn remember_category(state: &State, path: &CategoryPath) -> Result<(), Problem> {
    let known = state.context.table.categories_list().await?;
    if !path.is_empty() && !known.contains(path) {
        state.context.table.categories_add(&BTreeSet::from([path.clone()])).await?;
        state.categories.forget(&()).await;
    }
    Ok(())
}

pub fn write_problem(error: ProductWriteError) -> Problem {
    match error {
        ProductWriteError::Exists => Problem::conflict("product_exists", error.to_string()),
        ProductWriteError::Unknown => Problem::not_found("product"),
        ProductWriteError::Changed => version_mismatch(),
        ProductWriteError::Store(error) => error.into(),
    }
}

fn version_mismatch() -> Problem {
    let detail = "the product was changed meanwhile; read it again";
    Problem::new(StatusCode::PRECONDITION_FAILED, "version_mismatch", detail)
}

fn answer(page: &ProductPage) -> impl IntoResponse + use<> {
    ([(header::ETAG, etag(page))], axum::Json(ProductResponse::from(page)))
}

impl State {
    /// What this environment wrote, it must not answer from memory. Others see it when their copy runs out.
    pub async fn forget(&self, id: &ProductId) {
        self.products.forget(id).await;
        self.featured.forget(&()).await;
    }
}
