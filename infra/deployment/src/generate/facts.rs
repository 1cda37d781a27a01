//! Everything that both templates are written from.

use std::collections::BTreeMap;

use api::edge;
use http::HeaderName;
use serde_json::{Map, Value, json};
use stream::Mapping;

use super::{environment, indexes, permissions::Calls};
use crate::{
    Outcome,
    code::{self, Route},
};

/// The functions that the stream is delivered to.
pub const MAPPINGS: [Mapping; 2] = [notifications::MAPPING, projections::MAPPING];

#[derive(Debug)]
pub struct Facts {
    pub functions: Vec<Function>,
    pub cors: Cors,
}

/// A function, by its name in the templates.
#[derive(Debug)]
pub struct Function {
    pub name: &'static str,
    pub environment: Vec<(&'static str, &'static str)>,
    pub routes: Vec<Route>,
    pub statements: Vec<Value>,
}

/// What pages of other origins may send and read.
#[derive(Debug)]
pub struct Cors {
    pub sent: Vec<String>,
    pub read: Vec<String>,
    pub max_age_s: u64,
}

impl Facts {
    /// # Errors
    /// A route or a call belongs to a function that is not known.
    pub fn collect(calls: &Calls) -> Outcome<Self> {
        let mut routes = code::routes()?;
        let of = |(name, environment): (&'static str, &[&[_]])| {
            let environment = environment::variables(environment);
            let is_fed = MAPPINGS.iter().any(|mapping| code::name_of(mapping.function) == name);
            let statements = calls.statements(name, &environment::secrets(&environment), is_fed);
            Function { name, environment, routes: routes.remove(name).unwrap_or_default(), statements }
        };
        let functions: Vec<_> = environment::FUNCTIONS.into_iter().map(of).collect();
        let known = |name: &&String| functions.iter().any(|function| function.name == name.as_str());
        if let Some(unknown) = routes.keys().chain(calls.functions()).find(|name| !known(name)) {
            return Err(format!("{unknown} is no function of generate/environment.rs").into());
        }
        let names = |headers: &[HeaderName]| headers.iter().map(|name| name.as_str().to_owned()).collect();
        let cors = Cors {
            sent: names(&edge::SENT_BY_PAGES),
            read: names(&edge::READ_BY_PAGES),
            max_age_s: edge::PREFLIGHT_MAX_AGE.as_secs(),
        };
        Ok(Self { functions, cors })
    }

    /// For CDK.
    pub fn json(&self) -> Value {
        let variables = |variables: &[(&str, &str)]| -> Value {
            variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect::<Map<_, _>>().into()
        };
        let of = |function: &Function| {
            let routes = function.routes.iter().map(|route| json!({"method": route.method, "path": route.path}));
            json!({
                "environment": variables(&function.environment),
                "permissions": function.statements,
                "routes": routes.collect::<Vec<_>>(),
            })
        };
        let functions: BTreeMap<_, _> = self.functions.iter().map(|function| (function.name, of(function))).collect();
        let mappings: BTreeMap<_, _> =
            MAPPINGS.iter().map(|mapping| (code::name_of(mapping.function), mapping_json(mapping))).collect();
        json!({
            "cors": {
                "allowHeaders": self.cors.sent,
                "exposeHeaders": self.cors.read,
                "maxAgeSeconds": self.cors.max_age_s,
            },
            "everyFunction": variables(environment::EVERY_FUNCTION),
            "functions": functions,
            "mappings": mappings,
            "table": indexes::json(),
        })
    }
}

fn mapping_json(mapping: &Mapping) -> Value {
    json!({
        "batchSize": mapping.batch_size,
        "windowSeconds": mapping.window.as_secs(),
        "retries": mapping.retries,
        "maxAgeSeconds": mapping.max_age.as_secs(),
        "bisect": mapping.bisect,
        "patterns": mapping.patterns(),
    })
}
