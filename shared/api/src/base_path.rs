//! An API that clients reach below a path: a named stage of API Gateway, or a mapping of a domain with a key.

use axum::{Router, extract::Request, response::IntoResponse};
use http::{HeaderMap, HeaderValue, Uri, header, uri::PathAndQuery};
use lambda_http::{RequestExt as _, request::RequestContext};
use tower::ServiceExt as _;

/// The prefix of every route, such as `/prod`; empty by default. Cookies are valid for the whole host either way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BasePath(String);

impl BasePath {
    /// Reads `/prod`, `prod` or `/shop/v1`; an empty text and `/` mean no base path.
    ///
    /// # Errors
    /// The text is not such a path.
    pub fn parse(text: &str) -> Result<Self, String> {
        let path = text.strip_prefix('/').unwrap_or(text);
        if path.is_empty() {
            return Ok(Self::default());
        }
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        let is_segment = |s: &str| !s.is_empty() && !matches!(s, "." | "..") && s.bytes().all(allowed);
        match path.split('/').all(is_segment) {
            true => Ok(Self(format!("/{path}"))),
            false => {
                Err(format!("{text:?} is not a path such as /prod, of A-Z a-z 0-9 . _ -, without a slash at its end"))
            }
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Prepends the base path to a path of this API in an answer, so that a client can follow it.
    pub(crate) fn put_before_location(&self, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        let path = headers.get(header::LOCATION).and_then(|v| v.to_str().ok()).filter(|path| path.starts_with('/'));
        let Some(whole) = path.and_then(|path| HeaderValue::from_str(&format!("{}{path}", self.0)).ok()) else {
            return;
        };
        headers.insert(header::LOCATION, whole);
    }

    /// The path to route by.
    ///
    /// `lambda_http` prepends the stage to the path of an event of a named stage if the path does not start with it, so
    /// the path that the gateway sent is used instead. It may start with the stage, with the key of the mapping, or
    /// with neither: [AWS
    /// documents](https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html)
    /// that it does not contain the key, but some gateways send it.
    fn route<'r>(&self, request: &'r Request) -> &'r str {
        let stage = match request.extensions().get::<RequestContext>() {
            Some(RequestContext::ApiGatewayV2(context)) => {
                context.stage.as_deref().filter(|stage| *stage != "$default")
            }
            _ => None,
        };
        let sent = request.raw_http_path();
        let path = if stage.is_some() && !sent.is_empty() { sent } else { request.uri().path() };
        if self.0.is_empty() {
            return path;
        }
        let whole_segments = |rest: &&str| rest.is_empty() || rest.starts_with('/');
        let below_base = path.strip_prefix(&self.0).filter(whole_segments);
        let below_stage = || stage.and_then(|stage| path.strip_prefix('/')?.strip_prefix(stage)).filter(whole_segments);
        match below_base.or_else(below_stage) {
            Some("") => "/",
            Some(route) => route,
            None => path,
        }
    }
}

/// The same routes below the base path. They also match without it: a gateway may have removed it already.
pub(crate) fn mounted(routes: Router, base: BasePath) -> Router {
    Router::new().fallback(move |mut request: Request| async move {
        // The rest of a valid path is a valid path; if it were not, the request would keep its path.
        if let Some(uri) = with_path(request.uri(), base.route(&request)) {
            *request.uri_mut() = uri;
        }
        routes.oneshot(request).await.into_response()
    })
}

/// The same URI with another path. `None` if nothing changes.
fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    if path == uri.path() {
        return None;
    }
    let path_and_query = uri.query().map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_read_with_a_slash_or_without() {
        for (text, base) in
            [("", ""), ("/", ""), ("prod", "/prod"), ("/prod", "/prod"), ("/shop/v1.2_a-b", "/shop/v1.2_a-b")]
        {
            assert_eq!(BasePath::parse(text).unwrap().as_str(), base);
        }
        for wrong in ["/prod/", "//prod", "/a//b", "/a b", "/{x}", "/a/..", "https://shop.example", "/a?b", "/ä"] {
            assert!(BasePath::parse(wrong).unwrap_err().contains("/prod"), "{wrong}");
        }
    }

    #[test]
    fn only_whole_segments_are_taken_off() {
        let base = BasePath::parse("/shop").unwrap();
        let route = |uri: &str| base.route(&Request::builder().uri(uri).body(Default::default()).unwrap()).to_owned();

        for (uri, path) in [
            ("/shop/products", "/products"),
            ("/shop", "/"),
            ("/shop/", "/"),
            ("/products", "/products"),
            ("/shopping/products", "/shopping/products"),
            ("/products/shop/x", "/products/shop/x"),
            ("https://api.example/shop/cart?x=/shop", "/cart"),
        ] {
            assert_eq!(route(uri), path, "{uri}");
        }
        let none = BasePath::default();
        assert_eq!(none.route(&Request::builder().uri("/shop/cart").body(Default::default()).unwrap()), "/shop/cart");
    }

    #[test]
    fn a_location_within_the_api_begins_with_the_base_path() {
        let after = |base: &str, location: &str| {
            let mut headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_str(location).unwrap())]);
            BasePath::parse(base).unwrap().put_before_location(&mut headers);
            headers[header::LOCATION].to_str().unwrap().to_owned()
        };

        assert_eq!(after("/prod", "/orders/1"), "/prod/orders/1");
        assert_eq!(after("", "/orders/1"), "/orders/1");
        assert_eq!(after("/prod", "https://elsewhere.example/x"), "https://elsewhere.example/x");
    }
}
