use search::{Query, QueryText, Sort};

use crate::{
    catalogue::{self, Dice, SEED, filters},
    index::Index,
};

const PIECES: [&str; 34] = [
    "\"",
    "'",
    "\\",
    "(",
    ")",
    "((((((((",
    "[a TO z]",
    "{\"match_all\":{}}",
    "*",
    "?",
    "~2",
    "^99",
    "+",
    "-",
    "&&",
    "||",
    "!",
    "AND",
    "OR",
    "NOT",
    "name:",
    "_id:*",
    "/.*/",
    "<script>",
    "\u{202e}drow",
    "👩‍👩‍👧",
    "\u{e000}",
    "\u{e001}",
    "%00",
    "ß",
    "漢字 かな",
    "1e999",
    "keyboard",
    "usb",
];

fn hostile(dice: &mut Dice) -> String {
    let pieces = dice.below(12);
    let mut text = String::new();
    for _ in 0..=pieces {
        match dice.below(6) {
            0 => text.extend(char::from_u32(dice.below(0x11_0000) as u32)),
            1 => text.extend((0..dice.below(40)).map(|_| char::from(dice.below(128) as u8))),
            2 => text.push_str(&dice.pick(&PIECES).repeat(1 + dice.below(400) as usize)),
            3 => text.push(' '),
            _ => text.push_str(dice.pick(&PIECES)),
        }
    }
    text
}

#[tokio::test]
async fn whatever_is_typed_is_searched() {
    let index = Index::of(&catalogue::products()[..60]).await;
    let mut dice = Dice::new(SEED + 2);

    for _ in 0..500 {
        let Some(text) = QueryText::parse(&hostile(&mut dice)) else { continue };
        let typed = text.as_str().to_owned();
        let mut query =
            Query { text: Some(text), limit: 1 + dice.below(20) as usize, correct: dice.one_in(2), ..Query::default() };
        if dice.one_in(3) {
            query.filters = filters(&mut dice);
            query.filters.manufacturers.push(typed.clone());
            query.filters.attributes.insert(typed.clone(), vec![typed.clone()]);
            query.sort = Sort::Price;
        }

        let found = index.search(&query).await;
        query.after = found.next;
        index.search(&query).await;
        index.suggest(&typed).await;

        for hit in found.hits {
            assert!(hit.highlights.iter().all(|range| hit.name.get(range.clone()).is_some()), "{typed:?}: {hit:?}");
        }
    }
}
