//! Verifying that a customer reads the mail of their e-mail address.

use api::{
    ClientAddress, Json, MailLanguage, MaybeSession, NoBody, Problem, Session, codes,
    rates::{self, Rates},
};
use axum::extract::State as Extract;
use domain::AccountAction;
use http::StatusCode;
use table::{SpendLinkError, StoreError};

use crate::{
    mail_links::{LinkInvalid, link_for, link_invalid, live_link, opened_by_customer},
    state::State,
    wire::LinkRequest,
};

/// Mails the link that verifies the customer's e-mail again; a registration mails the first. A newer link replaces an
/// older one. Nothing is mailed if the customer has opened one while logged in, or has set a new password by a link.
#[utoipa::path(post, path = "/users/me/verification", operation_id = "requestVerification", tag = "customers", security(("session" = [])),
    params(("Accept-Language" = Option<String>, Header, description = "The language of the mail: `en` or `de`, by default `en`.")),
    responses(
        (status = 202, description = "unless the customer has shown that they read the e-mail, a link is mailed to it. It works once, for 24 hours"),
        codes::Guest,
        codes::RateLimited,
        NoBody,
    ))]
pub async fn request(
    session: Session,
    Extract(state): Extract<State>,
    ClientAddress(address): ClientAddress,
    MailLanguage(language): MailLanguage,
    _: NoBody,
) -> Result<StatusCode, Problem> {
    let context = &state.context;
    let customer = context.table.customer_get(&session.uid).await?;
    let customer = customer.ok_or_else(|| Problem::new(codes::Guest, "register first"))?;
    if !customer.email_owned {
        let action = AccountAction::VerifyEmail;
        let limits = |rates: &Rates| vec![rates.link_address(address), rates.link_email(action, &customer.email)];
        rates::allow(context, limits).await?;
        let link = link_for(context, &customer.id, action, &customer.email, None);
        context.table.account_link_put(&link.in_language(language)).await?;
    }
    Ok(StatusCode::ACCEPTED)
}

/// Verifies an e-mail by the link of a mail. No session is needed: the mail may be read on another device. With the
/// customer's own session it also shows that they read the mail themselves, which some routes require.
#[utoipa::path(post, path = "/users/verify", operation_id = "verifyEmail", tag = "customers", security((), ("session" = [])),
    request_body = LinkRequest,
    responses(
        (status = 204, description = "the e-mail is verified"),
        LinkInvalid,
    ))]
pub async fn confirm(
    session: MaybeSession,
    Extract(state): Extract<State>,
    Json(request): Json<LinkRequest>,
) -> Result<StatusCode, Problem> {
    let table = &state.context.table;
    let link = live_link(&state, &request.token, AccountAction::VerifyEmail).await?;
    let by_owner = opened_by_customer(&session, &link);
    match table.email_verify(&link, by_owner).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        // The profile has another address by now.
        Err(SpendLinkError::Spent | SpendLinkError::Changed) => Err(link_invalid()),
        Err(SpendLinkError::Store(error @ StoreError::OutcomeUnknown(_))) => {
            let customer = table.customer_get(&link.customer).await?;
            match customer.is_some_and(|customer| {
                customer.email == link.email && customer.email_verified && (customer.email_owned || !by_owner)
            }) {
                true => Ok(StatusCode::NO_CONTENT),
                false => Err(error.into()),
            }
        }
        Err(SpendLinkError::Store(error)) => Err(error.into()),
    }
}
