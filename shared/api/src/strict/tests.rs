use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Purchase {
    pay_with: Payment,
    #[serde(default)]
    lines: Vec<Line>,
    note: Option<String>,
    #[serde(default)]
    anything: BTreeMap<String, Value>,
    size: Option<Size>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Payment {
    token: String,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Line {
    units: u32,
    back: Option<bool>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Large,
}

fn purchase(text: &str) -> Result<Purchase, (Option<String>, String)> {
    from_slice(text.as_bytes()).map_err(|unreadable| match unreadable {
        Unreadable::Mismatch(mismatch) => (mismatch.field(), mismatch.to_string()),
        Unreadable::NoJson(error) => panic!("{text}: {error}"),
    })
}

#[test]
fn a_matching_value_is_accepted() {
    let text = r#"{"payWith":{"token":"t"},"lines":[{"units":2},{"units":3,"back":true}],"note":null,
        "anything":{"a":[1,-1,1.5,{"b":null}]},"size":"large"}"#;

    let read = purchase(text).unwrap();

    let lines = vec![Line { units: 2, back: None }, Line { units: 3, back: Some(true) }];
    let anything = BTreeMap::from([("a".to_owned(), json!([1, -1, 1.5, {"b": null}]))]);
    let pay_with = Payment { token: "t".to_owned() };
    assert_eq!(read, Purchase { pay_with, lines, note: None, anything, size: Some(Size::Large) });
}

#[test]
fn an_error_is_in_terms_of_json_and_names_its_path() {
    for (text, expected) in [
        ("7", "the JSON value: must be an object"),
        (r#"[{"token":"t"}]"#, "the JSON value: must be an object"),
        ("{}", "payWith: missing field"),
        (r#"{"payWith":["t"]}"#, "payWith: must be an object"),
        (r#"{"payWith":{"token":7}}"#, "payWith.token: must be a string"),
        (r#"{"payWith":{}}"#, "payWith.token: missing field"),
        (r#"{"payWith":{"token":"t","pin":1}}"#, "payWith.pin: unknown field; accepted: token"),
        (r#"{"payWith":{"token":"t"},"lines":[{"units":1},[2]]}"#, "lines[1]: must be an object"),
        (r#"{"payWith":{"token":"t"},"lines":{}}"#, "lines: must be a list"),
        (
            r#"{"payWith":{"token":"t"},"lines":[{"units":-1}]}"#,
            "lines[0].units: must be a whole number from 0 to 4294967295",
        ),
        (r#"{"payWith":{"token":"t"},"lines":[{"units":1,"back":1}]}"#, "lines[0].back: must be true or false"),
        (r#"{"payWith":{"token":"t"},"size":"huge"}"#, "size: must be one of small, large"),
    ] {
        let (_, detail) = purchase(text).unwrap_err();

        assert_eq!(detail, expected, "{text}");
    }
}

#[test]
fn a_repeated_member_is_refused_at_every_depth_and_in_any_json() {
    for (text, field) in [
        (r#"{"payWith":{"token":"t"},"note":"a","note":"b"}"#, "note"),
        (r#"{"payWith":{"token":"t","token":"u"}}"#, "payWith.token"),
        (r#"{"payWith":{"token":"t"},"lines":[{"units":1},{"units":1,"\u0075nits":9}]}"#, "lines[1].units"),
        (r#"{"payWith":{"token":"t"},"anything":{"a":[0,{"b":1,"b":1}]}}"#, "anything.a[1].b"),
    ] {
        let (at, detail) = purchase(text).unwrap_err();

        assert_eq!((at.as_deref(), detail), (Some(field), format!("{field}: repeated field")), "{text}");
    }
}

#[test]
fn invalid_json_is_reported_as_such() {
    for text in ["", "{", "{\"a\":1}x", "{\"a\":1e999}", "\u{0}"] {
        assert!(matches!(from_slice::<Value>(text.as_bytes()), Err(Unreadable::NoJson(_))), "{text}");
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        ".{0,6}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let names = "(payWith|token|lines|units|back|note|anything|size|.{0,3})";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..4).prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// The number of objects that have a member.
fn objects(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.iter().map(objects).sum(),
        Value::Object(object) => usize::from(!object.is_empty()) + object.values().map(objects).sum::<usize>(),
        _ => 0,
    }
}

/// As text, with a member of the `nth` object repeated at its end.
fn with_a_repetition(value: &Value, nth: &mut Option<usize>) -> String {
    match value {
        Value::Array(list) => {
            let items: Vec<_> = list.iter().map(|item| with_a_repetition(item, nth)).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(object) => {
            let here = *nth == Some(0) && !object.is_empty();
            *nth = nth.and_then(|n| if object.is_empty() { Some(n) } else { n.checked_sub(1) });
            let mut members: Vec<_> = object
                .iter()
                .map(|(name, member)| format!("{}:{}", json!(name), with_a_repetition(member, nth)))
                .collect();
            let first = object.keys().next().filter(|_| here);
            members.extend(first.map(|name| format!("{}:1", json!(name))));
            format!("{{{}}}", members.join(","))
        }
        leaf => leaf.to_string(),
    }
}

proptest! {
    #[test]
    fn any_json_reads_as_serde_json_reads_it(value in any_json()) {
        let text = value.to_string();

        let strict: Value = from_slice(text.as_bytes()).unwrap();

        prop_assert_eq!(strict, serde_json::from_str::<Value>(&text).unwrap());
    }

    #[test]
    fn a_repetition_anywhere_is_refused(value in any_json(), which in any::<prop::sample::Index>()) {
        prop_assume!(objects(&value) > 0);
        let text = with_a_repetition(&value, &mut Some(which.index(objects(&value))));

        let refused = from_slice::<Value>(text.as_bytes());

        prop_assert!(matches!(refused, Err(Unreadable::Mismatch(_))), "{}", text);
    }

    #[test]
    fn everything_accepted_is_read_as_serde_json_reads_it(value in any_json(), note in any_json()) {
        let purchase = json!({"payWith": {"token": "t"}, "lines": [{"units": 1}], "anything": value.clone(), "note": note});

        for value in [value, purchase] {
            match from_value::<Purchase>(&value) {
                Ok(read) => prop_assert_eq!(read, serde_json::from_value::<Purchase>(value).unwrap()),
                Err(mismatch) => {
                    let whole = mismatch.to_string();
                    let ours = mismatch.reason;
                    for name in ["struct", "enum", "i64", "u32", "alloc::", "Purchase", "Payment", "Line", "Vec", "Option"] {
                        prop_assert!(!ours.contains(name), "{}", whole);
                    }
                }
            }
        }
    }
}
