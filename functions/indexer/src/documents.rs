//! What is indexed of products, read from the table as it is now.

use std::collections::{BTreeMap, BTreeSet};

use domain::{OpenSales, ProductId, Timestamp};
use futures::{StreamExt as _, stream};
use runtime::random;
use search::{Change, Document};
use table::{DescriptionError, SearchedProduct, StoreError, error_chain};

use crate::{RunError, State};

/// Descriptions that are read from S3 at once.
const CONCURRENCY: usize = 16;

/// Products that one call reads.
const AT_ONCE: usize = 50;

/// Changes of the index, and the products that have none because they cannot be read.
#[derive(Debug, Default)]
pub struct Read {
    pub changes: Vec<Change>,
    pub poison: Vec<Poison>,
}

/// A product that cannot be indexed, however often it is tried.
#[derive(Debug)]
pub struct Poison {
    pub id: ProductId,
    pub reason: String,
}

/// Reads products. One that is not sold any more is a deletion; so is one that cannot be read, because what is indexed of
/// it may be wrong by now.
pub async fn read(state: &State, ids: &BTreeSet<ProductId>) -> Result<Read, RunError> {
    let [copy] = random();
    let sales = &state.table.sales_open(copy).await?;
    let now = state.clock.now();
    let ids: Vec<_> = ids.iter().cloned().collect();
    let mut read = Read::default();
    for ids in ids.chunks(AT_ONCE) {
        let mut found: BTreeMap<_, _> = state.table.search_products_get(ids).await?.into_iter().collect();
        let documents = stream::iter(ids.to_vec()).map(|id| {
            let product = found.remove(&id);
            async move { (id, document(state, product, sales, now).await) }
        });
        let documents: Vec<_> = documents.buffered(CONCURRENCY).collect().await;
        for (id, document) in documents {
            match document {
                Ok(Some(document)) => read.changes.push(Change::Put(Box::new(document))),
                Ok(None) => read.changes.push(Change::Delete(id)),
                Err(Unreadable::Never(reason)) => {
                    read.changes.push(Change::Delete(id.clone()));
                    read.poison.push(Poison { id, reason });
                }
                Err(Unreadable::Now(error)) => return Err(error),
            }
        }
    }
    Ok(read)
}

enum Unreadable {
    /// The bucket or the table does not answer.
    Now(RunError),
    /// What is stored cannot be read.
    Never(String),
}

async fn document(
    state: &State,
    product: Option<Result<SearchedProduct, StoreError>>,
    sales: &OpenSales,
    now: Timestamp,
) -> Result<Option<Document>, Unreadable> {
    let Some(product) = product else { return Ok(None) };
    let SearchedProduct { record, rating, sold_out } = product.map_err(|error| match error {
        StoreError::Corrupt { .. } => Unreadable::Never(error_chain(&error)),
        error => Unreadable::Now(error.into()),
    })?;
    let description = match &record.description {
        None => String::new(),
        Some(stored) => state.descriptions.load(stored).await.map_err(|error| match error {
            DescriptionError::Damaged { .. } => Unreadable::Never(error_chain(&error)),
            DescriptionError::Unavailable(error) => Unreadable::Now(RunError::Generation(error.into())),
        })?,
    };
    let product = record.product;
    let offer = sales.offer(&product.id, now);
    let details = product.details;
    Ok(Some(Document {
        id: product.id,
        name: details.name.as_str().to_owned(),
        manufacturer: details.manufacturer.map(|maker| maker.as_str().to_owned()),
        category: details.category,
        attributes: details.attributes.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        description,
        price: offer.map_or(details.price, |offer| offer.terms.price),
        list_price: details.price,
        thumbnail: details.thumbnail.map(|thumbnail| thumbnail.as_str().to_owned()),
        sold_out: offer.map_or(sold_out, |offer| offer.sale.sold_out),
        reviews: rating.reviews,
        average_tenths: rating.average_tenths(),
        created_at: product.created_at,
        version: product.version,
    }))
}
