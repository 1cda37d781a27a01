//! What is deployed. `generate` writes into SAM's template and CDK's facts what the code of the functions knows. `verify`
//! checks both templates without an account: against each other, against the controls of a production deployment, and
//! against what the functions were seen to call; and it starts the functions as they were built. `cargo xtask generate` and
//! `cargo xtask infra` call this.

mod calls;
mod cases;
mod code;
mod controls;
mod generate;
#[cfg(test)]
mod manual;
mod mutations;
mod normalized_template;
mod policy;
mod smoke;
mod tables;
mod template;

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Instant,
};

use calls::{Call, Needed};
use cases::{CASES, COMPARED, Case, FIRST, every_choice_of_tables};
use clap::{Parser, Subcommand};
use controls::CONTROLS;
use normalized_template::NormalizedTemplate;
use serde_json::Value;
use smoke::Built;
use template::Resources;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What is deployed: the templates in infra/sam and infra/cdk
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Writes into the templates what the code knows
    Generate(generate::Options),
    /// Checks the templates, and the functions that were built from them
    Verify(Arguments),
}

#[derive(Debug, clap::Args)]
struct Arguments {
    /// The root of the repository
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    root: PathBuf,
    /// The Python that SAM CLI is installed for
    #[arg(long, value_name = "FILE")]
    python: PathBuf,
    /// What `RECORD_CALLS` wrote while the end-to-end tests ran
    #[arg(long, value_name = "FILE")]
    calls: PathBuf,
    /// Lambda's runtime interface emulator, as SAM CLI brings it
    #[arg(long, value_name = "FILE")]
    emulator: PathBuf,
    /// What `sam build` made: a folder for each function, with its bootstrap
    #[arg(long, value_name = "FOLDER")]
    build: PathBuf,
    /// Where templates and logs are left
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
}

/// Both templates, read for one case.
struct Deployment {
    case: &'static str,
    /// As (name, resources, normalized).
    templates: [(&'static str, Resources, NormalizedTemplate); 2],
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Generate(options) => generate::run(&options),
        Task::Verify(arguments) => run(&arguments).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Outcome<()> {
    fs::create_dir_all(&arguments.output)?;
    let deployments = read_all(arguments)?;
    let mut wrong = Vec::new();

    let built = Built {
        emulator: arguments.emulator.clone(),
        functions: arguments.build.clone(),
        logs: arguments.output.join("functions"),
        events: arguments.root.join("events"),
    };
    let mut calls = calls::read(&arguments.calls)?;
    let own = ["CatalogueTable", "OrdersTable", "SessionsTable"].map(|table| (table, "PAY_PER_REQUEST"));
    let with_more = [own.as_slice(), &[("MailConfigurationSet", "bounces")]].concat();
    for parameters in [debugging(&[]), debugging(&with_more)] {
        let resources = template::read(&sam(arguments)?, &parameters)?;
        let started = smoke::start_all(&NormalizedTemplate::of(&resources), &built).await?;
        started.lines.iter().for_each(|line| println!("ok      {line}"));
        wrong.extend(started.wrong);
        calls.extend(started.calls);
    }

    for deployment in &deployments {
        let found = verify(deployment);
        println!("{}  {}: SAM and CDK agree, and every control holds", verdict(found.is_empty()), deployment.case);
        wrong.extend(found.into_iter().map(|line| format!("{}: {line}", deployment.case)));
    }
    for case in &COMPARED {
        let deployment = deployment(arguments, &sam(arguments)?, case)?;
        let of_case = |line| format!("{}: {line}", case.name);
        let mut found: Vec<_> = verify(&deployment).into_iter().map(of_case).collect();
        found.extend(permissions(std::slice::from_ref(&deployment), &calls)?);
        println!("{}  {}: SAM and CDK agree, and every control holds", verdict(found.is_empty()), case.name);
        wrong.extend(found);
    }
    let (choices, found) = tables_of_sam(arguments, &calls)?;
    println!("{}  every control holds for each of {choices} choices of tables in SAM", verdict(found.is_empty()));
    wrong.extend(found);
    let found = first_deployment(arguments)?;
    println!(
        "{}  tables of a first deployment that fails do not stay behind, and it reserves no concurrency",
        verdict(found.is_empty())
    );
    wrong.extend(found);
    let manual = fs::read_to_string(arguments.root.join("docs/operations.md"))?;
    let unexplained = unexplained(&deployments, &manual);
    println!(
        "{}  every alarm names a heading of docs/operations.md, which asks for no output that is not there",
        verdict(unexplained.is_empty())
    );
    wrong.extend(unexplained);
    let found = permissions(&deployments, &calls)?;
    println!("{}  what {} different calls need is what the roles allow", verdict(found.is_empty()), calls.len());
    wrong.extend(found);
    if !wrong.is_empty() {
        return Err(format!("{} wrong:\n{}", wrong.len(), wrong.join("\n")).into());
    }

    mutate(&deployments, &calls, &arguments.output.join("mutations.txt"))?;
    remove_each_value(&deployments)
}

fn verdict(holds: bool) -> &'static str {
    if holds { "ok    " } else { "WRONG " }
}

/// The parameters of a deployment that logs everything: functions log which variables they read.
fn debugging(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut parameters = CASES[0].parameters();
    let more = [("LogLevel", "debug")].iter().chain(more);
    parameters.extend(more.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    parameters
}

/// SAM's template as CloudFormation sees it.
fn sam(arguments: &Arguments) -> Outcome<Value> {
    let folder = arguments.root.join("infra/sam");
    let mut command = Command::new(&arguments.python);
    json_from(command.arg(folder.join("transform.py")).arg(folder.join("template.yaml")))
}

/// CDK's, synthesised.
fn cdk(arguments: &Arguments, case: &Case) -> Outcome<Value> {
    let folder = arguments.root.join("infra/cdk");
    let output = fs::canonicalize(&arguments.output)?.join("cdk").join(case.name.replace(' ', "-"));
    let mut command = Command::new("npx");
    command.current_dir(&folder).args(["--no-install", "cdk", "synth", "--quiet", "--output"]).arg(&output);
    for setting in case.context().iter().map(String::as_str).chain(["bundling=off"]) {
        command.args(["-c", setting]);
    }
    run_to_end(&mut command)?;
    let template = output.join("OneTill.template.json");
    Ok(serde_json::from_str(&fs::read_to_string(&template).map_err(|e| format!("{}: {e}", template.display()))?)?)
}

fn json_from(command: &mut Command) -> Outcome<Value> {
    Ok(serde_json::from_slice(&run_to_end(command)?)?)
}

fn run_to_end(command: &mut Command) -> Outcome<Vec<u8>> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|e| format!("{shown}: {e}"))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(format!("{shown} failed:\n{}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// The resources of SAM's template and of CDK's.
fn read(arguments: &Arguments, transformed: &Value, case: &Case) -> Outcome<(Resources, Resources)> {
    let of_sam = template::read(transformed, &case.parameters()).map_err(|e| format!("SAM, {}: {e}", case.name))?;
    let synthesised = cdk(arguments, case)?;
    let of_cdk = template::read(&synthesised, &BTreeMap::new()).map_err(|e| format!("CDK, {}: {e}", case.name))?;
    Ok((of_sam, of_cdk))
}

/// What is wrong with a deployment whose tables can be deleted, in an account that has no concurrency to reserve.
fn first_deployment(arguments: &Arguments) -> Outcome<Vec<String>> {
    let (of_sam, of_cdk) = read(arguments, &sam(arguments)?, &FIRST)?;
    let (sam, cdk) = (NormalizedTemplate::of(&of_sam), NormalizedTemplate::of(&of_cdk));
    let mut found = sam.differences(&cdk, ("SAM", "CDK"));
    for (name, normalized) in [("SAM", &sam), ("CDK", &cdk)] {
        let tables = normalized.of_kind("AWS::DynamoDB::Table");
        let protected = tables.filter(|(_, table)| table.properties["DeletionProtectionEnabled"] != "false");
        found.extend(protected.map(|(table, _)| format!("{name}: {table} is protected all the same")));
        let functions = normalized.of_kind("AWS::Lambda::Function");
        let reserves = functions.filter(|(_, f)| f.properties.get("ReservedConcurrentExecutions").is_some());
        found.extend(reserves.map(|(function, _)| format!("{name}: {function} reserves concurrency all the same")));
    }
    Ok(found.into_iter().map(|line| format!("{}: {line}", FIRST.name)).collect())
}

/// What is wrong with SAM's template for any choice of tables, and how many there are.
fn tables_of_sam(arguments: &Arguments, calls: &[Call]) -> Outcome<(usize, Vec<String>)> {
    let transformed = sam(arguments)?;
    let choices = every_choice_of_tables();
    let mut found = Vec::new();
    for choice in &choices {
        let normalized = NormalizedTemplate::of(&template::read(&transformed, choice)?);
        let mut wrong = lacking("SAM", &normalized);
        wrong.extend(calls::verify(&normalized, &needed(&normalized, calls))?);
        found.extend(wrong.into_iter().map(|line| format!("{choice:?}: {line}")));
    }
    Ok((choices.len(), found))
}

fn read_all(arguments: &Arguments) -> Outcome<Vec<Deployment>> {
    let transformed = sam(arguments)?;
    fs::write(arguments.output.join("sam.json"), serde_json::to_string_pretty(&transformed)?)?;
    let mut deployments = Vec::new();
    for case in &CASES {
        let started = Instant::now();
        let deployment = deployment(arguments, &transformed, case)?;
        let [(_, of_sam, _), (_, of_cdk, _)] = &deployment.templates;
        println!(
            "ok      {}: read {} resources of SAM, {} of CDK, in {:.1} s",
            case.name,
            of_sam.len(),
            of_cdk.len(),
            started.elapsed().as_secs_f64()
        );
        deployments.push(deployment);
    }
    Ok(deployments)
}

fn deployment(arguments: &Arguments, transformed: &Value, case: &Case) -> Outcome<Deployment> {
    let (of_sam, of_cdk) = read(arguments, transformed, case)?;
    let normalized = (NormalizedTemplate::of(&of_sam), NormalizedTemplate::of(&of_cdk));
    Ok(Deployment { case: case.name, templates: [("SAM", of_sam, normalized.0), ("CDK", of_cdk, normalized.1)] })
}

/// All that is wrong with a deployment, permissions aside.
fn verify(deployment: &Deployment) -> Vec<String> {
    let [(_, _, sam), (_, _, cdk)] = &deployment.templates;
    let mut found = sam.differences(cdk, ("SAM", "CDK"));
    for (name, _, normalized) in &deployment.templates {
        found.extend(lacking(name, normalized));
    }
    found
}

/// Controls that do not hold, a line each.
fn lacking(template: &str, normalized: &NormalizedTemplate) -> Vec<String> {
    let lacking = CONTROLS.iter().map(|control| (control.name, control.lacking(normalized)));
    let broken = lacking.filter(|(_, lacking)| !lacking.is_empty());
    broken.map(|(name, lacking)| format!("{template}: {name}: not so for {}", lacking.join(", "))).collect()
}

/// Alarms whose description does not lead to a heading that is there, and outputs that the manual uses and no stack has.
fn unexplained(deployments: &[Deployment], manual: &str) -> BTreeSet<String> {
    let headings: Vec<_> = manual.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let mut found = BTreeSet::new();
    let mut outputs = BTreeSet::new();
    for (_, _, normalized) in deployments.iter().flat_map(|deployment| &deployment.templates) {
        outputs.extend(
            normalized.properties(template::OUTPUTS).as_object().into_iter().flatten().map(|(name, _)| name.as_str()),
        );
        for (name, alarm) in normalized.of_kind("AWS::CloudWatch::Alarm") {
            let description = alarm.properties["AlarmDescription"].as_str().unwrap_or_default();
            let heading =
                description.split("see '").nth(1).and_then(|rest| rest.split("' in docs/operations.md").next());
            // Headings may have code in them.
            let is_there = |heading: &str| headings.iter().any(|h| h.replace('`', "") == heading);
            if !heading.is_some_and(is_there) {
                found.insert(format!("{name} names {heading:?}, which is no heading of docs/operations.md"));
            }
        }
    }
    for used in manual.split("output ").skip(1) {
        let name: String = used.chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
        // In prose the word is followed by a small letter.
        if name.starts_with(|c: char| c.is_ascii_uppercase()) && !outputs.contains(name.as_str()) {
            found.insert(format!("docs/operations.md asks for output {name}, which no template has"));
        }
    }
    found
}

/// Roles against calls, in every case and both templates.
fn permissions(deployments: &[Deployment], calls: &[Call]) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    for deployment in deployments {
        for (name, _, normalized) in &deployment.templates {
            let lines = calls::verify(normalized, &needed(normalized, calls))?;
            found.extend(lines.into_iter().map(|line| format!("{}: {name}: {line}", deployment.case)));
        }
    }
    Ok(found)
}

/// What the calls of a deployment need: those that were seen of a configuration set are of one that has it.
fn needed(normalized: &NormalizedTemplate, calls: &[Call]) -> Needed {
    let set = &normalized.properties("NotificationsFunction")["Environment"]["Variables"]["SES_CONFIGURATION_SET"];
    let has_set = set.as_str().is_some_and(|name| !name.is_empty());
    let applies = |call: &&Call| has_set || !call.request.resource.contains(":configuration-set/");
    let calls: Vec<_> = calls.iter().filter(applies).cloned().collect();
    Needed::of(normalized, &calls)
}

/// Removes every control in turn from either template, and checks that this is detected without the other template. What
/// detected each is written to a file.
fn mutate(deployments: &[Deployment], calls: &[Call], report: &Path) -> Outcome<()> {
    let (mut made, mut survivors) = (Vec::new(), Vec::new());
    let mut broken: BTreeSet<&str> = BTreeSet::new();
    let mut noticed: BTreeMap<&str, usize> = BTreeMap::new();
    for deployment in deployments {
        for (template, resources, unchanged) in &deployment.templates {
            // What functions call does not change with what is taken away.
            let needed = needed(unchanged, calls);
            for mutation in mutations::of(resources) {
                let normalized = unchanged.changed(resources, &mutation.resources);
                let failed: Vec<_> =
                    CONTROLS.iter().filter(|control| !control.lacking(&normalized).is_empty()).collect();
                broken.extend(failed.iter().map(|control| control.name));
                let by = [
                    ("controls", !failed.is_empty()),
                    // A role that cannot be read at all is noticed too.
                    ("calls", calls::verify(&normalized, &needed).map_or(true, |lines| !lines.is_empty())),
                ];
                let by: Vec<_> = by.iter().filter(|(_, noticed)| *noticed).map(|(name, _)| *name).collect();
                by.iter().for_each(|name| *noticed.entry(*name).or_default() += 1);
                let lost: Vec<_> = failed.iter().map(|control| control.name).collect();
                let mutation = format!("{template}, {}: {}", deployment.case, mutation.name);
                made.push(format!("{mutation} | {} | {}\n", by.join(", "), lost.join("; ")));
                if by.is_empty() {
                    survivors.push(mutation);
                }
            }
        }
    }
    fs::write(report, made.concat())?;
    let by = noticed.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ");
    println!(
        "{}  mutations {}, survivors {} (detected by: {by}; each in {})",
        verdict(survivors.is_empty()),
        made.len(),
        survivors.len(),
        report.display()
    );
    let unbroken: Vec<_> = CONTROLS.iter().map(|c| c.name).filter(|name| !broken.contains(name)).collect();
    println!("{}  controls {}, none that no mutation breaks", verdict(unbroken.is_empty()), CONTROLS.len());
    match (survivors.is_empty(), unbroken.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => Err(format!("no check detects:\n{}", survivors.join("\n")).into()),
        (_, false) => Err(format!("no mutation breaks:\n{}", unbroken.join("\n")).into()),
    }
}

/// Leaves out every value of SAM's template in turn: the comparison with CDK's has to see each, or it is blind there.
fn remove_each_value(deployments: &[Deployment]) -> Outcome<()> {
    let (mut removed, mut unseen) = (0, BTreeSet::new());
    for deployment in deployments {
        let [(_, resources, sam), (_, _, cdk)] = &deployment.templates;
        // Otherwise every value would count as seen.
        assert_eq!(sam, cdk, "they were compared before");
        for (name, way, without) in mutations::each_value_removed(resources) {
            removed += 1;
            if sam.changed(resources, &without) == *sam && !is_left_aside(&resources[&name].kind, &way) {
                unseen.insert(format!("{name}: {}", way.join(" ")));
            }
        }
    }
    println!(
        "{}  comparison: {removed} values left out one by one, {} unseen",
        verdict(unseen.is_empty()),
        unseen.len()
    );
    if unseen.is_empty() { Ok(()) } else { Err(format!("the comparison does not see:\n{}", join(&unseen)).into()) }
}

fn join(lines: &BTreeSet<String>) -> String {
    lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// What may differ between templates, and what of an API's body describes requests that API Gateway does not check.
fn is_left_aside(kind: &str, way: &[String]) -> bool {
    let way: Vec<_> = way.iter().map(String::as_str).collect();
    !normalized_template::is_compared(kind, way[0])
        || kind == "AWS::ApiGatewayV2::Api"
            && matches!(way.as_slice(), ["Body", "info" | "tags" | "openapi" | "components", ..])
        || kind == "AWS::ApiGatewayV2::Api" && matches!(way.as_slice(), ["Body", "paths", _, _, "responses" | "parameters", ..])
        // One of many that say the same: each route of a function brings a permission of its own.
        || kind == "AWS::Lambda::Permission"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_parameter_is_left_untried() {
        let template = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../sam/template.yaml")).unwrap();
        let parameters = template.split("Parameters:\n").nth(1).unwrap().split("\nMetadata:").next().unwrap();
        let named = parameters.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        let named: BTreeSet<_> = named.filter_map(|line| line.trim().strip_suffix(':')).map(str::to_owned).collect();

        let tried: BTreeSet<_> =
            CASES.iter().chain(&COMPARED).chain([&FIRST]).flat_map(|case| case.parameters().into_keys()).collect();

        assert!(named.len() > 20, "{named:?}");
        assert_eq!(named, tried, "each parameter has to have another value than its default in one case");
    }
}
