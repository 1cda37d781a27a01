use api::{Admin, IfMatch, PathId, Problem, codes};
use axum::{
    body::Bytes,
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{ProductId, sanitise};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use table::StoredDescription;

use crate::{catalog, record, state::State};

/// A description opened on its own may not run scripts or load anything but pictures.
const SANDBOX: [(HeaderName, HeaderValue); 1] =
    [(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'; img-src https:"))];

/// Returns a product's description: sanitised HTML, a fragment.
#[utoipa::path(get, path = "/products/{productId}/description", operation_id = "getProductDescription", tag = "products", security(()),
    params(("productId" = String, Path)),
    responses(
        (status = 200, description = "the description: sanitised HTML, a fragment", body = String, content_type = "text/html"),
        (status = 304, description = "`If-None-Match` names the current ETag"),
        (status = 404, description = "the product does not exist, or has no description"),
        codes::NotFound,
    ))]
pub async fn get(
    Extract(state): Extract<State>,
    PathId(id): PathId<ProductId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let page = catalog::product(&state, &id).await?;
    let stored = page.record.description.as_ref().ok_or_else(|| Problem::not_found("description"))?;
    let etag = HeaderValue::from_str(&tag(stored, page.record.product.version)).map_err(Problem::internal)?;
    if catalog::matches(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)], catalog::public(60)).into_response());
    }
    let html = state.descriptions.load(stored).await?;
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))];
    Ok(([(header::ETAG, etag)], content_type, SANDBOX, catalog::public(60), html).into_response())
}

/// Replaces a product's description: `text/html`, which is sanitised, or `text/plain`, which is escaped; at most 1 MiB.
/// An empty body removes it. Pictures keep addresses that are `https:` or relative to the storefront.
#[utoipa::path(put, path = "/admin/products/{productId}/description", operation_id = "replaceProductDescription", tag = "products", security(("admin" = [])),
    params(("productId" = String, Path), ("If-Match" = Option<String>, Header)),
    request_body(content((String = "text/html"), (String = "text/plain"))),
    responses(
        (status = 200, description = "the current product", body = crate::wire::ProductResponse),
        codes::NotFound,
    ))]
pub async fn put(
    admin: Admin,
    Extract(state): Extract<State>,
    PathId(id): PathId<ProductId>,
    if_match: IfMatch,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<impl IntoResponse, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let read: fn(&str) -> String = match content_type.split(';').next().unwrap_or_default().trim() {
        "text/html" => sanitise,
        "text/plain" => domain::escape,
        _ => {
            let detail = "a description must be sent as text/html or text/plain";
            return Err(Problem::new(codes::MediaTypeUnsupported, detail));
        }
    };
    let body = body.map_err(|_| Problem::new(codes::BodyTooLarge, "a description is at most 1 MiB"))?;
    let text = str::from_utf8(&body).map_err(|_| Problem::new(codes::BodyInvalid, "the text is not UTF-8"))?;

    let page = record::read(&state, &id, &if_match).await?;
    let html = read(text);
    // Sanitising can make it longer: an ampersand becomes five characters of HTML.
    if html.len() > api::edge::LARGE_BODY_BYTES {
        let detail = "the sanitised description is larger than 1 MiB";
        return Err(Problem::new(codes::BodyTooLarge, detail));
    }
    let description = match html.is_empty() {
        true => None,
        false => Some(state.descriptions.store(&id, html, state.context.clock.now()).await?),
    };
    let product = page.record.product.clone();
    record::write(&state, &admin, page, product, description).await
}

fn tag(stored: &StoredDescription, version: u64) -> String {
    match stored {
        StoredDescription::Offloaded { sha256, .. } => format!("\"{sha256}\""),
        StoredDescription::Inline { .. } => format!("\"v{version}\""),
    }
}
