//! The commands: their arguments, their help, and what they print.

pub mod admin;
pub mod audit;
pub mod dead_letters;
pub mod import;
pub mod migrate;
pub mod reconcile;
pub mod sale;
mod shop;

use std::error::Error;

use indicatif::{ProgressBar, ProgressStyle};

/// The result of a command: its exit status, or why it stopped.
pub type Outcome = Result<std::process::ExitCode, Box<dyn Error>>;

/// Exit status of a command that completed but found problems.
const NOT_WELL: u8 = 2;

/// Progress bars go to standard error, and indicatif hides them if that is not a terminal.
fn bar(steps: u64, template: &'static str) -> ProgressBar {
    ProgressBar::new(steps).with_style(style(template))
}

fn style(template: &'static str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("templates are constants")
}
