//! Changing the e-mail of an account: requested with the password, and done by a link that is mailed to the new address.

use api::{All, ClientAddress, Json, MailLanguage, MaybeSession, Problem, Session, codes, rates};
use axum::extract::State as Extract;
use domain::{AccountAction, Email, Invalid, Password};
use http::StatusCode;
use table::{EmailChangeError, SpendLinkError, StoreError};

use crate::{
    customers::{RegistrationRefused, registration_refused, wrong_password},
    mail_links::{LinkInvalid, credential_of, link_for, link_invalid, live_link, opened_by_customer},
    passwords::Verdict,
    sessions::MAX_ATTEMPTS,
    state::State,
    wire::{ChangeEmailRequest, LinkRequest},
};

/// Mails a link to a new e-mail, which replaces the customer's once the link is opened, and a notice to the current one if
/// that is verified. The answer is the same if the new one has an account already.
#[utoipa::path(post, path = "/users/me/email", operation_id = "requestEmailChange", tag = "customers", security(("session" = [])),
    params(("Accept-Language" = Option<String>, Header, description = "The language of the mails: `en` or `de`, by default `en`.")),
    request_body = ChangeEmailRequest,
    responses(
        (status = 202, description = "a link is mailed to the new e-mail, unless it is the current one. It works once, for 24 hours, until the password or its stored hash is replaced"),
        (status = 403, description = "`credentials_invalid`: the current password is wrong"),
        codes::Guest,
        codes::RateLimited,
    ))]
pub async fn request(
    session: Session,
    Extract(state): Extract<State>,
    ClientAddress(address): ClientAddress,
    MailLanguage(language): MailLanguage,
    Json(request): Json<ChangeEmailRequest>,
) -> Result<StatusCode, Problem> {
    let context = &state.context;
    let of_field = |invalid| Invalid { field: "currentPassword", ..invalid };
    let password = Password::attempt(&request.current_password).map_err(of_field);
    let (email, password) = (Email::parse(&request.email), password).all()?;
    let customer = context.table.customer_get(&session.uid).await?;
    let customer = customer.ok_or_else(|| Problem::new(codes::Guest, "register first"))?;
    let action = AccountAction::ChangeEmail;
    rates::allow(context, |rates| {
        vec![rates.password_change(&session), rates.link_address(address), rates.link_email(action, &email)]
    })
    .await?;

    let credential = context.table.credential_get(&customer.email).await?.ok_or_else(wrong_password)?;
    let stored = Some(credential.password_hash.clone());
    if state.passwords.verify(password, stored).await.map_err(Problem::internal)? == Verdict::Wrong {
        return Err(wrong_password());
    }
    if email == customer.email {
        return Ok(StatusCode::ACCEPTED);
    }
    let asked_under = Some(credential.digest());
    let link = link_for(context, &customer.id, action, &email, asked_under);
    context.table.account_link_put(&link.in_language(language)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Replaces the e-mail of an account by the one that the link was mailed to. No session is needed, and none is ended. With
/// the customer's own session it also shows that they read the mail themselves, which some routes require.
#[utoipa::path(post, path = "/users/email/confirm", operation_id = "confirmEmailChange", tag = "customers", security((), ("session" = [])),
    request_body = LinkRequest,
    responses(
        (status = 204, description = "the account has the new e-mail, which is verified"),
        LinkInvalid,
        RegistrationRefused,
    ))]
pub async fn confirm(
    session: MaybeSession,
    Extract(state): Extract<State>,
    Json(request): Json<LinkRequest>,
) -> Result<StatusCode, Problem> {
    let table = &state.context.table;
    let link = live_link(&state, &request.token, AccountAction::ChangeEmail).await?;
    let by_owner = opened_by_customer(&session, &link);
    // An older account, with the domain in Unicode, has the same address.
    if let Some(before) = link.email.in_unicode()
        && table.credential_get(&before).await?.is_some_and(|other| other.uid != link.customer)
    {
        return Err(registration_refused());
    }
    for _ in 0..MAX_ATTEMPTS {
        let customer = table.customer_get(&link.customer).await?.ok_or_else(link_invalid)?;
        if customer.email == link.email {
            return Err(link_invalid());
        }
        let credential = credential_of(&state, &customer.email, &link).await?;
        match table.email_change(&link, &customer, &credential, by_owner).await {
            Ok(()) => return Ok(StatusCode::NO_CONTENT),
            Err(EmailChangeError::EmailTaken(_)) => return Err(registration_refused()),
            Err(EmailChangeError::Link(SpendLinkError::Spent)) => return Err(link_invalid()),
            Err(EmailChangeError::Link(SpendLinkError::Changed)) => {}
            Err(EmailChangeError::Link(SpendLinkError::Store(error @ StoreError::OutcomeUnknown(_)))) => {
                let customer = table.customer_get(&link.customer).await?;
                return match customer.is_some_and(|customer| customer.email == link.email) {
                    true => Ok(StatusCode::NO_CONTENT),
                    false => Err(error.into()),
                };
            }
            Err(EmailChangeError::Link(SpendLinkError::Store(error))) => return Err(error.into()),
        }
    }
    Err(StoreError::Busy("the account kept changing while its e-mail was changed".into()).into())
}
