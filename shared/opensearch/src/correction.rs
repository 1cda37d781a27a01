//! Misspelled words: those that no product has, with the most similar word that one has.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::schema::field;

/// As it is named in requests and answers.
pub(crate) const NAME: &str = "words";

pub(crate) fn request(text: &str) -> Value {
    json!({NAME: {"text": text, "term": {
        "field": field::SPELLING,
        "suggest_mode": "missing",
        "min_word_length": 4,
        "prefix_length": 1,
        "max_edits": 2,
        "size": 1,
    }}})
}

/// A word of the text. Its place is counted in units of UTF-16.
#[derive(Debug, Deserialize)]
pub(crate) struct Word {
    offset: usize,
    length: usize,
    #[serde(default)]
    options: Vec<Similar>,
}

#[derive(Debug, Deserialize)]
struct Similar {
    text: String,
}

/// The text with its misspelled words replaced; `None` if nothing is similar to any.
pub(crate) fn corrected(text: &str, words: &[Word]) -> Option<String> {
    let mut corrected = String::with_capacity(text.len());
    let mut done = 0;
    for word in words {
        let Some(similar) = word.options.first() else { continue };
        let start = byte_at(text, word.offset)?;
        let end = byte_at(text, word.offset.checked_add(word.length)?)?;
        if start < done || end <= start {
            return None;
        }
        corrected.push_str(&text[done..start]);
        corrected.push_str(&similar.text);
        done = end;
    }
    corrected.push_str(&text[done..]);
    (corrected != text).then_some(corrected)
}

/// `None` if no character begins there.
fn byte_at(text: &str, utf16: usize) -> Option<usize> {
    let mut units = 0;
    for (at, c) in text.char_indices() {
        if units >= utf16 {
            return (units == utf16).then_some(at);
        }
        units += c.len_utf16();
    }
    (units == utf16).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn word(offset: usize, length: usize, similar: &[&str]) -> Word {
        let options = similar.iter().map(|text| Similar { text: (*text).to_owned() }).collect();
        Word { offset, length, options }
    }

    #[test]
    fn a_misspelled_word_is_replaced_in_its_place() {
        let words = [word(0, 9, &["headphones"]), word(10, 4, &[])];
        assert_eq!(corrected("hedphones sony", &words).as_deref(), Some("headphones sony"));
        assert_eq!(corrected("😀 stikc", &[word(3, 5, &["stick"])]).as_deref(), Some("😀 stick"));
    }

    #[test]
    fn without_anything_similar_the_text_is_right() {
        assert_eq!(corrected("usb stick", &[word(0, 3, &[]), word(4, 5, &["stick"])]), None);
        assert_eq!(corrected("usb", &[]), None);
    }

    proptest! {
        #[test]
        fn words_in_impossible_places_are_no_panic(text: String, places: Vec<(usize, usize)>, near in 0..20_usize) {
            let far = places.iter().map(|(offset, length)| word(*offset, *length, &["x"]));
            let words: Vec<_> = far.chain(places.iter().map(|(_, length)| word(near, length % 9, &["y"]))).collect();
            let _ = corrected(&text, &words);
        }
    }
}
