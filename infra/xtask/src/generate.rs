//! Writes into the templates of the deployment what the code knows.
//!
//! The crate `deployment` does it, which knows the shop; this crate must not.

use std::path::PathBuf;

use clap::Args;

use crate::{Outcome, cargo, root, tools::finish};

#[derive(Debug, Args)]
pub struct Options {
    /// Writes nothing, and fails with the lines that differ
    #[arg(long)]
    pub check: bool,
    /// Also takes anew what each function calls, and so what its role allows, from what `RECORD_CALLS` wrote in a run of all
    /// end-to-end tests; `cargo xtask infra` leaves it in target/infra/calls.jsonl
    #[arg(long, value_name = "FILE")]
    pub calls: Option<PathBuf>,
}

pub fn run(options: &Options) -> Outcome<()> {
    // By the binary, not by the package: then it is built with the features that everything else is built with.
    let mut generate = cargo(&["run", "--quiet", "--locked", "--bin", "deployment", "--", "generate", "--root"]);
    generate.arg(root());
    if options.check {
        generate.arg("--check");
    }
    if let Some(file) = &options.calls {
        let file = std::fs::canonicalize(file).map_err(|e| format!("{}: {e}", file.display()))?;
        generate.arg("--calls").arg(file);
    }
    finish(&mut generate)
}
