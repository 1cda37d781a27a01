//! Changes of an index, many in one request. Each has a number, and OpenSearch keeps the change with the larger one: so
//! changes that come twice or late change nothing. The number of a deleted product is kept for a while too.
//! <https://docs.opensearch.org/latest/api-reference/document-apis/bulk/>

use std::{iter, time::Duration};

use domain::ProductId;
use http::Method;
use search::{Change, EngineError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    IndexName, OpenSearch,
    client::{failed, request},
    product::Stored,
};

/// What became of changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Products that are now as the change says.
    pub changed: usize,
    /// Products whose stored change has the same number, or a larger one.
    pub outdated: usize,
    /// Products that OpenSearch refuses, however often they are sent.
    pub refused: Vec<Refused>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub id: ProductId,
    pub reason: String,
}

/// Small clusters of AWS take requests of up to 10 MiB.
/// <https://docs.aws.amazon.com/opensearch-service/latest/developerguide/limits.html>
const MAX_BYTES: usize = 4 << 20;
const MAX_CHANGES: usize = 500;
/// How often changes are sent that a busy cluster has put off.
const ATTEMPTS: u32 = 6;
const FIRST_PAUSE: Duration = Duration::from_millis(200);

impl OpenSearch {
    /// Applies changes to the index that is searched. The number of a change is larger than that of every earlier change
    /// of the product: not its version, which begins again when a product is deleted and created, but for example the
    /// time in milliseconds at which it was read.
    ///
    /// # Errors
    /// Some may be applied and some not; they can be sent again.
    pub async fn apply(&self, changes: impl IntoIterator<Item = (Change, u64)>) -> Result<Applied, EngineError> {
        self.apply_at(&self.alias.to_string(), changes).await
    }

    /// The same, to an index that is being filled.
    ///
    /// # Errors
    /// Some may be applied and some not; they can be sent again.
    pub async fn apply_to(
        &self,
        index: &IndexName,
        changes: impl IntoIterator<Item = (Change, u64)>,
    ) -> Result<Applied, EngineError> {
        self.apply_at(&Self::writes_to(index), changes).await
    }

    async fn apply_at(
        &self,
        alias: &str,
        changes: impl IntoIterator<Item = (Change, u64)>,
    ) -> Result<Applied, EngineError> {
        // Otherwise a cluster would make an index of the alias's name, with fields of its own choice.
        let path = &format!("/{alias}/_bulk?require_alias=true");
        let changes: Vec<_> = changes.into_iter().collect();
        // A deletion with a number makes that index all the same.
        let is_deletion = |(change, _): &(Change, u64)| matches!(change, Change::Delete(_));
        if changes.iter().any(is_deletion) && self.behind(alias).await?.is_empty() {
            return Err(failed("OpenSearch has no index to change", format!("there is no alias {alias}")));
        }
        let mut applied = Applied::default();
        for batch in batches(changes.iter().map(|(change, number)| Line::of(change, *number))) {
            self.apply_batch(path, batch, &mut applied).await?;
        }
        Ok(applied)
    }

    async fn apply_batch(&self, path: &str, mut lines: Vec<Line>, applied: &mut Applied) -> Result<(), EngineError> {
        for pause in iter::successors(Some(FIRST_PAUSE), |pause| Some(*pause * 2)).take(ATTEMPTS as usize) {
            let body = lines.iter().flat_map(|line| line.text.bytes()).collect();
            let sent = self.write(request(Method::POST, path, "application/x-ndjson", body)).await;
            let answer: BulkAnswer = sent.map_err(|error| error.in_context("OpenSearch did not apply changes"))?;
            lines = sort_out(lines, answer, applied)?;
            if lines.is_empty() {
                return Ok(());
            }
            self.pause(pause).await;
        }
        Err(failed("OpenSearch has no capacity for changes", format!("{} were put off {ATTEMPTS} times", lines.len())))
    }
}

/// One change, as it is sent.
#[derive(Debug)]
struct Line {
    id: ProductId,
    text: String,
}

impl Line {
    fn of(change: &Change, number: u64) -> Self {
        let id = change.id().clone();
        // The largest that OpenSearch takes.
        let number = number.min(i64::MAX.unsigned_abs());
        let action = |name: &str| json!({name: {"_id": id.as_str(), "version": number, "version_type": "external"}});
        let text = match change {
            Change::Put(document) => {
                let stored = serde_json::to_string(&Stored::of(document)).expect("texts, numbers and lists are JSON");
                format!("{}\n{stored}\n", action("index"))
            }
            Change::Delete(_) => format!("{}\n", action("delete")),
        };
        Self { id, text }
    }
}

fn batches(lines: impl Iterator<Item = Line>) -> impl Iterator<Item = Vec<Line>> {
    let mut lines = lines.peekable();
    iter::from_fn(move || {
        let mut batch = vec![lines.next()?];
        let mut bytes = batch[0].text.len();
        while batch.len() < MAX_CHANGES
            && let Some(line) = lines.next_if(|line| bytes + line.text.len() <= MAX_BYTES)
        {
            bytes += line.text.len();
            batch.push(line);
        }
        Some(batch)
    })
}

#[derive(Debug, Deserialize)]
struct BulkAnswer {
    items: Vec<BulkItem>,
}

/// Of a change, in the order of the request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum BulkItem {
    Index(Outcome),
    Delete(Outcome),
}

#[derive(Debug, Deserialize)]
struct Outcome {
    status: u16,
    error: Option<Value>,
}

/// Counts what became of each change, and returns those that were put off.
fn sort_out(lines: Vec<Line>, answer: BulkAnswer, applied: &mut Applied) -> Result<Vec<Line>, EngineError> {
    if answer.items.len() != lines.len() {
        let counts = format!("{} changes, {} results", lines.len(), answer.items.len());
        return Err(failed("OpenSearch did not say what became of each change", counts));
    }
    let mut again = Vec::new();
    for (line, item) in lines.into_iter().zip(answer.items) {
        let is_delete = matches!(item, BulkItem::Delete(_));
        let (BulkItem::Index(Outcome { status, error }) | BulkItem::Delete(Outcome { status, error })) = item;
        let kind = error.as_ref().and_then(|error| error["type"].as_str()).unwrap_or_default();
        match status {
            200..300 => applied.changed += 1,
            // It was not there.
            404 if is_delete && error.is_none() => applied.changed += 1,
            409 => applied.outdated += 1,
            429 | 500.. => again.push(line),
            // It is about the index and not about this product.
            _ if matches!(kind, "index_not_found_exception" | "security_exception" | "cluster_block_exception")
                || status == 403 =>
            {
                return Err(failed("OpenSearch cannot change the index", format!("{status} {kind}")));
            }
            _ => {
                let reason = error.as_ref().and_then(|error| error["reason"].as_str()).unwrap_or_default();
                applied.refused.push(Refused { id: line.id, reason: format!("{status} {kind}: {reason}") });
            }
        }
    }
    Ok(again)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str, bytes: usize) -> Line {
        Line { id: id.parse().unwrap(), text: "x".repeat(bytes) }
    }

    fn sorted(items: &str, lines: usize) -> Result<(Vec<String>, Applied), EngineError> {
        let mut applied = Applied::default();
        let lines = (0..lines).map(|at| line(&format!("p{at}"), 1)).collect();
        let again = sort_out(lines, serde_json::from_str(items).unwrap(), &mut applied)?;
        Ok((again.into_iter().map(|line| line.id.to_string()).collect(), applied))
    }

    #[test]
    fn each_change_has_an_outcome_of_its_own() {
        let items = r#"{"items": [
            {"index": {"status": 201}}, {"index": {"status": 200}},
            {"delete": {"status": 200}}, {"delete": {"status": 404, "result": "not_found"}},
            {"index": {"status": 409, "error": {"type": "version_conflict_engine_exception"}}},
            {"index": {"status": 400, "error": {"type": "mapper_parsing_exception", "reason": "failed to parse"}}},
            {"index": {"status": 429, "error": {"type": "rejected_execution_exception"}}},
            {"delete": {"status": 503, "error": {"type": "unavailable_shards_exception"}}}
        ]}"#;

        let (again, applied) = sorted(items, 8).unwrap();

        assert_eq!(again, ["p6", "p7"]);
        assert_eq!((applied.changed, applied.outdated), (4, 1));
        assert_eq!(applied.refused.len(), 1);
        assert_eq!(applied.refused[0].id.as_str(), "p5");
        assert_eq!(applied.refused[0].reason, "400 mapper_parsing_exception: failed to parse");
    }

    #[test]
    fn a_missing_index_makes_no_product_poison() {
        for item in [
            r#"{"index": {"status": 404, "error": {"type": "index_not_found_exception"}}}"#,
            r#"{"delete": {"status": 404, "error": {"type": "index_not_found_exception"}}}"#,
            r#"{"index": {"status": 403, "error": {"type": "cluster_block_exception"}}}"#,
        ] {
            assert!(sorted(&format!(r#"{{"items": [{item}]}}"#), 1).is_err(), "{item}");
        }
    }

    #[test]
    fn a_result_that_is_missing_is_an_error() {
        assert!(sorted(r#"{"items": [{"index": {"status": 201}}]}"#, 2).is_err());
    }

    #[test]
    fn batches_are_limited_in_changes_and_in_bytes() {
        let sizes = |lines: Vec<Line>| batches(lines.into_iter()).map(|batch| batch.len()).collect::<Vec<_>>();

        assert_eq!(sizes((0..1_100).map(|_| line("p", 10)).collect()), [500, 500, 100]);
        assert_eq!(sizes((0..5).map(|_| line("p", MAX_BYTES / 2)).collect()), [2, 2, 1]);
        assert_eq!(sizes(vec![line("p", MAX_BYTES + 1), line("p", 1)]), [1, 1]);
        assert_eq!(sizes(Vec::new()), [0; 0]);
    }
}
