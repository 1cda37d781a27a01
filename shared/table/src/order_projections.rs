//! The projections of an order, and whether they are complete.

use aws_sdk_dynamodb::types::Select;
use domain::{Order, OrderId, UserId};

use crate::{
    StoreError, Table, keys,
    meter::metered,
    rows,
    rows::{Item, s},
};

/// The state of an order's projections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Projection {
    /// The order's version that the entry in the customer's list was made from; `None` if there is no entry.
    pub listed_version: Option<u64>,
    /// Line items.
    pub lines: usize,
}

impl Projection {
    /// Whether a projection of this version of the order is missing. Projections of a later version are not behind.
    pub fn is_behind(&self, order: &Order) -> bool {
        self.listed_version.is_none_or(|listed| listed < order.version) || self.lines < order.lines.len()
    }
}

impl Table {
    /// AP-49: the state of an order's projections. GetItem of the entry in the customer's list and Query `ORDER#oid`
    /// begins_with `ITEM#`, which only counts; both at once, eventually consistent.
    pub async fn order_projection_get(&self, owner: &UserId, id: OrderId) -> Result<Projection, StoreError> {
        let listed = self
            .get(keys::customer_order(owner, id))
            .consistent_read(false)
            .projection_expression("PK, SK, version")
            .send();
        let lines = self
            .query(keys::order_pk(id))
            .consistent_read(false)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::ORDER_LINE_PREFIX))
            .select(Select::Count)
            // An order has at most 90.
            .limit(1_000)
            .send();
        let (listed, lines) = tokio::join!(metered("AP-49", listed), metered("AP-49", lines));
        let listed_version = listed?.item.as_ref().map(version).transpose()?;
        Ok(Projection { listed_version, lines: usize::try_from(lines?.count).unwrap_or_default() })
    }
}

fn version(entry: &Item) -> Result<u64, StoreError> {
    let version = entry.get("version").and_then(|v| v.as_n().ok()).and_then(|raw| raw.parse().ok());
    version.ok_or_else(|| StoreError::corrupt(rows::key_of(entry), "an entry of an order list without a version"))
}
