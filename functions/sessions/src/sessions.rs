//! Opening, refreshing and ending sessions.

use api::{
    All, ClientAddress, Context, Device, DeviceCookie, Items, Json, KnownDevice, MaybeSession, NoBody, PathId, Problem,
    Session, attach_token, clear_cookie,
    codes::{self, Code},
    rates,
    token::Token,
    wire::timestamp,
};
use axum::{
    extract::State as Extract,
    response::{IntoResponse, Response},
};
use domain::{Email, Password, SessionId, SessionKind, SessionLifetime, UserId};
use http::StatusCode;
use table::{Credential, LoginError, NewSession, SessionWithCart, StoreError, error_chain};

use crate::{
    passwords::Verdict,
    state::State,
    wire::{LoginRequest, SessionListResponse, SessionResponse, TokenResponse},
};

/// Attempts before a login that keeps conflicting with changed carts or sessions is given up.
pub const MAX_ATTEMPTS: usize = 5;

api::codes! {
    pub CredentialsInvalid = Code::unauthorized("credentials_invalid", "no customer has this e-mail and password");
}

/// Opens a guest session, with a cart and orders of its own, for 30 days.
#[utoipa::path(post, path = "/sessions/guest", operation_id = "openGuestSession", tag = "sessions", security(()), responses(
    (status = 201, description = "the session is open", body = TokenResponse, headers(("Set-Cookie"))),
    codes::RateLimited,
    NoBody,
))]
pub async fn guest(
    Extract(state): Extract<State>,
    ClientAddress(address): ClientAddress,
    Device(device): Device,
    _: NoBody,
) -> Result<Response, Problem> {
    let context = &state.context;
    rates::allow(context, |rates| vec![rates.guest(address)]).await?;
    let uid = UserId::from(context.clock.uuid_v7());
    let (token, new) = issue(context, &uid, SessionKind::Guest, device);
    context.table.session_open_guest(&new).await?;
    Ok(opened(context, &token, &new))
}

/// Logs a customer in. A token that is sent along is revoked; if it is a guest's, the guest's cart is merged into the
/// customer's, once.
#[utoipa::path(post, path = "/sessions", operation_id = "logIn", tag = "sessions", security((), ("session" = [])),
    request_body = LoginRequest,
    responses(
        (status = 201, description = "the session is open", body = TokenResponse, headers(("Set-Cookie"))),
        CredentialsInvalid,
        codes::RateLimited,
    ))]
pub async fn login(
    Extract(state): Extract<State>,
    ClientAddress(address): ClientAddress,
    Device(device): Device,
    DeviceCookie(cookie): DeviceCookie,
    MaybeSession(before): MaybeSession,
    Json(request): Json<LoginRequest>,
) -> Result<Response, Problem> {
    let context = &state.context;
    let forms = Email::stored_forms(&request.email);
    let email = forms.first().cloned().map_or_else(|| Email::parse(&request.email), Ok);
    let (email, password) = (email, Password::attempt(&request.password)).all()?;
    let tokens = [request.device_token.as_deref(), cookie.as_deref()];
    let known = KnownDevice::recognise(context, &email, tokens.into_iter().flatten());
    // Before hashing: a rejected attempt must not cost memory and time.
    rates::allow_login(context, &email, address, known.as_ref()).await?;

    let found = context.table.credential_find(&forms).await?;
    if found.is_none() {
        // An invalid address is refused as such, unless there is an older account with it.
        Email::parse(&request.email)?;
    }
    let stored = found.as_ref().map(|(_, credential)| credential.password_hash.clone());
    let verdict = state.passwords.verify(password.clone(), stored).await.map_err(Problem::internal)?;
    let Some((account, credential)) = found.filter(|_| verdict != Verdict::Wrong) else {
        return Err(wrong_credentials());
    };
    rates::forgive_login(context, &email, address, known.as_ref()).await;

    let (token, new) = issue(context, &credential.uid, SessionKind::Customer, device);
    open(context, &new, (&account, &credential), before).await?;
    if verdict == Verdict::RightButWeak {
        renew_hash(&state, &account, &credential, password).await;
    }
    let known = known.unwrap_or_else(KnownDevice::unknown_before);
    Ok(opened_by_password(context, &token, &new, &email, &known))
}

/// Hashes a password again with today's parameters. The session is open already: if this fails, the next login repeats
/// it, and a concurrent password change wins.
async fn renew_hash(state: &State, email: &Email, credential: &Credential, password: Password) {
    let renewed = match state.passwords.hash(password).await {
        Ok(renewed) => renewed,
        Err(error) => {
            return tracing::warn!(
                cause = error_chain(&error),
                "a hash with weaker parameters stays until the next login"
            );
        }
    };
    if let Err(error) = state.context.table.credential_replace(email, credential, &renewed).await {
        tracing::warn!(cause = error_chain(&error), "a hash with weaker parameters stays until the next login");
    }
}

/// Opens the session, with the guest's cart; decides again whenever cart or sessions changed meanwhile.
async fn open(
    context: &Context,
    new: &NewSession,
    verified: (&Email, &Credential),
    before: Option<SessionWithCart>,
) -> Result<(), Problem> {
    let mut before = before;
    for _ in 0..MAX_ATTEMPTS {
        match context.table.session_login(new, verified, before.as_ref()).await {
            Ok(()) => return Ok(()),
            Err(LoginError::Store(error)) => return Err(error.into()),
            Err(LoginError::CredentialChanged) => return Err(wrong_credentials()),
            Err(LoginError::Changed) => {}
        }
        before = match before {
            Some(b) => context.table.session_and_cart_get(&b.session.uid, &b.session.id).await?,
            None => None,
        };
    }
    Err(StoreError::Busy("sessions or carts kept changing during a login".into()).into())
}

fn wrong_credentials() -> Problem {
    Problem::new(CredentialsInvalid, "no customer has this e-mail and password")
}

/// Rotates the session's token. The expiry is unchanged, and the old token is revoked.
#[utoipa::path(post, path = "/sessions/refresh", operation_id = "refreshSession", tag = "sessions", security(("session" = [])), responses(
    (status = 201, description = "the session has a new token; the old one is revoked", body = TokenResponse, headers(("Set-Cookie"))),
    NoBody,
))]
pub async fn refresh(
    session: Session,
    Extract(state): Extract<State>,
    Device(device): Device,
    _: NoBody,
) -> Result<Response, Problem> {
    let context = &state.context;
    let (token, mut new) = issue(context, &session.uid, session.kind, device);
    new.lifetime = session.lifetime.renew(session.kind, new.created_at);
    match context.table.session_replace(&new, &session.id).await {
        Ok(()) => Ok(opened(context, &token, &new)),
        // Ended meanwhile, by a logout or another refresh: an ended session is not refreshed.
        Err(LoginError::Changed | LoginError::CredentialChanged) => {
            Err(Problem::new(codes::SessionInvalid, "the session has ended"))
        }
        Err(LoginError::Store(error)) => Err(error.into()),
    }
}

/// Lists the customer's open sessions, at most ten.
#[utoipa::path(get, path = "/sessions", operation_id = "listSessions", tag = "sessions", security(("session" = [])), responses(
    (status = 200, description = "the open sessions of the customer", body = SessionListResponse),
))]
pub async fn list(
    session: Session,
    Extract(state): Extract<State>,
) -> Result<axum::Json<SessionListResponse>, Problem> {
    let sessions = state.context.table.session_list(&session.uid, state.context.clock.now()).await?;
    let items = sessions.iter().map(|s| SessionResponse::new(s, s.id == session.id)).collect();
    Ok(axum::Json(Items { items }))
}

/// Logs out: ends the session of this request.
#[utoipa::path(delete, path = "/sessions/current", operation_id = "logOut", tag = "sessions", security(("session" = [])), responses(
    (status = 204, description = "the session has ended", headers(("Set-Cookie"))),
))]
pub async fn revoke_current(session: Session, Extract(state): Extract<State>) -> Result<Response, Problem> {
    state.context.table.session_revoke(&session.uid, &session.id).await?;
    Ok(logged_out())
}

/// Ends one of the customer's sessions.
#[utoipa::path(delete, path = "/sessions/{sessionId}", operation_id = "endSession", tag = "sessions", security(("session" = [])),
    params(("sessionId" = String, Path, description = "From `GET /sessions`.")),
    responses(
        (status = 204, description = "the session has ended", headers(("Set-Cookie"))),
        codes::NotFound,
    ))]
pub async fn revoke(
    session: Session,
    Extract(state): Extract<State>,
    PathId(id): PathId<SessionId>,
) -> Result<Response, Problem> {
    if !state.context.table.session_revoke(&session.uid, &id).await? {
        return Err(Problem::not_found("session"));
    }
    Ok(if id == session.id { logged_out() } else { StatusCode::NO_CONTENT.into_response() })
}

/// Ends all sessions of the customer.
#[utoipa::path(delete, path = "/sessions", operation_id = "endAllSessions", tag = "sessions", security(("session" = [])), responses(
    (status = 204, description = "all sessions of the customer have ended", headers(("Set-Cookie"))),
))]
pub async fn revoke_all(session: Session, Extract(state): Extract<State>) -> Result<Response, Problem> {
    state.context.table.session_revoke_all(&session.uid, state.context.clock.now()).await?;
    Ok(logged_out())
}

/// A token and its session, to be opened.
pub fn issue(context: &Context, uid: &UserId, kind: SessionKind, device: String) -> (Token, NewSession) {
    let token = Token::issue(uid);
    let created_at = context.clock.now();
    let lifetime = SessionLifetime::start(kind, created_at);
    let new = NewSession { id: token.session_id(), uid: uid.clone(), kind, device, created_at, lifetime };
    (token, new)
}

/// 201 with the token, in the body and as a cookie.
fn opened(context: &Context, token: &Token, new: &NewSession) -> Response {
    answer(context, token, new, None)
}

/// The same, and makes the device known to the account.
pub fn opened_by_password(
    context: &Context,
    token: &Token,
    new: &NewSession,
    email: &Email,
    device: &KnownDevice,
) -> Response {
    answer(context, token, new, Some(device.token(context, email)))
}

fn answer(context: &Context, token: &Token, new: &NewSession, device_token: Option<String>) -> Response {
    let (user_id, expires_at) = (new.uid.to_string(), new.lifetime.absolute_expires_at);
    let body = TokenResponse {
        token: token.reveal(),
        user_id,
        expires_at: timestamp(expires_at),
        device_token: device_token.clone(),
    };
    let mut response = (StatusCode::CREATED, axum::Json(body)).into_response();
    attach_token(response.headers_mut(), token, context.clock.now(), expires_at);
    if let Some(device_token) = device_token {
        KnownDevice::attach_token(response.headers_mut(), &device_token);
    }
    response
}

fn logged_out() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    clear_cookie(response.headers_mut());
    response
}
