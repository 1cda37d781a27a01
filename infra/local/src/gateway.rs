use std::{net::SocketAddr, sync::Arc};

use api::{Context, Problem, edge};
use axum::{
    Router,
    extract::{Path, Request},
    middleware::{Next, from_fn},
    response::{Html, IntoResponse},
    routing::get,
};
use http::header;
use payments::PaymentProvider;
use table::Descriptions;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, InfoBuilder, LicenseBuilder, Ref, RefOr, ResponseBuilder, Server,
        path::Operation,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::{
    door::{Pages, guarded},
    function,
    mapping::{self, Consumer},
    pictures, sample, told_to_stop,
};

const CROSS_SITE: &str = "`cross_site_request`";

const DESCRIPTION: &str = "Products, carts, orders and sessions of a shop on one DynamoDB table.\n\nParameters of the query \
                           that a route does not know are ignored, on every route; one that it knows is refused with 400 \
                           if its value is wrong or if it comes twice. `nextCursor` of a list is `null` if nothing \
                           follows, and only then. An `Idempotency-Key` may be bare or in quotes; both are the same key. \
                           `If-Match` takes `*`, or one entity tag or several, compared strongly.";

const PAGE: &str = include_str!("../assets/index.html");

/// Every function's routes, as API Gateway would put them side by side, with the document that describes them; and what
/// takes events instead of requests, as Lambda itself offers it.
pub fn router(
    context: &Context,
    descriptions: &Descriptions,
    payments: Arc<dyn PaymentProvider>,
    consumers: &[Arc<Consumer>],
) -> (Router, utoipa::openapi::OpenApi) {
    let functions = functions(context, descriptions, payments);
    let routes = functions.into_iter().fold(OpenApiRouter::new(), |routes, (name, function)| {
        let run = move |request: Request, next: Next| {
            function::run_as(deployed_as(name, request.uri().path()), next.run(request))
        };
        routes.merge(function.layer(from_fn(run)))
    });
    let mut document = openapi(routes.get_openapi().clone());
    let base = context.policy.base_path.as_str();
    document.servers = (!base.is_empty()).then(|| vec![Server::new(base)]);
    let text: Arc<str> = document.to_pretty_json().unwrap_or_default().into();
    let routes = routes
        .route("/", get(async || Html(PAGE)))
        .route("/images/{name}", get(picture))
        .route("/openapi.json", get(async move || ([(header::CONTENT_TYPE, "application/json")], text.to_string())));
    // Beside the edge, which has limits for customers and answers for their browsers.
    let invoke = guarded(mapping::invoke(consumers), Pages::Refused);
    (guarded(edge::finish(routes, context).0.merge(invoke), Pages::Accepted), document)
}

/// The functions that answer requests, by the name of their binary.
pub fn functions(
    context: &Context,
    descriptions: &Descriptions,
    payments: Arc<dyn PaymentProvider>,
) -> [(&'static str, OpenApiRouter); 4] {
    [
        ("products", products::router(products::State::new(context.clone(), descriptions.clone()))),
        ("cart", cart::router(cart::State::new(context.clone()))),
        ("orders", orders::router(orders::State::new(context.clone(), payments))),
        ("sessions", sessions::router(sessions::State::new(context.clone()))),
    ]
}

/// The function that is deployed for a request. `products` is deployed twice, for everybody and for staff, so that what
/// faces everybody has a role that reads the catalogue and nothing else.
pub fn deployed_as(binary: &'static str, path: &str) -> &'static str {
    match binary {
        "products" if path.starts_with("/admin/") => "products-admin",
        binary => binary,
    }
}

/// The document of the whole API: titled, with the ways to be somebody, and with the answers that the edge gives on
/// behalf of every route.
pub fn openapi(routes: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    document.merge(routes);
    document.info = InfoBuilder::new()
        .title("OneTill")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(DESCRIPTION))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build()))
        .build();
    for path in document.paths.paths.values_mut() {
        let changing = [&mut path.put, &mut path.post, &mut path.patch, &mut path.delete];
        changing.into_iter().flatten().for_each(|operation| edge_answers(operation, true));
        path.get.iter_mut().for_each(|operation| edge_answers(operation, false));
    }
    document
}

/// What the edge may answer before or instead of a handler. Some of it is of routes that change something only.
fn edge_answers(operation: &mut Operation, changes_something: bool) {
    let security = serde_json::to_string(&operation.security).unwrap_or_default();
    let mut answers = vec![
        ("400", "the request is malformed: `header_duplicated`, `id_invalid`, `query_invalid`, `body_invalid`, …"),
        ("431", "`headers_too_large`"),
        ("500", "`internal`"),
        ("503", "`busy`, `outcome_unknown`; with `Retry-After`"),
    ];
    if security.contains("admin") || (security.contains("session") && !security.contains("{}")) {
        answers.push(("401", "`session_missing`, `session_invalid`"));
    }
    match (security.contains("admin"), changes_something) {
        (true, true) => answers.push(("403", "`admin_required`, `cross_site_request`")),
        (true, false) => answers.push(("403", "`admin_required`")),
        (false, true) => answers.push(("403", CROSS_SITE)),
        (false, false) => {}
    }
    // A handler that has a 403 of its own has this one too.
    if let Some(RefOr::T(own)) = operation.responses.responses.get_mut("403").filter(|_| changes_something) {
        own.description = format!("{}; {CROSS_SITE}", own.description);
    }
    if operation.request_body.is_some() {
        answers.push(("413", "`body_too_large`"));
        answers.push(("415", "`media_type_unsupported`"));
    }
    for (status, description) in answers {
        operation.responses.responses.entry(status.to_owned()).or_insert_with(|| {
            let problem = Ref::from_schema_name("ProblemDetails");
            let content = ContentBuilder::new().schema(Some(problem)).build();
            let response = ResponseBuilder::new().description(description).content("application/problem+json", content);
            RefOr::T(response.build())
        });
    }
}

#[derive(OpenApi)]
#[openapi(modifiers(&Sessions))]
struct Document;

struct Sessions;

impl Modify for Sessions {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = |description: &str| {
            let mut scheme = Http::new(HttpAuthScheme::Bearer);
            scheme.description = Some(description.to_owned());
            SecurityScheme::Http(scheme)
        };
        components.add_security_scheme("session", bearer("any session, a guest's too"));
        components.add_security_scheme("admin", bearer("a session of a customer with the role admin"));
    }
}

async fn picture(Path(name): Path<String>) -> Result<impl IntoResponse, Problem> {
    let product = name.strip_suffix(".svg").and_then(sample::product).ok_or_else(|| Problem::not_found("picture"))?;
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=3600")];
    Ok((headers, pictures::draw(&product)))
}

/// Serves a router until the stack stops; `what` it is stands in the log.
pub fn serve(
    what: &'static str,
    listener: TcpListener,
    router: Router,
    stopped: watch::Receiver<bool>,
    servers: &mut JoinSet<()>,
) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    servers.spawn(async move {
        let served = axum::serve(listener, service).with_graceful_shutdown(told_to_stop(stopped)).await;
        if let Err(error) = served {
            tracing::error!(%error, "the {what} ended");
        }
    });
}
