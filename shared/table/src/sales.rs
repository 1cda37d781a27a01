//! Sales: creating one with its lots, changing it, and returning what is left of it.
//!
//! Every write of a sale is conditional on the version that was read, so the steps of creating and of ending one can be
//! repeated and continued by any process.

use domain::{LotId, OpenSales, Sale, SaleId, SaleProgress};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Idempotency, Page, PriorRequest, StoreError, Table,
    conditions::{Condition, NEW, values, version_is},
    error_chain, keys,
    meter::metered,
    page::one_more_than,
    rows::{n, s},
    sale_rows::{sale, sale_config_item, sale_item},
    stock::{MoveKind, available, move_item},
    transact::{AnyCondition, Transaction},
};

/// Lots that one transaction writes or removes, beside the sale.
const LOTS_AT_ONCE: u32 = 90;

/// Sales that one copy of the configuration can have: one page of a Query.
const MAX_OPEN: i32 = 500;

#[derive(Debug, thiserror::Error)]
pub enum SaleCreateError {
    #[error("there is no such product")]
    UnknownProduct,
    #[error("the product has a sale that is not over")]
    InSale,
    #[error("only {available} units are left")]
    NotEnough { available: i64 },
    #[error("the idempotency key was used before")]
    Repeated(PriorRequest),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The position of a sale in the list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SalePosition(String);

/// Conditions of AP-91a.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CreateCondition {
    Stock,
    Sale,
    Request,
}

impl Table {
    /// AP-91a: creates a sale, once for each idempotency key: sets its units aside from the stock, with a line in the
    /// ledger. TransactWriteItems: stock, ledger, sale, idempotency record and the copies of the configuration. Nothing is
    /// sold before all lots are written.
    pub async fn sale_create(&self, new: &Sale, request: &Idempotency, answer: &str) -> Result<(), SaleCreateError> {
        let mut transaction = self.transaction();
        let units = values([(":units", n(new.units))]);
        transaction.update_if(
            CreateCondition::Stock,
            Condition::new("available >= :units AND attribute_not_exists(sale)", units.clone()),
            keys::stock(&new.product, keys::ONLY_STOCK_SHARD),
            "SET available = available - :units, sale = :sale",
            values([(":units", n(new.units)), (":sale", s(new.id.to_string()))]),
        );
        let (delta, by) = (-i64::from(new.units), new.by.as_str());
        transaction.put(move_item(&new.product, new.id.as_uuid(), MoveKind::SaleCreated, delta, "sale", by));
        transaction.put_if(CreateCondition::Sale, NEW, sale_item(new, by));
        transaction.put_if(CreateCondition::Request, NEW, request.item(answer, new.created_at));
        for copy in 0..keys::SALE_COPIES {
            transaction.put(sale_config_item(copy, new));
        }
        let Err(failed) = transaction.write("AP-91").await? else { return Ok(()) };
        // A repeated key comes first: the first request has set the units aside.
        if let Some(prior) = failed.item(CreateCondition::Request) {
            return Err(SaleCreateError::Repeated(request.read(prior.clone())?));
        }
        match failed.item(CreateCondition::Stock) {
            Some(stock) if stock.contains_key("sale") => Err(SaleCreateError::InSale),
            Some(stock) => Err(SaleCreateError::NotEnough { available: available(stock)? }),
            None if failed.contains(CreateCondition::Stock) => Err(SaleCreateError::UnknownProduct),
            None => Err(StoreError::Busy("the id of a sale was taken".into()).into()),
        }
    }

    /// AP-91b: writes the next lots of a sale that is being prepared; with the last ones it is open. TransactWriteItems of
    /// the sale, conditional on its version, and up to 90 lots. `None` if another process was first.
    pub async fn sale_prepare(&self, preparing: &Sale) -> Result<Option<Sale>, StoreError> {
        let SaleProgress::Preparing { lots: from } = preparing.progress else { return Ok(None) };
        let to = (from + LOTS_AT_ONCE).min(preparing.plan.lots);
        let open = to == preparing.plan.lots;
        let progress = if open { SaleProgress::Open } else { SaleProgress::Preparing { lots: to } };
        let next = Sale { progress, version: preparing.version + 1, ..preparing.clone() };
        // The copies are written beside the last lots only.
        let to_write = if open { Copies::All } else { Copies::None };
        let written = self
            .sale_write_with(&next, SHOP, to_write, |transaction| {
                for (lot, units) in preparing.plan.lots(preparing.units, from..to) {
                    let mut item = keys::sale_lot(preparing.id, lot).into_item();
                    item.insert(UNITS_LEFT.to_owned(), n(units));
                    transaction.put(item);
                }
            })
            .await?;
        Ok(written.then_some(next))
    }

    /// AP-91b until the sale is open, or another process has changed it. Returns the sale as it is then.
    pub async fn sale_prepare_rest(&self, mut sale: Sale) -> Result<Sale, StoreError> {
        while matches!(sale.progress, SaleProgress::Preparing { .. }) {
            let Some(next) = self.sale_prepare(&sale).await? else { break };
            sale = next;
        }
        Ok(sale)
    }

    /// AP-91c: writes a sale's next version and the copies of its configuration. TransactWriteItems, conditional on the
    /// version before, so that no copy is ever of another version than the others. Returns whether it did.
    pub async fn sale_write(&self, next: &Sale, by: &str) -> Result<bool, StoreError> {
        self.sale_write_with(next, by, Copies::All, |_| ()).await
    }

    /// AP-91d: removes lots of a sale that is over, and counts their units. TransactWriteItems of the sale and up to 90 lots,
    /// each as it was read. `None` if something changed meanwhile; read again.
    pub async fn sale_lots_remove(&self, next: &Sale, lots: &[(LotId, u32)]) -> Result<bool, StoreError> {
        self.sale_write_with(next, SHOP, Copies::None, |transaction| {
            for (lot, left) in lots {
                let same = Condition::new(format!("{UNITS_LEFT} = :left"), values([(":left", n(left))]));
                transaction.delete_if(AnyCondition, same, keys::sale_lot(next.id, *lot));
            }
        })
        .await
    }

    /// AP-91e: ends a sale whose lots are all removed: its units return to the stock, with one line in the ledger, and its
    /// configuration is removed. TransactWriteItems. Returns whether it did.
    pub async fn sale_end(&self, ended: &Sale, units: u32, move_id: Uuid) -> Result<bool, StoreError> {
        self.sale_write_with(ended, SHOP, Copies::Removed, |transaction| {
            let id = s(ended.id.to_string());
            transaction.update_if(
                AnyCondition,
                Condition::new("sale = :sale", values([(":sale", id)])),
                keys::stock(&ended.product, keys::ONLY_STOCK_SHARD),
                "ADD available :units REMOVE sale",
                values([(":units", n(units))]),
            );
            if units > 0 {
                let line = move_item(&ended.product, move_id, MoveKind::SaleEnded, units.into(), "sale", SHOP);
                transaction.put(line);
            }
        })
        .await
    }

    async fn sale_write_with(
        &self,
        next: &Sale,
        by: &str,
        copies: Copies,
        more: impl FnOnce(&mut Transaction<'_, AnyCondition>),
    ) -> Result<bool, StoreError> {
        let mut transaction = self.transaction();
        transaction.put_if(AnyCondition, version_is(next.version - 1), sale_item(next, by));
        more(&mut transaction);
        for copy in 0..keys::SALE_COPIES {
            match copies {
                Copies::All => transaction.put(sale_config_item(copy, next)),
                Copies::Removed => transaction.delete(keys::sale_config(copy, next.id)),
                Copies::None => {}
            }
        }
        Ok(transaction.write("AP-91").await?.is_ok())
    }

    /// AP-92a: a sale. GetItem, consistent.
    pub async fn sale_get(&self, id: SaleId) -> Result<Option<Sale>, StoreError> {
        let found = metered("AP-92", self.get(keys::sale(id)).consistent_read(true).send()).await?;
        found.item.map(sale).transpose()
    }

    /// AP-92b: all sales, the newest first. Query `FLASH_SALE#ALL`, eventually consistent.
    pub async fn sale_list(
        &self,
        limit: i32,
        after: Option<&SalePosition>,
    ) -> Result<Page<Sale, SalePosition>, StoreError> {
        let start = after.and_then(|SalePosition(id)| Some(keys::sale(id.parse().ok()?).into_item()));
        let call = self
            .query(keys::sales_pk())
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::SALE_PREFIX))
            .scan_index_forward(false)
            .limit(one_more_than(limit))
            .set_exclusive_start_key(start)
            .send();
        let output = metered("AP-92", call).await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default().into_iter().map(sale).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, limit, more, |sale| SalePosition(sale.id.to_string())))
    }

    /// AP-92c: the sales that are not over, from one of the copies. Query `FLASH_SALE#copy`, eventually consistent. One that
    /// cannot be read is logged and left out, so that the others go on.
    pub async fn sales_open(&self, copy: u8) -> Result<OpenSales, StoreError> {
        let call = self
            .query(keys::sale_configs_pk(copy % keys::SALE_COPIES))
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::SALE_CONFIG_PREFIX))
            .limit(MAX_OPEN)
            .send();
        let items = metered("AP-92", call).await?.items.unwrap_or_default();
        let readable =
            |item| sale(item).inspect_err(|e| tracing::error!(error = error_chain(e), "a sale is left out")).ok();
        Ok(OpenSales::new(items.into_iter().filter_map(readable)))
    }
}

/// The writer of what nobody asked for.
const SHOP: &str = "shop";

/// The units that a lot has left.
pub(crate) const UNITS_LEFT: &str = "unitsLeft";

/// What a write of a sale does to the copies of its configuration.
#[derive(Clone, Copy)]
enum Copies {
    None,
    All,
    Removed,
}
