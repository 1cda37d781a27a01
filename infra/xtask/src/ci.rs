use std::{fmt, time::Instant};

use crate::{Outcome, cargo, generate, layers};

struct Step {
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

/// Fastest first, so that a small mistake is found within seconds.
const STEPS: [Step; 4] = [
    Step { arguments: &["fmt", "--all", "--check"], environment: &[] },
    Step { arguments: &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], environment: &[] },
    Step { arguments: &["doc", "--workspace", "--no-deps"], environment: &[("RUSTDOCFLAGS", "-D warnings")] },
    Step { arguments: &["test", "--workspace"], environment: &[] },
];

/// Runs every step, prints how long each took, and stops at the first that fails.
pub fn run() -> Outcome<()> {
    let started = Instant::now();
    for step in &STEPS {
        timed(&step.to_string(), || step.run())?;
    }
    timed("cargo xtask generate --check", || generate::run(&generate::Options { check: true, calls: None }))?;
    timed("cargo xtask layers", layers::run)?;
    println!("all steps passed in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn timed(name: &str, step: impl FnOnce() -> Outcome<()>) -> Outcome<()> {
    println!("==> {name}");
    let started = Instant::now();
    let outcome = step();
    let seconds = started.elapsed().as_secs_f64();
    outcome.map_err(|error| format!("{name}: {error}, after {seconds:.1} s"))?;
    println!("    passed in {seconds:.1} s\n");
    Ok(())
}

impl Step {
    fn run(&self) -> Outcome<()> {
        let status = cargo(self.arguments).envs(self.environment.iter().copied()).status()?;
        if status.success() { Ok(()) } else { Err(format!("failed ({status})").into()) }
    }
}

impl fmt::Display for Step {
    /// As it would be typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.environment {
            write!(f, "{name}=\"{value}\" ")?;
        }
        write!(f, "cargo {}", self.arguments.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_shown_as_it_would_be_typed() {
        assert_eq!(STEPS[0].to_string(), "cargo fmt --all --check");
        assert_eq!(STEPS[2].to_string(), "RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace --no-deps");
    }
}
