//! The sections of SAM's template, as YAML.

mod alarms;
mod capacity;
mod dashboard;
mod stream;
mod tables;
mod values;

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    environment,
    facts::{Facts, Function},
};
use crate::Outcome;
use capacity::each_scaled;
use values::{flow, indented, scalar};

/// Each section by its name.
///
/// # Errors
/// The dashboard cannot be written into the template.
pub fn sections(facts: &Facts, dashboard: &str) -> Outcome<BTreeMap<String, String>> {
    let mut sections = BTreeMap::from([
        ("variables of every function".to_owned(), variables(environment::EVERY_FUNCTION)),
        ("tables".to_owned(), tables::tables()),
        ("scaling".to_owned(), each_scaled(capacity::scaling)),
        ("alarms on capacity".to_owned(), each_scaled(capacity::alarm)),
        ("alarms of tables".to_owned(), alarms::of_tables()),
        ("alarms of mappings".to_owned(), alarms::of_mappings(&facts.consumers)),
        ("headers of other origins".to_owned(), cors(facts)),
        ("mappings".to_owned(), stream::mappings(&facts.consumers)),
        ("dashboard".to_owned(), dashboard::dashboard(dashboard)?),
    ]);
    for function in &facts.functions {
        sections.insert(format!("{}Function", function.name), environment_and_routes(function));
        let statements = function.statements.iter().map(|statement| format!("- {}\n", flow(statement)));
        sections.insert(format!("permissions of {}", function.name), statements.collect());
    }
    let words = |text: &str, name: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name);
    let is_used = |name: &str| sections.values().any(|text| words(text, name));
    let conditions = tables::conditions(is_used);
    sections.insert("conditions of tables".to_owned(), conditions);
    Ok(sections)
}

fn variables(variables: &[(&str, &str)]) -> String {
    variables.iter().map(|(name, value)| format!("{name}: {}\n", scalar(value))).collect()
}

fn environment_and_routes(function: &Function) -> String {
    let mut text = format!("Environment:\n  Variables:\n{}", indented(&variables(&function.environment), 4));
    if !function.routes.is_empty() {
        text.push_str("Events:\n");
    }
    for route in &function.routes {
        let (event, method, path) = (&route.event, &route.method, &route.path);
        let _ = writeln!(
            text,
            "  {event}: {{Type: HttpApi, Properties: {{ApiId: !Ref HttpApi, Method: {method}, Path: '{path}'}}}}"
        );
    }
    text
}

fn cors(facts: &Facts) -> String {
    let cors = &facts.cors;
    let (sent, read) = (cors.sent.join(", "), cors.read.join(", "));
    format!("allowHeaders: [{sent}]\nexposeHeaders: [{read}]\nmaxAge: {}\n", cors.max_age_s)
}
