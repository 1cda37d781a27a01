use search::{Change, Filters, Language, Query};

use crate::{
    catalogue::{created, named, price},
    index::{Index, filtered, open_search, text},
};

#[tokio::test]
async fn a_deleted_product_is_not_found_and_one_made_again_is() {
    let (lamp, desk) = (named("p1", "Lamp"), named("p2", "Desk"));
    let mut index = Index::of(&[lamp.clone(), desk]).await;

    index.delete(&[&lamp.id]).await;
    assert_eq!(index.ids(&text("lamp")).await, [""; 0]);
    assert_eq!(index.ids(&filtered(&Filters::default())).await, ["p2"]);

    let mut again = named("p1", "Brass Lamp");
    again.created_at = created(1);
    index.put(&[again]).await;
    assert_eq!(index.ids(&text("brass lamp")).await, ["p1"]);
    assert_eq!(index.search(&Query { limit: 5, ..Query::default() }).await.total, 2);
}

#[tokio::test]
async fn deleting_what_is_not_there_changes_nothing() {
    let mut index = Index::of(&[named("p1", "Lamp")]).await;

    index.delete(&[&"p2".parse().unwrap()]).await;

    assert_eq!(index.ids(&filtered(&Filters::default())).await, ["p1"]);
}

#[tokio::test]
async fn a_new_price_stock_and_category_are_found_at_once() {
    let mut lamp = named("p1", "Lamp");
    let mut index = Index::of(&[lamp.clone(), named("p2", "Desk")]).await;
    let cheap = Filters { max_price: Some(500), ..Filters::default() };
    assert_eq!(index.ids(&filtered(&cheap)).await, [""; 0]);

    (lamp.price, lamp.sold_out, lamp.version) = (price(400), true, 2);
    lamp.category = domain::CategoryPath::new(["Light"]).unwrap();
    index.put(&[lamp.clone()]).await;

    assert_eq!(index.ids(&filtered(&cheap)).await, ["p1"]);
    assert_eq!(index.ids(&filtered(&Filters { in_stock: true, ..Filters::default() })).await, ["p2"]);
    let in_light = Filters { category: Some(lamp.category), ..Filters::default() };
    let found = index.search(&filtered(&in_light)).await;
    assert_eq!((found.total, found.hits[0].price, found.hits[0].sold_out), (1, price(400), true));
}

#[tokio::test]
async fn a_name_that_was_changed_is_not_found_by_its_old_words() {
    let mut lamp = named("p1", "Lamp");
    let mut index = Index::of(&[lamp.clone()]).await;

    (lamp.name, lamp.version) = ("Lantern".to_owned(), 2);
    index.put(&[lamp]).await;

    assert_eq!((index.ids(&text("lamp")).await, index.ids(&text("lantern")).await), (vec![], vec!["p1".to_owned()]));
}

#[tokio::test]
async fn a_change_that_comes_twice_or_late_changes_nothing() {
    let (mut old, mut new) = (named("p1", "Lamp"), named("p1", "Lantern"));
    (old.version, new.version) = (1, 2);
    let put = |document: &search::Document| Change::Put(Box::new(document.clone()));
    let mut index = Index::of(&[]).await;

    index.apply_numbered(vec![(put(&new), 20)]).await;
    index.apply_numbered(vec![(put(&new), 20), (put(&old), 10)]).await;

    assert_eq!(index.ids(&text("lantern")).await, ["p1"]);
    assert_eq!(index.ids(&text("lamp")).await, [""; 0]);
}

/// The writer of `search` is the only one of its index and is given what it reads itself, so there this cannot happen.
#[tokio::test]
async fn on_open_search_a_late_change_does_not_bring_a_deleted_product_back() {
    let mut index = Index::of(&[]).await;
    if !index.is_open_search() {
        return;
    }
    let (lamp, again) = (named("p1", "Lamp"), named("p1", "Lantern"));
    let put = |document: search::Document| Change::Put(Box::new(document));

    index.apply_numbered(vec![(put(lamp.clone()), 10), (Change::Delete(lamp.id.clone()), 20), (put(lamp), 15)]).await;
    assert_eq!(index.ids(&filtered(&Filters::default())).await, [""; 0]);

    index.apply_numbered(vec![(put(again), 30)]).await;
    assert_eq!(index.ids(&text("lantern")).await, ["p1"]);
}

#[tokio::test]
async fn on_open_search_a_rebuild_takes_the_place_of_the_index_before() {
    for language in Language::ALL {
        let Some(engine) = open_search(language).await else { return };
        let put = |id: &str, name: &str, number: u64| (Change::Put(Box::new(named(id, name))), number);
        assert_eq!(engine.current().await.unwrap(), None);
        assert!(engine.count().await.is_err());
        // Without an index nothing is written, so none is made by mistake.
        assert!(engine.apply([put("lamp", "Lamp", 1)]).await.is_err());
        assert!(engine.apply([(Change::Delete("lamp".parse().unwrap()), 2)]).await.is_err());
        assert_eq!(engine.current().await.unwrap(), None);

        let first = engine.begin_rebuild().await.unwrap();
        engine.apply_to(&first, [put("lamp", "Lamp", 1), put("gone", "Gone", 1)]).await.unwrap();
        engine.finish_rebuild(&first).await.unwrap();
        engine.refresh().await.unwrap();
        assert_eq!(engine.count().await.unwrap(), 2);

        // One that is given up, and one that is finished, with a change meanwhile.
        let given_up = engine.begin_rebuild().await.unwrap();
        engine.apply_to(&given_up, [put("wrong", "Wrong", 2)]).await.unwrap();
        let second = engine.begin_rebuild().await.unwrap();
        assert_eq!(given_up, second);
        let deletion = || [(Change::Delete("gone".parse().unwrap()), 5)];
        engine.apply(deletion()).await.unwrap();
        engine.apply_to(&second, deletion()).await.unwrap();
        engine.apply_to(&second, [put("lamp", "Lamp", 3), put("gone", "Gone", 3)]).await.unwrap();
        engine.refresh().await.unwrap();
        assert_eq!(engine.count().await.unwrap(), 1);
        engine.finish_rebuild(&second).await.unwrap();
        // Repeated, as after a lost answer.
        engine.finish_rebuild(&second).await.unwrap();
        engine.refresh().await.unwrap();

        assert_eq!(engine.current().await.unwrap(), Some(second));
        assert_eq!(engine.count().await.unwrap(), 1);
        assert!(engine.apply_to(&first, [put("lamp", "Lamp", 9)]).await.is_err(), "it is deleted");
    }
}
