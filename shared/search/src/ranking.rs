//! How products are ranked: the numbers, and the steps from a text to scored products.

pub(crate) mod interpretation;
pub(crate) mod matching;
pub(crate) mod spelling;

/// The numbers of the ranking. `Default` has those that `docs/search.md` measures; others are for measuring only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranking {
    /// How fast more occurrences of a word stop counting (BM25's k1).
    pub saturation: f32,
    /// How much a long text lessens an occurrence, 0 to 1 (BM25's b).
    pub length: f32,
    /// What a synonym counts.
    pub synonym: f32,
    /// What two words written as one count, and one written as two.
    pub joined: f32,
    /// What a number counts where another unit follows.
    pub other_unit: f32,
    /// What a correction counts beside the word as it was typed.
    pub correction: f32,
    /// How much a product that has only some of the words is moved down: the exponent of the part that it has.
    pub coverage: f32,
    /// What a product counts more that is what the text seeks, and not an accessory of it: a part of the rarity of all words.
    pub head: f32,
    /// What a product counts that is sold out.
    pub sold_out: f32,
    /// How much five stars move a product up, and one star down, with many reviews.
    pub rating: f32,
}

impl Default for Ranking {
    fn default() -> Self {
        Self {
            saturation: 1.2,
            length: 0.6,
            synonym: 0.9,
            joined: 0.7,
            other_unit: 0.4,
            correction: 0.8,
            coverage: 0.3,
            head: 0.18,
            sold_out: 0.8,
            rating: 0.05,
        }
    }
}

/// As many products as a first page has: with fewer that have every word, those that have most of them are found too.
pub(crate) const ENOUGH: u64 = 10;

impl Ranking {
    /// How much an occurrence counts, from 0 to `saturation + 1`: `frequency` is weighted by place, `length` is the text's
    /// in relation to the average (<https://en.wikipedia.org/wiki/Okapi_BM25>).
    pub(crate) fn occurrence(&self, frequency: f32, length: f32) -> f32 {
        let normal = 1.0 - self.length + self.length * length;
        frequency * (self.saturation + 1.0) / (frequency + self.saturation * normal)
    }

    /// How much a word counts by how many of the products have it.
    pub(crate) fn rarity(&self, having: u64, of: u64) -> f32 {
        let (having, of) = (having as f32, of as f32);
        (1.0 + (of - having + 0.5) / (having + 0.5)).ln()
    }

    /// What a score is multiplied by for stock and reviews.
    pub(crate) fn factor(&self, sold_out: bool, average_tenths: u64, reviews: u64) -> f32 {
        /// Reviews that count as many.
        const MANY: f32 = 10.0;
        /// Between one and five stars.
        const MIDDLE_TENTHS: f32 = 30.0;
        let certainty = (reviews as f32 / MANY).min(1.0);
        let stars = if average_tenths == 0 { 0.0 } else { (average_tenths as f32 - MIDDLE_TENTHS) / 20.0 };
        (1.0 + self.rating * certainty * stars) * if sold_out { self.sold_out } else { 1.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stock_and_reviews_move_a_product_a_little() {
        let ranking = Ranking::default();

        assert!(ranking.factor(true, 50, 100) < ranking.factor(false, 10, 100));
        assert!(ranking.factor(false, 50, 2) < ranking.factor(false, 50, 10));
        assert_eq!(ranking.factor(false, 0, 0), 1.0);
        assert!((0.9..1.1).contains(&ranking.factor(false, 50, 1_000)));
    }

    #[test]
    fn a_rare_word_counts_more_and_repetition_saturates() {
        let ranking = Ranking::default();

        assert!(ranking.rarity(1, 1_000) > ranking.rarity(500, 1_000));
        assert!(ranking.rarity(1_000, 1_000) > 0.0);
        assert!(ranking.occurrence(2.0, 1.0) > ranking.occurrence(1.0, 1.0));
        assert!(ranking.occurrence(1_000.0, 1.0) < ranking.saturation + 1.0);
        assert!(ranking.occurrence(1.0, 0.5) > ranking.occurrence(1.0, 2.0));
    }
}
