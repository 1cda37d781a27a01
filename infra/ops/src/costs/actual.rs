//! A real month beside the estimate.

use serde::Serialize;

use super::{
    bill::Bill,
    export::{Grouping, Month},
    prices::{Item, PriceList},
    usage::Usage,
};
use crate::decimal::Decimal;

/// What both the bill and the estimate know, and what the bill calls it.
struct Group {
    name: &'static str,
    items: &'static [Item],
    called: &'static [&'static str],
}

impl Group {
    /// With or without a region.
    fn is_called(&self, called: &str) -> bool {
        self.called.contains(&called) || self.called.contains(&without_region(called))
    }
}

const fn group(name: &'static str, items: &'static [Item], called: &'static [&'static str]) -> Group {
    Group { name, items, called }
}

/// Usage types, without the region before them. Those of DynamoDB are in
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-understanding-billing.html>, the others in the price
/// list of each service. One name is of three services.
const USAGE_TYPES: &[Group] = &[
    group("DynamoDB: reads on demand", &[Item::Rru], &["ReadRequestUnits"]),
    group("DynamoDB: writes on demand", &[Item::Wru], &["WriteRequestUnits"]),
    group("DynamoDB: provisioned reads", &[Item::RcuHour], &["ReadCapacityUnit-Hrs"]),
    group("DynamoDB: provisioned writes", &[Item::WcuHour], &["WriteCapacityUnit-Hrs"]),
    group("storage: table, S3 and logs", &[Item::TableGb, Item::S3Gb, Item::LogsGb], &["TimedStorage-ByteHrs"]),
    group("DynamoDB: point-in-time recovery", &[Item::RecoveryGb], &["TimedPITRStorage-ByteHrs"]),
    group("API Gateway: requests", &[Item::HttpApi], &["ApiGatewayHttpRequest"]),
    group("Lambda: invocations", &[Item::LambdaRequest], &["Request-ARM", "Request"]),
    group("Lambda: duration", &[Item::LambdaGbSecond], &["Lambda-GB-Second-ARM", "Lambda-GB-Second"]),
    group("S3: PUT and LIST", &[Item::S3Put], &["Requests-Tier1"]),
    group("S3: GET", &[Item::S3Get], &["Requests-Tier2"]),
    group("CloudWatch: logs", &[Item::Logs], &["DataProcessing-Bytes"]),
    group("CloudWatch: metrics", &[Item::Metric], &["CW:MetricMonitorUsage"]),
    group("CloudWatch: alarms", &[Item::AlarmMetric], &["CW:AlarmMonitorUsage"]),
    group("CloudWatch: dashboards", &[Item::Dashboard], &["DashboardsUsageHour", "DashboardsUsageHour-Basic"]),
    group("KMS: keys", &[Item::Key], &["KMS-Keys"]),
    group("KMS: requests", &[Item::KeyRequest], &["KMS-Requests"]),
    group("Secrets Manager: secrets", &[Item::Secret], &["AWSSecretsManager-Secrets"]),
    group("Secrets Manager: reads", &[Item::SecretRequest], &["AWSSecretsManagerAPIRequest"]),
    group("SES: e-mails", &[Item::Mail], &["Recipients", "Recipients-EC2"]),
    group("X-Ray: traces", &[Item::Trace], &["XRay-TracesStored"]),
    group("transfer to the internet", &[Item::TransferGb], &["DataTransfer-Out-Bytes"]),
];

/// Operations, as the bill calls them: DynamoDB's are modes of payment, so a Scan is not apart from a Query there.
const OPERATIONS: &[Group] = &[
    group("DynamoDB: requests on demand", &[Item::Rru, Item::Wru], &["PayPerRequestThroughput"]),
    group("DynamoDB: provisioned capacity", &[Item::RcuHour, Item::WcuHour], &["CommittedThroughput"]),
    group("storage: table and S3", &[Item::TableGb, Item::S3Gb], &["StandardStorage"]),
    group("CloudWatch: logs that are kept", &[Item::LogsGb], &["HourlyStorageMetering"]),
    group("CloudWatch: logs", &[Item::Logs], &["PutLogEvents"]),
    group("API Gateway: requests", &[Item::HttpApi], &["ApiGatewayHttpApi"]),
    group("Lambda: invocations and duration", &[Item::LambdaRequest, Item::LambdaGbSecond], &["Invoke"]),
    group("S3: PUT and LIST", &[Item::S3Put], &["PutObject", "ListBucket"]),
    group("S3: GET", &[Item::S3Get], &["GetObject"]),
];

const SERVICES: &[Group] = &[
    group(
        "DynamoDB",
        &[Item::Rru, Item::Wru, Item::RcuHour, Item::WcuHour, Item::TableGb, Item::RecoveryGb],
        &["DynamoDB", "Amazon DynamoDB"],
    ),
    group("API Gateway", &[Item::HttpApi], &["API Gateway", "Amazon API Gateway"]),
    group("Lambda", &[Item::LambdaRequest, Item::LambdaGbSecond], &["Lambda", "AWS Lambda"]),
    group("S3", &[Item::S3Put, Item::S3Get, Item::S3Gb], &["S3", "Amazon Simple Storage Service"]),
    group(
        "CloudWatch",
        &[Item::Logs, Item::LogsGb, Item::Metric, Item::AlarmMetric, Item::Dashboard],
        &["CloudWatch", "AmazonCloudWatch"],
    ),
    group("KMS", &[Item::Key, Item::KeyRequest], &["Key Management Service", "AWS Key Management Service"]),
    group("Secrets Manager", &[Item::Secret, Item::SecretRequest], &["Secrets Manager", "AWS Secrets Manager"]),
    group("SES", &[Item::Mail], &["SES", "Simple Email Service", "Amazon Simple Email Service"]),
    group("X-Ray", &[Item::Trace], &["X-Ray", "AWS X-Ray"]),
];

/// One group of costs in both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    pub name: String,
    pub estimate_usd: Decimal,
    pub actual_usd: Decimal,
}

#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    pub month: String,
    pub grouping: Grouping,
    /// Days of the month that the file has, if it is by day, and the month's days.
    pub days: Option<(usize, usize)>,
    /// Whether the estimate is that of provisioned capacity, because the bill has some.
    pub provisioned: bool,
    pub pairs: Vec<Pair>,
    /// What the estimate has and no group of this report has.
    pub only_estimated_usd: Decimal,
    /// What the bill has and the estimate does not know, the largest first.
    pub unexplained: Vec<(String, Decimal)>,
    pub estimate_usd: Decimal,
    pub actual_usd: Decimal,
}

impl Comparison {
    pub fn of(month: &Month, bill: &Bill, prices: &PriceList) -> Self {
        let groups = match month.grouping {
            Grouping::UsageType => USAGE_TYPES,
            Grouping::Operation => OPERATIONS,
            Grouping::Service => SERVICES,
        };
        let provisioned = month.costs.iter().any(|(called, cost)| {
            let called = without_region(called);
            *cost > Decimal::ZERO && (called.ends_with("CapacityUnit-Hrs") || called == "CommittedThroughput")
        });
        let usage = if provisioned { bill.scaled() } else { bill.usage.clone() };

        let of_group = |group: &Group| {
            let costs = month.costs.iter().filter(|(called, _)| group.is_called(called));
            Pair {
                name: group.name.to_owned(),
                estimate_usd: group.items.iter().map(|item| prices.cost(*item, usage.of(*item))).sum(),
                actual_usd: costs.map(|(_, cost)| *cost).sum(),
            }
        };
        let is_something = |pair: &Pair| pair.estimate_usd != Decimal::ZERO || pair.actual_usd != Decimal::ZERO;
        let pairs: Vec<_> = groups.iter().map(of_group).filter(is_something).collect();

        let known = |called: &str| groups.iter().any(|group| group.is_called(called));
        let mut unexplained: Vec<_> =
            month.costs.iter().filter(|(called, cost)| !known(called) && *cost != Decimal::ZERO).cloned().collect();
        unexplained.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));

        Self {
            month: month.name.clone(),
            grouping: month.grouping,
            days: month.days,
            provisioned,
            only_estimated_usd: only_estimated(groups, &usage, prices),
            pairs,
            unexplained,
            estimate_usd: usage.cost(prices),
            actual_usd: month.total(),
        }
    }

    pub fn unexplained_usd(&self) -> Decimal {
        self.unexplained.iter().map(|(_, cost)| *cost).sum()
    }
}

fn only_estimated(groups: &[Group], usage: &Usage, prices: &PriceList) -> Decimal {
    let in_no_group = |item: &Item| !groups.iter().any(|group| group.items.contains(item));
    usage.costs(prices).into_iter().filter(|(item, _)| in_no_group(item)).map(|(_, cost)| cost).sum()
}

/// A usage type without its region: `USE1-ReadRequestUnits`, `us-east-1-KMS-Keys`, or, in us-east-1, often none.
fn without_region(called: &str) -> &str {
    let Some((first, rest)) = called.split_once('-') else { return called };
    let code = first.len() <= 5 && first.starts_with(|c: char| c.is_ascii_uppercase());
    if (code && first.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())) || first == "Global" {
        return rest;
    }
    let is_region = first.len() == 2 && first.bytes().all(|b| b.is_ascii_lowercase());
    match (is_region, rest.splitn(3, '-').collect::<Vec<_>>().as_slice()) {
        (true, [_, number, rest]) if number.bytes().all(|b| b.is_ascii_digit()) => rest,
        _ => called,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::costs::{known::Known, profile::Profile};

    fn comparison(csv: &str) -> Comparison {
        let known = Known::built_in();
        let profile = Profile::sample("small", &known).unwrap();
        Comparison::of(&Month::parse(csv, None).unwrap(), &Bill::of(&profile, &known), &PriceList::built_in())
    }

    #[test]
    fn a_usage_type_is_recognised_in_every_region() {
        for (called, name) in [
            ("USE1-ReadRequestUnits", "ReadRequestUnits"),
            ("EU-ReadRequestUnits", "ReadRequestUnits"),
            ("ReadRequestUnits", "ReadRequestUnits"),
            ("APS2-CW:MetricMonitorUsage", "CW:MetricMonitorUsage"),
            ("us-east-1-KMS-Keys", "KMS-Keys"),
            ("TimedStorage-ByteHrs", "TimedStorage-ByteHrs"),
        ] {
            assert_eq!(without_region(called), name, "{called}");
        }
    }

    #[test]
    fn each_item_is_in_at_most_one_group_of_a_report() {
        for groups in [USAGE_TYPES, OPERATIONS, SERVICES] {
            for item in Item::ALL {
                assert!(groups.iter().filter(|group| group.items.contains(item)).count() <= 1, "{item:?}");
            }
        }
    }

    #[test]
    fn a_bill_is_compared_by_usage_type_and_the_rest_is_named() {
        let csv = "Usage type,USE1-ReadRequestUnits($),NatGateway-Hours($),Tax($),KMS-Keys($),Total costs($)\n\
                   2026-10-01,0.5,32.85,3,1,37.35\n";

        let compared = comparison(csv);

        let pair = |name: &str| compared.pairs.iter().find(|pair| pair.name == name).unwrap();
        assert_eq!(pair("DynamoDB: reads on demand").actual_usd.to_string(), "0.5");
        assert_eq!(pair("KMS: keys").actual_usd, pair("KMS: keys").estimate_usd);
        assert_eq!(compared.unexplained[0].0, "NatGateway-Hours");
        assert_eq!(compared.unexplained_usd().to_string(), "35.85");
        assert!(!compared.provisioned);
    }

    #[test]
    fn the_sample_has_two_lines_that_the_estimate_does_not_know() {
        let month = Month::parse(include_str!("../../samples/costs/busy-2026-10.csv"), None).unwrap();
        let known = Known::built_in();
        let bill = Bill::of(&Profile::sample("busy", &known).unwrap(), &known);

        let compared = Comparison::of(&month, &bill, &PriceList::built_in());

        let unexplained: Vec<_> = compared.unexplained.iter().map(|(called, _)| called.as_str()).collect();
        assert_eq!((compared.month.as_str(), unexplained), ("2026-10", vec!["NatGateway-Hours", "HostedZone"]));
        assert_eq!(compared.unexplained_usd().to_string(), "33.35");
    }

    #[test]
    fn both_sides_of_a_comparison_add_up() {
        for csv in [
            "Usage type,USE1-ReadRequestUnits($),Tax($)\n2026-10-01,0.5,3\n",
            "API operation,PayPerRequestThroughput($),Tax($)\n2026-10-01,0.5,3\n",
            "Service,DynamoDB($),Tax($)\n2026-10-01,0.5,3\n",
        ] {
            let compared = comparison(csv);

            let estimate: Decimal = compared.pairs.iter().map(|pair| pair.estimate_usd).sum();
            let actual: Decimal = compared.pairs.iter().map(|pair| pair.actual_usd).sum();
            assert_eq!(estimate + compared.only_estimated_usd, compared.estimate_usd, "{csv}");
            assert_eq!(actual + compared.unexplained_usd(), compared.actual_usd, "{csv}");
        }
    }

    #[test]
    fn a_bill_with_capacity_is_compared_with_capacity() {
        let compared = comparison("Usage type,USE1-ReadCapacityUnit-Hrs($)\n2026-10-01,4.27\n");

        assert!(compared.provisioned);
        assert_eq!(compared.pairs[0].name, "DynamoDB: provisioned reads");
        assert_eq!(compared.pairs[0].estimate_usd.to_fixed(2), "4.27");
    }
}
