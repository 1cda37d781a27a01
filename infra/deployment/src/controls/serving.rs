//! What serves: the API, the functions, and what calls them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{FUNCTIONS, lacks};
use crate::{
    normalized_template::{API, NormalizedTemplate, ROUTES, STAGE},
    policy::texts,
    template::Resource,
};

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>: more are throttled.
pub fn readers(template: &NormalizedTemplate) -> Vec<String> {
    let of_stream = |m: &Resource| m.properties["EventSourceArn"] == "${Table.StreamArn}";
    let enabled = |m: &Resource| m.properties.get("Enabled").is_none_or(|enabled| enabled == "true");
    let mappings = template.of_kind("AWS::Lambda::EventSourceMapping").filter(|(_, m)| of_stream(m) && enabled(m));
    let readers: BTreeSet<_> = mappings.filter_map(|(_, m)| m.properties["FunctionName"].as_str()).collect();
    lacks(readers == BTreeSet::from(["${NotificationsFunction}", "${ProjectionsFunction}"]), &format!("{readers:?}"))
}

pub fn schedule(template: &NormalizedTemplate) -> Vec<String> {
    let runs = |schedule: &Value| {
        schedule["ScheduleExpression"] == "rate(1 minute)"
            && schedule["Target"]["Arn"] == "${SweeperFunction.Arn}"
            && schedule.get("State").is_none_or(|state| state == "ENABLED")
    };
    let schedules = template.of_kind("AWS::Scheduler::Schedule");
    lacks(schedules.filter(|(_, s)| runs(&s.properties)).count() == 1, "the schedule of SweeperFunction")
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
        let most = if answers(name) { 20 } else { 60 };
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
