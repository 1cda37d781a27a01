//! The words of a name that say what the product is.
//!
//! In a name such as `HP Notebook Sleeve Black 15"` the last noun of a phrase is the thing, and what stands before it says
//! what kind: this is a sleeve and not a notebook. A phrase ends at punctuation, a number, a colour or a preposition, and
//! what follows `for` is what the product goes with. In an English name, a capital after a word without one begins
//! another phrase: in `Gaming mouse USB Type-A` the last noun is the mouse.

use std::collections::BTreeSet;

use super::{Analyser, Token};
use crate::Language;

/// Words that end a phrase, because they only describe.
const COLOURS: [&str; 40] = [
    "black",
    "white",
    "red",
    "blue",
    "green",
    "silver",
    "grey",
    "gray",
    "yellow",
    "orange",
    "pink",
    "purple",
    "brown",
    "beige",
    "gold",
    "transparent",
    "multicolor",
    "multicolour",
    "cyan",
    "magenta",
    "original",
    "compatible",
    "schwarz",
    "weiss",
    "rot",
    "blau",
    "grun",
    "silber",
    "grau",
    "gelb",
    "rosa",
    "violett",
    "lila",
    "braun",
    "turkis",
    "turquoise",
    "anthrazit",
    "anthracite",
    "bunt",
    "navy",
];

const PREPOSITIONS: [&str; 30] = [
    "for", "with", "without", "w", "of", "to", "from", "in", "on", "and", "by", "at", "or", "fur", "mit", "ohne",
    "von", "aus", "zu", "zum", "zur", "im", "am", "auf", "an", "und", "oder", "bei", "der", "des",
];

/// After these, a name says what the product goes with.
const ACCESSORY: [&str; 5] = ["for", "with", "w", "fur", "mit"];

/// Nouns that say little: the word before them is what the product is, as in `Notebook PC` or `knife set`.
const GENERIC: [&str; 14] = [
    "pc", "computer", "system", "set", "unit", "device", "machine", "kit", "pack", "bundle", "edition", "gerat",
    "maschine", "paket",
];

/// What ends a phrase besides words. A hyphen with spaces around it does, one within a word does not.
const PUNCTUATION: [char; 11] = [',', ';', ':', '(', ')', '[', ']', '|', '–', '—', '!'];

impl Analyser {
    /// The stems of the words that say what a product of this name is, without those of its manufacturer.
    pub(crate) fn heads(&self, name: &str, manufacturer: &str) -> BTreeSet<String> {
        let makers: BTreeSet<String> = self.tokens(manufacturer).into_iter().map(|token| token.surface).collect();
        let mut heads = BTreeSet::new();
        let mut phrase: Vec<(Token, bool)> = Vec::new();
        let (mut end, mut follows_small) = (0, false);
        for token in self.tokens(name) {
            let between = name.get(end..token.start).unwrap_or_default();
            end = token.end;
            let is_apart = between.contains(PUNCTUATION) || between.trim() == "-" && between.len() > 1;
            let is_capital = name[token.start..].starts_with(char::is_uppercase);
            let is_apart = is_apart || is_capital && follows_small && self.language == Language::English;
            let word = token.surface.as_str();
            let is_description = word.contains(|c: char| c.is_ascii_digit()) || COLOURS.contains(&word);
            if is_apart || is_description || PREPOSITIONS.contains(&word) {
                self.end_phrase(&mut phrase, &mut heads);
            }
            if ACCESSORY.contains(&word) {
                break;
            }
            follows_small = false;
            if !is_description && !PREPOSITIONS.contains(&word) {
                follows_small = !is_capital;
                phrase.push((token, between == "/"));
            }
        }
        self.end_phrase(&mut phrase, &mut heads);
        for maker in makers {
            heads.remove(&self.stem(&maker));
        }
        heads
    }

    /// The last word of the phrase is what the product is, with those that a slash joins to it, and with the one before if
    /// the last one says little.
    fn end_phrase(&self, phrase: &mut Vec<(Token, bool)>, heads: &mut BTreeSet<String>) {
        let words = std::mem::take(phrase);
        let mut rest = words.iter().rev().peekable();
        while let Some((token, slash)) = rest.next() {
            let stem = self.stem(&token.surface);
            let says_little = heads_little(&stem, &token.surface);
            heads.insert(stem);
            if *slash {
                continue;
            }
            if says_little && let Some((before, _)) = rest.next() {
                heads.insert(self.stem(&before.surface));
            }
            break;
        }
    }

    /// Which word of a query is the thing that is sought: the last one before a preposition that is not a number.
    pub(crate) fn sought(&self, words: &[&str]) -> Option<usize> {
        let end = words.iter().position(|word| ACCESSORY.contains(word)).filter(|end| *end > 0).unwrap_or(words.len());
        let is_word = |at: &usize| !words[*at].starts_with(|c: char| c.is_ascii_digit());
        (0..end).rev().find(is_word)
    }
}

fn heads_little(stem: &str, surface: &str) -> bool {
    GENERIC.contains(&surface) || GENERIC.contains(&stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heads(name: &str) -> Vec<String> {
        Analyser::new(Language::English).heads(name, "HP").into_iter().collect()
    }

    #[test]
    fn an_accessory_is_not_what_it_goes_with() {
        assert_eq!(heads("HP Notebook Sleeve"), ["sleeve"]);
        assert_eq!(heads("HP Notebook Black 15\""), ["notebook"]);
        assert_eq!(heads("Case for HP Notebook"), ["case"]);
        assert_eq!(heads("LCD TV, wall mount"), ["mount", "tv"]);
        assert_eq!(heads("Laser Gaming mouse USB Type-A"), ["a", "mouse"]);
        assert_eq!(heads("HP AC Adapter power adapter/inverter"), ["adapter", "inverter"]);
    }

    #[test]
    fn a_noun_that_says_little_leaves_it_to_the_one_before() {
        assert_eq!(heads("HP 530 Notebook PC"), ["notebook", "pc"]);
        assert_eq!(heads("Knife Set"), ["knife", "set"]);
    }

    #[test]
    fn a_manufacturer_is_not_what_a_product_is() {
        assert_eq!(heads("HP 7200"), [""; 0]);
    }

    #[test]
    fn a_query_seeks_its_last_word() {
        let english = Analyser::new(Language::English);

        assert_eq!(english.sought(&["gaming", "laptop"]), Some(1));
        assert_eq!(english.sought(&["iphone", "8"]), Some(0));
        assert_eq!(english.sought(&["case", "for", "iphone"]), Some(0));
        assert_eq!(english.sought(&["8"]), None);
    }
}
