//! The tables. By default everything is in `Table`; a kind of data can have one of its own, and then what belongs to that
//! data, indexes, streams, alarms and permissions, is of its table.

use table::{
    keys::{DataKind, Partition},
    schema,
};

use crate::normalized_template::NormalizedTemplate;

/// The table of what has no table of its own.
pub const TABLE: &str = "Table";

/// The kinds of data that can have a table of their own.
pub const OWN: [DataKind; 3] = [DataKind::Catalogue, DataKind::Orders, DataKind::Sessions];

/// What the templates call a kind of data: parameters and resources begin with it.
pub const fn name_of(kind: DataKind) -> &'static str {
    match kind {
        DataKind::Catalogue => "Catalogue",
        DataKind::Orders => "Orders",
        DataKind::Sessions => "Sessions",
        DataKind::Rest => "",
    }
}

/// The table of its own that a kind of data can have, among the resources. A parameter has the shorter name.
pub const fn resource_of(kind: DataKind) -> &'static str {
    match kind {
        DataKind::Catalogue => "CatalogueDataTable",
        DataKind::Orders => "OrdersDataTable",
        DataKind::Sessions => "SessionsDataTable",
        DataKind::Rest => TABLE,
    }
}

/// The same table in the sentences of alarms.
pub const fn described(kind: DataKind) -> &'static str {
    match kind {
        DataKind::Catalogue => "the table of the catalogue",
        DataKind::Orders => "the table of orders",
        DataKind::Sessions => "the table of sessions",
        DataKind::Rest => "the table",
    }
}

/// What the alarms and the scaling of a table are named after.
pub fn prefix_of(kind: DataKind) -> String {
    name_of(kind).to_owned() + TABLE
}

/// Stands for the table that a kind of data is in, or for an attribute of it, until a deployment is known.
pub fn placeholder(kind: DataKind, attribute: &str) -> String {
    let dot = if attribute.is_empty() { "" } else { "." };
    match kind {
        DataKind::Rest => format!("${{{TABLE}{dot}{attribute}}}"),
        own => format!("${{TableOf{}{dot}{attribute}}}", name_of(own)),
    }
}

/// The kind of data that a placeholder is about, and the attribute, if any.
pub fn of_placeholder(text: &str) -> Option<(DataKind, &str)> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    let (table, attribute) = name.split_once('.').unwrap_or((name, ""));
    let kind = DataKind::ALL.into_iter().find(|kind| placeholder(*kind, "") == format!("${{{table}}}"))?;
    Some((kind, attribute))
}

/// The table that a kind of data is in, in a deployment.
pub fn holding(template: &NormalizedTemplate, kind: DataKind) -> &'static str {
    let own = resource_of(kind);
    if template.0.contains_key(own) { own } else { TABLE }
}

/// The kinds of data in a table of a deployment.
pub fn kinds_in(template: &NormalizedTemplate, table: &str) -> Vec<DataKind> {
    DataKind::ALL.into_iter().filter(|kind| holding(template, *kind) == table).collect()
}

/// The tables of a deployment.
pub fn all(template: &NormalizedTemplate) -> Vec<&'static str> {
    let own = OWN.into_iter().map(resource_of).filter(|own| template.0.contains_key(*own));
    std::iter::once(TABLE).chain(own).collect()
}

/// The kind of data that a filter pattern of the stream lets through.
pub fn kind_of_pattern(pattern: &str) -> Option<DataKind> {
    let pattern: serde_json::Value = serde_json::from_str(pattern).ok()?;
    let key = &pattern["dynamodb"]["Keys"]["PK"]["S"][0];
    Partition::of(key["prefix"].as_str().or(key.as_str())?).map(Partition::kind)
}

/// The kind of data in an index.
pub fn kind_of_index(name: &str) -> Option<DataKind> {
    schema::indexes().into_iter().find(|index| index.name == name).map(|index| index.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::MAPPINGS;

    #[test]
    fn every_pattern_of_a_mapping_is_of_one_kind_of_data() {
        for mapping in MAPPINGS {
            let kinds: Vec<_> = mapping.patterns().iter().map(|pattern| kind_of_pattern(pattern)).collect();

            assert!(!kinds.is_empty() && kinds.iter().all(Option::is_some), "{}: {kinds:?}", mapping.function);
        }
        assert_eq!(kind_of_pattern(r#"{"dynamodb":{"Keys":{"PK":{"S":["CATALOG"]}}}}"#), Some(DataKind::Catalogue));
        assert_eq!(kind_of_pattern(r#"{"eventName":["INSERT"]}"#), None);
    }

    #[test]
    fn a_placeholder_is_read_as_it_is_written() {
        for kind in DataKind::ALL {
            assert_eq!(of_placeholder(&placeholder(kind, "Arn")), Some((kind, "Arn")));
            assert_eq!(of_placeholder(&placeholder(kind, "")), Some((kind, "")));
        }
        assert_eq!(of_placeholder("${Key.Arn}"), None);
        assert_eq!(of_placeholder("${Table.Arn}/index/due-index"), None);
    }
}
