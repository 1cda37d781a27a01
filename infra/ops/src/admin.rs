//! Staff: customers with the role admin. They register like everybody else, so no password is handled here.

use domain::{Email, Role};
use table::{StoreError, Table};

/// Why a role was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("no customer has the e-mail {0}: they have to register first, by POST /users")]
    Unknown(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives the customer with this e-mail a role. It takes effect with their next request; their sessions stay open.
///
/// # Errors
/// No customer has this e-mail, or the table cannot be used.
pub async fn set_role(table: &Table, email: &str, role: Role) -> Result<(), AdminError> {
    let unknown = || AdminError::Unknown(email.to_owned());
    let (_, credential) = table.credential_find(&Email::stored_forms(email)).await?.ok_or_else(unknown)?;
    match table.customer_role_set(&credential.uid, role).await? {
        true => Ok(()),
        false => Err(unknown()),
    }
}
