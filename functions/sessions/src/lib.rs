//! Sessions and customers: guests, registration, login, profile, addresses, and the links in mails about an account.

mod addresses;
mod customers;
mod email_changes;
mod mail_links;
mod password_resets;
mod passwords;
mod sessions;
mod state;
mod verification;
mod wire;

use api::{Documentation, Routes, routes};
use table::{StoreError, Table};

pub use passwords::Passwords;
pub use state::State;

/// The routes, documented if `D` is an OpenAPI document.
pub fn router<D: Documentation>(state: State) -> Routes<D> {
    Routes::new()
        .routes(routes!(sessions::guest))
        .routes(routes!(sessions::login, sessions::list, sessions::revoke_all))
        .routes(routes!(sessions::refresh))
        .routes(routes!(sessions::revoke_current))
        .routes(routes!(sessions::revoke))
        .routes(routes!(customers::register))
        .routes(routes!(customers::me, customers::change))
        .routes(routes!(verification::request))
        .routes(routes!(verification::confirm))
        .routes(routes!(email_changes::request))
        .routes(routes!(email_changes::confirm))
        .routes(routes!(password_resets::request))
        .routes(routes!(password_resets::confirm))
        .routes(routes!(addresses::list, addresses::create))
        .routes(routes!(addresses::get, addresses::replace, addresses::delete))
        .with_state(state)
}

/// Opens the connections of the first request, which reads and writes.
///
/// # Errors
/// The table cannot be read.
pub async fn first_read(table: &Table) -> Result<(), StoreError> {
    let (read, ()) = tokio::join!(table.session_probe(), table.open_write_connection());
    read
}
