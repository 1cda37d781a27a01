//! Whatever is indexed and asked: counts agree with counting, pages with the whole, and the order of changes matters to
//! nothing.

mod shop;

use std::collections::{BTreeMap, BTreeSet};

use domain::{CategoryPath, Currency, Money, Timestamp};
use proptest::prelude::*;
use search::{
    CategoryCount, Change, Document, Facets, Files, Filters, Found, Language, Query, Reader, Rules, Sort, ValueCount,
    Writer,
};
use shop::{product, put, query, reader};

const WORDS: [&str; 8] = ["lamp", "lamps", "red", "desk", "usb", "stick", "27 inch", "table"];
const MAKERS: [&str; 3] = ["Acme", "Böll", "Potter & Sons"];
const CATEGORIES: [&str; 5] = ["", "Home", "Home/Lamps", "Home/Lamps/Desk", "Office"];
const COLOURS: [&str; 3] = ["red", "blue", "green"];

/// Words, manufacturer and category by their numbers, attributes, and the numbers of a product.
type Drawn = (Vec<usize>, Option<usize>, usize, BTreeMap<String, usize>, (i64, bool, u64, u64, i64));

fn documents(most: usize) -> impl Strategy<Value = Vec<Document>> {
    let one = (
        prop::collection::vec(0..WORDS.len(), 1..4),
        prop::option::of(0..MAKERS.len()),
        0..CATEGORIES.len(),
        prop::collection::btree_map("(colour|size|material)", 0..COLOURS.len(), 0..3),
        (0..2_000_i64, any::<bool>(), 0..5_u64, 10..51_u64, 0..4_i64),
    );
    prop::collection::vec(one, 1..most).prop_map(|all| {
        let document = |(at, (words, maker, category, attributes, numbers)): (usize, Drawn)| {
            let (price, sold_out, reviews, average, day) = numbers;
            let words: Vec<_> = words.into_iter().map(|word| WORDS[word]).collect();
            Document {
                manufacturer: maker.map(|maker| MAKERS[maker].to_owned()),
                category: Some(CATEGORIES[category])
                    .filter(|path| !path.is_empty())
                    .map(CategoryPath::stored)
                    .unwrap_or_default(),
                attributes: attributes.into_iter().map(|(name, value)| (name, COLOURS[value].to_owned())).collect(),
                price: Money::price(price, Currency::USD).expect("a price"),
                list_price: Money::price(price, Currency::USD).expect("a price"),
                sold_out,
                reviews,
                average_tenths: (reviews > 0).then_some(average),
                created_at: Timestamp::from_second(day * 86_400).expect("a time"),
                ..product(&format!("p{at}"), &words.join(" "))
            }
        };
        all.into_iter().enumerate().map(document).collect()
    })
}

fn filters() -> impl Strategy<Value = Filters> {
    let attribute = prop::collection::btree_map(
        "(colour|size)",
        prop::collection::vec(prop::sample::select(COLOURS.to_vec()), 1..3),
        0..3,
    );
    (
        prop::option::of(1..CATEGORIES.len()),
        prop::option::of(0..1_000_i64),
        prop::option::of(500..2_000_i64),
        any::<bool>(),
        prop::collection::vec(prop::sample::select(MAKERS.to_vec()), 0..3),
        attribute,
    )
        .prop_map(|(category, min_price, max_price, in_stock, manufacturers, attributes)| Filters {
            category: category.map(|at| CategoryPath::stored(CATEGORIES[at])),
            min_price,
            max_price,
            in_stock,
            manufacturers: manufacturers.into_iter().map(str::to_owned).collect(),
            attributes: attributes
                .into_iter()
                .map(|(name, values)| (name, values.into_iter().map(str::to_owned).collect()))
                .collect(),
        })
}

fn sorts() -> impl Strategy<Value = Sort> {
    prop::sample::select(vec![Sort::Relevance, Sort::Price, Sort::PriceDescending, Sort::Newest, Sort::Rating])
}

fn texts() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..3).prop_map(|words| words.join(" "))
}

/// Whether a product passes all filters but one, in the test's own words.
fn passes(document: &Document, filters: &Filters, except: &str) -> bool {
    let price = document.price.amount_minor();
    let category =
        filters.category.as_ref().is_none_or(|sought| document.category.segments().starts_with(sought.segments()));
    let in_price = filters.min_price.is_none_or(|min| min <= price) && filters.max_price.is_none_or(|max| price <= max);
    let maker = document.manufacturer.as_ref().is_some_and(|maker| filters.manufacturers.contains(maker));
    (except == "category" || category)
        && (except == "price" || in_price)
        && (except == "stock" || !filters.in_stock || !document.sold_out)
        && (except == "manufacturer" || filters.manufacturers.is_empty() || maker)
        && filters.attributes.iter().all(|(name, values)| {
            except == name || document.attributes.iter().any(|(of, value)| of == name && values.contains(value))
        })
}

fn counted<'a>(values: impl Iterator<Item = &'a String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    values.for_each(|value| *counts.entry(value.clone()).or_default() += 1);
    counts
}

fn as_map(values: &[ValueCount]) -> BTreeMap<String, u64> {
    values.iter().map(|value| (value.value.clone(), value.count)).collect()
}

fn flat(categories: &[CategoryCount]) -> BTreeMap<CategoryPath, u64> {
    categories
        .iter()
        .flat_map(|category| flat(&category.below).into_iter().chain([(category.path.clone(), category.count)]))
        .collect()
}

/// Compares facets with counting the products that match the text.
fn agree(facets: &Facets, matching: &[&Document], filters: &Filters) -> Result<(), TestCaseError> {
    let pass = |except: &'static str| matching.iter().filter(move |document| passes(document, filters, except));
    let mut categories = BTreeMap::new();
    pass("category")
        .flat_map(|document| document.category.levels())
        .for_each(|path| *categories.entry(path).or_default() += 1);
    prop_assert_eq!(flat(&facets.categories), categories);
    prop_assert_eq!(
        as_map(&facets.manufacturers),
        counted(pass("manufacturer").filter_map(|document| document.manufacturer.as_ref()))
    );
    prop_assert_eq!(facets.in_stock, pass("stock").filter(|document| !document.sold_out).count() as u64);
    for range in &facets.prices {
        let is_in = |document: &&&Document| {
            let price = document.price.amount_minor();
            range.from <= price && range.below.is_none_or(|below| price < below)
        };
        prop_assert_eq!(range.count, pass("price").filter(is_in).count() as u64);
    }
    prop_assert_eq!(facets.prices.iter().map(|range| range.count).sum::<u64>(), pass("price").count() as u64);
    for rating in &facets.rating {
        let is_in = |document: &&&Document| document.average_tenths.is_some_and(|average| average >= rating.stars * 10);
        prop_assert_eq!(rating.count, pass("").filter(is_in).count() as u64);
    }
    for facet in &facets.attributes {
        let name: &'static str = if filters.attributes.contains_key(&facet.name) { name_of(&facet.name) } else { "" };
        let of_name = |document: &&&Document| {
            document.attributes.iter().find(|(of, _)| *of == facet.name).map(|(_, value)| value.clone())
        };
        let values: Vec<String> = pass(name).filter_map(|document| of_name(&document)).collect();
        prop_assert_eq!(as_map(&facet.values), counted(values.iter()));
    }
    for name in filters.attributes.keys() {
        prop_assert!(facets.attributes.iter().any(|facet| facet.name == *name));
    }
    Ok(())
}

fn name_of(name: &str) -> &'static str {
    if name == "colour" { "colour" } else { "size" }
}

fn all(reader: &Reader, query: &Query) -> Found {
    reader.search_now(query, &Rules::default()).expect("an index in memory")
}

/// Without numbers and hits that depend on nothing but the products.
fn shown(found: &Found) -> (Vec<String>, u64, Facets) {
    (found.hits.iter().map(|hit| hit.id.to_string()).collect(), found.total, found.facets.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn facets_and_totals_agree_with_counting(documents in documents(30), filters in filters(), text in texts(), sort in sorts()) {
        let reader = reader(&documents);
        let unfiltered = all(&reader, &query(&text));
        let matching: BTreeSet<_> = unfiltered.hits.iter().map(|hit| hit.id.to_string()).collect();
        let matching: Vec<_> = documents.iter().filter(|document| matching.contains(document.id.as_str())).collect();

        let found = all(&reader, &Query { filters: filters.clone(), sort, ..query(&text) });

        let expected: BTreeSet<_> = matching.iter().filter(|document| passes(document, &filters, "")).map(|document| &document.id).collect();
        prop_assert_eq!(found.hits.iter().map(|hit| &hit.id).collect::<BTreeSet<_>>(), expected.clone());
        prop_assert_eq!(found.total, expected.len() as u64);
        agree(&found.facets, &matching, &filters)?;
    }

    #[test]
    fn pages_have_each_hit_once_and_in_the_same_order(documents in documents(30), text in texts(), sort in sorts(), limit in 1..7_usize) {
        let reader = reader(&documents);
        let whole = all(&reader, &Query { sort, ..query(&text) });

        let mut page = Query { sort, limit, ..query(&text) };
        let mut hits = Vec::new();
        loop {
            let found = all(&reader, &page);
            prop_assert!(found.hits.len() <= limit);
            prop_assert_eq!(found.total, whole.total);
            hits.extend(found.hits);
            match found.next {
                // A position survives being written down.
                Some(next) => page.after = Some(serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap()),
                None => break,
            }
        }

        prop_assert_eq!(hits, whole.hits);
    }

    #[test]
    fn the_order_of_changes_and_commits_does_not_matter(
        documents in documents(20),
        deleted in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        order in any::<u64>(),
        commits in 1..5_usize,
        text in texts(),
    ) {
        let deleted: BTreeSet<_> = deleted.iter().map(|index| index.get(&documents).id.clone()).collect();
        let left: Vec<_> = documents.iter().filter(|document| !deleted.contains(&document.id)).cloned().collect();
        // Each product once as it was before, once as it is now; in an order of its own.
        let before = |document: &Document| Document { name: "Something else".to_owned(), version: 0, ..document.clone() };
        let mut changes: Vec<Document> = documents.iter().flat_map(|document| [before(document), document.clone()]).collect();
        changes.sort_by_key(|document| (document.id.as_str().len() as u64 + document.version).wrapping_mul(order | 1).rotate_left(7) ^ order.rotate_left(document.id.as_str().bytes().last().unwrap_or(0).into()));
        let mut files: Option<Files> = None;
        for part in changes.chunks(changes.len().div_ceil(commits)) {
            let mut writer = files.take().map_or_else(|| Writer::create(Language::English), |files| Writer::open(files).unwrap());
            writer.apply(part.iter().map(put)).unwrap();
            files = Some(writer.commit().unwrap());
        }
        let mut writer = Writer::open(files.unwrap()).unwrap();
        writer.apply(deleted.iter().cloned().map(Change::Delete)).unwrap();
        let changed = Reader::in_memory(writer.commit().unwrap()).unwrap();
        let made_at_once = reader(&left);

        prop_assert_eq!(changed.documents(), left.len() as u64);
        for text in [text.as_str(), "lmap", ""] {
            let sought = query(text);
            prop_assert_eq!(shown(&all(&changed, &sought)), shown(&all(&made_at_once, &sought)), "{}", text);
        }
    }
}
