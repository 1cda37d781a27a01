//! Roles that allow more, or less.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Mutation, Mutations};
use crate::{controls::SCHEDULED, policy::texts, template::Resource};

impl Mutations<'_> {
    /// Statements of a role about several tables, each with each of its tables.
    fn tables_of_statements(&self, role: &str) -> Vec<(String, String)> {
        let statements = self.of[role].properties.pointer("/Policies/0/PolicyDocument/Statement");
        let of_statement = |statement: &Value| {
            let sid = statement["Sid"].as_str().unwrap_or_default().to_owned();
            let tables: Vec<_> = texts(&statement["Resource"]).filter(|r| r.contains("Table.")).collect();
            let several = if tables.len() > 1 && statement["Resource"].is_array() { tables } else { Vec::new() };
            several.into_iter().map(|table| (sid.clone(), table.to_owned())).collect::<Vec<_>>()
        };
        statements.and_then(Value::as_array).into_iter().flatten().flat_map(of_statement).collect()
    }

    pub(super) fn roles(&mut self) {
        const POLICY: &str = "/Policies/0/PolicyDocument";
        let roles = self.names("AWS::IAM::Role").into_iter().filter(|role| !role.ends_with("ScheduleRole"));
        for role in roles {
            let statements =
                self.of[&role].properties.pointer(&format!("{POLICY}/Statement")).cloned().unwrap_or_default();
            for sid in statements.as_array().into_iter().flatten().filter_map(|statement| statement["Sid"].as_str()) {
                self.without_statement(&role, POLICY, sid);
            }
            self.statements("reaches any partition", &role, POLICY, |all| {
                let item = all.iter_mut().find(|s| s["Condition"].get("ForAllValues:StringLike").is_some());
                let condition = &mut item.expect("it reaches the table")["Condition"]["ForAllValues:StringLike"];
                condition["dynamodb:LeadingKeys"] = json!(["*"]);
            });
            self.statements("does more to objects", &role, POLICY, |all| {
                all.push(json!({"Effect": "Allow", "Action": "s3:*Object", "Resource": "${AuditBucket.Arn}/*"}));
            });
            for table in self.names("AWS::DynamoDB::Table") {
                let indexes = format!("${{{table}.Arn}}/index/*");
                self.statements(&format!("queries any index of {table}"), &role, POLICY, |all| {
                    all.push(json!({"Effect": "Allow", "Action": "dynamodb:Query", "Resource": indexes}));
                });
            }
            for (statement, table) in self.tables_of_statements(&role) {
                let what = format!("reaches {table} no more by {statement}");
                self.statements(&what, &role, POLICY, |all| {
                    let of_items = all.iter_mut().find(|s| s["Sid"] == statement.as_str()).expect("the statement");
                    let tables = of_items["Resource"].as_array_mut().expect("a list of tables");
                    tables.retain(|resource| *resource != table.as_str());
                });
            }
            self.statements("is too long", &role, POLICY, |all| {
                all.push(json!({"Effect": "Deny", "Action": "s3:*", "Resource": "x".repeat(10_240)}));
            });
            self.statements("may do all but something", &role, POLICY, |all| {
                all.push(json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "${Table.Arn}"}));
            });
            for (what, change) in
                [("denies PartiQL only", json!(["dynamodb:PartiQL*"])), ("denies Scan only", json!(["dynamodb:Scan"]))]
            {
                self.statements(what, &role, POLICY, |all| deny(all)["Action"] = change);
            }
            self.statements("denies on one table only", &role, POLICY, |all| {
                deny(all)["Resource"] = json!("${Table.Arn}")
            });
            self.statements("allows all of DynamoDB", &role, POLICY, |all| {
                all.push(json!({"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}));
            });
            self.statements("reads the whole table", &role, POLICY, |all| {
                let read =
                    all.iter_mut().find(|s| ["GetItem", "BatchGetItem", "Query"].iter().any(|sid| s["Sid"] == *sid));
                read.and_then(Value::as_object_mut).and_then(|s| s.remove("Condition")).expect("a condition");
            });
            let trusted = json!({"AWS": "arn:aws:iam::111122223333:root"});
            self.change("can be taken by anybody of the account", &role, |resource| {
                resource.properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = trusted;
            });
            self.set(&role, &["ManagedPolicyArns"], json!(["arn:aws:iam::aws:policy/AdministratorAccess"]));
        }
        self.statements("reads sessions", "ProductsRole", POLICY, |all| {
            let query = all.iter_mut().find(|s| s["Sid"] == "Query").expect("it queries the table");
            let keys = json!(["CAT#*", "PROD#*", "SESSION#*"]);
            query["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] = keys;
        });
        self.statements("writes orders", "NotificationsRole", POLICY, |all| {
            let put = all.iter_mut().find(|s| s["Sid"] == "PutItem").expect("it puts items");
            put["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] = json!(["NOTIFY#*", "ORDER#*"]);
        });
        self.statements("reads the secrets of payments", "ProductsRole", POLICY, |all| {
            let secrets = all.iter_mut().find(|s| s["Sid"] == "Secrets").expect("it reads secrets");
            secrets["Resource"] = json!(["${CursorKeys}", "${PaymentSecrets}"]);
        });
        let more = json!({"Roles": ["${CartRole}"], "PolicyDocument": {"Statement": []}});
        let mut resources = self.of.clone();
        let policy =
            Resource { kind: "AWS::IAM::Policy".to_owned(), properties: more, ..(*resources["CartRole"]).clone() };
        resources.insert("MorePolicy".to_owned(), Arc::new(policy));
        self.made.push(Mutation { name: "MorePolicy: adds to a role from elsewhere".to_owned(), resources });
        let anybody = json!({"AWS": "arn:aws:iam::111122223333:root"});
        for role in SCHEDULED.map(|name| format!("{name}ScheduleRole")) {
            self.change("can be taken by anybody of the account", &role, |role| {
                role.properties["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = anybody.clone();
            });
            self.change("can be taken for another account", &role, |role| {
                let trust = &mut role.properties["AssumeRolePolicyDocument"]["Statement"][0];
                trust.as_object_mut().and_then(|trust| trust.remove("Condition")).expect("a condition");
            });
            self.change("invokes any function", &role, |role| {
                role.properties["Policies"][0]["PolicyDocument"]["Statement"][0]["Resource"] = json!("*");
            });
        }
        self.set("CartFunction", &["Role"], json!("${OrdersRole.Arn}"));
        for permission in self.names("AWS::Lambda::Permission").into_iter().take(2) {
            self.set(&permission, &["Principal"], json!("*"));
            self.remove(&permission, &["SourceArn"]);
        }
    }
}

fn deny(statements: &mut [Value]) -> &mut Value {
    statements.iter_mut().find(|statement| statement["Effect"] == "Deny").expect("every role denies something")
}
