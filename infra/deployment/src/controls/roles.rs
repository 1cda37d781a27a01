//! Who may do what, and who may have it done.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{FUNCTIONS, SCHEDULED, each, lacks};
use crate::{
    Outcome,
    normalized_template::{API, NormalizedTemplate, PERMISSIONS, ROUTES},
    policy::texts,
    tables,
    template::Resource,
};

fn statements(resource: &Resource) -> impl Iterator<Item = &Value> {
    let policies = resource.properties["Policies"].as_array().into_iter().flatten();
    policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().into_iter().flatten())
}

/// A role that a function runs under.
fn roles_of_functions(template: &NormalizedTemplate) -> impl Iterator<Item = (&str, &Resource)> {
    let used: BTreeSet<_> = template.of_kind(FUNCTIONS).filter_map(|(_, f)| f.properties["Role"].as_str()).collect();
    template.of_kind("AWS::IAM::Role").filter(move |(name, _)| used.contains(format!("${{{name}.Arn}}").as_str()))
}

pub fn scan_deny(template: &NormalizedTemplate) -> Outcome<Vec<String>> {
    let denies = |statement: &Value| {
        let denied: Vec<_> = texts(&statement["Action"]).collect();
        statement["Effect"] == "Deny"
            && statement["Resource"] == json!(["*"])
            && statement.get("Condition").is_none()
            && denied.contains(&"dynamodb:Scan")
            && denied.contains(&"dynamodb:PartiQL*")
    };
    let without = roles_of_functions(template).filter(|(_, role)| !statements(role).any(denies));
    Ok(without.map(|(name, _)| name.to_owned()).collect())
}

pub fn own_roles(template: &NormalizedTemplate) -> Outcome<Vec<String>> {
    each(template, FUNCTIONS, |function| {
        let same = |other: &Resource| other.properties["Role"] == function["Role"];
        function["Role"].is_string() && template.of_kind(FUNCTIONS).filter(|(_, other)| same(other)).count() == 1
    })
}

pub fn trust(template: &NormalizedTemplate) -> Vec<String> {
    let trusted = |role: &Resource| {
        let statements =
            role.properties["AssumeRolePolicyDocument"]["Statement"].as_array().cloned().unwrap_or_default();
        statements.len() == 1 && statements[0]["Principal"] == json!({"Service": "lambda.amazonaws.com"})
    };
    roles_of_functions(template).filter(|(_, role)| !trusted(role)).map(|(name, _)| name.to_owned()).collect()
}

/// Actions that know no resource: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html>,
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>
const WITHOUT_RESOURCE: [&str; 3] = ["dynamodb:ListStreams", "xray:PutTelemetryRecords", "xray:PutTraceSegments"];

pub fn wildcards(template: &NormalizedTemplate) -> Vec<String> {
    let mut found = Vec::new();
    for (name, role) in template.of_kind("AWS::IAM::Role") {
        for statement in statements(role).filter(|s| s["Effect"] == "Allow") {
            let too_wide = |action: &&str| action.ends_with(":*") || *action == "*";
            found.extend(texts(&statement["Action"]).filter(too_wide).map(|action| format!("{name}: {action}")));
            let everywhere = texts(&statement["Resource"]).any(|resource| resource == "*");
            if everywhere && !texts(&statement["Action"]).all(|action| WITHOUT_RESOURCE.contains(&action)) {
                found.push(format!("{name}: {} on everything", statement["Action"]));
            }
            // A table is one for everybody: what of it, every statement has to say.
            let of_table = |r: &str| tables::all(template).iter().any(|table| r == format!("${{{table}.Arn}}"));
            if texts(&statement["Resource"]).any(of_table) && statement.get("Condition").is_none() {
                found.push(format!("{name}: {} on a whole table", statement["Action"]));
            }
        }
    }
    found
}

/// All inline policies of a role together, without white space:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
const LONGEST: usize = 10_240;

/// What a name in a role becomes, with a stack and a table of ordinary names, is no longer than this.
const AS_DEPLOYED: usize = 90;

pub fn policy_sizes(template: &NormalizedTemplate) -> Vec<String> {
    let size = |role: &Resource| {
        let policies = role.properties["Policies"].as_array().into_iter().flatten();
        let text: String = policies.map(|policy| policy["PolicyDocument"].to_string()).collect();
        let (names, others) = text.split('}').fold((0, 0), |(names, others), part| match part.split_once("${") {
            Some((before, _)) => (names + 1, others + before.len()),
            None => (names, others + part.len() + 1),
        });
        names * AS_DEPLOYED + others
    };
    let roles = template.of_kind("AWS::IAM::Role").map(|(name, role)| (name, size(role)));
    roles.filter(|(_, size)| *size > LONGEST).map(|(name, size)| format!("{name} has {size} characters")).collect()
}

pub fn invokers(template: &NormalizedTemplate) -> Vec<String> {
    let routes = template.properties(ROUTES).as_object().cloned().unwrap_or_default();
    let with_routes: BTreeSet<_> = routes.values().filter_map(|r| r["Function"].as_str()).map(str::to_owned).collect();
    let permissions = template.properties(PERMISSIONS).as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for (name, _) in template.of_kind(FUNCTIONS) {
        let given: Vec<_> = permissions.iter().filter(|p| p["Function"] == name).collect();
        let only_the_api = |p: &&&Value| {
            p["Principal"] == "apigateway.amazonaws.com" && p["Source"] == API && p["Action"] == "lambda:InvokeFunction"
        };
        let has_routes = with_routes.contains(&format!("${{{name}.Arn}}"));
        if given.len() != usize::from(has_routes) || given.iter().filter(only_the_api).count() != given.len() {
            found.push(name.to_owned());
        }
    }
    found
}

/// Whether a policy of a resource lets a service of AWS do something, under just this condition.
pub fn allows(document: &Value, service: &str, action: &str, condition: &Value) -> bool {
    document["Statement"].as_array().into_iter().flatten().any(|statement| {
        statement["Effect"] == "Allow"
            && statement["Principal"] == json!({"Service": service})
            && statement["Condition"] == *condition
            && texts(&statement["Action"]).any(|allowed| allowed == action)
    })
}

/// Only for this account.
pub fn own_account() -> Value {
    json!({"StringEquals": {"aws:SourceAccount": ["111122223333"]}})
}

/// Services of AWS that act for the shop, by policies of what they act on.
pub fn services(template: &NormalizedTemplate) -> Vec<String> {
    let mut found = Vec::new();
    let logs = json!({"ArnLike": {"kms:EncryptionContext:aws:logs:arn": ["arn:aws:logs:us-east-1:111122223333:*"]}});
    for action in ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*"] {
        let may = allows(&template.properties("Key")["KeyPolicy"], "logs.us-east-1.amazonaws.com", action, &logs);
        found.extend(lacks(may, &format!("CloudWatch Logs may {action}")));
    }
    let policy = &template.properties("AccessLogsBucketPolicy")["PolicyDocument"];
    let delivered = allows(policy, "logging.s3.amazonaws.com", "s3:PutObject", &own_account());
    found.extend(lacks(delivered, "S3 may deliver its access logs"));
    for name in SCHEDULED {
        let role = template.properties(&format!("{name}ScheduleRole"));
        let trust = &role["AssumeRolePolicyDocument"];
        let trusted = allows(trust, "scheduler.amazonaws.com", "sts:AssumeRole", &own_account());
        found.extend(lacks(trusted, &format!("EventBridge Scheduler takes {name}ScheduleRole, for this account only")));
        let function = format!("${{{name}Function.Arn}}");
        let allowed = json!([{"Effect": "Allow", "Action": ["lambda:InvokeFunction"], "Resource": [function]}]);
        let statements = &role["Policies"][0]["PolicyDocument"]["Statement"];
        found.extend(lacks(
            *statements == allowed,
            &format!("{name}ScheduleRole invokes {name}Function, and nothing else"),
        ));
    }
    found
}
