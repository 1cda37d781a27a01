use std::fmt;

/// What the customer has to do before the provider charges: authenticate the payment towards their bank (3-D Secure).
/// It is only sent to the customer: it is neither stored nor logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentAction {
    pub client_secret: ClientSecret,
    /// Identifies the shop's account to the provider's script in the storefront. Not a secret.
    pub publishable_key: Option<String>,
    /// Where the bank's page sends the customer afterwards.
    pub return_url: Option<String>,
}

/// Lets its holder finish one payment. `Debug` hides it, and it is not serialised: [`ClientSecret::reveal`] is for the
/// one answer that carries it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(String);

impl ClientSecret {
    pub(crate) fn new(secret: String) -> Self {
        Self(secret)
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(redacted)")
    }
}

/// Where the bank's page sends the customer afterwards: a URL of the storefront, in which `{orderId}` is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnUrl(String);

impl ReturnUrl {
    /// # Errors
    /// It is not a URL of a web page that only the customer's browser and the storefront can read.
    pub fn parse(raw: &str) -> Result<Self, String> {
        let local = ["http://127.0.0.1", "http://localhost", "http://[::1]"];
        // The host has to end there, so that it is not `localhost.evil.example`.
        let ends = |rest: &str| {
            let rest =
                rest.strip_prefix(':').map_or(rest, |port| port.trim_start_matches(|c: char| c.is_ascii_digit()));
            rest.is_empty() || rest.starts_with(['/', '?', '#'])
        };
        let is_local = local.iter().filter_map(|host| raw.strip_prefix(host)).any(ends);
        let is_secure = raw.starts_with("https://") || is_local;
        match is_secure && raw.len() <= 500 && raw.bytes().all(|b| b.is_ascii_graphic()) {
            true => Ok(Self(raw.to_owned())),
            false => Err("is neither an https: URL nor one of this machine".to_owned()),
        }
    }

    pub fn of(&self, order: domain::OrderId) -> String {
        self.0.replace("{orderId}", &order.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_secret_is_not_shown() {
        let client_secret = ClientSecret::new("pi_1_secret_2".to_owned());
        let action = PaymentAction { client_secret, publishable_key: None, return_url: None };

        assert!(!format!("{action:?}").contains("secret_2"));
        assert_eq!(action.client_secret.reveal(), "pi_1_secret_2");
    }

    #[test]
    fn a_return_url_names_the_order_and_is_not_plain_http() {
        let order: domain::OrderId = "018cc251-f400-7000-8000-000000000000".parse().unwrap();

        let url = ReturnUrl::parse("https://shop.example/paid/{orderId}").unwrap();

        assert_eq!(url.of(order), format!("https://shop.example/paid/{order}"));
        assert!(ReturnUrl::parse("http://127.0.0.1:9000/").is_ok());
        for wrong in [
            "http://shop.example/",
            "http://localhost.evil.example/",
            "http://127.0.0.1@evil.example/",
            "http://localhost:80@evil.example/",
            "shop.example",
            "javascript:alert(1)",
            "https://shop.example/a b",
            "",
        ] {
            assert!(ReturnUrl::parse(wrong).is_err(), "{wrong}");
        }
    }
}
