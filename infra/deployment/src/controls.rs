//! The controls that a production deployment must have, one after the other. A template that lost one fails here, independently
//! of the other template.

mod alarms;
mod data;
mod roles;
mod serving;

use serde_json::{Value, json};

use self::{
    alarms::{alarm_topic, alarms, dashboard},
    data::{bucket_encryption, bucket_logs, indexes, retained, scaling, tls},
    roles::{invokers, own_roles, policy_sizes, scan_deny, services, trust, wildcards},
    serving::{cors, filters, log_groups, one_door, one_indexer, readers, schedule, throttling, timeouts},
};
use crate::{
    Outcome, calls,
    normalized_template::{NormalizedTemplate, STAGE},
};

/// A control, and what of a template lacks it.
pub struct Control {
    pub name: &'static str,
    lacking: fn(&NormalizedTemplate) -> Outcome<Vec<String>>,
}

impl Control {
    /// What lacks it; nothing where it holds.
    pub fn lacking(&self, template: &NormalizedTemplate) -> Vec<String> {
        (self.lacking)(template).unwrap_or_else(|error| vec![error.to_string()])
    }
}

pub const CONTROLS: [Control; 55] = [
    // Roles.
    Control { name: "every role denies Scan and PartiQL", lacking: scan_deny },
    Control { name: "every function has a role of its own", lacking: own_roles },
    Control { name: "only Lambda takes a function's role", lacking: |s| Ok(trust(s)) },
    Control { name: "no permission is for everything", lacking: |s| Ok(wildcards(s)) },
    Control { name: "no function reaches data of others", lacking: calls::forbidden },
    Control { name: "every function is invoked by one service only", lacking: |s| Ok(invokers(s)) },
    Control { name: "services of AWS have only the permissions they need", lacking: |s| Ok(services(s)) },
    Control { name: "no role is longer than IAM takes", lacking: |s| Ok(policy_sizes(s)) },
    // The tables.
    Control { name: "each table has the indexes of the data in it", lacking: |s| Ok(indexes(s)) },
    Control {
        name: "each table is encrypted with the key",
        lacking: |s| {
            of_table(
                s,
                "SSESpecification",
                json!({"KMSMasterKeyId": "${Key.Arn}", "SSEEnabled": "true", "SSEType": "KMS"}),
            )
        },
    },
    Control {
        name: "each table can be restored to any point in time",
        lacking: |s| of_table(s, "PointInTimeRecoverySpecification", json!({"PointInTimeRecoveryEnabled": "true"})),
    },
    Control {
        name: "each table is protected from deletion",
        lacking: |s| of_table(s, "DeletionProtectionEnabled", json!("true")),
    },
    Control {
        name: "items expire by TTL",
        lacking: |s| of_table(s, "TimeToLiveSpecification", json!({"AttributeName": "expiresAt", "Enabled": "true"})),
    },
    Control {
        name: "streams have both images",
        lacking: |s| of_table(s, "StreamSpecification", json!({"StreamViewType": "NEW_AND_OLD_IMAGES"})),
    },
    Control {
        name: "data outlives the stack, but not a failed deployment that created it",
        lacking: |s| Ok(retained(s)),
    },
    Control { name: "provisioned capacity scales, on each table and on each index", lacking: |s| Ok(scaling(s)) },
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
        name: "buckets delete versions that are no longer current",
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
                ["CURSOR_KEYS", "LINK_KEYS", "ORDER_LINK_KEYS", "STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRETS"]
                    .iter()
                    .all(|name| f["Environment"]["Variables"].get(name).is_none())
            })
        },
    },
    // The streams and the schedules.
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
    Control { name: "mappings deliver what their function handles, and nothing else", lacking: |s| Ok(filters(s)) },
    Control { name: "each stream has its readers", lacking: |s| Ok(readers(s)) },
    Control { name: "the sweeper runs once a minute", lacking: |s| Ok(schedule(s, "Sweeper")) },
    Control { name: "the indexer runs once a minute", lacking: |s| Ok(schedule(s, "Indexer")) },
    Control { name: "no two invocations of the indexer run at once", lacking: |s| Ok(one_indexer(s)) },
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
    Control { name: "every alarm that is needed exists and notifies the topic", lacking: |s| Ok(alarms(s)) },
    Control { name: "alarms are published encrypted", lacking: |s| Ok(alarm_topic(s)) },
    Control { name: "a dashboard shows the state of the shop", lacking: |s| Ok(dashboard(s)) },
];

const FUNCTIONS: &str = "AWS::Lambda::Function";

/// The functions that a schedule calls.
pub const SCHEDULED: [&str; 2] = ["Sweeper", "Indexer"];

fn lacks(holds: bool, what: &str) -> Vec<String> {
    if holds { Vec::new() } else { vec![what.to_owned()] }
}

/// The resources of a kind that do not have something; with none of the kind at all, the kind.
fn each(template: &NormalizedTemplate, kind: &str, has: impl Fn(&Value) -> bool) -> Outcome<Vec<String>> {
    // Only a domain may be left out.
    if template.of_kind(kind).next().is_none() && kind != "AWS::ApiGatewayV2::DomainName" {
        return Ok(vec![format!("there is no {kind}")]);
    }
    Ok(template.of_kind(kind).filter(|(_, r)| !has(&r.properties)).map(|(name, _)| name.to_owned()).collect())
}

fn of_table(template: &NormalizedTemplate, property: &str, wanted: Value) -> Outcome<Vec<String>> {
    each(template, "AWS::DynamoDB::Table", |table| table[property] == wanted)
}

fn of_mappings(template: &NormalizedTemplate, property: &str, wanted: Value) -> Outcome<Vec<String>> {
    each(template, "AWS::Lambda::EventSourceMapping", |mapping| mapping[property] == wanted)
}

fn block(template: &NormalizedTemplate, what: &str) -> Outcome<Vec<String>> {
    each(template, "AWS::S3::Bucket", |bucket| bucket["PublicAccessBlockConfiguration"][what] == "true")
}
