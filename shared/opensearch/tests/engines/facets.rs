use std::collections::BTreeMap;

use search::{CategoryCount, Document, Facets, Filters, Query, ValueCount};

use crate::{
    catalogue::{self, Dice, SEED, filters, passes},
    index::{Index, filtered, text},
};

/// Which products are counted: those that pass all filters but the facet's own.
type Passing<'a> = dyn Fn(&dyn Fn(&mut Filters)) -> Vec<&'a Document> + 'a;

#[tokio::test]
async fn each_facet_counts_without_its_own_filter() {
    let products = catalogue::products();
    let index = Index::of(&products).await;
    let mut dice = Dice::new(SEED + 1);

    for _ in 0..60 {
        let filters = filters(&mut dice);
        let facets = index.search(&filtered(&filters)).await.facets;
        check(&facets, &filters, &products);
    }
}

#[tokio::test]
async fn facets_of_a_text_count_what_it_finds() {
    let products = catalogue::products();
    let index = Index::of(&products).await;
    let query = Query { filters: Filters { in_stock: true, ..Filters::default() }, ..text("monitor") };

    let facets = index.search(&query).await.facets;

    let named: Vec<_> = products.into_iter().filter(|product| product.name.contains("Monitor")).collect();
    check(&facets, &query.filters, &named);
}

fn check(facets: &Facets, filters: &Filters, products: &[Document]) {
    let passing = |change: &dyn Fn(&mut Filters)| {
        let mut others = filters.clone();
        change(&mut others);
        products.iter().filter(|product| passes(product, &others)).collect::<Vec<_>>()
    };
    check_categories(&facets.categories, &passing, filters);
    check_manufacturers(&facets.manufacturers, &passing, filters);
    check_prices(facets, &passing, filters);
    let in_stock = passing(&|filters| filters.in_stock = false).iter().filter(|product| !product.sold_out).count();
    assert_eq!(facets.in_stock, in_stock as u64, "{filters:?}");
    check_ratings(facets, &passing, filters);
    check_attributes(facets, &passing, filters);
}

fn check_categories(counts: &[CategoryCount], passing: &Passing<'_>, filters: &Filters) {
    let counted = passing(&|filters| filters.category = None);
    let mut expected = BTreeMap::new();
    for level in counted.iter().flat_map(|product| product.category.levels()) {
        *expected.entry(level.to_string()).or_default() += 1;
    }
    let mut found = BTreeMap::new();
    let mut left: Vec<_> = counts.iter().collect();
    while let Some(CategoryCount { path, count, below }) = left.pop() {
        assert!(below.iter().all(|child| child.path.parent().as_ref() == Some(path)));
        found.insert(path.to_string(), *count);
        left.extend(below);
    }
    assert_eq!(found, expected, "{filters:?}");
}

fn check_manufacturers(counts: &[ValueCount], passing: &Passing<'_>, filters: &Filters) {
    let counted = passing(&|filters| filters.manufacturers.clear());
    let expected = frequencies(counted.iter().filter_map(|product| product.manufacturer.as_deref()));
    assert_eq!(by_value(counts), expected, "{filters:?}");
    assert!(counts.is_sorted_by(|a, b| a.count >= b.count));
}

fn check_prices(facets: &Facets, passing: &Passing<'_>, filters: &Filters) {
    let counted = passing(&|filters| (filters.min_price, filters.max_price) = (None, None));
    for range in &facets.prices {
        let is_in = |price: i64| price >= range.from && range.below.is_none_or(|below| price < below);
        let expected = counted.iter().filter(|product| is_in(product.price.amount_minor())).count();
        assert_eq!(range.count, expected as u64, "{range:?} of {filters:?}");
        assert!(range.count > 0);
    }
    assert_eq!(facets.prices.iter().map(|range| range.count).sum::<u64>(), counted.len() as u64, "{filters:?}");
    assert!(facets.prices.is_sorted_by_key(|range| range.from));
}

fn check_ratings(facets: &Facets, passing: &Passing<'_>, filters: &Filters) {
    let counted = passing(&|_| ());
    for stars in 1..=4 {
        let is_rated = |product: &&&Document| product.average_tenths.is_some_and(|tenths| tenths >= stars * 10);
        let expected = counted.iter().filter(is_rated).count() as u64;
        let found = facets.rating.iter().find(|rating| rating.stars == stars).map_or(0, |rating| rating.count);
        assert_eq!(found, expected, "{stars} stars of {filters:?}");
    }
}

fn check_attributes(facets: &Facets, passing: &Passing<'_>, filters: &Filters) {
    for name in filters.attributes.keys() {
        assert!(facets.attributes.iter().any(|facet| facet.name == *name), "{name} of {filters:?}");
    }
    for facet in &facets.attributes {
        let counted = passing(&|filters| drop(filters.attributes.remove(&facet.name)));
        let attributes = counted.iter().flat_map(|product| &product.attributes);
        let expected = frequencies(attributes.filter(|(name, _)| *name == facet.name).map(|(_, value)| value.as_str()));
        assert_eq!(by_value(&facet.values), expected, "{} of {filters:?}", facet.name);
    }
}

fn by_value(counts: &[ValueCount]) -> BTreeMap<&str, u64> {
    counts.iter().map(|ValueCount { value, count }| (value.as_str(), *count)).collect()
}

fn frequencies<'a>(values: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, u64> {
    let mut frequencies = BTreeMap::new();
    values.for_each(|value| *frequencies.entry(value).or_default() += 1);
    frequencies
}

#[tokio::test]
async fn a_rare_value_is_shown_if_it_is_filtered_by() {
    let mut products = Vec::new();
    for maker in 0..30 {
        for nth in 0..2 + u64::from(maker < 25) {
            let mut product = catalogue::named(&format!("m{maker}-{nth}"), "Lamp");
            product.manufacturer = Some(format!("Maker {maker:02}"));
            products.push(product);
        }
    }
    let index = Index::of(&products).await;
    let filters = Filters { manufacturers: vec!["Maker 29".to_owned()], ..Filters::default() };

    let facets = index.search(&filtered(&filters)).await.facets;

    let shown = facets.manufacturers.iter().find(|maker| maker.value == "Maker 29");
    assert_eq!(shown.map(|maker| maker.count), Some(2));
}
