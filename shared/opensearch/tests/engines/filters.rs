use search::Filters;

use crate::{
    catalogue::{self, Dice, SEED, filters, passes},
    index::{Index, filtered},
};

#[tokio::test]
async fn each_filter_leaves_exactly_what_passes_it() {
    let products = catalogue::products();
    let index = Index::of(&products).await;
    let mut dice = Dice::new(SEED);

    for _ in 0..60 {
        let filters = filters(&mut dice);

        let found = index.ids(&filtered(&filters)).await;

        let mut expected: Vec<_> =
            products.iter().filter(|product| passes(product, &filters)).map(|product| product.id.to_string()).collect();
        expected.sort();
        assert_eq!(found, expected, "{filters:?}");
        assert_eq!(index.search(&filtered(&filters)).await.total, expected.len() as u64, "{filters:?}");
    }
}

#[tokio::test]
async fn a_text_and_filters_both_apply() {
    let products = catalogue::products();
    let index = Index::of(&products).await;
    let filters = Filters { in_stock: true, max_price: Some(5_000), ..Filters::default() };

    let mut query = crate::index::text("keyboard");
    query.filters = filters.clone();
    let found = index.ids(&query).await;

    let named = products.iter().filter(|product| product.name.contains("Keyboard") && passes(product, &filters));
    let expected: Vec<_> = named.map(|product| product.id.to_string()).collect();
    assert!(!expected.is_empty());
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_hit_shows_the_product_as_it_was_indexed() {
    let products = catalogue::products();
    let index = Index::of(&products).await;

    for hit in index.all(&filtered(&Filters::default())).await {
        let product = products.iter().find(|product| product.id == hit.id).unwrap();
        assert_eq!(
            (&hit.name, &hit.manufacturer, &hit.category),
            (&product.name, &product.manufacturer, &product.category)
        );
        assert_eq!((hit.price, &hit.thumbnail, hit.sold_out), (product.price, &product.thumbnail, product.sold_out));
        assert_eq!((hit.reviews, hit.average_tenths), (product.reviews, product.average_tenths));
        assert_eq!((hit.created_at, hit.version), (product.created_at, product.version));
    }
}
