use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use http::{HeaderMap, HeaderName, request::Parts};
use lambda_http::request::RequestContext;

use crate::{Context, Problem};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address a request came from: as the gateway saw it, or as the trusted proxies of the deployment report it. Never
/// what a client claims about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub Option<IpAddr>);

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress
where
    Context: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let hops = Context::from_ref(state).policy.trusted_proxy_hops;
        Ok(Self(connection(parts).map(|connection| client(&parts.headers, connection, hops.into()))))
    }
}

/// The peer of the connection to the gateway.
fn connection(parts: &Parts) -> Option<IpAddr> {
    let gateway = match parts.extensions.get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        _ => None,
    };
    let socket = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(a)| a.ip());
    gateway.and_then(|ip| ip.parse().ok()).or_else(socket)
}

/// The address in front of this many trusted proxies. Each proxy appends the address that called it to
/// `X-Forwarded-For`, and API Gateway appends the address of its connection: behind one proxy the client is second from
/// the right. Entries further left may be written by the client. If the header is too short, or has no address at that
/// place, the address of the connection is used.
fn client(headers: &HeaderMap, connection: IpAddr, hops: usize) -> IpAddr {
    let values = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let mut chain: Vec<_> = values.flat_map(|value| value.split(',')).map(address).collect();
    // A gateway that appends nothing, such as the local one.
    if chain.last() != Some(&Some(connection)) {
        chain.push(Some(connection));
    }
    chain.into_iter().rev().nth(hops).flatten().unwrap_or(connection)
}

/// Some proxies add the port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const CDN: &str = "192.0.2.1";
    const CLIENT: &str = "198.51.100.7";

    fn of(forwarded_for: &[&str], hops: usize) -> String {
        let headers = forwarded_for.iter().map(|value| (FORWARDED_FOR, HeaderValue::from_str(value).unwrap()));
        client(&headers.collect(), CDN.parse().unwrap(), hops).to_string()
    }

    #[test]
    fn without_a_trusted_proxy_the_header_is_ignored() {
        for header in [&[][..], &["203.0.113.9"], &["203.0.113.9, 192.0.2.1"], &["203.0.113.9", CDN]] {
            assert_eq!(of(header, 0), CDN, "{header:?}");
        }
    }

    #[test]
    fn behind_a_trusted_proxy_the_client_is_the_address_that_the_proxy_appended() {
        assert_eq!(of(&["198.51.100.7, 192.0.2.1"], 1), CLIENT, "API Gateway adds the connection");
        assert_eq!(of(&["198.51.100.7"], 1), CLIENT, "the local gateway does not");
        assert_eq!(of(&["203.0.113.9, 127.0.0.1, 198.51.100.7, 192.0.2.1"], 1), CLIENT);
        assert_eq!(of(&["203.0.113.9", "198.51.100.7", CDN], 1), CLIENT);
        assert_eq!(of(&["nonsense, 198.51.100.7, 192.0.2.1"], 1), CLIENT);
        assert_eq!(of(&["203.0.113.9, 198.51.100.7, 10.0.0.1, 192.0.2.1"], 2), CLIENT);
    }

    #[test]
    fn a_header_that_is_too_short_or_has_no_address_at_that_place_is_ignored() {
        assert_eq!(of(&[], 1), CDN);
        assert_eq!(of(&[CDN], 1), CDN);
        assert_eq!(of(&["198.51.100.7, 192.0.2.1"], 2), CDN);
        for nonsense in ["unknown", "", "_hidden", "198.51.100", "198.51.100.7;x", "::g"] {
            assert_eq!(of(&[&format!("203.0.113.9, {nonsense}, {CDN}")], 1), CDN, "{nonsense}");
        }
    }

    #[test]
    fn an_address_may_have_a_port() {
        assert_eq!(of(&["198.51.100.7:55123, 192.0.2.1"], 1), CLIENT);
        assert_eq!(of(&["[2001:db8::1]:443, 192.0.2.1"], 1), "2001:db8::1");
        assert_eq!(of(&["[2001:db8::1], 192.0.2.1"], 1), "2001:db8::1");
        assert_eq!(of(&["2001:db8::1, 192.0.2.1"], 1), "2001:db8::1");
    }
}
