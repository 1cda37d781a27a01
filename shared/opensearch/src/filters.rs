//! What a product has to be, as OpenSearch writes it.

use search::Filters;
use serde_json::{Value, json};

use crate::{product::attribute, schema::field};

/// What a product is filtered by. A facet is counted without its own filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter<'a> {
    Category,
    Price,
    Stock,
    Manufacturer,
    Attribute(&'a str),
}

/// All filters together, but `without`.
pub(crate) fn all(filters: &Filters, without: Option<Filter<'_>>) -> Value {
    let each = each(filters).into_iter().filter(|(filter, _)| Some(*filter) != without);
    let clauses: Vec<_> = each.map(|(_, clause)| clause).collect();
    if clauses.is_empty() { json!({"match_all": {}}) } else { json!({"bool": {"filter": clauses}}) }
}

fn each(filters: &Filters) -> Vec<(Filter<'_>, Value)> {
    let mut each = Vec::new();
    if let Some(category) = &filters.category {
        let clause = match category.is_empty() {
            // Every product is in the whole catalogue.
            true => json!({"match_all": {}}),
            false => json!({"term": {field::CATEGORIES: category.to_string()}}),
        };
        each.push((Filter::Category, clause));
    }
    if filters.min_price.is_some() || filters.max_price.is_some() {
        let mut range = json!({});
        let bounds = [("gte", filters.min_price), ("lte", filters.max_price)];
        bounds
            .iter()
            .filter_map(|(name, bound)| Some((name, (*bound)?)))
            .for_each(|(name, bound)| range[*name] = json!(bound));
        each.push((Filter::Price, json!({"range": {field::PRICE: range}})));
    }
    if filters.in_stock {
        each.push((Filter::Stock, json!({"term": {field::SOLD_OUT: false}})));
    }
    if !filters.manufacturers.is_empty() {
        each.push((Filter::Manufacturer, json!({"terms": {field::MANUFACTURER: filters.manufacturers}})));
    }
    for (name, values) in &filters.attributes {
        let values: Vec<_> = values.iter().map(|value| attribute(name, value)).collect();
        each.push((Filter::Attribute(name), json!({"terms": {field::ATTRIBUTES: values}})));
    }
    each
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_facet_leaves_its_own_filter_out() {
        let mut filters = Filters { in_stock: true, manufacturers: vec!["Sony".to_owned()], ..Filters::default() };
        filters.attributes.insert("colour".to_owned(), vec!["red".to_owned()]);

        let written = |without| all(&filters, without).to_string();

        assert!(["sold_out", "Sony", "red"].iter().all(|part| written(None).contains(part)));
        assert!(!written(Some(Filter::Stock)).contains("sold_out"));
        assert!(!written(Some(Filter::Attribute("colour"))).contains("red"));
        assert!(written(Some(Filter::Attribute("size"))).contains("red"));
        assert_eq!(all(&Filters::default(), None), json!({"match_all": {}}));
    }
}
