//! What a shopper may be about to type.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    io,
};

use domain::{CategoryPath, ProductId, Timestamp};
use tantivy::{Term, columnar::StrColumn, query::FuzzyTermQuery};

use crate::{
    Language, QueryText, ValueCount,
    analysis::Analyser,
    filters::first,
    index::segment::{CardError, Doc, Segment},
    ranking::{Ranking, matching::Collection, spelling},
};

/// What a shopper has typed so far; its last word may be incomplete.
#[derive(Debug, Clone, PartialEq)]
pub struct SuggestQuery {
    pub text: QueryText,
    /// At most [`SuggestQuery::MAX_LIMIT`] of each kind are returned.
    pub limit: usize,
}

impl SuggestQuery {
    pub const MAX_LIMIT: usize = 10;
}

/// The best first, of each kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Suggestions {
    pub products: Vec<SuggestedProduct>,
    /// With the number of products in each and below.
    pub categories: Vec<(CategoryPath, u64)>,
    pub manufacturers: Vec<ValueCount>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SuggestedProduct {
    pub id: ProductId,
    pub name: String,
    pub thumbnail: Option<String>,
    /// Distinguishes a product from a deleted one that had its id.
    pub created_at: Timestamp,
}

/// A name that can be suggested, with the number of its products.
struct Named<T> {
    value: T,
    count: u64,
    words: Vec<String>,
}

/// Categories and manufacturers of an index: few enough to be compared one by one.
pub(crate) struct Suggester {
    categories: Vec<Named<CategoryPath>>,
    manufacturers: Vec<Named<String>>,
}

/// Words of a text that are looked at.
const MAX_WORDS: usize = 6;

impl Suggester {
    pub(crate) fn new(collection: &Collection, language: Language) -> io::Result<Self> {
        let analyser = Analyser::new(language);
        let words = |name: &str| analyser.words(name).into_iter().map(|word| word.surface).collect();
        let mut categories = BTreeMap::<CategoryPath, u64>::new();
        let mut manufacturers = BTreeMap::<String, u64>::new();
        for segment in &collection.segments {
            for (number, count) in counts(segment, segment.categories.as_ref()) {
                for level in segment.paths.get(number).into_iter().flat_map(CategoryPath::levels) {
                    *categories.entry(level).or_default() += count;
                }
            }
            let Some(column) = &segment.manufacturers else { continue };
            for (number, count) in counts(segment, Some(column)) {
                let mut name = String::new();
                column.ord_to_str(number as u64, &mut name)?;
                *manufacturers.entry(name).or_default() += count;
            }
        }
        let category = |(value, count): (CategoryPath, u64)| {
            let words = words(value.segments().last().map_or("", String::as_str));
            Named { value, count, words }
        };
        let manufacturer = |(value, count): (String, u64)| Named { words: words(&value), value, count };
        Ok(Self {
            categories: categories.into_iter().map(category).collect(),
            manufacturers: manufacturers.into_iter().map(manufacturer).collect(),
        })
    }

    /// Whether a word is the whole name of a manufacturer.
    pub(crate) fn is_manufacturer(&self, word: &str) -> bool {
        self.manufacturers.iter().any(|named| named.words == [word])
    }

    pub(crate) fn suggest(
        &self,
        collection: &Collection,
        analyser: &Analyser,
        query: &SuggestQuery,
    ) -> Result<Suggestions, Box<dyn std::error::Error + Send + Sync>> {
        let limit = query.limit.min(SuggestQuery::MAX_LIMIT);
        let tokens = analyser.tokens(query.text.as_str());
        let typed: Vec<String> = tokens.into_iter().take(MAX_WORDS).map(|token| token.surface).collect();
        if typed.is_empty() {
            return Ok(Suggestions::default());
        }
        let products = products(collection, &typed, limit)?;
        let products = products.into_iter().map(|(segment, doc)| {
            let card = collection.segments[segment].card(doc)?;
            let id = card.id().ok_or(CardError::Value)?;
            let created_at = card.created_at().ok_or(CardError::Value)?;
            Ok(SuggestedProduct { id, name: card.name, thumbnail: card.thumbnail, created_at })
        });
        let categories = best(&self.categories, &typed, limit).map(|named| (named.value.clone(), named.count));
        let manufacturers = best(&self.manufacturers, &typed, limit);
        Ok(Suggestions {
            products: products.collect::<Result<_, CardError>>()?,
            categories: categories.collect(),
            manufacturers: manufacturers
                .map(|named| ValueCount { value: named.value.clone(), count: named.count })
                .collect(),
        })
    }
}

/// Products by the number of their first value.
fn counts(segment: &Segment, column: Option<&StrColumn>) -> impl Iterator<Item = (usize, u64)> + use<> {
    let mut counts = vec![0; column.map_or(0, |column| column.num_terms())];
    for number in segment.docs().filter_map(|doc| first(column, doc)) {
        counts[number as usize] += 1;
    }
    counts.into_iter().enumerate().filter(|(_, count)| *count > 0)
}

/// The names whose words begin with all that was typed; if there is none, those that nearly do.
fn best<'a, T>(names: &'a [Named<T>], typed: &[String], limit: usize) -> impl Iterator<Item = &'a Named<T>> {
    let all = |named: &Named<T>, matches: fn(&str, &str) -> bool| {
        typed.iter().all(|typed| named.words.iter().any(|word| matches(word, typed)))
    };
    let begins = |word: &str, typed: &str| word.starts_with(typed);
    let mut found: Vec<_> = names.iter().filter(|named| all(named, begins)).collect();
    if found.is_empty() {
        found = names.iter().filter(|named| all(named, nearly_begins)).collect();
    }
    let is_whole = |named: &Named<T>| typed.iter().all(|typed| named.words.contains(typed));
    // Equally frequent ones stay in the order of their names.
    found.sort_by_key(|named| Reverse((is_whole(named), named.count)));
    found.into_iter().take(limit)
}

fn nearly_begins(word: &str, typed: &str) -> bool {
    let most = spelling::max_errors(typed);
    if most == 0 || !word.starts_with(|first| typed.starts_with(first)) {
        return word.starts_with(typed);
    }
    let beginning: String = word.chars().take(typed.chars().count()).collect();
    spelling::distance(&beginning, typed) <= most
}

/// Words of names that a typed word may become.
const MAX_COMPLETIONS: usize = 24;
/// Words that are looked at to find the most frequent of them.
const MAX_SCANNED: usize = 10_000;
/// A word that continues what was typed counts less than that word itself.
const CONTINUED: f32 = 0.8;
/// And one that is only similar, less again.
const SIMILAR: f32 = 0.5;

/// The best products whose names have all that was typed.
fn products(
    collection: &Collection,
    typed: &[String],
    limit: usize,
) -> Result<Vec<(usize, Doc)>, tantivy::TantivyError> {
    let ranking = Ranking::default();
    let words = typed.iter().map(|typed| completions(collection, typed)).collect::<Result<Vec<_>, _>>()?;
    let mut best: Vec<(f32, String, usize, Doc)> = Vec::new();
    for (at, segment) in collection.segments.iter().enumerate() {
        let mut scores = vec![(0_usize, 0.0_f32, 0.0_f32); segment.size()];
        for (nth, completions) in words.iter().enumerate() {
            for Completion { surface, having, weight } in completions {
                let counts = weight * ranking.rarity(*having, collection.alive);
                let term = Term::from_field_text(collection.fields.title, surface);
                segment.postings(&segment.title, &term, |doc, _| {
                    // Words before this one, what they count, and the best completion of this one so far.
                    let (seen, sum, current) = &mut scores[doc as usize];
                    if *seen == nth {
                        (*seen, *sum, *current) = (nth + 1, *sum + counts, counts);
                    } else if *seen == nth + 1 && counts > *current {
                        (*sum, *current) = (*sum - *current + counts, counts);
                    }
                })?;
            }
        }
        let matching = (0..).zip(&scores).filter(|(_, (seen, ..))| *seen == words.len());
        let length = |doc: Doc| 0.5 + segment.title_lengths.fieldnorm(doc) as f32 / 16.0;
        let by_name: Vec<(Doc, f32)> = matching.map(|(doc, (_, sum, _))| (doc, sum / length(doc))).collect();
        let mut of_segment: Vec<(f32, u64, Doc)> = Vec::new();
        for (doc, score) in contenders(by_name, limit, &ranking) {
            let (average, reviews) = (segment.rating.get_val(doc), segment.reviews.get_val(doc));
            let factor = ranking.factor(segment.sold_out.get_val(doc), average, reviews);
            of_segment.push((score * factor, segment.ids.ords().first(doc).unwrap_or_default(), doc));
        }
        let order = |a: &(f32, u64, Doc), b: &(f32, u64, Doc)| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1));
        if of_segment.len() > limit && limit > 0 {
            of_segment.select_nth_unstable_by(limit - 1, order);
        }
        of_segment.truncate(limit);
        for (score, number, doc) in of_segment {
            best.push((score, segment.id_of(number)?, at, doc));
        }
    }
    best.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    best.truncate(limit);
    Ok(best.into_iter().map(|(_, _, at, doc)| (at, doc)).collect())
}

/// Those that can be among the best once stock and reviews are looked at, which takes longer than to score names.
fn contenders(mut scored: Vec<(Doc, f32)>, limit: usize, ranking: &Ranking) -> Vec<(Doc, f32)> {
    if limit == 0 || scored.len() <= limit {
        return scored;
    }
    let (_, (_, last), _) = scored.select_nth_unstable_by(limit - 1, |a, b| b.1.total_cmp(&a.1));
    let (least, most) = (ranking.factor(true, 10, u64::MAX), ranking.factor(false, 50, u64::MAX));
    let needed = *last * least / most;
    scored.retain(|(_, score)| *score >= needed);
    scored
}

struct Completion {
    surface: String,
    having: u64,
    weight: f32,
}

/// The most frequent words that begin with what was typed, or nearly do.
fn completions(collection: &Collection, typed: &str) -> Result<Vec<Completion>, tantivy::TantivyError> {
    let mut found = BTreeMap::<String, u64>::new();
    let upper = format!("{typed}{}", char::MAX);
    for segment in &collection.segments {
        let mut frequent = Frequent::default();
        let mut stream = segment.title.terms().range().ge(typed).lt(&upper).into_stream()?;
        while stream.advance() && frequent.look_at(stream.key(), stream.value().doc_freq, typed) {}
        frequent.add_to(&mut found);
    }
    let mut weight = CONTINUED;
    if found.is_empty() && spelling::max_errors(typed) > 0 {
        weight = SIMILAR;
        // One error only: with two, too much of the dictionary is similar to a word that is not complete.
        let query = FuzzyTermQuery::new_prefix(Term::from_field_text(collection.fields.title, typed), 1, true);
        let first = typed.chars().next().map(String::from).unwrap_or_default();
        for segment in &collection.segments {
            let mut frequent = Frequent::default();
            let range = segment.title.terms().search(query.automaton()?).ge(&first).lt(format!("{first}{}", char::MAX));
            let mut stream = range.into_stream()?;
            while stream.advance() && frequent.look_at(stream.key(), stream.value().doc_freq, typed) {}
            frequent.add_to(&mut found);
        }
    }
    let weigh = |(surface, having): (String, u64)| {
        let weight = if surface == typed { 1.0 } else { weight };
        Completion { surface, having, weight }
    };
    let mut completions: Vec<_> = found.into_iter().map(weigh).collect();
    // Words that are equally frequent stay in their order.
    completions.sort_by_key(|completion| Reverse((completion.surface == typed, completion.having)));
    completions.truncate(MAX_COMPLETIONS);
    Ok(completions)
}

/// The most frequent words of a segment, and the one that was typed. Of most words only the frequency is looked at.
#[derive(Default)]
struct Frequent {
    scanned: usize,
    typed: Option<(Vec<u8>, u32)>,
    others: BinaryHeap<Reverse<(u32, Reverse<Vec<u8>>)>>,
}

impl Frequent {
    /// Whether the next word is looked at too.
    fn look_at(&mut self, word: &[u8], having: u32, typed: &str) -> bool {
        if word == typed.as_bytes() {
            self.typed = Some((word.to_vec(), having));
        } else if self.others.len() < MAX_COMPLETIONS
            || self.others.peek().is_some_and(|Reverse((least, _))| having > *least)
        {
            self.others.push(Reverse((having, Reverse(word.to_vec()))));
            if self.others.len() > MAX_COMPLETIONS {
                self.others.pop();
            }
        }
        self.scanned += 1;
        self.scanned < MAX_SCANNED
    }

    fn add_to(self, found: &mut BTreeMap<String, u64>) {
        let others = self.others.into_iter().map(|Reverse((having, Reverse(word)))| (word, having));
        for (word, having) in others.chain(self.typed) {
            *found.entry(String::from_utf8_lossy(&word).into_owned()).or_default() += u64::from(having);
        }
    }
}
