//! What the documents say of the templates: names of parameters, settings, outputs and resources, and files.

use std::{collections::BTreeSet, fs, path::Path};

use table::schema;

use crate::tables;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names in a section of SAM's template.
fn section(name: &str) -> BTreeSet<String> {
    let template = file("infra/sam/template.yaml");
    let section = template.split(&format!("\n{name}:\n")).nth(1).unwrap();
    let lines = section.lines().take_while(|line| line.is_empty() || line.starts_with(' '));
    let named = lines.filter(|line| !line.starts_with("   ")).filter_map(|line| line.trim().split_once(':'));
    named.map(|(name, _)| name.to_owned()).filter(|name| !name.starts_with('#')).collect()
}

/// Words that stand before something, such as `Name=`, and that begin with a capital letter and a small one, as names of
/// parameters do and those of variables of a shell do not.
fn names_before(text: &str, what: &str) -> BTreeSet<String> {
    let ends = text.match_indices(what).map(|(at, _)| &text[..at]);
    let names = ends.map(|before| before.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default());
    names.filter(|name| is_camel(name)).map(str::to_owned).collect()
}

/// The same of words that stand after something, such as `output `.
fn names_after(text: &str, what: &str) -> BTreeSet<String> {
    let names =
        text.split(what).skip(1).map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or(""));
    names.filter(|name| is_camel(name)).map(str::to_owned).collect()
}

fn is_camel(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|c| c.is_ascii_uppercase())
        && characters.next().is_some_and(|c| c.is_ascii_lowercase())
}

#[test]
fn parameters_that_the_documents_set_are_the_templates() {
    let parameters = section("Parameters");

    for name in ["README.md", "docs/operations.md", "docs/costs.md"] {
        // What is in a query of the AWS CLI is a member of an answer.
        let text = file(name);
        let lines: Vec<_> =
            text.lines().filter(|line| !line.contains("?Output") && !line.contains("?Resource")).collect();
        let named = names_before(&lines.join("\n"), "=");
        let unknown: Vec<_> = named.difference(&parameters).collect();
        assert!(unknown.is_empty(), "{name} sets {unknown:?}, which are no parameters of infra/sam/template.yaml");
    }
    assert!(parameters.len() > 25, "{parameters:?}");
}

#[test]
fn outputs_and_resources_that_the_manual_asks_for_are_the_templates() {
    let manual = file("docs/operations.md");

    let outputs = names_after(&manual, "output ");
    let resources = names_after(&manual, "resource ");

    assert!(outputs.len() > 5 && resources.len() > 2, "{outputs:?} {resources:?}");
    assert!(outputs.is_subset(&section("Outputs")), "{outputs:?}");
    assert!(resources.is_subset(&section("Resources")), "{resources:?}");
}

/// `for r in Table DescriptionsBucket …` has them as words.
#[test]
fn what_is_kept_when_a_stack_is_deleted_is_what_the_template_keeps() {
    let (manual, template) = (file("docs/operations.md"), file("infra/sam/template.yaml"));
    let list = manual.split("for r in ").nth(1).unwrap().split(';').next().unwrap();
    let listed: BTreeSet<_> = list.split(' ').map(str::to_owned).collect();

    let before =
        |at: usize| template[..at].rsplit("\n  ").find(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    let kept = template.match_indices("DeletionPolicy: RetainExceptOnCreate").filter_map(|(at, _)| before(at));
    let kept: BTreeSet<_> = kept.map(|line| line.split(':').next().unwrap().to_owned()).collect();

    assert_eq!(listed, kept);
}

/// Metrics that alarms look at, of a shop with one table that is not provisioned: AWS charges for each.
#[test]
fn the_price_list_has_as_many_metrics_of_alarms_as_the_template() {
    let (template, costs) = (file("infra/sam/template.yaml"), file("docs/costs.md"));

    let alarms = template.split("\n\n").flat_map(|part| part.split("    Type: AWS::CloudWatch::Alarm\n").skip(1));
    let always = alarms.filter(|alarm| !alarm.starts_with("    Condition: "));
    let metrics: usize = always.map(|alarm| alarm.matches("MetricStat:").count().max(1)).sum();

    let row = format!("| metrics that alarms look at | {metrics} | {:.2} |", metrics as f64 * 0.1);
    assert!(costs.contains(&row), "docs/costs.md has to say {row}");
}

/// What a table of its own adds: metrics that its alarms and those of its mappings look at, and a metric of each mapping. And
/// what it and its indexes cost where they are provisioned.
#[test]
fn the_price_list_has_what_a_table_of_its_own_adds() {
    let (template, costs) = (file("infra/sam/template.yaml"), file("docs/costs.md"));
    let provisioned: Vec<_> = schema::indexes().into_iter().map(|index| index.kind).chain(tables::OWN).collect();

    for kind in tables::OWN {
        let name = tables::name_of(kind);
        let of_kind = |resource: &&str| resource.starts_with(&format!("    Condition: Has{name}Table\n"));
        let parts = |kind: &str| template.split(&format!("    Type: {kind}\n")).skip(1).collect::<Vec<_>>();
        let alarms = parts("AWS::CloudWatch::Alarm").into_iter().filter(of_kind);
        let metrics: usize = alarms
            .map(|alarm| {
                let alarm = alarm.split("OKActions").next().unwrap_or_default();
                alarm.matches("MetricStat:").count().max(1)
            })
            .sum();
        let mappings = parts("AWS::Lambda::EventSourceMapping").into_iter().filter(of_kind).count();
        let usd = metrics as f64 * 0.1 + mappings as f64 * 0.3;
        let row = format!("| `{name}Table` | {metrics} | {mappings} | {usd:.2} |");
        assert!(costs.contains(&row), "docs/costs.md has to say {row}");

        let scaled = provisioned.iter().filter(|other| **other == kind).count();
        let usd = scaled as f64 * (5.0 * 730.0 * (0.000_13 + 0.000_65) + 4.0 * 0.1);
        let row = format!("| `{name}Table` | {scaled} | {usd:.2} |");
        assert!(costs.contains(&row), "docs/costs.md has to say {row}");
    }
}

#[test]
fn settings_that_the_documents_give_to_cdk_are_the_apps() {
    let context = file("infra/cdk/bin/context.ts");

    for name in ["docs/operations.md", "infra/cdk/README.md"] {
        for setting in
            file(name).split("-c ").skip(1).filter_map(|rest| rest.split_once('=')).map(|(setting, _)| setting)
        {
            if setting.chars().all(|c| c.is_ascii_alphabetic()) && setting != "name" {
                assert!(context.contains(&format!("\n  {setting}: ")), "{name}: {setting}");
            }
        }
    }
}

#[test]
fn files_and_headings_that_the_documents_lead_to_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut documents = markdown(&root, &["docs", "docs/adr"]);
    documents.push("infra/cdk/README.md".to_owned());
    assert!(documents.len() > 30, "{documents:?}");
    for name in documents {
        let text = file(&name);
        let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.contains("://")) {
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target =
                if path.is_empty() { root.join(&name) } else { root.join(&name).with_file_name("").join(path) };
            assert!(target.exists(), "{name} leads to {link}");
            if !heading.is_empty() {
                let headings = fs::read_to_string(&target).unwrap();
                assert!(headings.lines().filter_map(anchor).any(|anchor| anchor == heading), "{name} leads to {link}");
            }
        }
    }
}

/// The Markdown files of the root and of these folders.
fn markdown(root: &Path, folders: &[&str]) -> Vec<String> {
    let files = [""].iter().chain(folders).flat_map(|folder| {
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "md"))
    });
    files.map(|path| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned()).collect()
}

/// What GitHub calls a heading in a link.
fn anchor(line: &str) -> Option<String> {
    let heading = line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_lowercase())?;
    Some(
        heading
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect(),
    )
}
