//! The tested programs: built as a developer builds them, and run as separate processes.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{Outcome, cargo};

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The stack lets requests finish for five seconds; twice that is enough.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const BUCKET: &str = "onetill-descriptions";

/// The paths of the two programs.
#[derive(Debug)]
pub struct Programs {
    pub local: PathBuf,
    pub ops: PathBuf,
}

/// A local stack that is ready; dropping it stops it.
#[derive(Debug)]
pub struct Stack {
    pub url: String,
    pub dynamodb: String,
    pub table: String,
    pub s3: String,
    _running: Running,
}

/// The summary that an import prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Import {
    pub created: u64,
    pub updated: u64,
    pub unchanged: u64,
    pub rejected: u64,
    pub products_per_second: u64,
    pub wru: u64,
    pub rru: u64,
}

impl Programs {
    /// Builds both, and gets their paths from cargo, because the target folder can be configured.
    pub fn build() -> Outcome<Self> {
        let arguments = ["build", "--bin", "local", "--bin", "ops", "--message-format=json-render-diagnostics"];
        let output = cargo(&arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err("local and ops cannot be built".into());
        }
        let messages = String::from_utf8_lossy(&output.stdout);
        let find = |name| executable(&messages, name).ok_or_else(|| format!("cargo built no program {name}"));
        Ok(Self { local: find("local")?, ops: find("ops")? })
    }
}

fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let mut messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.find_map(|message| {
        let path = message["executable"].as_str()?;
        (message["target"]["name"].as_str() == Some(name)).then(|| PathBuf::from(path))
    })
}

impl Stack {
    /// Starts an empty shop in memory that charges in pounds and limits no rates, and waits until it can serve.
    pub fn start(local: &Path) -> Outcome<Self> {
        let mut child = Command::new(local)
            .args(["--port", "0", "--engine-port", "0", "--s3-port", "0", "--data", "memory", "--seed", "none"])
            .args(["--limits", "off", "--currency", "GBP"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{} cannot be started: {e}", local.display()))?;
        let stdout = child.stdout.take();
        let running = Running(child);
        let stdout = stdout.ok_or("the local stack has no standard output")?;

        let (sender, received) = mpsc::channel();
        // In a thread, so that a stack that prints nothing cannot block the replay for ever. It reads to the end: with
        // the pipe closed, later output of the stack would fail.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let line = received.recv_timeout(START_TIMEOUT).map_err(|e| match e {
            mpsc::RecvTimeoutError::Timeout => "the local stack does not become ready",
            mpsc::RecvTimeoutError::Disconnected => "the local stack stopped before it was ready",
        })?;
        let [url, dynamodb, s3, table] = ready(&line).ok_or_else(|| format!("not a ready line: {line}"))?;
        Ok(Self { url, dynamodb, table, s3, _running: running })
    }

    /// Runs the import command, prints its summary, and returns it.
    pub fn import(&self, ops: &Path, catalogue: &Path, initial_stock: i64) -> Outcome<Import> {
        let output = Command::new(ops)
            .arg("import")
            .arg(catalogue)
            .args(["--endpoint", &self.dynamodb, "--s3-endpoint", &self.s3])
            .args(["--table", &self.table, "--bucket", BUCKET, "--stock", &initial_stock.to_string()])
            // Not next to the data, which may be read-only.
            .arg("--rejects")
            .arg(ops.with_file_name("replay.rejects.jsonl"))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| format!("{} cannot be started: {e}", ops.display()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        print!("{said}");
        // 2 is an import with rejected lines, which the checks examine.
        if !matches!(output.status.code(), Some(0 | 2)) {
            return Err(format!("the import failed ({})", output.status).into());
        }
        import(&said).ok_or_else(|| format!("not the summary of an import: {said}").into())
    }
}

/// `ready <url> dynamodb=<url> s3=<url> table=<name>`.
fn ready(line: &str) -> Option<[String; 4]> {
    let mut words = line.split_whitespace();
    if words.next()? != "ready" {
        return None;
    }
    let url = words.next()?.to_owned();
    let mut value = |name: &str| Some(words.next()?.strip_prefix(name)?.to_owned());
    Some([url, value("dynamodb=")?, value("s3=")?, value("table=")?])
}

/// `created 1, updated 0, unchanged 0, rejected 0 in 1.0 s (1 products/s), 5 WRU, 1 RRU`.
fn import(said: &str) -> Option<Import> {
    let words: Vec<&str> = said.split([' ', ',', '(', ')', '\n']).filter(|word| !word.is_empty()).collect();
    let place = |label: &str| words.iter().position(|word| *word == label);
    let after = |label: &str| words.get(place(label)? + 1)?.parse::<u64>().ok();
    let before = |label: &str| words.get(place(label)?.checked_sub(1)?)?.parse::<u64>().ok();
    Some(Import {
        created: after("created")?,
        updated: after("updated")?,
        unchanged: after("unchanged")?,
        rejected: after("rejected")?,
        products_per_second: before("products/s")?,
        wru: before("WRU")?,
        rru: before("RRU")?,
    })
}

#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM first, so that it removes its temporary folder; the standard library itself can only kill.
        let terminated = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status();
        if terminated.is_ok_and(|status| status.success()) {
            let pause = Duration::from_millis(100);
            for _ in 0..STOP_TIMEOUT.as_millis() / pause.as_millis() {
                if !matches!(self.0.try_wait(), Ok(None)) {
                    return;
                }
                thread::sleep(pause);
            }
        }
        // An error here means that it has ended, as wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_is_read() {
        let line = "ready http://127.0.0.1:9000 dynamodb=http://127.0.0.1:8000 s3=http://127.0.0.1:9090 table=Shop";

        let expected = ["http://127.0.0.1:9000", "http://127.0.0.1:8000", "http://127.0.0.1:9090", "Shop"];
        assert_eq!(ready(line), Some(expected.map(str::to_owned)));
        assert_eq!(ready("ready http://127.0.0.1:9000 s3=http://127.0.0.1:9090"), None);
        assert_eq!(ready("error: port 9000"), None);
    }

    #[test]
    fn the_summary_of_an_import_is_read() {
        let said =
            "created 9000, updated 20, unchanged 80, rejected 29 in 10.0 s (910 products/s), 40512 WRU, 9129 RRU\n";

        let counts = import(said).map(|i| [i.created, i.updated, i.unchanged, i.rejected]);
        let speeds = import(said).map(|i| [i.products_per_second, i.wru, i.rru]);
        assert_eq!((counts, speeds), (Some([9_000, 20, 80, 29]), Some([910, 40_512, 9_129])));
        assert_eq!(import("created 1, updated 0"), None);
    }

    #[test]
    fn the_program_is_distinguished_from_the_library_of_the_same_name() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"local"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"local"},"executable":"/target/debug/local"}
{"reason":"build-finished","success":true}"#;

        assert_eq!(executable(messages, "local"), Some(PathBuf::from("/target/debug/local")));
        assert_eq!(executable(messages, "ops"), None);
    }
}
