use axum::extract::{FromRef, FromRequestParts};
use domain::{Role, UserId};
use http::request::Parts;

use crate::{Context, Problem, Session, codes};

/// A session whose customer is an admin right now: the role is read again, consistently, on every request.
#[derive(Debug, Clone)]
pub struct Admin {
    pub uid: UserId,
}

impl<S: Send + Sync> FromRequestParts<S> for Admin
where
    Context: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let session = Session::from_request_parts(parts, state).await?;
        let customer = Context::from_ref(state).table.customer_get(&session.uid).await?;
        match customer {
            Some(customer) if customer.role == Role::Admin => Ok(Self { uid: customer.id }),
            _ => Err(Problem::new(codes::AdminRequired, "only the shop's staff may use this route")),
        }
    }
}
