//! From text to the words that are indexed and looked for. Products and queries go through the same steps, so that what
//! is written in different ways meets: `Kopfhörer` and `kopfhoerer`, `27"` and `27 inch`, `Wi-Fi` and `wifi`.

mod fold;
mod heads;
mod stem;
mod tokens;

pub(crate) use self::{
    fold::fold_char,
    tokens::{Token, tokens},
};
use crate::Language;

/// Analysis in one language.
pub(crate) struct Analyser {
    language: Language,
    stemmer: stem::Stemmer,
}

/// A word that is indexed, with the byte range that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) surface: String,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The longest word that is kept. Longer ones are cut, so that no term is too long for an index.
const MAX_WORD_CHARS: usize = 48;

/// Parts that are written together, such as `Wi-Fi`, are also one word of at most this many bytes.
const MAX_JOINED_BYTES: usize = 32;

impl Analyser {
    pub(crate) fn new(language: Language) -> Self {
        Self { language, stemmer: stem::Stemmer::new(language) }
    }

    pub(crate) fn tokens(&self, text: &str) -> Vec<Token> {
        tokens(text, self.language)
    }

    /// The form under which all inflections of a word are indexed.
    pub(crate) fn stem(&self, surface: &str) -> String {
        self.stemmer.stem(surface)
    }

    /// The words of a product's text: tokens, measures such as `27in`, and what is written together as one word.
    pub(crate) fn words(&self, text: &str) -> Vec<Word> {
        let tokens = self.tokens(text);
        let mut words = Vec::with_capacity(tokens.len() + 4);
        let mut chunk = 0;
        for (at, token) in tokens.iter().enumerate() {
            if !token.glued {
                chunk = at;
            }
            let (start, end) = (token.start, token.end);
            if let Some(measure) = &token.measure {
                words.push(Word { surface: measure.clone(), start, end });
            }
            words.push(Word { surface: token.surface.clone(), start, end });
            for first in [chunk, at.saturating_sub(1).max(chunk)].into_iter().collect::<std::collections::BTreeSet<_>>()
            {
                let parts = &tokens[first..=at];
                let is_last = tokens.get(at + 1).is_none_or(|next| !next.glued);
                let bytes: usize = parts.iter().map(|part| part.surface.len()).sum();
                // All parts together only where they end; each pair as well.
                if parts.len() > 1 && (parts.len() == 2 || is_last) && bytes <= MAX_JOINED_BYTES {
                    let surface = parts.iter().map(|part| part.surface.as_str()).collect();
                    words.push(Word { surface, start: parts[0].start, end });
                }
            }
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Analyser::new(Language::English).words(text).into_iter().map(|word| word.surface).collect()
    }

    #[test]
    fn what_is_written_together_is_also_one_word() {
        assert_eq!(words("Wi-Fi"), ["wi", "fi", "wifi"]);
        assert_eq!(words("WH-1000/XM4"), ["wh", "1000", "wh1000", "xm4", "wh1000xm4", "1000xm4"].map(str::to_owned));
        assert_eq!(words("usb stick"), ["usb", "stick"]);
    }

    #[test]
    fn a_measure_is_one_word_in_every_spelling() {
        for text in ["27\"", "27 inch", "27-inch", "27in", "27 Zoll", "27″", "27''"] {
            assert!(words(text).contains(&"27in".to_owned()), "{text}: {:?}", words(text));
        }
        assert_eq!(words("4 GB"), ["4gb", "4"]);
        assert_eq!(words("4GB"), ["4gb", "4"]);
        assert_eq!(words("15,6 Zoll"), words("15.6\""));
        assert_eq!(words("15 in 1"), ["15", "in", "1"]);
    }

    #[test]
    fn accents_case_and_compatibility_forms_do_not_matter() {
        assert_eq!(words("Café ﬁlter²"), ["cafe", "filter2"]);
        assert_eq!(words("USB 2.0"), ["usb", "2"]);
        assert_eq!(words("Intel® Core™2"), ["intel", "core2"]);
        assert_eq!(words("men's"), ["mens"]);
    }
}
