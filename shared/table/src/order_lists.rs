//! Lists of orders: a customer's, and those of the shop's staff.

use std::collections::{HashMap, HashSet};

use domain::{Money, Order, OrderId, OrderState, Timestamp, UserId};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::{
    Page, StoreError, Table, error_chain, keys,
    meter::metered,
    order_rows::{customer_order, order},
    page::one_more_than,
    rows::{Item, millis, n, s},
    schema,
};

/// Shards of the due index that are read at the same time: each needs a connection of its own.
const SHARDS_AT_ONCE: usize = 8;

/// A line of a customer's order list.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerOrder {
    pub id: OrderId,
    pub state: OrderState,
    pub total: Money,
    pub item_count: u64,
    /// The version of the order that it was projected from.
    pub version: u64,
}

impl From<&Order> for CustomerOrder {
    fn from(order: &Order) -> Self {
        Self {
            id: order.id,
            state: order.state,
            total: order.totals.total,
            item_count: order.item_count(),
            version: order.version,
        }
    }
}

/// The position of an order in a customer's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderPosition(String);

/// The position in an operator's list of a day: the last order that was shown. Every list of the day continues after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayPosition {
    #[serde(rename = "o")]
    order: String,
}

/// The states of orders whose payment has an outcome.
const SETTLED: [OrderState; 4] =
    [OrderState::Confirmed, OrderState::Shipped, OrderState::Delivered, OrderState::Cancelled];

/// The position among the open orders: when the last one shown is due, and how many with that due time were shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DuePosition {
    #[serde(rename = "d")]
    due_at: i64,
    #[serde(rename = "n")]
    seen: usize,
}

/// Maximum orders of other kinds that one page of open orders skips before it ends early.
const MAX_SKIPPED: usize = 1_000;

/// What can be open about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Its payment has no outcome: one of the two such states.
    Payment(OrderState),
    /// Its payment has no outcome.
    AnyPayment,
    /// A refund is owed.
    Refund,
    /// The payment is disputed, and the bank has not decided yet.
    Dispute,
}

impl Open {
    pub fn is_of(self, order: &Order) -> bool {
        match self {
            Open::Payment(state) => order.state == state,
            Open::AnyPayment => order.state.awaits_payment(),
            Open::Refund => order.refund_owed().is_some(),
            Open::Dispute => order.disputes_open().next().is_some(),
        }
    }
}

impl Table {
    /// AP-09: a customer's orders, newest first. Query, eventually consistent.
    pub async fn order_list_by_customer(
        &self,
        owner: &UserId,
        limit: i32,
        after: Option<&OrderPosition>,
    ) -> Result<Page<CustomerOrder, OrderPosition>, StoreError> {
        let start = after.and_then(|OrderPosition(id)| Some(keys::customer_order(owner, id.parse().ok()?).into_item()));
        let call = self
            .query(keys::user_pk(owner))
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::ORDER_PREFIX))
            .scan_index_forward(false)
            .limit(one_more_than(limit))
            .set_exclusive_start_key(start)
            .send();
        let output = metered("AP-09", call).await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default().into_iter().map(customer_order).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, limit, more, |o| OrderPosition(o.id.to_string())))
    }

    /// AP-42a: settled orders of one state placed on one UTC day, newest first. A Query on each shard of
    /// order-state-index, merged.
    pub async fn order_list_by_state(
        &self,
        state: OrderState,
        day: &str,
        limit: i32,
        after: Option<&DayPosition>,
    ) -> Result<Page<CustomerOrder, DayPosition>, StoreError> {
        self.order_list_merged(&[state], day, limit, after).await
    }

    /// AP-42b: settled orders of every state placed on one UTC day, newest first. A Query on each shard of each state,
    /// merged.
    pub async fn order_list_by_day(
        &self,
        day: &str,
        limit: i32,
        after: Option<&DayPosition>,
    ) -> Result<Page<CustomerOrder, DayPosition>, StoreError> {
        self.order_list_merged(&SETTLED, day, limit, after).await
    }

    /// AP-42. Any order of a page may be in any of the lists, so each is asked for a whole page. All lists continue after
    /// the last order that was shown: ids begin with the time their order was placed, which is the index's sort key.
    async fn order_list_merged(
        &self,
        states: &[OrderState],
        day: &str,
        limit: i32,
        after: Option<&DayPosition>,
    ) -> Result<Page<CustomerOrder, DayPosition>, StoreError> {
        let after: Option<OrderId> = after.and_then(|position| position.order.parse().ok());
        let shards = states.iter().flat_map(|state| (0..keys::STATE_SHARDS).map(move |shard| (*state, shard)));
        let lists =
            shards.map(|(state, shard)| self.order_state_entries(keys::state_day(state, day, shard), limit, after));
        let mut merged = Vec::new();
        let mut more = false;
        for (orders, continues) in futures::future::try_join_all(lists).await? {
            more |= continues;
            merged.extend(orders);
        }
        merged.sort_by_key(|order| std::cmp::Reverse(order.id));
        Ok(Page::cut(merged, limit, more, |order| DayPosition { order: order.id.to_string() }))
    }

    /// AP-42: the entries of one hash key of order-state-index that follow an order, and whether there are more.
    async fn order_state_entries(
        &self,
        hash: String,
        limit: i32,
        after: Option<OrderId>,
    ) -> Result<(Vec<CustomerOrder>, bool), StoreError> {
        let newest = after.map_or(Timestamp::MAX, |id| id.placed_at());
        let wanted = usize::try_from(limit).unwrap_or(0);
        let (mut entries, mut start) = (Vec::<CustomerOrder>::new(), None);
        loop {
            let call = self
                .query_index(&schema::ORDER_STATE)
                .key_condition_expression("stateDay = :hash AND placedAt <= :newest")
                .expression_attribute_values(":hash", s(&hash))
                .expression_attribute_values(":newest", s(format!("{newest:.3}")))
                .scan_index_forward(false)
                .limit(one_more_than(limit))
                .set_exclusive_start_key(start)
                .send();
            let output = metered("AP-42", call).await?;
            for item in output.items.unwrap_or_default() {
                let order = customer_order(item)?;
                // Orders of one millisecond are in no order in the index. Those that were shown have larger ids.
                if after.is_none_or(|after| order.id < after) {
                    entries.push(order);
                }
            }
            start = output.last_evaluated_key;
            if start.is_none() || entries.len() > wanted {
                return Ok((entries, start.is_some()));
            }
        }
    }

    /// AP-12: orders with something open that are due in a span of time, soonest first. A Query on each due shard, then
    /// the orders themselves, consistently: the index holds keys only. It may lag, so check an order's state before
    /// acting on it. At most `limit`. An order that cannot be read is logged and left out, so that it does not keep the
    /// others from being processed.
    pub async fn order_list_due(
        &self,
        from: Timestamp,
        until: Timestamp,
        limit: i32,
    ) -> Result<Vec<Order>, StoreError> {
        let entries = self.due_entries(millis(from), millis(until), limit).await?;
        let mut orders = self.orders_of(&entries).await?;
        // The index may have an order twice, at the old and at the new time, while it is updated.
        Ok(entries.iter().filter_map(|entry| orders.remove(&entry.order)).collect())
    }

    /// AP-12 for operators: orders with something open of one kind, soonest due first. A page skips at most
    /// `MAX_SKIPPED` orders that are open for another reason; after that it may be short or even empty without
    /// being the last one.
    pub async fn order_list_open(
        &self,
        open: Open,
        limit: i32,
        after: Option<&DuePosition>,
    ) -> Result<Page<CustomerOrder, DuePosition>, StoreError> {
        let mut position = after.cloned().unwrap_or(DuePosition { due_at: 0, seen: 0 });
        let wanted = usize::try_from(limit).unwrap_or(0);
        let (mut found, mut named, mut passed_over) = (Vec::new(), HashSet::new(), 0);
        let more = loop {
            let requested = position.seen + wanted + 1;
            let query_limit = i32::try_from(requested).unwrap_or(i32::MAX);
            let mut entries = self.due_entries(position.due_at, millis(Timestamp::MAX), query_limit).await?;
            let more = entries.len() >= requested;
            // The first ones are due in the same millisecond as the last one of the previous page; those were returned
            // already.
            let again = entries.iter().take(position.seen).take_while(|entry| entry.due_at == position.due_at).count();
            entries.drain(..again);
            let orders = self.orders_of(&entries).await?;
            for entry in &entries {
                position = position.past(entry);
                let order = orders.get(&entry.order).filter(|order| open.is_of(order));
                // The index may have an order twice, at the old and at the new time, while it is updated.
                match order.filter(|order| named.insert(order.id)) {
                    Some(order) => found.push((CustomerOrder::from(order), position.clone())),
                    None => passed_over += 1,
                }
            }
            if !more || found.len() > wanted {
                break false;
            }
            if passed_over >= MAX_SKIPPED {
                break true;
            }
        };
        let page = Page::cut(found, limit, false, |(_, position)| position.clone());
        let next = page.next.or(more.then_some(position));
        Ok(Page { items: page.items.into_iter().map(|(order, _)| order).collect(), next })
    }

    /// AP-12: the first entries of the due index in a span of time, in milliseconds, soonest first. Entries due in the
    /// same millisecond stay in the order of the shards and of the index.
    async fn due_entries(&self, from: i64, until: i64, limit: i32) -> Result<Vec<DueEntry>, StoreError> {
        let shard = |shard| {
            let call = self
                .query_index(&schema::DUE)
                .key_condition_expression("dueShard = :shard AND dueAt BETWEEN :from AND :until")
                .expression_attribute_values(":shard", s(keys::due_shard_name(shard)))
                .expression_attribute_values(":from", n(from))
                .expression_attribute_values(":until", n(until))
                .limit(limit)
                .send();
            metered("AP-12", call)
        };
        let pages = stream::iter(0..keys::DUE_SHARDS).map(shard).buffered(SHARDS_AT_ONCE);
        let pages: Vec<_> = pages.try_collect().await?;
        let items = pages.into_iter().flat_map(|page| page.items.unwrap_or_default());
        let mut entries: Vec<_> = items.filter_map(|item| DueEntry::of(&item)).collect();
        entries.sort_by_key(|entry| entry.due_at);
        entries.truncate(usize::try_from(limit).unwrap_or(0));
        Ok(entries)
    }

    /// AP-12: the orders that entries of the due index name, read consistently. One that cannot be read is logged and
    /// left out.
    async fn orders_of(&self, entries: &[DueEntry]) -> Result<HashMap<OrderId, Order>, StoreError> {
        let ids: HashSet<OrderId> = entries.iter().map(|entry| entry.order).collect();
        let found = self.items_get("AP-12", ids.into_iter().map(keys::order).collect(), true).await?;
        let readable =
            |item| order(item).inspect_err(|e| tracing::error!(error = error_chain(e), "an order is left out")).ok();
        Ok(found.into_iter().filter_map(readable).map(|order| (order.id, order)).collect())
    }
}

/// An entry of the due index.
struct DueEntry {
    due_at: i64,
    order: OrderId,
}

impl DueEntry {
    fn of(item: &Item) -> Option<Self> {
        let due_at = item.get("dueAt")?.as_n().ok()?.parse().ok()?;
        let pk = item.get(keys::PK)?.as_s().ok()?;
        Some(Self { due_at, order: keys::order_id(pk).ok()? })
    }
}

impl DuePosition {
    /// The position after an entry that follows this one.
    fn past(&self, entry: &DueEntry) -> Self {
        let before = if entry.due_at == self.due_at { self.seen } else { 0 };
        Self { due_at: entry.due_at, seen: before + 1 }
    }
}
