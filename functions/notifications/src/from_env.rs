use std::sync::Arc;

use aws_types::SdkConfig;
use table::TableConfig;

use crate::{AccountUrl, MailFolder, MailLimits, Mailer, OrderUrl, Sender, Ses, SesConfig};

/// The sender of mails: `MAIL_FROM`, as `Shop <orders@shop.example>`, and optionally `SHOP_NAME`, if the shop's name
/// differs.
///
/// # Errors
/// Names the variable that is missing or wrong.
pub fn sender_from_env(var: impl Fn(&str) -> Option<String>) -> Result<Sender, String> {
    let from = var("MAIL_FROM").ok_or("MAIL_FROM is not set: the sender of mails, as Shop <orders@shop.example>")?;
    let sender = Sender::parse(&from).map_err(|e| format!("MAIL_FROM: {e}"))?;
    Ok(match var("SHOP_NAME") {
        Some(name) => sender.of_shop(name),
        None => sender,
    })
}

/// The storefront's page of an order: `ORDER_URL`, as [`OrderUrl::parse`] reads it; mails about orders have no link if it
/// is not set.
///
/// # Errors
/// Names the variable and what is wrong with it.
pub fn order_url_from_env(var: impl Fn(&str) -> Option<String>) -> Result<Option<OrderUrl>, String> {
    var("ORDER_URL").map(|raw| OrderUrl::parse(&raw)).transpose().map_err(|e| format!("ORDER_URL: {e}"))
}

/// The limits of mails: `MAIL_LIMITS`, as [`MailLimits::parse`] reads it; the defaults if it is not set.
///
/// # Errors
/// Names the variable and what is wrong with it.
pub fn limits_from_env(var: impl Fn(&str) -> Option<String>) -> Result<MailLimits, String> {
    MailLimits::parse(&var("MAIL_LIMITS").unwrap_or_default()).map_err(|e| format!("MAIL_LIMITS: {e}"))
}

/// The storefront's page for links about an account: `ACCOUNT_URL`, as [`AccountUrl::parse`] reads it.
///
/// # Errors
/// Names the variable and what is wrong with it.
pub fn account_url_from_env(var: impl Fn(&str) -> Option<String>) -> Result<Option<AccountUrl>, String> {
    var("ACCOUNT_URL").map(|url| AccountUrl::parse(&url)).transpose().map_err(|e| format!("ACCOUNT_URL: {e}"))
}

/// The mailer that the environment selects:
///
/// - a folder, if `MAIL_FOLDER` is set. That mail is not delivered, so it requires a local `DYNAMODB_ENDPOINT` and never
///   runs against AWS;
/// - SES otherwise, optionally with `SES_CONFIGURATION_SET` and `SES_ENDPOINT`.
///
/// # Errors
/// Names the variable that is missing or wrong.
pub fn mailer_from_env(
    var: impl Fn(&str) -> Option<String>,
    table: &TableConfig,
    aws: &SdkConfig,
) -> Result<Arc<dyn Mailer>, String> {
    match var("MAIL_FOLDER") {
        Some(_) if !table.place.is_local() => Err("MAIL_FOLDER needs a local DYNAMODB_ENDPOINT".to_owned()),
        Some(folder) => Ok(Arc::new(MailFolder::new(folder))),
        None => {
            let (endpoint, configuration_set) = (var("SES_ENDPOINT"), var("SES_CONFIGURATION_SET"));
            let aws = aws.to_builder().http_client(table.transport.for_writes()).build();
            Ok(Arc::new(Ses::connect(SesConfig { aws, endpoint, configuration_set })?))
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_types::region::Region;
    use table::Transport;

    use super::*;

    fn of<'a>(set: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> {
        move |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn a_shop_without_a_sender_does_not_start() {
        assert!(sender_from_env(of(&[])).unwrap_err().starts_with("MAIL_FROM"));
        assert!(sender_from_env(of(&[("MAIL_FROM", "Shop")])).unwrap_err().starts_with("MAIL_FROM"));
        let named = sender_from_env(of(&[("MAIL_FROM", "a@b.example"), ("SHOP_NAME", "Mugs")])).unwrap();
        assert_eq!(named.shop, "Mugs");
    }

    #[test]
    fn a_shop_with_an_invalid_page_of_orders_does_not_start() {
        let read = |url| order_url_from_env(of(&[("ORDER_URL", url)]));

        assert_eq!(order_url_from_env(of(&[])).unwrap(), None);
        let page = read("https://shop.example/orders/{orderId}").unwrap().map(|url| url.to_string());
        assert_eq!(page.as_deref(), Some("https://shop.example/orders/{orderId}"));
        assert!(read("https://shop.example/orders").unwrap_err().starts_with("ORDER_URL: must be"));
    }

    #[test]
    fn a_shop_with_invalid_limits_does_not_start() {
        assert_eq!(limits_from_env(of(&[])).unwrap(), MailLimits::default());
        assert_eq!(limits_from_env(of(&[("MAIL_LIMITS", "recipient=3")])).unwrap().recipient, 3);
        let wrong = limits_from_env(of(&[("MAIL_LIMITS", "recipient=none")])).unwrap_err();
        assert!(wrong.starts_with("MAIL_LIMITS") && wrong.contains("recipient=none"), "{wrong}");
    }

    #[test]
    fn a_shop_with_an_invalid_page_of_accounts_does_not_start() {
        let read = |url| account_url_from_env(of(&[("ACCOUNT_URL", url)]));

        assert_eq!(account_url_from_env(of(&[])), Ok(None));
        assert!(read("https://shop.example/account/{action}#{token}").unwrap().is_some());
        assert!(read("https://shop.example/account").unwrap_err().starts_with("ACCOUNT_URL: must be"));
    }

    #[test]
    fn a_mail_folder_is_refused_on_aws() {
        let aws = SdkConfig::builder().region(Region::from_static("us-east-1")).build();
        let table = |set| TableConfig::from_env(of(set), &aws, Transport::default()).unwrap();
        let endpoints = [("BUCKET_NAME", "b"), ("DYNAMODB_ENDPOINT", "http://d"), ("S3_ENDPOINT", "http://s")];
        let (on_aws, local) = (table(&[("BUCKET_NAME", "b")]), table(&endpoints));

        let folder = [("MAIL_FOLDER", "target/mail")];

        assert!(mailer_from_env(of(&folder), &on_aws, &aws).is_err());
        assert!(mailer_from_env(of(&folder), &local, &aws).is_ok());
        assert!(mailer_from_env(of(&[("SES_ENDPOINT", "http://127.0.0.1:1")]), &on_aws, &aws).is_ok());
    }
}
