//! Which parts of a name match, from the name with marks around them.

use std::ops::Range;

/// Around a match. Characters of a private-use area, which hardly any name contains.
pub(crate) const MARKS: [char; 2] = ['\u{e000}', '\u{e001}'];

/// Byte ranges of the name; none if what is marked is not that name.
pub(crate) fn ranges(name: &str, marked: &str) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut plain = String::with_capacity(name.len());
    let mut began = None;
    for c in marked.chars() {
        if c == MARKS[0] {
            began = Some(plain.len());
        } else if c == MARKS[1] {
            let Some(start) = began.take() else { return Vec::new() };
            match ranges.last_mut() {
                Some(last) if last.end == start => last.end = plain.len(),
                _ if start < plain.len() => ranges.push(start..plain.len()),
                _ => (),
            }
        } else {
            plain.push(c);
        }
    }
    if plain == name && began.is_none() { ranges } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts<'a>(name: &'a str, marked: &str) -> Vec<&'a str> {
        ranges(name, marked).into_iter().map(|range| &name[range]).collect()
    }

    #[test]
    fn marks_become_ranges_of_bytes() {
        assert_eq!(parts("Blauer Kopfhörer", "Blauer \u{e000}Kopfhörer\u{e001}"), ["Kopfhörer"]);
        assert_eq!(parts("ab c", "\u{e000}a\u{e001}\u{e000}b\u{e001} c"), ["ab"]);
        assert!(parts("ab", "ab").is_empty());
        assert!(parts("ab", "a\u{e000}\u{e001}b").is_empty());
    }

    #[test]
    fn marks_that_make_no_sense_are_left_out() {
        for marked in ["\u{e000}ab", "ab\u{e001}", "\u{e000}a\u{e001}", "\u{e001}a\u{e000}b", ""] {
            assert!(ranges("ab", marked).is_empty(), "{marked:?}");
        }
    }
}
