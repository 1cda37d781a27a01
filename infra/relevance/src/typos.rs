//! Queries as people mistype them.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::random::Random;

/// Shorter queries are left as they are.
pub const MIN_LETTERS: usize = 5;

const KEYS: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// The query with one letter dropped, doubled, swapped with the next one, or replaced by a neighbour on the keyboard.
pub fn misspelled(query: &str, seed: u64) -> String {
    let chars: Vec<char> = query.chars().collect();
    let letters: Vec<usize> = (0..chars.len()).filter(|at| chars[*at].is_ascii_alphabetic()).collect();
    if letters.len() < MIN_LETTERS {
        return query.to_owned();
    }
    // Each query has typos of its own, whichever others there are.
    let mut hasher = DefaultHasher::new();
    query.hash(&mut hasher);
    let mut random = Random::new(seed ^ hasher.finish());
    loop {
        let at = *random.of(&letters);
        let mut changed = chars.clone();
        match random.below(4) {
            0 => drop(changed.remove(at)),
            1 => changed.insert(at, chars[at]),
            2 if letters.contains(&(at + 1)) => changed.swap(at, at + 1),
            3 => changed[at] = neighbour(chars[at], &mut random),
            _ => continue,
        }
        if changed != chars {
            return changed.into_iter().collect();
        }
    }
}

fn neighbour(c: char, random: &mut Random) -> char {
    let c = c.to_ascii_lowercase();
    let Some((row, at)) = KEYS.iter().enumerate().find_map(|(row, keys)| Some((row, keys.find(c)?))) else { return c };
    let key = |row: usize, at: usize| KEYS.get(row).and_then(|keys| keys.chars().nth(at));
    let around = [key(row, at.wrapping_sub(1)), key(row, at + 1), key(row.wrapping_sub(1), at), key(row + 1, at)];
    let around: Vec<char> = around.into_iter().flatten().collect();
    *random.of(&around)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_query_has_one_typo_and_the_same_one_every_time() {
        for query in ["notebook", "usb hub", "gaming mouse pad"] {
            let typo = misspelled(query, 1);

            assert_ne!(typo, query);
            assert_eq!(typo, misspelled(query, 1));
            assert!(typo.len().abs_diff(query.len()) <= 1);
        }
        assert_eq!(misspelled("aaa", 1), "aaa");
    }
}
