//! The model of DynamoDB's partitions. The program belongs to the tests, which depend on the shop; this crate must not.

use crate::{Outcome, cargo};

/// Builds and runs it with these arguments.
pub fn run(arguments: &[String]) -> Outcome<()> {
    let mut command = cargo(&["run", "--bin", "partitions", "--"]);
    match command.args(arguments).status()?.success() {
        true => Ok(()),
        false => Err("the model of partitions failed; see above".into()),
    }
}
