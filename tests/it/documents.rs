//! What the documents say of the tests, and the code they show.

use std::{collections::BTreeSet, fs, path::Path, path::PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn file(name: &str) -> String {
    let path = root().join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every Rust source below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Code spans of a text: `orders::name`.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// A row that names a test proves nothing if there is no such test.
#[test]
fn every_test_that_the_documents_name_exists() {
    let mut files = Vec::new();
    for folder in ["functions", "infra", "shared", "tests"] {
        sources(&root().join(folder), &mut files);
    }
    let mut tests = BTreeSet::new();
    for path in files {
        let source = fs::read_to_string(&path).unwrap();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let within =
            path.strip_prefix(root()).unwrap().components().map(|c| c.as_os_str().to_str().unwrap().to_owned());
        let scopes: Vec<_> = within.chain([module]).collect();
        for name in source.split("fn ").skip(1).filter_map(|rest| rest.split('(').next()) {
            tests.extend(scopes.iter().map(|scope| (scope.clone(), name.to_owned())));
        }
    }

    let mut named = 0;
    for document in ["docs/reliability.md", "docs/security.md", "docs/adding-a-capability.md"] {
        let text = file(document);
        for span in spans(&text) {
            let Some((scope, name)) = span.split_once("::").or_else(|| span.split_once(": ")) else { continue };
            // A type or a module of the code is no test, and a test has a sentence for its name.
            if name.matches('_').count() < 2 || name.contains([':', ' ', '(']) {
                continue;
            }
            named += 1;
            assert!(
                tests.contains(&(scope.to_owned(), name.to_owned())),
                "{document} names the test {span}, which is not in `{scope}`: rename it there too"
            );
        }
    }
    assert!(named > 140, "{named}");
}

/// Rules of the checker and of the verifier of streams, by name.
#[test]
fn every_rule_that_the_documents_name_exists() {
    let rules: BTreeSet<_> = e2e::faults::checker::RULES
        .iter()
        .map(|rule| rule.name)
        .chain(e2e::streams::verify::RULES.iter().map(|rule| rule.name))
        .collect();
    let text = file("docs/reliability.md");

    let mut named = BTreeSet::new();
    for list in text.split("rule").skip(1).map(|rest| rest.trim_start_matches(['s', ' '])) {
        let list = list.split(|c: char| !(c.is_ascii_lowercase() || "-`, ".contains(c))).next().unwrap();
        if list.starts_with('`') {
            named.extend(spans(list).filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }

    let unknown: Vec<_> = named.iter().filter(|name| !rules.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "docs/reliability.md names the rules {unknown:?}, which do not exist");
    let missing: Vec<_> = rules.iter().filter(|rule| !text.contains(&format!("`{rule}`"))).collect();
    assert!(missing.is_empty(), "docs/reliability.md does not name the rules {missing:?}");
}

/// The guide's code is that of docs/examples, which is compiled with the tests of `shared/table`.
#[test]
fn the_code_of_the_guide_is_the_code_that_is_compiled() {
    let flat = |text: &str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    let guide = file("docs/adding-an-access-pattern.md");
    let compiled = flat(&(file("docs/examples/wishes.rs") + &file("docs/examples/manufacturers.rs")));

    let mut compared = 0;
    for block in guide.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let (place, code) = block.split_once('\n').unwrap();
        if place.starts_with("// shared/table/src/") || place == "// in its test" {
            compared += 1;
            assert!(compiled.contains(&flat(code)), "not in docs/examples, though it is for {place}:\n{code}");
        }
    }
    assert!(compared >= 6, "{compared}");
}

/// The README rounds the sums of the price list.
#[test]
fn the_readme_has_the_sums_of_the_price_list() {
    let (readme, costs) = (file("README.md"), file("docs/costs.md"));
    let after = |words: &str| -> f64 {
        let rest = costs.split(words).nth(1).unwrap_or_else(|| panic!("docs/costs.md has no {words:?}"));
        rest.split(|c: char| !(c.is_ascii_digit() || c == '.')).next().unwrap().parse().unwrap()
    };

    let (idle, orders) = (after("| **together** | | **"), after("A million orders of one line thus cost "));

    let sums = format!("{idle:.0} dollars a month idle, and {orders:.0} for a million orders");
    assert!(readme.contains(&sums), "README.md has to say {sums:?}");
}
