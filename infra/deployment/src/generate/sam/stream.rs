//! The mappings: one for each consumer and each table whose changes it handles, with the patterns of the data in that table.
//! Each table has a stream of its own, and a pattern that can match nothing in it would count against the limit of
//! [five](https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html).

use std::{collections::BTreeSet, fmt::Write as _};

use table::keys::DataKind;

use super::values::{are_in_table, has_own, in_table};
use crate::{
    generate::facts::Consumer,
    tables::{name_of, resource_of},
};

/// The tables that a consumer has a mapping of: the one with everything else first.
pub fn tables_of(consumer: &Consumer) -> Vec<DataKind> {
    let own = consumer.kinds().into_iter().filter(|kind| *kind != DataKind::Rest);
    std::iter::once(DataKind::Rest).chain(own).collect()
}

/// The mapping of a consumer and a table, among the resources.
pub fn id(consumer: &str, kind: DataKind) -> String {
    format!("{consumer}{}Mapping", name_of(kind))
}

pub fn mappings(consumers: &[Consumer]) -> String {
    let of_consumer =
        |consumer: &Consumer| tables_of(consumer).into_iter().map(|kind| mapping(consumer, kind)).collect::<Vec<_>>();
    consumers.iter().flat_map(of_consumer).collect::<Vec<_>>().join("\n")
}

fn mapping(consumer: &Consumer, kind: DataKind) -> String {
    let (name, kinds) = (consumer.name(), consumer.kinds());
    let mut filters = String::new();
    for (of, pattern) in &consumer.patterns {
        let filter = format!("{{Pattern: '{pattern}'}}");
        match kind {
            DataKind::Rest => drop(writeln!(filters, "        - {}", in_table(&BTreeSet::from([*of]), &filter))),
            own if own == *of => drop(writeln!(filters, "        - {filter}")),
            _ => {}
        }
    }
    let condition = match kind {
        DataKind::Rest if kinds.contains(&DataKind::Rest) => None,
        DataKind::Rest => Some(are_in_table(&kinds)),
        own => Some(has_own(own)),
    };
    let condition = condition.map(|condition| format!("  Condition: {condition}\n")).unwrap_or_default();
    let (id, mapping) = (id(&name, kind), &consumer.mapping);
    format!(
        "\
{id}:
  Type: AWS::Lambda::EventSourceMapping
{condition}  Properties:
    FunctionName: !Ref {name}Function
    EventSourceArn: !GetAtt {}.StreamArn
    # {}StoppedAlarm looks at these.
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
        resource_of(kind),
        id.trim_end_matches("Mapping"),
        mapping.batch_size,
        mapping.window.as_secs(),
        mapping.bisect,
        mapping.retries,
        mapping.max_age.as_secs(),
    )
}
