//! Alarms of each table and of each mapping.

use table::keys::DataKind;

use super::values::has_own;
use crate::{
    generate::facts::{Consumer, OPERATIONS},
    tables::{OWN, described, prefix_of, resource_of},
};

/// Three alarms for each table. Those of the one with everything else have the shorter names.
pub fn of_tables() -> String {
    let of = |kind: DataKind| {
        let (table, what, condition) = (resource_of(kind), described(kind), condition(kind));
        let prefix = if kind == DataKind::Rest { String::new() } else { prefix_of(kind) };
        let by_operation =
            |metric: &str| -> String { OPERATIONS.map(|operation| counted(table, metric, operation)).concat() };
        [
            sum(
                &format!("{prefix}ThrottledRequests"),
                &condition,
                &format!("DynamoDB throttles requests of {what}; see 'Throttled requests'"),
                ("ThrottledRequests", &by_operation("ThrottledRequests"), 5),
            ),
            sum(
                &format!("{prefix}SystemErrors"),
                &condition,
                &format!("DynamoDB answers requests of {what} with errors of its own; see 'DynamoDB fails'"),
                ("SystemErrors", &by_operation("SystemErrors"), 5),
            ),
            sum(
                &format!("{prefix}TransactionConflict"),
                &condition,
                &format!("Transactions conflict with each other in {what}; see 'Transaction conflicts'"),
                (
                    "TransactionConflict",
                    &metric("conflicts", "TransactionConflict", &format!("[{{Name: TableName, Value: !Ref {table}}}]")),
                    100,
                ),
            ),
        ]
    };
    [DataKind::Rest].into_iter().chain(OWN).flat_map(of).collect::<Vec<_>>().join("\n")
}

fn condition(kind: DataKind) -> String {
    if kind == DataKind::Rest { String::new() } else { format!("  Condition: {}\n", has_own(kind)) }
}

fn counted(table: &str, name: &str, operation: &str) -> String {
    let id = operation[..1].to_lowercase() + &operation[1..];
    let dimensions = format!("[{{Name: TableName, Value: !Ref {table}}}, {{Name: Operation, Value: {operation}}}]");
    metric(&id, name, &dimensions)
}

fn metric(id: &str, name: &str, dimensions: &str) -> String {
    format!(
        "      - {{Id: {id}, ReturnData: false, MetricStat: {{Stat: Sum, Period: 300, Metric: {{Namespace: AWS/DynamoDB, \
         MetricName: {name}, Dimensions: {dimensions}}}}}}}\n"
    )
}

/// An alarm on metrics that are filled up with zeros.
fn sum(id: &str, condition: &str, description: &str, (label, metrics, threshold): (&str, &str, u32)) -> String {
    format!(
        "\
{id}Alarm:
  Type: AWS::CloudWatch::Alarm
{condition}  Properties:
    AlarmDescription: {description} in docs/operations.md
    Metrics:
      - {{Id: total, Expression: 'SUM(FILL(METRICS(), 0))', Label: {label}, ReturnData: true}}
{metrics}    ComparisonOperator: GreaterThanOrEqualToThreshold
    Threshold: {threshold}
    EvaluationPeriods: 3
    DatapointsToAlarm: 1
    TreatMissingData: notBreaching
    AlarmActions: [!Ref AlarmTopic]
    OKActions: [!Ref AlarmTopic]
"
    )
}

/// An alarm for each mapping, which goes off when it no longer reads its stream.
pub fn of_mappings(consumers: &[Consumer]) -> String {
    let of_consumer = |consumer: &Consumer| -> Vec<String> {
        let function = consumer.mapping.function;
        super::stream::tables_of(consumer).into_iter().map(|kind| stopped(&consumer.name(), function, kind)).collect()
    };
    consumers.iter().flat_map(of_consumer).collect::<Vec<_>>().join("\n")
}

fn stopped(name: &str, function: &str, kind: DataKind) -> String {
    let (mapping, condition) = (super::stream::id(name, kind), condition(kind));
    let table = described(kind);
    format!(
        "\
{}StoppedAlarm:
  Type: AWS::CloudWatch::Alarm
{condition}  Properties:
    AlarmDescription: The stream of {table} is not read for function {function}; see 'A consumer does not run' in docs/operations.md
    # Counted at each look into the stream, also where there is nothing in it.
    Namespace: AWS/Lambda
    MetricName: PolledEventCount
    Dimensions: [{{Name: EventSourceMappingUUID, Value: !Ref {mapping}}}]
    Statistic: SampleCount
    Period: 300
    ComparisonOperator: LessThanThreshold
    Threshold: 1
    EvaluationPeriods: 3
    DatapointsToAlarm: 3
    TreatMissingData: breaching
    AlarmActions: [!Ref AlarmTopic]
    OKActions: [!Ref AlarmTopic]
",
        mapping.trim_end_matches("Mapping"),
    )
}
