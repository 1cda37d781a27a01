//! Strict reading of clients' JSON: a struct is an object and never a list of its fields' values, no object repeats a
//! member, and no struct accepts an unknown member, at any depth and for every type. Every body of every route is read
//! here.
//!
//! The text is parsed into a tree first, which is where a repeated member is found, also inside what a type takes as
//! any JSON. The tree becomes the type by a deserializer of our own: serde_json's accepts lists for structs, and its
//! errors name Rust types. An externally tagged enum is accepted by its name only.

mod query;
mod tree;
mod typed;

use std::fmt;

use serde::de::{self, DeserializeOwned};
use serde_json::Value;

pub use self::query::from_query;
use self::{tree::tree, typed::Strict};

/// The longest part of a member's name that an answer repeats.
const NAME_CHARACTERS: usize = 64;

/// Why a body cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("{0}")]
    NoJson(serde_json::Error),
    #[error("{0}")]
    Mismatch(#[from] Mismatch),
}

/// What is wrong with which part of a JSON value, in terms of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Innermost first, because an error propagates outwards.
    path: Vec<Step>,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    Item(usize),
}

/// Reads a type from text.
///
/// # Errors
/// The text is not JSON, or does not match the type.
pub fn from_slice<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unreadable> {
    Ok(from_value(&tree(text)?)?)
}

/// Reads a type from a part of what [`from_slice`] read as any JSON.
///
/// # Errors
/// The value does not match the type.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, Mismatch> {
    T::deserialize(Strict(value))
}

impl Mismatch {
    /// Its path, such as `payment.token` or `lines[1].quantity`; `None` for the value as a whole.
    pub fn field(&self) -> Option<String> {
        let mut field = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Member(name) if field.is_empty() => field.push_str(name),
                Step::Member(name) => field.extend([".", name]),
                Step::Item(at) => field.push_str(&format!("[{at}]")),
            }
        }
        (!self.path.is_empty()).then_some(field)
    }

    fn new(reason: impl Into<String>) -> Self {
        Self { path: Vec::new(), reason: reason.into() }
    }

    fn of(name: &str, reason: impl Into<String>) -> Self {
        Self::new(reason).within(Step::member(name))
    }

    fn within(mut self, step: Step) -> Self {
        self.path.push(step);
        self
    }
}

impl Step {
    fn member(name: &str) -> Self {
        Step::Member(name.chars().take(NAME_CHARACTERS).collect())
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field().as_deref().unwrap_or("the JSON value"), self.reason)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    /// Without its text: serde and its derives put names of Rust types there.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::new("not an accepted value")
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("must be one of {}", expected.join(", ")))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let known = match expected {
            [] => "no field is accepted here".to_owned(),
            expected => format!("accepted: {}", expected.join(", ")),
        };
        Self::of(field, format!("unknown field; {known}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::of(field, "missing field")
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::of(field, REPEATED)
    }
}

const REPEATED: &str = "repeated field";

#[cfg(test)]
mod tests;
