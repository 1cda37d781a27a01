//! What is kept: the tables with their indexes and capacity, the buckets, and what outlives the stack.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use table::{
    keys::{PK, SK},
    schema,
};

use super::lacks;
use crate::{Outcome, normalized_template::NormalizedTemplate, tables, template::Resource};

const TARGETS: &str = "AWS::ApplicationAutoScaling::ScalableTarget";
const POLICIES: &str = "AWS::ApplicationAutoScaling::ScalingPolicy";

pub fn retained(template: &NormalizedTemplate) -> Vec<String> {
    let kinds = ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"];
    let data = kinds.into_iter().flat_map(|kind| template.of_kind(kind).collect::<Vec<_>>());
    // What a deployment made that failed is no data, and would keep the next one from making it.
    let lost = data.filter(|(_, r)| r.on_delete != "RetainExceptOnCreate" || r.on_replace != "Retain");
    lost.map(|(name, _)| name.to_owned()).collect()
}

/// An index is in the table that its data is in, and nowhere else. DynamoDB refuses a table with an attribute that no key
/// of it uses.
pub fn indexes(template: &NormalizedTemplate) -> Vec<String> {
    let mut found = Vec::new();
    for table in tables::all(template) {
        let kinds = tables::kinds_in(template, table);
        let wanted: Vec<_> = schema::indexes().into_iter().filter(|index| kinds.contains(&index.kind)).collect();
        let names: BTreeSet<_> = wanted.iter().map(|index| index.name).collect();
        let keys: BTreeSet<_> = wanted.iter().flat_map(|index| [index.hash, index.range]).chain([PK, SK]).collect();
        let properties = template.properties(table);
        let texts = |list: &str, member: &str| -> Vec<String> {
            let items = properties[list].as_array().into_iter().flatten();
            items.map(|item| item[member].as_str().unwrap_or_default().to_owned()).collect()
        };
        let (indexes, attributes) =
            (texts("GlobalSecondaryIndexes", "IndexName"), texts("AttributeDefinitions", "AttributeName"));
        let same = |given: &[String], wanted: &BTreeSet<&str>| {
            given.len() == wanted.len() && given.iter().all(|name| wanted.contains(name.as_str()))
        };
        found.extend(lacks(same(&indexes, &names), &format!("{table} has {indexes:?}")));
        found.extend(lacks(same(&attributes, &keys), &format!("{table} defines {attributes:?}")));
        let is_empty = properties["GlobalSecondaryIndexes"].as_array().is_some_and(Vec::is_empty);
        found.extend(lacks(!is_empty, &format!("{table} has an empty list of indexes, which DynamoDB refuses")));
    }
    found
}

/// A table or an index whose capacity is provisioned.
pub struct Scalable {
    pub table: &'static str,
    pub index: Option<String>,
}

impl Scalable {
    fn resource(&self) -> String {
        let index = self.index.as_ref().map(|index| format!("/index/{index}"));
        format!("table/${{{}}}{}", self.table, index.unwrap_or_default())
    }
}

/// Every table that is provisioned, and each of its indexes.
pub fn scalables(template: &NormalizedTemplate) -> Vec<Scalable> {
    let is_provisioned = |table: &&str| template.properties(table)["BillingMode"] == "PROVISIONED";
    let with_indexes = |table: &'static str| {
        let indexes = template.properties(table)["GlobalSecondaryIndexes"].as_array().into_iter().flatten();
        let names = indexes.filter_map(|index| index["IndexName"].as_str().map(str::to_owned));
        let scalables = std::iter::once(None).chain(names.map(Some));
        scalables.map(move |index| Scalable { table, index }).collect::<Vec<_>>()
    };
    tables::all(template).into_iter().filter(is_provisioned).flat_map(with_indexes).collect()
}

pub fn scaling(template: &NormalizedTemplate) -> Vec<String> {
    let targets: Vec<_> = template.of_kind(TARGETS).collect();
    let policies: Vec<_> = template.of_kind(POLICIES).collect();
    let scalables = scalables(template);
    let wanted: BTreeSet<_> = scalables.iter().map(Scalable::resource).collect();
    let scales = |target: &Resource| target.properties["ResourceId"].as_str().is_some_and(|id| wanted.contains(id));
    let idle = targets.iter().filter(|(_, target)| !scales(target));
    let mut found: Vec<_> = idle.map(|(name, _)| format!("{name} without provisioned capacity")).collect();
    for (name, policy) in &policies {
        let of = policy.properties["ScalingTargetId"].as_str().unwrap_or_default();
        if !targets.iter().any(|(target, _)| of == format!("${{{target}}}")) {
            found.push(format!("{name} without a target"));
        }
    }
    for scalable in &scalables {
        let (resource, kind) = (scalable.resource(), if scalable.index.is_some() { "index" } else { "table" });
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

pub fn bucket_encryption(template: &NormalizedTemplate) -> Vec<String> {
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
    let without = template.of_kind("AWS::S3::Bucket").filter(|(name, bucket)| by(bucket) != [wanted(name)]);
    without.map(|(name, _)| name.to_owned()).collect()
}

pub fn tls(template: &NormalizedTemplate, condition: Value) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for (name, _) in template.of_kind("AWS::S3::Bucket") {
        let of_bucket = |policy: &&Resource| policy.properties["Bucket"] == format!("${{{name}}}").as_str();
        let policies = template.of_kind("AWS::S3::BucketPolicy").map(|(_, policy)| policy).filter(of_bucket);
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

pub fn bucket_logs(template: &NormalizedTemplate) -> Vec<String> {
    let others = template.of_kind("AWS::S3::Bucket").filter(|(name, _)| *name != "AccessLogsBucket");
    let logged = |b: &Resource| b.properties["LoggingConfiguration"]["DestinationBucketName"] == "${AccessLogsBucket}";
    others.filter(|(_, bucket)| !logged(bucket)).map(|(name, _)| name.to_owned()).collect()
}
