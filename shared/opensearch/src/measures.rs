//! Measures in one spelling, in products and in what is typed: `27"`, `27 inch` and `27-Zoll` are `27in`, `64 GB` is
//! `64gb`.
//!
//! Not in the analysis of OpenSearch: where characters are replaced there, highlights lose their places.

/// Units by their spellings. Words that mean more than a unit, such as `in` and `a`, are none.
const UNITS: [(&str, &[&str]); 19] = [
    ("in", &["inch", "inches", "zoll", "\"", "\u{2033}", "\u{201d}", "''"]),
    ("mm", &["mm"]),
    ("cm", &["cm"]),
    ("kg", &["kg"]),
    ("g", &["g"]),
    ("ml", &["ml"]),
    ("l", &["l"]),
    ("kb", &["kb"]),
    ("mb", &["mb"]),
    ("gb", &["gb"]),
    ("tb", &["tb"]),
    ("hz", &["hz"]),
    ("khz", &["khz"]),
    ("mhz", &["mhz"]),
    ("ghz", &["ghz"]),
    ("mah", &["mah"]),
    ("wh", &["wh"]),
    ("w", &["w", "watt"]),
    ("v", &["v", "volt"]),
];

/// The measures of a text.
pub(crate) fn measures(text: &str) -> Vec<String> {
    found(text).into_iter().map(|found| found.measure).collect()
}

/// The text with its measures in one spelling.
pub(crate) fn unified(text: &str) -> String {
    let mut unified = String::with_capacity(text.len());
    let mut done = 0;
    for Found { start, end, measure } in found(text) {
        unified.push_str(&text[done..start]);
        unified.push_str(&measure);
        unified.push(' ');
        done = end;
    }
    unified.push_str(&text[done..]);
    unified.trim().to_owned()
}

struct Found {
    start: usize,
    end: usize,
    measure: String,
}

fn found(text: &str) -> Vec<Found> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find(|c: char| c.is_ascii_digit()).map(|offset| at + offset) {
        let length =
            text[start..].find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ',')).unwrap_or(text.len() - start);
        let number_end = start + text[start..start + length].trim_end_matches(['.', ',']).len();
        let number = &text[start..number_end];
        let rest = &text[number_end..];
        // `X200 GB` has no measure: the digits belong to a name.
        let is_apart = !text[..start].ends_with(char::is_alphanumeric);
        match unit(rest).filter(|_| is_apart) {
            Some((unit, length)) => {
                let end = number_end + length;
                all.push(Found { start, end, measure: format!("{}{unit}", number.replace(',', ".")) });
                at = end;
            }
            None => at = number_end,
        }
    }
    all
}

/// The unit that a text begins with, after one space or hyphen or none, and how many bytes it takes.
fn unit(rest: &str) -> Option<(&'static str, usize)> {
    let spelled = rest.strip_prefix([' ', '-']).unwrap_or(rest);
    let before = rest.len() - spelled.len();
    let word = spelled.find(|c: char| !c.is_alphanumeric()).unwrap_or(spelled.len());
    let is_word = |spelling: &&str| spelled[..word].eq_ignore_ascii_case(spelling);
    let is_sign = |spelling: &&str| !spelling.starts_with(char::is_alphanumeric) && rest.starts_with(*spelling);
    UNITS.iter().find_map(|(unit, spellings)| {
        let spelling = spellings.iter().find(|spelling| is_word(spelling) || is_sign(spelling))?;
        let space = if is_sign(spelling) { 0 } else { before };
        Some((*unit, space + spelling.len()))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_measure_has_one_spelling() {
        for text in ["27\"", "27 inch", "27-inch", "27 Zoll", "27″", "27''", "27inches"] {
            assert_eq!(unified(text), "27in", "{text}");
        }
        assert_eq!(unified("USB Stick 64 GB, 15,6\" rot"), "USB Stick 64gb , 15.6in  rot");
        assert_eq!(measures("2 TB (5400 rpm), 3.5\" "), ["2tb", "3.5in"]);
    }

    #[test]
    fn a_number_without_a_unit_stays() {
        for text in ["15 in 1", "X200 GB", "iPhone 8", "1.000", "3 . 5", "27", "", "grün 5 €", "12 gbit"] {
            assert_eq!(unified(text), text, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_a_panic(text: String, numbers in "([0-9.,]{1,3}[ -]?(\"|inch|GB|é|''){0,1}){0,6}") {
            let _ = (unified(&text), unified(&numbers), measures(&numbers));
        }
    }
}
