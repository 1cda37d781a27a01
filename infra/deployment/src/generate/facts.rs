//! Everything that both templates are written from.

use std::collections::{BTreeMap, BTreeSet};

use api::edge;
use http::HeaderName;
use serde_json::{Map, Value, json};
use stream::Mapping;
use table::keys::DataKind;

use super::{environment, indexes, permissions::Calls};
use crate::{
    Outcome,
    code::{self, Route},
    tables,
};

/// The functions that the stream is delivered to.
pub const MAPPINGS: [Mapping; 2] = [notifications::MAPPING, projections::MAPPING];

/// What is called on items. DynamoDB counts throttled requests and errors of each of these by itself.
pub const OPERATIONS: [&str; 8] =
    ["BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"];

#[derive(Debug)]
pub struct Facts {
    pub functions: Vec<Function>,
    pub consumers: Vec<Consumer>,
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

/// A function that the streams of tables are delivered to.
#[derive(Debug)]
pub struct Consumer {
    pub mapping: Mapping,
    /// Each pattern, with the kind of data that it lets through.
    pub patterns: Vec<(DataKind, String)>,
}

impl Consumer {
    fn of(mapping: Mapping) -> Outcome<Self> {
        let of_kind = |pattern: String| {
            let kind = tables::kind_of_pattern(&pattern);
            let kind =
                kind.ok_or_else(|| format!("{} takes {pattern}, which is of no kind of data", mapping.function))?;
            Ok((kind, pattern))
        };
        Ok(Self { mapping, patterns: mapping.patterns().into_iter().map(of_kind).collect::<Outcome<_>>()? })
    }

    pub fn name(&self) -> String {
        code::name_of(self.mapping.function)
    }

    /// The kinds of data whose changes it handles.
    pub fn kinds(&self) -> BTreeSet<DataKind> {
        self.patterns.iter().map(|(kind, _)| *kind).collect()
    }
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
        let consumers = MAPPINGS.into_iter().map(Consumer::of).collect::<Outcome<Vec<_>>>()?;
        let of = |(name, environment): (&'static str, &[&[_]])| {
            let environment = environment::variables(environment);
            let fed_with = consumers.iter().find(|consumer| consumer.name() == name).map(Consumer::kinds);
            let statements = calls.statements(name, &environment::secrets(&environment), &fed_with.unwrap_or_default());
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
        Ok(Self { functions, consumers, cors })
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
            self.consumers.iter().map(|consumer| (consumer.name(), mapping_json(consumer))).collect();
        json!({
            "cors": {
                "allowHeaders": self.cors.sent,
                "exposeHeaders": self.cors.read,
                "maxAgeSeconds": self.cors.max_age_s,
            },
            "everyFunction": variables(environment::EVERY_FUNCTION),
            "functions": functions,
            "mappings": mappings,
            "operations": OPERATIONS,
            "tables": indexes::json(),
        })
    }
}

fn mapping_json(Consumer { mapping, patterns }: &Consumer) -> Value {
    let pattern = |(kind, pattern): &(DataKind, String)| json!({"kind": tables::name_of(*kind), "pattern": pattern});
    json!({
        "batchSize": mapping.batch_size,
        "windowSeconds": mapping.window.as_secs(),
        "retries": mapping.retries,
        "maxAgeSeconds": mapping.max_age.as_secs(),
        "bisect": mapping.bisect,
        "patterns": patterns.iter().map(pattern).collect::<Vec<_>>(),
    })
}
