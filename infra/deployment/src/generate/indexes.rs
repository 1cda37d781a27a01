//! Keys and indexes as the templates name and write them.

use serde_json::{Value, json};
use table::{
    keys::{DataKind, PK, SK},
    schema::{self, Index, RangeType},
};

use crate::tables;

/// What the resources of an index are named after: `order-state-index` has `OrderStateReadTarget` and others.
pub fn prefix(index: &Index) -> String {
    let name = index.name.trim_end_matches("-index");
    // These were deployed under a shorter name. Another one would make their resources anew.
    let is_of_categories = schema::CATEGORY_INDEXES.iter().any(|category| category.name == index.name);
    let name = if is_of_categories { name.trim_end_matches("-price") } else { name };
    crate::code::name_of(name)
}

/// An attribute that is part of a key.
#[derive(Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: &'static str,
    pub kind: &'static str,
    /// The data in whose indexes it is a key; empty if it is one of every table. DynamoDB refuses others.
    pub of: Vec<DataKind>,
}

/// Every attribute that is part of a key.
pub fn attributes() -> Vec<Attribute> {
    let mut attributes = Vec::from([PK, SK].map(|name| Attribute { name, kind: "S", of: Vec::new() }));
    for index in schema::indexes() {
        let range_type = match index.range_type {
            RangeType::Number => "N",
            RangeType::String => "S",
        };
        for (name, kind) in [(index.hash, "S"), (index.range, range_type)] {
            match attributes.iter_mut().find(|attribute| attribute.name == name) {
                Some(known) if known.of.contains(&index.kind) => {}
                Some(known) => known.of.push(index.kind),
                None => attributes.push(Attribute { name, kind, of: vec![index.kind] }),
            }
        }
    }
    attributes
}

/// The tables, for CDK.
pub fn json() -> Value {
    let index = |index: &Index| {
        json!({
            "prefix": prefix(index),
            "kind": tables::name_of(index.kind),
            "name": index.name,
            "hash": index.hash,
            "range": index.range,
            "include": index.include,
        })
    };
    let attribute = |Attribute { name, kind, of }: &Attribute| {
        let kinds: Vec<_> = of.iter().copied().map(tables::name_of).collect();
        json!({"name": name, "type": kind, "kinds": kinds})
    };
    let own = |kind: DataKind| {
        json!({
            "kind": tables::name_of(kind),
            "resource": tables::resource_of(kind),
            "prefix": tables::prefix_of(kind),
            "described": tables::described(kind),
        })
    };
    json!({
        "hash": PK,
        "range": SK,
        "attributes": attributes().iter().map(attribute).collect::<Vec<_>>(),
        "indexes": schema::indexes().iter().map(index).collect::<Vec<_>>(),
        "timeToLive": schema::TTL_ATTRIBUTE,
        "own": tables::OWN.map(own),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_of_indexes_keep_the_names_they_were_deployed_under() {
        let prefixes: Vec<_> = schema::indexes().iter().map(prefix).collect();

        for deployed in
            ["Category", "Category2", "Category3", "Category4", "CatalogPrice", "Featured", "Due", "OrderState"]
        {
            assert!(prefixes.iter().any(|prefix| prefix == deployed), "{deployed}: {prefixes:?}");
        }
        assert!(tables::OWN.iter().all(|kind| !prefixes.contains(&tables::prefix_of(*kind))), "{prefixes:?}");
    }

    #[test]
    fn an_attribute_of_several_indexes_is_defined_once() {
        let attributes = attributes();

        let price: Vec<_> = attributes.iter().filter(|attribute| attribute.name == "price").collect();
        assert_eq!(price, [&Attribute { name: "price", kind: "N", of: vec![DataKind::Catalogue] }]);
        assert!(attributes[..2].iter().all(|attribute| attribute.of.is_empty()), "{attributes:?}");
    }
}
