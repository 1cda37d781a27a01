//! Which products match a text, and how well.

use std::io;

use tantivy::Term;

use super::{
    ENOUGH, Ranking,
    interpretation::{Alternative, Interpretation, Slot},
};
use crate::index::{
    Fields,
    segment::{Doc, Segment},
};

/// Segments with what is true of all of them together.
pub(crate) struct Collection {
    pub(crate) segments: Vec<Segment>,
    pub(crate) fields: Fields,
    pub(crate) alive: u64,
    /// The average of the weighted lengths.
    pub(crate) average_length: f32,
}

impl Collection {
    pub(crate) fn new(segments: Vec<Segment>, fields: Fields) -> Self {
        let alive: u64 = segments.iter().map(|segment| u64::from(segment.alive())).sum();
        let length = |segment: &Segment| segment.docs().map(|doc| segment.length.get_val(doc)).sum::<u64>();
        let total: u64 = segments.iter().map(length).sum();
        let average_length = (total as f32 / alive.max(1) as f32).max(1.0);
        Self { segments, fields, alive, average_length }
    }

    pub(crate) fn stem(&self, stem: &str) -> Term {
        Term::from_field_text(self.fields.text, stem)
    }

    /// Whether a product has this stem, or had it until it was deleted. To know is cheaper than to count.
    pub(crate) fn knows(&self, stem: &str) -> io::Result<bool> {
        let term = self.stem(stem);
        for segment in &self.segments {
            if segment.text.get_term_info(&term)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Products that have this stem anywhere.
    pub(crate) fn frequency(&self, stem: &str) -> io::Result<u64> {
        let term = self.stem(stem);
        self.segments.iter().map(|segment| Ok(u64::from(segment.frequency(&segment.text, &term)?))).sum()
    }

    /// Products that have all of these stems.
    pub(crate) fn frequency_of_all(&self, stems: &[String]) -> io::Result<u64> {
        let ranking = Ranking::default();
        let mut found = 0;
        for segment in &self.segments {
            found += self.alternative(segment, stems, &ranking)?.len() as u64;
        }
        Ok(found)
    }

    /// Products of a segment that have all of these stems, with how much the rarest of them counts.
    fn alternative(&self, segment: &Segment, stems: &[String], ranking: &Ranking) -> io::Result<Vec<(Doc, f32)>> {
        let mut all: Option<Vec<(Doc, f32)>> = None;
        for stem in stems {
            let mut one = Vec::new();
            segment.postings(&segment.text, &self.stem(stem), |doc, frequency| {
                let length = segment.length.get_val(doc) as f32 / self.average_length;
                one.push((doc, ranking.occurrence(frequency as f32, length)));
            })?;
            all = Some(match all {
                None => one,
                Some(all) => merge(&all, &one, |a, b| Some(a?.min(b?))),
            });
        }
        Ok(all.unwrap_or_default())
    }

    /// Products of a segment that match a word of the text, with how much the best of its alternatives counts.
    fn slot(&self, segment: &Segment, slot: &Slot, ranking: &Ranking) -> io::Result<Vec<(Doc, f32)>> {
        let mut best: Option<Vec<(Doc, f32)>> = None;
        for Alternative { stems, weight, .. } in &slot.alternatives {
            let mut one = self.alternative(segment, stems, ranking)?;
            one.iter_mut().for_each(|(_, score)| *score *= weight);
            best = Some(match best {
                None => one,
                Some(best) => merge(&best, &one, |a, b| a.into_iter().chain(b).reduce(f32::max)),
            });
        }
        Ok(best.unwrap_or_default())
    }

    /// What each word of the text finds, by segment.
    pub(crate) fn slots(&self, slots: &[Slot], ranking: &Ranking) -> io::Result<Vec<SlotMatches>> {
        let mut found = Vec::with_capacity(slots.len());
        for slot in slots {
            let by_segment: Vec<_> =
                self.segments.iter().map(|segment| self.slot(segment, slot, ranking)).collect::<io::Result<_>>()?;
            let having = by_segment.iter().map(|docs| docs.len() as u64).sum();
            found.push(SlotMatches { by_segment, having, rarity: ranking.rarity(having, self.alive) });
        }
        Ok(found)
    }

    /// The products that match, with their scores. All have every word if there are enough of these; otherwise, those
    /// that have most of the words are among them.
    pub(crate) fn scored(
        &self,
        interpretation: &Interpretation,
        slots: &[SlotMatches],
        ranking: &Ranking,
    ) -> io::Result<Scored> {
        /// The part of the text that a product has to match, by rarity.
        const LEVELS: [f32; 5] = [0.999, 0.75, 0.5, 0.25, 0.0];
        let whole: f32 = slots.iter().map(|slot| slot.rarity).sum::<f32>().max(f32::MIN_POSITIVE);
        let mut counts = [0_u64; LEVELS.len()];
        let mut dense = Vec::with_capacity(self.segments.len());
        for (at, segment) in self.segments.iter().enumerate() {
            let mut score = vec![(0.0_f32, 0.0_f32); segment.size()];
            for slot in slots {
                for (doc, occurrence) in &slot.by_segment[at] {
                    let (sum, part) = &mut score[*doc as usize];
                    *sum += slot.rarity * occurrence;
                    *part += slot.rarity / whole;
                }
            }
            for (_, part) in score.iter().filter(|(_, part)| *part > 0.0) {
                let level = LEVELS.iter().position(|level| part >= level).unwrap_or(LEVELS.len() - 1);
                counts[level] += 1;
            }
            dense.push(score);
        }
        let complete = counts[0];
        let mut found = 0;
        let enough = |count: &u64| {
            found += count;
            found >= ENOUGH
        };
        let wanted = counts.iter().position(enough).unwrap_or(LEVELS.len() - 1);
        // If something matches well, what hardly matches is left out, however little that leaves.
        let best = counts.iter().position(|count| *count > 0).unwrap_or_default();
        let least = LEVELS[wanted.min(best + 2)];
        let sought = interpretation.sought.map(|at| &interpretation.slots[at]);
        let mut by_segment = Vec::with_capacity(dense.len());
        for (segment, score) in self.segments.iter().zip(dense) {
            let docs = (0..).zip(score).filter(|(_, (_, part))| *part > 0.0 && *part >= least);
            let mut docs: Vec<(Doc, f32)> =
                docs.map(|(doc, (sum, part))| (doc, sum * part.min(1.0).powf(ranking.coverage))).collect();
            if let Some(sought) = sought {
                self.prefer_heads(segment, sought, whole * ranking.head, &mut docs)?;
            }
            by_segment.push(docs);
        }
        Ok(Scored { by_segment, complete })
    }

    /// Adds to the products that are what is sought, as their names and categories say.
    pub(crate) fn prefer_heads(
        &self,
        segment: &Segment,
        sought: &Slot,
        more: f32,
        docs: &mut [(Doc, f32)],
    ) -> io::Result<()> {
        let mut heads: Vec<Doc> = Vec::new();
        for last in sought.alternatives.iter().filter_map(|alternative| alternative.stems.last()) {
            let term = Term::from_field_text(self.fields.head, last);
            segment.postings(&segment.head, &term, |doc, _| heads.push(doc))?;
        }
        heads.sort_unstable();
        heads.dedup();
        let mut heads = heads.into_iter().peekable();
        for (doc, score) in docs {
            while heads.next_if(|head| head < doc).is_some() {}
            if heads.peek() == Some(doc) {
                *score += more;
            }
        }
        Ok(())
    }
}

/// What one word of the text finds.
pub(crate) struct SlotMatches {
    pub(crate) by_segment: Vec<Vec<(Doc, f32)>>,
    /// Products that have the word, or an alternative to it.
    pub(crate) having: u64,
    pub(crate) rarity: f32,
}

pub(crate) struct Scored {
    /// In ascending order of the products in their segment.
    pub(crate) by_segment: Vec<Vec<(Doc, f32)>>,
    /// Products that match every word.
    pub(crate) complete: u64,
}

/// Combines two lists in ascending order; what the function returns `None` for is left out.
fn merge(
    left: &[(Doc, f32)],
    right: &[(Doc, f32)],
    combine: impl Fn(Option<f32>, Option<f32>) -> Option<f32>,
) -> Vec<(Doc, f32)> {
    let mut merged = Vec::with_capacity(left.len().max(right.len()));
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let doc = match (left.peek(), right.peek()) {
            (Some((a, _)), Some((b, _))) => *a.min(b),
            (Some((doc, _)), None) | (None, Some((doc, _))) => *doc,
            (None, None) => return merged,
        };
        let a = left.next_if(|(of, _)| *of == doc).map(|(_, score)| *score);
        let b = right.next_if(|(of, _)| *of == doc).map(|(_, score)| *score);
        merged.extend(combine(a, b).map(|score| (doc, score)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_combined_product_by_product() {
        let (left, right) = ([(1, 1.0), (3, 2.0)], [(2, 4.0), (3, 1.0)]);

        let any = merge(&left, &right, |a, b| a.into_iter().chain(b).reduce(f32::max));
        let both = merge(&left, &right, |a, b| Some(a?.min(b?)));

        assert_eq!(any, [(1, 1.0), (2, 4.0), (3, 2.0)]);
        assert_eq!(both, [(3, 1.0)]);
    }
}
