//! What the words of a text may stand for.

use std::{fmt, io, ops::Range};

use super::{ENOUGH, Ranking, matching::Collection, spelling};
use crate::{
    QueryText, Rules,
    analysis::{Analyser, Token},
};

/// A word of the text, with everything that counts as that word.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slot {
    /// As it was typed, folded.
    pub(crate) surface: String,
    /// Where it is in the text, in bytes.
    pub(crate) place: Range<usize>,
    pub(crate) alternatives: Vec<Alternative>,
}

/// Stems that a product has to have all of.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Alternative {
    pub(crate) stems: Vec<String>,
    pub(crate) weight: f32,
    pub(crate) origin: Origin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Typed,
    /// A number without its unit.
    OtherUnit,
    /// With its neighbour, as one word.
    Joined,
    /// As two words.
    Split,
    Synonym,
    Correction,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Typed => "as typed",
            Origin::OtherUnit => "without its unit",
            Origin::Joined => "as one word",
            Origin::Split => "as two words",
            Origin::Synonym => "a synonym",
            Origin::Correction => "corrected",
        })
    }
}

/// A text as it is searched.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Interpretation {
    pub(crate) slots: Vec<Slot>,
    /// Which slot is the thing that is sought.
    pub(crate) sought: Option<usize>,
    /// The stems of the text as it was typed.
    pub(crate) stems: Vec<String>,
    /// Words that are searched instead of those in these places of the text.
    pub(crate) corrections: Vec<(Range<usize>, String)>,
}

impl Interpretation {
    /// The text that is searched instead, if a word of it was corrected. Words are spelled as `spelled` knows them, if it
    /// does: the index has them without accents.
    pub(crate) fn corrected(&self, text: &str, spelled: impl Fn(&str) -> Option<String>) -> Option<String> {
        let mut corrected = text.to_owned();
        // From the end, so that places stay right.
        for (place, word) in self.corrections.iter().rev() {
            corrected.replace_range(place.clone(), &spelled(word).unwrap_or_else(|| word.clone()));
        }
        (!self.corrections.is_empty()).then_some(corrected)
    }
}

pub(crate) struct Interpreter<'a> {
    pub(crate) collection: &'a Collection,
    pub(crate) analyser: &'a Analyser,
    pub(crate) rules: &'a Rules,
    pub(crate) ranking: &'a Ranking,
}

/// A word that so few products have may be misspelled, if nothing has all words of the text.
const RARE: u64 = 3;
/// A word that is in the index is only taken for another one that this many times as many products have.
const MORE_FREQUENT: u64 = 20;
/// Words of one text that are corrected: each costs a search in the dictionary.
const MAX_CORRECTED: usize = 4;

impl Interpreter<'_> {
    /// The text as it was typed, with what it may also mean.
    pub(crate) fn as_typed(&self, text: &QueryText) -> io::Result<Interpretation> {
        let mut tokens = self.analyser.tokens(text.as_str());
        let stems = tokens.iter().map(|token| self.analyser.stem(token.term())).collect();
        let sought = self.sought(&tokens);
        if tokens.iter().any(|token| !self.rules.is_stop_word(&token.surface)) {
            tokens.retain(|token| !self.rules.is_stop_word(&token.surface));
        }
        tokens.truncate(QueryText::MAX_WORDS);
        let mut slots: Vec<Slot> = tokens.iter().map(|token| self.slot(token)).collect();
        self.join(&tokens, &mut slots)?;
        self.add_synonyms(&mut slots);
        let sought = sought.and_then(|start| tokens.iter().position(|token| token.start == start));
        Ok(Interpretation { slots, sought, stems, corrections: Vec::new() })
    }

    /// Where in the text the word begins that is sought.
    fn sought(&self, tokens: &[Token]) -> Option<usize> {
        let words: Vec<&str> = tokens.iter().map(|token| token.surface.as_str()).collect();
        self.analyser.sought(&words).map(|at| tokens[at].start)
    }

    fn slot(&self, token: &Token) -> Slot {
        let alternative = |surface: &str, weight, origin| {
            let stems = vec![self.analyser.stem(surface)];
            Alternative { stems, weight, origin }
        };
        let mut alternatives = vec![alternative(token.term(), 1.0, Origin::Typed)];
        if token.measure.is_some() {
            alternatives.push(alternative(&token.surface, self.ranking.other_unit, Origin::OtherUnit));
        }
        Slot { surface: token.surface.clone(), place: token.start..token.end, alternatives }
    }

    /// Neighbours may be one word in a product: `usb stick` finds `usbstick`, `iphone 8` finds `iphone8`.
    fn join(&self, tokens: &[Token], slots: &mut [Slot]) -> io::Result<()> {
        for at in 1..tokens.len() {
            let joined = format!("{}{}", tokens[at - 1].surface, tokens[at].surface);
            let stem = self.analyser.stem(&joined);
            if !self.collection.knows(&stem)? {
                continue;
            }
            for slot in &mut slots[at - 1..=at] {
                let (stems, weight) = (vec![stem.clone()], self.ranking.joined);
                slot.alternatives.push(Alternative { stems, weight, origin: Origin::Joined });
            }
        }
        Ok(())
    }

    fn add_synonyms(&self, slots: &mut [Slot]) {
        let stems: Vec<String> = slots.iter().map(|slot| slot.alternatives[0].stems[0].clone()).collect();
        for at in 0..stems.len() {
            for (length, to) in self.rules.synonyms_of(&stems[at..]) {
                for slot in &mut slots[at..at + length] {
                    let (stems, weight) = (to.clone(), self.ranking.synonym);
                    slot.alternatives.push(Alternative { stems, weight, origin: Origin::Synonym });
                }
            }
        }
    }

    /// Adds what words without products may be: two words, or a misspelled word. `having` is how many products each slot
    /// finds; `complete`, how many have all. `None` if nothing was found to add.
    pub(crate) fn mended(
        &self,
        typed: &Interpretation,
        having: &[u64],
        complete: u64,
    ) -> io::Result<Option<Interpretation>> {
        let mut mended = typed.clone();
        let mut looked_up = 0;
        let mut changed = false;
        for (at, having) in having.iter().enumerate() {
            let is_unknown = *having == 0;
            let is_suspect = is_unknown || *having <= RARE && complete <= RARE;
            if *having > ENOUGH || looked_up == MAX_CORRECTED {
                continue;
            }
            looked_up += 1;
            let surface = &typed.slots[at].surface;
            let corrections = match is_suspect {
                true => spelling::corrections(self.collection, self.analyser, surface)?,
                false => Vec::new(),
            };
            let is_likelier = |found: u64| is_unknown || found >= having * MORE_FREQUENT;
            let best = corrections.first().filter(|best| is_likelier(best.having));
            match (best, self.split(surface)?) {
                (best, Some((stems, found))) if found >= *having && best.is_none_or(|best| best.having <= found) => {
                    let (weight, origin) = (self.ranking.joined, Origin::Split);
                    mended.slots[at].alternatives.push(Alternative { stems, weight, origin });
                    changed = true;
                }
                (Some(best), _) => {
                    mended.corrections.push((typed.slots[at].place.clone(), best.surface.clone()));
                    self.correct(&mut mended.slots[at], best, &corrections);
                    changed = true;
                }
                (None, _) => (),
            }
        }
        Ok(changed.then_some(mended))
    }

    fn correct(&self, slot: &mut Slot, best: &spelling::Correction, all: &[spelling::Correction]) {
        /// The others are possible too, if they are about as likely.
        const LESS_LIKELY: f32 = 0.5;
        let weight = self.ranking.correction;
        let origin = Origin::Correction;
        slot.alternatives.push(Alternative { stems: vec![best.stem.clone()], weight, origin });
        let others = all.iter().skip(1).filter(|other| other.distance <= best.distance && other.stem != best.stem);
        for other in others {
            let weight = weight * LESS_LIKELY;
            slot.alternatives.push(Alternative { stems: vec![other.stem.clone()], weight, origin });
        }
        let stems = vec![best.stem.clone()];
        for (_, to) in self.rules.synonyms_of(&stems).filter(|(length, _)| *length == 1) {
            let weight = weight * self.ranking.synonym;
            slot.alternatives.push(Alternative { stems: to.clone(), weight, origin: Origin::Synonym });
        }
    }

    /// The two words that a word is made of, with the number of products that have both: `usbstick` finds `usb stick`.
    fn split(&self, surface: &str) -> io::Result<Option<(Vec<String>, u64)>> {
        const MIN_PART_CHARS: usize = 2;
        const MIN_CHARS: usize = 5;
        const MAX_CHARS: usize = 32;
        /// Of a long word many parts are words by chance.
        const MAX_TRIED: usize = 8;
        if !(MIN_CHARS..=MAX_CHARS).contains(&surface.chars().count()) {
            return Ok(None);
        }
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let (mut best, mut tried): (Option<(Vec<String>, u64)>, _) = (None, 0);
        let starts: Vec<usize> = surface.char_indices().map(|(at, _)| at).collect();
        for (before, at) in starts.iter().enumerate().skip(1) {
            let is_at_number = is_digit(surface[..*at].chars().next_back()) != is_digit(surface[*at..].chars().next());
            if !is_at_number && before.min(starts.len() - before) < MIN_PART_CHARS {
                continue;
            }
            let (left, right) = surface.split_at(*at);
            let stems = vec![self.analyser.stem(left), self.analyser.stem(right)];
            if tried == MAX_TRIED || !self.collection.knows(&stems[0])? || !self.collection.knows(&stems[1])? {
                continue;
            }
            tried += 1;
            let found = self.collection.frequency_of_all(&stems)?;
            if found > best.as_ref().map_or(0, |(_, most)| *most) {
                best = Some((stems, found));
            }
        }
        Ok(best)
    }
}
