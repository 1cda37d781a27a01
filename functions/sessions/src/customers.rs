//! Customers: registration, profile, name and password.

use api::{
    All, ClientAddress, Context, Device, Json, KnownDevice, MailLanguage, MaybeSession, Problem, Session, attach_token,
    codes::{self, Code},
    rates,
    token::Token,
};
use axum::{
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{AccountAction, Customer, CustomerName, Email, Invalid, Password, Role, SessionKind, Timestamp, UserId};
use http::StatusCode;
use table::{Credential, LoginError, RegisterError, StoreError};

use crate::{
    mail_links::link_for,
    passwords::Verdict,
    sessions::{CredentialsInvalid, MAX_ATTEMPTS, issue, opened_by_password},
    state::State,
    wire::{ChangeCustomerRequest, CustomerResponse, RegisterRequest, TokenResponse},
};

/// Orders in a profile.
const RECENT_ORDERS: i32 = 5;

api::codes! {
    PasswordIncomplete = Code::unprocessable("password_incomplete", "a new password requires the current one");
    pub RegistrationRefused = Code::conflict(
        "registration_refused",
        "the e-mail cannot be registered; if it has an account, log in",
    );
}

/// Registers a customer and opens their session, and mails a link that verifies the address. If a guest's token is sent along, the guest's cart and orders become
/// the customer's, who keeps the guest's user id.
#[utoipa::path(post, path = "/users", operation_id = "registerCustomer", tag = "customers", security((), ("session" = [])),
    params(("Accept-Language" = Option<String>, Header, description = "The language of the mail: `en` or `de`, by default `en`.")),
    request_body = RegisterRequest,
    responses(
        (status = 201, description = "the customer is registered, and a session is open", body = TokenResponse, headers(("Set-Cookie"))),
        RegistrationRefused,
        codes::RateLimited,
    ))]
pub async fn register(
    Extract(state): Extract<State>,
    ClientAddress(address): ClientAddress,
    Device(device): Device,
    MaybeSession(before): MaybeSession,
    MailLanguage(language): MailLanguage,
    Json(request): Json<RegisterRequest>,
) -> Result<Response, Problem> {
    let context = &state.context;
    let (email, password, name) =
        (Email::parse(&request.email), Password::choose(&request.password), CustomerName::parse(&request.name))
            .all()?;
    rates::allow(context, |r| vec![r.login_account_address(&email, address), r.login_address(address)]).await?;
    // Hashed even if the e-mail is taken, so that the time does not reveal that.
    let hash = state.passwords.hash(password).await.map_err(Problem::internal)?;
    // An older account, with the domain in Unicode, is the same account.
    if let Some(before) = email.in_unicode()
        && context.table.credential_get(&before).await?.is_some()
    {
        return Err(registration_refused());
    }

    // Beyond the limit the customer is registered all the same, and may ask for the mail later.
    let is_mailed = rates::is_allowed(context, |r| vec![r.link_address(address)]).await?;

    let mut guest = before.filter(|b| b.session.kind == SessionKind::Guest);
    for _ in 0..MAX_ATTEMPTS {
        let uid = guest.as_ref().map_or_else(|| UserId::from(context.clock.uuid_v7()), |g| g.session.uid.clone());
        let now = context.clock.now();
        let (name, email) = (name.clone(), email.clone());
        let (email_verified, email_owned, role) = (false, false, Role::Customer);
        let customer = Customer { id: uid.clone(), name, email, email_verified, email_owned, role, created_at: now };
        let link =
            is_mailed.then(|| link_for(context, &customer.id, AccountAction::VerifyEmail, &customer.email, None));
        let link = link.map(|link| link.in_language(language));
        let (token, new) = issue(context, &uid, SessionKind::Customer, device.clone());
        match context.table.customer_register(&customer, &hash, Some(&new), guest.as_ref(), link.as_ref()).await {
            Ok(()) => {
                let device = KnownDevice::unknown_before();
                return Ok(opened_by_password(context, &token, &new, &customer.email, &device));
            }
            Err(RegisterError::EmailTaken(_)) => return Err(registration_refused()),
            Err(RegisterError::Store(error)) => return Err(error.into()),
            Err(RegisterError::Changed) => {}
        }
        guest = match guest {
            Some(g) => context.table.session_and_cart_get(&g.session.uid, &g.session.id).await?,
            None => None,
        };
    }
    Err(StoreError::Busy("the guest's cart kept changing during registration".into()).into())
}

pub fn registration_refused() -> Problem {
    Problem::new(RegistrationRefused, "this e-mail cannot be registered; if it is yours, log in or set a new password")
}

/// Returns the profile and the newest orders.
#[utoipa::path(get, path = "/users/me", operation_id = "getCustomer", tag = "customers", security(("session" = [])), responses(
    (status = 200, description = "the customer", body = CustomerResponse),
))]
pub async fn me(session: Session, Extract(state): Extract<State>) -> Result<impl IntoResponse, Problem> {
    let (customer, orders) = state.context.table.customer_get_with_orders(&session.uid, RECENT_ORDERS).await?;
    Ok(axum::Json(CustomerResponse::new(session.uid.to_string(), customer.as_ref(), &orders)))
}

/// Changes name or password. A new password ends every other session, and the answer contains a new token.
#[utoipa::path(patch, path = "/users/me", operation_id = "updateCustomer", tag = "customers", security(("session" = [])),
    request_body = ChangeCustomerRequest,
    responses(
        (status = 200, description = "the current profile", body = CustomerResponse, headers(("Set-Cookie"))),
        (status = 403, description = "`credentials_invalid`: the current password is wrong. Exception: if the new password is set already, the request repeats an earlier one whose answer was lost, and succeeds"),
        codes::Guest,
        PasswordIncomplete,
        codes::RateLimited,
    ))]
pub async fn change(
    session: Session,
    Extract(state): Extract<State>,
    Device(device): Device,
    Json(request): Json<ChangeCustomerRequest>,
) -> Result<Response, Problem> {
    let context = &state.context;
    let passwords = match (request.current_password, request.new_password) {
        (Some(current), Some(new)) => {
            let of = |field| move |invalid| Invalid { field, ..invalid };
            let current = Password::attempt(&current).map_err(of("currentPassword"));
            Some((current, Password::choose(&new).map_err(of("newPassword"))).all())
        }
        (None, None) => None,
        _ => {
            let detail = "a new password requires currentPassword and newPassword";
            return Err(Problem::new(PasswordIncomplete, detail));
        }
    };
    let name = request.name.as_deref().map(CustomerName::parse).transpose();
    let (name, passwords) = (name, passwords.transpose()).all()?;
    let guest = || Problem::new(codes::Guest, "register first");
    let mut customer = context.table.customer_get(&session.uid).await?.ok_or_else(guest)?;

    let mut change = None;
    if let Some((current, new)) = passwords {
        // Counted by session: others have none, so their guesses do not count here.
        rates::allow(context, |rates| vec![rates.password_change(&session)]).await?;
        change = Some(verify_password(&state, &session, &customer.email, current, new).await?);
    }
    if let Some(name) = name {
        if !context.table.customer_rename(&session.uid, &name).await? {
            return Err(guest());
        }
        customer.name = name;
    }
    // Last, because the answer contains the only valid token.
    let token = match change {
        Some(change) => Some(change_password(context, &customer.email, change, device).await?),
        None => None,
    };

    let mut body = CustomerResponse::new(session.uid.to_string(), Some(&customer), &[]);
    body.token = token.as_ref().map(|(t, _)| t.reveal());
    let device_token = token.is_some().then(|| KnownDevice::unknown_before().token(context, &customer.email));
    body.device_token = device_token.clone();
    let mut response = axum::Json(body).into_response();
    if let Some((token, expires_at)) = token {
        attach_token(response.headers_mut(), &token, context.clock.now(), expires_at);
    }
    if let Some(device_token) = device_token {
        KnownDevice::attach_token(response.headers_mut(), &device_token);
    }
    Ok(response)
}

/// A verified password change: the credential that was verified, and the new hash.
struct PasswordChange {
    verified: Credential,
    hash: String,
}

/// Whether the current password is right. If it is not, but the new one is stored already, an earlier request was
/// carried out and its answer was lost: the change is carried out again.
async fn verify_password(
    state: &State,
    session: &Session,
    email: &Email,
    current: Password,
    new: Password,
) -> Result<PasswordChange, Problem> {
    let verified = state.context.table.credential_get(email).await?.ok_or_else(wrong_password)?;
    let stored = || Some(verified.password_hash.clone());
    let is_wrong = |verdict| verdict == Verdict::Wrong;
    if is_wrong(state.passwords.verify(current, stored()).await.map_err(Problem::internal)?) {
        // A second guess in one request, counted as one.
        rates::allow(&state.context, |rates| vec![rates.password_change(session)]).await?;
        if is_wrong(state.passwords.verify(new, stored()).await.map_err(Problem::internal)?) {
            return Err(wrong_password());
        }
        let hash = verified.password_hash.clone();
        return Ok(PasswordChange { verified, hash });
    }
    let hash = state.passwords.hash(new).await.map_err(Problem::internal)?;
    Ok(PasswordChange { verified, hash })
}

/// Stores the new password, ends everything that was opened under the old one, and opens a session for this device.
/// Returns the token, and when it expires.
async fn change_password(
    context: &Context,
    email: &Email,
    change: PasswordChange,
    device: String,
) -> Result<(Token, Timestamp), Problem> {
    let PasswordChange { mut verified, hash } = change;
    let before = verified.password_hash.clone();
    let (token, new) = issue(context, &verified.uid, SessionKind::Customer, device);
    for _ in 0..MAX_ATTEMPTS {
        let opened = Ok((token.clone(), new.lifetime.absolute_expires_at));
        let lost = match context.table.password_change(&new, (email, &verified), &hash).await {
            Ok(()) => return opened,
            Err(LoginError::Changed | LoginError::CredentialChanged) => None,
            Err(LoginError::Store(error @ StoreError::OutcomeUnknown(_))) => Some(error),
            Err(LoginError::Store(error)) => return Err(error.into()),
        };
        // The session is in the same transaction: if it exists, the change was made.
        if let Some(error) = lost {
            return match context.table.session_get(&new.uid, &new.id).await? {
                Some(_) => opened,
                None => Err(error.into()),
            };
        }
        verified = context.table.credential_get(email).await?.ok_or_else(wrong_password)?;
        // Changed by another request meanwhile: then the current password is a different one by now.
        if verified.password_hash != before {
            return Err(wrong_password());
        }
    }
    Err(StoreError::Busy("sessions kept changing while a password was changed".into()).into())
}

pub fn wrong_password() -> Problem {
    Problem::new(CredentialsInvalid, "the current password is wrong").of_status(StatusCode::FORBIDDEN)
}
