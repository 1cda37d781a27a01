//! Checks which crates depend on which. Cargo itself refuses cycles; it does not check that the domain stays free of
//! I/O, that functions do not depend on each other, and that the replay shares no code with what it checks.

use crate::{Outcome, cargo};

/// What the domain must not depend on: the database, the runtime, and HTTP in either direction.
const OUTSIDE_WORLD: [&str; 5] = ["aws-sdk-dynamodb", "tokio", "axum", "lambda_http", "reqwest"];
const FUNCTIONS: [&str; 9] =
    ["products", "cart", "orders", "search-function", "sessions", "sweeper", "indexer", "notifications", "projections"];
/// Those that a schedule or the table's stream invokes, which need no HTTP server.
const EVENT_FUNCTIONS: [&str; 4] = ["sweeper", "indexer", "notifications", "projections"];
/// Those that have an index of the search in them.
const SEARCHING: [&str; 2] = ["search-function", "indexer"];
/// What an index is made with, from the inside outwards.
const INDEX: [&str; 3] = ["tantivy", "search", "generations"];

/// Whether `package` depends on `dependency`, directly or indirectly.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    package: &'static str,
    dependency: &'static str,
    reaches: bool,
}

/// Checks every rule, and reports all that are broken.
pub fn run() -> Outcome<()> {
    let mut broken = Vec::new();
    for Rule { package, dependency, reaches } in rules() {
        let holds = depends(package, dependency)? == reaches;
        let verb = if reaches { "must reach" } else { "must not reach" };
        println!("{:<6}  {package} {verb} {dependency}", if holds { "ok" } else { "BROKEN" });
        if !holds {
            broken.push(format!("{package} {verb} {dependency}"));
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    let how = "see `cargo tree --edges normal -p <package> -i <dependency>` for the path";
    Err(format!("{}; {how}", broken.join(", ")).into())
}

fn rules() -> Vec<Rule> {
    let mut rules = Vec::new();
    // Positive controls: they would fail if a name is misspelled, or if `cargo tree` changes its output.
    for (package, dependency) in [
        ("table", "aws-sdk-dynamodb"),
        ("table", "tokio"),
        ("api", "axum"),
        ("api", "lambda_http"),
        ("xtask", "reqwest"),
        ("local", "api"),
        ("api", "runtime"),
        ("runtime", "table"),
        ("saga", "table"),
        ("saga", "payments"),
        ("table", "domain"),
        ("payments", "domain"),
        ("orders", "saga"),
        ("stream", "table"),
        ("notifications", "stream"),
        ("projections", "stream"),
        ("deployment", "local"),
        ("deployment", "ops"),
        ("notifications", "aws"),
        ("notifications", "links"),
        ("orders", "links"),
        ("sessions", "links"),
        ("links", "domain"),
        ("search", "domain"),
        ("generations", "table"),
        ("search", "tantivy"),
        ("relevance", "search"),
        ("opensearch", "search"),
        ("opensearch", "aws"),
    ] {
        rules.push(Rule { package, dependency, reaches: true });
    }
    rules.extend(FUNCTIONS.map(|dependency| Rule { package: "local", dependency, reaches: true }));

    rules.extend(OUTSIDE_WORLD.map(|dependency| Rule { package: "domain", dependency, reaches: false }));
    for package in FUNCTIONS {
        let others = FUNCTIONS.into_iter().filter(|other| *other != package);
        rules.extend(others.map(|dependency| Rule { package, dependency, reaches: false }));
    }
    // An index is large: of the functions only the one that writes it and the one that searches it are linked with it.
    for package in FUNCTIONS {
        let reaches = SEARCHING.contains(&package);
        rules.extend(INDEX.map(|dependency| Rule { package, dependency, reaches }));
    }
    for (package, dependency) in [
        ("generations", "api"),
        ("table", "search"),
        ("aws", "domain"),
        ("aws", "table"),
        ("table", "aws"),
        ("payments", "table"),
        ("table", "payments"),
        ("table", "stream"),
        ("links", "table"),
        ("table", "links"),
        ("cart", "links"),
        ("products", "links"),
        ("api", "payments"),
        ("saga", "api"),
        ("stream", "api"),
        ("runtime", "api"),
        ("notifications", "payments"),
        ("projections", "payments"),
        ("search", "table"),
        ("search", "tokio"),
        ("search", "aws"),
        ("opensearch", "table"),
        ("opensearch", "axum"),
        ("relevance", "table"),
    ] {
        rules.push(Rule { package, dependency, reaches: false });
    }
    let without_index = ["domain", "table", "api", "runtime", "stream", "xtask"];
    rules.extend(without_index.map(|package| Rule { package, dependency: "tantivy", reaches: false }));
    let without_http = ["runtime"].into_iter().chain(EVENT_FUNCTIONS);
    for package in without_http {
        rules.extend(["axum", "lambda_http"].map(|dependency| Rule { package, dependency, reaches: false }));
    }
    rules.extend(EVENT_FUNCTIONS.map(|package| Rule { package, dependency: "runtime", reaches: true }));
    rules.extend(["domain", "table", "api"].map(|dependency| Rule { package: "xtask", dependency, reaches: false }));
    rules
}

fn depends(package: &str, dependency: &str) -> Outcome<bool> {
    let output = cargo(&["tree", "--edges", "normal", "--package", package, "--invert", dependency]).output()?;
    let (tree, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let answer = answer(output.status.success(), &tree, &complaint, dependency);
    answer.ok_or_else(|| format!("`cargo tree -p {package} -i {dependency}` failed: {}", complaint.trim()).into())
}

/// Cargo prints nothing for a package that is resolved but not reached by these edges, and fails for one that is not
/// resolved.
fn answer(success: bool, tree: &str, complaint: &str, dependency: &str) -> Option<bool> {
    if success {
        return Some(!tree.trim().is_empty());
    }
    // With the name, since a misspelled package fails with the same message.
    complaint.contains(&format!("`{dependency}` did not match any packages")).then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_functions_has_a_rule_in_both_directions() {
        let rules = rules();

        assert!(rules.contains(&Rule { package: "cart", dependency: "orders", reaches: false }));
        assert!(rules.contains(&Rule { package: "orders", dependency: "cart", reaches: false }));
        let apart = |rule: &&Rule| FUNCTIONS.contains(&rule.package) && FUNCTIONS.contains(&rule.dependency);
        assert_eq!(rules.iter().filter(apart).count(), 72);
        assert!(rules.iter().all(|rule| rule.package != rule.dependency));
    }

    #[test]
    fn every_forbidden_dependency_has_a_positive_control() {
        let rules = rules();

        for rule in rules.iter().filter(|rule| !rule.reaches) {
            let control = |other: &Rule| other.reaches && other.dependency == rule.dependency;
            assert!(rules.iter().any(control), "add a positive control for {}", rule.dependency);
        }
    }

    #[test]
    fn an_answer_is_distinguished_from_a_failure() {
        let not_resolved = "error: package ID specification `tokio` did not match any packages";

        assert_eq!(answer(true, "tokio v1.54.1\n└── table v0.0.0\n", "", "tokio"), Some(true));
        assert_eq!(answer(true, "", "warning: nothing to print.", "tokio"), Some(false));
        assert_eq!(answer(false, "", not_resolved, "tokio"), Some(false));
        assert_eq!(answer(false, "", not_resolved, "axum"), None);
        assert_eq!(answer(false, "", "error: failed to parse manifest", "tokio"), None);
    }
}
