//! Mails about an account: a link that sets a new password, verifies an address or changes it, and a notice of a change.
//!
//! They are made from the item of a request for a link. The token is not in it (see `mail_links`).

use domain::{AccountAction, AccountLink, Customer, Email};
use stream::{Change, Failure, Kind};

use crate::{
    State,
    email::compose_about_account,
    limits::LinkLimit,
    linked::{Answered, send_once},
    mail_links::NoKeys,
};

/// A mail about an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountMailKind {
    /// With the link of the request.
    Link(AccountAction),
    /// To the address that is being replaced, without a link.
    EmailChanging,
}

impl AccountMailKind {
    /// Its name in keys, ids and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link(action) => action.as_str(),
            Self::EmailChanging => "email-changing",
        }
    }
}

/// The mails of a request, each with its recipient; none if the request no longer fits the account.
fn mails(link: &AccountLink, customer: &Customer) -> Vec<(AccountMailKind, Email)> {
    let of_account = customer.email == link.email;
    let mailed = match link.action {
        AccountAction::ResetPassword => of_account,
        AccountAction::VerifyEmail => of_account && !customer.email_owned,
        AccountAction::ChangeEmail => true,
    };
    let linked = mailed.then(|| (AccountMailKind::Link(link.action), link.email.clone()));
    let has_notice = link.action == AccountAction::ChangeEmail && customer.email_verified && !of_account;
    let notice = has_notice.then(|| (AccountMailKind::EmailChanging, customer.email.clone()));
    linked.into_iter().chain(notice).collect()
}

/// Mails what a change of a request's item asks for.
pub async fn notify_change(state: &State, change: &Change) -> Result<(), Failure> {
    // It was used, or TTL deleted it.
    let is_gone = matches!(change.kind, Kind::Remove | Kind::Expire);
    let Some(new) = change.new.as_ref().filter(|_| !is_gone) else { return Ok(()) };
    let link = new.account_link()?;
    if link.is_expired(state.clock.now()) {
        tracing::info!(kind = link.action.as_str(), "no mail: its link has expired");
        return Ok(());
    }
    // A request for an address without an account is stored too, so that both take the same time.
    let Some(customer) = state.table.customer_get(&link.customer).await? else { return Ok(()) };
    // A mail that is refused for good does not stop the other.
    let mut refused = None;
    for (kind, to) in mails(&link, &customer) {
        match notify(state, &change.event_id, &link, (kind, &to), &customer).await {
            Err(Failure::Never(error)) => refused = Some(Failure::Never(error)),
            result => result?,
        }
    }
    refused.map_or(Ok(()), Err)
}

async fn notify(
    state: &State,
    record: &str,
    link: &AccountLink,
    (kind, to): (AccountMailKind, &Email),
    customer: &Customer,
) -> Result<(), Failure> {
    let links = state.links.as_ref().ok_or_else(|| Failure::Never(NoKeys.into()))?;
    let way_in = matches!(kind, AccountMailKind::Link(_)).then(|| links.to_account(link));
    let mail =
        compose_about_account(kind, link, to, way_in.as_ref(), &state.shop).map_err(|e| Failure::Never(e.into()))?;
    let limit = match kind {
        // It warns of a theft, so an attack with other mails must not use it up.
        AccountMailKind::EmailChanging => LinkLimit::Warning,
        AccountMailKind::Link(_) if customer.email_verified && customer.email == *to => LinkLimit::Verified,
        AccountMailKind::Link(_) => LinkLimit::Unverified,
    };
    send_once(state, Answered { request: link.id, which: kind.as_str(), record }, &mail, limit).await
}

#[cfg(test)]
mod tests {
    use domain::Language;

    use super::*;
    use crate::{
        AccountUrl, MailLinks,
        email::write_about_account,
        testing::{NOW, customer, links, shop},
    };

    fn link(action: AccountAction, email: &str) -> AccountLink {
        let email = Email::parse(email).unwrap();
        AccountLink::request(uuid::Uuid::nil().into(), customer().id, action, email, None, NOW)
    }

    fn sent(action: AccountAction, email: &str, verified: bool) -> Vec<(AccountMailKind, String)> {
        let ann = Customer { email_verified: verified, email_owned: verified, ..customer() };
        let mails = mails(&link(action, email), &ann).into_iter();
        mails.map(|(kind, to)| (kind, to.as_str().to_owned())).collect()
    }

    #[test]
    fn a_link_goes_to_the_address_it_was_requested_for_and_only_while_that_is_the_accounts() {
        use AccountAction::{ResetPassword, VerifyEmail};
        let (ours, other) = ("ann@example.com", "ann@elsewhere.example");

        for action in [ResetPassword, VerifyEmail] {
            assert_eq!(sent(action, ours, false), [(AccountMailKind::Link(action), ours.to_owned())]);
            assert_eq!(sent(action, other, false), []);
        }
        assert_eq!(sent(ResetPassword, ours, true).len(), 1);
        assert_eq!(sent(VerifyEmail, ours, true), [], "its customer has opened one already");
    }

    #[test]
    fn every_mail_says_in_each_language_what_the_link_does_and_has_the_link_and_no_name() {
        let url = AccountUrl::parse("https://shop.example/account/{action}#{token}").unwrap();
        let kinds = AccountAction::ALL.map(AccountMailKind::Link).into_iter().chain([AccountMailKind::EmailChanging]);
        for kind in kinds {
            for language in Language::ALL {
                let action = AccountAction::ALL[0];
                let with_url = MailLinks { account_page: Some(url.clone()), ..links() };
                let asked = link(action, "ann@example.com").in_language(language);
                let way_in = with_url.to_account(&asked);
                let has_link = matches!(kind, AccountMailKind::Link(_));
                let way_in = has_link.then_some(&way_in);

                let mail = write_about_account(kind, way_in, &shop(), language).unwrap();

                for part in [&mail.text, &mail.html] {
                    assert_eq!(part.contains("https://shop.example/account/reset-password#ann."), has_link, "{part}");
                    assert!(part.contains("The Shop") && !part.contains("Núñez") && !part.contains("ann@"), "{part}");
                    assert!(!part.contains('{') || part.contains("color-scheme"), "{part}");
                }
                assert!(mail.subject.contains("The Shop") && !mail.text.contains("\n\n\n"), "{}", mail.text);
                assert!(mail.html.contains(&format!("<html lang=\"{}\">", language.as_str())), "{}", mail.html);
            }
        }
    }

    #[test]
    fn without_a_page_of_the_storefront_the_mail_has_the_token_as_a_code() {
        let way_in = links().to_account(&link(AccountAction::VerifyEmail, "ann@example.com"));
        let kind = AccountMailKind::Link(AccountAction::VerifyEmail);

        let mail = write_about_account(kind, Some(&way_in), &shop(), Language::En).unwrap();

        assert!(mail.text.contains("Your code:\n  ann.") && !mail.text.contains("://"), "{}", mail.text);
        assert!(mail.html.contains("<li>ann.") && !mail.html.contains("href"), "{}", mail.html);
    }

    #[test]
    fn a_change_of_the_address_is_announced_to_the_old_one_only_if_that_is_verified() {
        let (old, new) = ("ann@example.com".to_owned(), "ann@elsewhere.example");
        let linked = (AccountMailKind::Link(AccountAction::ChangeEmail), new.to_owned());

        assert_eq!(sent(AccountAction::ChangeEmail, new, false), std::slice::from_ref(&linked));
        assert_eq!(sent(AccountAction::ChangeEmail, new, true), [linked, (AccountMailKind::EmailChanging, old)]);
    }
}
