//! Writes into both templates what the code knows: the table, the routes, the mappings, environments and permissions.
//! `cargo xtask generate` calls this.
//!
//! In `infra/sam/template.yaml` it fills the sections that are marked as generated. `infra/cdk/lib/facts.json` is all of its
//! making, and read by the CDK construct. What a person decides stays outside of both.

mod environment;
mod facts;
mod indexes;
mod marked;
mod permissions;
mod sam;

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::{Value, json};

pub use self::facts::MAPPINGS;
use self::{facts::Facts, permissions::Calls};
use crate::{Outcome, calls};

const TEMPLATE: &str = "infra/sam/template.yaml";
const FACTS: &str = "infra/cdk/lib/facts.json";
const DASHBOARD: &str = "infra/cdk/lib/dashboard.json";
const CALLS: &str = "infra/deployment/calls.json";
/// Characters of a line of JSON, but for a text that is longer.
const LINE: usize = 110;

#[derive(Debug, Args)]
pub struct Options {
    /// The root of the repository
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    root: PathBuf,
    /// Writes nothing, and fails if something would be written
    #[arg(long)]
    check: bool,
    /// Also takes the calls of each function anew, from what `RECORD_CALLS` wrote in a run of all end-to-end tests; the
    /// roles allow these
    #[arg(long, value_name = "FILE")]
    calls: Option<PathBuf>,
}

/// Writes every file that differs, or names it.
///
/// # Errors
/// With `check`, something differs. Otherwise a file cannot be read, or has another form.
pub fn run(options: &Options) -> Outcome<()> {
    let read = |name: &str| read(&options.root, name);
    let calls = match &options.calls {
        Some(file) => Calls::recorded(&calls::read(file)?)?,
        None => Calls::parse(&serde_json::from_str(&read(CALLS)?).map_err(|e| format!("{CALLS}: {e}"))?)?,
    };
    let facts = Facts::collect(&calls)?;
    let template = marked::replace(&read(TEMPLATE)?, &sam::sections(&facts, &read(DASHBOARD)?)?)
        .map_err(|error| format!("{TEMPLATE}: {error}"))?;
    let files = [(TEMPLATE, template), (FACTS, pretty(&facts.json())), (CALLS, pretty(&calls.json()))];

    let mut differences = String::new();
    for (name, text) in &files {
        // One that is not there yet is different.
        let before = read(name).unwrap_or_default();
        if before == *text {
            continue;
        }
        match options.check {
            true => differences.push_str(&format!("{name}\n{}", marked::difference(&before, text))),
            false => {
                fs::write(options.root.join(name), text)?;
                println!("wrote {name}");
            }
        }
    }
    match differences.is_empty() {
        true => Ok(()),
        false => Err(format!("not as the code says; `cargo xtask generate` writes it:\n{differences}").into()),
    }
}

fn read(root: &Path, name: &str) -> Outcome<String> {
    Ok(fs::read_to_string(root.join(name)).map_err(|e| format!("{name}: {e}"))?)
}

/// JSON whose objects and lists stand on one line where they fit.
fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, 0, &mut text);
    text + "\n"
}

fn write_value(value: &Value, indentation: usize, text: &mut String) {
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, part)| (format!("{}: ", json!(name)), part)).collect(),
        Value::Array(items) => items.iter().map(|item| (String::new(), item)).collect(),
        _ => Vec::new(),
    };
    let on_one_line = value.to_string();
    if parts.is_empty() || indentation + on_one_line.len() <= LINE {
        return text.push_str(&on_one_line);
    }
    let (open, close) = if value.is_object() { ('{', '}') } else { ('[', ']') };
    text.push(open);
    for (at, (name, part)) in parts.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        text.push_str(&format!("{comma}\n{:width$}{name}", "", width = indentation + 2));
        write_value(part, indentation + 2, text);
    }
    text.push_str(&format!("\n{:indentation$}{close}", ""));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_broken_where_a_line_would_be_too_long() {
        let long = "x".repeat(LINE);
        let value = json!({"a": [1, {"b": []}], "c": {"d": long}});

        let text = pretty(&value);

        assert_eq!(text, format!("{{\n  \"a\": [1,{{\"b\":[]}}],\n  \"c\": {{\n    \"d\": \"{long}\"\n  }}\n}}\n"));
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
