//! Words of the index that a word was probably meant to be.

use std::io;

use tantivy::{
    Term,
    query::{DfaWrapper, FuzzyTermQuery},
};

use super::matching::Collection;
use crate::analysis::Analyser;

/// A word of the index that is close to what was typed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Correction {
    pub(crate) surface: String,
    pub(crate) stem: String,
    /// Products that have the word, in any form.
    pub(crate) having: u64,
    pub(crate) distance: usize,
}

/// From this many characters on, one error is looked for.
const ONE_ERROR_CHARS: usize = 4;
/// And from this many on, two.
const TWO_ERRORS_CHARS: usize = 8;
/// An error makes a word this much less likely than one that is as frequent.
const UNLIKELY: f32 = 4.0;

/// Longer words are seldom typing errors, and take long to compare.
const MAX_CHARS: usize = 24;

/// The most errors that are looked for in a word: one of few letters is close to too many others, and a number is never
/// a misspelled number.
pub(crate) fn max_errors(word: &str) -> usize {
    let chars = word.chars().count();
    match () {
        () if word.starts_with(|c: char| c.is_ascii_digit()) || !(ONE_ERROR_CHARS..=MAX_CHARS).contains(&chars) => 0,
        () if chars < TWO_ERRORS_CHARS => 1,
        () => 2,
    }
}

/// The most likely words of the index, the best first. The first letter is taken to be right, unless nothing is found with
/// one error.
pub(crate) fn corrections(collection: &Collection, analyser: &Analyser, word: &str) -> io::Result<Vec<Correction>> {
    for errors in 1..=max_errors(word) {
        let errors_u8 = u8::try_from(errors).unwrap_or(u8::MAX);
        // Only its automaton is used, which is the same for every field.
        let query = FuzzyTermQuery::new(Term::from_field_text(collection.fields.title, word), errors_u8, true);
        let automaton = query.automaton().map_err(io::Error::other)?;
        for first_letter in [true, false] {
            if errors > 1 && !first_letter {
                continue;
            }
            for dictionary in [Dictionary::Titles, Dictionary::Text] {
                let lookup = Lookup { collection, analyser, dictionary, word, first_letter };
                let found = lookup.within(&automaton)?;
                if !found.is_empty() {
                    return Ok(found);
                }
            }
        }
    }
    Ok(Vec::new())
}

/// Where a word is looked for: names, manufacturers and categories have fewer misspelled words of their own than
/// descriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dictionary {
    Titles,
    /// All text, as stems.
    Text,
}

/// Candidates that are looked at: more are not worth their postings.
const MAX_CANDIDATES: usize = 16;
const MAX_CORRECTIONS: usize = 5;

struct Lookup<'a> {
    collection: &'a Collection,
    analyser: &'a Analyser,
    dictionary: Dictionary,
    word: &'a str,
    first_letter: bool,
}

impl Lookup<'_> {
    fn within(&self, automaton: &DfaWrapper) -> io::Result<Vec<Correction>> {
        let Self { collection, analyser, dictionary, word, first_letter } = *self;
        let first = word.chars().next().map(String::from).unwrap_or_default();
        let mut candidates: Vec<(u64, String)> = Vec::new();
        for segment in &collection.segments {
            let words = match dictionary {
                Dictionary::Titles => &segment.title,
                Dictionary::Text => &segment.text,
            };
            let mut range = words.terms().search(automaton);
            if first_letter {
                // The next possible first letter: UTF-8 sorts as the characters do.
                range = range.ge(&first).lt(format!("{first}{}", char::MAX));
            }
            let mut stream = range.into_stream()?;
            while stream.advance() {
                let having = u64::from(stream.value().doc_freq);
                let Ok(surface) = std::str::from_utf8(stream.key()) else { continue };
                match candidates.iter_mut().find(|(_, known)| known == surface) {
                    Some((total, _)) => *total += having,
                    None => candidates.push((having, surface.to_owned())),
                }
            }
        }
        candidates.retain(|(_, surface)| surface != word);
        candidates.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        candidates.truncate(MAX_CANDIDATES);
        let mut corrections = Vec::with_capacity(candidates.len());
        for (_, surface) in candidates {
            let stem = match dictionary {
                Dictionary::Titles => analyser.stem(&surface),
                Dictionary::Text => surface.clone(),
            };
            let having = collection.frequency(&stem)?;
            let distance = distance(word, &surface);
            if having > 0 {
                corrections.push(Correction { surface, stem, having, distance });
            }
        }
        let likely = |correction: &Correction| (correction.having as f32).ln() - UNLIKELY * correction.distance as f32;
        corrections.sort_by(|a, b| likely(b).total_cmp(&likely(a)).then_with(|| a.surface.cmp(&b.surface)));
        corrections.truncate(MAX_CORRECTIONS);
        Ok(corrections)
    }
}

/// How many letters are wrong, missing, added or swapped with their neighbour.
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let substituted = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = substituted.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swapped_neighbours_are_one_error() {
        assert_eq!(distance("hadset", "headset"), 1);
        assert_eq!(distance("haedset", "headset"), 1);
        assert_eq!(distance("headset", "headset"), 0);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn short_words_and_numbers_are_not_corrected() {
        assert_eq!(
            ["usb", "1080", "case", "notebook", "4gb", "abcdefghijklmnopqrstuvwxyz"].map(max_errors),
            [0, 0, 1, 2, 0, 0]
        );
    }
}
