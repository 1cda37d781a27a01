//! What is pure, by divan: the benchmarks are beside the code that they measure.

use std::process::Stdio;

use super::{peers, section};
use crate::{Outcome, cargo};

/// Packages, and the benchmark of each.
const BENCHES: [(&str, &str); 3] = [("domain", "pricing"), ("table", "keys"), ("api", "cursors")];

/// Builds, measures and writes.
///
/// # Errors
/// They cannot be built, or one fails.
pub fn run() -> Outcome<()> {
    let mut bench = cargo(&["bench", "--locked", "--target-dir"]);
    bench.arg(peers::folder());
    for (package, name) in BENCHES {
        bench.args(["--package", package, "--bench", name]);
    }
    let output = bench.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err("the benchmarks failed; see above".into());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let shown = shown(&text);
    println!("{shown}");
    section::write("pure", &format!("{}.\n\n```text\n{shown}\n```", section::machine()))
}

/// The tables.
fn shown(text: &str) -> String {
    let is_divan = |line: &&str| line.contains('│') || line.starts_with("Timer precision");
    let lines: Vec<_> = text.lines().filter(is_divan).map(str::trim_end).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tables_are_shown() {
        let text = "something else\n\nTimer precision: 20 ns\nkeys   fastest │ slowest\n╰─ a   1 ns    │ 2 ns   \n";

        assert_eq!(shown(text), "Timer precision: 20 ns\nkeys   fastest │ slowest\n╰─ a   1 ns    │ 2 ns");
    }
}
