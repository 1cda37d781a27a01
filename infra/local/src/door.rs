//! Decides which requests the ports of this machine accept.
//!
//! They listen on loopback only, but any page in a browser on this machine can reach loopback. Three headers that no
//! page can change identify such requests: `Origin`, which a browser adds to cross-origin requests of scripts and
//! forms, `Sec-Fetch-Site`, which it also adds for images, frames and links, and `Host`, which is the page's own domain
//! if that domain's DNS was changed to 127.0.0.1 after the page was loaded (DNS rebinding).

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http::{
    HeaderName, StatusCode,
    header::{HOST, ORIGIN},
    request::Parts,
    uri::Authority,
};
use serde_json::json;

/// What pages may do at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// They may send requests; CORS and the session decide what is allowed.
    Accepted,
    /// A request with an `Origin` or a `Sec-Fetch-Site` is refused. SDKs, the AWS CLI and curl send neither.
    Refused,
}

/// <https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The router, behind a check of every request, including those that match no route.
pub fn guarded(router: Router, pages: Pages) -> Router {
    router.layer(from_fn_with_state(pages, check))
}

async fn check(State(pages): State<Pages>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Some(message) = refusal(&parts, pages) else {
        return next.run(Request::from_parts(parts, body)).await;
    };
    // In DynamoDB's format, so that its SDKs can read it. Nothing here allows a page to.
    const CODE: &str = "AccessDeniedException";
    let body = json!({"__type": CODE, "message": message});
    (StatusCode::FORBIDDEN, [(HeaderName::from_static("x-amzn-errortype"), CODE)], Json(body)).into_response()
}

/// Why a request is refused, if it is.
fn refusal(parts: &Parts, pages: Pages) -> Option<&'static str> {
    if !is_for_this_machine(parts) {
        return Some("the request names another host: send it to 127.0.0.1, localhost or [::1]");
    }
    match pages {
        Pages::Refused if parts.headers.contains_key(ORIGIN) || parts.headers.contains_key(FETCH_SITE) => Some(
            "the request comes from a web page (it has an Origin or Sec-Fetch-Site), and pages may not use this port",
        ),
        Pages::Refused | Pages::Accepted => None,
    }
}

/// Whether the request names a host, and every host it names is this machine. HTTP/2 names it in the URI, and so does
/// an HTTP/1.1 request for a proxy.
fn is_for_this_machine(parts: &Parts) -> bool {
    let hosts = parts.headers.get_all(HOST).iter().map(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let mut hosts = parts.uri.authority().cloned().map(Some).into_iter().chain(hosts).peekable();
    let is_local = |host: &str| ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| host.eq_ignore_ascii_case(own));
    hosts.peek().is_some() && hosts.all(|host| host.is_some_and(|host| is_local(host.host())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(HeaderName, &str)]) -> Parts {
        let request =
            headers.iter().fold(Request::builder().uri(uri), |request, (name, value)| request.header(name, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn only_requests_that_name_this_machine_pass() {
        let passes = |uri: &str, hosts: &[&str]| {
            let headers: Vec<_> = hosts.iter().map(|host| (HOST, *host)).collect();
            refusal(&request(uri, &headers), Pages::Accepted).is_none()
        };

        for host in ["127.0.0.1", "127.0.0.1:8000", "localhost", "LocalHost:8000", "[::1]", "[::1]:8000"] {
            assert!(passes("/", &[host]), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8000",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8000",
            "evil-localhost",
            "localhost@evil.example",
            "0.0.0.0:8000",
            "192.168.0.10:8000",
            "[::2]:8000",
            "::1",
            "",
            "localhost, evil.example",
        ] {
            assert!(!passes("/", &[host]), "{host}");
        }
        assert!(!passes("/", &[]), "HTTP/1.0 without a host");
        assert!(!passes("/", &["localhost", "evil.example"]));
        assert!(passes("http://localhost:8000/", &[]), "HTTP/2");
        assert!(!passes("http://evil.example/", &["localhost:8000"]));
        assert!(!passes("http://localhost:8000/", &["evil.example"]));
    }

    #[test]
    fn any_origin_is_refused_where_pages_are_refused() {
        for origin in ["https://evil.example", "http://localhost:8000", "http://127.0.0.1:9000", "null", ""] {
            let parts = request("/", &[(HOST, "localhost:8000"), (ORIGIN, origin)]);

            assert!(refusal(&parts, Pages::Refused).is_some(), "{origin}");
            assert!(refusal(&parts, Pages::Accepted).is_none(), "{origin}");
        }
    }

    #[test]
    fn an_image_or_a_link_of_a_page_is_refused_too() {
        for site in ["cross-site", "same-site", "same-origin", "none"] {
            let parts = request("/", &[(HOST, "localhost:8000"), (FETCH_SITE, site)]);

            assert!(refusal(&parts, Pages::Refused).is_some(), "{site}");
            assert!(refusal(&parts, Pages::Accepted).is_none(), "{site}");
        }
    }
}
