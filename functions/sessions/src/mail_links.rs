//! Links in mails about an account. A request for one is an item; the mail and its token are made by `notifications`, from
//! that item and the keys that both functions have.

use api::{Context, MaybeSession, Problem, codes::Code};
use domain::{AccountAction, AccountLink, Email, LinkRequestId, UserId};
use links::Purpose;
use table::Credential;

use crate::state::State;

api::codes! {
    pub LinkInvalid = Code::unprocessable(
        "link_invalid",
        "the link was used, replaced by a newer one, has expired, or was never valid",
    );
}

/// A request that is made now, to be stored. `asked_under` is set if it was requested with the password.
pub fn link_for(
    context: &Context,
    customer: &UserId,
    action: AccountAction,
    email: &Email,
    asked_under: Option<String>,
) -> AccountLink {
    let id = LinkRequestId::from(context.clock.uuid_v7());
    AccountLink::request(id, customer.clone(), action, email.clone(), asked_under, context.clock.now())
}

/// The request that a token was made for, if its link can still be used. The token is checked before anything is read.
///
/// # Errors
/// 422 `link_invalid`, the same for whatever is wrong with it.
pub async fn live_link(state: &State, token: &str, action: AccountAction) -> Result<AccountLink, Problem> {
    let (context, now) = (&state.context, state.context.clock.now());
    let claimed = state.links.check(token, Purpose::Account(action), now).ok_or_else(link_invalid)?;
    let customer: UserId = claimed.subject.parse().map_err(|_| link_invalid())?;
    let stored = context.table.account_link_get(&customer, action).await?;
    let is_it = |stored: &AccountLink| stored.id.as_uuid() == claimed.request && !stored.is_expired(now);
    stored.filter(is_it).ok_or_else(link_invalid)
}

/// The credential of a link's account. A link that was requested with the password works only as long as that is the
/// password. One that sets a forgotten password does not depend on it: a thief of the account could change it again and
/// again.
///
/// # Errors
/// 422 `link_invalid`.
pub async fn credential_of(state: &State, email: &Email, link: &AccountLink) -> Result<Credential, Problem> {
    let credential = state.context.table.credential_get(email).await?;
    let is_current = |c: &Credential| link.asked_under.as_ref().is_none_or(|asked_under| c.digest() == *asked_under);
    credential.filter(|c| c.uid == link.customer && is_current(c)).ok_or_else(link_invalid)
}

/// Whether the link was opened by the customer it is for: by somebody who is logged in to the account.
pub fn opened_by_customer(session: &MaybeSession, link: &AccountLink) -> bool {
    session.0.as_ref().is_some_and(|found| found.session.uid == link.customer)
}

pub fn link_invalid() -> Problem {
    Problem::new(LinkInvalid, "the link cannot be used any more; request a new one")
}
