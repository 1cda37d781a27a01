//! Conditions that many writes share.

/// The item does not exist yet.
pub(crate) const NEW: &str = "attribute_not_exists(PK)";

/// The item exists.
pub(crate) const EXISTS: &str = "attribute_exists(PK)";
