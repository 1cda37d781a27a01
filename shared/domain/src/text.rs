//! Single-line text: which characters are accepted, how it is normalised, and its length.

use icu_normalizer::ComposingNormalizerBorrowed;
use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{
        BidiControl, CanonicalCombiningClass, DefaultIgnorableCodePoint, ExtendedPictographic, Ideographic,
        JoiningType, NoncharacterCodePoint,
    },
};

use crate::Invalid;

/// Text in Normalization Form C: text that looks the same is the same, whichever device it was typed on.
/// <https://www.unicode.org/reports/tr15/>
pub(crate) fn nfc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfc().normalize(text).into_owned()
}

/// Text in Normalization Form KC, which also replaces full-width letters, ligatures and the like by plain ones.
pub(crate) fn nfkc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfkc().normalize(text).into_owned()
}

/// Reads a line of text: in NFC, trimmed, 1 to `max` characters, none of them a control character or [`invisible`].
pub(crate) fn line(raw: &str, field: &'static str, code: &'static str, max: usize) -> Result<String, Invalid> {
    let text = bounded(raw, field, code, max)?;
    match unprintable(&text) {
        Some(reason) => Err(Invalid::new(field, code, reason)),
        None => Ok(text),
    }
}

/// Reads a line to search for: a stored one may contain [`invisible`] characters.
pub(crate) fn line_sought(raw: &str, field: &'static str, code: &'static str, max: usize) -> Result<String, Invalid> {
    let text = bounded(raw, field, code, max)?;
    if has_control(&text) {
        return Err(Invalid::new(field, code, NO_CONTROL));
    }
    Ok(text)
}

fn bounded(raw: &str, field: &'static str, code: &'static str, max: usize) -> Result<String, Invalid> {
    let text = nfc(raw);
    let text = text.trim();
    if text.is_empty() {
        return Err(Invalid::new(field, code, "must not be empty"));
    }
    if text.chars().count() > max {
        return Err(Invalid::new(field, code, format!("must be at most {max} characters")));
    }
    Ok(text.to_owned())
}

const NO_CONTROL: &str = "must not contain control characters";

fn has_control(text: &str) -> bool {
    text.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
}

/// Why a text is not one visible line; `None` if it is.
pub(crate) fn unprintable(text: &str) -> Option<String> {
    if has_control(text) {
        return Some(NO_CONTROL.to_owned());
    }
    invisible(text).map(|c| format!("must not contain the invisible character U+{:04X}", u32::from(c)))
}

/// The first character that shows nothing and changes nothing that is shown: two texts that differ by it look the same.
///
/// These are the characters with the Unicode property Default_Ignorable_Code_Point (zero width, byte order mark, soft
/// hyphen, variation selectors, fillers), Bidi_Control or Noncharacter_Code_Point, and the interlinear annotations.
/// Accepted are those that their neighbours need:
///
/// - the zero width joiner and non-joiner where IDNA accepts them too, in Arabic, Persian and the scripts of India (RFC
///   5892, appendix A.1 and A.2), and the joiner between two emoji;
/// - a variation selector after an emoji, before U+20E3 in a keycap, or after an ideograph, where it is part of a name.
pub(crate) fn invisible(text: &str) -> Option<char> {
    if text.is_ascii() {
        return None;
    }
    let chars: Vec<char> = text.chars().collect();
    let hidden = |(at, c): &(usize, &char)| is_invisible(**c) && !is_needed(&chars, *at);
    chars.iter().enumerate().find(hidden).map(|(_, c)| *c)
}

fn is_invisible(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || CodePointSetData::new::<BidiControl>().contains(c)
        || CodePointSetData::new::<NoncharacterCodePoint>().contains(c)
        || matches!(c, '\u{fff9}'..='\u{fffb}')
}

fn is_needed(text: &[char], at: usize) -> bool {
    let (before, after) = (&text[..at], &text[at + 1..]);
    let last = before.last().copied();
    match text[at] {
        '\u{200c}' => last.is_some_and(is_virama) || joins(before, after),
        '\u{200d}' => last.is_some_and(is_virama) || is_between_emoji(before, after),
        '\u{fe0e}' | '\u{fe0f}' => last.is_some_and(is_emoji) || after.first() == Some(&'\u{20e3}'),
        '\u{e0100}'..='\u{e01ef}' => last.is_some_and(|c| CodePointSetData::new::<Ideographic>().contains(c)),
        _ => false,
    }
}

fn is_virama(c: char) -> bool {
    CodePointMapData::<CanonicalCombiningClass>::new().get(c) == CanonicalCombiningClass::Virama
}

/// Whether the letters on both sides would join without the characters between them.
fn joins(before: &[char], after: &[char]) -> bool {
    let of = |c: &char| CodePointMapData::<JoiningType>::new().get(*c);
    let is_seen = |joining: &JoiningType| *joining != JoiningType::Transparent;
    let left = before.iter().rev().map(of).find(is_seen);
    let right = after.iter().map(of).find(is_seen);
    matches!(left, Some(JoiningType::LeftJoining | JoiningType::DualJoining))
        && matches!(right, Some(JoiningType::RightJoining | JoiningType::DualJoining))
}

/// Whether an emoji ends before and another one begins after. A skin tone or a variation selector may precede the
/// joiner.
fn is_between_emoji(before: &[char], after: &[char]) -> bool {
    let is_modifier = |c: &char| matches!(c, '\u{1f3fb}'..='\u{1f3ff}' | '\u{fe0f}');
    let left = before.iter().rev().find(|c| !is_modifier(c));
    left.copied().is_some_and(is_emoji) && after.first().copied().is_some_and(is_emoji)
}

fn is_emoji(c: char) -> bool {
    CodePointSetData::new::<ExtendedPictographic>().contains(c) || matches!(c, '\u{1f3fb}'..='\u{1f3ff}')
}

/// Text as people see it, in NFC: what they do not see, control characters included, becomes a space. Nothing is refused,
/// so this is for text that is looked for and not kept.
pub fn visible_text(raw: &str) -> String {
    let chars: Vec<char> = nfc(raw).chars().collect();
    let hidden = |at: usize| chars[at].is_control() || is_invisible(chars[at]) && !is_needed(&chars, at);
    (0..chars.len()).map(|at| if hidden(at) { ' ' } else { chars[at] }).collect()
}

/// A newtype over a checked line of text.
macro_rules! text_line {
    ($(#[$doc:meta])* $name:ident, $field:literal, $code:literal, $max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// The most characters it has.
            pub const MAX_CHARS: usize = $max;

            pub fn parse(raw: &str) -> Result<Self, $crate::Invalid> {
                $crate::text::line(raw, $field, $code, Self::MAX_CHARS).map(Self)
            }

            /// Reads a stored one, which may follow older rules; it never fails.
            pub fn stored(text: String) -> Self {
                Self(text)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use text_line;

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(raw: &str) -> Result<String, Invalid> {
        line(raw, "name", "name_invalid", 40)
    }

    #[test]
    fn the_length_of_a_line_is_counted_in_characters() {
        assert!(line_of(&"न".repeat(40)).is_ok());
        assert_eq!(line_of(&"न".repeat(41)).unwrap_err().reason, "must be at most 40 characters");
        // Forty letters, sent as eighty characters.
        assert_eq!(line_of(&"e\u{301}".repeat(40)).unwrap(), "é".repeat(40));
    }

    #[test]
    fn the_same_line_typed_on_two_devices_is_one() {
        assert_eq!(line_of("Cafe\u{301}").unwrap(), line_of(" Café ").unwrap());
    }

    #[test]
    fn invisible_characters_are_refused() {
        for raw in [
            "a\u{200b}",
            "\u{feff}a",
            "a\u{202e}b",
            "a\u{2066}b\u{2069}",
            "a\u{ad}b",
            "a\u{200c}b",
            "a\u{200d}b",
            "a\u{2060}b",
            "a\u{fe0f}b",
            "a\u{3164}",
            "a\u{e0061}",
            "a\u{fff9}b",
            "a\u{ffff}",
            "日\u{200d}本",
            "\u{200c}नमस्ते",
        ] {
            let reason = line_of(raw).unwrap_err().reason;
            assert!(reason.starts_with("must not contain the invisible character U+"), "{raw:?}: {reason}");
        }
        for raw in ["a\0", "a\r\nb", "a\tb", "a\u{85}b", "a\u{2028}b"] {
            assert_eq!(line_of(raw).unwrap_err().reason, "must not contain control characters", "{raw:?}");
        }
    }

    #[test]
    fn joiners_that_a_script_or_an_emoji_needs_are_accepted() {
        for raw in [
            // Persian: "I want".
            "می\u{200c}خواهم",
            // Sinhala: "Sri".
            "ශ්\u{200d}රී",
            // Hindi, with the letter in its half form.
            "क्\u{200d}ष",
            // A family, a heart, a keycap.
            "👩\u{200d}👩\u{200d}👧",
            "👩🏽\u{200d}💻",
            "❤\u{fe0f}\u{200d}🔥",
            "❤\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            // A Japanese family name in its own form.
            "葛\u{e0100}城",
        ] {
            assert_eq!(line_of(raw).unwrap(), raw);
        }
    }
}
