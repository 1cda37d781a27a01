use crate::Invalid;

/// Checks a line of text for people: trimmed, 1 to `max` bytes of UTF-8, no control characters.
pub(crate) fn line(raw: &str, field: &'static str, code: &'static str, max: usize) -> Result<String, Invalid> {
    let text = raw.trim();
    if text.is_empty() {
        return Err(Invalid::new(field, code, "must not be empty"));
    }
    if text.len() > max {
        return Err(Invalid::new(field, code, format!("must be at most {max} bytes of UTF-8")));
    }
    if text.chars().any(char::is_control) {
        return Err(Invalid::new(field, code, "must not contain control characters"));
    }
    Ok(text.to_owned())
}

/// A newtype over a checked line of text.
macro_rules! text_line {
    ($(#[$doc:meta])* $name:ident, $field:literal, $code:literal, $max:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            pub fn parse(raw: &str) -> Result<Self, $crate::Invalid> {
                $crate::text::line(raw, $field, $code, $max).map(Self)
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}
pub(crate) use text_line;
