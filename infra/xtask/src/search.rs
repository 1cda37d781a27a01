//! How well the search ranks, and how fast it is. The program depends on the search; this crate must not.

use crate::{Outcome, cargo};

/// Builds and runs it with these arguments. What is measured is optimised.
pub fn run(arguments: &[String]) -> Outcome<()> {
    let mut command = cargo(&["run", "--release", "--package", "relevance", "--"]);
    match command.args(arguments).status()?.success() {
        true => Ok(()),
        false => Err("the search was not measured, or ranks worse than it has to; see above".into()),
    }
}
