//! Cross-site request forgery: requests that a page of another site makes a browser send on behalf of its user.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, Method, Uri, header};

use crate::{Context, Problem, body::is_json, codes, session::opens_by_cookie};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What the headers say about the page that sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    /// Of an allowed origin, or of this host.
    Trusted,
    Foreign,
    /// Possibly no page: servers, apps and very old browsers send none of these headers.
    Unknown,
}

/// Wraps every route, so that no handler has to remember it: requests that change something and come from a foreign
/// page are refused, also without a cookie, because an answer may set one.
///
/// A browser sends the session's cookie with requests of any page. So a request that changes something with that cookie
/// has to come from a trusted page, and must not be a form: a page can send a form without a preflight.
pub(crate) async fn refuse(State(context): State<Context>, request: Request, next: Next) -> Response {
    if !changes_something(request.method()) {
        return next.run(request).await;
    }
    let headers = request.headers();
    let page = page(headers, request.uri(), &context.policy.origins);
    let form = request.method() == Method::POST && headers.contains_key(header::CONTENT_TYPE) && !is_json(headers);
    let detail = if page == Page::Foreign {
        "a request of a web page must come from an allowed origin"
    } else if opens_by_cookie(headers) && (page == Page::Unknown || form) {
        "a request with a cookie must be JSON and come from an allowed origin"
    } else {
        return next.run(request).await;
    };
    Problem::new(codes::CrossSiteRequest, detail).into_response()
}

fn changes_something(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// By `Origin`, which browsers send with every request that is not a GET or HEAD; without it by `Sec-Fetch-Site`. A
/// header that is not text counts as a foreign page.
/// <https://fetch.spec.whatwg.org/#origin-header>, <https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>
fn page(headers: &HeaderMap, uri: &Uri, allowed: &[String]) -> Page {
    if let Some(origin) = headers.get(header::ORIGIN) {
        let own_host =
            headers.get(header::HOST).and_then(|host| host.to_str().ok()).or(uri.authority().map(|a| a.as_str()));
        return match origin.to_str() {
            Ok(origin) if allowed.iter().any(|o| o == origin) => Page::Trusted,
            Ok(origin) if own_host.is_some_and(|host| is_own_origin(origin, host)) => Page::Trusted,
            Ok(_) | Err(_) => Page::Foreign,
        };
    }
    match headers.get(SEC_FETCH_SITE).map(|site| site.as_bytes()) {
        Some(b"same-origin") => Page::Trusted,
        // `none`: started by the user, such as an address typed in.
        None | Some(b"none") => Page::Unknown,
        Some(_) => Page::Foreign,
    }
}

/// A page served by this host over TLS; without TLS only on this machine, where nobody can intercept it.
fn is_own_origin(origin: &str, host: &str) -> bool {
    match origin.split_once("://") {
        Some(("https", of)) => of == host,
        Some(("http", of)) => {
            let name = of.rsplit_once(':').map_or(of, |(name, _)| name);
            of == host && matches!(name, "127.0.0.1" | "localhost" | "[::1]")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const STOREFRONT: &str = "https://shop.example";

    fn of(headers: &[(HeaderName, &str)]) -> Page {
        let headers = headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        page(&headers.collect(), &Uri::from_static("https://api.example/cart"), &[STOREFRONT.to_owned()])
    }

    #[test]
    fn a_page_is_trusted_by_its_origin_or_else_by_sec_fetch_site() {
        let (origin, host, site) = (header::ORIGIN, header::HOST, SEC_FETCH_SITE);

        for (headers, page) in [
            (vec![], Page::Unknown),
            (vec![(site.clone(), "none")], Page::Unknown),
            (vec![(origin.clone(), STOREFRONT)], Page::Trusted),
            (vec![(origin.clone(), STOREFRONT), (site.clone(), "cross-site")], Page::Trusted),
            (vec![(origin.clone(), "https://api.example")], Page::Trusted),
            (vec![(origin.clone(), "http://localhost:9000"), (host.clone(), "localhost:9000")], Page::Trusted),
            (vec![(site.clone(), "same-origin")], Page::Trusted),
            (vec![(origin.clone(), "null")], Page::Foreign),
            (vec![(origin.clone(), "http://api.example")], Page::Foreign),
            (vec![(origin.clone(), "https://evil.example"), (site.clone(), "same-origin")], Page::Foreign),
            (vec![(origin.clone(), "http://localhost:9001"), (host, "localhost:9000")], Page::Foreign),
            (vec![(site.clone(), "same-site")], Page::Foreign),
            (vec![(site.clone(), "cross-site")], Page::Foreign),
            (vec![(site, "anything else")], Page::Foreign),
        ] {
            assert_eq!(of(&headers), page, "{headers:?}");
        }
    }

    #[test]
    fn an_origin_that_is_not_text_is_foreign() {
        let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_bytes(b"https://\xff").unwrap())]);

        assert_eq!(page(&headers, &Uri::from_static("/cart"), &[]), Page::Foreign);
    }
}
