//! The tables, and the conditions that say which there are.

use std::{collections::BTreeSet, fmt::Write as _};

use table::{
    keys::{DataKind, PK, SK},
    schema::{self, Index},
};

use super::values::{NOTHING, are_in_table, has_own, in_table, indented, indexes_are_provisioned, is_provisioned};
use crate::{
    generate::indexes::{Attribute, attributes},
    tables::{OWN, TABLE, name_of, resource_of},
};

/// The conditions about tables. Of those about several kinds together only the used ones are written, because cfn-lint
/// refuses a condition that nothing uses.
pub fn conditions(is_used: impl Fn(&str) -> bool) -> String {
    let mut text = format!("{}: !Equals [!Ref BillingMode, PROVISIONED]\n", is_provisioned(DataKind::Rest));
    for kind in OWN {
        let name = name_of(kind);
        let _ = writeln!(text, "{}: !Not [!Equals [!Ref {name}Table, shared]]", has_own(kind));
        let _ = writeln!(text, "{}: !Equals [!Ref {name}Table, PROVISIONED]", is_provisioned(kind));
        let _ =
            writeln!(text, "{name}Restored: !And [!Condition Restored, !Not [!Equals [!Ref {name}RestorePrefix, '']]]");
        if has_indexes(kind) {
            let _ = writeln!(
                text,
                "{}: !Or [!Condition {}, !And [!Condition {}, !Not [!Condition {}]]]",
                indexes_are_provisioned(kind),
                is_provisioned(kind),
                is_provisioned(DataKind::Rest),
                has_own(kind)
            );
        }
    }
    for several in sets().filter(|kinds| kinds.len() > 1) {
        let name = are_in_table(&several);
        if is_used(&name) {
            let have: Vec<_> = several.iter().map(|kind| format!("!Condition {}", has_own(*kind))).collect();
            let _ = writeln!(text, "{name}: !Not [!And [{}]]", have.join(", "));
        }
    }
    text
}

/// Every set of kinds of data that can have tables of their own.
fn sets() -> impl Iterator<Item = BTreeSet<DataKind>> {
    (0..1_usize << OWN.len()).map(|bits| (0..OWN.len()).filter(|at| bits >> at & 1 == 1).map(|at| OWN[at]).collect())
}

fn has_indexes(kind: DataKind) -> bool {
    schema::indexes().iter().any(|index| index.kind == kind)
}

/// The table, and the tables that kinds of data can have of their own.
pub fn tables() -> String {
    let own = OWN.into_iter().map(own_table);
    std::iter::once(table()).chain(own).collect::<Vec<_>>().join("\n")
}

fn table() -> String {
    let of_kind = |Attribute { of, .. }: &Attribute| of.iter().copied().collect();
    let attributes = attributes().into_iter().map(|attribute| in_table(&of_kind(&attribute), &definition(&attribute)));
    let with_indexes: BTreeSet<_> = OWN.into_iter().filter(|kind| has_indexes(*kind)).collect();
    // DynamoDB refuses an empty list.
    let mut indexes = format!("!If\n  - {}\n", are_in_table(&with_indexes));
    for (at, index) in schema::indexes().iter().enumerate() {
        let begin = if at == 0 { "  - - " } else { "    - " };
        let _ = writeln!(indexes, "{begin}!If\n      - {}\n      - {NOTHING}", has_own(index.kind));
        indexes.push_str(&indented(&listed(&index_of(index, &is_provisioned(DataKind::Rest))), 6));
    }
    let _ = writeln!(indexes, "  - {NOTHING}");
    resource(&Written {
        id: TABLE,
        condition: None,
        name: "!If [HasTableName, !Ref TableName, !Sub '${AWS::StackName}-Table']".to_owned(),
        billing_mode: "!Ref BillingMode".to_owned(),
        provisioned: is_provisioned(DataKind::Rest),
        attributes: attributes.collect(),
        indexes: Some(indexes),
        restored: "Restored".to_owned(),
        prefix: "RestorePrefix".to_owned(),
    })
}

fn own_table(kind: DataKind) -> String {
    let (name, provisioned) = (name_of(kind), is_provisioned(kind));
    let attributes =
        attributes().into_iter().filter(|attribute| attribute.of.is_empty() || attribute.of.contains(&kind));
    let indexes = schema::indexes().into_iter().filter(|index| index.kind == kind);
    let indexes: String = indexes.map(|index| indented(&listed(&index_of(&index, &provisioned)), 2)).collect();
    resource(&Written {
        id: resource_of(kind),
        condition: Some(has_own(kind)),
        name: format!("!If [HasTableName, !Sub '${{TableName}}-{name}', !Sub '${{AWS::StackName}}-{name}']"),
        billing_mode: format!("!If [{provisioned}, PROVISIONED, PAY_PER_REQUEST]"),
        attributes: attributes.map(|attribute| definition(&attribute)).collect(),
        indexes: (!indexes.is_empty()).then(|| format!("\n{indexes}")),
        restored: format!("{name}Restored"),
        prefix: format!("{name}RestorePrefix"),
        provisioned,
    })
}

/// What of a table differs from the others.
struct Written {
    id: &'static str,
    condition: Option<String>,
    name: String,
    billing_mode: String,
    /// The condition that its capacity is provisioned.
    provisioned: String,
    attributes: Vec<String>,
    indexes: Option<String>,
    /// The condition that it is filled from an export, and the parameter that has the export's prefix.
    restored: String,
    prefix: String,
}

fn resource(of: &Written) -> String {
    let condition = of.condition.as_ref().map(|condition| format!("  Condition: {condition}\n")).unwrap_or_default();
    let attributes: String = of.attributes.iter().map(|attribute| format!("      - {attribute}\n")).collect();
    let indexes = of.indexes.as_ref().map(|indexes| format!("GlobalSecondaryIndexes: {}\n", indexes.trim_end()));
    let indexes =
        indented(&indexes.unwrap_or_default().replace("GlobalSecondaryIndexes: \n", "GlobalSecondaryIndexes:\n"), 4);
    let Written { id, name, billing_mode, provisioned, restored, prefix, .. } = of;
    format!(
        "\
{id}:
  Type: AWS::DynamoDB::Table
{condition}  DeletionPolicy: RetainExceptOnCreate
  UpdateReplacePolicy: Retain
  Properties:
    TableName: {name}
    BillingMode: {billing_mode}
    ProvisionedThroughput: {}
    AttributeDefinitions:
{attributes}    KeySchema:
      - {}
      - {}
{indexes}    TimeToLiveSpecification: {{AttributeName: {}, Enabled: true}}
    StreamSpecification: {{StreamViewType: NEW_AND_OLD_IMAGES}}
    PointInTimeRecoverySpecification: {{PointInTimeRecoveryEnabled: true}}
    DeletionProtectionEnabled: !If [Protected, true, false]
    SSESpecification: {{SSEEnabled: true, SSEType: KMS, KMSMasterKeyId: !GetAtt Key.Arn}}
    ContributorInsightsSpecification: {THROTTLED_KEYS}
    ImportSourceSpecification: !If
      - {restored}
      - InputFormat: DYNAMODB_JSON
        InputCompressionType: GZIP
        S3BucketSource: {{S3Bucket: !Ref RestoreBucket, S3KeyPrefix: !Ref {prefix}}}
      - {NOTHING}
",
        throughput(provisioned),
        key(PK, "HASH"),
        key(SK, "RANGE"),
        schema::TTL_ATTRIBUTE,
    )
}

/// Turned off explicitly: what CloudFormation does if it is left out, AWS does not document.
const THROTTLED_KEYS: &str = "!If [RecordsThrottledKeys, {Enabled: true, Mode: THROTTLED_KEYS}, {Enabled: false}]";

fn throughput(provisioned: &str) -> String {
    format!(
        "!If [{provisioned}, {{ReadCapacityUnits: !Ref StartingCapacity, WriteCapacityUnits: !Ref StartingCapacity}}, \
         {NOTHING}]"
    )
}

fn key(name: &str, kind: &str) -> String {
    format!("{{AttributeName: {name}, KeyType: {kind}}}")
}

fn definition(Attribute { name, kind, .. }: &Attribute) -> String {
    format!("{{AttributeName: {name}, AttributeType: {kind}}}")
}

fn index_of(index: &Index, provisioned: &str) -> String {
    let projection = match index.include {
        [] => "{ProjectionType: KEYS_ONLY}".to_owned(),
        include => format!("{{ProjectionType: INCLUDE, NonKeyAttributes: [{}]}}", include.join(", ")),
    };
    format!(
        "IndexName: {}\nKeySchema: [{}, {}]\nProjection: {projection}\nProvisionedThroughput: \
         {}\nContributorInsightsSpecification: {THROTTLED_KEYS}\n",
        index.name,
        key(index.hash, "HASH"),
        key(index.range, "RANGE"),
        throughput(provisioned)
    )
}

/// As an item of a list.
fn listed(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    std::iter::once(format!("- {first}\n")).chain(lines.map(|line| format!("  {line}\n"))).collect()
}
