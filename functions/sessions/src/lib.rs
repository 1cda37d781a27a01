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

use utoipa_axum::{router::OpenApiRouter, routes};

pub use passwords::Passwords;
pub use state::State;

pub fn router(state: State) -> OpenApiRouter {
    OpenApiRouter::new()
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
