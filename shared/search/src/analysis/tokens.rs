//! Splits text into words and numbers.

use super::{MAX_WORD_CHARS, fold::fold_german, fold_char};
use crate::Language;

/// A word or number of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// Without case and accents.
    pub(crate) surface: String,
    /// The number with its unit, in one spelling: `27in`.
    pub(crate) measure: Option<String>,
    /// Where it is in the text, in bytes.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Whether only punctuation, and no space, separates it from the token before.
    pub(crate) glued: bool,
}

impl Token {
    /// The word that stands for it: the measure of a number that has a unit.
    pub(crate) fn term(&self) -> &str {
        self.measure.as_deref().unwrap_or(&self.surface)
    }
}

pub(crate) fn tokens(text: &str, language: Language) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    let mut glued = false;
    while let Some(&(start, _)) = chars.peek() {
        let (surface, end) = run(text, &mut chars);
        if surface.is_empty() {
            // What separates words: a space always, punctuation only if it is one character.
            let Some((_, c)) = chars.next() else { break };
            let is_joint = matches!(c, '-' | '/' | '.' | '_' | '+' | '\'' | '’' | '‐' | '‑');
            glued = is_joint && start > 0 && text[..start].ends_with(|before: char| before.is_alphanumeric());
            if matches!(c, '"' | '″' | '”') || c == '\'' && text[start..].starts_with("''") {
                inches(&mut tokens, start);
            }
            continue;
        }
        let surface = if language == Language::German { fold_german(&surface) } else { surface };
        add(&mut tokens, Token { surface, measure: None, start, end, glued: glued && !tokens_is_far(text, start) });
        glued = false;
    }
    tokens
}

/// Whether white space precedes this place.
fn tokens_is_far(text: &str, start: usize) -> bool {
    text[..start].ends_with(char::is_whitespace)
}

/// Letters and digits up to the next separator, folded, and where they end. Points and commas between digits belong to a
/// number.
fn run(text: &str, chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>) -> (String, usize) {
    let mut surface = String::new();
    let mut end = chars.peek().map_or(text.len(), |(at, _)| *at);
    let mut length = 0;
    while let Some(&(at, c)) = chars.peek() {
        let before = surface.len();
        fold_char(c, &mut surface);
        let next = at + c.len_utf8();
        if surface.len() == before {
            let follows_digit = surface.ends_with(|c: char| c.is_ascii_digit());
            let digit_follows = text[next..].starts_with(|c: char| c.is_ascii_digit());
            if matches!(c, '.' | ',') && follows_digit && digit_follows {
                surface.push(c);
            } else if surface.is_empty() || !belongs_to_word(c, &text[next..]) {
                break;
            }
        } else {
            length += 1;
            if length > MAX_WORD_CHARS {
                surface.truncate(before);
            }
        }
        chars.next();
        end = next;
    }
    (number(surface), end)
}

/// Marks that are no part of a word and do not end it either: accents that were decomposed, `®`, and an apostrophe between
/// letters.
fn belongs_to_word(c: char, rest: &str) -> bool {
    let is_mark = !c.is_ascii() && !c.is_alphanumeric() && !c.is_whitespace() && is_silent(c);
    is_mark || matches!(c, '\'' | '’') && rest.starts_with(char::is_alphabetic)
}

fn is_silent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{20d0}'..='\u{20ff}' | '\u{ad}' | '®' | '™' | '℠' | '©')
}

/// A number in one spelling: `15,6` and `15.6`, `1,000` and `1000`, `2.0` and `2`. Anything else stays, without points.
fn number(run: String) -> String {
    if !run.contains(['.', ',']) {
        return run;
    }
    let digits = run.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b',')).count();
    let (figure, rest) = run.split_at(digits);
    let parts: Vec<&str> = figure.split(['.', ',']).collect();
    let one = match parts[..] {
        [whole, fraction] if figure.contains('.') || fraction.len() != 3 => {
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            format!("{whole}{point}{fraction}")
        }
        _ => parts.concat(),
    };
    // Points within letters and digits that are no number, as in a version: `b1.2c` has none after a letter.
    one + &rest.replace(['.', ','], "")
}

/// Units by their spellings. One that is also a word (`in`, `a`) is only a unit if it is written at the number.
const UNITS: [(&str, &[&str]); 34] = [
    ("in", &["inch", "inches", "zoll"]),
    ("ft", &["ft", "feet", "foot"]),
    ("cm", &["cm"]),
    ("mm", &["mm"]),
    ("m", &["m", "meter", "meters", "metre", "metres"]),
    ("km", &["km"]),
    ("kb", &["kb"]),
    ("mb", &["mb", "megabyte", "megabytes"]),
    ("gb", &["gb", "gigabyte", "gigabytes"]),
    ("tb", &["tb", "terabyte", "terabytes"]),
    ("hz", &["hz", "hertz"]),
    ("khz", &["khz"]),
    ("mhz", &["mhz"]),
    ("ghz", &["ghz"]),
    ("w", &["w", "watt", "watts"]),
    ("kw", &["kw"]),
    ("wh", &["wh"]),
    ("v", &["v", "volt", "volts"]),
    ("mah", &["mah"]),
    ("ah", &["ah"]),
    ("va", &["va"]),
    ("kva", &["kva"]),
    ("g", &["g", "gram", "grams", "gramm"]),
    ("kg", &["kg", "kilogram", "kilograms", "kilogramm", "kilo"]),
    ("lb", &["lb", "lbs", "pounds"]),
    ("oz", &["oz", "ounce", "ounces"]),
    ("l", &["l", "liter", "liters", "litre", "litres"]),
    ("ml", &["ml"]),
    ("mp", &["mp", "megapixel", "megapixels"]),
    ("dpi", &["dpi"]),
    ("rpm", &["rpm"]),
    ("db", &["db"]),
    ("lm", &["lm", "lumen", "lumens"]),
    ("pcs", &["pcs", "pieces", "stuck"]),
];

fn unit(word: &str) -> Option<&'static str> {
    UNITS.iter().find(|(_, spellings)| spellings.contains(&word)).map(|(unit, _)| *unit)
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// A number that a quotation mark follows is in inches.
fn inches(tokens: &mut [Token], at: usize) {
    if let Some(last) = tokens.last_mut().filter(|last| last.end == at && is_number(&last.surface)) {
        last.measure = Some(format!("{}in", last.surface));
        last.end = at + 1;
    }
}

/// Adds a token, or its unit to the number before it.
fn add(tokens: &mut Vec<Token>, mut token: Token) {
    if let Some(unit) = unit(&token.surface)
        && let Some(last) = tokens.last_mut()
        && is_number(&last.surface)
        && last.measure.is_none()
    {
        last.measure = Some(format!("{}{unit}", last.surface));
        last.end = token.end;
        return;
    }
    let digits = token.surface.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (figure, letters) = token.surface.split_at(digits);
    let unit = if letters == "in" { Some("in") } else { unit(letters) };
    if let Some(unit) = unit.filter(|_| is_number(figure)) {
        token.measure = Some(format!("{figure}{unit}"));
        token.surface = figure.to_owned();
    }
    tokens.push(token);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_knows_where_it_is_in_the_text() {
        let text = "Größe: 17\" Wi-Fi";

        let found: Vec<_> =
            tokens(text, Language::German).into_iter().map(|t| (text[t.start..t.end].to_owned(), t.surface)).collect();

        let expected = [("Größe", "grosse"), ("17\"", "17"), ("Wi", "wi"), ("Fi", "fi")];
        assert_eq!(found, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn numbers_have_one_spelling() {
        let surfaces = |text: &str| tokens(text, Language::English).into_iter().map(|t| t.surface).collect::<Vec<_>>();

        assert_eq!(surfaces("1,000 1000 15,6 15.60 2.0"), ["1000", "1000", "15.6", "15.6", "2"]);
        assert_eq!(surfaces("802.11ac 1.2.3"), ["802.11ac", "123"]);
        assert_eq!(surfaces("end. Next"), ["end", "next"]);
    }

    #[test]
    fn a_word_is_never_longer_than_an_index_can_keep() {
        assert_eq!(tokens(&"ö".repeat(5_000), Language::English)[0].surface.len(), MAX_WORD_CHARS);
    }
}
