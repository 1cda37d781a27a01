//! Where a customer's orders go.

use api::{Id, Json, Problem, Session};
use axum::{extract::State as Extract, response::IntoResponse};
use domain::AddressId;
use http::{StatusCode, header};

use crate::{
    State,
    wire::{AddressListResponse, AddressRequest, AddressResponse},
};

/// Addresses a customer can have.
const MOST: usize = 50;

/// The customer's addresses, at most 50.
#[utoipa::path(get, path = "/users/me/addresses", operation_id = "listAddresses", tag = "customers", security(("session" = [])), responses(
    (status = 200, description = "the addresses", body = AddressListResponse),
))]
pub async fn list(session: Session, Extract(state): Extract<State>) -> Result<impl IntoResponse, Problem> {
    let addresses = state.context.table.address_list(&session.uid).await?;
    let items = addresses.into_iter().map(AddressResponse::from).collect();
    Ok(axum::Json(AddressListResponse { items }))
}

/// Adds an address.
#[utoipa::path(post, path = "/users/me/addresses", operation_id = "createAddress", tag = "customers", security(("session" = [])),
    request_body = AddressRequest,
    responses(
        (status = 201, description = "the address was created", body = AddressResponse, headers(("Location"))),
    ))]
pub async fn create(
    session: Session,
    Extract(state): Extract<State>,
    Json(request): Json<AddressRequest>,
) -> Result<impl IntoResponse, Problem> {
    let table = &state.context.table;
    let address = request.address(state.context.clock.uuid_v7().into())?;
    if table.address_list(&session.uid).await?.len() >= MOST {
        let detail = format!("a customer has at most {MOST} addresses");
        return Err(Problem::unprocessable("addresses_full", detail));
    }
    table.address_put(&session.uid, &address, true).await?;
    let location = [(header::LOCATION, format!("/users/me/addresses/{}", address.id))];
    Ok((StatusCode::CREATED, location, axum::Json(AddressResponse::from(address))))
}

/// Replaces an address. Orders placed before keep the old one.
#[utoipa::path(put, path = "/users/me/addresses/{addressId}", operation_id = "replaceAddress", tag = "customers", security(("session" = [])),
    params(("addressId" = String, Path)),
    request_body = AddressRequest,
    responses(
        (status = 200, description = "the address as it is now", body = AddressResponse),
        (status = 404, description = "`not_found`: there is no such address"),
    ))]
pub async fn replace(
    session: Session,
    Extract(state): Extract<State>,
    Id(id): Id<AddressId>,
    Json(request): Json<AddressRequest>,
) -> Result<impl IntoResponse, Problem> {
    let address = request.address(id)?;
    if !state.context.table.address_put(&session.uid, &address, false).await? {
        return Err(Problem::not_found("address"));
    }
    Ok(axum::Json(AddressResponse::from(address)))
}

/// Deletes an address. Orders placed before keep it.
#[utoipa::path(delete, path = "/users/me/addresses/{addressId}", operation_id = "deleteAddress", tag = "customers", security(("session" = [])),
    params(("addressId" = String, Path)),
    responses(
        (status = 204, description = "the address is deleted"),
        (status = 404, description = "`not_found`: there is no such address"),
    ))]
pub async fn delete(
    session: Session,
    Extract(state): Extract<State>,
    Id(id): Id<AddressId>,
) -> Result<StatusCode, Problem> {
    match state.context.table.address_delete(&session.uid, &id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("address")),
    }
}
