//! What a shop's staff define about searching: synonyms, stop words, and products that are pinned or buried for a query.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::{Language, analysis::Analyser};

/// The rules of one language, checked. `Default` has none.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    synonyms: Vec<SynonymRule>,
    stop_words: Vec<String>,
    queries: Vec<QueryRule>,
    compiled: Compiled,
}

/// Phrases that also find products with other phrases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SynonymRule {
    /// What is searched for.
    pub from: Vec<String>,
    /// What is found too.
    pub to: Vec<String>,
}

/// What is first and last for a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryRule {
    pub query: String,
    /// Products that come first, in this order, whether or not they match.
    pub pin: Vec<String>,
    /// Products that come last if they match.
    pub bury: Vec<String>,
}

/// Why rules are refused. The message names the line, or the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct InvalidRules {
    /// `line 3, column 14`, or a path such as `synonyms[3].from[0]`.
    pub place: String,
    pub reason: String,
}

/// The rules in the form in which they are looked up: by stems.
#[derive(Debug, Clone, Default)]
struct Compiled {
    /// What is found too, by the first stem of what is searched for.
    synonyms: BTreeMap<String, Vec<(Stems, Vec<Stems>)>>,
    stop_words: BTreeSet<String>,
    /// By the stems of the query.
    queries: BTreeMap<Stems, QueryRule>,
}

pub(crate) type Stems = Vec<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct File {
    #[serde(default)]
    synonyms: Vec<FileSynonym>,
    #[serde(default)]
    stop_words: Vec<String>,
    #[serde(default)]
    queries: Vec<FileQuery>,
}

/// Either `words`, each of which finds all others, or `from` and `to`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileSynonym {
    #[serde(default)]
    words: Vec<String>,
    #[serde(default)]
    from: Vec<String>,
    #[serde(default)]
    to: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileQuery {
    query: String,
    #[serde(default)]
    pin: Vec<String>,
    #[serde(default)]
    bury: Vec<String>,
}

impl Rules {
    pub const MAX_SYNONYMS: usize = 2_000;
    pub const MAX_STOP_WORDS: usize = 500;
    pub const MAX_QUERIES: usize = 2_000;
    /// Phrases of one synonym rule, and products of one query.
    pub const MAX_ENTRIES: usize = 20;
    /// Words of one phrase.
    pub const MAX_PHRASE_WORDS: usize = 5;

    /// Reads rules from JSON; `docs/search.md` describes the format.
    ///
    /// # Errors
    /// Names the first line or field that is refused.
    pub fn parse(json: &[u8], language: Language) -> Result<Self, InvalidRules> {
        let file: File = serde_json::from_slice(json).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            let text = error.to_string();
            let reason = text.split(" at line ").next().unwrap_or(&text).to_owned();
            InvalidRules { place, reason }
        })?;
        file.check()?;
        let synonym = |rule: FileSynonym| match rule.words.is_empty() {
            true => SynonymRule { from: rule.from, to: rule.to },
            false => SynonymRule { from: rule.words.clone(), to: rule.words },
        };
        let query = |rule: FileQuery| QueryRule { query: rule.query, pin: rule.pin, bury: rule.bury };
        let synonyms: Vec<_> = file.synonyms.into_iter().map(synonym).collect();
        let queries: Vec<_> = file.queries.into_iter().map(query).collect();
        let compiled = Compiled::of(&synonyms, &file.stop_words, &queries, &Analyser::new(language))?;
        Ok(Self { synonyms, stop_words: file.stop_words, queries, compiled })
    }

    /// General rules to begin with: words that say nothing, and names of the same thing. A shop replaces them by its own.
    pub fn starter(language: Language) -> Self {
        Self::parse(Self::starter_json(language).as_bytes(), language).expect("the starter rules are tested")
    }

    /// The file that [`Rules::starter`] reads, for staff to edit.
    pub fn starter_json(language: Language) -> &'static str {
        match language {
            Language::English => include_str!("../rules/en.json"),
            Language::German => include_str!("../rules/de.json"),
        }
    }

    pub fn synonyms(&self) -> &[SynonymRule] {
        &self.synonyms
    }

    pub fn stop_words(&self) -> &[String] {
        &self.stop_words
    }

    pub fn queries(&self) -> &[QueryRule] {
        &self.queries
    }

    pub(crate) fn is_stop_word(&self, surface: &str) -> bool {
        self.compiled.stop_words.contains(surface)
    }

    /// What these stems find too, if a rule begins with the first of them: how many stems the rule replaces, and by what.
    pub(crate) fn synonyms_of<'a>(&'a self, stems: &'a [String]) -> impl Iterator<Item = (usize, &'a Stems)> {
        let rules = stems.first().and_then(|first| self.compiled.synonyms.get(first));
        let matching = rules.into_iter().flatten().filter(|(from, _)| stems.starts_with(from));
        matching.flat_map(|(from, to)| to.iter().map(|to| (from.len(), to)))
    }

    pub(crate) fn of_query(&self, stems: &[String]) -> Option<&QueryRule> {
        self.compiled.queries.get(stems)
    }
}

impl File {
    fn check(&self) -> Result<(), InvalidRules> {
        at_most("synonyms", self.synonyms.len(), Rules::MAX_SYNONYMS)?;
        at_most("stopWords", self.stop_words.len(), Rules::MAX_STOP_WORDS)?;
        at_most("queries", self.queries.len(), Rules::MAX_QUERIES)?;
        for (at, rule) in self.synonyms.iter().enumerate() {
            let place = |field: &str| format!("synonyms[{at}].{field}");
            for (field, phrases) in [("words", &rule.words), ("from", &rule.from), ("to", &rule.to)] {
                at_most(&place(field), phrases.len(), Rules::MAX_ENTRIES)?;
            }
            let (group, direction) = (!rule.words.is_empty(), !rule.from.is_empty() || !rule.to.is_empty());
            if group && direction {
                return refused(place("words"), "stands alone: a rule has either words, or from and to");
            }
            if group && rule.words.len() < 2 {
                return refused(place("words"), "must be two or more");
            }
            for (field, phrases) in [("from", &rule.from), ("to", &rule.to)] {
                if !group && phrases.is_empty() {
                    return refused(place(field), "is missing");
                }
            }
        }
        for (at, rule) in self.queries.iter().enumerate() {
            for (field, ids) in [("pin", &rule.pin), ("bury", &rule.bury)] {
                at_most(&format!("queries[{at}].{field}"), ids.len(), Rules::MAX_ENTRIES)?;
                let wrong = ids.iter().position(|id| id.parse::<domain::ProductId>().is_err());
                if let Some(wrong) = wrong {
                    return refused(format!("queries[{at}].{field}[{wrong}]"), "is not a product id");
                }
            }
            if let Some(id) = rule.pin.iter().find(|id| rule.bury.contains(id)) {
                return refused(format!("queries[{at}]"), format!("{id} is both pinned and buried"));
            }
        }
        Ok(())
    }
}

impl Compiled {
    fn of(
        synonyms: &[SynonymRule],
        stop_words: &[String],
        queries: &[QueryRule],
        analyser: &Analyser,
    ) -> Result<Self, InvalidRules> {
        let stems = |phrase: &str, place: String| -> Result<Stems, InvalidRules> {
            let stems: Stems = analyser.tokens(phrase).iter().map(|token| analyser.stem(token.term())).collect();
            match stems.len() {
                0 => refused(place, "has no letter or digit"),
                1..=Rules::MAX_PHRASE_WORDS => Ok(stems),
                _ => refused(place, format!("has more than {} words", Rules::MAX_PHRASE_WORDS)),
            }
        };
        let mut compiled = Self::default();
        for (at, rule) in synonyms.iter().enumerate() {
            let all = |field: &'static str, phrases: &[String]| {
                let stem = |(i, phrase): (usize, &String)| stems(phrase, format!("synonyms[{at}].{field}[{i}]"));
                phrases.iter().enumerate().map(stem).collect::<Result<Vec<_>, _>>()
            };
            let to = all("to", &rule.to)?;
            for from in all("from", &rule.from)? {
                let others: Vec<_> = to.iter().filter(|other| **other != from).cloned().collect();
                compiled.synonyms.entry(from[0].clone()).or_default().push((from, others));
            }
        }
        for (at, word) in stop_words.iter().enumerate() {
            match &analyser.tokens(word)[..] {
                [token] => compiled.stop_words.insert(token.surface.clone()),
                _ => return refused(format!("stopWords[{at}]"), "must be one word"),
            };
        }
        for (at, rule) in queries.iter().enumerate() {
            let tokens = analyser.tokens(&rule.query);
            if tokens.is_empty() {
                return refused(format!("queries[{at}].query"), "has no letter or digit");
            }
            let key = tokens.iter().map(|token| analyser.stem(token.term())).collect();
            if compiled.queries.insert(key, rule.clone()).is_some() {
                return refused(format!("queries[{at}].query"), "is the same as the query of an earlier rule");
            }
        }
        Ok(compiled)
    }
}

fn at_most(place: &str, count: usize, limit: usize) -> Result<(), InvalidRules> {
    if count <= limit { Ok(()) } else { refused(place.to_owned(), format!("has more than {limit} entries")) }
}

fn refused<T>(place: String, reason: impl Into<String>) -> Result<T, InvalidRules> {
    Err(InvalidRules { place, reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> String {
        Rules::parse(json.as_bytes(), Language::English).unwrap_err().to_string()
    }

    #[test]
    fn the_starter_rules_are_valid() {
        for language in Language::ALL {
            assert!(!Rules::starter(language).synonyms().is_empty());
            assert!(!Rules::starter(language).stop_words().is_empty());
        }
    }

    #[test]
    fn a_refusal_names_the_line_or_the_field() {
        assert_eq!(refusal("{\n  \"synonyms\": 5}").split(':').next(), Some("line 2, column 15"));
        assert!(refusal("{\n\"pins\": []}").starts_with("line 2, column"));
        assert_eq!(refusal(r#"{"synonyms": [{"words": ["tv"]}]}"#), "synonyms[0].words: must be two or more");
        assert_eq!(refusal(r#"{"synonyms": [{"from": ["tv"]}]}"#), "synonyms[0].to: is missing");
        assert_eq!(refusal(r#"{"synonyms": [{"words": ["tv", "?!"]}]}"#), "synonyms[0].to[1]: has no letter or digit");
        assert_eq!(refusal(r#"{"stopWords": ["the", "of the"]}"#), "stopWords[1]: must be one word");
        assert_eq!(
            refusal(r#"{"queries": [{"query": "tv", "pin": ["a b"]}]}"#),
            "queries[0].pin[0]: is not a product id"
        );
        assert_eq!(
            refusal(r#"{"queries": [{"query": "Lamps"}, {"query": "lamp"}]}"#),
            "queries[1].query: is the same as the query of an earlier rule"
        );
    }

    #[test]
    fn a_rule_applies_to_every_form_of_its_words() {
        let json =
            r#"{"synonyms": [{"words": ["power bank", "external battery"]}], "queries": [{"query": "Batteries"}]}"#;
        let rules = Rules::parse(json.as_bytes(), Language::English).unwrap();
        let stems = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();

        let found: Vec<_> =
            rules.synonyms_of(&stems(&["power", "bank", "usb"])).map(|(n, to)| (n, to.join(" "))).collect();

        assert_eq!(found, [(2, "external battery".to_owned())]);
        assert_eq!(rules.synonyms_of(&stems(&["power"])).count(), 0);
        assert!(rules.of_query(&stems(&["battery"])).is_some());
    }
}
