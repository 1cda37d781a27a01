//! The lots of a sale: what is left in them, and the actions of a transaction that take from them and return to them.

use domain::{Contact, LineSale, LotId, LotsSeen, Order, OrderLine, ProductId, SaleId, Timestamp};
use jiff::SignedDuration;
use uuid::Uuid;

use crate::{
    StoreError, Table,
    conditions::{Condition, EXISTS, values},
    keys,
    meter::metered,
    rows::{self, Item, n, s},
    sales::UNITS_LEFT,
    schema::TTL_ATTRIBUTE,
    stock::{MoveKind, is_of, move_item},
    transact::Transaction,
};

/// How long it is remembered what a customer bought in a sale: longer than any sale lasts.
const BUYER_RETENTION: SignedDuration = SignedDuration::from_hours(24 * 62);

/// A lot that could not be taken from, and what is left in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LotShort {
    pub lot: LotId,
    /// 0 also if the lot is gone, because the sale has ended. `None` if others were writing it.
    pub left: Option<u32>,
}

impl Table {
    /// AP-93a: the lots under one key of a sale. Query `SALE#id#key` begins_with `LOT#`, eventually consistent.
    pub async fn sale_lots_get(&self, id: SaleId, key: u16) -> Result<LotsSeen, StoreError> {
        self.sale_lots(id, key, false).await
    }

    /// AP-93b: the same, consistent: before a sale is said to be sold out, and to remove its lots.
    pub async fn sale_lots_get_consistent(&self, id: SaleId, key: u16) -> Result<LotsSeen, StoreError> {
        self.sale_lots(id, key, true).await
    }

    async fn sale_lots(&self, id: SaleId, key: u16, consistent: bool) -> Result<LotsSeen, StoreError> {
        let call = self
            .query(keys::sale_lots_pk(id, key))
            .consistent_read(consistent)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::SALE_LOT_PREFIX))
            .limit(200)
            .send();
        let items = metered("AP-93", call).await?.items.unwrap_or_default();
        items.iter().map(|item| lot(item).ok_or_else(|| StoreError::corrupt(rows::key_of(item), "a lot"))).collect()
    }
}

fn lot(item: &Item) -> Option<(LotId, u32)> {
    let id: u32 = item.get(keys::SK)?.as_s().ok()?.strip_prefix(keys::SALE_LOT_PREFIX)?.parse().ok()?;
    Some((id.into(), units_left(item)?))
}

/// What is left in a lot.
pub(crate) fn units_left(item: &Item) -> Option<u32> {
    item.get(UNITS_LEFT)?.as_n().ok()?.parse().ok()
}

impl<L: Copy> Transaction<'_, L> {
    /// Takes the units of a line from its lots, and counts them against the limit.
    pub(crate) fn lots_take(
        &mut self,
        order: &Order,
        sale: &LineSale,
        line: &OrderLine,
        now: Timestamp,
        lot_label: impl Fn(LotId) -> L,
        limit_label: L,
    ) {
        for take in &sale.lots {
            let units = values([(":units", n(take.units))]);
            self.update_if(
                lot_label(take.lot),
                Condition::new(format!("{UNITS_LEFT} >= :units"), units.clone()),
                keys::sale_lot(sale.id, take.lot),
                &format!("SET {UNITS_LEFT} = {UNITS_LEFT} - :units"),
                units,
            );
        }
        let Some(limit) = &sale.limit else { return };
        let room = limit.units.units().saturating_sub(line.quantity.units());
        for key in buyers(sale, order.contact.as_ref()) {
            self.update_if(
                limit_label,
                Condition::new("attribute_not_exists(bought) OR bought <= :room", values([(":room", n(room))])),
                key,
                &format!("ADD bought :units SET {TTL_ATTRIBUTE} = :ttl"),
                values([(":units", n(line.quantity.units())), (":ttl", n((now + BUYER_RETENTION).as_second()))]),
            );
        }
    }

    /// Returns units of a line to its lots, as long as the sale is not over.
    pub(crate) fn lots_return(
        &mut self,
        order: &Order,
        sale: &LineSale,
        line: &OrderLine,
        units: u32,
        now: Timestamp,
        label: L,
    ) {
        for take in sale.returned(units, line.quantity) {
            self.update_if(
                label,
                EXISTS,
                keys::sale_lot(sale.id, take.lot),
                &format!("ADD {UNITS_LEFT} :units"),
                values([(":units", n(take.units))]),
            );
        }
        if sale.limit.is_none() {
            return;
        }
        for key in buyers(sale, order.contact.as_ref()) {
            self.update(
                key,
                &format!("ADD bought :units SET {TTL_ATTRIBUTE} = :ttl"),
                values([(":units", n(-i64::from(units))), (":ttl", n((now + BUYER_RETENTION).as_second()))]),
            );
        }
    }

    /// Returns units of a line to the stock, because the sale is over, with a line in the ledger: the units had left it
    /// when the sale was created.
    pub(crate) fn after_sale_return(&mut self, order: &Order, line: &OrderLine, units: u32, now: Timestamp, label: L) {
        self.update_if(
            label,
            is_of(line.incarnation, order.placed_at()),
            keys::stock(&line.product, keys::ONLY_STOCK_SHARD),
            "ADD available :units",
            values([(":units", n(units))]),
        );
        let delta = i64::from(units);
        self.put(move_item(&line.product, return_id(order, now), MoveKind::SaleReturned, delta, "sale", "shop"));
    }
}

/// The counters of a buyer: the customer or guest, and the e-mail of the order's contact.
fn buyers(sale: &LineSale, contact: Option<&Contact>) -> Vec<keys::Key> {
    let buyer = sale.limit.iter().map(|limit| keys::sale_buyer(sale.id, &limit.buyer));
    buyer.chain(contact.map(|contact| keys::sale_contact(sale.id, &contact.email))).collect()
}

/// The id of a ledger's line of this time. The order's version, which is written in the same transaction, keeps it from
/// being written twice.
fn return_id(order: &Order, now: Timestamp) -> Uuid {
    let ms = u64::try_from(now.as_millisecond()).unwrap_or_default();
    let (_, random) = order.id.as_uuid().as_u64_pair();
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&(random ^ order.version).to_be_bytes());
    uuid::Builder::from_unix_timestamp_millis(ms, &bytes).into_uuid()
}

/// A product's line.
pub(crate) fn line_of<'a>(order: &'a Order, product: &ProductId) -> Option<&'a OrderLine> {
    order.lines.iter().find(|line| line.product == *product)
}
