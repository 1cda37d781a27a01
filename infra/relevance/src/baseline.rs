//! Plain BM25, to compare with: one field, in which the name counts three times and the manufacturer twice.

use std::collections::{BTreeSet, HashMap};

use search::Document;

pub struct Baseline {
    ids: Vec<String>,
    lengths: Vec<f64>,
    average: f64,
    postings: HashMap<String, Vec<(usize, f64)>>,
}

const SATURATION: f64 = 1.2;
const LENGTH: f64 = 0.75;

impl Baseline {
    pub fn new(documents: &[Document]) -> Self {
        let mut postings = HashMap::<String, Vec<(usize, f64)>>::new();
        let mut lengths = Vec::with_capacity(documents.len());
        for (at, document) in documents.iter().enumerate() {
            let manufacturer = document.manufacturer.as_deref().unwrap_or_default();
            let mut words = words(&format!("{0} {0} {0} {1} {1}", document.name, manufacturer));
            words.extend(self::words(&document.description));
            document.attributes.iter().for_each(|(_, value)| words.extend(self::words(value)));
            lengths.push(words.len() as f64);
            let mut counts = HashMap::<String, f64>::new();
            words.into_iter().for_each(|word| *counts.entry(word).or_default() += 1.0);
            counts.into_iter().for_each(|(word, count)| postings.entry(word).or_default().push((at, count)));
        }
        let average = lengths.iter().sum::<f64>() / lengths.len().max(1) as f64;
        let ids = documents.iter().map(|document| document.id.to_string()).collect();
        Self { ids, lengths, average, postings }
    }

    pub fn search(&self, text: &str, limit: usize) -> Vec<String> {
        let mut scores = HashMap::<usize, f64>::new();
        for word in words(text).into_iter().collect::<BTreeSet<_>>() {
            let Some(postings) = self.postings.get(&word) else { continue };
            let (all, having) = (self.ids.len() as f64, postings.len() as f64);
            let rarity = (1.0 + (all - having + 0.5) / (having + 0.5)).ln();
            for (at, count) in postings {
                let normal = 1.0 - LENGTH + LENGTH * self.lengths[*at] / self.average;
                *scores.entry(*at).or_default() += rarity * count * (SATURATION + 1.0) / (count + SATURATION * normal);
            }
        }
        let mut found: Vec<(usize, f64)> = scores.into_iter().collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| self.ids[a.0].cmp(&self.ids[b.0])));
        found.into_iter().take(limit).map(|(at, _)| self.ids[at].clone()).collect()
    }
}

/// Letters and digits, without a plural ending.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let runs = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|run| !run.is_empty());
    runs.map(singular).collect()
}

fn singular(word: &str) -> String {
    for ending in ["es", "s"] {
        let stem = word.strip_suffix(ending).filter(|stem| stem.len() >= 3);
        let letters = |stem: &&str| stem.bytes().rev().take(3).all(|b| b.is_ascii_lowercase());
        if let Some(stem) = stem.filter(letters) {
            return stem.to_owned();
        }
    }
    word.to_owned()
}
