//! Searches an index.

use std::{fmt, io, path::Path};

use domain::ProductId;
use futures::{FutureExt, future::BoxFuture};
use tantivy::{Index, Term, directory::MmapDirectory};

use super::{
    Files, OpenError, facts, language_of, open_in_memory, schema,
    segment::{CardError, Segment},
};
use crate::{
    EngineError, Found, Hit, Language, Query, QueryText, Rules, SearchEngine, SuggestQuery, Suggestions,
    analysis::Analyser,
    counting::{self, Counted},
    filters::SegmentFilters,
    ranking::{
        Ranking,
        interpretation::{Interpretation, Interpreter, Slot},
        matching::{Collection, Scored},
    },
    suggest::Suggester,
    top::{Place, Special, Top},
};

/// An index that is searched. It never changes: a new generation is a new reader.
pub struct Reader {
    collection: Collection,
    suggester: Suggester,
    analyser: Analyser,
    language: Language,
    ranking: Ranking,
}

impl Reader {
    /// The index that these files are, in memory.
    ///
    /// # Errors
    /// They were written with another schema, or are not complete.
    pub fn in_memory(files: Files) -> Result<Self, OpenError> {
        Self::over(&open_in_memory(files)?)
    }

    /// The index whose files are in this folder, mapped into memory. They must not be changed while it is open.
    ///
    /// # Errors
    /// They were written with another schema, or are not complete.
    pub fn in_folder(folder: &Path) -> Result<Self, OpenError> {
        let directory = MmapDirectory::open(folder).map_err(|error| OpenError::Damaged(error.to_string()))?;
        Self::over(&Index::open(directory)?)
    }

    fn over(index: &Index) -> Result<Self, OpenError> {
        let language = language_of(index)?;
        let (_, fields) = schema();
        let segments = index.searchable_segments()?;
        let segments = segments.iter().map(|segment| Segment::open(segment, &fields)).collect::<Result<_, _>>()?;
        let collection = Collection::new(segments, fields);
        let suggester = Suggester::new(&collection, language).map_err(|error| OpenError::Damaged(error.to_string()))?;
        Ok(Self { collection, suggester, analyser: Analyser::new(language), language, ranking: Ranking::default() })
    }

    /// Ranks by other numbers, to measure them.
    #[must_use]
    pub fn ranked_by(self, ranking: Ranking) -> Self {
        Self { ranking, ..self }
    }

    pub fn language(&self) -> Language {
        self.language
    }

    /// Products in the index.
    pub fn documents(&self) -> u64 {
        self.collection.alive
    }

    /// The numbers of the ranking.
    pub fn ranking(&self) -> &Ranking {
        &self.ranking
    }

    /// What a text is searched as, and what each of its words finds.
    fn interpret(&self, text: &QueryText, rules: &Rules, correct: bool) -> io::Result<(Interpretation, Scored)> {
        let (collection, ranking) = (&self.collection, &self.ranking);
        let interpreter = Interpreter { collection, analyser: &self.analyser, rules, ranking };
        let mut typed = interpreter.as_typed(text)?;
        // What is sought is not a manufacturer but any of its products.
        typed.sought = typed.sought.filter(|at| !self.suggester.is_manufacturer(&typed.slots[*at].surface));
        let matches = collection.slots(&typed.slots, ranking)?;
        let scored = collection.scored(&typed, &matches, ranking)?;
        if !correct {
            return Ok((typed, scored));
        }
        let having: Vec<u64> = matches.iter().map(|slot| slot.having).collect();
        match interpreter.mended(&typed, &having, scored.complete)? {
            None => Ok((typed, scored)),
            Some(mended) => {
                let matches = collection.slots(&mended.slots, ranking)?;
                let scored = collection.scored(&mended, &matches, ranking)?;
                Ok((mended, scored))
            }
        }
    }

    /// # Errors
    /// The index is damaged.
    pub fn search_now(&self, query: &Query, rules: &Rules) -> Result<Found, EngineError> {
        self.found(query, rules).map_err(|error| EngineError { context: "the index cannot be read", source: error })
    }

    fn found(&self, query: &Query, rules: &Rules) -> Result<Found, Failure> {
        let (interpretation, mut scored) = match &query.text {
            Some(text) => self.interpret(text, rules, query.correct)?,
            None => (Interpretation::default(), self.all()),
        };
        let special = self.special(query, rules, &interpretation)?;
        special.add_to(&mut scored.by_segment);

        let limit = query.limit.min(Query::MAX_LIMIT);
        let mut counted = Vec::with_capacity(self.collection.segments.len());
        let mut top = Top::new(query, &self.ranking, &special, limit + 1);
        for (at, segment) in self.collection.segments.iter().enumerate() {
            let filters = SegmentFilters::new(segment, &query.filters)?;
            let scores = &scored.by_segment[at];
            let docs: Vec<_> = scores.iter().map(|(doc, _)| (*doc, filters.failed(*doc))).collect();
            let hits =
                docs.iter().zip(scores).filter(|((_, failed), _)| *failed == 0).map(|(_, (doc, score))| (*doc, *score));
            top.add(at, segment, hits)?;
            counted.push(Counted { segment, docs });
        }
        let total = counted.iter().flat_map(|counted| &counted.docs).filter(|(_, failed)| *failed == 0).count() as u64;
        let facets = counting::facets(&counted, &query.filters)?;

        let (places, next) = top.page(limit);
        let hits: Vec<Hit> =
            places.iter().map(|place| self.hit(place, &interpretation.slots)).collect::<Result<_, _>>()?;
        let corrected = query.text.as_ref().and_then(|text| {
            let spelled = |word: &str| hits.iter().find_map(|hit| self.spelled(word, &hit.name));
            interpretation.corrected(text.as_str(), spelled)
        });
        Ok(Found { hits, total, facets, corrected, next })
    }

    /// A word as a name has it, in lower case.
    fn spelled(&self, word: &str, name: &str) -> Option<String> {
        let found = self.analyser.tokens(name).into_iter().find(|token| token.surface == word)?;
        name.get(found.start..found.end).map(str::to_lowercase)
    }

    /// Every product, for a query without text.
    fn all(&self) -> Scored {
        let by_segment = self.collection.segments.iter().map(|segment| segment.docs().map(|doc| (doc, 0.0)).collect());
        Scored { by_segment: by_segment.collect(), complete: self.collection.alive }
    }

    /// Products that are placed by something else than their score: those whose identifier the text is, pinned ones and
    /// buried ones.
    fn special(&self, query: &Query, rules: &Rules, interpretation: &Interpretation) -> io::Result<Special> {
        let mut special = Special::new(self.collection.segments.len());
        let Some(text) = &query.text else { return Ok(special) };
        let fields = &self.collection.fields;
        let rule = rules.of_query(&interpretation.stems);
        let whole = facts::identifier(text.as_str());
        for (at, segment) in self.collection.segments.iter().enumerate() {
            if !whole.is_empty() {
                let term = Term::from_field_text(fields.identifier, &whole);
                segment.postings(&segment.identifier, &term, |doc, _| special.identify(at, doc))?;
            }
            let Some(rule) = rule else { continue };
            for (nth, id) in rule.pin.iter().enumerate() {
                let term = Term::from_field_text(fields.id, id);
                segment.postings(&segment.id, &term, |doc, _| special.pin(at, doc, nth))?;
            }
            for id in &rule.bury {
                let term = Term::from_field_text(fields.id, id);
                segment.postings(&segment.id, &term, |doc, _| special.bury(at, doc))?;
            }
        }
        Ok(special)
    }

    fn hit(&self, place: &Place, slots: &[Slot]) -> Result<Hit, Failure> {
        let card = self.collection.segments[place.segment].card(place.doc)?;
        let highlights = self.highlights(&card.name, slots);
        card.into_hit(highlights).ok_or_else(|| CardError::Value.into())
    }

    /// What the index has of a product; `None` if it is not in it.
    ///
    /// # Errors
    /// The index is damaged.
    pub fn product(&self, id: &ProductId) -> Result<Option<Hit>, EngineError> {
        let read = || -> Result<Option<Hit>, Failure> {
            let Some((at, doc)) = self.place(id)? else { return Ok(None) };
            let card = self.collection.segments[at].card(doc)?;
            Ok(Some(card.into_hit(Vec::new()).ok_or(CardError::Value)?))
        };
        read().map_err(|error| EngineError { context: "the index cannot be read", source: error })
    }

    /// The segment that has a product, and its number there.
    fn place(&self, id: &ProductId) -> io::Result<Option<(usize, tantivy::DocId)>> {
        let term = Term::from_field_text(self.collection.fields.id, id.as_str());
        let mut place = None;
        for (at, segment) in self.collection.segments.iter().enumerate() {
            segment.postings(&segment.id, &term, |doc, _| place = Some((at, doc)))?;
        }
        Ok(place)
    }

    /// Where a name has words that the query stands for.
    fn highlights(&self, name: &str, slots: &[Slot]) -> Vec<std::ops::Range<usize>> {
        let stems: Vec<&String> = slots.iter().flat_map(|slot| &slot.alternatives).flat_map(|a| &a.stems).collect();
        let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
        if stems.is_empty() {
            return ranges;
        }
        for word in self.analyser.words(name) {
            if !stems.contains(&&self.analyser.stem(&word.surface)) {
                continue;
            }
            match ranges.last_mut() {
                Some(last) if word.start <= last.end => {
                    last.start = last.start.min(word.start);
                    last.end = last.end.max(word.end);
                }
                _ => ranges.push(word.start..word.end),
            }
        }
        ranges
    }

    /// Why a product has its place for a query: `None` if it is not in the index, or has nothing of the query.
    ///
    /// # Errors
    /// The index is damaged.
    pub fn explain(&self, query: &Query, rules: &Rules, id: &ProductId) -> Result<Option<Explanation>, EngineError> {
        self.explained(query, rules, id)
            .map_err(|error| EngineError { context: "the index cannot be read", source: error })
    }

    fn explained(&self, query: &Query, rules: &Rules, id: &ProductId) -> Result<Option<Explanation>, Failure> {
        let Some(text) = &query.text else { return Ok(None) };
        let (collection, ranking) = (&self.collection, &self.ranking);
        let Some((at, doc)) = self.place(id)? else { return Ok(None) };
        let (interpretation, scored) = self.interpret(text, rules, query.correct)?;
        let matches = collection.slots(&interpretation.slots, ranking)?;
        let mut parts = Vec::new();
        for (slot, found) in interpretation.slots.iter().zip(&matches) {
            let docs = &found.by_segment[at];
            let Ok(position) = docs.binary_search_by_key(&doc, |(doc, _)| *doc) else {
                parts.push((format!("{:?} is not in it", slot.surface), 0.0));
                continue;
            };
            let mut as_words = Vec::new();
            for alternative in &slot.alternatives {
                let one = Slot { alternatives: vec![alternative.clone()], ..slot.clone() };
                let alone = collection.slots(std::slice::from_ref(&one), ranking)?;
                if alone[0].by_segment[at].binary_search_by_key(&doc, |(doc, _)| *doc).is_ok() {
                    as_words.push(format!("{:?} ({})", alternative.stems.join(" "), alternative.origin));
                }
            }
            let occurrence = docs[position].1;
            let what = format!(
                "{:?} as {}: occurrence {occurrence:.2}, times rarity {:.2}, because {} of {} products have it",
                slot.surface,
                as_words.join(" or "),
                found.rarity,
                found.having,
                collection.alive
            );
            parts.push((what, occurrence * found.rarity));
        }
        if let Some(sought) = interpretation.sought.map(|at| &interpretation.slots[at]) {
            let whole: f32 = matches.iter().map(|slot| slot.rarity).sum();
            let mut more = [(doc, 0.0)];
            collection.prefer_heads(&collection.segments[at], sought, whole * ranking.head, &mut more)?;
            parts.push((format!("is itself {:?}, and no accessory of it", sought.surface), more[0].1));
        }
        let scores = &scored.by_segment[at];
        let score = scores.binary_search_by_key(&doc, |(doc, _)| *doc).ok().map(|position| scores[position].1);
        let segment = &collection.segments[at];
        let factor =
            ranking.factor(segment.sold_out.get_val(doc), segment.rating.get_val(doc), segment.reviews.get_val(doc));
        let special = self.special(query, rules, &interpretation)?;
        Ok(Some(Explanation {
            parts,
            score: score.map(|score| score * factor),
            factor,
            place: special.reason(at, doc),
            corrected: interpretation.corrected(text.as_str(), |_| None),
        }))
    }
}

/// The parts of a product's score, in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What each word of the query adds.
    pub parts: Vec<(String, f32)>,
    /// `None`: it has too few of the words to be found.
    pub score: Option<f32>,
    /// What the sum was multiplied by for stock and reviews.
    pub factor: f32,
    /// Why it is placed by something else than its score.
    pub place: Option<&'static str>,
    /// The text that was searched instead.
    pub corrected: Option<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(corrected) = &self.corrected {
            writeln!(f, "searched as {corrected:?}")?;
        }
        for (what, adds) in &self.parts {
            writeln!(f, "{adds:>8.2}  {what}")?;
        }
        writeln!(f, "{:>8.2}  times this for stock and reviews", self.factor)?;
        match self.score {
            Some(score) => writeln!(f, "{score:>8.2}  score, less where words are missing")?,
            None => writeln!(f, "not found: products with more of the words are enough")?,
        }
        match self.place {
            Some(place) => writeln!(f, "placed because it is {place}"),
            None => Ok(()),
        }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl SearchEngine for Reader {
    fn search<'a>(&'a self, query: &'a Query, rules: &'a Rules) -> BoxFuture<'a, Result<Found, EngineError>> {
        async move { self.search_now(query, rules) }.boxed()
    }

    fn suggest<'a>(&'a self, query: &'a SuggestQuery) -> BoxFuture<'a, Result<Suggestions, EngineError>> {
        async move { self.suggest_now(query) }.boxed()
    }
}

impl Reader {
    /// # Errors
    /// The index is damaged.
    pub fn suggest_now(&self, query: &SuggestQuery) -> Result<Suggestions, EngineError> {
        let found = self.suggester.suggest(&self.collection, &self.analyser, query);
        found.map_err(|error| EngineError { context: "the index cannot be read", source: error })
    }
}
