use domain::{Incarnation, ProductId, StockDelta, Timestamp, UserId};
use uuid::Uuid;

use crate::{
    Idempotency, PriorRequest, StoreError, Table,
    conditions::NEW,
    keys, rows,
    rows::{Item, n, s},
    transact::{TransactError, condition_failed, values},
};

#[derive(Debug, thiserror::Error)]
pub enum StockAdjustError {
    #[error("there is no such product")]
    UnknownProduct,
    #[error("only {available} units are left")]
    NotEnough { available: i64 },
    #[error("the idempotency key was used before")]
    Repeated(PriorRequest),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The stock that a product begins with. `initial` never changes: an import that was interrupted writes the first line of
/// the ledger by it.
pub(crate) fn stock_item(id: &ProductId, initial: i64, incarnation: Incarnation) -> Item {
    let mut item = keys::stock(id, keys::ONLY_STOCK_SHARD).into_item();
    item.extend([
        ("available".to_owned(), n(initial)),
        ("initial".to_owned(), n(initial)),
        (INCARNATION.to_owned(), n(incarnation.as_u64())),
    ]);
    item
}

/// Of a stock item. One that was written before there were any has none.
pub(crate) const INCARNATION: &str = "incarnation";

pub(crate) fn incarnation(item: &Item) -> Option<Incarnation> {
    let bits: u64 = item.get(INCARNATION)?.as_n().ok()?.parse().ok()?;
    Some(Incarnation::from(bits))
}

/// What a stock item began with; of one that does not say, what it has.
pub(crate) fn initial(item: &Item) -> Result<i64, StoreError> {
    match item.get("initial").and_then(|v| v.as_n().ok()).and_then(|raw| raw.parse().ok()) {
        Some(units) => Ok(units),
        None => available(item),
    }
}

/// That a stock item is of the product that a line of an order was sold of, and no later one with the same id.
pub(crate) fn is_of(line: Option<Incarnation>) -> (&'static str, Item) {
    match line {
        Some(incarnation) => ("incarnation = :incarnation", values([(":incarnation", n(incarnation.as_u64()))])),
        None => ("attribute_exists(PK) AND attribute_not_exists(incarnation)", Item::new()),
    }
}

/// A line of the ledger: what an operator did to the stock, and why. Sales are not in it; orders are their record.
pub(crate) fn move_item(id: &ProductId, move_id: Uuid, delta: i64, reason: &str, actor: &str) -> Item {
    let mut item = keys::stock_move(id, move_id).into_item();
    item.extend([("delta".to_owned(), n(delta)), ("reason".to_owned(), s(reason)), ("actor".to_owned(), s(actor))]);
    item
}

pub(crate) fn available(item: &Item) -> Result<i64, StoreError> {
    let units = item.get("available").and_then(|v| v.as_n().ok()).and_then(|raw| raw.parse().ok());
    units.ok_or_else(|| StoreError::corrupt(rows::key_of(item), "stock without a number of units"))
}

impl Table {
    /// AP-16: adds to or takes from a product's stock, with a line in the ledger; once for each idempotency key.
    /// TransactWriteItems of three. ADD, so that sales and restocks at the same time both count.
    #[expect(clippy::too_many_arguments, reason = "each is one column of the ledger or of the idempotency record")]
    pub async fn stock_adjust(
        &self,
        id: &ProductId,
        delta: StockDelta,
        reason: &str,
        actor: &UserId,
        move_id: Uuid,
        answer: &str,
        request: &Idempotency,
        now: Timestamp,
    ) -> Result<(), StockAdjustError> {
        let actions = vec![
            self.transact_update(
                keys::stock(id, keys::ONLY_STOCK_SHARD),
                "ADD available :delta",
                "attribute_exists(PK) AND available >= :least",
                values([(":delta", n(delta.units())), (":least", n((-delta.units()).max(0)))]),
            ),
            self.transact_put(move_item(id, move_id, delta.units(), reason, actor.as_str()), Some(NEW)),
            self.transact_put(request.item(answer, now), Some(NEW)),
        ];

        let reasons = match self.transact("AP-16", actions).await {
            Ok(()) => return Ok(()),
            Err(TransactError::Store(error)) => return Err(error.into()),
            Err(TransactError::Canceled(reasons)) => reasons,
        };
        // A repeated key comes first: the stock may be short because the first request took it.
        if let Some(prior) = reasons.get(2).filter(|r| condition_failed(r)).and_then(|r| r.item.clone()) {
            return Err(StockAdjustError::Repeated(request.read(prior)?));
        }
        match reasons.first().and_then(|r| r.item.as_ref()) {
            Some(old) => Err(StockAdjustError::NotEnough { available: available(old)? }),
            None => Err(StockAdjustError::UnknownProduct),
        }
    }
}
