//! The program `measure` of the tests, which depend on the shop; this crate must not.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde::de::DeserializeOwned;

use super::peers;
use crate::{Outcome, cargo};

/// Builds it.
///
/// # Errors
/// It cannot be built.
pub fn build() -> Outcome<PathBuf> {
    let mut build = cargo(&["build", "--bin", "measure", "--message-format=json-render-diagnostics"]);
    peers::built(&mut build)?.remove("measure").ok_or_else(|| "cargo built no program measure".into())
}

/// Builds and runs it with these arguments, and reads what it prints. Its progress is shown.
///
/// # Errors
/// It cannot be built, or fails.
pub fn run<T: DeserializeOwned>(arguments: &[String]) -> Outcome<T> {
    let mut command = Command::new(build()?);
    let output = command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout)?),
        false => Err("a measurement failed; see above".into()),
    }
}
