//! What serves: the API, the functions, and what calls them.

use std::{collections::BTreeSet, sync::LazyLock};

use serde_json::{Value, json};
use stream::Mapping;
use table::keys::DataKind;

use super::{FUNCTIONS, lacks};
use crate::{
    code::resource_of,
    generate::MAPPINGS,
    normalized_template::{API, NormalizedTemplate, ROUTES, STAGE, normal},
    policy::texts,
    tables,
    template::Resource,
};

const MAPPING: &str = "AWS::Lambda::EventSourceMapping";

/// A function that reads streams.
struct Consumer {
    /// As templates refer to it.
    function: String,
    /// Each filter, with the kind of data that it lets through.
    filters: Vec<(DataKind, Value)>,
}

/// Read once: thousands of mutations are compared with these.
static CONSUMERS: LazyLock<Vec<Consumer>> = LazyLock::new(|| {
    let filter = |pattern: String| Some((tables::kind_of_pattern(&pattern)?, normal(&json!({"Pattern": pattern}))));
    let consumer = |mapping: Mapping| Consumer {
        function: format!("${{{}}}", resource_of(mapping.function)),
        filters: mapping.patterns().into_iter().filter_map(filter).collect(),
    };
    MAPPINGS.map(consumer).into()
});

/// Each stream has the readers that handle something of it, and two at most:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>. More are throttled.
pub fn readers(template: &NormalizedTemplate) -> Vec<String> {
    let enabled = |m: &Resource| m.properties.get("Enabled").is_none_or(|enabled| enabled == "true");
    let mappings: Vec<_> =
        template.of_kind(MAPPING).map(|(_, m)| m).filter(|m| enabled(m)).map(|m| &m.properties).collect();
    let mut found = Vec::new();
    for table in tables::all(template) {
        let stream = format!("${{{table}.StreamArn}}");
        let of_stream = mappings.iter().filter(|m| m["EventSourceArn"] == stream.as_str());
        let mut readers: Vec<_> = of_stream.filter_map(|m| m["FunctionName"].as_str()).collect();
        readers.sort_unstable();
        let kinds = tables::kinds_in(template, table);
        let handles = |consumer: &&Consumer| consumer.filters.iter().any(|(kind, _)| kinds.contains(kind));
        let mut wanted: Vec<_> = CONSUMERS.iter().filter(handles).map(|consumer| consumer.function.as_str()).collect();
        wanted.sort_unstable();
        found.extend(lacks(readers == wanted && readers.len() <= 2, &format!("{table} is read by {readers:?}")));
    }
    let streams: BTreeSet<_> = tables::all(template).iter().map(|table| format!("${{{table}.StreamArn}}")).collect();
    let elsewhere = mappings.iter().filter_map(|m| m["EventSourceArn"].as_str()).filter(|arn| !streams.contains(*arn));
    found.extend(elsewhere.map(|arn| format!("a mapping of {arn}")));
    found
}

/// Each pattern of a consumer is at its mapping of the table whose changes it can match, and at no other.
pub fn filters(template: &NormalizedTemplate) -> Vec<String> {
    let mut found = Vec::new();
    for (name, resource) in template.of_kind(MAPPING) {
        let (function, stream) = (&resource.properties["FunctionName"], &resource.properties["EventSourceArn"]);
        let consumer = CONSUMERS.iter().find(|consumer| *function == consumer.function.as_str());
        let filters = consumer.map(|consumer| consumer.filters.as_slice()).unwrap_or_default();
        let is_here = |kind| *stream == format!("${{{}.StreamArn}}", tables::holding(template, kind)).as_str();
        let wanted = filters.iter().filter(|(kind, _)| is_here(*kind)).map(|(_, filter)| filter.clone()).collect();
        let given = &resource.properties["FilterCriteria"]["Filters"];
        // Five without asking AWS for more.
        let few = given.as_array().is_some_and(|filters| (1..=5).contains(&filters.len()));
        found.extend(lacks(few && *given == normal(&wanted), name));
    }
    found
}

/// A run that fails is not repeated: the next one is less than a minute away, and a run that waited would meet it.
pub fn schedule(template: &NormalizedTemplate, name: &str) -> Vec<String> {
    let once = |retries: &Value| retries["MaximumRetryAttempts"] == "0" && retries["MaximumEventAgeInSeconds"] == "60";
    let function = format!("${{{name}Function.Arn}}");
    let runs = |schedule: &Value| {
        schedule["ScheduleExpression"] == "rate(1 minute)"
            && schedule["Target"]["Arn"] == function.as_str()
            && once(&schedule["Target"]["RetryPolicy"])
            && schedule.get("State").is_none_or(|state| state == "ENABLED")
    };
    let schedules = template.of_kind("AWS::Scheduler::Schedule");
    let is_called = schedules.filter(|(_, s)| runs(&s.properties)).count() == 1;
    let mut found = lacks(is_called, &format!("the schedule of {name}Function"));
    let function = format!("${{{name}Function}}");
    let of_function = |config: &Value| config["FunctionName"] == function.as_str() && once(config);
    let mut configs = template.of_kind("AWS::Lambda::EventInvokeConfig");
    found.extend(lacks(configs.any(|(_, c)| of_function(&c.properties)), &format!("{name}Function is called once")));
    found
}

/// Two would make the same generation, and one of them in vain.
pub fn one_indexer(template: &NormalizedTemplate) -> Vec<String> {
    let indexer = "IndexerFunction";
    lacks(template.properties(indexer)["ReservedConcurrentExecutions"] == "1", indexer)
}

pub fn throttling(template: &NormalizedTemplate) -> Vec<String> {
    let settings = &template.properties(STAGE)["DefaultRouteSettings"];
    let limited = |name: &str| settings[name].as_str().and_then(|n| n.parse::<f64>().ok()).is_some_and(|n| n > 0.0);
    let names = ["ThrottlingRateLimit", "ThrottlingBurstLimit"];
    names.into_iter().filter(|name| !limited(name)).map(str::to_owned).collect()
}

pub fn cors(template: &NormalizedTemplate) -> Vec<String> {
    let origins: Vec<_> = texts(&template.properties(API)["Cors"]["allowOrigins"]).map(str::to_owned).collect();
    let named = !origins.is_empty() && origins.iter().all(|origin| !origin.contains('*'));
    lacks(named, &format!("{origins:?}"))
}

pub fn one_door(template: &NormalizedTemplate) -> Vec<String> {
    let has_domain = template.of_kind("AWS::ApiGatewayV2::DomainName").next().is_some();
    let closed = template.properties(API)["DisableExecuteApiEndpoint"] == "true";
    lacks(has_domain == closed, API)
}

/// API Gateway waits for 29 seconds; a function that has routes has 20, so that it is the one to say what went wrong.
pub fn timeouts(template: &NormalizedTemplate) -> Vec<String> {
    let routes = template.properties(ROUTES).as_object().cloned().unwrap_or_default();
    let answers = |name: &str| routes.values().any(|to| to["Function"] == format!("${{{name}.Arn}}").as_str());
    let mut found = Vec::new();
    for (name, function) in template.of_kind(FUNCTIONS) {
        let seconds = function.properties["Timeout"].as_str().and_then(|s| s.parse::<u32>().ok());
        let most = match name {
            _ if answers(name) => 20,
            // A rebuild reads for minutes, and no request waits for it.
            "IndexerFunction" => 300,
            _ => 60,
        };
        found.extend(lacks(seconds.is_some_and(|seconds| (10..=most).contains(&seconds)), name));
    }
    found
}

pub fn log_groups(template: &NormalizedTemplate) -> Vec<String> {
    let groups: BTreeSet<_> = template.of_kind("AWS::Logs::LogGroup").map(|(name, _)| format!("${{{name}}}")).collect();
    let mut seen = BTreeSet::new();
    let mut own = |f: &Resource| {
        let group = f.properties["LoggingConfig"]["LogGroup"].as_str().unwrap_or_default().to_owned();
        groups.contains(&group) && seen.insert(group)
    };
    template.of_kind(FUNCTIONS).filter(|(_, function)| !own(function)).map(|(name, _)| name.to_owned()).collect()
}
