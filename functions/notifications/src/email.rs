//! How a mail is made.
//!
//! Every mail has one layout, `templates/base.html` and `templates/base.txt`, which are filled from a [`Page`]: the
//! shop's name, a heading, paragraphs, a link as a button, and why the recipient gets it. A mail that shows more
//! extends both, with a block `details`, as `order.html` and `order.txt` do for orders (`email/order.rs`); for one that
//! does not, such as one about an account (`email/account.rs`) or the link to an order (`email/order_link.rs`), they
//! are the templates. The words are in the files of `texts.rs`, in each language, and [`mime`] makes the mail.
//!
//! What the templates rely on:
//!
//! - The shop's own words, its links and numbers are unchanged. Text of customers, staff and suppliers is
//!   [`inert`](crate::inert) before it gets into a page. The name that an address was registered under is in no mail.
//! - Mail programs show a mail at any width from 320 px, light or dark. So there is one column; colours are set inline
//!   for light, and by the classes `page`, `quiet`, `rule`, `link` and `button` for dark. `docs/mails.sh` takes pictures
//!   of all mails.
//! - A blank line separates the parts of the text, and no two blank lines follow each other.

mod account;
mod order;
mod order_link;

use askama::Template;
use domain::{AccountLink, Email, Language, Order, OrderNumber, Timestamp};
use mail_builder::{
    MessageBuilder,
    headers::{address::Address as Mailbox, raw::Raw},
};
use table::OrderLookup;

use crate::{
    account::AccountMailKind,
    mail_links::{OrderLink, WayIn},
    mailer::Mail,
    notification::Notification,
    order_lookup,
    sender::Sender,
    texts::{Said, Texts, fill},
};

/// Why no mail can be composed for a notification.
#[derive(Debug, thiserror::Error)]
pub enum EmailError {
    #[error("no mail can be sent to the recipient's address")]
    Address,
    #[error("the text cannot be written")]
    Template(#[from] askama::Error),
    #[error("the mail cannot be written")]
    Mime(#[from] std::io::Error),
}

/// What every mail has, ready for the templates.
pub(crate) struct Page<'a> {
    /// ISO 639-1.
    pub language: &'static str,
    pub texts: &'static Texts,
    pub shop: &'a str,
    pub subject: String,
    pub heading: &'a str,
    /// After the greeting.
    pub paragraphs: Vec<Paragraph>,
    pub button: Option<Link>,
    /// Why the recipient gets it.
    pub why: String,
}

pub(crate) struct Paragraph {
    pub text: String,
    /// Listed below it.
    pub items: Vec<String>,
}

impl From<String> for Paragraph {
    fn from(text: String) -> Self {
        Self { text, items: Vec::new() }
    }
}

/// A link, which is the shop's own or checked by it.
pub(crate) struct Link {
    pub text: String,
    pub url: String,
}

#[derive(Template)]
#[template(path = "base.txt")]
struct PlainText<'a> {
    page: &'a Page<'a>,
}

#[derive(Template)]
#[template(path = "base.html")]
struct PlainHtml<'a> {
    page: &'a Page<'a>,
}

/// The two parts of a mail, before MIME encodes them, and its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// Writes a notification in the language of its order, with a link to the order if there is one.
///
/// # Errors
/// It can never be written.
pub fn write(notification: &Notification, from: &Sender, link: Option<OrderLink>) -> Result<Written, EmailError> {
    let (page, details) = order::page(notification, &from.shop, link);
    let text = order::Text { page: &page, order: &details }.render()?;
    let html = order::Html { page: &page, order: &details }.render()?;
    Ok(Written { subject: page.subject, text, html })
}

/// Writes a mail about an account. All of its text is the shop's own.
///
/// # Errors
/// It can never be written.
pub fn write_about_account(
    kind: AccountMailKind,
    way_in: Option<&WayIn>,
    from: &Sender,
    language: Language,
) -> Result<Written, EmailError> {
    plain(account::page(kind, way_in, &from.shop, language))
}

/// Writes the mail that is a link to an order. All of its text is the shop's own.
///
/// # Errors
/// It can never be written.
pub fn write_order_link(
    number: OrderNumber,
    way_in: &WayIn,
    from: &Sender,
    language: Language,
) -> Result<Written, EmailError> {
    plain(order_link::page(number, way_in, &from.shop, language))
}

/// A mail that is its page and nothing more.
fn plain(page: Page<'_>) -> Result<Written, EmailError> {
    let (text, html) = (PlainText { page: &page }.render()?, PlainHtml { page: &page }.render()?);
    Ok(Written { subject: page.subject, text, html })
}

/// The page of a mail that is a link. Beside the token there is only the shop's text in it, with these values.
fn linked<'a>(
    said: Said<'static>,
    way_in: Option<&WayIn>,
    why: &str,
    values: &[(&str, &str)],
    shop: &'a str,
    language: Language,
) -> Page<'a> {
    let texts = Texts::of(language);
    let filled = |text: &str| fill(text, values);
    let mut paragraphs = vec![Paragraph::from(filled(said.message))];
    if let Some(WayIn::Code(token)) = way_in {
        paragraphs.push(Paragraph { text: texts.code.clone(), items: vec![token.reveal().to_owned()] });
    }
    paragraphs.push(filled(said.next).into());
    let button = match (way_in, said.button) {
        (Some(WayIn::Page(url)), Some(text)) => Some(Link { text: text.to_owned(), url: url.clone() }),
        _ => None,
    };
    Page {
        language: language.as_str(),
        texts,
        shop,
        subject: filled(said.subject),
        heading: said.heading,
        paragraphs,
        button,
        why: filled(why),
    }
}

/// Composes a mail about an account. Its id is shown in headers; without the key of links it gives no access.
///
/// # Errors
/// It can never be composed.
pub(crate) fn compose_about_account(
    kind: AccountMailKind,
    link: &AccountLink,
    to: &Email,
    way_in: Option<&WayIn>,
    from: &Sender,
) -> Result<Mail, EmailError> {
    let written = write_about_account(kind, way_in, from, link.language)?;
    mime(format!("{}-{}", link.id, kind.as_str()), to, from, link.language.as_str(), link.requested_at(), written)
}

/// Composes the mail that is a link to an order. Like that about an account, its id gives no access.
///
/// # Errors
/// It can never be composed.
pub(crate) fn compose_order_link(
    lookup: &OrderLookup,
    order: &Order,
    to: &Email,
    way_in: &WayIn,
    from: &Sender,
) -> Result<Mail, EmailError> {
    let written = write_order_link(order.number(), way_in, from, lookup.language)?;
    let id = format!("{}-{}", lookup.id, order_lookup::WHICH);
    mime(id, to, from, lookup.language.as_str(), lookup.requested_at, written)
}

/// Composes the mail of a notification.
///
/// # Errors
/// It can never be composed.
pub fn compose(
    notification: &Notification,
    to: &Email,
    from: &Sender,
    link: Option<OrderLink>,
) -> Result<Mail, EmailError> {
    let Order { id, version, language, .. } = &notification.order;
    let written = write(notification, from, link)?;
    mime(format!("{id}-{version}"), to, from, language.as_str(), notification.at, written)
}

/// The mail as it is sent. `id` is the same whenever the same mail is composed.
pub(crate) fn mime(
    id: String,
    to: &Email,
    from: &Sender,
    language: &'static str,
    at: Timestamp,
    written: Written,
) -> Result<Mail, EmailError> {
    // Parsed again: an address that was stored by older rules may be invalid, or have its domain in Unicode.
    let to = Email::parse(to.as_str()).map_err(|_| EmailError::Address)?;
    let subject = one_line(&written.subject);
    let raw = MessageBuilder::new()
        .from(Mailbox::new_address(from.name.as_deref().map(one_line), from.email.as_str()))
        .to(Mailbox::new_address(None::<String>, to.as_str()))
        .subject(subject.as_str())
        .date(at.as_second())
        .message_id(format!("{id}@{}", from.domain()))
        .header("Content-Language", Raw::new(language))
        // No out-of-office reply (RFC 3834), and no grouping of all mails with the same subject into one thread.
        .header("Auto-Submitted", Raw::new("auto-generated"))
        .header("X-Entity-Ref-ID", Raw::new(id.as_str()))
        .text_body(written.text)
        .html_body(written.html)
        .write_to_vec()?;
    let from = from.email.clone();
    Ok(Mail { id, from, to, subject, raw })
}

/// Text for a header, where a line break would start another header.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
