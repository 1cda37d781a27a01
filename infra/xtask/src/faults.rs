//! The shop under injected faults. The program belongs to the tests, which depend on the shop; this crate must not.

use crate::{Outcome, cargo};

/// Builds and runs it with these arguments.
pub fn run(arguments: &[String]) -> Outcome<()> {
    let mut command = cargo(&["run", "--bin", "faults", "--"]);
    match command.args(arguments).status()?.success() {
        true => Ok(()),
        false => Err("the shop failed under injected faults; see above".into()),
    }
}
