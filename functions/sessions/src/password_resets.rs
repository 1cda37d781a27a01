//! Setting a new password without the old one, by a link that is mailed.

use api::{ClientAddress, Json, MailLanguage, Problem, codes, rates};
use axum::extract::State as Extract;
use domain::{AccountAction, CustomerName, Email, Invalid, Password, UserId};
use http::StatusCode;
use table::{SpendLinkError, StoreError};

use crate::{
    mail_links::{LinkInvalid, credential_of, link_for, link_invalid, live_link},
    sessions::MAX_ATTEMPTS,
    state::State,
    wire::{ConfirmPasswordResetRequest, PasswordResetRequest},
};

/// Mails a link that sets a new password, if the e-mail has an account. The answer is the same, after the same calls, if
/// it has none. A newer link replaces an older one.
#[utoipa::path(post, path = "/passwords/reset", operation_id = "requestPasswordReset", tag = "customers", security(()),
    params(("Accept-Language" = Option<String>, Header, description = "The language of the mail: `en` or `de`, by default `en`.")),
    request_body = PasswordResetRequest,
    responses(
        (status = 202, description = "if the e-mail has an account, and not too many links were requested for it, one is mailed to it. It works once, for 30 minutes"),
        codes::RateLimited,
    ))]
pub async fn request(
    Extract(state): Extract<State>,
    ClientAddress(address): ClientAddress,
    MailLanguage(language): MailLanguage,
    Json(request): Json<PasswordResetRequest>,
) -> Result<StatusCode, Problem> {
    let context = &state.context;
    let email = Email::parse(&request.email)?;
    rates::allow(context, |rates| vec![rates.link_address(address)]).await?;
    // Not an error: the last link that was mailed still works, because it is not replaced.
    if !rates::is_allowed(context, |rates| rates.password_reset(&email, address).to_vec()).await? {
        return Ok(StatusCode::ACCEPTED);
    }
    // Every form is read, whichever is found, and something is written if none is: so an e-mail with an account takes no
    // longer and no shorter than one without.
    let mut account = None;
    for form in Email::stored_forms(&request.email) {
        let found = context.table.credential_get(&form).await?;
        account = account.or(found.map(|credential| (credential.uid, form)));
    }
    // A customer who does not exist, so that no mail is sent and no link works.
    let (customer, email) = account.unwrap_or_else(|| (UserId::from(context.clock.uuid_v7()), email));
    let link = link_for(context, &customer, AccountAction::ResetPassword, &email, None);
    context.table.account_link_put(&link.in_language(language)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sets a new password by the link of a mail, and ends every session of the customer. The e-mail counts as verified from
/// then on. If it was not verified before, somebody else may have registered it: the name and the saved addresses are
/// removed.
#[utoipa::path(post, path = "/passwords/reset/confirm", operation_id = "confirmPasswordReset", tag = "customers", security(()),
    request_body = ConfirmPasswordResetRequest,
    responses(
        (status = 204, description = "the password is set, and every session has ended. Log in with it"),
        LinkInvalid,
    ))]
pub async fn confirm(
    Extract(state): Extract<State>,
    Json(request): Json<ConfirmPasswordResetRequest>,
) -> Result<StatusCode, Problem> {
    let table = &state.context.table;
    let of_field = |invalid| Invalid { field: "newPassword", ..invalid };
    let password = Password::choose(&request.new_password).map_err(of_field)?;
    let link = live_link(&state, &request.token, AccountAction::ResetPassword).await?;

    let mut hash = None;
    for _ in 0..MAX_ATTEMPTS {
        // The link was mailed to the address that the account had then.
        let customer = table.customer_get(&link.customer).await?.filter(|c| c.email == link.email);
        let customer = customer.ok_or_else(link_invalid)?;
        let credential = credential_of(&state, &customer.email, &link).await?;
        let hash: &String = match &mut hash {
            Some(hash) => hash,
            none => none.insert(state.passwords.hash(password.clone()).await.map_err(Problem::internal)?),
        };
        let (name, now) = (CustomerName::of_account(&customer.email), state.context.clock.now());
        match table.password_reset(&link, &customer, &credential, hash, &name, now).await {
            Ok(()) => return Ok(StatusCode::NO_CONTENT),
            Err(SpendLinkError::Spent) => return Err(link_invalid()),
            Err(SpendLinkError::Changed) => {}
            Err(SpendLinkError::Store(error @ StoreError::OutcomeUnknown(_))) => {
                // No other request has made this hash.
                let stored = table.credential_get(&customer.email).await?;
                return match stored.is_some_and(|stored| stored.password_hash == *hash) {
                    true => Ok(StatusCode::NO_CONTENT),
                    false => Err(error.into()),
                };
            }
            Err(SpendLinkError::Store(error)) => return Err(error.into()),
        }
    }
    Err(StoreError::Busy("the account kept changing while its password was reset".into()).into())
}
