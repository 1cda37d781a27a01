//! The indexes behind an alias: how one is made, and how it takes the place of the one before.

use std::{collections::BTreeMap, fmt, str::FromStr};

use http::Method;
use search::EngineError;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Value, json};

use crate::{
    OpenSearch,
    client::{WriteError, json_request},
    schema,
};

/// The name of an index or an alias: 1 to 100 lower-case letters, digits, `-` and `_`, of which the first is a letter
/// or a digit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IndexName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the name of an index must be 1 to 100 of a-z, 0-9, - and _, and begin with a letter or a digit")]
pub struct InvalidIndexName;

impl FromStr for IndexName {
    type Err = InvalidIndexName;

    fn from_str(raw: &str) -> Result<Self, InvalidIndexName> {
        let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let is_valid = (1..=100).contains(&raw.len())
            && raw.bytes().all(|b| is_letter(b) || matches!(b, b'-' | b'_'))
            && raw.bytes().next().is_some_and(is_letter);
        is_valid.then(|| Self(raw.to_owned())).ok_or(InvalidIndexName)
    }
}

impl fmt::Display for IndexName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl OpenSearch {
    /// An index is written by an alias of its own: a request to the name itself would make an index if there is none,
    /// with fields of the cluster's choice.
    pub(crate) fn writes_to(index: &IndexName) -> String {
        format!("{index}-writes")
    }

    /// The index that is searched, if there is one.
    ///
    /// # Errors
    /// OpenSearch does not answer.
    pub async fn current(&self) -> Result<Option<IndexName>, EngineError> {
        let current = self.behind(&self.alias.to_string()).await?;
        // The alias names one; a rebuild that is interrupted while it moves it changes nothing.
        Ok(current.into_iter().max_by_key(|index| self.number(index)))
    }

    /// Makes the next index, empty and not searched yet. One of that name, from a rebuild that was given up, is
    /// deleted. Changes that happen while it is filled are applied to it too: by their numbers, the order does not
    /// matter.
    ///
    /// # Errors
    /// It may be there or not; this can be repeated.
    pub async fn begin_rebuild(&self) -> Result<IndexName, EngineError> {
        let number = self.current().await?.map_or(0, |current| self.number(&current));
        let next = IndexName(format!("{}-{}", self.alias, number.saturating_add(1)));
        self.delete(&next).await?;
        self.create(&next).await?;
        Ok(next)
    }

    /// Makes an index, whose fields are those of this version of the program.
    ///
    /// # Errors
    /// There is one of that name, or OpenSearch does not answer.
    pub async fn create(&self, index: &IndexName) -> Result<(), EngineError> {
        let mut body = schema::index(self.language);
        body["aliases"] = json!({Self::writes_to(index): {}});
        let request = json_request(Method::PUT, &format!("/{index}"), &body);
        acknowledged(self.write(request).await, "OpenSearch did not make an index")
    }

    /// Searches are answered from `index` from now on: the alias moves in one request, and then the index before is
    /// deleted.
    ///
    /// # Errors
    /// The alias has moved or not; this can be repeated.
    pub async fn finish_rebuild(&self, index: &IndexName) -> Result<(), EngineError> {
        let before = self.behind(&self.alias.to_string()).await?;
        let before: Vec<_> = before.into_iter().filter(|before| before != index).collect();
        let moved = |action: &str, index: &IndexName| json!({action: {"index": index.0, "alias": self.alias.0}});
        let removed = before.iter().map(|before| moved("remove", before));
        let actions: Vec<_> = removed.chain([moved("add", index)]).collect();
        let request = json_request(Method::POST, "/_aliases", &json!({"actions": actions}));
        acknowledged(self.write(request).await, "OpenSearch did not move the alias")?;
        for before in &before {
            self.delete(before).await?;
        }
        Ok(())
    }

    /// Products that can be found.
    ///
    /// # Errors
    /// There is no index, or OpenSearch does not answer.
    pub async fn count(&self) -> Result<u64, EngineError> {
        #[derive(Deserialize)]
        struct Count {
            count: u64,
        }
        let request = json_request(Method::GET, &format!("/{}/_count", self.alias), &Value::Null);
        let counted = self.write(request).await;
        counted.map(|Count { count }| count).map_err(|error| error.in_context("OpenSearch did not count products"))
    }

    /// Makes everything that was applied searchable at once. For tests: it costs a cluster more than the second that it
    /// waits by itself, and a serverless collection does not offer it.
    ///
    /// # Errors
    /// There is no index, or OpenSearch does not answer.
    pub async fn refresh(&self) -> Result<(), EngineError> {
        let request = json_request(Method::POST, &format!("/{}/_refresh", self.alias), &Value::Null);
        let refreshed: Result<IgnoredAny, _> = self.write(request).await;
        refreshed.map(drop).map_err(|error| error.in_context("OpenSearch did not refresh the index"))
    }

    /// An index that is not there is deleted.
    pub(crate) async fn delete(&self, index: &IndexName) -> Result<(), EngineError> {
        let request = json_request(Method::DELETE, &format!("/{index}"), &Value::Null);
        match self.write(request).await {
            Err(error) if error.status() == Some(404) => Ok(()),
            deleted => acknowledged(deleted, "OpenSearch did not delete an index"),
        }
    }

    /// The indexes that an alias names; none if there is no such alias.
    pub(crate) async fn behind(&self, alias: &str) -> Result<Vec<IndexName>, EngineError> {
        let request = json_request(Method::GET, &format!("/_alias/{alias}"), &Value::Null);
        let indexes: BTreeMap<String, IgnoredAny> = match self.write(request).await {
            Err(error) if error.status() == Some(404) => return Ok(Vec::new()),
            answered => answered.map_err(|error| error.in_context("OpenSearch did not say what the alias names"))?,
        };
        Ok(indexes.into_keys().filter_map(|name| name.parse().ok()).collect())
    }

    /// The number at the end of an index's name; 0 if it has none.
    fn number(&self, index: &IndexName) -> u64 {
        let number = index.0.strip_prefix(&self.alias.0).and_then(|rest| rest.strip_prefix('-'));
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}

#[derive(Deserialize)]
struct Acknowledged {
    acknowledged: bool,
}

fn acknowledged(answer: Result<Acknowledged, WriteError>, context: &'static str) -> Result<(), EngineError> {
    match answer {
        Ok(Acknowledged { acknowledged: true }) => Ok(()),
        Ok(_) => Err(crate::client::failed(context, "the cluster has not confirmed it")),
        Err(error) => Err(error.in_context(context)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_part_of_a_path() {
        for name in ["products", "products-en-12", "0_a"] {
            assert_eq!(name.parse::<IndexName>().unwrap().to_string(), name);
        }
        for name in ["", "-a", "_all", "Products", "a/b", "a,b", "*", "a?x", ".kibana", "ä", &"a".repeat(101)] {
            assert_eq!(name.parse::<IndexName>(), Err(InvalidIndexName), "{name}");
        }
    }
}
