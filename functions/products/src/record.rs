//! One product as staff read and write it.

use std::collections::BTreeSet;

use api::{
    Admin, IfMatch, Problem,
    codes::{self, Code},
};
use axum::response::IntoResponse;
use domain::{CategoryPath, Product, ProductId, sanitise};
use http::header;
use table::{ProductPage, ProductRecord, ProductWriteError, StoredDescription};

use crate::{catalog::etag, state::State, wire::ProductResponse};

api::codes! {
    pub ProductExists = Code::conflict("product_exists", "a product with this id exists");
}

/// The current product, if it has the version that the client saw.
pub async fn read(state: &State, id: &ProductId, if_match: &IfMatch) -> Result<ProductPage, Problem> {
    let page = state.context.table.product_get_consistent(id).await?.ok_or_else(|| Problem::not_found("product"))?;
    if if_match.allows(page.record.product.version) { Ok(page) } else { Err(version_mismatch()) }
}

/// Writes the next version of a product.
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
    let imported = page.record.imported.clone();
    let record = ProductRecord { product, description, imported }.changed(state.context.clock.now());
    state.context.table.product_put(&record, page.available, &admin.uid).await.map_err(write_problem)?;
    state.forget(&record.product.id).await;
    Ok(answer(&ProductPage { record, ..page }))
}

pub async fn stored_description(
    state: &State,
    id: &ProductId,
    html: Option<String>,
) -> Result<Option<StoredDescription>, Problem> {
    match html.map(|html| sanitise(&html)).filter(|html| !html.is_empty()) {
        Some(html) => Ok(Some(state.descriptions.store(id, html, state.context.clock.now()).await?)),
        None => Ok(None),
    }
}

/// Creates a category before its first product, so that no product is in a category that staff cannot see.
pub async fn remember_category(state: &State, path: &CategoryPath) -> Result<(), Problem> {
    Ok(state.context.table.categories_add(&BTreeSet::from([path.clone()])).await?)
}

pub fn write_problem(error: ProductWriteError) -> Problem {
    match error {
        ProductWriteError::Exists => Problem::new(ProductExists, error.to_string()),
        ProductWriteError::Unknown => Problem::not_found("product"),
        ProductWriteError::Changed => version_mismatch(),
        ProductWriteError::Store(error) => error.into(),
    }
}

fn version_mismatch() -> Problem {
    let detail = "the product was changed meanwhile; read it again";
    Problem::new(codes::VersionMismatch, detail)
}

fn answer(page: &ProductPage) -> impl IntoResponse + use<> {
    ([(header::ETAG, etag(page))], axum::Json(ProductResponse::from(page)))
}
