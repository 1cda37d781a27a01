//! What is heard and seen of the shop.

use serde_json::{Value, json};

use super::{
    data::{is_provisioned, scalables},
    lacks,
};
use crate::{policy::texts, shape::Shape};

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

pub fn alarms(shape: &Shape) -> Vec<String> {
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

pub fn alarm_topic(shape: &Shape) -> Vec<String> {
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

pub fn dashboard(shape: &Shape) -> Vec<String> {
    let body = shape.properties("Dashboard")["DashboardBody"].to_string();
    let shown =
        ["Count", "p50", "p99", "RRU", "WRU", "ThrottledRequests", "IteratorAge", "UnknownPayments", "OverdueHolds"];
    shown.into_iter().filter(|what| !body.contains(what)).map(str::to_owned).collect()
}
