//! One segment of an index, opened for reading.

use std::sync::Arc;

use domain::CategoryPath;
use tantivy::{
    InvertedIndexReader, SegmentReader, TantivyDocument, Term,
    columnar::{ColumnValues, StrColumn},
    fieldnorm::FieldNormReader,
    schema::{Field, IndexRecordOption, Value},
    store::StoreReader,
};

use super::{Card, Fields, OpenError, attributes::Attributes, column};

/// A product within a segment.
pub(crate) type Doc = u32;

/// Decompressed blocks of stored cards that are kept.
const CACHED_BLOCKS: usize = 16;

pub(crate) struct Segment {
    pub(crate) text: Arc<InvertedIndexReader>,
    pub(crate) head: Arc<InvertedIndexReader>,
    pub(crate) title: Arc<InvertedIndexReader>,
    pub(crate) title_lengths: FieldNormReader,
    pub(crate) id: Arc<InvertedIndexReader>,
    pub(crate) identifier: Arc<InvertedIndexReader>,
    pub(crate) ids: StrColumn,
    /// `None` if no product has one.
    pub(crate) manufacturers: Option<StrColumn>,
    pub(crate) categories: Option<StrColumn>,
    /// Their names: a column and, for counting, all of them in memory.
    pub(crate) attribute_names: Option<StrColumn>,
    pub(crate) attribute_values: Option<StrColumn>,
    pub(crate) attributes: Attributes,
    /// The categories by their number in the column.
    pub(crate) paths: Vec<CategoryPath>,
    pub(crate) price: Arc<dyn ColumnValues<i64>>,
    pub(crate) created: Arc<dyn ColumnValues<i64>>,
    pub(crate) sold_out: Arc<dyn ColumnValues<bool>>,
    pub(crate) rating: Arc<dyn ColumnValues<u64>>,
    pub(crate) reviews: Arc<dyn ColumnValues<u64>>,
    pub(crate) length: Arc<dyn ColumnValues<u64>>,
    cards: StoreReader,
    card: Field,
    reader: SegmentReader,
}

impl Segment {
    pub(crate) fn open(segment: &tantivy::Segment, fields: &Fields) -> Result<Self, OpenError> {
        let reader = SegmentReader::open(segment)?;
        let columns = reader.fast_fields();
        let damaged = |error: std::io::Error| OpenError::Damaged(error.to_string());
        let categories = columns.str(column::CATEGORY)?;
        let paths = labels(categories.as_ref()).map_err(damaged)?;
        let ids = columns.str(column::ID)?.ok_or_else(|| OpenError::Damaged("a segment without ids".to_owned()))?;
        let attribute_names = columns.str(column::ATTRIBUTE_NAME)?;
        let attribute_values = columns.str(column::ATTRIBUTE)?;
        let attributes = match (&attribute_names, &attribute_values) {
            (Some(names), Some(values)) => Attributes::read(names, values, reader.max_doc()).map_err(damaged)?,
            _ => Attributes::default(),
        };
        Ok(Self {
            text: reader.inverted_index(fields.text)?,
            head: reader.inverted_index(fields.head)?,
            title: reader.inverted_index(fields.title)?,
            title_lengths: reader.get_fieldnorms_reader(fields.title)?,
            id: reader.inverted_index(fields.id)?,
            identifier: reader.inverted_index(fields.identifier)?,
            ids,
            manufacturers: columns.str(column::MANUFACTURER)?,
            attribute_names,
            attribute_values,
            attributes,
            categories,
            paths: paths.iter().map(|path| CategoryPath::stored(path)).collect(),
            price: columns.column_first_or_default(column::PRICE)?,
            created: columns.column_first_or_default(column::CREATED)?,
            sold_out: columns.column_first_or_default(column::SOLD_OUT)?,
            rating: columns.column_first_or_default(column::RATING)?,
            reviews: columns.column_first_or_default(column::REVIEWS)?,
            length: columns.column_first_or_default(column::LENGTH)?,
            cards: reader.get_store_reader(CACHED_BLOCKS).map_err(damaged)?,
            card: fields.card,
            reader,
        })
    }

    /// Products in it, deleted ones included.
    pub(crate) fn size(&self) -> usize {
        self.reader.max_doc() as usize
    }

    pub(crate) fn alive(&self) -> u32 {
        self.reader.num_docs()
    }

    pub(crate) fn is_alive(&self, doc: Doc) -> bool {
        !self.reader.is_deleted(doc)
    }

    pub(crate) fn docs(&self) -> impl Iterator<Item = Doc> + '_ {
        (0..self.reader.max_doc()).filter(|doc| self.is_alive(*doc))
    }

    /// Calls `each` with the products that have this word, in ascending order, and how often each has it.
    pub(crate) fn postings(
        &self,
        field: &InvertedIndexReader,
        term: &Term,
        mut each: impl FnMut(Doc, u32),
    ) -> std::io::Result<()> {
        let Some(mut block) = field.read_block_postings(term, IndexRecordOption::WithFreqs)? else { return Ok(()) };
        let deleted = self.reader.has_deletes();
        while !block.docs().is_empty() {
            let frequencies = block.freqs();
            for (at, doc) in block.docs().iter().enumerate() {
                if !deleted || self.is_alive(*doc) {
                    each(*doc, frequencies.get(at).copied().unwrap_or(1));
                }
            }
            block.advance();
        }
        Ok(())
    }

    /// How many products have this word.
    pub(crate) fn frequency(&self, field: &InvertedIndexReader, term: &Term) -> std::io::Result<u32> {
        if !self.reader.has_deletes() {
            return field.doc_freq(term);
        }
        let mut alive = 0;
        self.postings(field, term, |_, _| alive += 1)?;
        Ok(alive)
    }

    pub(crate) fn card(&self, doc: Doc) -> Result<Card, CardError> {
        let stored: TantivyDocument = self.cards.get(doc)?;
        let bytes = stored.get_first(self.card).and_then(|value| value.as_bytes()).unwrap_or_default();
        Ok(serde_json::from_slice(bytes)?)
    }

    pub(crate) fn id_of(&self, number: u64) -> std::io::Result<String> {
        let mut id = String::new();
        self.ids.ord_to_str(number, &mut id)?;
        Ok(id)
    }
}

/// A stored card cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CardError {
    #[error("a stored document cannot be read")]
    Store(#[from] tantivy::TantivyError),
    #[error("a stored card is not what was written")]
    Card(#[from] serde_json::Error),
    #[error("a stored card has a value that no product has")]
    Value,
}

/// All values of a column by their numbers.
pub(crate) fn labels(column: Option<&StrColumn>) -> std::io::Result<Vec<String>> {
    let Some(column) = column else { return Ok(Vec::new()) };
    let mut labels = Vec::with_capacity(column.num_terms());
    let mut stream = column.dictionary().stream()?;
    while stream.advance() {
        labels.push(String::from_utf8_lossy(stream.key()).into_owned());
    }
    Ok(labels)
}
