//! The sentences about search engines, on osmem-server, <https://pypi.org/project/osmem-server/>: an imitation of
//! OpenSearch that keeps everything in memory.
//!
//! It cannot show that the real OpenSearch behaves so. Its scores are not Lucene's, so ranking is not judged on it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    Outcome, cargo,
    process::Running,
    tools::{finish, python},
};

const PACKAGE: &str = "osmem-server==0.1.6";
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts the imitation, runs the tests on it and stops it.
///
/// # Errors
/// It cannot be installed or started, or a test fails.
pub fn run() -> Outcome<()> {
    let program = install()?;
    let (_running, url) = start(&program)?;
    let mut tests = cargo(&["test", "--workspace", "--locked", "--test", "engines"]);
    finish(tests.env("TEST_OPENSEARCH_ENDPOINT", url))
}

/// Installs it once, into target/tools.
fn install() -> Outcome<PathBuf> {
    let python = python(&[PACKAGE])?.join("python");
    let where_it_is = "import osmem_server; print(osmem_server.resolve_binary())";
    let output = Command::new(python).args(["-c", where_it_is]).output()?;
    let path = String::from_utf8(output.stdout)?;
    let path = path.trim();
    if path.is_empty() { Err("osmem-server has no program for this machine".into()) } else { Ok(path.into()) }
}

fn start(program: &Path) -> Outcome<(Running, String)> {
    // It ends when its standard input does: with this program, however this program ends.
    let mut running =
        Running::start(Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()))?;
    // It chooses a port, and prints where it listens.
    let ready = running.first_line(START_TIMEOUT).map_err(|error| format!("osmem-server: {error}"))?;
    let ready: serde_json::Value = serde_json::from_str(&ready)?;
    let url = ready["url"].as_str().ok_or("osmem-server does not say where it listens")?;
    Ok((running, url.to_owned()))
}
