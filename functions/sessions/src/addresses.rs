//! A customer's delivery addresses.

use api::{
    Items, Json, PathId, Problem, RequestKey, Session,
    codes::{self, Code},
    idempotency,
    wire::AddressRequest,
};
use axum::{
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{Address, AddressId};
use http::{StatusCode, header};

use crate::{
    state::State,
    wire::{AddressListResponse, AddressResponse},
};

/// Maximum addresses of a customer.
const MAX_ADDRESSES: usize = 50;

api::codes! {
    AddressesFull = Code::unprocessable("addresses_full", "the customer has the maximum number of addresses");
}

/// Lists the customer's addresses, at most 50.
#[utoipa::path(get, path = "/users/me/addresses", operation_id = "listAddresses", tag = "customers", security(("session" = [])), responses(
    (status = 200, description = "the addresses", body = AddressListResponse),
))]
pub async fn list(
    session: Session,
    Extract(state): Extract<State>,
) -> Result<axum::Json<AddressListResponse>, Problem> {
    let addresses = state.context.table.address_list(&session.uid).await?;
    let items = addresses.iter().map(AddressResponse::from).collect();
    Ok(axum::Json(Items { items }))
}

/// Adds an address. With an `Idempotency-Key`, a retry does not add a second one.
#[utoipa::path(post, path = "/users/me/addresses", operation_id = "createAddress", tag = "customers", security(("session" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "A retry with the same key gets the existing address, with `Idempotency-Replayed: true`.")),
    request_body = AddressRequest,
    responses(
        (status = 201, description = "the address was created", body = AddressResponse, headers(("Location"))),
        AddressesFull,
    ))]
pub async fn create(
    session: Session,
    Extract(state): Extract<State>,
    key: Option<RequestKey>,
    Json(request): Json<AddressRequest>,
) -> Result<Response, Problem> {
    let table = &state.context.table;
    let id = match key {
        Some(key) => key.created_id(&session.uid, "address"),
        None => state.context.clock.uuid_v7(),
    };
    let address = request.address(id.into())?;
    let others = table.address_list(&session.uid).await?;
    if let Some(there) = others.iter().find(|other| other.id == address.id) {
        return created_before(there, address);
    }
    if others.len() >= MAX_ADDRESSES {
        let detail = format!("a customer has at most {MAX_ADDRESSES} addresses");
        return Err(Problem::new(AddressesFull, detail));
    }
    if !table.address_put(&session.uid, &address, true).await? {
        // The same request, a moment before.
        let there = table.address_get(&session.uid, &address.id).await?;
        return created_before(&there.ok_or_else(|| Problem::busy("the address is being changed"))?, address);
    }
    Ok(created(address))
}

fn created(address: Address) -> Response {
    let location = [(header::LOCATION, format!("/users/me/addresses/{}", address.id))];
    (StatusCode::CREATED, location, axum::Json(AddressResponse::from(&address))).into_response()
}

/// The answer if the key has created an address already.
fn created_before(there: &Address, asked_for: Address) -> Result<Response, Problem> {
    if *there != asked_for {
        return Err(idempotency::reused());
    }
    Ok(idempotency::replayed(created(asked_for)))
}

/// Returns one of the customer's addresses.
#[utoipa::path(get, path = "/users/me/addresses/{addressId}", operation_id = "getAddress", tag = "customers", security(("session" = [])),
    params(("addressId" = String, Path)),
    responses(
        (status = 200, description = "the address", body = AddressResponse),
        codes::NotFound,
    ))]
pub async fn get(
    session: Session,
    Extract(state): Extract<State>,
    PathId(id): PathId<AddressId>,
) -> Result<axum::Json<AddressResponse>, Problem> {
    let found = state.context.table.address_get(&session.uid, &id).await?;
    let address = found.ok_or_else(|| Problem::not_found("address"))?;
    Ok(axum::Json(AddressResponse::from(&address)))
}

/// Replaces an address. Orders placed before keep the old one.
#[utoipa::path(put, path = "/users/me/addresses/{addressId}", operation_id = "replaceAddress", tag = "customers", security(("session" = [])),
    params(("addressId" = String, Path)),
    request_body = AddressRequest,
    responses(
        (status = 200, description = "the current address", body = AddressResponse),
        codes::NotFound,
    ))]
pub async fn replace(
    session: Session,
    Extract(state): Extract<State>,
    PathId(id): PathId<AddressId>,
    Json(request): Json<AddressRequest>,
) -> Result<impl IntoResponse, Problem> {
    let address = request.address(id)?;
    if !state.context.table.address_put(&session.uid, &address, false).await? {
        return Err(Problem::not_found("address"));
    }
    Ok(axum::Json(AddressResponse::from(&address)))
}

/// Deletes an address. Orders placed before keep their copy.
#[utoipa::path(delete, path = "/users/me/addresses/{addressId}", operation_id = "deleteAddress", tag = "customers", security(("session" = [])),
    params(("addressId" = String, Path)),
    responses(
        (status = 204, description = "the address is deleted"),
        codes::NotFound,
    ))]
pub async fn delete(
    session: Session,
    Extract(state): Extract<State>,
    PathId(id): PathId<AddressId>,
) -> Result<StatusCode, Problem> {
    match state.context.table.address_delete(&session.uid, &id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("address")),
    }
}
