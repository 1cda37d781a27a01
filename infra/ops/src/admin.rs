//! Who is staff: customers who have the role admin. They register like anybody else; nobody here handles passwords.

use domain::{Email, Role};
use table::{StoreError, Table};

/// Why a role was left as it is.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("nobody has registered with {0}: have them register first, by POST /users")]
    Unknown(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Gives the customer of an e-mail a role. It holds from their next request on; their sessions stay open.
///
/// # Errors
/// Nobody has registered with it, or the table cannot be used.
pub async fn set_role(table: &Table, email: &str, role: Role) -> Result<(), AdminError> {
    let unknown = || AdminError::Unknown(email.to_owned());
    let (_, credential) = table.credential_find(&Email::forms(email)).await?.ok_or_else(unknown)?;
    match table.customer_role_set(&credential.uid, role).await? {
        true => Ok(()),
        false => Err(unknown()),
    }
}
