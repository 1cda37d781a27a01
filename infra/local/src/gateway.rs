use std::sync::Arc;

use api::{Context, Documentation, Problem, Routes, edge};
use axum::{
    Router,
    extract::{Path, Request},
    middleware::{Next, from_fn},
    response::{Html, IntoResponse},
    routing::get,
};
use http::header;
use links::LinkKeys;
use payments::{LocalPayments, PaymentProvider};
use search::Language;
use search_function::{Index, IndexSettings};
use table::Descriptions;
use utoipa::openapi::{OpenApi, Server};

use crate::{
    challenge,
    document::openapi,
    door::{Pages, guarded},
    function,
    mapping::{self, Consumer},
    pictures, sample,
};

const PAGE: &str = include_str!("../assets/index.html");

/// The keys of links in mails.
#[derive(Debug, Clone)]
pub struct Links {
    pub accounts: LinkKeys,
    pub orders: LinkKeys,
}

/// What the functions need that answer requests.
pub struct Functions<'a> {
    pub context: &'a Context,
    pub descriptions: &'a Descriptions,
    pub payments: Arc<dyn PaymentProvider>,
    pub links: &'a Links,
    pub language: Language,
    pub index: IndexSettings,
}

/// The routes of all functions, as API Gateway combines them, with the OpenAPI document; and the functions that take
/// events instead of requests, as Lambda's Invoke API offers them. `asked_here` is the local payment provider, if it is
/// used: its customers answer their bank at this gateway.
pub fn router(
    with: Functions<'_>,
    asked_here: Option<&Arc<LocalPayments>>,
    consumers: &[Arc<Consumer>],
) -> (Router, OpenApi) {
    let (context, links) = (with.context, with.links);
    let functions = with.routes();
    let routes = functions.into_iter().fold(Routes::<OpenApi>::new(), |routes, (name, function)| {
        let run = move |request: Request, next: Next| function::run_as(name, next.run(request));
        routes.merge(function.layer(from_fn(run)))
    });
    let (routes, document) = routes.split_for_parts();
    let mut document = openapi(document);
    let base = context.policy.base_path.as_str();
    document.servers = (!base.is_empty()).then(|| vec![Server::new(base)]);
    let text: Arc<str> = document.to_pretty_json().unwrap_or_default().into();
    let routes = routes
        .route("/", get(async || Html(PAGE)))
        .route("/images/{name}", get(picture))
        .route("/openapi.json", get(async move || ([(header::CONTENT_TYPE, "application/json")], text.to_string())));
    let routes = match asked_here {
        Some(payments) => routes.route("/local/challenge", challenge::page(context, payments, &links.orders)),
        None => routes,
    };
    // Outside of the edge, which has limits for customers and headers for browsers.
    let invoke = guarded(mapping::invoke(consumers), Pages::Refused);
    (guarded(edge::finish(routes, context).merge(invoke), Pages::Accepted), document)
}

impl Functions<'_> {
    /// The functions that answer requests, by the name of their binary. `products` and `products-admin` are of one package,
    /// and share what they remember here.
    pub fn routes<D: Documentation>(self) -> [(&'static str, Routes<D>); 6] {
        let Self { context, descriptions, payments, links, language, index } = self;
        let products = products::State::new(context.clone(), descriptions.clone());
        let (table, bucket) = (context.table.clone(), descriptions.bucket().clone());
        let index = Index::new(table, bucket, language, index);
        [
            ("products", products::router(products.clone())),
            ("products-admin", products::admin_router(products)),
            ("cart", cart::router(cart::State::new(context.clone()))),
            ("orders", orders::router(orders::State::new(context.clone(), payments, links.orders.clone()))),
            ("search", search_function::router(search_function::State::new(context.clone(), index))),
            ("sessions", sessions::router(sessions::State::new(context.clone(), links.accounts.clone()))),
        ]
    }
}

async fn picture(Path(name): Path<String>) -> Result<impl IntoResponse, Problem> {
    let product = name.strip_suffix(".svg").and_then(sample::product).ok_or_else(|| Problem::not_found("picture"))?;
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=3600")];
    Ok((headers, pictures::draw(&product)))
}
