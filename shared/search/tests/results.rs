//! What is found, and in which order.

mod shop;

use domain::{CategoryPath, Timestamp};
use search::{Document, Files, Language, OpenError, Query, QueryText, Reader, Rules, SuggestQuery, Writer};
use shop::{filler, found, german, ids, indexed, product, put, query, reader, search};

#[test]
fn a_plural_finds_its_singular() {
    let reader = reader(&[product("one", "Wireless headphone"), product("two", "AA batteries"), filler(1)]);

    assert_eq!(found(&reader, "headphones"), ["one"]);
    assert_eq!(found(&reader, "battery"), ["two"]);
    assert_eq!(search(&reader, "headphones").corrected, None);
}

#[test]
fn a_compound_is_found_as_two_words_and_two_words_as_a_compound() {
    let reader = reader(&[product("two", "USB stick 64 GB"), product("one", "Usbstick 32 GB"), filler(1)]);

    for text in ["usb stick", "usbstick", "USB-Stick"] {
        let mut both = found(&reader, text);
        both.sort();
        assert_eq!(both, ["one", "two"], "{text}");
    }
}

#[test]
fn a_number_is_found_with_its_unit_in_every_spelling() {
    let reader = reader(&[product("screen", "Monitor 27\""), product("disk", "Disk 4 TB"), filler(1)]);

    for text in ["27 inch", "27\"", "27 zoll", "27in", "27-inch monitor"] {
        assert_eq!(found(&reader, text)[0], "screen", "{text}");
    }
    assert_eq!(found(&reader, "4tb"), ["disk"]);
}

#[test]
fn letters_with_a_number_are_found_together_and_apart() {
    let reader = reader(&[product("apart", "iPhone 8 case"), product("together", "iPhone8 case"), filler(8)]);

    for text in ["iphone 8", "iphone8"] {
        let both = found(&reader, text);
        assert_eq!((both.len(), both.contains(&"apart".to_owned())), (2, true), "{text}: {both:?}");
    }
}

#[test]
fn accents_do_not_matter_and_an_umlaut_may_be_written_with_an_e() {
    let english = reader(&[product("cafe", "Café table"), filler(1)]);
    let german = german(&[product("headphones", "Kopfhörer schwarz"), product("lamps", "Grüne Lampen"), filler(1)]);

    assert_eq!(found(&english, "cafe"), ["cafe"]);
    assert_eq!(found(&english, "CAFÉ"), ["cafe"]);
    for text in ["Kopfhörer", "kopfhoerer", "KOPFHORER"] {
        assert_eq!(found(&german, text), ["headphones"], "{text}");
    }
    assert_eq!(found(&german, "grüne lampe"), ["lamps"]);
}

#[test]
fn the_product_with_an_identifier_is_first() {
    let mut sought = product("sku-1", "Cable");
    sought.attributes =
        vec![("ean".to_owned(), "0095205603217".to_owned()), ("sku".to_owned(), "006R-90321".to_owned())];
    let mut other = product("other", "Cable 006R90321 0095205603217 for sku-1 sku-1");
    other.description = "sku-1 ".repeat(20);
    let reader = reader(&[sought, other, filler(1)]);

    for text in ["0095205603217", "006R90321", "006r-90321", "sku-1", "SKU 1"] {
        assert_eq!(found(&reader, text)[0], "sku-1", "{text}");
    }
}

#[test]
fn a_word_counts_more_in_the_name_than_in_the_description() {
    let mut described = product("described", "Desk");
    described.description = "<p>Has room for a <b>lamp</b>.</p>".to_owned();
    let reader = reader(&[described, product("named", "Lamp"), filler(1)]);

    assert_eq!(found(&reader, "lamp"), ["named", "described"]);
}

#[test]
fn a_thing_is_before_its_accessories() {
    let mut in_category = product("in-category", "Aspire 5");
    in_category.category = CategoryPath::parse("Computers/Notebooks").unwrap();
    let accessories = ["Targus red notebook sleeve", "Red sleeve for notebook", "Targus red notebook lock"];
    let mut all: Vec<Document> =
        (0..).zip(accessories).map(|(at, name)| product(&format!("accessory-{at}"), name)).collect();
    all.extend([
        product("notebook", "Elite 840 Notebook Black"),
        product("pc", "Compaq 530 Notebook PC"),
        in_category,
        filler(1),
    ]);
    let reader = reader(&all);

    let mut first = found(&reader, "notebook")[..3].to_vec();
    first.sort();
    assert_eq!(first, ["in-category", "notebook", "pc"]);
    assert_eq!(found(&reader, "notebook sleeve")[0], "accessory-0");
}

#[test]
fn what_is_in_stock_is_before_what_is_sold_out_and_the_better_rated_first() {
    let lamp = |id: &str, sold_out, average_tenths| Document {
        sold_out,
        reviews: 30,
        average_tenths: Some(average_tenths),
        ..product(id, "Lamp")
    };
    let reader =
        reader(&[lamp("a-sold-out", true, 50), lamp("b-poor", false, 20), lamp("c-good", false, 50), filler(1)]);

    assert_eq!(found(&reader, "lamp"), ["c-good", "b-poor", "a-sold-out"]);
}

#[test]
fn equally_good_products_are_in_the_order_of_their_ids() {
    let reader = reader(&["c", "a", "b"].map(|id| product(id, "Lamp")));

    assert_eq!(found(&reader, "lamp"), ["a", "b", "c"]);
}

#[test]
fn a_misspelled_word_is_corrected_unless_that_is_declined() {
    let reader = reader(&[product("headset", "Gaming headset"), product("mouse", "Gaming mouse"), filler(1)]);

    for text in ["hedset", "headdset", "haedset", "headsrt"] {
        let found = search(&reader, text);
        assert_eq!((ids(&found), found.corrected.as_deref()), (vec!["headset"], Some("headset")), "{text}");
    }
    assert_eq!(search(&reader, "gaming hedset").corrected.as_deref(), Some("gaming headset"));
    assert_eq!(search(&reader, "27\" Gaming-Hedset!").corrected.as_deref(), Some("27\" Gaming-headset!"));
    let german = german(&[product("phones", "Kopfhörer"), filler(1)]);
    assert_eq!(search(&german, "kopfhorre").corrected.as_deref(), Some("kopfhörer"));
    let as_typed = Query { correct: false, ..query("hedset") };
    let found = reader.search_now(&as_typed, &Rules::default()).unwrap();
    assert_eq!((found.total, found.corrected), (0, None));
}

#[test]
fn a_word_that_is_there_is_not_corrected() {
    let mut all: Vec<_> = (0..30).map(|at| product(&format!("case-{at}"), "Phone case")).collect();
    all.push(product("vase", "Glass vase"));
    let reader = reader(&all);

    let found = search(&reader, "case");

    assert_eq!((found.total, found.corrected), (30, None));
}

#[test]
fn products_with_all_words_are_found_alone_if_they_are_enough() {
    let named = |name: &str, count: usize| {
        let slug = name.to_lowercase().replace(' ', "-");
        (0..count).map(|at| product(&format!("{slug}-{at:02}"), name)).collect::<Vec<_>>()
    };
    let many = reader(&[named("Red lamp", 12), named("Red chair", 1), named("Table lamp", 6)].concat());
    let few = reader(&[named("Red lamp", 3), named("Red chair", 1), named("Table lamp", 6)].concat());

    assert_eq!(search(&many, "red lamp").total, 12);
    // The rarer word is most of the text; the common one alone is not.
    assert_eq!(found(&few, "red lamp"), ["red-lamp-00", "red-lamp-01", "red-lamp-02", "red-chair-00"]);
}

#[test]
fn rules_add_synonyms_leave_out_words_and_place_products() {
    let json = r#"{
        "synonyms": [{"words": ["power bank", "external battery"]}, {"from": ["telly"], "to": ["tv"]}],
        "stopWords": ["the"],
        "queries": [{"query": "lamps", "pin": ["tv", "lamp-2"], "bury": ["lamp-1"]}]
    }"#;
    let rules = Rules::parse(json.as_bytes(), Language::English).unwrap();
    let reader = reader(&[
        product("battery", "External battery"),
        product("tv", "LCD TV"),
        product("lamp-1", "Lamp lamp lamp"),
        product("lamp-2", "Desk lamp"),
        product("lamp-3", "Wall lamp"),
        filler(1),
    ]);
    let found = |text: &str| {
        let found = reader.search_now(&query(text), &rules).unwrap();
        ids(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };

    assert_eq!(found("power bank"), ["battery"]);
    assert_eq!(found("telly"), ["tv"]);
    assert_eq!(found("the telly"), ["tv"]);
    assert_eq!(found("lamp"), ["tv", "lamp-2", "lamp-3", "lamp-1"]);
    let page = |limit| reader.search_now(&Query { limit, ..query("lamp") }, &rules).unwrap();
    let rest = Query { after: page(1).next, ..query("lamp") };
    assert_eq!(ids(&reader.search_now(&rest, &rules).unwrap()), ["lamp-2", "lamp-3", "lamp-1"]);
}

#[test]
fn what_matches_in_a_name_is_highlighted() {
    let reader = reader(&[product("phones", "Über-Headphones, USB stick (blue)"), filler(1)]);
    let highlighted = |text: &str| {
        let found = search(&reader, text);
        let hit = &found.hits[0];
        hit.highlights.iter().map(|range| hit.name[range.clone()].to_owned()).collect::<Vec<_>>()
    };

    assert_eq!(highlighted("headphone"), ["Headphones"]);
    assert_eq!(highlighted("stick uber blue"), ["Über", "stick", "blue"]);
    assert_eq!(highlighted("hedphones"), ["Headphones"]);
}

#[test]
fn without_a_text_the_newest_are_first() {
    let created = |id: &str, at: &str| Document { created_at: at.parse::<Timestamp>().unwrap(), ..product(id, "Lamp") };
    let reader = reader(&[created("old", "2020-01-01T00:00:00Z"), created("new", "2026-01-01T00:00:00Z")]);

    let all = Query { text: None, ..query("") };

    assert_eq!(ids(&reader.search_now(&all, &Rules::default()).unwrap()), ["new", "old"]);
}

#[test]
fn suggestions_complete_what_was_typed_and_forgive_an_error() {
    let mut headset = product("headset", "Gaming headset");
    headset.manufacturer = Some("Headway".to_owned());
    headset.category = CategoryPath::parse("Audio/Headsets").unwrap();
    let reader = reader(&[headset, product("mouse", "Gaming mouse"), filler(1)]);
    let suggest = |text: &str| {
        let text = QueryText::parse(text).unwrap();
        reader.suggest_now(&SuggestQuery { text, limit: 10 }).unwrap()
    };
    let names = |text: &str| suggest(text).products.into_iter().map(|product| product.name).collect::<Vec<_>>();

    assert_eq!(names("gam").len(), 2);
    assert_eq!(names("gaming h"), ["Gaming headset"]);
    assert_eq!(names("headsett"), ["Gaming headset"]);
    assert_eq!(names("haeds"), ["Gaming headset"]);
    assert_eq!(suggest("head").categories[0].0.to_string(), "Audio/Headsets");
    assert_eq!(suggest("headw").manufacturers[0].value, "Headway");
    assert_eq!(names("!"), [""; 0]);
}

#[test]
fn a_score_is_explained_in_words() {
    let reader = reader(&[product("stick", "USB stick"), filler(1)]);
    let explain = |text: &str, id: &str| {
        reader.explain(&query(text), &Rules::default(), &id.parse().unwrap()).unwrap().map(|why| why.to_string())
    };

    let why = explain("usb stik", "stick").unwrap();

    assert!(why.contains("searched as \"usb stick\""), "{why}");
    assert!(why.contains("\"stick\" (corrected)"), "{why}");
    assert!(why.contains("no accessory of it"), "{why}");
    assert_eq!(explain("usb", "unknown"), None);
    assert!(explain("usb", "filler-1").unwrap().contains("not found"));
}

#[test]
fn an_index_with_another_schema_is_refused() {
    let mut files = indexed(Language::English, &[product("one", "Lamp")]);
    let meta = String::from_utf8(files["meta.json"].to_vec()).unwrap();
    let hash = search::schema_hash(Language::English);
    files.insert("meta.json".to_owned(), meta.replace(&hash, "0123456789abcdef").into());

    let refused =
        |error: OpenError| matches!(error, OpenError::OtherSchema { found, .. } if found == "0123456789abcdef");

    assert!(refused(Reader::in_memory(files.clone()).err().unwrap()));
    assert!(refused(Writer::open(files).err().unwrap()));
}

#[test]
fn an_index_that_is_not_complete_is_damaged() {
    let files = indexed(Language::English, &[product("one", "Lamp")]);
    let damaged = |files: &Files| matches!(Reader::in_memory(files.clone()), Err(OpenError::Damaged(_)));

    for name in files.keys().filter(|name| !name.ends_with(".pos")) {
        let mut incomplete = files.clone();
        incomplete.remove(name);
        assert!(damaged(&incomplete), "without {name}");
    }
    assert!(matches!(Writer::open(Files::new()), Err(OpenError::Damaged(_))));
}

#[test]
fn an_index_is_read_from_a_folder_as_from_memory() {
    let files = indexed(Language::English, &[product("one", "Lamp"), filler(1)]);
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in &files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }

    let reader = Reader::in_folder(folder.path()).unwrap();

    assert_eq!((reader.documents(), found(&reader, "lamp")), (2, vec!["one".to_owned()]));
}

#[test]
fn files_keep_their_names_and_a_name_its_content() {
    let mut generations = vec![indexed(Language::English, &(0..20).map(filler).collect::<Vec<_>>())];
    for version in 2..8 {
        // Twice from the same generation, as when an upload failed.
        for attempt in 0..2 {
            let mut writer = Writer::open(generations[generations.len() - 1 - attempt].clone()).unwrap();
            writer.apply((0..3).map(|at| put(&Document { version: version + at, ..filler(at as usize) }))).unwrap();
            generations.push(writer.commit().unwrap());
        }
    }

    let mut contents = std::collections::BTreeMap::new();
    for (name, content) in generations.into_iter().flatten().filter(|(name, _)| name != "meta.json") {
        let first = contents.entry(name.clone()).or_insert_with(|| content.clone());
        assert_eq!(*first, content, "{name} has two contents");
    }
}

#[test]
fn an_older_state_does_not_replace_a_later_one() {
    let at = |version, name: &str| Document { version, ..product("one", name) };
    let created_again = Document { created_at: "2026-01-01T00:00:00Z".parse().unwrap(), ..at(1, "Chair") };
    let after = |changes: &[Document]| {
        let mut files = indexed(Language::English, &[at(5, "Lamp")]);
        for change in changes {
            let mut writer = Writer::open(files).unwrap();
            writer.apply([put(change)]).unwrap();
            files = writer.commit().unwrap();
        }
        let reader = Reader::in_memory(files).unwrap();
        let found = reader.search_now(&Query { text: None, ..query("") }, &Rules::default()).unwrap();
        found.hits.into_iter().map(|hit| hit.name).collect::<Vec<_>>()
    };

    assert_eq!(after(&[at(4, "Table")]), ["Lamp"]);
    assert_eq!(after(&[at(6, "Table")]), ["Table"]);
    assert_eq!(after(&[at(7, "Table"), at(6, "Stool")]), ["Table"]);
    // A product that was deleted and created again starts with version 1.
    assert_eq!(after(&[created_again]), ["Chair"]);
}
