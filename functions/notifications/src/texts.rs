//! The words of mails, one file for each language: `languages/<code>.json`.
//!
//! Translators edit that file. A name in braces, such as `{number}`, is replaced by its value, and stands in
//! the same texts of every language. A file with a missing or an unknown key is refused by the tests of this module;
//! a key that no mail uses is an unread field, and so a warning of the compiler.
//!
//! To add a language: its variant of `domain::Language`, its file here, its numbers in `money.rs`, and its names of
//! countries in `countries.rs`.

use std::sync::LazyLock;

use domain::{Language, Timestamp};
use jiff::tz::Offset;
use serde::Deserialize;

const ENGLISH: &str = include_str!("../languages/en.json");
const GERMAN: &str = include_str!("../languages/de.json");

/// All words of mails in one language.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    pub greeting: String,
    pub placed: OrderTexts,
    pub shipped: OrderTexts,
    pub delivered: OrderTexts,
    pub cancelled_unpaid: OrderTexts,
    pub cancelled_refunding: OrderTexts,
    pub refunded: OrderTexts,
    pub account: AccountTexts,
    /// Stands before the token, where there is no link.
    pub code: String,
    pub refund: RefundTexts,
    pub order: DetailTexts,
    /// A link to an order that was asked for.
    pub order_link: LinkTexts,
    pub shipment: ShipmentTexts,
    pub payment: PaymentTexts,
    pub ship_to: String,
    date: String,
    months: [String; 12],
}

/// What one kind of mail without a link of its own says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderTexts {
    pub subject: String,
    pub heading: String,
    /// What happened.
    pub message: String,
    /// What happens next.
    pub next: String,
}

/// Mails about an account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountTexts {
    pub reset_password: LinkTexts,
    pub verify_email: LinkTexts,
    pub change_email: LinkTexts,
    /// To the address that is being replaced.
    pub email_changing: OrderTexts,
    /// Why the recipient gets the mail.
    pub why: String,
}

/// What a mail with a link says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkTexts {
    pub subject: String,
    pub heading: String,
    /// What was requested, and how long the link works.
    pub message: String,
    pub button: String,
    /// For a recipient who did not request it.
    pub next: String,
}

/// What a mail says that shows nothing else.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    pub subject: &'a str,
    pub heading: &'a str,
    pub message: &'a str,
    pub next: &'a str,
    /// Of its link, if it has one.
    pub button: Option<&'a str>,
}

impl OrderTexts {
    pub fn said(&self) -> Said<'_> {
        let Self { subject, heading, message, next } = self;
        Said { subject, heading, message, next, button: None }
    }
}

impl LinkTexts {
    pub fn said(&self) -> Said<'_> {
        let Self { subject, heading, message, button, next } = self;
        Said { subject, heading, message, next, button: Some(button) }
    }
}

/// What a refund is for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefundTexts {
    pub of_cancelled: String,
    pub of_lines: String,
    pub of_everything: String,
    pub of_part: String,
    pub reason: String,
}

/// The words around an order's content.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailTexts {
    pub view: String,
    /// Of a link that needs no login.
    pub opens_without_login: String,
    pub number: String,
    pub placed_on: String,
    pub item: String,
    pub each: String,
    pub subtotal: String,
    pub discount: String,
    pub shipping: String,
    pub tax: String,
    pub total: String,
    /// Why the recipient gets the mail.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShipmentTexts {
    pub heading: String,
    pub carrier: String,
    pub tracking_number: String,
    pub track: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentTexts {
    pub heading: String,
    pub paid: String,
    pub not_charged: String,
    pub refunded: String,
}

impl Texts {
    pub fn of(language: Language) -> &'static Self {
        static IN_ENGLISH: LazyLock<Texts> = LazyLock::new(|| read(ENGLISH));
        static IN_GERMAN: LazyLock<Texts> = LazyLock::new(|| read(GERMAN));
        match language {
            Language::En => &IN_ENGLISH,
            Language::De => &IN_GERMAN,
        }
    }

    /// A day in UTC, such as `1 January 2024`.
    pub fn date(&self, at: Timestamp) -> String {
        let date = Offset::UTC.to_datetime(at);
        let month = usize::try_from(date.month() - 1).ok().and_then(|month| self.months.get(month));
        let (day, year) = (date.day().to_string(), date.year().to_string());
        fill(&self.date, &[("day", &day), ("month", month.map_or("", String::as_str)), ("year", &year)])
    }
}

/// The files are part of the program, and a test reads each.
fn read(file: &str) -> Texts {
    serde_json::from_str(file).expect("a file of texts has every key and no other")
}

/// The text with every `{name}` replaced by its value. A value is not searched for names.
pub fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let (mut filled, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, from_name)) = rest.split_once('{') {
        filled.push_str(before);
        let value = from_name.split_once('}').and_then(|(name, after)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((*value, after))
        });
        rest = match value {
            Some((value, after)) => {
                filled.push_str(value);
                after
            }
            None => {
                filled.push('{');
                from_name
            }
        };
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;

    fn file(language: Language) -> Value {
        let file = match language {
            Language::En => ENGLISH,
            Language::De => GERMAN,
        };
        serde_json::from_str(file).unwrap()
    }

    /// Every text of a file by its path, such as `/placed/subject`.
    fn texts(file: &Value, path: &str, into: &mut BTreeMap<String, String>) {
        match file {
            Value::String(text) => drop(into.insert(path.to_owned(), text.clone())),
            Value::Array(texts_) => {
                for (at, text) in texts_.iter().enumerate() {
                    texts(text, &format!("{path}/{at}"), into);
                }
            }
            Value::Object(members) => {
                for (key, text) in members {
                    texts(text, &format!("{path}/{key}"), into);
                }
            }
            other => panic!("{path} is {other}, and not a text"),
        }
    }

    fn texts_of(language: Language) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        texts(&file(language), "", &mut all);
        all
    }

    fn names(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).map(|rest| rest.split_once('}').expect("a name ends with a brace").0).collect()
    }

    #[test]
    fn every_language_has_every_text_and_no_other() {
        for language in Language::ALL {
            let keys = |of| texts_of(of).into_keys().collect::<Vec<_>>();

            assert_eq!(keys(language), keys(Language::En), "languages/{}.json", language.as_str());
            assert!(!Texts::of(language).greeting.is_empty());
        }
    }

    #[test]
    fn a_file_with_a_missing_or_an_unknown_key_is_refused() {
        let change = |change: fn(&mut serde_json::Map<String, Value>)| {
            let mut changed = file(Language::De);
            change(changed["order"].as_object_mut().unwrap());
            serde_json::from_value::<Texts>(changed).err().map(|e| e.to_string())
        };

        assert_eq!(change(|_| {}), None);
        assert!(change(|order| drop(order.remove("view"))).unwrap().contains("missing field `view`"));
        let unknown = change(|order| drop(order.insert("shown".to_owned(), Value::from("gezeigt"))));
        assert!(unknown.unwrap().contains("unknown field `shown`"));
    }

    #[test]
    fn a_text_has_the_same_names_in_every_language_and_is_one_trimmed_line() {
        let english = texts_of(Language::En);
        for language in Language::ALL {
            for (key, text) in texts_of(language) {
                assert_eq!(names(&text), names(&english[&key]), "{key} in {}", language.as_str());
                assert_eq!(text.trim(), text, "{key} in {}", language.as_str());
                assert!(!text.is_empty() && !text.chars().any(char::is_control), "{key} in {}", language.as_str());
            }
        }
    }

    #[test]
    fn names_are_replaced_and_values_are_not_searched_for_names() {
        assert_eq!(fill("{a} and {b}, {a}", &[("a", "{b}"), ("b", "2")]), "{b} and 2, {b}");
        assert_eq!(fill("{unknown} {a", &[("a", "1")]), "{unknown} {a");
        assert_eq!(fill("", &[]), "");
    }

    #[test]
    fn a_day_is_written_as_its_language_does() {
        let day = "2024-03-01T23:59:59Z".parse().unwrap();

        assert_eq!(Texts::of(Language::En).date(day), "1 March 2024");
        assert_eq!(Texts::of(Language::De).date(day), "1. März 2024");
    }
}
