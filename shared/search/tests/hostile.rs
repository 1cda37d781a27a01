//! No text is an error, and none takes long.

mod shop;

#[path = "hostile/queries.rs"]
mod queries;

use std::time::Instant;

use search::{QueryText, Rules, SuggestQuery};
use shop::{product, query, reader};

const QUERIES: usize = 10_000;
const SEED: u64 = 15;
/// How long one query may take. Without optimisation only its result is tested.
const MOST_MILLISECONDS: u128 = 50;

#[test]
fn ten_thousand_hostile_queries_are_answered() {
    let names = ["USB lamp", "Notebook 27 inch", "Cable 4GB", "The usb cable", "Lampe für Notebook"];
    let products: Vec<_> =
        (0..300).map(|at| product(&format!("p{at}"), &format!("{} {at}", names[at % names.len()]))).collect();
    let reader = reader(&products);
    let rules = Rules::starter(search::Language::English);

    for text in queries::queries(QUERIES, SEED) {
        let started = Instant::now();

        let found = reader.search_now(&query(&text), &rules);
        if let Some(text) = QueryText::parse(&text) {
            assert!(reader.suggest_now(&SuggestQuery { text, limit: 10 }).is_ok());
        }

        assert!(found.is_ok(), "{text:?}");
        for hit in found.unwrap().hits {
            assert!(hit.highlights.iter().all(|range| hit.name.get(range.clone()).is_some()), "{text:?}");
        }
        let took = started.elapsed().as_millis();
        assert!(cfg!(debug_assertions) || took <= MOST_MILLISECONDS, "{took} ms: {text:?}");
    }
}
