use askama::Template;
use domain::{AccountAction, Language};

use super::{Link, Page, Paragraph};
use crate::{
    account::{AccountMailKind, WayIn},
    texts::{LinkTexts, Texts, fill},
};

#[derive(Template)]
#[template(path = "base.txt")]
pub struct Text<'a> {
    pub page: &'a Page<'a>,
}

#[derive(Template)]
#[template(path = "base.html")]
pub struct Html<'a> {
    pub page: &'a Page<'a>,
}

/// The content of a mail about an account. All of it is the shop's own: no name and no address, because anybody may have
/// registered it.
pub fn page<'a>(kind: AccountMailKind, way_in: Option<&WayIn>, shop: &'a str, language: Language) -> Page<'a> {
    let texts = Texts::of(language);
    let about = &texts.account;
    let linked =
        |texts: &'static LinkTexts| (&texts.subject, &texts.heading, &texts.message, &texts.next, &texts.button);
    let (subject, heading, message, next, button) = match kind {
        AccountMailKind::Link(AccountAction::ResetPassword) => linked(&about.reset_password),
        AccountMailKind::Link(AccountAction::VerifyEmail) => linked(&about.verify_email),
        AccountMailKind::Link(AccountAction::ChangeEmail) => linked(&about.change_email),
        AccountMailKind::EmailChanging => {
            let texts = &about.email_changing;
            // It has no link.
            (&texts.subject, &texts.heading, &texts.message, &texts.next, &texts.heading)
        }
    };
    let filled = |text: &str| fill(text, &[("shop", shop)]);
    let mut paragraphs = vec![Paragraph::from(filled(message))];
    if let Some(WayIn::Code(token)) = way_in {
        paragraphs.push(Paragraph { text: about.code.clone(), items: vec![token.reveal().to_owned()] });
    }
    paragraphs.push(filled(next).into());
    Page {
        language: language.as_str(),
        texts,
        shop,
        subject: filled(subject),
        heading,
        paragraphs,
        button: match way_in {
            Some(WayIn::Page(url)) => Some(Link { text: button.clone(), url: url.clone() }),
            Some(WayIn::Code(_)) | None => None,
        },
        why: filled(&about.why),
    }
}
