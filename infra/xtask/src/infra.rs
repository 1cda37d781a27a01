//! Checks the deployment without an account, with the tools of the formats' authors and our own.
//!
//! The crate `deployment` checks the deployment itself and depends on the shop; this crate must not.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use clap::Args;

use crate::{
    Outcome, bench, cargo, root,
    tools::{finish, python},
    without_this_package,
};

const SAM_CLI: [&str; 2] = ["aws-sam-cli==1.170.0", "cfn-lint==1.58.0"];
const CHECKOV: [&str; 1] = ["checkov==3.3.30"];
const CARGO_LAMBDA: [&str; 1] = ["cargo-lambda==1.9.2"];

/// The documents with commands of `aws` and `sam`.
const DOCUMENTS: [&str; 6] = [
    "README.md",
    "docs/importing.md",
    "docs/local-stack.md",
    "docs/operations.md",
    "docs/tour.md",
    "infra/cdk/README.md",
];

/// With these, cargo-lambda calls `cargo build --target` without flags of its own, and with the features that the tests
/// are built with. So it shares what they have compiled, if `CARGO_BUILD_TARGET` was this machine's target for them.
const WITHOUT_ZIG: &str = "[build.compiler]\ntype = \"cargo\"\n";
const LIKE_THE_TESTS: &str = "--workspace --locked";

/// This machine's architecture, as Lambda names it.
const MACHINE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

#[derive(Debug, Default, Args)]
pub struct Options {
    /// Uses the calls that `RECORD_CALLS` wrote in an earlier run of the end-to-end tests, instead of running them
    #[arg(long, value_name = "FILE")]
    pub calls: Option<PathBuf>,
    /// Builds the functions as they are deployed, and checks how large they are and how fast they start. Otherwise they are
    /// built like the tests, which is faster
    #[arg(long)]
    pub optimised: bool,
}

/// Runs every check, and stops at the first that fails.
pub fn run(options: &Options) -> Outcome<()> {
    let started = Instant::now();
    let output = root().join("target/infra");
    fs::create_dir_all(&output)?;
    let tools = Tools::install()?;
    let template = root().join("infra/sam/template.yaml");

    step("sam validate --lint", || finish(tools.sam(&["validate", "--lint", "--template"]).arg(&template)))?;
    step("cfn-lint", || finish(Command::new(tools.sam_cli.join("cfn-lint")).arg(&template)))?;
    let transformed = output.join("sam.json");
    step("commands of the documents", || {
        let mut check = Command::new(tools.sam_cli.join("python"));
        check.arg(root().join("infra/sam/commands.py"));
        finish(check.args(DOCUMENTS.map(|document| root().join(document))))
    })?;
    step("checkov, on the transformed template", || {
        let transform = root().join("infra/sam/transform.py");
        let read = Command::new(tools.sam_cli.join("python")).arg(transform).arg(&template).output()?;
        if !read.status.success() {
            return Err(String::from_utf8_lossy(&read.stderr).into_owned().into());
        }
        fs::write(&transformed, read.stdout)?;
        let mut checkov = Command::new(tools.checkov.join("checkov"));
        checkov.env("LOG_LEVEL", "ERROR").arg("--file").arg(&transformed);
        finish(checkov.arg("--config-file").arg(root().join("infra/sam/checkov.yaml")))
    })?;
    step("tsc", || finish(&mut node("npx", &["--no-install", "tsc", "--noEmit"])))?;
    let build = output.join("build");
    step("sam build", || {
        let mut sam = tools.build(&template, &build);
        if !options.optimised {
            let settings = output.join("cargo-lambda.toml");
            fs::write(&settings, WITHOUT_ZIG)?;
            sam.env("CARGO_LAMBDA_GLOBAL", &settings).env("SAM_BUILD_MODE", "debug");
            sam.env("CARGO_LAMBDA_COMPILER_EXTRA_ARGS", LIKE_THE_TESTS);
        }
        finish(&mut sam)
    })?;

    step("no function has aws-lc in it", bench::without_aws_lc)?;
    if options.optimised {
        step("sizes and starts of the functions", || within_limits(&build))?;
    }

    let calls = match &options.calls {
        Some(file) => fs::canonicalize(file).map_err(|e| format!("{}: {e}", file.display()))?,
        None => record(&output.join("calls.jsonl"))?,
    };
    step("SAM and CDK against each other, the controls and the calls; mutations; smoke tests", || {
        // By the binary, not by the package: then it is built with the same features as everything else.
        let program = ["run", "--locked", "--bin", "deployment", "--", "verify", "--root"];
        let mut deployment = cargo(&program);
        deployment.arg(root()).arg("--python").arg(tools.sam_cli.join("python"));
        deployment.arg("--emulator").arg(tools.emulator()?).arg("--calls").arg(&calls);
        finish(deployment.arg("--build").arg(&build).arg("--output").arg(&output))
    })?;
    println!("all checks passed in {:.0} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn step(name: &str, run: impl FnOnce() -> Outcome<()>) -> Outcome<()> {
    println!("==> {name}");
    let started = Instant::now();
    run().map_err(|error| format!("{name}: {error}"))?;
    println!("    passed in {:.1} s\n", started.elapsed().as_secs_f64());
    Ok(())
}

/// How often each function is started, to compare its start with the limit.
const STARTS: usize = 15;

/// Compares what `sam build` made with the limits.
fn within_limits(build: &Path) -> Outcome<()> {
    let program = |limit: &bench::Limit| {
        // As the template names it: `products-admin` is `ProductsAdminFunction`.
        let words = limit.function.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
        (limit.function, build.join(words.collect::<String>() + "Function").join("bootstrap"))
    };
    let programs: BTreeMap<_, _> = bench::LIMITS.iter().map(program).collect();
    let over = bench::check(&programs, STARTS)?;
    if over.is_empty() { Ok(()) } else { Err(over.join("\n").into()) }
}

/// Runs the end-to-end tests and records every call of the functions.
fn record(file: &Path) -> Outcome<PathBuf> {
    // From this run only: a call that is not made any more needs no permission.
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    step("end-to-end tests, with the recorder", || {
        let mut tests = cargo(&["test", "--quiet", "--locked", "--workspace", "--test", "it"]);
        finish(tests.env("RECORD_CALLS", file))
    })?;
    Ok(file.to_owned())
}

/// A Node.js program in the folder of the CDK app.
fn node(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root().join("infra/cdk")).args(arguments);
    command
}

/// The folder of Python tools.
struct Tools {
    sam_cli: PathBuf,
    checkov: PathBuf,
    cargo_lambda: PathBuf,
}

impl Tools {
    fn install() -> Outcome<Self> {
        let installed =
            Self { sam_cli: python(&SAM_CLI)?, checkov: python(&CHECKOV)?, cargo_lambda: python(&CARGO_LAMBDA)? };
        let folder = root().join("infra/cdk");
        let (lock, done) = (folder.join("package-lock.json"), folder.join("node_modules/installed-package-lock.json"));
        // The lock file is copied last, so that an installation that was interrupted, or is outdated, is repeated.
        if fs::read(&lock).ok() != fs::read(&done).ok() {
            println!("installing CDK into {}", folder.join("node_modules").display());
            finish(&mut node("npm", &["ci", "--no-audit", "--no-fund", "--loglevel", "error"]))?;
            fs::copy(&lock, &done)?;
        }
        Ok(installed)
    }

    fn sam(&self, arguments: &[&str]) -> Command {
        let mut sam = Command::new(self.sam_cli.join("sam"));
        // No account is used; SAM needs a region all the same.
        sam.env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "us-east-1").args(arguments);
        without_this_package(&mut sam);
        sam
    }

    fn build(&self, template: &Path, output: &Path) -> Command {
        // For this machine, so that what is built can be started here.
        let architecture = format!("Architecture={MACHINE}");
        let mut build = self.sam(&["build", "--parameter-overrides", &architecture, "--template"]);
        build.arg(template).arg("--build-dir").arg(output).env("PATH", self.path());
        build
    }

    /// With cargo-lambda on the PATH, where SAM looks for it.
    fn path(&self) -> OsString {
        let others = env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(self.cargo_lambda.clone()).chain(env::split_paths(&others));
        env::join_paths(all).unwrap_or(others)
    }

    /// Lambda's runtime interface emulator, which SAM CLI includes for its containers.
    fn emulator(&self) -> Outcome<PathBuf> {
        let libraries = fs::read_dir(self.sam_cli.join("../lib"))?;
        let emulator =
            |library: PathBuf| library.join(format!("site-packages/samcli/local/rapid/aws-lambda-rie-{MACHINE}"));
        let mut found = libraries.filter_map(Result::ok).map(|entry| emulator(entry.path()));
        found.find(|file| file.is_file()).ok_or_else(|| "SAM CLI has no emulator for this machine".into())
    }
}
