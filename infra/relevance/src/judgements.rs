//! Queries with the products that people rated for them.

use std::{collections::BTreeMap, fs, path::Path};

use crate::Outcome;

/// Ratings from 0 to 3 by the product's id.
pub type Ratings = BTreeMap<String, u32>;

#[derive(Debug)]
pub struct Judgements(BTreeMap<String, Ratings>);

impl Judgements {
    /// Reads lines of `query,product,rating`, with a head line.
    pub fn read(path: &Path) -> Outcome<Self> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut queries = BTreeMap::<String, Ratings>::new();
        for (number, line) in text.lines().enumerate().skip(1) {
            let wrong = || format!("{}: line {} is not query,product,rating", path.display(), number + 1);
            let (rest, rating) = line.trim().rsplit_once(',').ok_or_else(wrong)?;
            let (query, product) = rest.rsplit_once(',').ok_or_else(wrong)?;
            let rating: f64 = rating.parse().map_err(|_| wrong())?;
            let rating = (0..=3).find(|known| f64::from(*known) == rating.round()).ok_or_else(wrong)?;
            queries.entry(unquoted(query)).or_default().insert(unquoted(product), rating);
        }
        Ok(Self(queries))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &Ratings)> {
        self.0.iter().map(|(query, ratings)| (query.as_str(), ratings))
    }

    /// Those for which a product is relevant: for the others, every ranking is as good.
    pub fn relevant(&self) -> Vec<(&str, &Ratings)> {
        self.iter().filter(|(_, ratings)| ratings.values().any(|rating| *rating > 0)).collect()
    }

    pub fn rating(&self, query: &str, product: &str) -> Option<u32> {
        self.0.get(query)?.get(product).copied()
    }
}

/// A field of a line, which is in quotes if it has a comma or quotes itself.
fn unquoted(field: &str) -> String {
    let quoted = field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    quoted.map_or_else(|| field.to_owned(), |inner| inner.replace("\"\"", "\""))
}

/// The normalised discounted cumulative gain of the first ten products: 1 if no order would be better
/// (<https://en.wikipedia.org/wiki/Discounted_cumulative_gain>).
pub fn ndcg(found: &[String], ratings: &Ratings) -> f64 {
    let gain = |rating: u32| 2_f64.powf(f64::from(rating)) - 1.0;
    let discounted = |ratings: &mut dyn Iterator<Item = u32>| -> f64 {
        ratings.take(crate::PAGE).zip(2_u32..).map(|(rating, place)| gain(rating) / f64::from(place).log2()).sum()
    };
    let mut best: Vec<u32> = ratings.values().copied().collect();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let ideal = discounted(&mut best.into_iter());
    let reached = discounted(&mut found.iter().map(|id| ratings.get(id).copied().unwrap_or(0)));
    if ideal > 0.0 { reached / ideal } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_may_have_quotes_and_commas() {
        assert_eq!(unquoted("\"17\"\" monitor, black\""), "17\" monitor, black");
        assert_eq!(unquoted("laptop"), "laptop");
    }

    #[test]
    fn the_best_order_has_1_and_what_is_not_judged_counts_nothing() {
        let ratings = Ratings::from([("a".to_owned(), 3), ("b".to_owned(), 1), ("c".to_owned(), 0)]);
        let of = |ids: &[&str]| ndcg(&ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>(), &ratings);

        assert_eq!(of(&["a", "b", "c"]), 1.0);
        assert!(of(&["b", "a"]) < 1.0);
        assert_eq!(of(&["c", "x"]), 0.0);
        // 3 is worth 7, discounted by log2(3); 1 is worth 1: by hand.
        let expected = (7.0 / 3_f64.log2()) / (7.0 + 1.0 / 3_f64.log2());
        assert!((of(&["x", "a"]) - expected).abs() < 1e-12);
    }
}
