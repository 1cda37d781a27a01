//! What scales the capacity that is provisioned, and the alarms on what is consumed of it.

use table::{keys::DataKind, schema};

use super::values::{indexes_are_provisioned, is_provisioned, scalar, table};
use crate::{
    generate::indexes::prefix,
    tables::{OWN, described, placeholder, prefix_of, resource_of},
};

/// A table or an index, whose capacity is provisioned by itself.
pub struct Scaled {
    prefix: String,
    /// The condition that it is provisioned.
    provisioned: String,
    /// The table that it is, or belongs to.
    table: Table,
    index: Option<&'static str>,
    /// `Read` or `Write`.
    direction: &'static str,
}

enum Table {
    /// This one.
    Of(DataKind),
    /// The one that a kind of data is in.
    With(DataKind),
}

/// The text of each, for reads and for writes.
pub fn each_scaled(text: fn(&Scaled) -> String) -> String {
    let tables = [DataKind::Rest].into_iter().chain(OWN);
    let tables = tables.map(|kind| (prefix_of(kind), is_provisioned(kind), Table::Of(kind), None));
    let indexes = schema::indexes()
        .into_iter()
        .map(|index| (prefix(&index), indexes_are_provisioned(index.kind), Table::With(index.kind), Some(index.name)));
    let mut all = String::new();
    for (prefix, provisioned, table, index) in tables.chain(indexes) {
        let mut scaled = Scaled { prefix, provisioned, table, index, direction: "Read" };
        all.push_str(&text(&scaled));
        scaled.direction = "Write";
        all.push_str(&text(&scaled));
    }
    all
}

impl Table {
    fn name(&self) -> String {
        match self {
            Self::Of(kind) => format!("!Ref {}", resource_of(*kind)),
            Self::With(kind) => table(*kind, ""),
        }
    }
}

pub fn scaling(Scaled { prefix, provisioned, table, index, direction }: &Scaled) -> String {
    let of_table = match table {
        Table::Of(kind) => format!("${{{}}}", resource_of(*kind)),
        Table::With(kind) => placeholder(*kind, ""),
    };
    let (kind, resource) = match index {
        Some(name) => ("index", format!("table/{of_table}/index/{name}")),
        None => ("table", format!("table/{of_table}")),
    };
    let resource = scalar(&resource);
    format!(
        "\
{prefix}{direction}Target:
  Type: AWS::ApplicationAutoScaling::ScalableTarget
  Condition: {provisioned}
  Properties: {{ServiceNamespace: dynamodb, ScalableDimension: 'dynamodb:{kind}:{direction}CapacityUnits', ResourceId: {resource}, MinCapacity: !Ref MinCapacity, MaxCapacity: !Ref MaxCapacity}}
{prefix}{direction}Scaling:
  Type: AWS::ApplicationAutoScaling::ScalingPolicy
  Condition: {provisioned}
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
pub fn alarm(Scaled { prefix, provisioned, table, index, direction }: &Scaled) -> String {
    let name = table.name();
    let (what, dimensions) = match (index, table) {
        (Some(index), _) => (
            format!("index {index}"),
            format!("{{Name: TableName, Value: {name}}}, {{Name: GlobalSecondaryIndexName, Value: {index}}}"),
        ),
        (None, Table::Of(kind) | Table::With(kind)) => {
            (described(*kind).to_owned(), format!("{{Name: TableName, Value: {name}}}"))
        }
    };
    let capacity = direction.to_lowercase();
    format!(
        "\
{prefix}{direction}ConsumedAlarm:
  Type: AWS::CloudWatch::Alarm
  Condition: {provisioned}
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
