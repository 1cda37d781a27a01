use std::{net::SocketAddr, sync::Arc};

use api::{Context, Problem, edge};
use axum::{
    Router,
    extract::Path,
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
        InfoBuilder, LicenseBuilder,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::router::OpenApiRouter;

use crate::{pictures, sample, told_to_stop};

const PAGE: &str = include_str!("../assets/index.html");

/// Every function's routes, as API Gateway would put them side by side, with the document that describes them.
pub fn router(
    context: &Context,
    descriptions: &Descriptions,
    payments: Arc<dyn PaymentProvider>,
) -> (Router, utoipa::openapi::OpenApi) {
    let routes = OpenApiRouter::new()
        .merge(products::router(products::State::new(context.clone(), descriptions.clone())))
        .merge(cart::router(cart::State::new(context.clone())))
        .merge(orders::router(orders::State::new(context.clone(), payments)))
        .merge(sessions::router(sessions::State::new(context.clone())));
    let document = openapi(routes.get_openapi().clone());
    let text: Arc<str> = document.to_pretty_json().unwrap_or_default().into();
    let routes = routes
        .route("/", get(async || Html(PAGE)))
        .route("/images/{name}", get(picture))
        .route("/openapi.json", get(async move || ([(header::CONTENT_TYPE, "application/json")], text.to_string())));
    (edge::finish(routes, context).0, document)
}

/// The document of the whole API: titled, and with the two ways to be somebody.
pub fn openapi(routes: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    document.merge(routes);
    document.info = InfoBuilder::new()
        .title("OneTill")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Products, carts, orders and sessions of a shop on one DynamoDB table."))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build()))
        .build();
    document
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

pub fn serve(listener: TcpListener, router: Router, stopped: watch::Receiver<bool>, servers: &mut JoinSet<()>) {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    servers.spawn(async move {
        let served = axum::serve(listener, service).with_graceful_shutdown(told_to_stop(stopped)).await;
        if let Err(error) = served {
            tracing::error!(%error, "the gateway ended");
        }
    });
}
