//! Removes every control in turn, to check that this is detected.

mod roles;

use std::sync::Arc;

use serde_json::{Value, json};

use crate::{
    controls::SCHEDULED,
    template::{Resource, Resources},
};

/// A deployment that lost something.
pub struct Mutation {
    pub name: String,
    pub resources: Resources,
}

/// Collects mutations of one deployment.
struct Mutations<'a> {
    of: &'a Resources,
    made: Vec<Mutation>,
}

/// All mutations that apply to a deployment: what is not there in it cannot be taken away.
pub fn of(resources: &Resources) -> Vec<Mutation> {
    let mut mutations = Mutations { of: resources, made: Vec::new() };
    mutations.roles();
    mutations.tables();
    mutations.buckets();
    mutations.key_and_secrets();
    mutations.stream();
    mutations.api();
    mutations.functions();
    mutations.logs();
    mutations.alarms();
    mutations.made
}

impl Mutations<'_> {
    fn names(&self, kind: &str) -> Vec<String> {
        self.of.iter().filter(|(_, resource)| resource.kind == kind).map(|(name, _)| name.clone()).collect()
    }

    /// A copy in which `change` has changed a resource; none if there is no such resource.
    fn change(&mut self, what: &str, name: &str, change: impl FnOnce(&mut Resource)) {
        let mut resources = self.of.clone();
        if let Some(resource) = resources.get_mut(name) {
            change(Arc::make_mut(resource));
            assert_ne!(&resources, self.of, "{what} of {name} changes nothing: the mutation is out of date");
            self.made.push(Mutation { name: format!("{name}: {what}"), resources });
        }
    }

    /// A copy without a resource.
    fn without(&mut self, name: &str) {
        let mut resources = self.of.clone();
        if resources.remove(name).is_some() {
            self.made.push(Mutation { name: format!("{name}: taken away"), resources });
        }
    }

    /// A copy without the property at a path.
    fn remove(&mut self, name: &str, path: &[&str]) {
        let (last, way) = path.split_last().expect("a way to somewhere");
        self.change(&format!("without {}", path.join(" ")), name, |resource| {
            let at = way.iter().fold(&mut resource.properties, |at, step| &mut at[*step]);
            at.as_object_mut().and_then(|members| members.remove(*last));
        });
    }

    fn set(&mut self, name: &str, path: &[&str], value: Value) {
        self.change(&format!("{} is {value}", path.join(" ")), name, |resource| {
            *path.iter().fold(&mut resource.properties, |at, step| &mut at[*step]) = value;
        });
    }

    /// A copy in which the statements of a document are changed; the way leads to the document.
    fn statements(&mut self, what: &str, name: &str, document: &str, change: impl FnOnce(&mut Vec<Value>)) {
        self.change(what, name, |resource| {
            let document = resource.properties.pointer_mut(document).expect("a document");
            change(document["Statement"].as_array_mut().expect("statements"));
        });
    }

    fn without_statement(&mut self, name: &str, document: &str, sid: &str) {
        self.statements(&format!("without the statement {sid}"), name, document, |all| all.retain(|s| s["Sid"] != sid));
    }

    fn tables(&mut self) {
        for table in self.names("AWS::DynamoDB::Table") {
            self.table(&table);
        }
        for kind in ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"] {
            for name in self.names(kind) {
                self.change("is deleted with the stack", &name, |resource| resource.on_delete = "Delete".to_owned());
                self.change("outlives a deployment that failed", &name, |resource| {
                    resource.on_delete = "Retain".to_owned();
                });
                self.change("is deleted when replaced", &name, |resource| resource.on_replace = "Delete".to_owned());
            }
        }
        for kind in ["AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy"] {
            self.names(kind).iter().for_each(|name| self.without(name));
        }
    }

    fn table(&mut self, table: &str) {
        for property in [
            "SSESpecification",
            "PointInTimeRecoverySpecification",
            "DeletionProtectionEnabled",
            "TimeToLiveSpecification",
            "StreamSpecification",
        ] {
            self.remove(table, &[property]);
        }
        self.remove(table, &["SSESpecification", "KMSMasterKeyId"]);
        self.set(table, &["PointInTimeRecoverySpecification", "PointInTimeRecoveryEnabled"], json!(false));
        self.set(table, &["DeletionProtectionEnabled"], json!(false));
        self.set(table, &["TimeToLiveSpecification", "Enabled"], json!(false));
        self.set(table, &["TimeToLiveSpecification", "AttributeName"], json!("ttl"));
        self.set(table, &["StreamSpecification", "StreamViewType"], json!("KEYS_ONLY"));
        self.change("defines an attribute that no key uses", table, |resource| {
            let attributes = resource.properties["AttributeDefinitions"].as_array_mut().expect("attributes");
            attributes.push(json!({"AttributeName": "other", "AttributeType": "S"}));
        });
        if self.of[table].properties.get("GlobalSecondaryIndexes").is_some() {
            self.change("lacks an index", table, |resource| {
                let indexes = resource.properties["GlobalSecondaryIndexes"].as_array_mut();
                indexes.and_then(Vec::pop).expect("an index");
            });
        } else {
            self.set(table, &["GlobalSecondaryIndexes"], json!([]));
        }
    }

    fn buckets(&mut self) {
        for bucket in self.names("AWS::S3::Bucket") {
            for flag in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
                self.remove(&bucket, &["PublicAccessBlockConfiguration", flag]);
                self.set(&bucket, &["PublicAccessBlockConfiguration", flag], json!(false));
            }
            for property in [
                "PublicAccessBlockConfiguration",
                "OwnershipControls",
                "BucketEncryption",
                "VersioningConfiguration",
                "LifecycleConfiguration",
            ] {
                self.remove(&bucket, &[property]);
            }
            self.set(&bucket, &["VersioningConfiguration", "Status"], json!("Suspended"));
            if bucket != "AccessLogsBucket" {
                self.remove(&bucket, &["LoggingConfiguration"]);
            }
            let policy = format!("{bucket}Policy");
            self.without(&policy);
            self.without_statement(&policy, "/PolicyDocument", "OverTlsOnly");
            self.without_statement(&policy, "/PolicyDocument", "OverTls12");
        }
        self.remove("DeadLettersBucket", &["MetricsConfigurations"]);
    }

    fn key_and_secrets(&mut self) {
        self.remove("Key", &["EnableKeyRotation"]);
        self.without_statement("Key", "/KeyPolicy", "AlarmsOfThisAccount");
        self.without_statement("Key", "/KeyPolicy", "LogsOfThisAccount");
        for sid in ["AlarmsOfThisAccount", "LogsOfThisAccount"] {
            self.statements(&format!("{sid} is for any account"), "Key", "/KeyPolicy", |all| {
                let statement = all.iter_mut().find(|s| s["Sid"] == sid).and_then(Value::as_object_mut);
                statement.and_then(|statement| statement.remove("Condition")).expect("a condition");
            });
        }
        self.without_statement("AccessLogsBucketPolicy", "/PolicyDocument", "AccessLogs");
        for secret in self.names("AWS::SecretsManager::Secret") {
            self.remove(&secret, &["KmsKeyId"]);
        }
        self.change("has its secret in the environment", "OrdersFunction", |function| {
            function.properties["Environment"]["Variables"]["STRIPE_SECRET_KEY"] = json!("sk_live_0");
        });
    }

    fn stream(&mut self) {
        for mapping in self.names("AWS::Lambda::EventSourceMapping") {
            for property in [
                "FunctionResponseTypes",
                "BisectBatchOnFunctionError",
                "MaximumRetryAttempts",
                "MaximumRecordAgeInSeconds",
                "DestinationConfig",
                "FilterCriteria",
            ] {
                self.remove(&mapping, &[property]);
            }
            self.set(&mapping, &["StartingPosition"], json!("LATEST"));
            self.set(&mapping, &["MaximumRetryAttempts"], json!(-1));
            self.set(&mapping, &["MaximumRecordAgeInSeconds"], json!(-1));
            self.remove(&mapping, &["MetricsConfig"]);
            self.change("delivers less", &mapping, |mapping| {
                let filters = mapping.properties["FilterCriteria"]["Filters"].as_array_mut();
                filters.and_then(Vec::pop).expect("a pattern");
            });
            self.change("delivers what another mapping does", &mapping, |mapping| {
                let filters = mapping.properties["FilterCriteria"]["Filters"].as_array_mut().expect("patterns");
                filters
                    .push(json!({"Pattern": "{\"dynamodb\":{\"Keys\":{\"PK\":{\"S\":[{\"prefix\":\"SESSION#\"}]}}}}"}));
            });
            for table in self.names("AWS::DynamoDB::Table") {
                let stream = format!("${{{table}.StreamArn}}");
                if self.of[&mapping].properties["EventSourceArn"] != stream.as_str() {
                    self.set(&mapping, &["EventSourceArn"], json!(stream));
                }
            }
            self.set(&mapping, &["Enabled"], json!(false));
            self.without(&mapping);
        }
        if let Some(mapping) = self.of.get("ProjectionsMapping") {
            let mut resources = self.of.clone();
            let mut third = mapping.clone();
            Arc::make_mut(&mut third).properties["FunctionName"] = json!("${SweeperFunction}");
            resources.insert("ThirdMapping".to_owned(), third);
            self.made.push(Mutation { name: "ThirdMapping: a third reader of a stream".to_owned(), resources });
        }
        for name in SCHEDULED {
            let (schedule, invocations) = (format!("{name}Schedule"), format!("{name}Invocations"));
            self.without(&schedule);
            self.set(&schedule, &["ScheduleExpression"], json!("rate(1 hour)"));
            self.set(&schedule, &["State"], json!("DISABLED"));
            self.set(&schedule, &["Target", "Arn"], json!("${CartFunction.Arn}"));
            self.remove(&schedule, &["Target", "RetryPolicy"]);
            self.without(&invocations);
            self.set(&invocations, &["MaximumRetryAttempts"], json!(2));
            self.remove(&invocations, &["MaximumEventAgeInSeconds"]);
        }
    }

    fn api(&mut self) {
        let stage = self.names("AWS::ApiGatewayV2::Stage").pop().expect("the API has a stage");
        self.remove(&stage, &["AccessLogSettings"]);
        self.remove(&stage, &["DefaultRouteSettings"]);
        self.remove(&stage, &["DefaultRouteSettings", "ThrottlingRateLimit"]);
        self.remove(&stage, &["DefaultRouteSettings", "ThrottlingBurstLimit"]);
        self.change("lets any page call", "HttpApi", |api| {
            for cors in ["/Body/x-amazon-apigateway-cors/allowOrigins", "/CorsConfiguration/AllowOrigins"] {
                if let Some(origins) = api.properties.pointer_mut(cors) {
                    *origins = json!(["*"]);
                }
            }
        });
        for domain in self.names("AWS::ApiGatewayV2::DomainName") {
            self.change("speaks TLS 1.0", &domain, |domain| {
                domain.properties["DomainNameConfigurations"][0]["SecurityPolicy"] = json!("TLS_1_0");
            });
            self.change("has two doors", "HttpApi", |api| {
                let of_body = "/Body/servers/0/x-amazon-apigateway-endpoint-configuration/disableExecuteApiEndpoint";
                for disabled in [of_body, "/DisableExecuteApiEndpoint"] {
                    if let Some(disabled) = api.properties.pointer_mut(disabled) {
                        *disabled = json!(false);
                    }
                }
            });
        }
    }

    fn functions(&mut self) {
        for function in self.names("AWS::Lambda::Function") {
            self.remove(&function, &["TracingConfig"]);
            self.remove(&function, &["LoggingConfig"]);
            self.set(&function, &["Timeout"], json!(900));
            self.set(&function, &["Runtime"], json!("provided.al2"));
        }
        self.remove("IndexerFunction", &["ReservedConcurrentExecutions"]);
        self.set("IndexerFunction", &["ReservedConcurrentExecutions"], json!(2));
        self.set("IndexerFunction", &["ReservedConcurrentExecutions"], json!(0));
    }

    fn logs(&mut self) {
        for group in self.names("AWS::Logs::LogGroup") {
            self.remove(&group, &["RetentionInDays"]);
            self.set(&group, &["RetentionInDays"], json!(1));
            self.remove(&group, &["KmsKeyId"]);
        }
    }

    fn alarms(&mut self) {
        for alarm in self.names("AWS::CloudWatch::Alarm") {
            self.without(&alarm);
            self.remove(&alarm, &["AlarmActions"]);
            self.set(&alarm, &["ActionsEnabled"], json!(false));
            self.set(&alarm, &["Threshold"], json!(1_000_000));
            let other_way = match self.of[&alarm].properties["ComparisonOperator"].as_str() {
                Some("LessThanThreshold") => "GreaterThanThreshold",
                _ => "LessThanThreshold",
            };
            self.set(&alarm, &["ComparisonOperator"], json!(other_way));
            self.set(&alarm, &["EvaluationPeriods"], json!(100));
            if self.of[&alarm].properties.get("Metrics").is_some() {
                self.change("is put together otherwise", &alarm, |alarm| {
                    let metrics = alarm.properties["Metrics"].as_array_mut().expect("metrics");
                    let whole = metrics.iter_mut().find(|metric| metric.get("Expression").is_some());
                    whole.expect("an expression")["Expression"] = json!("MIN(METRICS())");
                });
                self.change("stays as it is while nothing is counted", &alarm, |alarm| {
                    let metrics = alarm.properties["Metrics"].as_array_mut().expect("metrics");
                    let whole =
                        metrics.iter_mut().find_map(|metric| metric.get_mut("Expression")).expect("an expression");
                    let filled = whole.as_str().unwrap_or_default();
                    let sparse =
                        filled.replace("FILL(METRICS(), 0)", "METRICS()").replace("FILL(consumed, 0)", "consumed");
                    *whole = sparse.into();
                });
                self.change("looks at no more than one period that may be late", &alarm, |alarm| {
                    alarm.properties["EvaluationPeriods"] = alarm.properties["DatapointsToAlarm"].clone();
                });
                self.change("looks at longer periods", &alarm, |alarm| {
                    for metric in alarm.properties["Metrics"].as_array_mut().expect("metrics") {
                        if metric.get("MetricStat").is_some() {
                            metric["MetricStat"]["Period"] = json!(86_400);
                        }
                    }
                });
                self.change("goes by the least", &alarm, |alarm| {
                    for metric in alarm.properties["Metrics"].as_array_mut().expect("metrics") {
                        if metric.get("MetricStat").is_some() {
                            metric["MetricStat"]["Stat"] = json!("Minimum");
                        }
                    }
                });
            } else {
                self.set(&alarm, &["Period"], json!(86_400));
                self.remove(&alarm, &["Period"]);
                self.set(&alarm, &["Statistic"], json!("Minimum"));
            }
        }
        for alarm in self.names("AWS::CloudWatch::Alarm") {
            if alarm.ends_with("ThrottledRequestsAlarm") {
                self.change("watches fewer operations", &alarm, |alarm| {
                    alarm.properties["Metrics"].as_array_mut().and_then(Vec::pop).expect("a metric");
                });
            }
            if alarm.ends_with("StoppedAlarm") {
                self.set(&alarm, &["TreatMissingData"], json!("notBreaching"));
            }
        }
        for alarm in ["OverdueHoldsAlarm", "SearchDelayAlarm"] {
            self.set(alarm, &["TreatMissingData"], json!("notBreaching"));
        }
        self.set("LatencyAlarm", &["ExtendedStatistic"], json!("p50"));
        self.remove("LatencyAlarm", &["EvaluateLowSampleCountPercentile"]);
        self.remove("AlarmTopic", &["KmsMasterKeyId"]);
        self.without_statement("AlarmTopicPolicy", "/PolicyDocument", "OverTlsOnly");
        self.without_statement("AlarmTopicPolicy", "/PolicyDocument", "AlarmsOfThisAccount");
        self.without("Dashboard");
        for metric in ["SearchDelay", "SearchPoison"] {
            self.change(&format!("does not show {metric}"), "Dashboard", |dashboard| {
                let body = dashboard.properties["DashboardBody"].as_str().unwrap_or_default();
                dashboard.properties["DashboardBody"] = body.replace(metric, "other").into();
            });
        }
        for table in self.names("AWS::DynamoDB::Table") {
            self.change(&format!("does not show {table}"), "Dashboard", |dashboard| {
                let body = dashboard.properties["DashboardBody"].as_str().unwrap_or_default();
                dashboard.properties["DashboardBody"] = body.replace(&format!("${{{table}}}"), "other").into();
            });
        }
    }
}

/// A deployment with one value less, whatever it says: everything that can be left out, left out once. With the name of
/// the resource and the way to what is gone.
pub fn each_value_removed(resources: &Resources) -> Vec<(String, Vec<String>, Resources)> {
    let mut all = Vec::new();
    for (name, resource) in resources {
        let mut ways = Vec::new();
        collect(&resource.properties, &mut Vec::new(), &mut ways);
        for way in ways {
            let mut without = resources.clone();
            let (last, to) = way.split_last().expect("a way to somewhere");
            let properties = &mut Arc::make_mut(without.get_mut(name).expect("it is a copy")).properties;
            let at = to.iter().fold(properties, |at, step| match step.parse::<usize>() {
                Ok(index) if at.is_array() => &mut at[index],
                _ => &mut at[step.as_str()],
            });
            match at {
                Value::Object(members) => drop(members.remove(last)),
                Value::Array(items) => drop(items.remove(last.parse().expect("a place in a list"))),
                _ => unreachable!("only objects and lists have parts"),
            }
            all.push((name.clone(), way, without));
        }
    }
    all
}

fn collect(value: &Value, way: &mut Vec<String>, ways: &mut Vec<Vec<String>>) {
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, part)| (name.clone(), part)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, part)| (at.to_string(), part)).collect(),
        _ => return,
    };
    for (step, part) in parts {
        way.push(step);
        ways.push(way.clone());
        collect(part, way, ways);
        way.pop();
    }
}
