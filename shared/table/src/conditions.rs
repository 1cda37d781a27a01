//! Conditions that many writes share.

/// The item is not there yet.
pub(crate) const NEW: &str = "attribute_not_exists(PK)";

/// The item is there.
pub(crate) const EXISTS: &str = "attribute_exists(PK)";
