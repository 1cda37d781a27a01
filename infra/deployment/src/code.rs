//! What the code says that templates have to say too: the table, the mappings, the routes, and what pages of other origins
//! may send and read.

use std::sync::Arc;

use api::{Context, Cursors, Policy, edge};
use notifications::MAPPING as NOTIFICATIONS;
use payments::LocalPayments;
use projections::MAPPING as PROJECTIONS;
use runtime::Clock;
use serde_json::{Value, json};
use stream::Mapping;
use table::{
    Endpoints, TableConfig, Timeouts, Transport,
    schema::{self, RangeType},
};

use crate::{
    Outcome,
    shape::{API, ROUTES, Shape, normal},
};

/// `GET /healthz` is on every function and in no document; this is the one that the API asks.
const HEALTH: (&str, &str) = ("GET /healthz", "ProductsFunction");

/// The name in the templates of a function of the code: `products-admin` is `ProductsAdminFunction`.
pub fn resource_of(function: &str) -> String {
    let words = function.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.collect::<String>() + "Function"
}

/// Every difference between a template and the code.
pub async fn differences(shape: &Shape) -> Outcome<Vec<String>> {
    let mut found = table(shape);
    found.extend(mapping(shape, &NOTIFICATIONS));
    found.extend(mapping(shape, &PROJECTIONS));
    found.extend(cors(shape));
    found.extend(routes(shape).await?);
    Ok(found)
}

/// Against `shared/table/src/schema.rs`.
fn table(shape: &Shape) -> Vec<String> {
    let keys = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
    let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    let mut attributes = vec![attribute(table::keys::PK, "S"), attribute(table::keys::SK, "S")];
    let mut indexes = Vec::new();
    for index in schema::indexes() {
        let range_type = match index.range_type {
            RangeType::Number => "N",
            RangeType::String => "S",
        };
        attributes.extend([attribute(index.hash, "S"), attribute(index.range, range_type)]);
        let projection = match index.include {
            [] => json!({"ProjectionType": "KEYS_ONLY"}),
            include => json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": include}),
        };
        indexes.push(
            json!({"IndexName": index.name, "KeySchema": keys(index.hash, index.range), "Projection": projection}),
        );
    }
    attributes.sort_by_key(Value::to_string);
    attributes.dedup();

    let said = shape.properties("Table");
    let mut said_indexes = said["GlobalSecondaryIndexes"].clone();
    for index in said_indexes.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        // How much is provisioned is the deployment's to say.
        index.remove("ProvisionedThroughput");
    }
    let compared = [
        ("AttributeDefinitions", &said["AttributeDefinitions"], json!(attributes)),
        ("KeySchema", &said["KeySchema"], keys(table::keys::PK, table::keys::SK)),
        ("GlobalSecondaryIndexes", &said_indexes, json!(indexes)),
        (
            "TimeToLiveSpecification",
            &said["TimeToLiveSpecification"],
            json!({"AttributeName": schema::TTL_ATTRIBUTE, "Enabled": true}),
        ),
        ("StreamSpecification", &said["StreamSpecification"], json!({"StreamViewType": "NEW_AND_OLD_IMAGES"})),
    ];
    let how = "change the templates as shared/table/src/schema.rs, which local stacks and tests create the table from";
    let differs = compared.into_iter().filter(|(_, said, code)| normal(said) != normal(code));
    differs
        .map(|(name, said, code)| format!("Table: {name} is {said}, and {} in the code: {how}", normal(&code)))
        .collect()
}

/// Against the `MAPPING` of a consumer.
fn mapping(shape: &Shape, mapping: &Mapping) -> Vec<String> {
    let function = resource_of(mapping.function);
    let name = function.replace("Function", "Mapping");
    let filters: Vec<_> = mapping.filters.iter().map(|pattern| json!({"Pattern": pattern})).collect();
    let code = json!({
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.window.as_secs(),
        "MaximumRetryAttempts": mapping.retries,
        "MaximumRecordAgeInSeconds": mapping.max_age.as_secs(),
        "BisectBatchOnFunctionError": mapping.bisect,
        "FilterCriteria": {"Filters": filters},
        "FunctionName": format!("${{{function}}}"),
    });
    let said = shape.properties(&name);
    let differs =
        code.as_object().into_iter().flatten().filter(|(key, code)| normal(&said[key.as_str()]) != normal(code));
    let how = format!("change the templates as MAPPING in functions/{}", mapping.function);
    differs
        .map(|(key, code)| format!("{name}: {key} is {}, and {code} in the code: {how}", said[key.as_str()]))
        .collect()
}

/// Against `shared/api/src/edge.rs`.
fn cors(shape: &Shape) -> Vec<String> {
    let said = &shape.properties(API)["Cors"];
    let names = |headers: &[http::HeaderName]| json!(headers.iter().map(|name| name.as_str()).collect::<Vec<_>>());
    let compared = [
        ("allowHeaders", names(&edge::SENT_BY_PAGES)),
        ("exposeHeaders", names(&edge::READ_BY_PAGES)),
        ("maxAge", json!(edge::PREFLIGHT_MAX_AGE.as_secs())),
    ];
    let differs = compared.into_iter().filter(|(name, code)| normal(&said[*name]) != normal(code));
    let how = "change the templates as shared/api/src/edge.rs";
    differs.map(|(name, code)| format!("{API}: {name} is {}, and {code} in the code: {how}", said[name])).collect()
}

/// Against the OpenAPI document of each function.
async fn routes(shape: &Shape) -> Outcome<Vec<String>> {
    // Nothing is sent: this only makes the routers.
    let nowhere = || "http://127.0.0.1:1".to_owned();
    let config = TableConfig {
        table: "Table".to_owned(),
        bucket: "bucket".to_owned(),
        endpoints: Some(Endpoints { dynamodb: nowhere(), s3: nowhere() }),
        timeouts: Timeouts::LOCAL,
        transport: Transport::default(),
    };
    let (table, descriptions) = config.connect().await;
    let context = Context {
        table,
        clock: Clock::System,
        cursors: Arc::new(Cursors::new(&[[0; 32]])),
        policy: Arc::new(Policy::default()),
    };
    let mut documented = std::collections::BTreeMap::from([(HEALTH.0.to_owned(), HEALTH.1.to_owned())]);
    for (binary, router) in local::functions(&context, &descriptions, Arc::new(LocalPayments::default())) {
        let document = serde_json::to_value(router.get_openapi())?;
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for method in methods.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase()) {
                documented.insert(format!("{method} {path}"), resource_of(local::deployed_as(binary, path)));
            }
        }
    }

    let mut found = Vec::new();
    let deployed = shape.properties(ROUTES).as_object().cloned().unwrap_or_default();
    for (route, function) in &documented {
        let expected = json!({
            "Function": format!("${{{function}.Arn}}"),
            "Integration": "AWS_PROXY POST",
            "Payload": "2.0",
        });
        match deployed.get(route) {
            None => found.push(format!("{route} leads nowhere: give {function} an event for it, and CDK a route")),
            Some(to) if *to != expected => found.push(format!("{route} leads to {to}, not to {expected}")),
            Some(_) => {}
        }
    }
    let unknown = deployed.keys().filter(|route| !documented.contains_key(*route));
    found.extend(unknown.map(|route| format!("{route} leads to a function that has no such route")));
    Ok(found)
}
