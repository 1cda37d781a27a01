use std::io;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use domain::{Customer, CustomerName, Email, Invalid, Password, Role, UserId};
use runtime::Clock;
use table::{RegisterError, Table};

use crate::StackError;

const DEFAULT_EMAIL: &str = "admin@shop.example";

/// The admin account of a new stack.
#[derive(Clone)]
pub struct AdminAccount {
    pub email: Email,
    pub password: Password,
}

impl std::fmt::Debug for AdminAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AdminAccount(redacted)")
    }
}

/// The admin account after the start.
#[derive(Clone, PartialEq, Eq)]
pub enum AdminOutcome {
    /// The account exists, from before or as it was given.
    Known,
    /// Created now; the password is shown only here.
    Made { email: String, password: String },
}

impl std::fmt::Debug for AdminOutcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Known { "Known" } else { "Made(redacted)" })
    }
}

/// Reports the created admin and its password.
pub type AnnounceAdmin = fn(email: &str, password: &str) -> io::Result<()>;

/// Makes sure that there is an admin: the given one, or a new one. A new one is reported before it is stored: if this
/// is interrupted in between, the next start creates another; in the other order the password would be lost.
pub async fn ensure(
    table: &Table,
    clock: &Clock,
    given: Option<AdminAccount>,
    announce: AnnounceAdmin,
) -> Result<AdminOutcome, StackError> {
    let failed = |e: &Invalid| StackError::start("admin account", e);
    let made = given.is_none();
    let secret = BASE64_URL_SAFE_NO_PAD.encode(runtime::random::<12>());
    let account = match given {
        Some(account) => account,
        None => AdminAccount {
            email: Email::parse(DEFAULT_EMAIL).map_err(|e| failed(&e))?,
            password: Password::choose(&secret).map_err(|e| failed(&e))?,
        },
    };
    if let Some((_, credential)) = table.credential_find(&Email::stored_forms(account.email.as_str())).await? {
        let known = table.customer_get(&credential.uid).await?;
        return match known.is_some_and(|customer| customer.role == Role::Admin) {
            true => Ok(AdminOutcome::Known),
            false => {
                Err(failed(&Invalid::new("ADMIN_EMAIL", "not_admin", "belongs to a customer who is not an admin")))
            }
        };
    }
    let hash = sessions::Passwords::default().hash(account.password).await;
    let hash = hash.map_err(|e| StackError::start("admin account", e))?;
    let admin = Customer {
        id: UserId::from(clock.uuid_v7()),
        name: CustomerName::parse("Admin").map_err(|e| failed(&e))?,
        email: account.email,
        // The operator named it.
        email_verified: true,
        email_owned: true,
        role: Role::Admin,
        created_at: clock.now(),
    };
    if made {
        announce(admin.email.as_str(), &secret).map_err(|e| StackError::start("admin account", e))?;
    }
    match table.customer_register(&admin, &hash, None, None, None).await {
        Ok(()) if made => Ok(AdminOutcome::Made { email: admin.email.as_str().to_owned(), password: secret }),
        Ok(()) | Err(RegisterError::EmailTaken(_) | RegisterError::Changed) => Ok(AdminOutcome::Known),
        Err(RegisterError::Store(error)) => Err(error.into()),
    }
}
