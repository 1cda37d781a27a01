//! The sections of docs/benchmarks.md, each between two markers.

use std::{fs, process::Command};

use crate::{Outcome, root};

const DOCUMENT: &str = "docs/benchmarks.md";

/// Of the pictures, beside the document.
const PICTURES: &str = "docs/benchmarks";

/// Replaces what stands between the markers of a section, and leaves all else.
///
/// # Errors
/// The document has no such section.
pub fn write(name: &str, text: &str) -> Outcome<()> {
    let file = root().join(DOCUMENT);
    let document = fs::read_to_string(&file).map_err(|e| format!("{DOCUMENT}: {e}"))?;
    let replaced = replace(&document, name, text).ok_or_else(|| format!("{DOCUMENT} has no section {name}"))?;
    fs::write(&file, replaced)?;
    println!("wrote the section {name} of {DOCUMENT}");
    Ok(())
}

/// Writes a picture beside the document. Returns the line that shows it.
///
/// # Errors
/// It cannot be written.
pub fn write_picture(name: &str, title: &str, svg: &str) -> Outcome<String> {
    let folder = root().join(PICTURES);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("{name}.svg")), svg)?;
    Ok(format!("![{title}](benchmarks/{name}.svg)"))
}

fn replace(document: &str, name: &str, text: &str) -> Option<String> {
    let begin = format!("<!-- measured: {name} — cargo xtask bench {name} -->\n");
    let end = format!("<!-- end of {name} -->");
    let (before, rest) = document.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n\n{end}{after}", text.trim()))
}

/// The machine, its system, the compiler and the day.
pub fn machine() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = said("uname", &["-sr"]).unwrap_or_default();
    let compiler = said("rustc", &["--version"]).unwrap_or_default();
    let day = said("date", &["-u", "+%Y-%m-%d"]).unwrap_or_default();
    format!("{day}, {cores} cores of {model}, {kernel}, {compiler}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_the_rest_is_left() {
        let document =
            "# Title\n\n<!-- measured: cold — cargo xtask bench cold -->\n\nold\n\n<!-- end of cold -->\n\nrest\n";

        let replaced = replace(document, "cold", "new\n").unwrap();

        assert_eq!(replaced, document.replace("\nold\n", "\nnew\n"));
        assert_eq!(replace(&replaced, "cold", "new").unwrap(), replaced);
        assert_eq!(replace(document, "warm", "new"), None);
    }
}
