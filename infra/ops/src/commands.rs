//! The commands: their arguments, their help, and what they print.

pub mod admin;
pub mod audit;
pub mod dead_letters;
pub mod import;
pub mod reconcile;
mod shop;

use std::error::Error;

use indicatif::{ProgressBar, ProgressStyle};

/// What a command comes to: the status it exits with, or why it stopped.
pub type Outcome = Result<std::process::ExitCode, Box<dyn Error>>;

/// Exit status of a command that went through, but not everything is well.
const NOT_WELL: u8 = 2;

/// Bars go to standard error, and indicatif hides them where that is no terminal.
fn bar(steps: u64, template: &'static str) -> ProgressBar {
    ProgressBar::new(steps).with_style(style(template))
}

fn style(template: &'static str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("templates are constants")
}
