use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use domain::Invalid;
use http::{HeaderMap, header, request::Parts};
use serde::de::DeserializeOwned;

use crate::{Problem, codes, strict};

/// The id in the path, parsed.
#[derive(Debug, Clone)]
pub struct PathId<T>(pub T);

impl<T: FromStr<Err = Invalid>, S: Send + Sync> FromRequestParts<S> for PathId<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(raw) = path.map_err(|_| Invalid::new("id", "id_invalid", "must be UTF-8"))?;
        Ok(Self(raw.parse()?))
    }
}

/// The query string, parsed. Unknown parameters are ignored on every route: links to a shop collect parameters such as
/// `utm_source`. A known one is refused if its value is invalid or if it is repeated.
#[derive(Debug, Clone, Copy)]
pub struct QueryParams<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let params = strict::from_query(parts.uri.query().unwrap_or_default());
        params.map(Self).map_err(|mismatch| Problem::new(codes::QueryInvalid, mismatch.to_string()))
    }
}

/// The version that a client saw, from `If-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IfMatch {
    /// No header.
    Absent,
    /// `*`: any version, if the resource exists.
    Any,
    /// One of these. A weak tag never matches, because If-Match compares strongly, and neither does a tag that this API
    /// did not issue; so the list may be empty, and then nothing matches.
    Versions(Vec<u64>),
}

impl IfMatch {
    /// Whether a resource at this version may be changed.
    pub fn allows(&self, version: u64) -> bool {
        match self {
            IfMatch::Absent | IfMatch::Any => true,
            IfMatch::Versions(versions) => versions.contains(&version),
        }
    }

    /// Whether the write must be conditional on the version that was read.
    pub fn names_versions(&self) -> bool {
        matches!(self, IfMatch::Versions(_))
    }

    /// Reads `If-Match: *` or a list of entity tags, in one header or several: [RFC
    /// 9110](https://www.rfc-editor.org/rfc/rfc9110#field.if-match).
    fn parse(headers: &HeaderMap) -> Result<Self, Problem> {
        let values: Vec<_> = headers.get_all(header::IF_MATCH).iter().collect();
        if values.is_empty() {
            return Ok(Self::Absent);
        }
        let invalid = || Problem::new(codes::IfMatchInvalid, "If-Match must be * or entity tags such as \"1\"");
        let texts = values.iter().map(|value| value.to_str()).collect::<Result<Vec<_>, _>>().map_err(|_| invalid())?;
        if let [text] = texts[..]
            && text.trim() == "*"
        {
            return Ok(Self::Any);
        }
        let tags = texts.into_iter().map(entity_tags).collect::<Option<Vec<_>>>().ok_or_else(invalid)?.concat();
        if tags.is_empty() {
            return Err(invalid());
        }
        Ok(Self::Versions(tags.iter().filter_map(EntityTag::version).collect()))
    }
}

/// `"<opaque>"`, or `W/"<opaque>"` for a weak one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EntityTag<'h> {
    weak: bool,
    opaque: &'h str,
}

impl EntityTag<'_> {
    /// A product's tag also contains its stock; only the part before the dash is its version.
    fn version(&self) -> Option<u64> {
        let version = self.opaque.split('-').next().unwrap_or_default();
        version.parse().ok().filter(|_| !self.weak)
    }
}

/// The tags of a list, or `None` if it is malformed. A tag may contain a comma; only a quote ends it.
fn entity_tags(text: &str) -> Option<Vec<EntityTag<'_>>> {
    let (mut tags, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        if opaque.bytes().any(|b| b.is_ascii_control() || b == b' ') {
            return None;
        }
        tags.push(EntityTag { weak, opaque });
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(next) => next.trim_start_matches([' ', '\t', ',']),
            None if after.is_empty() => after,
            None => return None,
        };
    }
    Some(tags)
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::parse(&parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&str]) -> Option<IfMatch> {
        let headers = values.iter().map(|value| (header::IF_MATCH, HeaderValue::from_str(value).unwrap()));
        IfMatch::parse(&headers.collect()).ok()
    }

    #[test]
    fn if_match_names_any_version_one_or_several() {
        let versions = |versions: &[u64]| Some(IfMatch::Versions(versions.to_vec()));

        assert_eq!(read(&[]), Some(IfMatch::Absent));
        assert_eq!(read(&[" * "]), Some(IfMatch::Any));
        assert_eq!(read(&["\"7\""]), versions(&[7]));
        assert_eq!(read(&["\"7-12-0-0\""]), versions(&[7]));
        assert_eq!(read(&["\"1\", \"2\",\"3\" ,, \"4\","]), versions(&[1, 2, 3, 4]));
        assert_eq!(read(&["\"1\"", "\"2\""]), versions(&[1, 2]));
    }

    #[test]
    fn a_weak_or_foreign_tag_matches_no_version() {
        for tags in ["W/\"1\"", "\"\"", "\"one\"", "\"a,b\"", "\"-1\"", "\"18446744073709551616\"", "W/\"1\", \"x\""] {
            assert_eq!(read(&[tags]), Some(IfMatch::Versions(Vec::new())), "{tags}");
        }
        assert_eq!(read(&["W/\"1\", \"2\""]), Some(IfMatch::Versions(vec![2])));
    }

    #[test]
    fn a_malformed_list_of_tags_is_refused() {
        for text in [
            "",
            " ",
            "1",
            "\"",
            "\"1",
            "1\"",
            "\"1\" \"2\"",
            "\"1\"x",
            "w/\"1\"",
            "*, \"1\"",
            "\"1\", *",
            "\"a b\"",
            ",",
        ] {
            assert_eq!(read(&[text]), None, "{text}");
        }
        assert_eq!(read(&["*", "*"]), None);
    }
}
