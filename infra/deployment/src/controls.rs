//! The controls that a production deployment must have, one after the other. A template that lost one fails here, whatever
//! the other template says.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    Outcome, calls,
    policy::texts,
    shape::{API, PERMISSIONS, ROUTES, STAGE, Shape},
    template::Resource,
};

/// What is wanted, and what of a shape does not have it.
pub struct Control {
    pub name: &'static str,
    lacking: fn(&Shape) -> Outcome<Vec<String>>,
}

impl Control {
    /// What lacks it; nothing where it holds.
    pub fn lacking(&self, shape: &Shape) -> Vec<String> {
        (self.lacking)(shape).unwrap_or_else(|error| vec![error.to_string()])
    }
}

pub const CONTROLS: [Control; 50] = [
    // Roles.
    Control { name: "every role denies Scan and PartiQL", lacking: scan_deny },
    Control { name: "every function has a role of its own", lacking: own_roles },
    Control { name: "only Lambda takes a function's role", lacking: |s| Ok(trust(s)) },
    Control { name: "no permission is for everything", lacking: |s| Ok(wildcards(s)) },
    Control { name: "no function reaches what is not its business", lacking: calls::forbidden },
    Control { name: "every function is invoked by one service only", lacking: |s| Ok(invokers(s)) },
    // The table.
    Control {
        name: "the table is encrypted with the key",
        lacking: |s| {
            of_table(
                s,
                "SSESpecification",
                json!({"KMSMasterKeyId": "${Key.Arn}", "SSEEnabled": "true", "SSEType": "KMS"}),
            )
        },
    },
    Control {
        name: "the table can be restored to any point in time",
        lacking: |s| of_table(s, "PointInTimeRecoverySpecification", json!({"PointInTimeRecoveryEnabled": "true"})),
    },
    Control {
        name: "the table is protected from deletion",
        lacking: |s| of_table(s, "DeletionProtectionEnabled", json!("true")),
    },
    Control {
        name: "items expire by TTL",
        lacking: |s| of_table(s, "TimeToLiveSpecification", json!({"AttributeName": "expiresAt", "Enabled": "true"})),
    },
    Control {
        name: "the stream has both images",
        lacking: |s| of_table(s, "StreamSpecification", json!({"StreamViewType": "NEW_AND_OLD_IMAGES"})),
    },
    Control { name: "data outlives the stack", lacking: |s| Ok(retained(s)) },
    Control { name: "provisioned capacity scales, on the table and on each index", lacking: |s| Ok(scaling(s)) },
    // Buckets and the key.
    Control { name: "buckets block public ACLs", lacking: |s| block(s, "BlockPublicAcls") },
    Control { name: "buckets block public policies", lacking: |s| block(s, "BlockPublicPolicy") },
    Control { name: "buckets ignore public ACLs", lacking: |s| block(s, "IgnorePublicAcls") },
    Control { name: "buckets restrict public access", lacking: |s| block(s, "RestrictPublicBuckets") },
    Control {
        name: "buckets own what is in them",
        lacking: |s| {
            each(s, "AWS::S3::Bucket", |b| {
                b["OwnershipControls"]["Rules"] == json!([{"ObjectOwnership": "BucketOwnerEnforced"}])
            })
        },
    },
    Control { name: "buckets are encrypted", lacking: |s| Ok(bucket_encryption(s)) },
    Control {
        name: "buckets keep earlier versions",
        lacking: |s| each(s, "AWS::S3::Bucket", |b| b["VersioningConfiguration"]["Status"] == "Enabled"),
    },
    Control {
        name: "buckets forget what is no longer current",
        lacking: |s| {
            each(s, "AWS::S3::Bucket", |b| {
                b["LifecycleConfiguration"]["Rules"].as_array().is_some_and(|rules| {
                    rules.iter().any(|r| r["Status"] == "Enabled" && r.get("NoncurrentVersionExpiration").is_some())
                })
            })
        },
    },
    Control {
        name: "buckets refuse what is not TLS",
        lacking: |s| tls(s, json!({"Bool": {"aws:SecureTransport": ["false"]}})),
    },
    Control {
        name: "buckets refuse TLS below 1.2",
        lacking: |s| tls(s, json!({"NumericLessThan": {"s3:TlsVersion": ["1.2"]}})),
    },
    Control { name: "access to buckets is logged", lacking: |s| Ok(bucket_logs(s)) },
    Control { name: "the key rotates", lacking: |s| each(s, "AWS::KMS::Key", |k| k["EnableKeyRotation"] == "true") },
    Control {
        name: "secrets are encrypted with the key",
        lacking: |s| each(s, "AWS::SecretsManager::Secret", |x| x["KmsKeyId"] == "${Key.Arn}"),
    },
    Control {
        name: "no secret stands in a function's environment",
        lacking: |s| {
            each(s, "AWS::Lambda::Function", |f| {
                ["CURSOR_KEYS", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS"]
                    .iter()
                    .all(|name| f["Environment"]["Variables"].get(name).is_none())
            })
        },
    },
    // The stream.
    Control {
        name: "mappings begin at the stream's horizon",
        lacking: |s| of_mappings(s, "StartingPosition", json!("TRIM_HORIZON")),
    },
    Control {
        name: "mappings report failures item by item",
        lacking: |s| of_mappings(s, "FunctionResponseTypes", json!(["ReportBatchItemFailures"])),
    },
    Control {
        name: "mappings bisect batches that fail",
        lacking: |s| of_mappings(s, "BisectBatchOnFunctionError", json!("true")),
    },
    Control { name: "mappings retry five times", lacking: |s| of_mappings(s, "MaximumRetryAttempts", json!("5")) },
    Control {
        name: "mappings give records up after six hours",
        lacking: |s| of_mappings(s, "MaximumRecordAgeInSeconds", json!("21600")),
    },
    Control {
        name: "dead letters keep their payload",
        lacking: |s| {
            of_mappings(s, "DestinationConfig", json!({"OnFailure": {"Destination": "${DeadLettersBucket.Arn}"}}))
        },
    },
    Control {
        name: "mappings filter what is nobody's business",
        lacking: |s| {
            each(s, "AWS::Lambda::EventSourceMapping", |m| {
                m["FilterCriteria"]["Filters"].as_array().is_some_and(|f| !f.is_empty())
            })
        },
    },
    Control { name: "the stream has two readers", lacking: |s| Ok(readers(s)) },
    Control { name: "the sweeper runs once a minute", lacking: |s| Ok(schedule(s)) },
    // The API and the functions.
    Control { name: "requests are throttled", lacking: |s| Ok(throttling(s)) },
    Control {
        name: "access to the API is logged",
        lacking: |s| Ok(lacks(s.properties(STAGE)["AccessLogSettings"]["DestinationArn"] == "${ApiLogs.Arn}", STAGE)),
    },
    Control { name: "only named storefronts call from browsers", lacking: |s| Ok(cors(s)) },
    Control {
        name: "the API's own domain speaks TLS 1.2",
        lacking: |s| {
            each(s, "AWS::ApiGatewayV2::DomainName", |d| {
                d["DomainNameConfigurations"]
                    .as_array()
                    .is_some_and(|all| all.iter().all(|c| c["SecurityPolicy"] == "TLS_1_2"))
            })
        },
    },
    Control { name: "with a domain of its own the API has no other", lacking: |s| Ok(one_door(s)) },
    Control { name: "functions end before the gateway gives up", lacking: |s| Ok(timeouts(s)) },
    Control {
        name: "functions run on provided.al2023",
        lacking: |s| {
            each(s, "AWS::Lambda::Function", |f| f["Runtime"] == "provided.al2023" && f["Handler"] == "bootstrap")
        },
    },
    Control {
        name: "functions are traced",
        lacking: |s| each(s, "AWS::Lambda::Function", |f| f["TracingConfig"]["Mode"] == "Active"),
    },
    // Logs and alarms.
    Control { name: "every function has a log group of its own", lacking: |s| Ok(log_groups(s)) },
    Control {
        name: "logs are kept for 30 days at least, and not for ever",
        lacking: |s| {
            each(s, "AWS::Logs::LogGroup", |g| {
                g["RetentionInDays"]
                    .as_str()
                    .and_then(|d| d.parse::<u32>().ok())
                    .is_some_and(|d| (30..=3_653).contains(&d))
            })
        },
    },
    Control {
        name: "logs are encrypted with the key",
        lacking: |s| each(s, "AWS::Logs::LogGroup", |g| g["KmsKeyId"] == "${Key.Arn}"),
    },
    Control { name: "every alarm that is needed is there and tells somebody", lacking: |s| Ok(alarms(s)) },
    Control { name: "alarms are told in confidence", lacking: |s| Ok(alarm_topic(s)) },
    Control { name: "a dashboard shows how the shop does", lacking: |s| Ok(dashboard(s)) },
];

const FUNCTIONS: &str = "AWS::Lambda::Function";

fn lacks(holds: bool, what: &str) -> Vec<String> {
    if holds { Vec::new() } else { vec![what.to_owned()] }
}

/// The resources of a kind that do not have something; with none of the kind at all, the kind.
fn each(shape: &Shape, kind: &str, has: impl Fn(&Value) -> bool) -> Outcome<Vec<String>> {
    // Only a domain may be left out.
    if shape.of_kind(kind).next().is_none() && kind != "AWS::ApiGatewayV2::DomainName" {
        return Ok(vec![format!("there is no {kind}")]);
    }
    Ok(shape.of_kind(kind).filter(|(_, r)| !has(&r.properties)).map(|(name, _)| name.to_owned()).collect())
}

fn of_table(shape: &Shape, property: &str, wanted: Value) -> Outcome<Vec<String>> {
    each(shape, "AWS::DynamoDB::Table", |table| table[property] == wanted)
}

fn of_mappings(shape: &Shape, property: &str, wanted: Value) -> Outcome<Vec<String>> {
    each(shape, "AWS::Lambda::EventSourceMapping", |mapping| mapping[property] == wanted)
}

fn block(shape: &Shape, what: &str) -> Outcome<Vec<String>> {
    each(shape, "AWS::S3::Bucket", |bucket| bucket["PublicAccessBlockConfiguration"][what] == "true")
}

fn statements(resource: &Resource) -> impl Iterator<Item = &Value> {
    let policies = resource.properties["Policies"].as_array().into_iter().flatten();
    policies.flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().into_iter().flatten())
}

/// A role that a function runs under.
fn roles_of_functions(shape: &Shape) -> impl Iterator<Item = (&str, &Resource)> {
    let used: BTreeSet<_> = shape.of_kind(FUNCTIONS).filter_map(|(_, f)| f.properties["Role"].as_str()).collect();
    shape.of_kind("AWS::IAM::Role").filter(move |(name, _)| used.contains(format!("${{{name}.Arn}}").as_str()))
}

fn scan_deny(shape: &Shape) -> Outcome<Vec<String>> {
    let denies = |statement: &Value| {
        let denied: Vec<_> = texts(&statement["Action"]).collect();
        statement["Effect"] == "Deny"
            && statement["Resource"] == json!(["*"])
            && statement.get("Condition").is_none()
            && denied.contains(&"dynamodb:Scan")
            && denied.contains(&"dynamodb:PartiQL*")
    };
    let without = roles_of_functions(shape).filter(|(_, role)| !statements(role).any(denies));
    Ok(without.map(|(name, _)| name.to_owned()).collect())
}

fn own_roles(shape: &Shape) -> Outcome<Vec<String>> {
    each(shape, FUNCTIONS, |function| {
        let same = |other: &Resource| other.properties["Role"] == function["Role"];
        function["Role"].is_string() && shape.of_kind(FUNCTIONS).filter(|(_, other)| same(other)).count() == 1
    })
}

fn trust(shape: &Shape) -> Vec<String> {
    let trusted = |role: &Resource| {
        let statements =
            role.properties["AssumeRolePolicyDocument"]["Statement"].as_array().cloned().unwrap_or_default();
        statements.len() == 1 && statements[0]["Principal"] == json!({"Service": "lambda.amazonaws.com"})
    };
    roles_of_functions(shape).filter(|(_, role)| !trusted(role)).map(|(name, _)| name.to_owned()).collect()
}

/// Actions that know no resource: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html>,
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html>
const WITHOUT_RESOURCE: [&str; 3] = ["dynamodb:ListStreams", "xray:PutTelemetryRecords", "xray:PutTraceSegments"];

fn wildcards(shape: &Shape) -> Vec<String> {
    let mut found = Vec::new();
    for (name, role) in shape.of_kind("AWS::IAM::Role") {
        for statement in statements(role).filter(|s| s["Effect"] == "Allow") {
            let too_wide = |action: &&str| action.ends_with(":*") || *action == "*";
            found.extend(texts(&statement["Action"]).filter(too_wide).map(|action| format!("{name}: {action}")));
            let everywhere = texts(&statement["Resource"]).any(|resource| resource == "*");
            if everywhere && !texts(&statement["Action"]).all(|action| WITHOUT_RESOURCE.contains(&action)) {
                found.push(format!("{name}: {} on everything", statement["Action"]));
            }
            // The table is one for everybody: what of it, every statement has to say.
            if texts(&statement["Resource"]).any(|r| r == "${Table.Arn}") && statement.get("Condition").is_none() {
                found.push(format!("{name}: {} on the whole table", statement["Action"]));
            }
        }
    }
    found
}

fn invokers(shape: &Shape) -> Vec<String> {
    let routes = shape.properties(ROUTES).as_object().cloned().unwrap_or_default();
    let with_routes: BTreeSet<_> = routes.values().filter_map(|r| r["Function"].as_str()).map(str::to_owned).collect();
    let permissions = shape.properties(PERMISSIONS).as_array().cloned().unwrap_or_default();
    let mut found = Vec::new();
    for (name, _) in shape.of_kind(FUNCTIONS) {
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

fn retained(shape: &Shape) -> Vec<String> {
    let kinds = ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"];
    let data = kinds.into_iter().flat_map(|kind| shape.of_kind(kind).collect::<Vec<_>>());
    let lost = data.filter(|(_, r)| r.on_delete != "Retain" || r.on_replace != "Retain");
    lost.map(|(name, _)| name.to_owned()).collect()
}

fn is_provisioned(shape: &Shape) -> bool {
    shape.properties("Table")["BillingMode"] == "PROVISIONED"
}

/// The table and its indexes, as a resource to scale and by the name of the index.
fn scalables(shape: &Shape) -> Vec<(String, Option<String>)> {
    let indexes = shape.properties("Table")["GlobalSecondaryIndexes"].as_array().cloned().unwrap_or_default();
    let names = indexes.iter().filter_map(|index| index["IndexName"].as_str());
    let of_indexes = names.map(|name| (format!("table/${{Table}}/index/{name}"), Some(name.to_owned())));
    std::iter::once(("table/${Table}".to_owned(), None)).chain(of_indexes).collect()
}

fn scaling(shape: &Shape) -> Vec<String> {
    let targets: Vec<_> = shape.of_kind("AWS::ApplicationAutoScaling::ScalableTarget").collect();
    let policies: Vec<_> = shape.of_kind("AWS::ApplicationAutoScaling::ScalingPolicy").collect();
    if !is_provisioned(shape) {
        return targets
            .iter()
            .chain(&policies)
            .map(|(name, _)| format!("{name} without provisioned capacity"))
            .collect();
    }
    let mut found = Vec::new();
    for (resource, index) in scalables(shape) {
        let kind = if index.is_some() { "index" } else { "table" };
        for direction in ["Read", "Write"] {
            let dimension = format!("dynamodb:{kind}:{direction}CapacityUnits");
            let target = targets.iter().find(|(_, t)| {
                t.properties["ResourceId"] == resource.as_str()
                    && t.properties["ScalableDimension"] == dimension.as_str()
            });
            let metric = format!("DynamoDB{direction}CapacityUtilization");
            let followed = target.is_some_and(|(name, _)| {
                policies.iter().any(|(_, policy)| {
                    let tracking = &policy.properties["TargetTrackingScalingPolicyConfiguration"];
                    policy.properties["ScalingTargetId"] == format!("${{{name}}}").as_str()
                        && policy.properties["PolicyType"] == "TargetTrackingScaling"
                        && tracking["PredefinedMetricSpecification"]["PredefinedMetricType"] == metric.as_str()
                        && tracking["TargetValue"].is_string()
                })
            });
            if !followed {
                found.push(format!("{resource} {direction}"));
            }
        }
    }
    found
}

fn bucket_encryption(shape: &Shape) -> Vec<String> {
    let by = |bucket: &Resource| {
        let rules = bucket.properties["BucketEncryption"]["ServerSideEncryptionConfiguration"].as_array().cloned();
        rules
            .unwrap_or_default()
            .into_iter()
            .map(|rule| rule["ServerSideEncryptionByDefault"].clone())
            .collect::<Vec<_>>()
    };
    let wanted = |name: &str| match name {
        // What S3 delivers access logs to takes no key of ours.
        "AccessLogsBucket" => json!({"SSEAlgorithm": "AES256"}),
        _ => json!({"KMSMasterKeyID": "${Key.Arn}", "SSEAlgorithm": "aws:kms"}),
    };
    let without = shape.of_kind("AWS::S3::Bucket").filter(|(name, bucket)| by(bucket) != [wanted(name)]);
    without.map(|(name, _)| name.to_owned()).collect()
}

fn tls(shape: &Shape, condition: Value) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for (name, _) in shape.of_kind("AWS::S3::Bucket") {
        let of_bucket = |policy: &&Resource| policy.properties["Bucket"] == format!("${{{name}}}").as_str();
        let policies = shape.of_kind("AWS::S3::BucketPolicy").map(|(_, policy)| policy).filter(of_bucket);
        let mut statements =
            policies.flat_map(|p| p.properties["PolicyDocument"]["Statement"].as_array().into_iter().flatten());
        let whole = json!([format!("${{{name}.Arn}}"), format!("${{{name}.Arn}}/*")]);
        let refuses = |s: &Value| {
            s["Effect"] == "Deny"
                && s["Condition"] == condition
                && s["Action"] == json!(["s3:*"])
                && s["Resource"] == whole
                && (s["Principal"] == "*" || s["Principal"] == json!({"AWS": "*"}))
        };
        found.extend(lacks(statements.any(refuses), name));
    }
    Ok(found)
}

fn bucket_logs(shape: &Shape) -> Vec<String> {
    let others = shape.of_kind("AWS::S3::Bucket").filter(|(name, _)| *name != "AccessLogsBucket");
    let logged = |b: &Resource| b.properties["LoggingConfiguration"]["DestinationBucketName"] == "${AccessLogsBucket}";
    others.filter(|(_, bucket)| !logged(bucket)).map(|(name, _)| name.to_owned()).collect()
}

/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html>: more are throttled.
fn readers(shape: &Shape) -> Vec<String> {
    let of_stream = |m: &Resource| m.properties["EventSourceArn"] == "${Table.StreamArn}";
    let enabled = |m: &Resource| m.properties.get("Enabled").is_none_or(|enabled| enabled == "true");
    let mappings = shape.of_kind("AWS::Lambda::EventSourceMapping").filter(|(_, m)| of_stream(m) && enabled(m));
    let readers: BTreeSet<_> = mappings.filter_map(|(_, m)| m.properties["FunctionName"].as_str()).collect();
    lacks(readers == BTreeSet::from(["${NotificationsFunction}", "${ProjectionsFunction}"]), &format!("{readers:?}"))
}

fn schedule(shape: &Shape) -> Vec<String> {
    let runs = |schedule: &Value| {
        schedule["ScheduleExpression"] == "rate(1 minute)"
            && schedule["Target"]["Arn"] == "${SweeperFunction.Arn}"
            && schedule.get("State").is_none_or(|state| state == "ENABLED")
    };
    let schedules = shape.of_kind("AWS::Scheduler::Schedule");
    lacks(schedules.filter(|(_, s)| runs(&s.properties)).count() == 1, "the schedule of SweeperFunction")
}

fn throttling(shape: &Shape) -> Vec<String> {
    let settings = &shape.properties(STAGE)["DefaultRouteSettings"];
    let limited = |name: &str| settings[name].as_str().and_then(|n| n.parse::<f64>().ok()).is_some_and(|n| n > 0.0);
    let names = ["ThrottlingRateLimit", "ThrottlingBurstLimit"];
    names.into_iter().filter(|name| !limited(name)).map(str::to_owned).collect()
}

fn cors(shape: &Shape) -> Vec<String> {
    let origins: Vec<_> = texts(&shape.properties(API)["Cors"]["allowOrigins"]).map(str::to_owned).collect();
    let named = !origins.is_empty() && origins.iter().all(|origin| !origin.contains('*'));
    lacks(named, &format!("{origins:?}"))
}

fn one_door(shape: &Shape) -> Vec<String> {
    let has_domain = shape.of_kind("AWS::ApiGatewayV2::DomainName").next().is_some();
    let closed = shape.properties(API)["DisableExecuteApiEndpoint"] == "true";
    lacks(has_domain == closed, API)
}

/// API Gateway waits for 29 seconds; a function that has routes has 20, so that it is the one to say what went wrong.
fn timeouts(shape: &Shape) -> Vec<String> {
    let routes = shape.properties(ROUTES).as_object().cloned().unwrap_or_default();
    let answers = |name: &str| routes.values().any(|to| to["Function"] == format!("${{{name}.Arn}}").as_str());
    let mut found = Vec::new();
    for (name, function) in shape.of_kind(FUNCTIONS) {
        let seconds = function.properties["Timeout"].as_str().and_then(|s| s.parse::<u32>().ok());
        let most = if answers(name) { 20 } else { 60 };
        found.extend(lacks(seconds.is_some_and(|seconds| (10..=most).contains(&seconds)), name));
    }
    found
}

fn log_groups(shape: &Shape) -> Vec<String> {
    let groups: BTreeSet<_> = shape.of_kind("AWS::Logs::LogGroup").map(|(name, _)| format!("${{{name}}}")).collect();
    let mut seen = BTreeSet::new();
    let mut own = |f: &Resource| {
        let group = f.properties["LoggingConfig"]["LogGroup"].as_str().unwrap_or_default().to_owned();
        groups.contains(&group) && seen.insert(group)
    };
    shape.of_kind(FUNCTIONS).filter(|(_, function)| !own(function)).map(|(name, _)| name.to_owned()).collect()
}

const DYNAMODB_OPERATIONS: [&str; 8] =
    ["BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"];

/// Something that an alarm watches: a metric and its dimensions.
type Watched = (String, String, Vec<(String, String)>);

fn watched(alarm: &Value) -> Vec<Watched> {
    let metrics = alarm["Metrics"].as_array().into_iter().flatten().map(|m| &m["MetricStat"]["Metric"]);
    let all = std::iter::once(alarm).chain(metrics);
    let read = all.filter_map(|metric| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let dimensions = metric["Dimensions"].as_array()?.iter().map(|d| (text(&d["Name"]), text(&d["Value"])));
        let mut dimensions: Vec<_> = dimensions.collect();
        dimensions.sort();
        Some((text(&metric["Namespace"]), text(&metric["MetricName"]), dimensions))
    });
    read.collect()
}

/// Every metric that has to have an alarm, with the most its threshold may be.
fn needed(shape: &Shape) -> Vec<(Vec<Watched>, f64)> {
    let of = |namespace: &str, metric: &str, dimensions: &[(&str, &str)]| -> Watched {
        let mut dimensions: Vec<_> =
            dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        dimensions.sort();
        (namespace.to_owned(), metric.to_owned(), dimensions)
    };
    let by_operation = |metric: &str| {
        let table = ("TableName", "${Table}");
        DYNAMODB_OPERATIONS.map(|operation| of("AWS/DynamoDB", metric, &[table, ("Operation", operation)])).to_vec()
    };
    let api = [("ApiId", "${HttpApi}"), ("Stage", "${HttpApiStage}")];
    let age = |function: &str| vec![of("AWS/Lambda", "IteratorAge", &[("FunctionName", function)])];
    let letters = [("BucketName", "${DeadLettersBucket}"), ("FilterId", "Letters")];
    let mut needed = vec![
        (by_operation("ThrottledRequests"), 5.0),
        (by_operation("SystemErrors"), 5.0),
        (vec![of("AWS/DynamoDB", "TransactionConflict", &[("TableName", "${Table}")])], 100.0),
        (vec![of("AWS/ApiGateway", "5xx", &api)], 5.0),
        (vec![of("AWS/ApiGateway", "Latency", &api)], 29_000.0),
        (age("${NotificationsFunction}"), 60_000.0),
        (age("${ProjectionsFunction}"), 60_000.0),
        (vec![of("AWS/S3", "PutRequests", &letters)], 1.0),
        (vec![of("OneTill", "UnknownPayments", &[("Table", "${Table}")])], 1.0),
        (vec![of("OneTill", "OverdueHolds", &[("Table", "${Table}")])], 1.0),
    ];
    if is_provisioned(shape) {
        for (_, index) in scalables(shape) {
            let mut dimensions = vec![("TableName", "${Table}")];
            dimensions.extend(index.as_deref().map(|name| ("GlobalSecondaryIndexName", name)));
            for direction in ["Read", "Write"] {
                let metrics = ["Consumed", "Provisioned"]
                    .map(|kind| of("AWS/DynamoDB", &format!("{kind}{direction}CapacityUnits"), &dimensions));
                needed.push((metrics.to_vec(), 80.0));
            }
        }
    }
    needed
}

fn alarms(shape: &Shape) -> Vec<String> {
    let alarms: Vec<_> = shape.of_kind("AWS::CloudWatch::Alarm").collect();
    let tells = |alarm: &Value| {
        alarm["AlarmActions"] == json!(["${AlarmTopic}"])
            && alarm.get("ActionsEnabled").is_none_or(|enabled| enabled == "true")
            && matches!(
                alarm["ComparisonOperator"].as_str(),
                Some("GreaterThanThreshold" | "GreaterThanOrEqualToThreshold")
            )
    };
    let threshold = |alarm: &Value| alarm["Threshold"].as_str().and_then(|t| t.parse::<f64>().ok());
    let mut found = Vec::new();
    for (metrics, most) in needed(shape) {
        let serves = |alarm: &Value| {
            let watched = watched(alarm);
            metrics.iter().all(|metric| watched.contains(metric))
                && tells(alarm)
                && threshold(alarm).is_some_and(|threshold| threshold <= most)
        };
        if !alarms.iter().any(|(_, alarm)| serves(&alarm.properties)) {
            found.push(format!("{} {} {:?}", metrics[0].0, metrics[0].1, metrics[0].2));
        }
    }
    // A sweeper that does not run tells nothing, and that is what has to be heard.
    let silent = shape.properties("OverdueHoldsAlarm")["TreatMissingData"] == "breaching";
    found.extend(lacks(silent, "OverdueHoldsAlarm hears when nothing is told"));
    let slow = shape.properties("LatencyAlarm")["ExtendedStatistic"] == "p99";
    found.extend(lacks(slow, "LatencyAlarm goes by p99"));
    // The alarm on letters counts by the metrics of the bucket.
    let counted = shape.properties("DeadLettersBucket")["MetricsConfigurations"] == json!([{"Id": "Letters"}]);
    found.extend(lacks(counted, "DeadLettersBucket counts requests"));
    found
}

fn alarm_topic(shape: &Shape) -> Vec<String> {
    let encrypted = shape.properties("AlarmTopic")["KmsMasterKeyId"] == "${Key.Arn}";
    let policies = shape.of_kind("AWS::SNS::TopicPolicy");
    let mut statements =
        policies.flat_map(|(_, p)| p.properties["PolicyDocument"]["Statement"].as_array().into_iter().flatten());
    let refuses =
        |s: &Value| s["Effect"] == "Deny" && s["Condition"] == json!({"Bool": {"aws:SecureTransport": ["false"]}});
    let mut found = lacks(encrypted, "AlarmTopic is encrypted with the key");
    found.extend(lacks(statements.any(refuses), "AlarmTopic refuses what is not TLS"));
    // CloudWatch has to be allowed the key and the topic, or no alarm is heard.
    let may_use = |document: &Value, action: &str| {
        document["Statement"].as_array().into_iter().flatten().any(|s| {
            s["Effect"] == "Allow"
                && s["Principal"] == json!({"Service": "cloudwatch.amazonaws.com"})
                && texts(&s["Action"]).any(|allowed| allowed == action)
        })
    };
    let key = may_use(&shape.properties("Key")["KeyPolicy"], "kms:GenerateDataKey*");
    found.extend(lacks(key, "CloudWatch may use the key"));
    let topic =
        shape.of_kind("AWS::SNS::TopicPolicy").any(|(_, p)| may_use(&p.properties["PolicyDocument"], "sns:Publish"));
    found.extend(lacks(topic, "CloudWatch may publish to AlarmTopic"));
    found
}

fn dashboard(shape: &Shape) -> Vec<String> {
    let body = shape.properties("Dashboard")["DashboardBody"].to_string();
    let shown =
        ["Count", "p50", "p99", "RRU", "WRU", "ThrottledRequests", "IteratorAge", "UnknownPayments", "OverdueHolds"];
    shown.into_iter().filter(|what| !body.contains(what)).map(str::to_owned).collect()
}
