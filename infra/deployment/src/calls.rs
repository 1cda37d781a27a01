//! The recorded calls of the functions, and whether their roles allow exactly these.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;
use table::keys::{DataKind, Partition};

use crate::{
    Outcome,
    code::resource_of,
    normalized_template::NormalizedTemplate,
    policy::{LEADING_KEYS, Permission, Policy, Request, VIA_SERVICE},
    tables,
};

/// A recorded request of a function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Its resource in the templates.
    pub function: String,
    pub request: Request,
}

/// Reads what `RECORD_CALLS` wrote while the end-to-end tests ran.
///
/// # Errors
/// The file cannot be read, or a line is not one of the recorder's.
pub fn read(file: &Path) -> Outcome<Vec<Call>> {
    let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut calls = text.lines().map(parse).collect::<Outcome<Vec<_>>>()?;
    calls.sort();
    calls.dedup();
    Ok(calls)
}

fn parse(line: &str) -> Outcome<Call> {
    let call: Value = serde_json::from_str(line)?;
    let text = |name: &str| call[name].as_str().ok_or_else(|| format!("not a call: {line}"));
    let (function, resource) = (text("function")?, text("resource")?);
    let resource = match resource.split_once('/').unwrap_or((resource, "")) {
        ("table", "") => "${Table.Arn}".to_owned(),
        ("table", index) => format!("${{Table.Arn}}/{index}"),
        (bucket, object) => {
            let name = match bucket {
                local::BUCKET => "DescriptionsBucket",
                local::AUDIT_BUCKET => "AuditBucket",
                local::DEAD_LETTERS_BUCKET => "DeadLettersBucket",
                other => return Err(format!("the bucket {other} is none of the local stack's").into()),
            };
            let objects = match object {
                "" => String::new(),
                // Of any name.
                "object" => "/*".to_owned(),
                folder => format!("/{folder}/*"),
            };
            format!("${{{name}.Arn}}{objects}")
        }
    };
    let request = Request::new(text("action")?, &resource);
    let request = match call["key"].as_str() {
        Some(key) => request.with(LEADING_KEYS, key),
        None => request,
    };
    Ok(Call { function: resource_of(function), request })
}

/// The request as it is made in a deployment. The recorder saw one table; here a kind of data may have one of its own.
fn located(template: &NormalizedTemplate, request: &Request) -> Request {
    let whole = format!("${{{}.Arn}}", tables::TABLE);
    let Some(part) = request.resource.strip_prefix(&whole) else { return request.clone() };
    let kind = match (part.strip_prefix("/index/"), request.context.get(LEADING_KEYS)) {
        (Some(index), _) => tables::kind_of_index(index),
        (None, key) => key.and_then(|key| Partition::of(key)).map(Partition::kind),
    };
    let table = tables::holding(template, kind.unwrap_or(DataKind::Rest));
    Request { resource: format!("${{{table}.Arn}}{part}"), ..request.clone() }
}

/// What a call needs beside itself. Whatever is encrypted with the key is opened and closed in the caller's name; without
/// a look into the bucket S3 refuses an object that is missing; SES wants one more for a mail that comes whole.
fn implied(request: &Request) -> Vec<Request> {
    let (service, action) = request.action.split_once(':').unwrap_or_default();
    let reads = ["Decrypt", "DescribeKey"].as_slice();
    // What DynamoDB does with a key of one's own:
    // <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html>
    let writes = [
        "Decrypt",
        "DescribeKey",
        "Encrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "ReEncryptFrom",
        "ReEncryptTo",
    ]
    .as_slice();
    let needed = match (service, action) {
        ("dynamodb", "Query" | "GetItem" | "BatchGetItem") => reads,
        ("dynamodb", _) => writes,
        ("s3", "GetObject") | ("secretsmanager", "GetSecretValue") => &reads[..1],
        ("s3", "PutObject") => &["GenerateDataKey", "Decrypt"],
        _ => &[],
    };
    let via = format!("{service}.us-east-1.amazonaws.com");
    let of_key = |action: &&str| Request::new(&format!("kms:{action}"), "${Key.Arn}").with(VIA_SERVICE, &via);
    let mut needed: Vec<_> = needed.iter().map(of_key).collect();
    match request.action.as_str() {
        "s3:GetObject" => {
            let bucket = request.resource.split_once('/').map_or(request.resource.as_str(), |(bucket, _)| bucket);
            needed.push(Request::new("s3:ListBucket", bucket));
        }
        "ses:SendEmail" => needed.push(Request::new("ses:SendRawEmail", &request.resource)),
        _ => {}
    }
    needed
}

/// What a transaction of writes can do. Whether IAM looks at the keys of each action, or at those of all actions together,
/// AWS does not say; so each of these a function has for the keys of all of them.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html>
pub const IN_TRANSACTIONS: [&str; 4] =
    ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem"];

fn as_one_transaction(requests: &[Request]) -> Vec<Request> {
    let of_transactions = || requests.iter().filter(|request| IN_TRANSACTIONS.contains(&request.action.as_str()));
    let each = of_transactions().flat_map(|one| of_transactions().map(move |other| (one, other)));
    each.map(|(one, other)| Request { action: one.action.clone(), ..other.clone() }).collect()
}

/// A request may be about several tables, and AWS does not say whether IAM then looks at the keys of each or at those of all.
/// So an action that a function calls on items of several tables it has for all of their keys in each.
fn in_each_table(requests: &[Request]) -> Vec<Request> {
    let mut by_action: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for request in requests {
        if let Some(key) = request.context.get(LEADING_KEYS) {
            let (tables, keys) = by_action.entry(&request.action).or_default();
            tables.insert(&request.resource);
            keys.insert(key);
        }
    }
    let of_action = |(action, (tables, keys)): (&str, (BTreeSet<&str>, BTreeSet<&str>))| {
        let each = tables.into_iter().flat_map(|table| keys.iter().map(move |key| (table, *key)).collect::<Vec<_>>());
        each.map(|(table, key)| Request::new(action, table).with(LEADING_KEYS, key)).collect::<Vec<_>>()
    };
    by_action.into_iter().flat_map(of_action).collect()
}

/// What Lambda itself calls with a function's role: it writes logs and traces, and for a mapping it reads the stream and
/// writes dead letters.
fn of_lambda(template: &NormalizedTemplate, function: &str) -> Vec<Request> {
    let group = template.properties(function)["LoggingConfig"]["LogGroup"].as_str().unwrap_or_default();
    let group = group.replace('}', ".Arn}");
    let mut needed = vec![
        Request::new("logs:CreateLogStream", &group),
        Request::new("logs:PutLogEvents", &group),
        Request::new("xray:PutTelemetryRecords", "*"),
        Request::new("xray:PutTraceSegments", "*"),
    ];
    let fed = format!("${{{function}}}");
    for (_, mapping) in template.of_kind("AWS::Lambda::EventSourceMapping") {
        if mapping.properties["FunctionName"] != fed.as_str() {
            continue;
        }
        for action in ["DescribeStream", "GetRecords", "GetShardIterator"] {
            let stream = mapping.properties["EventSourceArn"].as_str().unwrap_or_default();
            needed.push(Request::new(&format!("dynamodb:{action}"), stream));
        }
        needed.push(Request::new("dynamodb:ListStreams", "*"));
        // <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>
        needed.push(Request::new("s3:ListBucket", "${DeadLettersBucket.Arn}"));
        needed.push(Request::new("s3:PutObject", "${DeadLettersBucket.Arn}/*"));
    }
    needed
}

/// How a role comes to allow what its function calls.
const GENERATE: &str = "run `cargo xtask generate --calls target/infra/calls.jsonl` and review what it changes";

/// What each function has to be allowed in a deployment because of its calls.
#[derive(Debug)]
pub struct Needed(BTreeMap<String, Vec<Request>>);

impl Needed {
    pub fn of(template: &NormalizedTemplate, calls: &[Call]) -> Self {
        let mut by_function: BTreeMap<String, Vec<Request>> = BTreeMap::new();
        for call in calls {
            let requests = by_function.entry(call.function.clone()).or_default();
            requests.push(located(template, &call.request));
            requests.extend(implied(&call.request));
        }
        for requests in by_function.values_mut() {
            requests.sort();
            requests.dedup();
            requests.extend(as_one_transaction(requests));
            requests.extend(in_each_table(requests));
            requests.sort();
            requests.dedup();
        }
        Self(by_function)
    }
}

/// Calls that a role does not allow, and permissions that no call needs; a line each, with what to do.
pub fn verify(template: &NormalizedTemplate, needed: &Needed) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    let functions: BTreeSet<_> = template.of_kind("AWS::Lambda::Function").map(|(function, _)| function).collect();
    if let Some(unknown) = needed.0.keys().find(|function| !functions.contains(function.as_str())) {
        return Err(format!("{unknown} makes calls, and is not deployed").into());
    }
    for function in functions {
        let Some(requests) = needed.0.get(function) else {
            found.push(format!("no call of {function} was recorded: a test has to use it"));
            continue;
        };
        let of_lambda = of_lambda(template, function);
        let requests = || requests.iter().chain(&of_lambda);
        let policy = Policy::of_function(template, function)?;
        let role = function.replace("Function", "Role");
        for request in requests() {
            if !policy.allows(request)? {
                found.push(format!("{function} needs {request}, and {role} does not allow it: {GENERATE}"));
            }
        }
        let needed = |permission: &Permission| requests().any(|request| permission.is_just(request));
        for permission in policy.permissions().iter().filter(|permission| !needed(permission)) {
            found.push(format!(
                "{role} allows {}, which is not exactly what some call of {function} needs: {GENERATE}, or test what needs it",
                permission.0
            ));
        }
    }
    Ok(found)
}

/// What a role must not allow, however it is written.
pub fn forbidden(template: &NormalizedTemplate) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    // A key is in one table. After a move a table may hold copies of other data too, which are as private.
    let on_tables = |action: &str, key: &str| -> Vec<Request> {
        let tables = tables::all(template).into_iter();
        tables.map(|table| Request::new(action, &format!("${{{table}.Arn}}")).with(LEADING_KEYS, key)).collect()
    };
    let reads = ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"];
    let writes = ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:BatchWriteItem"];
    let mut requests: Vec<(&str, Request)> = Vec::new();
    let mut refused = |function, actions: &[&str], keys: &[&str]| {
        for (action, key) in actions.iter().flat_map(|action| keys.iter().map(move |key| (action, key))) {
            requests.extend(on_tables(action, key).into_iter().map(|request| (function, request)));
        }
    };
    let whole = ["dynamodb:Scan", "dynamodb:PartiQLSelect", "dynamodb:PartiQLUpdate", "dynamodb:DeleteTable"];
    for (function, _) in template.of_kind("AWS::Lambda::Function") {
        refused(function, &whole, &["PROD#mug"]);
    }
    refused("ProductsFunction", &reads, &["SESSION#1", "USER#ann", "EMAIL#1", "ORDER#1", "IDEM#ann#1"]);
    refused(
        "ProductsFunction",
        &writes,
        &["CAT#1", "CATALOG", "PROD#mug", "SESSION#1", "USER#ann", "EMAIL#1", "ORDER#1"],
    );
    refused("SearchFunction", &reads, &["SESSION#1", "USER#ann", "EMAIL#1", "ORDER#1", "IDEM#ann#1"]);
    refused("SearchFunction", &writes, &["SEARCH#INDEX", "CATALOG", "PROD#mug", "SESSION#1", "USER#ann", "ORDER#1"]);
    refused("IndexerFunction", &[writes.as_slice(), &reads].concat(), &["SESSION#1", "USER#ann", "EMAIL#1", "ORDER#1"]);
    refused("IndexerFunction", &writes, &["CAT#1", "CATALOG", "PROD#mug", "FLASH_SALE#ALL"]);
    refused("NotificationsFunction", &writes, &["PROD#mug", "SESSION#1", "USER#ann", "EMAIL#1", "ORDER#1"]);
    refused("ProjectionsFunction", &[writes.as_slice(), &reads].concat(), &["SESSION#1", "EMAIL#1", "IDEM#ann#1"]);
    for (function, _) in template.of_kind("AWS::Lambda::Function") {
        for (action, table) in
            whole.iter().flat_map(|action| tables::all(template).into_iter().map(move |t| (action, t)))
        {
            let index = format!("${{{table}.Arn}}/index/due-index");
            requests.push((function, Request::new(action, &index).with(LEADING_KEYS, "DUE#1")));
        }
    }
    for (function, secret) in [
        ("ProductsFunction", "PaymentSecrets"),
        ("SearchFunction", "PaymentSecrets"),
        ("SweeperFunction", "CursorKeys"),
        ("IndexerFunction", "CursorKeys"),
        ("IndexerFunction", "PaymentSecrets"),
        // Who has the keys can make a link to any account.
        ("ProductsFunction", "LinkKeys"),
        ("CartFunction", "LinkKeys"),
        ("ProjectionsFunction", "LinkKeys"),
        ("OrdersFunction", "LinkKeys"),
        ("SweeperFunction", "LinkKeys"),
        ("SearchFunction", "LinkKeys"),
        ("IndexerFunction", "LinkKeys"),
        // And a link to any order.
        ("ProductsFunction", "OrderLinkKeys"),
        ("CartFunction", "OrderLinkKeys"),
        ("SessionsFunction", "OrderLinkKeys"),
        ("ProjectionsFunction", "OrderLinkKeys"),
        ("SweeperFunction", "OrderLinkKeys"),
        ("SearchFunction", "OrderLinkKeys"),
        ("IndexerFunction", "OrderLinkKeys"),
    ] {
        requests.push((function, Request::new("secretsmanager:GetSecretValue", &format!("${{{secret}}}"))));
    }
    for (function, action, object) in [
        // Who can write an index decides what shoppers find.
        ("SearchFunction", "PutObject", "${DescriptionsBucket.Arn}/search/files/0"),
        ("SearchFunction", "DeleteObject", "${DescriptionsBucket.Arn}/search/files/0"),
        ("ProductsAdminFunction", "DeleteObject", "${DescriptionsBucket.Arn}/search/files/0"),
        ("SearchFunction", "GetObject", "${DescriptionsBucket.Arn}/descriptions/0"),
        ("ProductsFunction", "GetObject", "${DescriptionsBucket.Arn}/search/files/0"),
        ("ProductsAdminFunction", "PutObject", "${DescriptionsBucket.Arn}/search/files/0"),
        ("IndexerFunction", "PutObject", "${DescriptionsBucket.Arn}/descriptions/0"),
        ("IndexerFunction", "DeleteObject", "${DescriptionsBucket.Arn}/descriptions/0"),
        ("SearchFunction", "GetObject", "${AuditBucket.Arn}/2026/01/31/0.jsonl"),
        ("IndexerFunction", "GetObject", "${AuditBucket.Arn}/2026/01/31/0.jsonl"),
        ("IndexerFunction", "GetObject", "${DeadLettersBucket.Arn}/0"),
    ] {
        requests.push((function, Request::new(&format!("s3:{action}"), object)));
    }
    for (function, request) in requests {
        if Policy::of_function(template, function)?.allows(&request)? {
            found.push(format!("{function} must not be allowed {request}"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::template::Resource;

    #[test]
    fn a_request_is_made_of_the_table_that_its_data_is_in() {
        let template = NormalizedTemplate(
            ["Table", "OrdersDataTable"].map(|name| (name.to_owned(), Arc::new(Resource::default()))).into(),
        );
        let on = |resource: &str, key: &str| Request::new("dynamodb:Query", resource).with(LEADING_KEYS, key);
        let index = |table: &str, name: &str| Request::new("dynamodb:Query", &format!("${{{table}.Arn}}/index/{name}"));

        assert_eq!(located(&template, &on("${Table.Arn}", "ORDER#")), on("${OrdersDataTable.Arn}", "ORDER#"));
        assert_eq!(located(&template, &on("${Table.Arn}", "PROD#")), on("${Table.Arn}", "PROD#"));
        assert_eq!(located(&template, &index("Table", "due-index")), index("OrdersDataTable", "due-index"));
        assert_eq!(located(&template, &index("Table", "featured-index")), index("Table", "featured-index"));
    }

    #[test]
    fn a_call_is_about_the_objects_of_a_folder_where_the_recorder_names_one() {
        let of = |resource: &str| {
            let line = format!(r#"{{"function": "search", "action": "s3:GetObject", "resource": "{resource}"}}"#);
            parse(&line).unwrap().request
        };
        let listed = |resource| implied(&of(resource)).pop().unwrap().resource;

        assert_eq!(of("onetill-descriptions/search").resource, "${DescriptionsBucket.Arn}/search/*");
        assert_eq!(of("onetill-dead-letters/object").resource, "${DeadLettersBucket.Arn}/*");
        assert_eq!(of("onetill-descriptions").resource, "${DescriptionsBucket.Arn}");
        assert_eq!(listed("onetill-descriptions/search"), "${DescriptionsBucket.Arn}");
        assert_eq!(listed("onetill-descriptions/object"), "${DescriptionsBucket.Arn}");
    }

    #[test]
    fn an_action_on_several_tables_is_needed_for_the_keys_of_all() {
        let on = |action: &str, table: &str, key: &str| Request::new(action, table).with(LEADING_KEYS, key);
        let seen = [
            on("dynamodb:BatchGetItem", "${Table.Arn}", "USER#"),
            on("dynamodb:BatchGetItem", "${SessionsDataTable.Arn}", "SESSION#"),
            on("dynamodb:GetItem", "${OrdersDataTable.Arn}", "ORDER#"),
        ];

        let needed = in_each_table(&seen);

        assert_eq!(needed.len(), 5);
        for table in ["${Table.Arn}", "${SessionsDataTable.Arn}"] {
            for key in ["USER#", "SESSION#"] {
                assert!(needed.contains(&on("dynamodb:BatchGetItem", table, key)), "{table} {key}");
            }
        }
        assert!(needed.contains(&seen[2]));
    }

    #[test]
    fn each_action_of_a_transaction_is_needed_for_the_keys_of_all() {
        let on = |action: &str, key: &str| Request::new(action, "${Table.Arn}").with(LEADING_KEYS, key);
        let seen = [
            on("dynamodb:PutItem", "ORDER#"),
            on("dynamodb:UpdateItem", "PROD#"),
            on("dynamodb:GetItem", "USER#"),
            on("dynamodb:BatchWriteItem", "RATE#"),
        ];

        let mut needed = as_one_transaction(&seen);

        needed.sort();
        assert_eq!(needed.len(), 4);
        for action in ["dynamodb:PutItem", "dynamodb:UpdateItem"] {
            for key in ["ORDER#", "PROD#"] {
                assert!(needed.contains(&on(action, key)), "{action} {key}");
            }
        }
    }
}
