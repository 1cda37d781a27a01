use std::collections::BTreeSet;

use search::{Hit, Query, Sort};

use crate::{
    catalogue::{self, COUNT},
    index::{Index, text},
};

const SORTS: [Sort; 5] = [Sort::Relevance, Sort::Price, Sort::PriceDescending, Sort::Newest, Sort::Rating];

/// Whether `second` may come after `first`.
fn in_order(sort: Sort, first: &Hit, second: &Hit) -> bool {
    let price = |hit: &Hit| hit.price.amount_minor();
    let rating = |hit: &Hit| hit.average_tenths.unwrap_or(0);
    match sort {
        Sort::Relevance => true,
        Sort::Price => price(first) <= price(second),
        Sort::PriceDescending => price(first) >= price(second),
        Sort::Newest => first.created_at >= second.created_at,
        Sort::Rating => rating(first) >= rating(second),
    }
}

#[tokio::test]
async fn each_sort_pages_through_every_hit_once_and_in_order() {
    let index = Index::of(&catalogue::products()).await;

    for sort in SORTS {
        let query = Query { sort, limit: 7, ..Query::default() };

        let hits = index.all(&query).await;

        let ids: BTreeSet<_> = hits.iter().map(|hit| &hit.id).collect();
        assert_eq!((hits.len() as u64, ids.len() as u64), (COUNT, COUNT), "{sort:?}");
        assert!(hits.is_sorted_by(|a, b| in_order(sort, a, b)), "{sort:?}");
    }
}

#[tokio::test]
async fn each_sort_of_a_text_pages_through_every_hit_once_and_in_order() {
    let products = catalogue::products();
    let index = Index::of(&products).await;
    let named = products.iter().filter(|product| product.name.contains("Speaker"));
    let expected: BTreeSet<_> = named.map(|product| product.id.to_string()).collect();

    for sort in SORTS {
        // Without paging, where scores cannot be paged through.
        let limit = if sort == Sort::Relevance && !index.pages_scores() { Query::MAX_LIMIT } else { 4 };
        let query = Query { sort, limit, ..text("speaker") };

        let hits = index.all(&query).await;

        assert_eq!(hits.len(), expected.len(), "{sort:?}");
        assert_eq!(hits.iter().map(|hit| hit.id.to_string()).collect::<BTreeSet<_>>(), expected, "{sort:?}");
        assert!(hits.is_sorted_by(|a, b| in_order(sort, a, b)), "{sort:?}");
    }
}

#[tokio::test]
async fn without_a_text_the_newest_is_first() {
    let index = Index::of(&catalogue::products()).await;

    let hits = index.all(&Query { limit: 50, ..Query::default() }).await;

    assert!(hits.is_sorted_by(|a, b| in_order(Sort::Newest, a, b)));
}

#[tokio::test]
async fn a_page_goes_on_where_the_last_one_ended_though_products_come_and_go() {
    let products = catalogue::products();
    let mut index = Index::of(&products).await;
    let mut query = Query { sort: Sort::Price, limit: 10, ..Query::default() };
    let first = index.search(&query).await;
    query.after.clone_from(&first.next);
    let second = index.search(&query).await;

    let mut cheap = catalogue::named("cheap", "Cheap Lamp");
    cheap.price = catalogue::price(1);
    index.put(&[cheap]).await;
    index.delete(&[&first.hits[9].id]).await;

    let ids = |hits: &[Hit]| hits.iter().map(|hit| hit.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(&index.search(&query).await.hits), ids(&second.hits));
}

#[tokio::test]
async fn a_page_is_the_last_if_and_only_if_nothing_follows() {
    let index = Index::of(&catalogue::products()[..10]).await;

    for (limit, has_next) in [(9, true), (10, false), (11, false)] {
        let found = index.search(&Query { limit, ..Query::default() }).await;
        assert_eq!((found.next.is_some(), found.hits.len(), found.total), (has_next, limit.min(10), 10));
    }
}
