//! The hits of one page, in order.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    io,
};

use crate::{
    Position, Query, Sort, SortValue,
    index::segment::{Doc, Segment},
    ranking::Ranking,
};

/// Where a hit is in the index, and by what it is sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) segment: usize,
    pub(crate) doc: Doc,
    value: SortValue,
    id: String,
}

/// Products that are placed by something else than their score, by segment.
pub(crate) struct Special(Vec<BTreeMap<Doc, Rank>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// In this place of those that are pinned.
    Pinned(usize),
    Identified,
    Buried,
}

/// Scores become whole numbers, so that a position can be written down and compared exactly.
const SCALE: f32 = 10_000.0;
/// More than any score is.
const APART: i64 = 1 << 40;

impl Special {
    pub(crate) fn new(segments: usize) -> Self {
        Self(vec![BTreeMap::new(); segments])
    }

    pub(crate) fn identify(&mut self, segment: usize, doc: Doc) {
        self.0[segment].entry(doc).or_insert(Rank::Identified);
    }

    pub(crate) fn pin(&mut self, segment: usize, doc: Doc, nth: usize) {
        self.0[segment].insert(doc, Rank::Pinned(nth));
    }

    pub(crate) fn bury(&mut self, segment: usize, doc: Doc) {
        self.0[segment].insert(doc, Rank::Buried);
    }

    /// Adds those that are first to what the text found; the lists stay in order.
    pub(crate) fn add_to(&self, found: &mut [Vec<(Doc, f32)>]) {
        for (special, found) in self.0.iter().zip(found) {
            for (doc, _) in special.iter().filter(|(_, rank)| **rank != Rank::Buried) {
                if let Err(at) = found.binary_search_by_key(doc, |(doc, _)| *doc) {
                    found.insert(at, (*doc, 0.0));
                }
            }
        }
    }

    pub(crate) fn reason(&self, segment: usize, doc: Doc) -> Option<&'static str> {
        self.0[segment].get(&doc).map(|rank| match rank {
            Rank::Pinned(_) => "pinned for this query",
            Rank::Identified => "what has this identifier",
            Rank::Buried => "buried for this query",
        })
    }

    fn value(&self, segment: usize, doc: Doc, score: f32) -> i64 {
        let value = (score * SCALE).round() as i64;
        match self.0[segment].get(&doc) {
            None => value,
            // Rules have fewer entries than that.
            Some(Rank::Pinned(nth)) => 3 * APART - *nth as i64,
            Some(Rank::Identified) => APART + value,
            Some(Rank::Buried) => value - APART,
        }
    }
}

/// Collects the best hits after a position.
pub(crate) struct Top<'a> {
    sort: Sort,
    after: Option<&'a Position>,
    ranking: &'a Ranking,
    special: &'a Special,
    most: usize,
    places: Vec<Place>,
}

impl<'a> Top<'a> {
    pub(crate) fn new(query: &'a Query, ranking: &'a Ranking, special: &'a Special, most: usize) -> Self {
        let sort = match query.sort {
            Sort::Relevance if query.text.is_none() => Sort::Newest,
            sort => sort,
        };
        Self { sort, after: query.after.as_ref(), ranking, special, most, places: Vec::new() }
    }

    pub(crate) fn add(
        &mut self,
        at: usize,
        segment: &Segment,
        hits: impl Iterator<Item = (Doc, f32)>,
    ) -> io::Result<()> {
        let after = match self.after {
            None => None,
            Some(position) => Some((position.value, number_after(segment, &position.id)?)),
        };
        // The numbers of ids in a segment are in the order of the ids. The least is on top, to be replaced.
        let mut best: BinaryHeap<Reverse<(SortValue, Reverse<u64>, Doc)>> = BinaryHeap::with_capacity(self.most + 1);
        for (doc, score) in hits {
            let value = self.value(at, segment, doc, score);
            if best.len() == self.most && best.peek().is_some_and(|Reverse((least, ..))| value < *least) {
                continue;
            }
            let number = segment.ids.ords().first(doc).unwrap_or_default();
            let is_before = after.is_some_and(|(last, next)| value > last || value == last && number < next);
            if is_before {
                continue;
            }
            best.push(Reverse((value, Reverse(number), doc)));
            if best.len() > self.most {
                best.pop();
            }
        }
        for Reverse((value, Reverse(number), doc)) in best {
            self.places.push(Place { segment: at, doc, value, id: segment.id_of(number)? });
        }
        Ok(())
    }

    fn value(&self, at: usize, segment: &Segment, doc: Doc, score: f32) -> SortValue {
        let rating = || (segment.rating.get_val(doc), segment.reviews.get_val(doc));
        SortValue(match self.sort {
            Sort::Relevance => {
                let (average, reviews) = rating();
                let factor = self.ranking.factor(segment.sold_out.get_val(doc), average, reviews);
                self.special.value(at, doc, score * factor)
            }
            Sort::Price => -segment.price.get_val(doc),
            Sort::PriceDescending => segment.price.get_val(doc),
            Sort::Newest => segment.created.get_val(doc),
            // Of the same average, what more people have reviewed is first.
            Sort::Rating => {
                let (average, reviews) = rating();
                (average as i64) << 40 | reviews.min((1 << 40) - 1) as i64
            }
        })
    }

    /// The best of all segments, and where this page ends if there is another one.
    pub(crate) fn page(mut self, limit: usize) -> (Vec<Place>, Option<Position>) {
        self.places.sort_by(|a, b| b.value.cmp(&a.value).then_with(|| a.id.cmp(&b.id)));
        let is_more = self.places.len() > limit;
        self.places.truncate(limit);
        let last = self.places.last().filter(|_| is_more);
        let next = last.map(|place| Position { value: place.value, id: place.id.clone() });
        (self.places, next)
    }
}

/// The number of the first id of a segment that is larger than this one.
fn number_after(segment: &Segment, id: &str) -> io::Result<u64> {
    let (mut low, mut high) = (0, segment.ids.num_terms() as u64);
    while low < high {
        let middle = low + (high - low) / 2;
        if segment.id_of(middle)?.as_str() <= id {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
