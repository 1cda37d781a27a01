//! What is started: the functions as they are deployed, and what they are compared with.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{Outcome, cargo, root, tools::finish};

const HELLO: [(&str, &str); 2] = [
    ("Cargo.toml", include_str!("../../bench/hello/Cargo.toml")),
    ("src/main.rs", include_str!("../../bench/hello/src/main.rs")),
];
const SDK_CALLS: [(&str, &str); 2] = [
    ("Cargo.toml", include_str!("../../bench/sdk-calls/Cargo.toml")),
    ("src/main.rs", include_str!("../../bench/sdk-calls/src/main.rs")),
];
const NODE: [(&str, &str); 2] = [
    ("package.json", include_str!("../../bench/node/package.json")),
    ("index.mjs", include_str!("../../bench/node/index.mjs")),
];

/// Makes `require` of the bundled SDK work in a module.
const BANNER: &str = "import{createRequire}from'module';const require=createRequire(import.meta.url);";

/// Where everything is built: apart from the builds of every day, which have other profiles and features.
pub fn folder() -> PathBuf {
    root().join("target/bench")
}

/// The functions as they are deployed, for this machine, by their names: those in the folder `programs`, or built from these
/// packages.
///
/// # Errors
/// The folder cannot be read, or one cannot be built.
pub fn functions(packages: &[&str], programs: Option<&Path>) -> Outcome<BTreeMap<String, PathBuf>> {
    if let Some(folder) = programs {
        let files = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let named = |file: fs::DirEntry| (file.file_name().to_string_lossy().into_owned(), file.path());
        return Ok(files.map(|file| file.map(named)).collect::<io::Result<_>>()?);
    }
    let mut build = cargo(&["build", "--release", "--locked", "--bins", "--message-format=json-render-diagnostics"]);
    for package in packages {
        build.args(["--package", package]);
    }
    built(build.arg("--target-dir").arg(folder()))
}

/// Builds the bare function.
///
/// # Errors
/// It cannot be built.
pub fn hello() -> Outcome<PathBuf> {
    peer("hello", &HELLO)
}

/// Builds the function that makes the calls of the SDK that a request cannot do without.
///
/// # Errors
/// It cannot be built.
pub fn sdk_calls() -> Outcome<PathBuf> {
    peer("sdk-calls", &SDK_CALLS)
}

/// Builds a program with the versions that this workspace has.
fn peer(name: &str, files: &[(&str, &str)]) -> Outcome<PathBuf> {
    let package = folder().join(name);
    write(&package, files)?;
    // Cargo removes from it what the package does not need.
    fs::copy(root().join("Cargo.lock"), package.join("Cargo.lock"))?;
    let mut build = cargo(&["build", "--release", "--message-format=json-render-diagnostics"]);
    build.current_dir(&package).arg("--target-dir").arg(folder().join(format!("{name}-target")));
    built(&mut build)?.remove(name).ok_or_else(|| format!("cargo built no program {name}").into())
}

/// Installs and bundles the function of Node.js. `None` if there is no Node.js or no npm.
///
/// # Errors
/// They are there, and it cannot be installed or bundled.
pub fn node() -> Outcome<Option<PathBuf>> {
    let there = |program: &str| {
        let silent = || Stdio::null();
        let status = Command::new(program).arg("--version").stdout(silent()).stderr(silent()).status();
        status.is_ok_and(|status| status.success())
    };
    if !there("node") || !there("npm") {
        return Ok(None);
    }
    let package = folder().join("node");
    write(&package, &NODE)?;
    let bundle = package.join("bundle.mjs");
    if !package.join("node_modules").is_dir() {
        let quietly = ["install", "--no-audit", "--no-fund", "--loglevel", "error"];
        finish(Command::new("npm").current_dir(&package).args(quietly))?;
    }
    let mut esbuild = Command::new("npx");
    esbuild.current_dir(&package).args(["--no-install", "esbuild", "index.mjs", "--bundle", "--minify"]);
    esbuild.args(["--platform=node", "--format=esm", "--log-level=warning", "--outfile=bundle.mjs"]);
    finish(esbuild.arg(format!("--banner:js={BANNER}")))?;
    Ok(Some(bundle))
}

fn write(folder: &Path, files: &[(&str, &str)]) -> Outcome<()> {
    for (name, text) in files {
        let file = folder.join(name);
        // A new file would be compiled again.
        if fs::read(&file).is_ok_and(|found| found == text.as_bytes()) {
            continue;
        }
        fs::create_dir_all(file.parent().unwrap_or(folder))?;
        fs::write(file, text)?;
    }
    Ok(())
}

/// The programs that a build made, by their names, as cargo reports them: the target folder can be configured.
pub(super) fn built(build: &mut Command) -> Outcome<BTreeMap<String, PathBuf>> {
    let output = build.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("{build:?} failed").into());
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = |message: Value| {
        let path = PathBuf::from(message["executable"].as_str()?);
        Some((message["target"]["name"].as_str()?.to_owned(), path))
    };
    Ok(messages.filter_map(program).collect())
}
