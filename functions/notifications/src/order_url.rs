use std::fmt;

use domain::OrderId;
use links::LinkToken;

/// What stands for the order's id.
const ID: &str = "{orderId}";

/// What stands for a guest's token.
const TOKEN: &str = "{token}";

/// Where http is allowed: pages of this machine.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The storefront's page of an order: a URL with `{orderId}` in it, such as `https://shop.example/orders/{orderId}`. With
/// `{token}` behind a `#`, guests open it without a session: the token stands in the fragment, which browsers send to no
/// server, and name to no other page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderUrl(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an https URL with {ID} once after its host, and with {TOKEN} behind a # if guests can open it, such as \
     https://shop.example/orders/{ID}#{TOKEN}: {reason}"
)]
pub struct InvalidOrderUrl {
    reason: &'static str,
}

impl OrderUrl {
    /// # Errors
    /// What is wrong with it.
    pub fn parse(raw: &str) -> Result<Self, InvalidOrderUrl> {
        let invalid = |reason| InvalidOrderUrl { reason };
        let (before, after) = raw.split_once(ID).ok_or_else(|| invalid("it has no place for the order's id"))?;
        if raw.split_once(TOKEN).is_some_and(|(before, _)| !before.contains('#')) {
            return Err(invalid("its token would be sent to a server"));
        }
        let with_token = format!("{before}{after}").replacen(TOKEN, "", 1);
        if !with_token.bytes().all(is_uri_character) {
            return Err(invalid("it has a character that is none of a URL, or another place"));
        }
        let (scheme, rest) = before.split_once("://").ok_or_else(|| invalid("it has no scheme"))?;
        let authority = rest.split(['/', '?', '#']).next().filter(|authority| authority.len() < rest.len());
        let authority = authority.ok_or_else(|| invalid("the order's id would be a part of the host"))?;
        let host = authority.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let host = host.map_or(authority, |(host, _)| host);
        if host.is_empty() || host.contains('@') {
            return Err(invalid("it has no host, or names a user"));
        }
        match scheme {
            "https" => {}
            "http" if LOCAL.contains(&host) => {}
            _ => return Err(invalid("it is not https")),
        }
        Ok(Self(raw.to_owned()))
    }

    /// Whether guests can open it.
    pub(crate) fn takes_token(&self) -> bool {
        self.0.contains(TOKEN)
    }

    /// The page of an order; with a token, if it takes one. Ids and tokens need no escaping in a URL.
    pub(crate) fn link(&self, order: OrderId, token: Option<&LinkToken>) -> String {
        let url = self.0.replacen(ID, &order.to_string(), 1);
        match token {
            Some(token) => url.replacen(TOKEN, token.reveal(), 1),
            None if self.takes_token() => url.replacen(TOKEN, "", 1).trim_end_matches(['#', '/']).to_owned(),
            None => url,
        }
    }
}

impl fmt::Display for OrderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 3986, section 2.
fn is_uri_character(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b)
}

#[cfg(test)]
mod tests {
    use links::LinkKeys;

    use super::*;

    #[test]
    fn the_orders_id_takes_its_place_in_the_url() {
        let id = "018cc251-f400-7000-8000-000000000000".parse().unwrap();
        for (pattern, url) in [
            (
                "https://shop.example/orders/{orderId}",
                "https://shop.example/orders/018cc251-f400-7000-8000-000000000000",
            ),
            (
                "https://shop.example/orders/{orderId}/",
                "https://shop.example/orders/018cc251-f400-7000-8000-000000000000/",
            ),
            (
                "https://shop.example:8443/?order={orderId}&from=mail",
                "https://shop.example:8443/?order=018cc251-f400-7000-8000-000000000000&from=mail",
            ),
            (
                "http://127.0.0.1:9000/#/orders/{orderId}",
                "http://127.0.0.1:9000/#/orders/018cc251-f400-7000-8000-000000000000",
            ),
        ] {
            let parsed = OrderUrl::parse(pattern).unwrap();

            assert_eq!((parsed.link(id, None).as_str(), parsed.to_string().as_str()), (url, pattern));
        }
    }

    #[test]
    fn a_guests_token_stands_behind_the_hash_and_nowhere_else() {
        let id = "018cc251-f400-7000-8000-000000000000".parse().unwrap();
        let token = LinkKeys::new(&[[7; 32]]).order_token(id, domain::Timestamp::UNIX_EPOCH);
        let shown = token.reveal();
        for (pattern, with, without) in [
            ("https://shop.example/orders/{orderId}#{token}", format!("orders/{id}#{shown}"), format!("orders/{id}")),
            (
                "https://shop.example/#/orders/{orderId}/{token}",
                format!("#/orders/{id}/{shown}"),
                format!("#/orders/{id}"),
            ),
        ] {
            let page = OrderUrl::parse(pattern).unwrap();

            assert!(page.takes_token());
            assert_eq!(page.link(id, Some(&token)), format!("https://shop.example/{with}"));
            assert_eq!(page.link(id, None), format!("https://shop.example/{without}"));
        }
        for wrong in [
            "https://shop.example/orders/{orderId}?{token}",
            "https://shop.example/{token}#{orderId}",
            "https://shop.example/orders/{orderId}#{token}{token}",
            "https://shop.example/#{token}",
        ] {
            assert!(OrderUrl::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_safe_url_with_a_place_for_an_order_is_refused() {
        for pattern in [
            "",
            "https://shop.example/orders",
            "shop.example/orders/{orderId}",
            "http://shop.example/orders/{orderId}",
            "https://shop.example/{orderId}/{orderId}",
            "https://shop.example/{orderid}",
            "https://{orderId}/orders",
            "https://{orderId}.shop.example/",
            "https:///orders/{orderId}",
            "https://shop@evil.example/{orderId}",
            "http://localhost@evil.example/{orderId}",
            "http://localhost:80@evil.example/{orderId}",
            "javascript://shop.example/{orderId}",
            "https://shop.example/orders {orderId}",
            "https://shop.example/\"><{orderId}",
        ] {
            assert!(OrderUrl::parse(pattern).is_err(), "{pattern}");
        }
    }
}
