/// A value that violates a rule of the domain, described so that a caller can correct it.
///
/// One struct rather than an enum: no caller branches on it, it is only shown. `code` is stable and part of the HTTP
/// contract; `reason` is for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    pub field: &'static str,
    pub code: &'static str,
    pub reason: String,
}

impl Invalid {
    pub fn new(field: &'static str, code: &'static str, reason: impl Into<String>) -> Self {
        Self { field, code, reason: reason.into() }
    }
}
