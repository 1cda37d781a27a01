//! One form for the inflections of a word.

use tantivy::tokenizer::{Language as Snowball, RawTokenizer, Stemmer as SnowballStemmer, TextAnalyzer, TokenStream};

use crate::Language;

/// English loses its plural only: a full stemmer would make one word of `printer` and `printing`, of `game` and `gaming`.
/// German nouns have too many forms for that, so Snowball's stemmer is used.
pub(super) struct Stemmer(Option<TextAnalyzer>);

/// Shorter words have no ending to lose.
const MIN_CHARS: usize = 4;

impl Stemmer {
    pub(super) fn new(language: Language) -> Self {
        Self(match language {
            Language::English => None,
            Language::German => {
                let stemmer = SnowballStemmer::new(Snowball::German);
                Some(TextAnalyzer::builder(RawTokenizer::default()).filter(stemmer).build())
            }
        })
    }

    pub(super) fn stem(&self, word: &str) -> String {
        if word.len() < MIN_CHARS || !word.bytes().all(|b| b.is_ascii_lowercase()) {
            return word.to_owned();
        }
        match &self.0 {
            None => singular(word),
            Some(analyzer) => {
                // The stream needs an analyser of its own; cloning one copies a few pointers.
                let mut analyzer = analyzer.clone();
                let mut stream = analyzer.token_stream(word);
                stream.next().map_or_else(|| word.to_owned(), |token| token.text.clone())
            }
        }
    }
}

/// An English noun without its plural ending.
fn singular(word: &str) -> String {
    let without = |bytes: usize| word[..word.len() - bytes].to_owned();
    let ends = |endings: &[&str]| endings.iter().any(|ending| word.ends_with(ending));
    if !word.ends_with('s') || ends(&["ss", "us", "is"]) {
        return word.to_owned();
    }
    if word.ends_with("ies") && word.len() > 4 {
        return without(3) + "y";
    }
    if ends(&["sses", "shes", "ches", "xes", "zzes"]) {
        return without(2);
    }
    without(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_english_plural_has_the_form_of_its_singular() {
        for (plural, one) in [
            ("headphones", "headphone"),
            ("batteries", "battery"),
            ("boxes", "box"),
            ("switches", "switch"),
            ("cases", "case"),
            ("lenses", "lense"),
        ] {
            assert_eq!(singular(plural), one);
        }
        for same in ["glass", "status", "chassis", "printer", "gaming"] {
            assert_eq!(singular(same), same);
        }
    }

    #[test]
    fn a_german_plural_has_the_form_of_its_singular() {
        let stemmer = Stemmer::new(Language::German);

        for (plural, one) in [("kabeln", "kabel"), ("tische", "tisch"), ("lampen", "lampe"), ("notebooks", "notebook")]
        {
            assert_eq!(stemmer.stem(plural), stemmer.stem(one), "{plural}");
        }
    }
}
