//! Chooses the numbers of the ranking on some queries and tries them on the others, to see how much of what is reached is
//! only chance.

use search::{Ranking, Reader, Rules};

use crate::{
    Outcome,
    judgements::{Judgements, Ratings},
    mean, score,
};

const FOLDS: usize = 5;

/// Prints what other numbers reach in the sample, and what those reach that are chosen on four fifths of the queries when
/// they are tried on the last fifth.
pub fn compare(reader: Reader, rules: &Rules, judgements: &Judgements) -> Outcome<()> {
    let queries: Vec<(&str, &Ratings)> = judgements.relevant();
    let in_use = *reader.ranking();
    let mut reader = reader;
    let mut tried = Vec::new();
    for ranking in candidates(&in_use) {
        reader = reader.ranked_by(ranking);
        tried.push((ranking, score(&reader, rules, &queries)));
    }
    // The queries are sorted by name, so every fifth one is as good as any.
    let part = |scores: &[f64], fold: usize, held_out: bool| -> Vec<f64> {
        let is_in = |at: &usize| (at % FOLDS == fold) == held_out;
        (0..scores.len()).filter(is_in).map(|at| scores[at]).collect()
    };
    let mut held_out = Vec::new();
    for fold in 0..FOLDS {
        let trained = |scores: &Vec<f64>| mean(&part(scores, fold, false));
        let best = tried.iter().max_by(|a, b| trained(&a.1).total_cmp(&trained(&b.1))).ok_or("no candidates")?;
        held_out.extend(part(&best.1, fold, true));
    }
    let best = tried.iter().max_by(|a, b| mean(&a.1).total_cmp(&mean(&b.1))).ok_or("no candidates")?;
    println!("\nNumbers of the ranking, {} combinations in {FOLDS} folds", tried.len());
    println!("  {:.3}  in use", mean(&tried[0].1));
    println!("  {:.3}  chosen on four fifths of the queries, on the last fifth", mean(&held_out));
    println!("  {:.3}  the best on all of them: {:?}", mean(&best.1), best.0);
    Ok(())
}

/// The numbers in use first, then each combination of a few others.
fn candidates(in_use: &Ranking) -> Vec<Ranking> {
    let mut all = vec![*in_use];
    for saturation in [0.9, 1.2, 1.6] {
        for length in [0.5, 0.6, 0.75] {
            for head in [0.1, 0.18, 0.26] {
                for coverage in [0.3, 1.0] {
                    all.push(Ranking { saturation, length, head, coverage, ..*in_use });
                }
            }
        }
    }
    all
}
