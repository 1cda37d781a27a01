//! Alarms and the dashboard.

use serde_json::{Value, json};

use super::{
    data::scalables,
    lacks,
    roles::{allows, own_account},
};
use crate::{normalized_template::NormalizedTemplate, tables};

const DYNAMODB_OPERATIONS: [&str; 8] =
    ["BatchGetItem", "BatchWriteItem", "DeleteItem", "GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"];

/// Something that an alarm watches: a metric and its dimensions.
type Watched = (String, String, Vec<(String, String)>);

fn watched(alarm: &Value) -> Vec<Watched> {
    let metrics = alarm["Metrics"].as_array().into_iter().flatten().map(|m| &m["MetricStat"]["Metric"]);
    let all = std::iter::once(alarm).chain(metrics);
    let read = all.filter_map(|metric| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let name = metric["MetricName"].as_str()?.to_owned();
        // A metric of the whole account has none.
        let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
        let mut dimensions: Vec<_> = dimensions.map(|d| (text(&d["Name"]), text(&d["Value"]))).collect();
        dimensions.sort();
        Some((text(&metric["Namespace"]), name, dimensions))
    });
    read.collect()
}

/// What has to have an alarm.
struct Needed {
    metrics: Vec<Watched>,
    /// Of the metrics, where they are added up also of each.
    statistic: &'static str,
    /// How they are put together, if there are several, or nothing is counted at times.
    expression: Option<&'static str>,
    /// The most its threshold may be.
    threshold: f64,
    /// The longest time before it goes off, in minutes.
    minutes: u32,
}

/// An alarm on a metric of DynamoDB stays as it is while data is missing, whatever it says of missing data:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>
const SUM: Option<&str> = Some("SUM(FILL(METRICS(), 0))");
const PERCENT: Option<&str> = Some("100 * (FILL(consumed, 0) / PERIOD(consumed)) / FILL(provisioned, REPEAT)");

fn needed(template: &NormalizedTemplate) -> Vec<Needed> {
    let of = |namespace: &str, metric: &str, dimensions: &[(&str, &str)]| -> Watched {
        let mut dimensions: Vec<_> =
            dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        dimensions.sort();
        (namespace.to_owned(), metric.to_owned(), dimensions)
    };
    let by_operation = |table: &str, metric: &str| {
        let table = ("TableName", table);
        DYNAMODB_OPERATIONS.map(|operation| of("AWS/DynamoDB", metric, &[table, ("Operation", operation)])).to_vec()
    };
    let api = [("ApiId", "${HttpApi}"), ("Stage", "${HttpApiStage}")];
    let age = |function: &str| vec![of("AWS/Lambda", "IteratorAge", &[("FunctionName", function)])];
    let failures = |function: &str| {
        ["Errors", "Throttles"].map(|metric| of("AWS/Lambda", metric, &[("FunctionName", function)])).to_vec()
    };
    let letters = [("BucketName", "${DeadLettersBucket}"), ("FilterId", "Letters")];
    let of_shop = |metric: &str| vec![of("OneTill", metric, &[("Table", "${Table}")])];
    let conflict = |table: &str| of("AWS/DynamoDB", "TransactionConflict", &[("TableName", table)]);
    let alarm = |metrics, statistic, expression, threshold, minutes| Needed {
        metrics,
        statistic,
        expression,
        threshold,
        minutes,
    };
    let mut needed = vec![
        alarm(vec![of("AWS/ApiGateway", "5xx", &api)], "Sum", None, 5.0, 5),
        alarm(vec![of("AWS/ApiGateway", "Latency", &api)], "p99", None, 29_000.0, 15),
        alarm(failures("${NotificationsFunction}"), "Sum", SUM, 1.0, 20),
        alarm(failures("${ProjectionsFunction}"), "Sum", SUM, 1.0, 20),
        alarm(age("${NotificationsFunction}"), "Maximum", None, 60_000.0, 5),
        alarm(age("${ProjectionsFunction}"), "Maximum", None, 60_000.0, 5),
        alarm(vec![of("AWS/S3", "PutRequests", &letters)], "Sum", None, 1.0, 15),
        alarm(of_shop("UnknownPayments"), "Maximum", None, 1.0, 20),
        alarm(of_shop("OverdueHolds"), "Maximum", None, 1.0, 5),
        alarm(of_shop("SearchDelay"), "Maximum", None, 300.0, 5),
        alarm(of_shop("Disputes"), "Maximum", None, 1.0, 5),
        alarm(of_shop("StuckSales"), "Maximum", None, 1.0, 20),
        alarm(vec![of("AWS/SES", "Reputation.BounceRate", &[])], "Maximum", None, 0.05, 60),
    ];
    for table in tables::all(template) {
        let table = format!("${{{table}}}");
        needed.extend([
            alarm(by_operation(&table, "ThrottledRequests"), "Sum", SUM, 5.0, 15),
            alarm(by_operation(&table, "SystemErrors"), "Sum", SUM, 5.0, 15),
            alarm(vec![conflict(&table)], "Sum", SUM, 100.0, 15),
        ]);
    }
    for scalable in scalables(template) {
        let table = format!("${{{}}}", scalable.table);
        let mut dimensions = vec![("TableName", table.as_str())];
        dimensions.extend(scalable.index.as_deref().map(|name| ("GlobalSecondaryIndexName", name)));
        for direction in ["Read", "Write"] {
            let metrics = ["Consumed", "Provisioned"]
                .map(|kind| of("AWS/DynamoDB", &format!("{kind}{direction}CapacityUnits"), &dimensions));
            needed.push(alarm(metrics.to_vec(), "Sum", PERCENT, 80.0, 20));
        }
    }
    needed
}

impl Needed {
    fn is_served_by(&self, alarm: &Value) -> bool {
        let number = |value: &Value| value.as_str().and_then(|text| text.parse::<f64>().ok());
        let all: Vec<_> = alarm["Metrics"].as_array().into_iter().flatten().collect();
        let watched = watched(alarm);
        let expression = all.iter().find_map(|metric| metric["Expression"].as_str());
        // What is provisioned is no sum over time.
        let added = all.iter().map(|m| &m["MetricStat"]).filter(|stat| {
            stat.is_object()
                && !stat["Metric"]["MetricName"].as_str().is_some_and(|name| name.starts_with("Provisioned"))
        });
        let statistics: Vec<_> = match all.is_empty() {
            true => vec![alarm["Statistic"].as_str().or(alarm["ExtendedStatistic"].as_str())],
            false => added.map(|stat| stat["Stat"].as_str()).collect(),
        };
        let period = all.iter().find_map(|metric| number(&metric["MetricStat"]["Period"])).or(number(&alarm["Period"]));
        let looks_back = period.zip(number(&alarm["EvaluationPeriods"])).map(|(seconds, times)| seconds * times / 60.0);
        self.metrics.iter().all(|metric| watched.contains(metric))
            && expression == self.expression
            && statistics.iter().all(|statistic| *statistic == Some(self.statistic))
            && number(&alarm["Threshold"]).is_some_and(|threshold| threshold <= self.threshold)
            && looks_back.is_some_and(|minutes| minutes <= f64::from(self.minutes))
            && (self.expression.is_none() || has_a_period_to_spare(alarm))
            && (!self.statistic.starts_with('p') || alarm["EvaluateLowSampleCountPercentile"] == "ignore")
            && notifies_above(alarm)
    }
}

/// A metric that comes late is filled up with zeros until it is there: the last period never counts for certain.
fn has_a_period_to_spare(alarm: &Value) -> bool {
    let number = |name: &str| alarm[name].as_str().and_then(|text| text.parse::<u32>().ok());
    number("EvaluationPeriods").zip(number("DatapointsToAlarm")).is_some_and(|(looked_at, over)| looked_at > over)
}

fn notifies(alarm: &Value) -> bool {
    alarm["AlarmActions"] == json!(["${AlarmTopic}"])
        && alarm.get("ActionsEnabled").is_none_or(|enabled| enabled == "true")
}

fn notifies_above(alarm: &Value) -> bool {
    notifies(alarm)
        && matches!(
            alarm["ComparisonOperator"].as_str(),
            Some("GreaterThanThreshold" | "GreaterThanOrEqualToThreshold")
        )
}

/// Whether an alarm goes off when a mapping no longer polls its stream: each poll is counted, and none is when it is
/// disabled or gone. <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html#event-source-mapping-metrics>
fn stopped(template: &NormalizedTemplate, name: &str) -> bool {
    let mapping = format!("${{{name}}}");
    let watches = |alarm: &Value| {
        watched(alarm)
            == [(
                "AWS/Lambda".to_owned(),
                "PolledEventCount".to_owned(),
                vec![("EventSourceMappingUUID".to_owned(), mapping.clone())],
            )]
            && alarm["Statistic"] == "SampleCount"
            && alarm["ComparisonOperator"] == "LessThanThreshold"
            && alarm["Threshold"] == "1"
            && alarm["TreatMissingData"] == "breaching"
            && alarm["Period"] == "300"
            && alarm["EvaluationPeriods"] == "3"
            && notifies(alarm)
    };
    let counts = &template.properties(name)["MetricsConfig"]["Metrics"];
    *counts == json!(["EventCount"])
        && template.of_kind("AWS::CloudWatch::Alarm").any(|(_, alarm)| watches(&alarm.properties))
}

pub fn alarms(template: &NormalizedTemplate) -> Vec<String> {
    let alarms: Vec<_> = template.of_kind("AWS::CloudWatch::Alarm").map(|(_, alarm)| &alarm.properties).collect();
    let without = needed(template).into_iter().filter(|needed| !alarms.iter().any(|alarm| needed.is_served_by(alarm)));
    let mut found: Vec<_> = without
        .filter_map(|needed| needed.metrics.into_iter().next())
        .map(|(namespace, metric, dimensions)| format!("{namespace} {metric} {dimensions:?}"))
        .collect();
    // A sweeper or an indexer that does not run reports no metric, and that has to raise the alarm.
    for alarm in ["OverdueHoldsAlarm", "SearchDelayAlarm"] {
        let without_data = template.properties(alarm)["TreatMissingData"] == "breaching";
        found.extend(lacks(without_data, &format!("{alarm} goes off without data")));
    }
    for (name, _) in template.of_kind("AWS::Lambda::EventSourceMapping") {
        found.extend(lacks(stopped(template, name), &format!("an alarm goes off when {name} stops")));
    }
    // The alarm on letters counts by the metrics of the bucket.
    let counted = template.properties("DeadLettersBucket")["MetricsConfigurations"] == json!([{"Id": "Letters"}]);
    found.extend(lacks(counted, "DeadLettersBucket counts requests"));
    found
}

pub fn alarm_topic(template: &NormalizedTemplate) -> Vec<String> {
    let encrypted = template.properties("AlarmTopic")["KmsMasterKeyId"] == "${Key.Arn}";
    let policies = template.of_kind("AWS::SNS::TopicPolicy");
    let mut statements =
        policies.flat_map(|(_, p)| p.properties["PolicyDocument"]["Statement"].as_array().into_iter().flatten());
    let refuses =
        |s: &Value| s["Effect"] == "Deny" && s["Condition"] == json!({"Bool": {"aws:SecureTransport": ["false"]}});
    let mut found = lacks(encrypted, "AlarmTopic is encrypted with the key");
    found.extend(lacks(statements.any(refuses), "AlarmTopic refuses what is not TLS"));
    // CloudWatch has to be allowed the key and the topic, or no alarm is published.
    for action in ["kms:GenerateDataKey*", "kms:Decrypt"] {
        let may = allows(&template.properties("Key")["KeyPolicy"], "cloudwatch.amazonaws.com", action, &own_account());
        found.extend(lacks(may, &format!("CloudWatch may {action}")));
    }
    let topic = template.of_kind("AWS::SNS::TopicPolicy").any(|(_, policy)| {
        allows(&policy.properties["PolicyDocument"], "cloudwatch.amazonaws.com", "sns:Publish", &own_account())
    });
    found.extend(lacks(topic, "CloudWatch may publish to AlarmTopic"));
    found
}

pub fn dashboard(template: &NormalizedTemplate) -> Vec<String> {
    let body = template.properties("Dashboard")["DashboardBody"].to_string();
    let shown = [
        "Count",
        "p50",
        "p99",
        "RRU",
        "WRU",
        "ThrottledRequests",
        "IteratorAge",
        "UnknownPayments",
        "OverdueHolds",
        "StuckSales",
        "Disputes",
        "SearchDelay",
        "SearchPoison",
    ];
    let mut found: Vec<_> = shown.into_iter().filter(|what| !body.contains(what)).map(str::to_owned).collect();
    for table in tables::all(template) {
        let rows = body.matches(&format!("${{{table}}}")).count();
        // What is throttled, and what conflicts.
        found.extend(lacks(rows >= 2, table));
    }
    found
}
