//! The text of a description. It was sanitised before it was stored, so its HTML is well-formed.

/// Plain text: tags separate words, and references to characters are resolved.
pub(crate) fn text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let (replacement, length) = if rest.starts_with('<') { tag(rest) } else { reference(rest) };
        text.push_str(&replacement);
        rest = &rest[length..];
    }
    text.push_str(rest);
    text
}

fn tag(rest: &str) -> (String, usize) {
    // Inline elements may be within a word: `H<sub>2</sub>O`.
    const INLINE: [&str; 12] = ["a", "abbr", "b", "em", "i", "s", "small", "span", "strong", "sub", "sup", "u"];
    let Some(end) = rest.find('>') else { return (" ".to_owned(), rest.len()) };
    let name = rest[1..end].trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
    let separator = if INLINE.contains(&name) { "" } else { " " };
    (separator.to_owned(), end + 1)
}

fn reference(rest: &str) -> (String, usize) {
    // The longest of those below has ten characters.
    let end = rest.bytes().take(12).position(|b| b == b';');
    let Some(end) = end else { return ("&".to_owned(), 1) };
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    let character = match &rest[1..end] {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        name => match (name.strip_prefix("#x"), name.strip_prefix('#')) {
            (Some(hex), _) => number(hex, 16),
            (None, Some(decimal)) => number(decimal, 10),
            (None, None) => None,
        },
    };
    character.map_or_else(|| ("&".to_owned(), 1), |character| (character.to_string(), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_separate_words_unless_they_are_inline() {
        assert_eq!(text("<p>One</p><p>H<sub>2</sub>O &amp; <b>more</b></p>"), " One  H2O & more ");
        assert_eq!(text("17&#34; &#x201d; &unknown; 5 < 6 & 7"), "17\" \u{201d} &unknown; 5  ");
    }

    #[test]
    fn what_is_no_html_stays_text() {
        assert_eq!(text("plain & simple"), "plain & simple");
        assert_eq!(text(""), "");
    }
}
