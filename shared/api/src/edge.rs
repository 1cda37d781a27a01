//! What all routes share: costs, logs, headers, limits, and answers for requests that match no route.

use std::{
    any::Any,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderName, HeaderValue, Method, header};
use lambda_http::request::RequestContext;
use runtime::telemetry;
use table::meter::{self, Cost};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
};

use crate::{Context, Problem, base_path, codes, cross_site, idempotency};

/// The largest body that a route accepts unless it sets another limit.
pub const BODY_BYTES: usize = 64 * 1024;

/// The largest body of the few routes that take documents or batches.
pub const LARGE_BODY_BYTES: usize = 1024 * 1024;

/// The token of the link in a mail about an order, instead of a session.
pub const ORDER_TOKEN: HeaderName = HeaderName::from_static("order-token");

/// Headers that a page of another origin may send. On AWS, API Gateway answers preflights, with the same three.
pub const SENT_BY_PAGES: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    HeaderName::from_static("idempotency-key"),
    ORDER_TOKEN,
];

/// Headers of an answer that a page of another origin may read.
pub const READ_BY_PAGES: [HeaderName; 6] =
    [header::ETAG, header::LOCATION, header::RETRY_AFTER, idempotency::REPLAYED, SEARCH_GENERATION, SEARCH_AGE];

/// The generation of the search index that answered, and how many seconds ago it was made.
pub const SEARCH_GENERATION: HeaderName = HeaderName::from_static("x-search-generation");
pub const SEARCH_AGE: HeaderName = HeaderName::from_static("x-search-age");

/// How long a browser keeps the answer to a preflight.
/// <https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Access-Control-Max-Age>
pub const PREFLIGHT_MAX_AGE: Duration = Duration::from_mins(10);

const HEADER_BYTES: usize = 8 * 1024;

/// Headers that are ambiguous or dangerous when sent twice.
const SINGLE: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::HOST,
    header::ORIGIN,
    HeaderName::from_static("idempotency-key"),
    ORDER_TOKEN,
];

/// Turns routes into a service: for Lambda, the local stack and tests.
pub fn finish(routes: Router, context: &Context) -> Router {
    let router = routes
        .route("/healthz", get(healthz))
        .fallback(async || Problem::new(codes::NotFound, "this route does not exist"))
        .method_not_allowed_fallback(async || {
            Problem::new(codes::MethodNotAllowed, "the route does not support this method")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(context.clone(), cross_site::refuse))
        .layer(cors(&context.policy.origins))
        .layer(from_fn_with_state(context.clone(), observe));
    base_path::mounted(router, context.policy.base_path.clone())
}

/// Health check that does not call the table: replacing the function would not end an outage of DynamoDB.
async fn healthz() -> &'static str {
    "ok"
}

async fn observe(State(context): State<Context>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let invocation = request.extensions().get::<lambda_http::Context>().map(|c| c.request_id.clone());
    let gateway = match request.extensions().get::<RequestContext>() {
        Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
        _ => None,
    };
    let route = request.extensions().get::<MatchedPath>().map(|m| m.as_str().to_owned());

    let (mut response, costs) = meter::measure(async {
        match refuse_headers(&request) {
            Ok(()) => next.run(request).await,
            Err(problem) => problem.into_response(),
        }
    })
    .await;

    let (took, cost) = (started.elapsed(), costs.total);
    tracing::info!(
        method = %method,
        route = route.as_deref().unwrap_or("none"),
        status = response.status().as_u16(),
        ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        rru = cost.rru,
        wru = cost.wru,
        dynamodb_calls = cost.dynamodb_calls,
        s3_calls = cost.s3_calls,
        round_trips = cost.round_trips(),
        patterns = telemetry::patterns(&costs),
        cold_start = telemetry::is_cold_start(),
        request_id = invocation,
        gateway_request_id = gateway,
        "request"
    );
    if let Some(metrics) = &context.policy.metrics {
        metrics.emit_patterns(&costs, context.clock.now());
    }
    let headers = response.headers_mut();
    context.policy.base_path.put_before_location(headers);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let hsts = HeaderValue::from_static("max-age=63072000; includeSubDomains");
    headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts);
    // Answers that a route does not declare cacheable may contain personal data.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if context.policy.show_costs {
        let Cost { rru, wru, dynamodb_calls, s3_calls } = cost;
        let units = format!("rru={rru} wru={wru} dynamodb={dynamodb_calls} s3={s3_calls}");
        let timing = format!("total;dur={:.1}", took.as_secs_f64() * 1_000.0);
        for (name, value) in [("x-consumed-capacity", units), ("server-timing", timing)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }
    response
}

fn refuse_headers(request: &Request) -> Result<(), Problem> {
    let headers = request.headers();
    for name in &SINGLE {
        if headers.get_all(name).iter().nth(1).is_some() {
            return Err(Problem::new(codes::HeaderDuplicated, format!("{name} was sent more than once")));
        }
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > HEADER_BYTES {
        return Err(Problem::new(codes::HeadersTooLarge, "the headers are larger than 8 KiB together"));
    }
    Ok(())
}

fn panicked(payload: Box<dyn Any + Send + 'static>) -> Response {
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|t| (*t).to_owned()));
    Problem::internal(text.unwrap_or_else(|| "a handler panicked".to_owned())).into_response()
}

fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|o| HeaderValue::from_str(o).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers(SENT_BY_PAGES)
        .max_age(PREFLIGHT_MAX_AGE)
        .expose_headers(READ_BY_PAGES)
}
