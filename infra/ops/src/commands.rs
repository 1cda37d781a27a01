//! The commands: their arguments, their help, and what they print.

pub mod admin;
pub mod advise;
pub mod audit;
pub mod costs;
pub mod dead_letters;
pub mod import;
pub mod migrate;
pub mod reconcile;
pub mod sale;
pub mod search;
mod shop;

use std::{
    error::Error,
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

use indicatif::{ProgressBar, ProgressStyle};

/// The result of a command: its exit status, or why it stopped.
pub type Outcome = Result<ExitCode, Box<dyn Error>>;

/// Exit status of a command that completed but found problems.
const NOT_WELL: u8 = 2;

/// Progress bars go to standard error, and indicatif hides them if that is not a terminal.
fn bar(steps: u64, template: &'static str) -> ProgressBar {
    ProgressBar::new(steps).with_style(style(template))
}

fn style(template: &'static str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("templates are constants")
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{} cannot be read: {e}", path.display()))
}

fn print(text: &str) -> Outcome {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader has closed the pipe: `| head`.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(ExitCode::SUCCESS)
}
