use std::fmt;

use domain::{Email, Invalid};

/// The sender of mails.
#[derive(Clone, PartialEq, Eq)]
pub struct Sender {
    pub(crate) name: Option<String>,
    pub(crate) email: Email,
    /// The shop's name in mails.
    pub(crate) shop: String,
}

impl Sender {
    /// Reads `Shop <orders@shop.example>`, or an address alone. The shop's name is the sender's, unless
    /// [`Sender::of_shop`] sets another.
    ///
    /// # Errors
    /// Names what is wrong with it.
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let (name, address) = match raw.trim().strip_suffix('>').and_then(|raw| raw.split_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"').trim(), address),
            None => ("", raw),
        };
        if name.chars().any(char::is_control) {
            return Err(Invalid::new("from", "from_invalid", "must not contain control characters"));
        }
        let email = Email::parse(address)?;
        let name = (!name.is_empty()).then(|| name.to_owned());
        let shop = name.clone().unwrap_or_else(|| domain_of(&email).to_owned());
        Ok(Self { name, email, shop })
    }

    /// The same sender, with this name of the shop.
    pub fn of_shop(self, shop: impl Into<String>) -> Self {
        Self { shop: shop.into(), ..self }
    }

    pub(crate) fn domain(&self) -> &str {
        domain_of(&self.email)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("shop", &self.shop).finish_non_exhaustive()
    }
}

fn domain_of(email: &Email) -> &str {
    email.as_str().rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_has_a_name_an_address_and_a_shop() {
        let named = Sender::parse("\"Mugs, Pans & Co\" <Orders@shop.example>").unwrap();
        let bare = Sender::parse("orders@shop.example").unwrap();

        assert_eq!((named.name.as_deref(), named.email.as_str()), (Some("Mugs, Pans & Co"), "orders@shop.example"));
        assert_eq!((named.shop.as_str(), named.domain()), ("Mugs, Pans & Co", "shop.example"));
        assert_eq!((bare.name, bare.shop.as_str()), (None, "shop.example"));
        assert_eq!(Sender::parse("Shop <a@b.example>").unwrap().of_shop("Mugs").shop, "Mugs");
        for raw in ["", "Shop", "Shop <>", "Shop\r\nBcc: x <a@b.example>", "<a@b.example> Shop"] {
            assert!(Sender::parse(raw).is_err(), "{raw:?}");
        }
    }
}
