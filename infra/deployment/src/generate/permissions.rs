//! What the role of each function allows, from what the function was seen to call.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use table::{
    keys::{DataKind, Partition},
    schema,
};

use crate::{
    Outcome,
    calls::{self, IN_TRANSACTIONS},
    code,
    policy::LEADING_KEYS,
    tables::{self, placeholder},
};

/// The calls of each function, by its name in the templates.
#[derive(Debug, Default, PartialEq)]
pub struct Calls(BTreeMap<String, OfFunction>);

#[derive(Debug, Default, PartialEq)]
struct OfFunction {
    /// Actions on items of the table, each with the partitions it reaches.
    items: BTreeMap<String, BTreeSet<Partition>>,
    /// Indexes that are queried.
    indexes: BTreeSet<String>,
    /// Actions on objects, by bucket, or by `bucket/folder` where they are on objects of one folder only.
    objects: BTreeMap<String, BTreeSet<String>>,
}

impl Calls {
    /// What a recorder noted.
    ///
    /// # Errors
    /// A call that no role may ever allow, such as one without a partition key.
    pub fn recorded(calls: &[calls::Call]) -> Outcome<Self> {
        let mut all = Self::default();
        for call in calls {
            let refused = || format!("{} calls {}, which no role allows", call.function, call.request);
            let of = all.0.entry(call.function.trim_end_matches("Function").to_owned()).or_default();
            let (service, action) = call.request.action.split_once(':').ok_or_else(refused)?;
            let resource = call.request.resource.as_str();
            let key = call.request.context.get(LEADING_KEYS);
            match (service, resource.strip_prefix("${Table.Arn}/index/"), key) {
                ("dynamodb", Some(index), _) => drop(of.indexes.insert(index.to_owned())),
                ("dynamodb", None, Some(key)) => {
                    let partition = Partition::of(key).ok_or_else(refused)?;
                    of.items.entry(action.to_owned()).or_default().insert(partition);
                }
                ("s3", ..) => {
                    let named = resource.trim_start_matches("${").replace(".Arn}", "");
                    let place = named.trim_end_matches('*').trim_end_matches('/');
                    of.objects.entry(place.to_owned()).or_default().insert(action.to_owned());
                }
                _ => return Err(refused().into()),
            }
        }
        Ok(all)
    }

    /// What [`Self::json`] wrote.
    ///
    /// # Errors
    /// A partition or an index that is not there any more.
    pub fn parse(json: &Value) -> Outcome<Self> {
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let again = "take the calls anew, with --calls";
        let mut all = Self::default();
        for (function, calls) in json.as_object().into_iter().flatten() {
            let mut of = OfFunction::default();
            for (action, partitions) in calls["items"].as_object().into_iter().flatten() {
                for name in texts(partitions) {
                    let partition = Partition::ALL.into_iter().find(|partition| format!("{partition:?}") == name);
                    let partition = partition.ok_or_else(|| format!("there is no partition {name}: {again}"))?;
                    of.items.entry(action.clone()).or_default().insert(partition);
                }
            }
            for name in texts(&calls["indexes"]) {
                if !schema::indexes().iter().any(|index| index.name == name) {
                    return Err(format!("there is no index {name}, which {function} queries: {again}").into());
                }
                of.indexes.insert(name);
            }
            for (bucket, actions) in calls["objects"].as_object().into_iter().flatten() {
                of.objects.insert(bucket.clone(), texts(actions).into_iter().collect());
            }
            all.0.insert(function.clone(), of);
        }
        Ok(all)
    }

    pub fn functions(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub fn json(&self) -> Value {
        let names = |partitions: &BTreeSet<Partition>| partitions.iter().map(|p| format!("{p:?}")).collect::<Vec<_>>();
        let of = |of: &OfFunction| {
            let items: BTreeMap<_, _> =
                of.items.iter().map(|(action, partitions)| (action, names(partitions))).collect();
            json!({"items": items, "indexes": of.indexes, "objects": of.objects})
        };
        self.0.iter().map(|(function, calls)| (function.clone(), of(calls))).collect()
    }

    /// The statements of a function's role that follow from its calls, its secrets and the data whose changes it is called
    /// with. Resources are written as `Fn::Sub` reads them, and a table as its [`placeholder`].
    pub fn statements(&self, function: &str, secrets: &[&str], fed_with: &BTreeSet<DataKind>) -> Vec<Value> {
        let nothing = OfFunction::default();
        let of = self.0.get(function).unwrap_or(&nothing);
        let mut statements = of.items();
        if !of.indexes.is_empty() {
            let table = |name: &str| placeholder(tables::kind_of_index(name).unwrap_or(DataKind::Rest), "Arn");
            let indexes: Vec<_> = of.indexes.iter().map(|name| format!("{}/index/{name}", table(name))).collect();
            statements.push(allow("QueryIndexes", json!("dynamodb:Query"), json!(indexes)));
        }
        if !fed_with.is_empty() {
            let read = json!(["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]);
            statements.push(allow("Stream", read, tables_of(fed_with, "StreamArn")));
            statements.push(allow("Streams", json!("dynamodb:ListStreams"), json!("*")));
            // <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>
            statements.push(allow("Destination", json!("s3:ListBucket"), json!("${DeadLettersBucket.Arn}")));
        }
        statements.extend(of.objects());
        if !secrets.is_empty() {
            statements.push(allow("Secrets", json!("secretsmanager:GetSecretValue"), json!(secrets)));
        }
        statements.extend(of.keys(!secrets.is_empty()));
        statements
    }
}

impl OfFunction {
    /// AWS does not say whether IAM looks at the keys of a transaction action by action or at all of them together. So each
    /// action that can be in one has the keys of all. Nor does it say this of requests to several tables: so an action has all
    /// of its keys in each of its tables. A key is in one of them only, so that this reaches nothing else.
    fn items(&self) -> Vec<Value> {
        let is_in_transactions =
            |action: &str| IN_TRANSACTIONS.iter().any(|other| other.ends_with(&format!(":{action}")));
        let together: BTreeSet<_> = self
            .items
            .iter()
            .filter(|(action, _)| is_in_transactions(action))
            .flat_map(|(_, of)| of)
            .copied()
            .collect();
        let statement = |(action, own): (&String, &BTreeSet<Partition>)| {
            let partitions = if is_in_transactions(action) { &together } else { own };
            let mut keys: Vec<_> = partitions.iter().copied().map(leading_keys).collect();
            keys.sort();
            let kinds = partitions.iter().map(|partition| partition.kind()).collect();
            let mut statement = allow(action, json!(format!("dynamodb:{action}")), tables_of(&kinds, "Arn"));
            statement["Condition"] = json!({"ForAllValues:StringLike": {LEADING_KEYS: keys}});
            statement
        };
        self.items.iter().map(statement).collect()
    }

    fn objects(&self) -> Vec<Value> {
        let (mut statements, mut read) = (Vec::new(), BTreeSet::new());
        for (place, actions) in &self.objects {
            let (bucket, folder) =
                place.split_once('/').map_or((place.as_str(), None), |(b, folder)| (b, Some(folder)));
            let name = bucket.trim_end_matches("Bucket");
            let (sid, objects) = match folder {
                Some(folder) => (code::name_of(folder), format!("{folder}/*")),
                None => (name.to_owned(), "*".to_owned()),
            };
            let called: Vec<_> = actions.iter().map(|action| format!("s3:{action}")).collect();
            statements.push(allow(&sid, json!(called), json!(format!("${{{bucket}.Arn}}/{objects}"))));
            if actions.contains("GetObject") && read.insert(bucket) {
                // Without it S3 answers 403 for an object that is missing, instead of 404.
                let listed = json!(format!("${{{bucket}.Arn}}"));
                statements.push(allow(&format!("Missing{name}"), json!("s3:ListBucket"), listed));
            }
        }
        statements
    }

    /// The key that everything is encrypted with, through the services that are called.
    fn keys(&self, reads_secrets: bool) -> Vec<Value> {
        // <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html>
        let (reading, writing) = (
            ["Decrypt", "DescribeKey"].as_slice(),
            [
                "Decrypt",
                "DescribeKey",
                "Encrypt",
                "GenerateDataKey",
                "GenerateDataKeyWithoutPlaintext",
                "ReEncryptFrom",
                "ReEncryptTo",
            ]
            .as_slice(),
        );
        let only_reads =
            self.items.keys().all(|action| ["BatchGetItem", "GetItem", "Query"].contains(&action.as_str()));
        let mut statements = vec![through("dynamodb", "KeyOfTable", if only_reads { reading } else { writing })];
        let actions: BTreeSet<_> = self.objects.values().flatten().map(String::as_str).collect();
        match (actions.contains("PutObject"), actions.contains("GetObject")) {
            (true, _) => statements.push(through("s3", "KeyOfBuckets", &["Decrypt", "GenerateDataKey"])),
            (false, true) => statements.push(through("s3", "KeyOfBuckets", &["Decrypt"])),
            (false, false) => {}
        }
        if reads_secrets {
            statements.push(through("secretsmanager", "KeyOfSecrets", &["Decrypt"]));
        }
        statements
    }
}

/// The tables that kinds of data are in: the one with everything else first.
fn tables_of(kinds: &BTreeSet<DataKind>, attribute: &str) -> Value {
    let own = kinds.iter().filter(|kind| **kind != DataKind::Rest);
    match kinds
        .get(&DataKind::Rest)
        .into_iter()
        .chain(own)
        .map(|kind| placeholder(*kind, attribute))
        .collect::<Vec<_>>()
        .as_slice()
    {
        [one] => json!(one),
        several => json!(several),
    }
}

/// The partition keys of a partition, as a pattern of IAM.
fn leading_keys(partition: Partition) -> String {
    if partition.is_single() { partition.prefix().to_owned() } else { format!("{}*", partition.prefix()) }
}

fn allow(sid: &str, action: Value, resource: Value) -> Value {
    json!({"Sid": sid, "Effect": "Allow", "Action": action, "Resource": resource})
}

fn through(service: &str, sid: &str, actions: &[&str]) -> Value {
    let actions: Vec<_> = actions.iter().map(|action| format!("kms:{action}")).collect();
    let mut statement = allow(sid, json!(actions), json!("${Key.Arn}"));
    let via = format!("{service}.${{AWS::Region}}.amazonaws.com");
    statement["Condition"] = json!({"StringEquals": {"kms:ViaService": [via]}});
    statement
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{calls::Call, policy::Request};

    fn call(action: &str, resource: &str) -> Call {
        Call { function: "CartFunction".to_owned(), request: Request::new(action, resource) }
    }

    fn item(action: &str, key: &str) -> Call {
        let mut call = call(action, "${Table.Arn}");
        call.request = call.request.with(LEADING_KEYS, key);
        call
    }

    fn statement<'a>(statements: &'a [Value], sid: &str) -> &'a Value {
        statements.iter().find(|statement| statement["Sid"] == sid).unwrap_or(&Value::Null)
    }

    #[test]
    fn recorded_calls_are_read_back_as_they_were_written() {
        let recorded = Calls::recorded(&[
            item("dynamodb:GetItem", "PROD#"),
            item("dynamodb:Query", "CATALOG"),
            call("dynamodb:Query", "${Table.Arn}/index/due-index"),
            call("s3:PutObject", "${AuditBucket.Arn}/*"),
        ]);

        let recorded = recorded.unwrap();

        assert_eq!(Calls::parse(&recorded.json()).unwrap(), recorded);
        let items = json!({"GetItem": ["Product"], "Query": ["Catalog"]});
        let expected = json!({"items": items, "indexes": ["due-index"], "objects": {"AuditBucket": ["PutObject"]}});
        assert_eq!(recorded.json(), json!({"Cart": expected}));
    }

    #[test]
    fn a_call_without_a_known_partition_is_refused() {
        for refused in
            [call("dynamodb:Scan", "${Table.Arn}"), item("dynamodb:GetItem", "OTHER#"), call("ses:SendEmail", "*")]
        {
            assert!(Calls::recorded(&[refused]).is_err());
        }
    }

    #[test]
    fn each_action_of_a_transaction_is_allowed_for_the_keys_of_all() {
        let calls = [
            item("dynamodb:PutItem", "ORDER#"),
            item("dynamodb:UpdateItem", "PROD#"),
            item("dynamodb:GetItem", "CATALOG"),
        ];

        let statements = Calls::recorded(&calls).unwrap().statements("Cart", &["${CursorKeys}"], &BTreeSet::new());

        let keys = |sid| &statement(&statements, sid)["Condition"]["ForAllValues:StringLike"][LEADING_KEYS];
        assert_eq!(*keys("PutItem"), json!(["ORDER#*", "PROD#*"]));
        assert_eq!(keys("UpdateItem"), keys("PutItem"));
        assert_eq!(*keys("GetItem"), json!(["CATALOG"]));
        assert_eq!(statement(&statements, "Secrets")["Resource"], json!(["${CursorKeys}"]));
    }

    #[test]
    fn a_statement_is_about_the_tables_that_its_partitions_are_in() {
        let calls = [
            item("dynamodb:PutItem", "ORDER#"),
            item("dynamodb:UpdateItem", "USER#"),
            item("dynamodb:GetItem", "CATALOG"),
            item("dynamodb:BatchGetItem", "USER#"),
            call("dynamodb:Query", "${Table.Arn}/index/due-index"),
        ];

        let fed_with = BTreeSet::from([DataKind::Orders, DataKind::Rest]);
        let statements = Calls::recorded(&calls).unwrap().statements("Cart", &[], &fed_with);

        let resource = |sid| &statement(&statements, sid)["Resource"];
        assert_eq!(*resource("PutItem"), json!(["${Table.Arn}", "${TableOfOrders.Arn}"]));
        assert_eq!(*resource("GetItem"), json!("${TableOfCatalogue.Arn}"));
        assert_eq!(*resource("BatchGetItem"), json!("${Table.Arn}"));
        assert_eq!(*resource("QueryIndexes"), json!(["${TableOfOrders.Arn}/index/due-index"]));
        assert_eq!(*resource("Stream"), json!(["${Table.StreamArn}", "${TableOfOrders.StreamArn}"]));
    }

    #[test]
    fn objects_of_a_folder_are_allowed_apart() {
        let of = |action: &str, objects: &str| call(action, &format!("${{DescriptionsBucket.Arn}}/{objects}"));
        let calls = [
            of("s3:GetObject", "descriptions/*"),
            of("s3:GetObject", "search/*"),
            of("s3:PutObject", "search/*"),
            call("s3:PutObject", "${DeadLettersBucket.Arn}/*"),
        ];

        let recorded = Calls::recorded(&calls).unwrap();
        let statements = recorded.statements("Cart", &[], &BTreeSet::new());

        assert_eq!(Calls::parse(&recorded.json()).unwrap(), recorded);
        let resource = |sid| &statement(&statements, sid)["Resource"];
        assert_eq!(*resource("Descriptions"), "${DescriptionsBucket.Arn}/descriptions/*");
        assert_eq!(*resource("Search"), "${DescriptionsBucket.Arn}/search/*");
        assert_eq!(*resource("DeadLetters"), "${DeadLettersBucket.Arn}/*");
        assert_eq!(*resource("MissingDescriptions"), "${DescriptionsBucket.Arn}");
        let missing = statements.iter().filter(|s| s["Sid"] == "MissingDescriptions").count();
        assert_eq!(missing, 1);
        assert_eq!(statement(&statements, "Search")["Action"], json!(["s3:GetObject", "s3:PutObject"]));
    }

    #[test]
    fn a_function_that_only_reads_may_not_encrypt() {
        let reads =
            Calls::recorded(&[item("dynamodb:Query", "PROD#"), call("s3:GetObject", "${DescriptionsBucket.Arn}/*")]);

        let statements = reads.unwrap().statements("Cart", &[], &BTreeSet::new());

        assert_eq!(statement(&statements, "KeyOfTable")["Action"], json!(["kms:Decrypt", "kms:DescribeKey"]));
        assert_eq!(statement(&statements, "KeyOfBuckets")["Action"], json!(["kms:Decrypt"]));
        assert_eq!(statement(&statements, "MissingDescriptions")["Resource"], "${DescriptionsBucket.Arn}");
        assert!(statement(&statements, "KeyOfSecrets").is_null() && statement(&statements, "Streams").is_null());
    }
}
