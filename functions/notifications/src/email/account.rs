use domain::{AccountAction, Language};

use super::{Page, linked};
use crate::{account::AccountMailKind, mail_links::WayIn, texts::Texts};

/// The content of a mail about an account. All of it is the shop's own: no name and no address, because anybody may have
/// registered it.
pub fn page<'a>(kind: AccountMailKind, way_in: Option<&WayIn>, shop: &'a str, language: Language) -> Page<'a> {
    let about = &Texts::of(language).account;
    let said = match kind {
        AccountMailKind::Link(AccountAction::ResetPassword) => about.reset_password.said(),
        AccountMailKind::Link(AccountAction::VerifyEmail) => about.verify_email.said(),
        AccountMailKind::Link(AccountAction::ChangeEmail) => about.change_email.said(),
        AccountMailKind::EmailChanging => about.email_changing.said(),
    };
    linked(said, way_in, &about.why, &[("shop", shop)], shop, language)
}
