//! The functions as they were built, each under Lambda's own runtime interface emulator, with the environment that the
//! template gives it and nothing else: do they start, do they read what they are given, and do they answer?

mod emulator;
mod services;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use domain::{Email, Password};
use local::{AdminAccount, Seed, Stack, StackOptions, Streams};
use serde_json::{Value, json};
use table::{TableNames, keys::DataKind};

use self::{
    emulator::{Running, free_port, wait_for_port},
    services::{Services, arn, secret},
};
use crate::{Outcome, calls::Call, normalized_template::NormalizedTemplate, tables};

/// The name of whatever function is running.
const DEPLOYED_AS: &str = "OneTill-Function-1A2B3C";

const ADMIN: (&str, &str) = ("admin@shop.example", "harbour-lantern-42");

/// What Lambda itself sets: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>. The keys are invalid.
const OF_LAMBDA: [(&str, &str); 7] = [
    ("AWS_LAMBDA_FUNCTION_NAME", DEPLOYED_AS),
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_DEFAULT_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "local"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
    ("AWS_SESSION_TOKEN", "local"),
];

/// The functions that the stream or a schedule calls.
const EVENT_FUNCTIONS: [&str; 4] =
    ["SweeperFunction", "IndexerFunction", "NotificationsFunction", "ProjectionsFunction"];

/// What functions ask for and templates do not set, and why.
const NOT_ON_AWS: [(&str, &str); 6] = [
    ("SECRETS", "only where a function has any"),
    ("DYNAMODB_ENDPOINT", "a local engine"),
    ("S3_ENDPOINT", "a local engine"),
    ("MAIL_FOLDER", "mails as files, with a local engine only"),
    ("SES_ENDPOINT", "tests"),
    ("STRIPE_ENDPOINT", "tests"),
];

/// Where the emulator and what `sam build` made are.
#[derive(Debug)]
pub struct Built {
    pub emulator: PathBuf,
    /// A folder for each function, with its `bootstrap`.
    pub functions: PathBuf,
    /// Where logs go.
    pub logs: PathBuf,
    /// The events of the repository.
    pub events: PathBuf,
}

/// What was wrong, and the calls of functions to services that no local stack has.
#[derive(Debug, Default)]
pub struct Started {
    pub wrong: Vec<String>,
    pub calls: Vec<Call>,
    /// A line for each function.
    pub lines: Vec<String>,
}

/// Starts each function of a template, invokes it, and reads what it logged.
///
/// # Errors
/// Something beside the functions does not work.
pub async fn start_all(template: &NormalizedTemplate, built: &Built) -> Outcome<Started> {
    let stack = Stack::start(StackOptions {
        tables: names(template)?,
        seed: Seed::Sample,
        admin: Some(AdminAccount {
            email: Email::parse(ADMIN.0).map_err(|e| e.reason)?,
            password: Password::choose(ADMIN.1).map_err(|e| e.reason)?,
        }),
        sweep_every: None,
        index_every: None,
        streams: Streams::Off,
        ..StackOptions::default()
    });
    let stack = stack.await.map_err(|e| local::error_chain(&e))?;
    fs::create_dir_all(&built.logs)?;
    let mut started = Started::default();
    let mut shop = Shop { template, built, stack: &stack, visitor: Visitor::default() };
    // Sessions first, because the others need its tokens; the indexer before search, which answers from its index.
    let first = ["SessionsFunction", "IndexerFunction"];
    let mut functions: Vec<_> = template.of_kind("AWS::Lambda::Function").map(|(name, _)| name).collect();
    functions.sort_by_key(|name| first.iter().position(|first| first == name).unwrap_or(first.len()));
    for function in functions {
        let services = Services::start(template).await?;
        match shop.try_out(function, &services).await {
            Ok(line) => started.lines.push(line),
            Err(error) => started.wrong.push(format!("{function}: {error}")),
        }
        started.calls.extend(services.calls(function));
    }
    stack.stop().await;
    Ok(started)
}

/// The tables of a template, under their names in it.
fn names(template: &NormalizedTemplate) -> Outcome<TableNames> {
    let name = |kind| template.properties(tables::resource_of(kind))["TableName"].as_str().map(str::to_owned);
    Ok(TableNames::new(name(DataKind::Rest).unwrap_or_default(), name)?)
}

/// Who asks: tokens of a customer and of an admin, once sessions has given them.
#[derive(Debug, Default)]
struct Visitor {
    customer: String,
    user_id: String,
    admin: String,
}

struct Shop<'a> {
    template: &'a NormalizedTemplate,
    built: &'a Built,
    stack: &'a Stack,
    visitor: Visitor,
}

impl Shop<'_> {
    async fn try_out(&mut self, function: &str, services: &Services) -> Outcome<String> {
        let began = Instant::now();
        let running = self.run(function, services).await?;
        let answered = self.ask(function, &running).await;
        let log = running.end()?;
        let said = log.lines().find(|line| line.starts_with("Error: ")).unwrap_or("nothing of an error");
        let answered = answered.map_err(|e| format!("{e}; {} says {said}", self.log_of(function).display()))?;
        self.check_environment(function, &log)?;
        check_log(function, &log)?;
        Ok(format!("{function} {answered}, {} ms with its start", began.elapsed().as_millis()))
    }

    fn log_of(&self, function: &str) -> PathBuf {
        self.built.logs.join(format!("{function}.log"))
    }

    /// The environment of the template, with what it names made up as a deployment would.
    fn environment(&self, function: &str) -> Outcome<BTreeMap<String, String>> {
        let variables = self.template.properties(function)["Environment"]["Variables"].as_object();
        let mut environment = BTreeMap::new();
        for (name, value) in variables.ok_or("it is given no environment")? {
            let value = value.as_str().ok_or_else(|| format!("{name} is no text"))?;
            let value = value
                .replace("${DescriptionsBucket}", local::BUCKET)
                .replace("${AuditBucket}", local::AUDIT_BUCKET)
                .replace("${DeadLettersBucket}", local::DEAD_LETTERS_BUCKET)
                .replace("${CursorKeys}", &arn("CursorKeys"))
                .replace("${LinkKeys}", &arn("LinkKeys"))
                .replace("${OrderLinkKeys}", &arn("OrderLinkKeys"))
                .replace("${PaymentSecrets}", &arn("PaymentSecrets"));
            let value = DataKind::ALL.into_iter().fold(value, |value, kind| {
                value.replace(&format!("${{{}}}", tables::resource_of(kind)), self.stack.table.names().of(kind))
            });
            if value.contains("${") {
                return Err(format!("{name} is {value}, which is not known here").into());
            }
            environment.insert(name.clone(), value);
        }
        Ok(environment)
    }

    async fn run(&self, function: &str, services: &Services) -> Outcome<Running> {
        let bootstrap = self.built.functions.join(function).join("bootstrap");
        if !bootstrap.is_file() {
            return Err(format!("{} is not there: `sam build` did not build it", bootstrap.display()).into());
        }
        let log = self.log_of(function);
        let output = File::create(&log)?;
        let (invocations, runtime_api) = (free_port().await?, free_port().await?);
        let mut command = Command::new(&self.built.emulator);
        command
            .args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{invocations}")])
            .args(["--runtime-api-address", &format!("127.0.0.1:{runtime_api}")])
            .arg(&bootstrap)
            .env_clear()
            .envs(self.environment(function)?)
            .envs(OF_LAMBDA)
            // Where AWS would be. The SDK takes these from anybody's environment; the functions know nothing of them.
            .env("AWS_ENDPOINT_URL_DYNAMODB", &self.stack.dynamodb)
            .env("AWS_ENDPOINT_URL_S3", format!("http://{}", self.stack.s3))
            .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", &services.url)
            .env("AWS_ENDPOINT_URL_SESV2", &services.url)
            .env("AWS_LAMBDA_FUNCTION_TIMEOUT", self.template.properties(function)["Timeout"].as_str().unwrap_or("20"))
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = command.spawn().map_err(|e| format!("{}: {e}", self.built.emulator.display()))?;
        let running = Running::new(child, log, format!("http://127.0.0.1:{invocations}"));
        wait_for_port(invocations).await?;
        Ok(running)
    }

    /// Invokes it as its callers do, and says what it answered.
    async fn ask(&mut self, function: &str, running: &Running) -> Outcome<String> {
        let event = |file: &str| -> Outcome<Value> {
            let path = self.built.events.join(file);
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            Ok(serde_json::from_str(&text)?)
        };
        let http = |method: &str, path: &str, token: &str, body: Option<Value>| -> Outcome<Value> {
            let mut event = event("products/get.json")?;
            event["rawPath"] = path.into();
            event["requestContext"]["http"]["path"] = path.into();
            event["requestContext"]["http"]["method"] = method.into();
            event["headers"]["content-type"] = "application/json".into();
            if !token.is_empty() {
                event["headers"]["authorization"] = format!("Bearer {token}").into();
            }
            if let Some(body) = body {
                event["body"] = body.to_string().into();
            }
            Ok(event)
        };
        let (customer, admin) = (self.visitor.customer.clone(), self.visitor.admin.clone());
        let asked = match function {
            "SessionsFunction" => {
                let register = json!({"email": "ann@shop.example", "password": "salt and pepper", "name": "Ann"});
                let registered = running.http(http("POST", "/users", "", Some(register))?, 201).await?;
                let login = json!({"email": ADMIN.0, "password": ADMIN.1});
                let logged_in = running.http(http("POST", "/sessions", "", Some(login))?, 201).await?;
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                self.visitor = Visitor {
                    customer: text(&registered["token"]),
                    user_id: text(&registered["userId"]),
                    admin: text(&logged_in["token"]),
                };
                "registers and logs in"
            }
            "ProductsFunction" => {
                let mug = running.http(http("GET", "/products/mug-blue", "", None)?, 200).await?;
                if mug["stock"]["inStock"] != true {
                    return Err(format!("a product of the sample reads {mug}").into());
                }
                running.http(http("GET", "/healthz", "", None)?, 200).await?;
                "shows a product"
            }
            "ProductsAdminFunction" => {
                let name = json!({"name": "Mug, blue"});
                running.http(http("PATCH", "/admin/products/mug-blue", &admin, Some(name))?, 200).await?;
                "changes a product"
            }
            "CartFunction" => {
                let line = json!({"productId": "mug-blue", "quantity": 1});
                running.http(http("POST", "/cart/items", &customer, Some(line))?, 200).await?;
                "fills a cart"
            }
            "OrdersFunction" => {
                running.http(http("GET", "/orders", &customer, None)?, 200).await?;
                "lists orders"
            }
            "SearchFunction" => {
                let found = running.http(event("search/search.json")?, 200).await?;
                if found["items"].as_array().is_none_or(Vec::is_empty) {
                    return Err(format!("it finds nothing in the sample: {found}").into());
                }
                running.http(event("search/suggest.json")?, 200).await?;
                "finds a product, and suggests some"
            }
            "IndexerFunction" => {
                let indexed = running.invoke(&event("indexer/schedule.json")?).await?;
                if indexed["generation"] != 1 || indexed["poison"] != 0 {
                    return Err(format!("its first run reports {indexed}").into());
                }
                let replayed = running.invoke(&event("indexer/replay.json")?).await?;
                if replayed != json!({"batchItemFailures": []}) {
                    return Err(format!("it answers dead letters by {replayed}").into());
                }
                let indexed = running.invoke(&event("indexer/schedule.json")?).await?;
                if indexed["generation"] != 2 || indexed["changed"] != 1 {
                    return Err(format!("its run after a change reports {indexed}").into());
                }
                "builds an index, and changes it"
            }
            "SweeperFunction" => {
                let swept = running.invoke(&event("sweeper/schedule.json")?).await?;
                if swept["failed"] != 0 {
                    return Err(format!("it swept {swept}").into());
                }
                "sweeps"
            }
            "NotificationsFunction" | "ProjectionsFunction" => {
                let folder = function.trim_end_matches("Function").to_lowercase();
                let (poison, mut event) =
                    (event(&format!("{folder}/poison.json"))?, event(&format!("{folder}/modify.json"))?);
                let records = event["Records"].as_array_mut().ok_or("the event has no records")?;
                records.iter_mut().for_each(|record| happens_now(record, &self.visitor.user_id));
                let answer = running.invoke(&event).await?;
                if answer != json!({"batchItemFailures": []}) {
                    return Err(format!("it answers {answer}").into());
                }
                // What it gives up has to be found again under the name that it is deployed by.
                running.invoke(&poison).await?;
                let letters = ops::dead_letters::list(&self.stack.dead_letters, Some(DEPLOYED_AS)).await?;
                if letters.is_empty() {
                    return Err(format!("there is no dead letter of {DEPLOYED_AS}").into());
                }
                "handles a batch, and gives a poisoned one up"
            }
            other => return Err(format!("no request is known for {other}: add one").into()),
        };
        Ok(asked.to_owned())
    }

    /// What the function asked its environment for, against what the template gives it.
    fn check_environment(&self, function: &str, log: &str) -> Outcome<()> {
        let started = log.lines().filter_map(json_of).find(|line| line["message"] == "started");
        let started = started.ok_or("it did not log that it started")?;
        let read: BTreeSet<_> = started["variables"].as_str().unwrap_or_default().split_whitespace().collect();
        let environment = self.environment(function)?;
        let secrets = environment.get("SECRETS").map(String::as_str).unwrap_or_default();
        let members: Vec<_> = ["CursorKeys", "LinkKeys", "OrderLinkKeys", "PaymentSecrets"]
            .into_iter()
            .filter(|name| secrets.contains(&arn(name)))
            .flat_map(|name| secret(self.template, name))
            .collect();
        let given = |name: &str| environment.contains_key(name) || members.iter().any(|(member, _)| member == name);
        let of_lambda = |name: &str| OF_LAMBDA.iter().any(|(other, _)| *other == name);
        let on_aws = |name: &str| !of_lambda(name) && !NOT_ON_AWS.iter().any(|(other, _)| *other == name);
        let missing: Vec<_> = read.iter().filter(|name| !given(name) && on_aws(name)).collect();
        // What logs at which level is read before anything else.
        let unread = |name: &&str| !read.contains(*name) && *name != "RUST_LOG";
        let names = environment.keys().map(String::as_str).chain(members.iter().map(|(member, _)| member.as_str()));
        let unread: Vec<_> = names.filter(unread).collect();
        match (missing.is_empty(), unread.is_empty()) {
            (true, true) => Ok(()),
            (false, _) => Err(format!("it reads {missing:?}, which the templates do not give it").into()),
            (_, false) => Err(format!("the templates give it {unread:?}, which it never reads").into()),
        }
    }
}

/// Changes a record of an order to a customer who exists and to the current time: old changes are not mailed.
fn happens_now(record: &mut Value, customer: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    for image in ["NewImage", "OldImage"] {
        let image = &mut record["dynamodb"][image];
        if let Some(owner) = image.get_mut("customer") {
            *owner = json!({"S": customer});
        }
        for transition in image["history"]["L"].as_array_mut().into_iter().flatten() {
            transition["M"]["t"] = json!({"N": now.to_string()});
        }
    }
}

/// One line an invocation, with everything in it; and metrics of what it consumed.
fn check_log(function: &str, log: &str) -> Outcome<()> {
    let lines: Vec<_> = log.lines().filter_map(json_of).collect();
    let is_event = EVENT_FUNCTIONS.contains(&function);
    let (message, fields) = match is_event {
        true => {
            ("invocation", ["ok", "ms", "rru", "wru", "round_trips", "patterns", "cold_start", "request_id"].as_slice())
        }
        false => (
            "request",
            ["route", "status", "ms", "rru", "wru", "round_trips", "patterns", "cold_start", "request_id"].as_slice(),
        ),
    };
    // Functions that customers wait for connect to the table while they start; search does so by opening its index.
    let connected = lines.iter().any(|line| line["message"] == "the first read has connected to the table");
    let connects = !is_event && function != "SearchFunction";
    if connected != connects {
        return Err(
            format!("its first read was {}", if connected { "made for no customer" } else { "not answered" }).into()
        );
    }
    let found: Vec<_> = lines.iter().filter(|line| line["message"] == message).collect();
    let first = found.first().ok_or_else(|| format!("it logged no {message}"))?;
    let lacking: Vec<_> = fields.iter().filter(|field| first.get(**field).is_none_or(Value::is_null)).collect();
    if !lacking.is_empty() {
        return Err(format!("its line of an invocation lacks {lacking:?}: {first}").into());
    }
    if first["cold_start"] != true || found.iter().skip(1).any(|line| line["cold_start"] != false) {
        return Err("only the first invocation is a cold start".into());
    }
    // Each pattern that the lines name and that consumed something is a metric.
    let is_metric = |line: &&Value| line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == runtime::telemetry::NAMESPACE;
    let metrics: Vec<_> = lines.iter().filter(is_metric).collect();
    let unit = |line: &Value, name: &str| line[name].as_f64().unwrap_or_default();
    for (field, metric) in [("rru", "RRU"), ("wru", "WRU")] {
        let consumed: f64 = found.iter().map(|line| unit(line, field)).sum();
        let measured: f64 = metrics.iter().map(|line| unit(line, metric)).sum();
        if (consumed - measured).abs() > f64::EPSILON {
            return Err(format!("it consumed {consumed} {metric} by its lines, and {measured} by its metrics").into());
        }
    }
    let counts: &[_] = match function {
        "SweeperFunction" => &["OverdueHolds", "UnknownPayments", "Disputes", "StuckSales"],
        "IndexerFunction" => &["SearchDelay", "SearchPoison"],
        _ => return Ok(()),
    };
    match metrics.iter().any(|line| counts.iter().all(|name| line.get(*name).is_some())) {
        true => Ok(()),
        false => Err(format!("it reports no {counts:?}").into()),
    }
}

fn json_of(line: &str) -> Option<Value> {
    serde_json::from_str(line.get(line.find('{')?..)?).ok()
}
