use std::fmt;

use domain::OrderId;

/// What stands for the order's id.
const PLACE: &str = "{orderId}";

/// Where http is allowed: pages of this machine.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The storefront's page of an order: a URL with `{orderId}` in it, such as `https://shop.example/orders/{orderId}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderUrl {
    before: String,
    after: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be an https URL with {PLACE} once after its host, such as https://shop.example/orders/{PLACE}: {reason}")]
pub struct InvalidOrderUrl {
    reason: &'static str,
}

impl OrderUrl {
    /// # Errors
    /// What is wrong with it.
    pub fn parse(raw: &str) -> Result<Self, InvalidOrderUrl> {
        let invalid = |reason| InvalidOrderUrl { reason };
        let (before, after) = raw.split_once(PLACE).ok_or_else(|| invalid("it has no place for the order's id"))?;
        if !before.bytes().chain(after.bytes()).all(is_uri_character) {
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
        Ok(Self { before: before.to_owned(), after: after.to_owned() })
    }

    pub fn of(&self, order: OrderId) -> String {
        let Self { before, after } = self;
        format!("{before}{order}{after}")
    }
}

impl fmt::Display for OrderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, after } = self;
        write!(f, "{before}{PLACE}{after}")
    }
}

/// RFC 3986, section 2.
fn is_uri_character(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&b)
}

#[cfg(test)]
mod tests {
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
                "https://shop.example:8443/?order={orderId}&from=mail",
                "https://shop.example:8443/?order=018cc251-f400-7000-8000-000000000000&from=mail",
            ),
            (
                "http://127.0.0.1:9000/#/orders/{orderId}",
                "http://127.0.0.1:9000/#/orders/018cc251-f400-7000-8000-000000000000",
            ),
        ] {
            let parsed = OrderUrl::parse(pattern).unwrap();

            assert_eq!((parsed.of(id).as_str(), parsed.to_string().as_str()), (url, pattern));
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
