//! What the code of the functions says of a deployment: the routes, and what each function is called in the templates.

use std::{collections::BTreeMap, sync::Arc};

use api::{Context, Cursors, Policy};
use links::LinkKeys;
use local::Functions;
use payments::LocalPayments;
use runtime::Clock;
use table::{Endpoints, Place, TableConfig, TableNames, Timeouts, Transport};
use utoipa::openapi::OpenApi;

use crate::Outcome;

/// A route of the HTTP API.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    pub path: String,
    pub method: String,
    /// The name of its event in SAM's template: the operation id, with a capital letter.
    pub event: String,
}

/// What a function of the code is called in the templates, without what kind of resource it is: `products-admin` is
/// `ProductsAdmin`.
pub fn name_of(function: &str) -> String {
    function.split('-').map(capitalised).collect()
}

/// The function itself among the resources.
pub fn resource_of(function: &str) -> String {
    name_of(function) + "Function"
}

fn capitalised(word: &str) -> String {
    word[..1].to_uppercase() + &word[1..]
}

/// The routes of each function, from the OpenAPI document of its router, ordered by path.
///
/// # Errors
/// A document does not read, or an operation has no id.
pub fn routes() -> Outcome<BTreeMap<String, Vec<Route>>> {
    // Nothing is sent: this only makes the routers.
    let nowhere = || "http://127.0.0.1:1".to_owned();
    let config = TableConfig {
        tables: TableNames::one("Table"),
        bucket: "bucket".to_owned(),
        place: Place::Local(Endpoints { dynamodb: nowhere(), s3: nowhere() }),
        timeouts: Timeouts::LOCAL,
        transport: Transport::default(),
    };
    let (table, descriptions) = config.connect();
    let context = Context::new(table, Clock::System, Cursors::new(&[[0; 32]]), Policy::default());
    // Every function has this route, no document has it, and the API needs it once.
    let health = Route { path: "/healthz".to_owned(), method: "GET".to_owned(), event: "Health".to_owned() };
    let mut routes = BTreeMap::from([("Products".to_owned(), vec![health])]);
    let key = || LinkKeys::new(&[[0; 32]]);
    let (payments, links) = (Arc::new(LocalPayments::default()), local::Links { accounts: key(), orders: key() });
    let language = search::Language::English;
    let index = local::IndexSettings::ALWAYS;
    let (context, descriptions, links) = (&context, &descriptions, &links);
    let functions = Functions { context, descriptions, payments, links, language, index };
    for (binary, router) in functions.routes::<OpenApi>() {
        let document = serde_json::to_value(router.openapi())?;
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                let id =
                    operation["operationId"].as_str().ok_or_else(|| format!("{method} {path} has no operation_id"))?;
                let route = Route { path: path.clone(), method: method.to_uppercase(), event: capitalised(id) };
                routes.entry(name_of(binary)).or_default().push(route);
            }
        }
    }
    routes.values_mut().for_each(|routes| routes.sort());
    Ok(routes)
}
