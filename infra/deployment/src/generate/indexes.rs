//! The table's indexes as the templates name and write them.

use serde_json::{Value, json};
use table::{
    keys::{PK, SK},
    schema::{self, Index, RangeType},
};

/// What the resources of an index are named after: `order-state-index` has `OrderStateReadTarget` and others.
pub fn prefix(index: &Index) -> String {
    let name = index.name.trim_end_matches("-index");
    // These were deployed under a shorter name. Another one would make their resources anew.
    let is_of_categories = schema::CATEGORY_INDEXES.iter().any(|category| category.name == index.name);
    let name = if is_of_categories { name.trim_end_matches("-price") } else { name };
    crate::code::name_of(name)
}

/// Every attribute that is part of a key, with its type.
pub fn attributes() -> Vec<(&'static str, &'static str)> {
    let mut attributes = vec![(PK, "S"), (SK, "S")];
    for index in schema::indexes() {
        let range_type = match index.range_type {
            RangeType::Number => "N",
            RangeType::String => "S",
        };
        for attribute in [(index.hash, "S"), (index.range, range_type)] {
            if !attributes.contains(&attribute) {
                attributes.push(attribute);
            }
        }
    }
    attributes
}

/// The table, for CDK.
pub fn json() -> Value {
    let index = |index: &Index| {
        json!({
            "prefix": prefix(index),
            "name": index.name,
            "hash": index.hash,
            "range": index.range,
            "include": index.include,
        })
    };
    let attribute = |(name, kind)| json!({"name": name, "type": kind});
    json!({
        "hash": PK,
        "range": SK,
        "attributes": attributes().into_iter().map(attribute).collect::<Vec<_>>(),
        "indexes": schema::indexes().iter().map(index).collect::<Vec<_>>(),
        "timeToLive": schema::TTL_ATTRIBUTE,
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
    }

    #[test]
    fn an_attribute_of_several_indexes_is_defined_once() {
        let attributes = attributes();

        assert_eq!(attributes.iter().filter(|(name, _)| *name == "price").count(), 1);
        assert_eq!(attributes[..2], [(PK, "S"), (SK, "S")]);
    }
}
