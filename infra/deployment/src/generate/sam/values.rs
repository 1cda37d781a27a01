//! Values of SAM's template, as YAML, and the conditions that they depend on.

use std::collections::BTreeSet;

use serde_json::Value;
use table::keys::DataKind;

use crate::{
    generate::environment::LISTS,
    tables::{OWN, TABLE, name_of, of_placeholder, placeholder, resource_of},
};

pub const NOTHING: &str = "!Ref AWS::NoValue";

/// Whether a kind of data has a table of its own.
pub fn has_own(kind: DataKind) -> String {
    format!("Has{}Table", name_of(kind))
}

/// Whether the capacity of a kind's own table, or of the table, is provisioned.
pub fn is_provisioned(kind: DataKind) -> String {
    format!("{}Provisioned", name_of(kind))
}

/// Whether the capacity of the table that a kind of data is in is provisioned, and so that of the kind's indexes.
pub fn indexes_are_provisioned(kind: DataKind) -> String {
    format!("{}IndexesProvisioned", name_of(kind))
}

/// Whether some of these kinds of data have no table of their own.
pub fn are_in_table(kinds: &BTreeSet<DataKind>) -> String {
    let names: Vec<_> = kinds.iter().copied().map(name_of).collect();
    names.join("Or") + "InTable"
}

/// A reference to a resource, or to an attribute of it.
fn reference(resource: &str, attribute: &str) -> String {
    if attribute.is_empty() { format!("!Ref {resource}") } else { format!("!GetAtt {resource}.{attribute}") }
}

/// The table that a kind of data is in, or an attribute of it.
pub fn table(kind: DataKind, attribute: &str) -> String {
    let shared = reference(TABLE, attribute);
    match kind {
        DataKind::Rest => shared,
        own => format!("!If [{}, {}, {shared}]", has_own(own), reference(resource_of(own), attribute)),
    }
}

/// A value that there is only if some of these kinds of data are in the table; without any kind, always.
pub fn in_table(kinds: &BTreeSet<DataKind>, value: &str) -> String {
    match kinds.iter().collect::<Vec<_>>().as_slice() {
        [] => value.to_owned(),
        _ if kinds.contains(&DataKind::Rest) => value.to_owned(),
        [one] => format!("!If [{}, {NOTHING}, {value}]", has_own(**one)),
        _ => format!("!If [{}, {value}, {NOTHING}]", are_in_table(kinds)),
    }
}

/// JSON on one line of YAML.
pub fn flow(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let order = ["Sid", "Effect", "Action", "Resource", "Condition"];
            let place = |name: &str| order.iter().position(|other| *other == name).unwrap_or(order.len());
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| place(name));
            let members: Vec<_> = members.into_iter().map(|(name, value)| format!("{name}: {}", flow(value))).collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => match all_tables(items) {
            Some((kinds, attribute)) => tables(&kinds, attribute),
            None => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        },
        Value::String(text) => scalar(text),
        plain => plain.to_string(),
    }
}

/// The kinds of data of a list that only has tables, and the attribute that it has of each.
fn all_tables(items: &[Value]) -> Option<(BTreeSet<DataKind>, &str)> {
    let tables: Option<Vec<_>> = items.iter().map(|item| of_placeholder(item.as_str()?)).collect();
    let tables = tables?;
    let (_, attribute) = *tables.first()?;
    let kinds = tables.iter().map(|(kind, _)| *kind).collect();
    tables.iter().all(|(_, other)| *other == attribute).then_some((kinds, attribute))
}

/// Every table that one of these kinds is in, once.
fn tables(kinds: &BTreeSet<DataKind>, attribute: &str) -> String {
    let own = kinds.iter().filter(|kind| **kind != DataKind::Rest);
    let own =
        own.map(|kind| format!("!If [{}, {}, {NOTHING}]", has_own(*kind), reference(resource_of(*kind), attribute)));
    let all: Vec<_> = std::iter::once(in_table(kinds, &reference(TABLE, attribute))).chain(own).collect();
    format!("[{}]", all.join(", "))
}

/// A text in which `${Table}` and `${Table.Arn}` stand for what they name, and `${TableOfOrders}` for the table that orders
/// are in.
pub fn scalar(text: &str) -> String {
    if let Some((kind, attribute)) = of_placeholder(text) {
        return table(kind, attribute);
    }
    if let Some((within, variables)) = with_variables(text) {
        return format!("!Sub ['{within}', {{{variables}}}]");
    }
    let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).filter(|name| !name.contains('}'));
    match whole {
        Some(name) if LISTS.contains(&name) => format!("!Join [',', !Ref {name}]"),
        Some(name) if name.contains('.') => format!("!GetAtt {name}"),
        Some(name) => format!("!Ref {name}"),
        None if text.contains("${") => format!("!Sub '{text}'"),
        None if text.chars().all(|c| c.is_ascii_alphanumeric() || ":-_".contains(c)) => text.to_owned(),
        None => format!("'{text}'"),
    }
}

/// The text with a variable for each table of a kind of data in it, and the variables; `None` if there is no such table.
pub fn with_variables(text: &str) -> Option<(String, String)> {
    let (mut within, mut variables) = (text.to_owned(), Vec::new());
    for kind in OWN {
        for attribute in ["", "Arn"] {
            let (of_table, variable) = (placeholder(kind, attribute), format!("TableOf{}{attribute}", name_of(kind)));
            if within.contains(&of_table) {
                within = within.replace(&of_table, &format!("${{{variable}}}"));
                variables.push(format!("{variable}: {}", table(kind, attribute)));
            }
        }
    }
    (!variables.is_empty()).then(|| (within, variables.join(", ")))
}

/// Lines that stand deeper.
pub fn indented(text: &str, spaces: usize) -> String {
    text.lines().map(|line| format!("{:spaces$}{line}\n", "")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_becomes_a_reference() {
        assert_eq!(scalar("${Table}"), "!Ref Table");
        assert_eq!(scalar("${Table.Arn}"), "!GetAtt Table.Arn");
        assert_eq!(scalar("${AllowedOrigins}"), "!Join [',', !Ref AllowedOrigins]");
        assert_eq!(scalar("${A},${B}"), "!Sub '${A},${B}'");
        assert_eq!(scalar("stripe"), "stripe");
        assert_eq!(scalar("*"), "'*'");
    }

    #[test]
    fn a_statement_is_one_line_in_the_usual_order() {
        let statement = json!({
            "Resource": "${Table.Arn}", "Action": ["dynamodb:Query"], "Sid": "Query", "Effect": "Allow",
            "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["PROD#*"]}},
        });

        let line = flow(&statement);

        let expected = "{Sid: Query, Effect: Allow, Action: [dynamodb:Query], Resource: !GetAtt Table.Arn, \
                        Condition: {ForAllValues:StringLike: {dynamodb:LeadingKeys: ['PROD#*']}}}";
        assert_eq!(line, expected);
    }

    #[test]
    fn the_table_of_a_kind_of_data_is_its_own_or_the_table() {
        assert_eq!(scalar("${TableOfOrders}"), "!If [HasOrdersTable, !Ref OrdersDataTable, !Ref Table]");
        assert_eq!(
            scalar("${TableOfOrders.Arn}/index/due-index"),
            "!Sub ['${TableOfOrdersArn}/index/due-index', {TableOfOrdersArn: !If [HasOrdersTable, !GetAtt \
             OrdersDataTable.Arn, !GetAtt Table.Arn]}]"
        );
    }

    #[test]
    fn a_list_of_tables_has_each_once() {
        let of = |kinds: &[DataKind]| flow(&kinds.iter().map(|kind| placeholder(*kind, "Arn")).collect::<Value>());

        assert_eq!(
            of(&[DataKind::Rest, DataKind::Orders]),
            "[!GetAtt Table.Arn, !If [HasOrdersTable, !GetAtt OrdersDataTable.Arn, !Ref AWS::NoValue]]"
        );
        assert_eq!(
            of(&[DataKind::Catalogue, DataKind::Orders]),
            "[!If [CatalogueOrOrdersInTable, !GetAtt Table.Arn, !Ref AWS::NoValue], !If [HasCatalogueTable, !GetAtt \
             CatalogueDataTable.Arn, !Ref AWS::NoValue], !If [HasOrdersTable, !GetAtt OrdersDataTable.Arn, !Ref \
             AWS::NoValue]]"
        );
    }

    #[test]
    fn what_belongs_to_a_kind_of_data_is_in_the_table_while_the_data_is() {
        let kinds = BTreeSet::from([DataKind::Catalogue, DataKind::Sessions]);

        assert_eq!(in_table(&BTreeSet::new(), "x"), "x");
        assert_eq!(in_table(&BTreeSet::from([DataKind::Rest, DataKind::Orders]), "x"), "x");
        assert_eq!(in_table(&BTreeSet::from([DataKind::Orders]), "x"), "!If [HasOrdersTable, !Ref AWS::NoValue, x]");
        assert_eq!(in_table(&kinds, "x"), "!If [CatalogueOrSessionsInTable, x, !Ref AWS::NoValue]");
    }
}
