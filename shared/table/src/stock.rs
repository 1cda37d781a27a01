use domain::{Incarnation, ProductId, StockDelta, Timestamp, UserId};
use uuid::Uuid;

use crate::{
    Idempotency, PriorRequest, StoreError, Table,
    conditions::{Condition, NEW, values},
    keys, rows,
    rows::{Item, n, s},
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

/// Conditions of AP-16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AdjustCondition {
    /// The product has stock, and enough of it.
    Stock,
    LedgerLine,
    Request,
}

/// The initial stock of a product. `initial` never changes: completing an interrupted import writes the first line of
/// the ledger from it.
pub(crate) fn stock_item(id: &ProductId, initial: i64, incarnation: Incarnation, created_at: Timestamp) -> Item {
    let mut item = keys::stock(id, keys::ONLY_STOCK_SHARD).into_item();
    item.extend([
        ("available".to_owned(), n(initial)),
        ("initial".to_owned(), n(initial)),
        (INCARNATION.to_owned(), n(incarnation.as_u64())),
        ("since".to_owned(), n(rows::millis(created_at))),
    ]);
    item
}

/// The incarnation of a stock item. One written before incarnations existed has none.
pub(crate) const INCARNATION: &str = "incarnation";

/// On a stock item while units of it are set aside for a sale: the sale's id.
pub(crate) const IN_SALE: &str = "sale";

pub(crate) fn incarnation(item: &Item) -> Option<Incarnation> {
    let bits: u64 = item.get(INCARNATION)?.as_n().ok()?.parse().ok()?;
    Some(Incarnation::from(bits))
}

/// The initial stock; for an item that does not record it, the current stock.
pub(crate) fn initial(item: &Item) -> Result<i64, StoreError> {
    match item.get("initial").and_then(|v| v.as_n().ok()).and_then(|raw| raw.parse().ok()) {
        Some(units) => Ok(units),
        None => available(item),
    }
}

/// The condition that a stock item is of the product that a line of an order was sold from, not of a later one with the
/// same id. A line from before incarnations belongs to the stock that existed when its order was placed.
pub(crate) fn is_of(line: Option<Incarnation>, placed_at: Timestamp) -> Condition {
    match line {
        Some(incarnation) => {
            Condition::new("incarnation = :incarnation", values([(":incarnation", n(incarnation.as_u64()))]))
        }
        None => Condition::new(
            "attribute_exists(PK) AND (attribute_not_exists(incarnation) OR since <= :placed)",
            values([(":placed", n(rows::millis(placed_at)))]),
        ),
    }
}

/// The kind of a ledger line. Stored besides the reason, which is free text of staff and decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveKind {
    /// The product was created with it.
    Initial,
    /// Staff added or took away.
    Adjusted,
    /// What was left when the product was deleted.
    Deleted,
    /// `ops reconcile` corrected the stock.
    Reconciled,
    /// Units that were set aside for a sale.
    SaleCreated,
    /// What was left when a sale was over.
    SaleEnded,
    /// Units of an order that returned when the sale they were bought in was over already.
    SaleReturned,
}

impl MoveKind {
    fn as_str(self) -> &'static str {
        match self {
            MoveKind::Initial => "initial",
            MoveKind::Adjusted => "adjusted",
            MoveKind::Deleted => "deleted",
            MoveKind::Reconciled => "reconciled",
            MoveKind::SaleCreated => "sale_created",
            MoveKind::SaleEnded => "sale_ended",
            MoveKind::SaleReturned => "sale_returned",
        }
    }

    /// The kind of a line that was read. `None` is a kind of a later version of the program.
    pub(crate) fn of(item: &Item) -> Option<Self> {
        let text = |name| item.get(name).and_then(|v| v.as_s().ok()).map(String::as_str);
        match text("kind") {
            Some("initial") => Some(MoveKind::Initial),
            Some("adjusted") => Some(MoveKind::Adjusted),
            Some("deleted") => Some(MoveKind::Deleted),
            Some("reconciled") => Some(MoveKind::Reconciled),
            Some("sale_created") => Some(MoveKind::SaleCreated),
            Some("sale_ended") => Some(MoveKind::SaleEnded),
            Some("sale_returned") => Some(MoveKind::SaleReturned),
            Some(_) => None,
            // Written before lines had a kind: only the reason distinguishes them.
            None => Some(match text("reason") {
                Some("initial") => MoveKind::Initial,
                Some("deleted") => MoveKind::Deleted,
                Some("reconciled") => MoveKind::Reconciled,
                Some(_) | None => MoveKind::Adjusted,
            }),
        }
    }
}

/// A line of the ledger: an operator's change of the stock, and the reason. Sales are not in it; orders record them.
pub(crate) fn move_item(id: &ProductId, move_id: Uuid, kind: MoveKind, delta: i64, reason: &str, actor: &str) -> Item {
    let mut item = keys::stock_move(id, move_id).into_item();
    item.extend([("delta".to_owned(), n(delta)), ("reason".to_owned(), s(reason)), ("actor".to_owned(), s(actor))]);
    item.insert("kind".to_owned(), s(kind.as_str()));
    item
}

pub(crate) fn available(item: &Item) -> Result<i64, StoreError> {
    let units = item.get("available").and_then(|v| v.as_n().ok()).and_then(|raw| raw.parse().ok());
    units.ok_or_else(|| StoreError::corrupt(rows::key_of(item), "stock without a number of units"))
}

impl Table {
    /// AP-16: adds to or subtracts from a product's stock, with a line in the ledger; once for each idempotency key.
    /// TransactWriteItems of three. ADD, so that concurrent sales and restocks all count.
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
        let enough = Condition::new(
            "attribute_exists(PK) AND available >= :least",
            values([(":least", n((-delta.units()).max(0)))]),
        );
        let mut transaction = self.transaction();
        transaction.update_if(
            AdjustCondition::Stock,
            enough,
            keys::stock(id, keys::ONLY_STOCK_SHARD),
            "ADD available :delta",
            values([(":delta", n(delta.units()))]),
        );
        let line = move_item(id, move_id, MoveKind::Adjusted, delta.units(), reason, actor.as_str());
        transaction.put_if(AdjustCondition::LedgerLine, NEW, line);
        transaction.put_if(AdjustCondition::Request, NEW, request.item(answer, now));

        let Err(failed) = transaction.write("AP-16").await? else { return Ok(()) };
        // A repeated key comes first: the stock may be short because the first request took it.
        if let Some(prior) = failed.item(AdjustCondition::Request) {
            return Err(StockAdjustError::Repeated(request.read(prior.clone())?));
        }
        match failed.item(AdjustCondition::Stock) {
            Some(old) => Err(StockAdjustError::NotEnough { available: available(old)? }),
            None if failed.contains(AdjustCondition::Stock) => Err(StockAdjustError::UnknownProduct),
            None => Err(StoreError::Busy("the id of a ledger line was taken".into()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [MoveKind; 7] = [
        MoveKind::Initial,
        MoveKind::Adjusted,
        MoveKind::Deleted,
        MoveKind::Reconciled,
        MoveKind::SaleCreated,
        MoveKind::SaleEnded,
        MoveKind::SaleReturned,
    ];

    fn line(kind: MoveKind, reason: &str) -> Item {
        move_item(&"mug".parse().unwrap(), Uuid::nil(), kind, 1, reason, "ann")
    }

    #[test]
    fn the_reason_of_staff_never_decides_the_kind_of_a_line() {
        for kind in ALL {
            for reason in ["initial", "deleted", "reconciled", "adjusted", "broken"] {
                assert_eq!(MoveKind::of(&line(kind, reason)), Some(kind), "{reason}");
            }
        }
    }

    #[test]
    fn an_old_line_is_read_by_its_reason_and_one_of_a_later_version_is_not_read() {
        let of_before = |reason| {
            let mut line = line(MoveKind::Adjusted, reason);
            line.remove("kind");
            MoveKind::of(&line)
        };
        let mut later = line(MoveKind::Adjusted, "initial");
        later.insert("kind".to_owned(), s("lent"));

        assert_eq!(of_before("initial"), Some(MoveKind::Initial));
        assert_eq!(of_before("deleted"), Some(MoveKind::Deleted));
        assert_eq!(of_before("reconciled"), Some(MoveKind::Reconciled));
        assert_eq!(of_before("broken"), Some(MoveKind::Adjusted));
        assert_eq!(MoveKind::of(&later), None);
    }
}
