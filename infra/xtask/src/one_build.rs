//! Checks that every command builds the same crates with the same features, so that none of them builds the AWS SDK
//! again.
//!
//! `infra/one-build` requests the features; this determines them, and writes its manifest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
};

use clap::Args;

use crate::{Outcome, cargo, root};

#[derive(Debug, Args)]
pub struct Options {
    /// Writes infra/one-build/Cargo.toml
    #[arg(long)]
    write: bool,
}

/// Commands of daily use, besides the tests of the whole workspace: `cargo run` and `cargo build` select every package.
const COMMANDS: [&[&str]; 4] =
    [&["--workspace"], &["--package", "ops"], &["--package", "local"], &["--package", "xtask"]];

const MANIFEST: &str = "infra/one-build/Cargo.toml";

/// After this many rounds the manifest includes everything that its own features added.
const ROUNDS: usize = 10;

/// A crate as a command builds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Built {
    name: String,
    version: String,
    features: BTreeSet<String>,
}

/// Crates by name and version, with the features to request.
type Features = BTreeMap<(String, String), BTreeSet<String>>;

/// Checks the manifest, or writes it.
///
/// # Errors
/// Names the crates that a command builds with other features.
pub fn run(options: &Options) -> Outcome<()> {
    if options.write {
        write()?;
    }
    let different = different(&["--locked"])?;
    if different.is_empty() {
        println!("every command builds each crate with the features that the tests build it with");
        return Ok(());
    }
    let named: Vec<_> = different.iter().map(|built| format!("{} {}", built.name, built.version)).collect();
    Err(format!("built with other features by some command: {}; run `cargo xtask one-build --write`", named.join(", "))
        .into())
}

/// Crates that a command builds differently from the tests of the whole workspace.
fn different(how: &[&str]) -> Outcome<BTreeSet<Built>> {
    let all = tree(how, &["--workspace"], "normal,build,dev")?;
    let mut different = BTreeSet::new();
    for command in COMMANDS {
        different.extend(tree(how, command, "normal,build")?.difference(&all).cloned());
    }
    Ok(different)
}

fn tree(how: &[&str], packages: &[&str], edges: &str) -> Outcome<BTreeSet<Built>> {
    let mut tree = cargo(&["tree", "--prefix", "none", "--format", "{p}|{f}", "--edges", edges]);
    let output = tree.args(how).args(packages).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(parse).collect())
}

/// `tokio v1.54.1|full,rt (*)`; a path after the version marks a package of ours, which has no features.
fn parse(line: &str) -> Option<Built> {
    let (package, features) = line.trim_end_matches(" (*)").split_once('|')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?, words.next()?.trim_start_matches('v'));
    let ours = words.any(|word| word.starts_with("(/"));
    let features = features.split(',').filter(|feature| !feature.is_empty()).map(str::to_owned).collect();
    (!ours).then(|| Built { name: name.to_owned(), version: version.to_owned(), features })
}

/// Starts empty, and requests what differs until nothing does: a feature may add others.
fn write() -> Outcome<()> {
    let (mut target, mut host) = (Features::new(), Features::new());
    for _ in 0..ROUNDS {
        fs::write(root().join(MANIFEST), manifest(&target, &host))?;
        let all = tree(&[], &["--workspace"], "normal,build,dev")?;
        let different = different(&[])?;
        if different.is_empty() {
            return Ok(());
        }
        let union = |(name, version): &(String, String)| {
            let same = all.iter().filter(|built| built.name == *name && built.version == *version);
            same.flat_map(|built| built.features.clone()).collect::<BTreeSet<_>>()
        };
        // Several commands may each build a package with different features.
        let packages: BTreeSet<_> = different.into_iter().map(|Built { name, version, .. }| (name, version)).collect();
        for package in packages {
            let wanted = union(&package);
            // Crates that still differ are built for build scripts and macros, which have features of their own.
            if target.get(&package) == Some(&wanted) {
                host.insert(package.clone(), wanted.clone());
            }
            target.insert(package, wanted);
        }
        for (package, features) in target.iter_mut().chain(&mut host) {
            *features = union(package);
        }
    }
    Err(format!("{MANIFEST} does not converge: features still differ after {ROUNDS} rounds").into())
}

fn manifest(target: &Features, host: &Features) -> String {
    let mut manifest = "\
# Written by `cargo xtask one-build --write`; src/lib.rs says what it is for.
[package]
name = \"one-build\"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[lints]
workspace = true
"
    .to_owned();
    for (table, packages) in [("dependencies", target), ("build-dependencies", host)] {
        let _ = write!(manifest, "\n[{table}]\n");
        for ((name, version), features) in packages {
            let compatible = compatible(version);
            let several = packages.keys().filter(|(other, _)| other == name).count() > 1;
            let (key, package) = match several {
                true => (format!("{name}_{}", compatible.replace('.', "_")), format!("package = \"{name}\", ")),
                false => (name.clone(), String::new()),
            };
            let features: Vec<_> = features.iter().map(|feature| format!("\"{feature}\"")).collect();
            let features = features.join(", ");
            let _ = writeln!(
                manifest,
                "{key} = {{ {package}version = \"{compatible}\", default-features = false, features = [{features}] }}"
            );
        }
    }
    manifest
}

/// The part of a version that is the same in all compatible ones.
fn compatible(version: &str) -> &str {
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    let end = version.match_indices('.').nth(parts - 1).map_or(version.len(), |(at, _)| at);
    &version[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ops_and_xtask_are_built_with_the_features_of_the_tests() {
        run(&Options { write: false }).unwrap();
    }

    #[test]
    fn a_line_of_the_tree_is_a_crate_and_its_features() {
        let built = parse("tokio v1.54.1|full,rt (*)").unwrap();

        assert_eq!((built.name.as_str(), built.version.as_str()), ("tokio", "1.54.1"));
        assert_eq!(built.features, BTreeSet::from(["full".to_owned(), "rt".to_owned()]));
        assert_eq!(parse("serde_derive v1.0.229 (proc-macro)|default").unwrap().name, "serde_derive");
        assert_eq!(parse("ops v0.0.0 (/home/ann/onetill/infra/ops)|"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn two_versions_of_a_crate_have_different_names() {
        let of = |version: &str| (("tower-http".to_owned(), version.to_owned()), BTreeSet::from(["cors".to_owned()]));

        let manifest = manifest(&Features::from([of("0.6.11"), of("0.7.0")]), &Features::new());

        assert!(manifest.contains("tower-http_0_6 = { package = \"tower-http\", version = \"0.6\", "), "{manifest}");
        assert!(manifest.contains("tower-http_0_7 = { package = \"tower-http\", version = \"0.7\", "), "{manifest}");
        assert_eq!((compatible("1.54.1"), compatible("0.6.11"), compatible("1.0.0-rc.1")), ("1", "0.6", "1"));
    }
}
