use jiff::Timestamp;

use crate::{Invalid, ProductId, UserId, text};

/// A customer's review of a product; at most one for each customer and product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    pub product: ProductId,
    pub customer: UserId,
    pub stars: Stars,
    pub text: ReviewText,
    pub at: Timestamp,
}

/// One to five.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stars(u8);

impl Stars {
    pub fn new(stars: u8) -> Result<Self, Invalid> {
        match stars {
            1..=5 => Ok(Self(stars)),
            _ => Err(Invalid::new("stars", "stars_out_of_range", "must be 1 to 5")),
        }
    }

    pub fn count(self) -> u8 {
        self.0
    }
}

/// Plain text of up to 2,000 characters, in NFC; may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewText(String);

impl ReviewText {
    pub const MAX_CHARS: usize = 2_000;

    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        let text = text::nfc(raw);
        let text = text.trim();
        let readable = |c: char| !c.is_control() || c == '\n';
        if text.chars().count() > Self::MAX_CHARS || !text.chars().all(readable) {
            let reason = "must be at most 2,000 characters without control characters";
            return Err(Invalid::new("text", "text_invalid", reason));
        }
        Ok(Self(text.to_owned()))
    }

    /// Reads a stored one, which may follow older rules.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The sum of all reviews of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rating {
    pub reviews: u64,
    /// The sum of the stars.
    pub stars: u64,
}

impl Rating {
    /// Tenths of a star, rounded half up; `None` without reviews.
    pub fn average_tenths(self) -> Option<u64> {
        (self.reviews > 0).then(|| (self.stars * 20 + self.reviews) / (self.reviews * 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_is_rounded_to_a_tenth() {
        let average = |reviews, stars| Rating { reviews, stars }.average_tenths();

        assert_eq!(average(0, 0), None);
        assert_eq!(average(1, 5), Some(50));
        assert_eq!(average(3, 13), Some(43));
        assert_eq!(average(4, 17), Some(43));
        assert_eq!(average(20, 85), Some(43));
    }

    #[test]
    fn stars_are_one_to_five() {
        assert!(Stars::new(0).is_err() && Stars::new(6).is_err());
        assert_eq!(Stars::new(5).unwrap().count(), 5);
    }
}
