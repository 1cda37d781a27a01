//! Decides which records a function is called for: the filter criteria of an event source mapping.
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html>

use serde_json::{Map, Number, Value};

/// The patterns of a mapping; a record that matches one of them is delivered.
#[derive(Debug, Clone)]
pub struct Filter(Vec<Pattern>);

/// A pattern that is not valid in a mapping.
#[derive(Debug, thiserror::Error)]
#[error("the filter {pattern} cannot be read: {reason}")]
pub struct FilterError {
    pattern: String,
    reason: String,
}

/// The conditions of an object, all of which must hold.
#[derive(Debug, Clone)]
struct Pattern(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Object(String, Pattern),
    Field(String, Vec<Rule>),
    /// `$or`: one of these.
    Either(Vec<Pattern>),
}

/// The rules of a field; one that matches is enough.
#[derive(Debug, Clone)]
enum Rule {
    Exactly(Value),
    IgnoringCase(String),
    Prefix(String),
    Suffix(String),
    AnythingBut(Vec<Rule>),
    /// All of these at once.
    Numeric(Vec<(Comparison, f64)>),
    Exists(bool),
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Filter {
    /// Reads the patterns of a mapping. Without any, every record is delivered.
    ///
    /// # Errors
    /// Names the pattern that cannot be read, and its error.
    pub fn parse(patterns: &[impl AsRef<str>]) -> Result<Self, FilterError> {
        let one = |text: &str| {
            let error = |reason: String| FilterError { pattern: text.to_owned(), reason };
            let pattern: Value = serde_json::from_str(text).map_err(|e| error(e.to_string()))?;
            Pattern::read(&pattern).map_err(error)
        };
        Ok(Self(patterns.iter().map(|text| one(text.as_ref())).collect::<Result<_, _>>()?))
    }

    pub fn fits(&self, record: &Value) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.fits(Some(record)))
    }
}

impl Pattern {
    fn read(pattern: &Value) -> Result<Self, String> {
        let members =
            pattern.as_object().filter(|o| !o.is_empty()).ok_or("a pattern is an object that is not empty")?;
        let part = |(name, value): (&String, &Value)| match value {
            Value::Array(either) if name == "$or" && either.len() > 1 => {
                Ok(Part::Either(either.iter().map(Pattern::read).collect::<Result<_, _>>()?))
            }
            _ if name == "$or" => Err("$or takes a list of two patterns or more".to_owned()),
            Value::Object(_) => Ok(Part::Object(name.clone(), Pattern::read(value)?)),
            Value::Array(rules) if !rules.is_empty() => {
                Ok(Part::Field(name.clone(), rules.iter().map(Rule::read).collect::<Result<_, _>>()?))
            }
            _ => Err(format!("the rules of {name:?} must be a list that is not empty")),
        };
        Ok(Self(members.iter().map(part).collect::<Result<_, _>>()?))
    }

    /// A list matches if an element does, so that a pattern does not depend on their number.
    fn fits(&self, value: Option<&Value>) -> bool {
        match value {
            Some(Value::Array(values)) => values.iter().any(|value| self.fits(Some(value))),
            value => self.0.iter().all(|part| part.fits(value.and_then(Value::as_object))),
        }
    }
}

impl Part {
    fn fits(&self, object: Option<&Map<String, Value>>) -> bool {
        let member = |name: &str| object.and_then(|object| object.get(name));
        match self {
            Part::Object(name, pattern) => pattern.fits(member(name)),
            Part::Field(name, rules) => rules.iter().any(|rule| rule.fits(member(name))),
            Part::Either(patterns) => patterns.iter().any(|p| p.0.iter().all(|part| part.fits(object))),
        }
    }
}

impl Rule {
    fn read(rule: &Value) -> Result<Self, String> {
        let Value::Object(rule) = rule else {
            return Self::exactly(rule);
        };
        let mut members = rule.iter();
        let (Some((name, argument)), None) = (members.next(), members.next()) else {
            return Err("a rule is an object with one member".to_owned());
        };
        match (name.as_str(), argument) {
            ("prefix", Value::String(start)) => Ok(Rule::Prefix(start.clone())),
            ("suffix", Value::String(end)) => Ok(Rule::Suffix(end.clone())),
            ("equals-ignore-case", Value::String(text)) => Ok(Rule::IgnoringCase(text.to_lowercase())),
            ("exists", Value::Bool(there)) => Ok(Rule::Exists(*there)),
            ("anything-but", Value::Array(values)) if !values.is_empty() => {
                Ok(Rule::AnythingBut(values.iter().map(Self::exactly).collect::<Result<_, _>>()?))
            }
            ("anything-but", Value::String(_) | Value::Number(_)) => {
                Ok(Rule::AnythingBut(vec![Rule::Exactly(argument.clone())]))
            }
            ("anything-but", Value::Object(inner)) if inner.contains_key("prefix") || inner.contains_key("suffix") => {
                Ok(Rule::AnythingBut(vec![Self::read(argument)?]))
            }
            ("numeric", Value::Array(bounds)) => Ok(Rule::Numeric(bounds_of(bounds)?)),
            _ => Err(format!("{name} with {argument} is not a rule")),
        }
    }

    fn exactly(value: &Value) -> Result<Self, String> {
        match value {
            Value::Object(_) | Value::Array(_) => Err(format!("{value} is not a plain value")),
            plain => Ok(Rule::Exactly(plain.clone())),
        }
    }

    /// Checks a field's value, or each of its values if it has several.
    fn fits(&self, value: Option<&Value>) -> bool {
        let plain: Vec<&Value> = match value {
            // Rules apply to values only: an object leads to values, and is not one itself.
            None | Some(Value::Object(_)) => Vec::new(),
            Some(Value::Array(values)) => values.iter().filter(|v| !v.is_object() && !v.is_array()).collect(),
            Some(plain) => vec![plain],
        };
        match self {
            Rule::Exists(there) => *there != plain.is_empty(),
            rule => plain.into_iter().any(|value| rule.fits_plain(value)),
        }
    }

    fn fits_plain(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Rule::Exactly(Value::Number(number)) => value.as_number().is_some_and(|value| equal(value, number)),
            Rule::Exactly(exactly) => value == exactly,
            Rule::IgnoringCase(lower) => text.is_some_and(|text| text.to_lowercase() == *lower),
            Rule::Prefix(start) => text.is_some_and(|text| text.starts_with(start)),
            Rule::Suffix(end) => text.is_some_and(|text| text.ends_with(end)),
            Rule::AnythingBut(rules) => !rules.iter().any(|rule| rule.fits_plain(value)),
            Rule::Numeric(bounds) => value.as_f64().is_some_and(|value| bounds.iter().all(|(c, b)| c.holds(value, *b))),
            Rule::Exists(there) => *there,
        }
    }
}

/// 5 is 5.0, as in EventBridge's patterns.
fn equal(a: &Number, b: &Number) -> bool {
    a == b || a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| a == b)
}

/// `["=", 5]`, or a range: `[">", 0, "<=", 5]`.
fn bounds_of(bounds: &[Value]) -> Result<Vec<(Comparison, f64)>, String> {
    if !matches!(bounds.len(), 2 | 4) {
        return Err("numeric takes one comparison or two".to_owned());
    }
    let bound = |pair: &[Value]| {
        let comparison = match pair[0].as_str() {
            Some("=") => Comparison::Equal,
            Some("<") => Comparison::Less,
            Some("<=") => Comparison::AtMost,
            Some(">") => Comparison::More,
            Some(">=") => Comparison::AtLeast,
            _ => return Err(format!("{} is not a comparison", pair[0])),
        };
        let number = pair[1].as_f64().ok_or_else(|| format!("{} is not a number", pair[1]))?;
        Ok((comparison, number))
    };
    bounds.chunks(2).map(bound).collect()
}

impl Comparison {
    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Comparison::Equal => value == bound,
            Comparison::Less => value < bound,
            Comparison::AtMost => value <= bound,
            Comparison::More => value > bound,
            Comparison::AtLeast => value >= bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_delivered_if_it_matches_the_pattern() {
        let record = json!({
            "eventName": "MODIFY",
            "dynamodb": {
                "Keys": {"PK": {"S": "ORDER#7"}, "SK": {"S": "STATUS"}},
                "NewImage": {"total": {"N": "12.50"}, "tags": {"SS": ["new", "gift"]}, "note": {"NULL": true}},
                "SizeBytes": 512,
            },
            "nothing": null,
            "empty": "",
            "list": [{"a": 1}, {"a": 2, "b": {"c": "deep"}}],
        });
        let cases = [
            (r#"{"eventName":["MODIFY"]}"#, true),
            (r#"{"eventName":["INSERT"]}"#, false),
            (r#"{"eventName":["INSERT","MODIFY"]}"#, true),
            (r#"{"eventName":["modify"]}"#, false),
            (r#"{"eventName":[{"equals-ignore-case":"modify"}]}"#, true),
            // Everything that a pattern names must match.
            (
                r#"{"eventName":["MODIFY"],"dynamodb":{"Keys":{"PK":{"S":[{"prefix":"ORDER#"}]},"SK":{"S":["STATUS"]}}}}"#,
                true,
            ),
            (r#"{"eventName":["INSERT"],"dynamodb":{"Keys":{"PK":{"S":[{"prefix":"ORDER#"}]}}}}"#, false),
            (r#"{"dynamodb":{"Keys":{"PK":{"S":[{"prefix":"PROD#"}]}}}}"#, false),
            (r#"{"dynamodb":{"Keys":{"PK":{"S":[{"prefix":"PROD#"},{"prefix":"ORDER#"}]}}}}"#, true),
            (r##"{"dynamodb":{"Keys":{"PK":{"S":["PROD#1",{"suffix":"#7"}]}}}}"##, true),
            (r##"{"dynamodb":{"Keys":{"PK":{"S":[{"suffix":"#8"}]}}}}"##, false),
            (r#"{"dynamodb":{"Keys":{"PK":{"S":[{"prefix":""}]}}}}"#, true),
            // A number in the table is a string in a record.
            (r#"{"dynamodb":{"NewImage":{"total":{"N":["12.50"]}}}}"#, true),
            (r#"{"dynamodb":{"NewImage":{"total":{"N":[{"numeric":["=",12.5]}]}}}}"#, false),
            (r#"{"dynamodb":{"SizeBytes":[{"numeric":[">",0,"<=",512]}]}}"#, true),
            (r#"{"dynamodb":{"SizeBytes":[{"numeric":["<",512]}]}}"#, false),
            (r#"{"dynamodb":{"SizeBytes":[{"numeric":[">=",512]}]}}"#, true),
            (r#"{"dynamodb":{"SizeBytes":[{"numeric":[">",512]}]}}"#, false),
            (r#"{"dynamodb":{"SizeBytes":[{"numeric":["=",512.0]}]}}"#, true),
            (r#"{"dynamodb":{"SizeBytes":[512.0]}}"#, true),
            (r#"{"dynamodb":{"SizeBytes":["512"]}}"#, false),
            (r#"{"dynamodb":{"NewImage":{"note":{"NULL":[true]}}}}"#, true),
            // One of several values is enough.
            (r#"{"dynamodb":{"NewImage":{"tags":{"SS":["gift"]}}}}"#, true),
            (r#"{"dynamodb":{"NewImage":{"tags":{"SS":["old"]}}}}"#, false),
            (r#"{"list":{"a":[2]}}"#, true),
            (r#"{"list":{"a":[3]}}"#, false),
            (r#"{"list":{"b":{"c":[{"prefix":"de"}]}}}"#, true),
            (r#"{"nothing":[null]}"#, true),
            (r#"{"absent":[null]}"#, false),
            (r#"{"empty":[""]}"#, true),
            (r#"{"nothing":[""]}"#, false),
            (r#"{"eventName":[{"exists":true}]}"#, true),
            (r#"{"eventName":[{"exists":false}]}"#, false),
            (r#"{"absent":[{"exists":false}]}"#, true),
            (r#"{"absent":{"deeper":[{"exists":false}]}}"#, true),
            (r#"{"absent":[{"exists":true}]}"#, false),
            (r#"{"dynamodb":{"OldImage":{"total":{"N":[{"exists":false}]}}}}"#, true),
            // Only values exist, not the objects that contain them.
            (r#"{"dynamodb":{"NewImage":[{"exists":true}]}}"#, false),
            (r#"{"eventName":[{"anything-but":"INSERT"}]}"#, true),
            (r#"{"eventName":[{"anything-but":["INSERT","MODIFY"]}]}"#, false),
            (r#"{"eventName":[{"anything-but":{"prefix":"MOD"}}]}"#, false),
            (r#"{"eventName":[{"anything-but":{"suffix":"X"}}]}"#, true),
            (r#"{"dynamodb":{"SizeBytes":[{"anything-but":512}]}}"#, false),
            (r#"{"absent":[{"anything-but":"x"}]}"#, false),
            (r#"{"$or":[{"eventName":["INSERT"]},{"dynamodb":{"SizeBytes":[512]}}]}"#, true),
            (r#"{"$or":[{"eventName":["INSERT"]},{"dynamodb":{"SizeBytes":[1]}}]}"#, false),
            (r#"{"empty":["x"],"$or":[{"eventName":["MODIFY"]},{"empty":[""]}]}"#, false),
        ];

        for (pattern, expected) in cases {
            assert_eq!(Filter::parse(&[pattern]).unwrap().fits(&record), expected, "{pattern}");
        }
    }

    #[test]
    fn one_matching_pattern_is_enough_and_without_patterns_everything_matches() {
        let record = json!({"eventName": "REMOVE"});
        let (insert, remove) = (r#"{"eventName":["INSERT"]}"#, r#"{"eventName":["REMOVE"]}"#);

        assert!(Filter::parse(&[insert, remove]).unwrap().fits(&record));
        assert!(!Filter::parse(&[insert]).unwrap().fits(&record));
        assert!(Filter::parse(&[""; 0]).unwrap().fits(&record));
    }

    #[test]
    fn a_pattern_that_cannot_be_read_is_an_error() {
        let patterns = [
            "",
            "[]",
            "{}",
            r#""MODIFY""#,
            r#"{"eventName":"MODIFY"}"#,
            r#"{"eventName":[]}"#,
            r#"{"eventName":{}}"#,
            r#"{"eventName":[["MODIFY"]]}"#,
            r#"{"eventName":[{}]}"#,
            r#"{"eventName":[{"prefix":1}]}"#,
            r#"{"eventName":[{"prefix":"a","suffix":"b"}]}"#,
            r#"{"eventName":[{"like":"M%"}]}"#,
            r#"{"eventName":[{"exists":"yes"}]}"#,
            r#"{"eventName":[{"anything-but":[]}]}"#,
            r#"{"eventName":[{"anything-but":{"exists":true}}]}"#,
            r#"{"n":[{"numeric":[]}]}"#,
            r#"{"n":[{"numeric":["<"]}]}"#,
            r#"{"n":[{"numeric":["!=",1]}]}"#,
            r#"{"n":[{"numeric":["<","1"]}]}"#,
            r#"{"$or":[{"eventName":["MODIFY"]}]}"#,
        ];

        for pattern in patterns {
            assert!(Filter::parse(&[pattern]).is_err(), "{pattern}");
        }
    }
}
