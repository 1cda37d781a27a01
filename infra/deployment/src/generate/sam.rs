//! The sections of SAM's template, as YAML.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;
use stream::Mapping;
use table::{
    keys::{PK, SK},
    schema,
};

use super::{
    environment::{self, LISTS},
    facts::{Facts, Function, MAPPINGS},
    indexes::{attributes, prefix},
};
use crate::{Outcome, code::name_of};

/// Each section by its name.
///
/// # Errors
/// The dashboard is no JSON.
pub fn sections(facts: &Facts, dashboard: &str) -> Outcome<BTreeMap<String, String>> {
    serde_json::from_str::<Value>(dashboard).map_err(|e| format!("the dashboard: {e}"))?;
    let mut sections = BTreeMap::from([
        ("variables of every function".to_owned(), variables(environment::EVERY_FUNCTION)),
        ("keys and indexes".to_owned(), table()),
        ("scaling".to_owned(), each_scaled(scaling)),
        ("alarms on capacity".to_owned(), each_scaled(alarm)),
        ("headers of other origins".to_owned(), cors(facts)),
        ("mappings".to_owned(), MAPPINGS.iter().map(mapping).collect::<Vec<_>>().join("\n")),
        ("dashboard".to_owned(), body_of(dashboard)),
    ]);
    for function in &facts.functions {
        sections.insert(format!("{}Function", function.name), environment_and_routes(function));
        let statements = function.statements.iter().map(|statement| format!("- {}\n", flow(statement)));
        sections.insert(format!("permissions of {}", function.name), statements.collect());
    }
    Ok(sections)
}

fn variables(variables: &[(&str, &str)]) -> String {
    variables.iter().map(|(name, value)| format!("{name}: {}\n", scalar(value))).collect()
}

fn environment_and_routes(function: &Function) -> String {
    let mut text = format!("Environment:\n  Variables:\n{}", indented(&variables(&function.environment), 4));
    if !function.routes.is_empty() {
        text.push_str("Events:\n");
    }
    for route in &function.routes {
        let (event, method, path) = (&route.event, &route.method, &route.path);
        let _ = writeln!(
            text,
            "  {event}: {{Type: HttpApi, Properties: {{ApiId: !Ref HttpApi, Method: {method}, Path: '{path}'}}}}"
        );
    }
    text
}

fn cors(facts: &Facts) -> String {
    let cors = &facts.cors;
    let (sent, read) = (cors.sent.join(", "), cors.read.join(", "));
    format!("allowHeaders: [{sent}]\nexposeHeaders: [{read}]\nmaxAge: {}\n", cors.max_age_s)
}

const PROVISIONED: &str = "!If [Provisioned, {ReadCapacityUnits: !Ref StartingCapacity, WriteCapacityUnits: !Ref \
                           StartingCapacity}, !Ref AWS::NoValue]";

fn table() -> String {
    let key = |name: &str, kind: &str| format!("{{AttributeName: {name}, KeyType: {kind}}}");
    let mut text = "AttributeDefinitions:\n".to_owned();
    for (name, kind) in attributes() {
        let _ = writeln!(text, "  - {{AttributeName: {name}, AttributeType: {kind}}}");
    }
    let _ = writeln!(text, "KeySchema:\n  - {}\n  - {}", key(PK, "HASH"), key(SK, "RANGE"));
    text.push_str("GlobalSecondaryIndexes:\n");
    for index in schema::indexes() {
        let projection = match index.include {
            [] => "{ProjectionType: KEYS_ONLY}".to_owned(),
            include => format!("{{ProjectionType: INCLUDE, NonKeyAttributes: [{}]}}", include.join(", ")),
        };
        let (hash, range) = (key(index.hash, "HASH"), key(index.range, "RANGE"));
        let _ = writeln!(
            text,
            "  - IndexName: {}\n    KeySchema: [{hash}, {range}]\n    Projection: {projection}\n    \
             ProvisionedThroughput: {PROVISIONED}",
            index.name
        );
    }
    let _ = writeln!(text, "TimeToLiveSpecification: {{AttributeName: {}, Enabled: true}}", schema::TTL_ATTRIBUTE);
    text
}

/// The table or an index, whose capacity is provisioned by itself.
struct Scaled {
    prefix: String,
    index: Option<&'static str>,
    /// `Read` or `Write`.
    direction: &'static str,
}

fn each_scaled(text: fn(&Scaled) -> String) -> String {
    let table = ("Table".to_owned(), None);
    let indexes = schema::indexes().into_iter().map(|index| (prefix(&index), Some(index.name)));
    let all = std::iter::once(table).chain(indexes);
    let both = all.flat_map(|(prefix, index)| {
        ["Read", "Write"].map(|direction| Scaled { prefix: prefix.clone(), index, direction })
    });
    both.map(|scaled| text(&scaled)).collect()
}

fn scaling(Scaled { prefix, index, direction }: &Scaled) -> String {
    let (kind, resource) = match index {
        Some(name) => ("index", format!("table/${{Table}}/index/{name}")),
        None => ("table", "table/${Table}".to_owned()),
    };
    format!(
        "\
{prefix}{direction}Target:
  Type: AWS::ApplicationAutoScaling::ScalableTarget
  Condition: Provisioned
  Properties: {{ServiceNamespace: dynamodb, ScalableDimension: 'dynamodb:{kind}:{direction}CapacityUnits', ResourceId: !Sub '{resource}', MinCapacity: !Ref MinCapacity, MaxCapacity: !Ref MaxCapacity}}
{prefix}{direction}Scaling:
  Type: AWS::ApplicationAutoScaling::ScalingPolicy
  Condition: Provisioned
  Properties:
    PolicyName: {prefix}{direction}Scaling
    PolicyType: TargetTrackingScaling
    ScalingTargetId: !Ref {prefix}{direction}Target
    TargetTrackingScalingPolicyConfiguration:
      TargetValue: !Ref TargetUtilization
      PredefinedMetricSpecification: {{PredefinedMetricType: DynamoDB{direction}CapacityUtilization}}
"
    )
}

/// What is consumed is a sum over the period, what is provisioned a rate.
fn alarm(Scaled { prefix, index, direction }: &Scaled) -> String {
    let (what, dimensions) = match index {
        Some(name) => (
            format!("index {name}"),
            format!("{{Name: TableName, Value: !Ref Table}}, {{Name: GlobalSecondaryIndexName, Value: {name}}}"),
        ),
        None => ("the table".to_owned(), "{Name: TableName, Value: !Ref Table}".to_owned()),
    };
    let capacity = direction.to_lowercase();
    format!(
        "\
{prefix}{direction}ConsumedAlarm:
  Type: AWS::CloudWatch::Alarm
  Condition: Provisioned
  Properties:
    AlarmDescription: Over 80 % of the provisioned {capacity} capacity of {what} is consumed; see 'Over 80 % consumed' in docs/operations.md
    Metrics:
      - {{Id: percent, Expression: '100 * (FILL(consumed, 0) / PERIOD(consumed)) / FILL(provisioned, REPEAT)', Label: Consumed (%), ReturnData: true}}
      - {{Id: consumed, ReturnData: false, MetricStat: {{Stat: Sum, Period: 300, Metric: {{Namespace: AWS/DynamoDB, MetricName: Consumed{direction}CapacityUnits, Dimensions: [{dimensions}]}}}}}}
      - {{Id: provisioned, ReturnData: false, MetricStat: {{Stat: Average, Period: 300, Metric: {{Namespace: AWS/DynamoDB, MetricName: Provisioned{direction}CapacityUnits, Dimensions: [{dimensions}]}}}}}}
    ComparisonOperator: GreaterThanThreshold
    Threshold: 80
    EvaluationPeriods: 4
    DatapointsToAlarm: 3
    TreatMissingData: notBreaching
    AlarmActions: [!Ref AlarmTopic]
    OKActions: [!Ref AlarmTopic]
"
    )
}

fn mapping(mapping: &Mapping) -> String {
    let name = name_of(mapping.function);
    let filters: String =
        mapping.patterns().iter().map(|pattern| format!("        - Pattern: '{pattern}'\n")).collect();
    format!(
        "\
{name}Mapping:
  Type: AWS::Lambda::EventSourceMapping
  Properties:
    FunctionName: !Ref {name}Function
    EventSourceArn: !GetAtt Table.StreamArn
    # {name}StoppedAlarm looks at these.
    MetricsConfig: {{Metrics: [EventCount]}}
    StartingPosition: TRIM_HORIZON
    BatchSize: {}
    MaximumBatchingWindowInSeconds: {}
    FunctionResponseTypes: [ReportBatchItemFailures]
    BisectBatchOnFunctionError: {}
    MaximumRetryAttempts: {}
    MaximumRecordAgeInSeconds: {}
    DestinationConfig: {{OnFailure: {{Destination: !GetAtt DeadLettersBucket.Arn}}}}
    FilterCriteria:
      Filters:
{filters}",
        mapping.batch_size,
        mapping.window.as_secs(),
        mapping.bisect,
        mapping.retries,
        mapping.max_age.as_secs(),
    )
}

fn body_of(dashboard: &str) -> String {
    let body = indented(dashboard, 4);
    format!("DashboardBody: !Sub\n  - |\n{body}  - Stage: !Ref HttpApiApiGatewayDefaultStage\n")
}

fn indented(text: &str, spaces: usize) -> String {
    text.lines().map(|line| format!("{:spaces$}{line}\n", "")).collect()
}

/// JSON on one line of YAML.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let order = ["Sid", "Effect", "Action", "Resource", "Condition"];
            let place = |name: &str| order.iter().position(|other| *other == name).unwrap_or(order.len());
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| place(name));
            let members: Vec<_> = members.into_iter().map(|(name, value)| format!("{name}: {}", flow(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::String(text) => scalar(text),
        plain => plain.to_string(),
    }
}

/// A text in which `${Table}` and `${Table.Arn}` stand for what they name.
fn scalar(text: &str) -> String {
    let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).filter(|name| !name.contains('}'));
    match whole {
        Some(name) if LISTS.contains(&name) => format!("!Join [',', !Ref {name}]"),
        Some(name) if name.contains('.') => format!("!GetAtt {name}"),
        Some(name) => format!("!Ref {name}"),
        None if text.contains("${") => format!("!Sub '{text}'"),
        None if text.chars().all(|c| c.is_ascii_alphanumeric() || ":-_".contains(c)) => text.to_owned(),
        None => format!("'{text}'"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_becomes_a_reference() {
        assert_eq!(scalar("${Table}"), "!Ref Table");
        assert_eq!(scalar("${Table.Arn}"), "!GetAtt Table.Arn");
        assert_eq!(scalar("${AllowedOrigins}"), "!Join [',', !Ref AllowedOrigins]");
        assert_eq!(scalar("${A},${B}"), "!Sub '${A},${B}'");
        assert_eq!(scalar("stripe"), "stripe");
        assert_eq!(scalar("*"), "'*'");
    }

    #[test]
    fn a_statement_is_one_line_in_the_usual_order() {
        let statement = json!({
            "Resource": "${Table.Arn}", "Action": ["dynamodb:Query"], "Sid": "Query", "Effect": "Allow",
            "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["PROD#*"]}},
        });

        let line = flow(&statement);

        let expected = "{Sid: Query, Effect: Allow, Action: [dynamodb:Query], Resource: !GetAtt Table.Arn, \
                        Condition: {ForAllValues:StringLike: {dynamodb:LeadingKeys: ['PROD#*']}}}";
        assert_eq!(line, expected);
    }
}
