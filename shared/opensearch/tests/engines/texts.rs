use domain::CategoryPath;
use search::{Language, Query};

use crate::{
    catalogue::{self, MAKERS, NOUNS, named},
    index::{Index, text},
};

#[tokio::test]
async fn a_word_finds_every_product_that_has_it_in_its_name() {
    let products = catalogue::products();
    let index = Index::of(&products).await;

    for noun in NOUNS {
        let found = index.ids(&text(&noun.to_lowercase())).await;

        let expected: Vec<_> = products
            .iter()
            .filter(|product| product.name.contains(noun))
            .map(|product| product.id.to_string())
            .collect();
        assert_eq!(found, expected, "{noun}");
    }
}

#[tokio::test]
async fn a_plural_finds_its_singular_and_the_reverse() {
    let index = Index::of(&[named("one", "Desk Lamp"), named("many", "Table Lamps"), named("other", "Chair")]).await;

    assert_eq!(index.ids(&text("lamps")).await, ["many", "one"]);
    assert_eq!(index.ids(&text("LAMP")).await, ["many", "one"]);
}

#[tokio::test]
async fn two_words_find_one_that_is_written_together_and_the_reverse() {
    let together = Index::of(&[named("together", "Usbstick"), named("other", "Desk Lamp")]).await;
    let apart = Index::of(&[named("apart", "USB stick"), named("hyphen", "Wi-Fi Antenna")]).await;

    let corrected = |typed| Query { correct: true, ..text(typed) };
    assert_eq!(together.ids(&corrected("usb stick")).await, ["together"]);
    assert_eq!(apart.ids(&corrected("usbstick")).await, ["apart"]);
    assert_eq!(apart.ids(&corrected("wifi")).await, ["hyphen"]);
}

#[tokio::test]
async fn a_measure_is_found_in_every_spelling() {
    let index =
        Index::of(&[named("a", "Monitor 27\""), named("b", "Monitor 24 inch"), named("c", "Memory 64 GB")]).await;

    for spelling in ["27 inch", "27\"", "27-inch", "27 zoll"] {
        assert_eq!(index.search(&text(&format!("monitor {spelling}"))).await.hits[0].id.as_str(), "a", "{spelling}");
    }
    for spelling in ["64gb", "64 GB"] {
        assert_eq!(index.ids(&text(&format!("memory {spelling}"))).await, ["c"], "{spelling}");
    }
}

#[tokio::test]
async fn accents_do_not_matter() {
    let index = Index::of(&[named("a", "Café Crème"), named("b", "Tea")]).await;

    assert_eq!(index.ids(&text("cafe")).await, ["a"]);
    assert_eq!(index.ids(&text("CRÈME")).await, ["a"]);
}

#[tokio::test]
async fn a_product_is_found_by_what_is_not_in_its_name() {
    let mut lamp = named("lamp", "Model 12");
    lamp.manufacturer = Some("Borealis".to_owned());
    lamp.category = CategoryPath::new(["Lighting", "Ceiling"]).unwrap();
    lamp.attributes = vec![("material".to_owned(), "brass".to_owned())];
    lamp.description = "<p>For <em>kitchens</em>&amp;hallways</p>".to_owned();
    let index = Index::of(&[lamp, named("other", "Chair")]).await;

    for word in ["borealis", "lighting", "ceiling", "brass", "kitchens", "hallways", "borealis brass ceiling"] {
        assert_eq!(index.ids(&text(word)).await, ["lamp"], "{word}");
    }
    assert_eq!(index.ids(&text("em")).await, [""; 0]);
}

#[tokio::test]
async fn an_article_number_is_first() {
    let mut products = catalogue::products();
    products[7].attributes.push(("EAN".to_owned(), "4006381-333931".to_owned()));
    let index = Index::of(&products).await;

    for number in ["4006381333931", "4006381-333931"] {
        assert_eq!(index.search(&text(number)).await.hits[0].id, products[7].id, "{number}");
    }
    assert_eq!(index.search(&text("P042")).await.hits[0].id.as_str(), "p042");
}

#[tokio::test]
async fn a_misspelled_word_finds_what_was_meant() {
    let index = Index::of(&catalogue::products()).await;

    for typo in ["hedphones", "keybaord", "chargerr", "moniter", "rouzer", "speakre", "webcan", "primter"] {
        let found = index.search(&Query { correct: true, ..text(typo) }).await;

        assert!(found.total > 0, "{typo}");
        let meant = NOUNS.iter().find(|noun| noun.to_lowercase().as_bytes()[..2] == typo.as_bytes()[..2]).unwrap();
        assert!(found.hits[0].name.contains(meant), "{typo} finds {}", found.hits[0].name);
    }
}

#[tokio::test]
async fn a_text_of_which_nothing_has_every_word_finds_what_has_some() {
    let index = Index::of(&catalogue::products()).await;

    let found = index.search(&Query { correct: true, ..text("keyboard zzzzzz") }).await;

    assert!(found.hits[0].name.contains("Keyboard"), "{}", found.hits[0].name);
}

#[tokio::test]
async fn a_text_is_searched_as_it_is_typed_if_that_is_asked_for() {
    let index = Index::of(&catalogue::products()).await;

    let found = index.search(&text("keybaord")).await;

    assert_eq!((found.total, found.corrected), (0, None));
}

#[tokio::test]
async fn what_is_right_is_not_corrected() {
    let index = Index::of(&catalogue::products()).await;

    let found = index.search(&Query { correct: true, ..text("keyboard") }).await;

    assert_eq!(found.corrected, None);
}

#[tokio::test]
async fn highlights_are_words_of_the_name() {
    let index = Index::of(&catalogue::products()).await;
    for noun in NOUNS {
        for hit in index.search(&text(&format!("{} compact", noun.to_lowercase()))).await.hits {
            let words: Vec<_> = hit.highlights.iter().map(|range| &hit.name[range.clone()]).collect();
            assert!(words.contains(&noun), "{words:?} of {}", hit.name);
            assert!(hit.highlights.is_sorted_by(|a, b| a.end <= b.start));
        }
    }
}

#[tokio::test]
async fn suggestions_begin_with_what_is_typed() {
    let mut products = catalogue::products();
    products.push(named("x", "Umbrella"));
    let index = Index::of(&products).await;

    for noun in NOUNS {
        let typed = &noun.to_lowercase()[..4];
        let suggested = index.suggest(typed).await;
        assert!(!suggested.products.is_empty() && suggested.products.len() <= 10, "{typed}");
        assert!(suggested.products.iter().all(|product| product.name.contains(noun)), "{typed}: {suggested:?}");
    }
    assert_eq!(index.suggest("umb").await.products[0].id.as_str(), "x");
}

#[tokio::test]
async fn manufacturers_and_categories_are_suggested_with_their_counts() {
    let products = catalogue::products();
    let index = Index::of(&products).await;

    for maker in &MAKERS[..4] {
        let count = products.iter().filter(|product| product.manufacturer.as_deref() == Some(maker)).count();
        let suggested = index.suggest(&maker.to_lowercase()[..3]).await.manufacturers;
        assert_eq!(
            suggested.iter().map(|maker| (maker.value.as_str(), maker.count)).collect::<Vec<_>>(),
            [(*maker, count as u64)]
        );
    }
    let audio = CategoryPath::new(["Electronics", "Audio"]).unwrap();
    let count = products.iter().filter(|product| product.category.is_within(&audio)).count();
    assert_eq!(index.suggest("aud").await.categories, [(audio, count as u64)]);
}

#[tokio::test]
async fn a_typo_of_what_is_typed_still_suggests() {
    let index = Index::of(&catalogue::products()).await;

    let suggested = index.suggest("keybp").await;

    assert!(suggested.products.iter().any(|product| product.name.contains("Keyboard")), "{suggested:?}");
}

#[tokio::test]
async fn rules_of_the_staff_apply() {
    let products = [named("a", "Sofa red"), named("b", "Couch"), named("c", "Chair"), named("d", "Sofa blue")];
    let rules = r#"{
        "synonyms": [{"words": ["sofa", "couch"]}],
        "stopWords": ["the"],
        "queries": [{"query": "sofa", "pin": ["c", "d"], "bury": ["a"]}]
    }"#;
    let index = Index::of(&products).await.with_rules(rules);

    let ids = |hits: Vec<search::Hit>| hits.into_iter().map(|hit| hit.id.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(index.search(&text("sofa")).await.hits), ["c", "d", "b", "a"]);
    assert_eq!(index.ids(&text("the couch")).await, ["a", "b", "d"]);
    if !index.pages_scores() {
        return;
    }
    let paged = index.all(&Query { limit: 1, ..text("sofa") }).await;
    assert_eq!(ids(paged), ["c", "d", "b", "a"]);
}

#[tokio::test]
async fn an_index_in_german_is_searched() {
    let mut index = Index::open(Language::German).await;
    index.put(&[named("a", "Blauer Kopfhörer 27 Zoll"), named("b", "Tisch")]).await;

    assert_eq!(index.ids(&text("kopfhörer")).await, ["a"]);
    assert_eq!(index.ids(&text("KOPFHÖRER 27\"")).await, ["a"]);
    assert_eq!(index.ids(&text("tisch")).await, ["b"]);
    let hit = &index.search(&text("kopfhörer")).await.hits[0];
    assert_eq!(hit.highlights.iter().map(|range| &hit.name[range.clone()]).collect::<Vec<_>>(), ["Kopfhörer"]);
}
