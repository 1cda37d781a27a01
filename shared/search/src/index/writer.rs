//! Changes an index: from the files of one generation to those of the next.

use std::collections::BTreeMap;

use bytes::Bytes;
use domain::ProductId;
use tantivy::{
    Directory, DocSet, Index, IndexWriter, SegmentReader, TERMINATED, Term, directory::error::OpenReadError,
    index::SegmentId, indexer::NoMergePolicy, schema::IndexRecordOption,
};

use super::{
    Fields, Files, IndexError, META, OpenError, column, facts, language_of, open_in_memory, schema, schema_hash,
};
use crate::{Change, Document, Language, analysis::Analyser};

/// Makes the next generation of an index.
pub struct Writer {
    index: Index,
    writer: IndexWriter,
    fields: Fields,
    language: Language,
    analyser: Analyser,
    /// The segments as they were opened, to see which version of a product the index has.
    opened: Vec<SegmentReader>,
    /// What was applied since: when the product was created, and its version. `None` is deleted.
    applied: BTreeMap<ProductId, Option<Stamp>>,
}

/// Which of two states of a product is later: one that was created later, or else the one of a higher version.
type Stamp = (i64, u64);

/// What is written is collected in this much memory before it becomes a segment.
const MEMORY_BYTES: usize = 64 << 20;

impl Writer {
    /// An index without products.
    pub fn create(language: Language) -> Writer {
        let (schema, fields) = schema();
        let index = Index::create_in_ram(schema);
        Self::over(index, fields, language).expect("an index in memory has no lock and no segment to fail on")
    }

    /// The index that these files are.
    ///
    /// # Errors
    /// They were written with another schema, or are not complete.
    pub fn open(files: Files) -> Result<Writer, OpenError> {
        let files = with_fresh_stamp(files)?;
        let index = open_in_memory(files)?;
        let language = language_of(&index)?;
        let (_, fields) = schema();
        Ok(Self::over(index, fields, language)?)
    }

    fn over(index: Index, fields: Fields, language: Language) -> tantivy::Result<Writer> {
        let writer = index.writer_with_num_threads(1, MEMORY_BYTES)?;
        // Segments are merged once, when everything is applied.
        writer.set_merge_policy(Box::new(NoMergePolicy));
        let opened = index.searchable_segments()?.iter().map(SegmentReader::open).collect::<Result<_, _>>()?;
        let analyser = Analyser::new(language);
        Ok(Self { index, writer, fields, language, analyser, opened, applied: BTreeMap::new() })
    }

    pub fn language(&self) -> Language {
        self.language
    }

    /// Applies changes in this order. A product that the index has in a later state already stays as it is.
    ///
    /// # Errors
    /// The writer cannot be used any more; the files that it was opened from are as before.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = Change>) -> Result<(), IndexError> {
        for change in changes {
            let term = Term::from_field_text(self.fields.id, change.id().as_str());
            match change {
                Change::Delete(id) => {
                    self.writer.delete_term(term);
                    self.applied.insert(id, None);
                }
                Change::Put(document) => {
                    let stamp = stamp(&document);
                    if self.stamp_of(&document.id, &term)?.is_some_and(|indexed| indexed > stamp) {
                        continue;
                    }
                    self.writer.delete_term(term);
                    self.writer.add_document(facts::stored(&document, &self.fields, &self.analyser)?)?;
                    self.applied.insert(document.id, Some(stamp));
                }
            }
        }
        Ok(())
    }

    /// The state of a product that the index has.
    fn stamp_of(&self, id: &ProductId, term: &Term) -> tantivy::Result<Option<Stamp>> {
        if let Some(applied) = self.applied.get(id) {
            return Ok(*applied);
        }
        for segment in &self.opened {
            let terms = segment.inverted_index(self.fields.id)?;
            let Some(mut postings) = terms.read_postings(term, IndexRecordOption::Basic)? else { continue };
            let mut doc = postings.doc();
            while doc != TERMINATED {
                if !segment.is_deleted(doc) {
                    let created = segment.fast_fields().i64(column::CREATED)?.first(doc).unwrap_or_default();
                    let version = segment.fast_fields().u64(column::VERSION)?.first(doc).unwrap_or_default();
                    return Ok(Some((created, version)));
                }
                doc = postings.advance();
            }
        }
        Ok(None)
    }

    /// The files of the next generation. Those that were there before keep their names.
    ///
    /// # Errors
    /// The files that the writer was opened from are as before.
    pub fn commit(mut self) -> Result<Files, IndexError> {
        self.opened.clear();
        let mut prepared = self.writer.prepare_commit()?;
        prepared.set_payload(&schema_hash(self.language));
        prepared.commit()?;
        for merged in to_merge(&self.sizes()?) {
            self.writer.merge(&merged).wait()?;
        }
        self.writer.garbage_collect_files().wait()?;
        self.files()
    }

    fn sizes(&self) -> Result<Vec<Size>, IndexError> {
        let metas = self.index.searchable_segment_metas()?;
        let size = |meta: &tantivy::SegmentMeta| Size {
            id: meta.id(),
            alive: meta.num_docs(),
            deleted: meta.num_deleted_docs(),
        };
        Ok(metas.iter().map(size).collect())
    }

    fn files(&self) -> Result<Files, IndexError> {
        let directory = self.index.directory();
        let mut names = self.index.load_metas()?.list_segment_files();
        names.insert(META.into());
        let mut files = Files::new();
        for name in names {
            // Of a segment without deleted products, and of one that is complete, these two do not exist.
            let is_optional = name.extension().is_some_and(|extension| extension == "del" || extension == "temp");
            match directory.atomic_read(&name) {
                Ok(content) => files.insert(name.to_string_lossy().into_owned(), Bytes::from(content)),
                Err(OpenReadError::FileDoesNotExist(_)) if is_optional => continue,
                Err(error) => return Err(IndexError(format!("{}: {error}", name.display()))),
            };
        }
        Ok(files)
    }
}

fn stamp(document: &Document) -> Stamp {
    (document.created_at.as_millisecond(), document.version)
}

/// Files of deletions are named by a number that counts from the one in `meta.json`. Two attempts to change one
/// generation would use the same names for different deletions; so each attempt counts from a random number above it.
fn with_fresh_stamp(mut files: Files) -> Result<Files, OpenError> {
    let damaged = |error: serde_json::Error| OpenError::Damaged(format!("{META}: {error}"));
    let meta = files.get(META).ok_or_else(|| OpenError::Damaged(format!("there is no {META}")))?;
    let mut meta: serde_json::Value = serde_json::from_slice(meta).map_err(damaged)?;
    let random = u64::from_str_radix(&SegmentId::generate_random().uuid_string()[..8], 16).unwrap_or_default();
    let stamp = meta["opstamp"].as_u64().unwrap_or_default();
    meta["opstamp"] = (stamp + 1 + random).into();
    files.insert(META.to_owned(), Bytes::from(serde_json::to_vec(&meta).map_err(damaged)?));
    Ok(files)
}

/// A segment, and how many of its products are alive.
#[derive(Debug, Clone, Copy)]
struct Size {
    id: SegmentId,
    alive: u32,
    deleted: u32,
}

/// A segment is merged with the smaller ones once they have this part of its size together.
const GROWTH: u32 = 2;

/// The segments that become one. Each that stays is more than twice as large as all smaller ones together, so there are
/// few of them, and a product is written again only as often as the index doubles. A segment of which a third is deleted
/// is written again too.
fn to_merge(sizes: &[Size]) -> Vec<Vec<SegmentId>> {
    let mut sizes = sizes.to_vec();
    sizes.sort_by_key(|size| std::cmp::Reverse(size.alive));
    let is_wasteful = |size: &Size| size.deleted * 2 > size.alive;
    let smaller = |at: usize| sizes[at + 1..].iter().map(|size| size.alive).sum::<u32>();
    let first = (0..sizes.len()).find(|at| *at + 1 < sizes.len() && sizes[*at].alive < GROWTH * smaller(*at));
    let (apart, together) = sizes.split_at(first.unwrap_or(sizes.len()));
    let mut merges: Vec<Vec<SegmentId>> =
        apart.iter().filter(|size| is_wasteful(size)).map(|size| vec![size.id]).collect();
    if !together.is_empty() {
        merges.push(together.iter().map(|size| size.id).collect());
    }
    merges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(alive: &[(u32, u32)]) -> Vec<Size> {
        alive
            .iter()
            .map(|(alive, deleted)| Size { id: SegmentId::generate_random(), alive: *alive, deleted: *deleted })
            .collect()
    }

    fn merged(alive: &[(u32, u32)]) -> Vec<usize> {
        to_merge(&sizes(alive)).iter().map(Vec::len).collect()
    }

    #[test]
    fn a_small_commit_leaves_large_segments_alone() {
        assert_eq!(merged(&[(50_000, 0), (100, 0)]), [0; 0]);
        assert_eq!(merged(&[(50_000, 0), (100, 0), (60, 0)]), [2]);
        assert_eq!(merged(&[(1, 0)]), [0; 0]);
    }

    #[test]
    fn small_segments_that_add_up_are_merged_into_the_large_one() {
        assert_eq!(merged(&[(1_000, 0), (500, 0), (30, 0)]), [3]);
        assert_eq!(merged(&[(50_000, 0), (1_000, 0), (500, 0), (30, 0)]), [3]);
    }

    #[test]
    fn a_segment_is_written_again_when_a_third_of_it_is_deleted() {
        assert_eq!(merged(&[(1_000, 499)]), [0; 0]);
        assert_eq!(merged(&[(1_000, 501), (10, 0)]), [1]);
    }

    #[test]
    fn there_are_few_segments_after_any_number_of_commits() {
        let mut alive = vec![100_000];
        for _ in 0..500 {
            alive.push(40);
            let sizes = sizes(&alive.iter().map(|alive| (*alive, 0)).collect::<Vec<_>>());
            for merged in to_merge(&sizes) {
                let together: u32 = sizes.iter().filter(|size| merged.contains(&size.id)).map(|size| size.alive).sum();
                let kept = sizes.iter().filter(|size| !merged.contains(&size.id)).map(|size| size.alive);
                alive = kept.chain([together]).collect();
            }
            assert!(alive.len() <= 10, "{alive:?}");
        }
    }
}
