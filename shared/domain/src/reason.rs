use crate::{Invalid, text};

/// Why staff changed something, in their own words: one line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reason(String);

impl Reason {
    pub fn parse(raw: &str) -> Result<Self, Invalid> {
        text::line(raw, "reason", "reason_invalid", 200).map(Self)
    }

    /// Reads a stored one, which may follow older rules.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_line_in_any_language() {
        for raw in ["restock", "The handle was broken, twice.", "Henkel ab", "取っ手が壊れていた"] {
            assert_eq!(Reason::parse(&format!(" {raw} ")).unwrap().as_str(), raw);
        }
        for raw in ["", " ", "two\nlines", &"x".repeat(201)] {
            assert_eq!(Reason::parse(raw).unwrap_err().code, "reason_invalid");
        }
    }
}
