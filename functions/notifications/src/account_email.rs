use askama::Template;
use domain::{AccountAction, AccountLink, Email};
use mail_builder::{
    MessageBuilder,
    headers::{address::Address as Mailbox, raw::Raw},
};

use crate::{
    account::{AccountMailKind, WayIn},
    email::{EmailError, one_line},
    mailer::Mail,
    sender::Sender,
};

/// The content of a mail about an account. All of it is the shop's own: no name, because anybody may have registered the
/// address.
struct AccountEmail<'a> {
    shop: &'a str,
    subject: String,
    heading: &'static str,
    message: &'static str,
    /// What the recipient uses: a link, or the code that stands for it.
    url: Option<&'a str>,
    code: Option<&'a str>,
    /// Of the link.
    button: &'static str,
    next: &'static str,
}

#[derive(Template)]
#[template(path = "account.txt")]
struct Text<'a> {
    email: &'a AccountEmail<'a>,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Html<'a> {
    email: &'a AccountEmail<'a>,
}

/// Composes a mail about an account.
///
/// # Errors
/// It can never be composed.
pub fn compose(
    kind: AccountMailKind,
    link: &AccountLink,
    to: &Email,
    way_in: Option<&WayIn>,
    from: &Sender,
) -> Result<Mail, EmailError> {
    // Parsed again: an address that was stored by older rules may be invalid, or have its domain in Unicode.
    let to = Email::parse(to.as_str()).map_err(|_| EmailError::Address)?;
    let email = AccountEmail::new(kind, way_in, from);
    let (text, html) = (Text { email: &email }.render()?, Html { email: &email }.render()?);

    // Shown in headers. Without the key of links it gives no access.
    let id = format!("{}-{}", link.id, kind.as_str());
    let raw = MessageBuilder::new()
        .from(Mailbox::new_address(from.name.as_deref().map(one_line), from.email.as_str()))
        .to(Mailbox::new_address(None::<String>, to.as_str()))
        .subject(email.subject.as_str())
        .date(link.requested_at().as_second())
        .message_id(format!("{id}@{}", from.domain()))
        // No out-of-office reply (RFC 3834), and no grouping of all mails with the same subject into one thread.
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("X-Entity-Ref-ID", Raw::new(id.as_str()))
        .text_body(text)
        .html_body(html)
        .write_to_vec()?;
    Ok(Mail { id, from: from.email.clone(), to, subject: email.subject, raw })
}

impl<'a> AccountEmail<'a> {
    fn new(kind: AccountMailKind, way_in: Option<&'a WayIn>, from: &'a Sender) -> Self {
        let shop = from.shop.as_str();
        let (subject, heading, message, button, next) = match kind {
            AccountMailKind::Link(AccountAction::ResetPassword) => (
                format!("Set a new password for {shop}"),
                "Set a new password",
                "A new password was requested for the account with this address. The link works once, within 30 minutes.",
                "Set a new password",
                "If you did not request it, there is nothing to do: the password stays as it is.",
            ),
            AccountMailKind::Link(AccountAction::VerifyEmail) => (
                format!("Confirm your address for {shop}"),
                "Confirm your address",
                "An account was registered with this address. Please confirm that the address is yours. The link works \
                 once, within 24 hours.",
                "Confirm the address",
                "If you did not register it, there is nothing to do. If you want the address for an account of your own, \
                 request a new password for it: that ends all access of the person who registered it.",
            ),
            AccountMailKind::Link(AccountAction::ChangeEmail) => (
                format!("Confirm your new address for {shop}"),
                "Confirm your new address",
                "This address was given as the new one of an account. Please confirm that it is yours. The link works once, \
                 within 24 hours.",
                "Confirm the address",
                "If you did not request it, there is nothing to do: the account keeps its address.",
            ),
            AccountMailKind::EmailChanging => (
                format!("The address of your {shop} account is being changed"),
                "The address of your account is being changed",
                "Another address was given for your account. It replaces this one once it is confirmed there.",
                "",
                "If you did not request it, set a new password now. Then the change cannot be confirmed any more.",
            ),
        };
        let (url, code) = match way_in {
            Some(WayIn::Page(url)) => (Some(url.as_str()), None),
            Some(WayIn::Code(token)) => (None, Some(token.reveal())),
            None => (None, None),
        };
        Self { shop, subject: one_line(&subject), heading, message, url, code, button, next }
    }
}
