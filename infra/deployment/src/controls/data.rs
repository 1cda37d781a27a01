//! What is kept: the table's capacity, the buckets, and what outlives the stack.

use serde_json::{Value, json};

use super::lacks;
use crate::{Outcome, normalized_template::NormalizedTemplate, template::Resource};

pub fn retained(template: &NormalizedTemplate) -> Vec<String> {
    let kinds = ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"];
    let data = kinds.into_iter().flat_map(|kind| template.of_kind(kind).collect::<Vec<_>>());
    // What a deployment made that failed is no data, and would keep the next one from making it.
    let lost = data.filter(|(_, r)| r.on_delete != "RetainExceptOnCreate" || r.on_replace != "Retain");
    lost.map(|(name, _)| name.to_owned()).collect()
}

pub fn is_provisioned(template: &NormalizedTemplate) -> bool {
    template.properties("Table")["BillingMode"] == "PROVISIONED"
}

/// The table and its indexes, as a resource to scale and by the name of the index.
pub fn scalables(template: &NormalizedTemplate) -> Vec<(String, Option<String>)> {
    let indexes = template.properties("Table")["GlobalSecondaryIndexes"].as_array().cloned().unwrap_or_default();
    let names = indexes.iter().filter_map(|index| index["IndexName"].as_str());
    let of_indexes = names.map(|name| (format!("table/${{Table}}/index/{name}"), Some(name.to_owned())));
    std::iter::once(("table/${Table}".to_owned(), None)).chain(of_indexes).collect()
}

pub fn scaling(template: &NormalizedTemplate) -> Vec<String> {
    let targets: Vec<_> = template.of_kind("AWS::ApplicationAutoScaling::ScalableTarget").collect();
    let policies: Vec<_> = template.of_kind("AWS::ApplicationAutoScaling::ScalingPolicy").collect();
    if !is_provisioned(template) {
        return targets
            .iter()
            .chain(&policies)
            .map(|(name, _)| format!("{name} without provisioned capacity"))
            .collect();
    }
    let mut found = Vec::new();
    for (resource, index) in scalables(template) {
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
