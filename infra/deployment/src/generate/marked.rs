//! Sections of a file that are generated, between two comments that say so.

use std::collections::BTreeMap;

use crate::Outcome;

const BEGIN: &str = "# generated: ";
const COMMAND: &str = " — cargo xtask generate";
const END: &str = "# end of generated";

/// The text with every section as it is given, indented as its first mark is.
///
/// # Errors
/// A section of the text is not known or not ended, or one that is given is not there.
pub fn replace(text: &str, sections: &BTreeMap<String, String>) -> Outcome<String> {
    let mut replaced = String::new();
    let mut left: Vec<_> = sections.keys().collect();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        replaced.push_str(line);
        replaced.push('\n');
        let Some(name) = line.trim().strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(COMMAND)) else { continue };
        let section = sections.get(name).ok_or_else(|| format!("the section {name:?} is not known"))?;
        left.retain(|other| *other != name);
        let indentation = &line[..line.len() - line.trim_start().len()];
        for line in section.lines() {
            if !line.is_empty() {
                replaced.push_str(indentation);
                replaced.push_str(line);
            }
            replaced.push('\n');
        }
        let end = lines.find(|line| line.trim() == END).ok_or_else(|| format!("the section {name:?} does not end"))?;
        replaced.push_str(end);
        replaced.push('\n');
    }
    match left.is_empty() {
        true => Ok(replaced),
        false => Err(format!("there is no section for {left:?}, begun by a line `{BEGIN}name{COMMAND}`").into()),
    }
}

/// The lines that only one of two texts has, with their numbers: first those that go, then those that come.
pub fn difference(before: &str, after: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let same_at_end = old[same..].iter().rev().zip(new[same..].iter().rev()).take_while(|(a, b)| a == b).count();
    let lines = |mark: &str, all: &[&str]| {
        let changed = &all[same..all.len() - same_at_end];
        changed.iter().enumerate().map(|(at, line)| format!("{mark}{:>5}  {line}\n", same + at + 1)).collect::<String>()
    };
    lines("-", &old) + &lines("+", &new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a:\n  # generated: b — cargo xtask generate\n  old\n  # end of generated\nc\n";

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let sections = BTreeMap::from([("b".to_owned(), "new:\n  - 1\n".to_owned())]);

        let replaced = replace(TEXT, &sections).unwrap();

        assert_eq!(replaced, TEXT.replace("  old\n", "  new:\n    - 1\n"));
        assert_eq!(replace(&replaced, &sections).unwrap(), replaced);
    }

    #[test]
    fn a_section_that_is_not_known_not_there_or_not_ended_is_named() {
        let of = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), String::new())).collect();
        let refused = |text: &str, names: &[&str]| replace(text, &of(names)).unwrap_err().to_string();

        assert!(refused(TEXT, &[]).contains("\"b\" is not known"));
        assert!(refused(TEXT, &["b", "d"]).contains("no section for [\"d\"]"));
        assert!(refused(&TEXT.replace("# end of", "#"), &["b"]).contains("\"b\" does not end"));
    }

    #[test]
    fn a_difference_shows_the_lines_that_differ_with_their_numbers() {
        assert_eq!(difference("a\nb\nc\n", "a\nx\ny\nc\n"), "-    2  b\n+    2  x\n+    3  y\n");
        assert_eq!(difference("a\n", "a\n"), "");
    }
}
