//! Tools that tasks need besides Rust: installed once, pinned, into separate folders below `target/tools`.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::{Outcome, cargo, root};

/// Python packages that are installed together, as `name==version`; the first one names the folder.
///
/// Returns the folder of its programs, `python` among them.
pub fn python(packages: &[&str]) -> Outcome<PathBuf> {
    let (name, _) = packages[0].split_once("==").ok_or("a package is named with its version")?;
    let folder = root().join("target/tools").join(name);
    let done = folder.join(format!("installed-{}", packages.join("-").replace("==", "-")));
    if !done.is_file() {
        println!("installing {} into {}", packages.join(", "), folder.display());
        fs::create_dir_all(&folder)?;
        finish(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
        let quietly = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        finish(Command::new(folder.join("bin/python")).args(quietly).args(packages))?;
        // Last, so that an interrupted installation is repeated.
        File::create(done)?;
    }
    Ok(folder.join("bin"))
}

/// A program of crates.io, as `name@version`. Returns its path.
pub fn rust(package: &str) -> Outcome<PathBuf> {
    let (name, _) = package.split_once('@').ok_or("a package is named with its version")?;
    let folder = root().join("target/tools").join(name);
    let done = folder.join(format!("installed-{package}"));
    if !done.is_file() {
        println!("installing {package} into {}", folder.display());
        finish(cargo(&["install", package, "--locked", "--quiet", "--force", "--root"]).arg(&folder))?;
        File::create(done)?;
    }
    Ok(folder.join("bin").join(name))
}

/// Runs a command to its end.
///
/// # Errors
/// It cannot be started, or fails; its output is printed above.
pub fn finish(command: &mut Command) -> Outcome<()> {
    let shown = format!("{command:?}");
    let status = command.stdin(Stdio::null()).status().map_err(|e| format!("{shown}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown} failed ({status})").into()) }
}
