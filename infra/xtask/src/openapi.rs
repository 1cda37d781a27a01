//! Checks the OpenAPI document of the local stack: that it is valid, that the API conforms to it, and that a client can
//! be generated from it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::Client;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{Outcome, process::Running, root, stripe::build_local_stack, tools};

const VALIDATOR: &str = "openapi-spec-validator==0.9.0";
const SCHEMATHESIS: &str = "schemathesis==4.32.5";
const START_TIMEOUT: Duration = Duration::from_secs(60);
const ADMIN: (&str, &str) = ("admin@example.com", "correct-horse-battery");

/// With fewer requests than this, not every operation was tested with valid and invalid input.
const MIN_CASES: u64 = 2_000;

/// Runs every check, and stops at the first that fails.
///
/// # Errors
/// A tool cannot be installed, or finds something.
pub fn run() -> Outcome<()> {
    let started = Instant::now();
    let output = root().join("target/openapi");
    fs::create_dir_all(&output)?;
    let python = tools::python(&[SCHEMATHESIS, VALIDATOR])?;
    install()?;
    let program = build_local_stack()?;
    let (url, _stack) = start(&program)?;

    let document = output.join("openapi.json");
    fs::write(&document, Runtime::new()?.block_on(fetch(&format!("{url}/openapi.json")))?)?;
    step("openapi-spec-validator", || {
        let program = python.join("openapi-spec-validator");
        tools::finish(Command::new(program).args(["--schema", "3.1", "--errors", "all"]).arg(&document))
    })?;
    step("redocly lint", || tools::finish(node("redocly").args(["lint", "--config", "redocly.yaml"]).arg(&document)))?;
    step("openapi-typescript", || {
        tools::finish(node("openapi-typescript").arg(&document).arg("-o").arg(output.join("api.d.ts")))
    })?;
    step("tsc --strict, of infra/openapi/storefront.ts", || tools::finish(&mut node("tsc")))?;
    step("the storefront client buys", || {
        let module = output.join("storefront/storefront.js");
        let main = format!(
            "const {{ main }} = await import({}); console.log((await main({})).join('\\n'));",
            Value::from(module.to_string_lossy()),
            Value::from(url.as_str()),
        );
        tools::finish(Command::new("node").args(["--input-type=module", "--eval"]).arg(main))
    })?;
    step("schemathesis", || ask(&python, &url, &output.join("schemathesis.ndjson")))?;
    println!("all checks passed in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// A Node.js program, pinned by infra/openapi/package-lock.json.
fn install() -> Outcome<()> {
    let folder = folder();
    let (lock, done) = (folder.join("package-lock.json"), folder.join("node_modules/.installed"));
    // Again if the lock file differs from the installed one.
    if fs::read(&done).ok() == Some(fs::read(&lock)?) {
        return Ok(());
    }
    println!(
        "installing Redocly CLI, openapi-typescript and TypeScript into {}",
        folder.join("node_modules").display()
    );
    let quietly = ["ci", "--no-audit", "--no-fund", "--loglevel", "error"];
    tools::finish(Command::new("npm").current_dir(&folder).args(quietly))?;
    fs::copy(lock, done)?;
    Ok(())
}

/// The local stack with its sample catalogue and without limits, because schemathesis sends many requests.
fn start(program: &Path) -> Outcome<(String, Running)> {
    let mut running = Running::start(
        Command::new(program)
            .args(["--port", "0", "--engine-port", "0", "--s3-port", "0", "--data", "memory", "--seed", "sample"])
            .args(["--limits", "off"])
            .env("RUST_LOG", "error")
            .envs([("ADMIN_EMAIL", ADMIN.0), ("ADMIN_PASSWORD", ADMIN.1)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped()),
    )?;
    let line = running.first_line(START_TIMEOUT)?;
    let url = line.strip_prefix("ready ").and_then(|rest| rest.split(' ').next());
    Ok((url.ok_or_else(|| format!("not a ready line: {line}"))?.to_owned(), running))
}

async fn fetch(url: &str) -> Outcome<String> {
    let client = Client::builder().no_proxy().build()?;
    Ok(client.get(url).send().await?.error_for_status()?.text().await?)
}

/// Tests every operation with input that the document allows and input that it forbids. Accepted findings are in
/// infra/openapi/schemathesis.toml, each with its reason.
fn ask(python: &Path, url: &str, report: &Path) -> Outcome<()> {
    let mut schemathesis = Command::new(python.join("schemathesis"));
    schemathesis
        .current_dir(folder())
        .args(["--config-file", "schemathesis.toml", "run", "--no-color", "--report=ndjson", "--report-ndjson-path"])
        .arg(report)
        .arg(format!("{url}/openapi.json"))
        .envs([("SHOP_URL", url), ("ADMIN_EMAIL", ADMIN.0), ("ADMIN_PASSWORD", ADMIN.1), ("PYTHONPATH", ".")])
        .env("NO_PROXY", "127.0.0.1");
    tools::finish(&mut schemathesis)?;
    let requests = cases(&fs::read_to_string(report)?);
    match requests >= MIN_CASES {
        true => Ok(()),
        false => Err(format!("only {requests} requests were made; at least {MIN_CASES} are needed").into()),
    }
}

/// The number of requests in a report.
fn cases(report: &str) -> u64 {
    fn interactions(value: &Value) -> u64 {
        match value {
            Value::Object(members) => {
                let own = members.get("interactions").map_or(0, |all| match all {
                    Value::Object(all) => all.len() as u64,
                    Value::Array(all) => all.len() as u64,
                    _ => 0,
                });
                own + members.values().map(interactions).sum::<u64>()
            }
            Value::Array(items) => items.iter().map(interactions).sum(),
            _ => 0,
        }
    }
    report.lines().filter_map(|line| serde_json::from_str(line).ok()).map(|event: Value| interactions(&event)).sum()
}

fn step(name: &str, run: impl FnOnce() -> Outcome<()>) -> Outcome<()> {
    println!("==> {name}");
    let started = Instant::now();
    run().map_err(|error| format!("{name}: {error}"))?;
    println!("    passed in {:.1} s\n", started.elapsed().as_secs_f64());
    Ok(())
}

/// A program that npm has installed.
fn node(program: &str) -> Command {
    let mut command = Command::new(folder().join("node_modules/.bin").join(program));
    // Otherwise Redocly CLI would look for updates, and send usage data.
    command.current_dir(folder()).env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    command
}

fn folder() -> PathBuf {
    root().join("infra/openapi")
}
