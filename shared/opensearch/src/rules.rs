//! What staff define about searching, applied to a text.

use search::{QueryRule, Rules};

/// A text as it is searched: the ways to write it, and what is first and last.
#[derive(Debug, PartialEq)]
pub(crate) struct Worded<'a> {
    /// Without stop words.
    pub(crate) text: String,
    /// The same with words replaced by synonyms.
    pub(crate) others: Vec<String>,
    pub(crate) pinned: &'a [String],
    pub(crate) buried: &'a [String],
}

/// More would make one search many.
const MAX_OTHERS: usize = 4;

impl<'a> Worded<'a> {
    pub(crate) fn of(text: &str, rules: &'a Rules) -> Self {
        let typed = words(text);
        let said: Vec<_> = typed.iter().filter(|word| !is_stop_word(word, rules)).cloned().collect();
        // A text of stop words alone is about them.
        let kept = if said.is_empty() { &typed } else { &said };
        let rule = rules.queries().iter().find(|rule| words(&rule.query) == typed);
        let ids = |of: fn(&QueryRule) -> &Vec<String>| rule.map_or(&[][..], |rule| of(rule));
        Self {
            // The words alone would lose what belongs to a measure: `27"`.
            text: if kept.len() == typed.len() { text.to_owned() } else { kept.join(" ") },
            others: others(kept, rules),
            pinned: ids(|rule| &rule.pin),
            buried: ids(|rule| &rule.bury),
        }
    }
}

fn others(words: &[String], rules: &Rules) -> Vec<String> {
    let mut others = Vec::new();
    for rule in rules.synonyms() {
        for from in rule.from.iter().map(|from| self::words(from)).filter(|from| !from.is_empty()) {
            let Some(at) = words.windows(from.len()).position(|window| window == from) else { continue };
            let (before, after) = (&words[..at], &words[at + from.len()..]);
            for to in rule.to.iter().filter(|to| self::words(to) != from) {
                let other = [&before.join(" "), to, &after.join(" ")].map(|part| part.trim()).join(" ");
                others.push(other.trim().to_owned());
            }
        }
    }
    others.truncate(MAX_OTHERS);
    others
}

fn is_stop_word(word: &str, rules: &Rules) -> bool {
    rules.stop_words().iter().any(|stop| stop.to_lowercase() == word)
}

/// Letters and digits, without case.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_compared_without_case_and_punctuation() {
        assert_eq!(words("USB-Stick, 64 GB"), ["usb", "stick", "64", "gb"]);
    }

    #[test]
    fn without_rules_a_text_is_searched_as_it_is() {
        let rules = Rules::default();
        let expected = Worded { text: "27\" Monitor".to_owned(), others: Vec::new(), pinned: &[], buried: &[] };

        assert_eq!(Worded::of("27\" Monitor", &rules), expected);
    }

    fn rules() -> Rules {
        let json = r#"{
            "synonyms": [{"words": ["power bank", "external battery"]}, {"from": ["tv"], "to": ["television"]}],
            "stopWords": ["the"],
            "queries": [{"query": "usb stick", "pin": ["a", "b"], "bury": ["c"]}]
        }"#;
        Rules::parse(json.as_bytes(), search::Language::English).unwrap()
    }

    #[test]
    fn a_synonym_takes_the_place_of_its_words() {
        let others = |text| Worded::of(text, &rules()).others;

        assert_eq!(others("USB Power-Bank 20"), ["usb external battery 20"]);
        assert_eq!(others("external battery"), ["power bank"]);
        assert_eq!((others("tv"), others("television")), (vec!["television".to_owned()], vec![]));
    }

    #[test]
    fn stop_words_are_left_out_unless_there_is_nothing_else() {
        assert_eq!(Worded::of("The lamp", &rules()).text, "lamp");
        assert_eq!(Worded::of("the", &rules()).text, "the");
    }

    #[test]
    fn products_are_pinned_and_buried_for_the_whole_text_alone() {
        let rules = rules();

        assert_eq!(
            (Worded::of("USB-Stick", &rules).pinned, Worded::of("usb stick", &rules).buried.len()),
            (&["a".to_owned(), "b".to_owned()][..], 1)
        );
        assert!(Worded::of("usb stick 64gb", &rules).pinned.is_empty());
    }
}
