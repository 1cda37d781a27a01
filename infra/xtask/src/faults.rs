//! The shop under injected faults. It is a program of the tests, which know the shop; this crate must not.

use crate::{Outcome, cargo};

/// Builds and runs it with the arguments given.
pub fn run(arguments: &[String]) -> Outcome<()> {
    let mut command = cargo(&["run", "--bin", "faults", "--"]);
    match command.args(arguments).status()?.success() {
        true => Ok(()),
        false => Err("the shop under faults is not what it should be; see above".into()),
    }
}
