//! Lists of orders: a customer's, and those of the shop's staff.

use std::collections::{HashMap, HashSet, VecDeque};

use domain::{Money, Order, OrderId, OrderState, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    Page, StoreError, Table, error_chain, keys,
    meter::metered,
    order_rows::{customer_order, order},
    page::one_more_than,
    rows::{Item, millis, n, s},
    schema,
};

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

/// The position of an order in an operator's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateDayPosition {
    #[serde(rename = "o")]
    order: String,
}

/// The position in a day's list: one for each state's list, in the order of `SETTLED`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayPosition(Vec<StatePosition>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum StatePosition {
    #[serde(rename = "s")]
    Start,
    #[serde(rename = "a")]
    After(StateDayPosition),
    #[serde(rename = "e")]
    End,
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
            .query()
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":pk", s(keys::user_pk(owner)))
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

    /// AP-42: settled orders of one state placed on one UTC day, newest first. Query order-state-index.
    pub async fn order_list_by_state(
        &self,
        state: OrderState,
        day: &str,
        limit: i32,
        after: Option<&StateDayPosition>,
    ) -> Result<Page<CustomerOrder, StateDayPosition>, StoreError> {
        let hash = keys::state_day(state, day);
        let start = after.and_then(|position| {
            let id: OrderId = position.order.parse().ok()?;
            let mut key = keys::order(id).into_item();
            key.insert(schema::ORDER_STATE.hash.to_owned(), s(&hash));
            key.insert(schema::ORDER_STATE.range.to_owned(), s(format!("{:.3}", id.placed_at())));
            Some(key)
        });
        let call = self
            .query()
            .index_name(schema::ORDER_STATE.name)
            .key_condition_expression("stateDay = :hash")
            .expression_attribute_values(":hash", s(&hash))
            .scan_index_forward(false)
            .limit(one_more_than(limit))
            .set_exclusive_start_key(start)
            .send();
        let output = metered("AP-42", call).await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default().into_iter().map(customer_order).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(items, limit, more, |o| StateDayPosition { order: o.id.to_string() }))
    }

    /// AP-42: settled orders of every state placed on one UTC day, newest first. A Query on each state's list of the
    /// day, merged.
    pub async fn order_list_by_day(
        &self,
        day: &str,
        limit: i32,
        after: Option<&DayPosition>,
    ) -> Result<Page<CustomerOrder, DayPosition>, StoreError> {
        let mut positions = match after {
            Some(DayPosition(positions)) if positions.len() == SETTLED.len() => positions.clone(),
            _ => vec![StatePosition::Start; SETTLED.len()],
        };
        // All of a page may be of one state.
        let fetch = async |state: OrderState, position: &StatePosition| match position {
            StatePosition::Start => self.order_list_by_state(state, day, limit, None).await,
            StatePosition::After(position) => self.order_list_by_state(state, day, limit, Some(position)).await,
            StatePosition::End => Ok(Page { items: Vec::new(), next: None }),
        };
        let lists = SETTLED.iter().zip(&positions).map(|(state, position)| fetch(*state, position));
        let lists = futures::future::try_join_all(lists).await?;
        let mut lists: Vec<(VecDeque<CustomerOrder>, bool)> =
            lists.into_iter().map(|page| (page.items.into(), page.next.is_some())).collect();

        let mut items = Vec::new();
        while items.len() < usize::try_from(limit).unwrap_or(0) {
            let heads = lists.iter().enumerate().filter_map(|(at, (list, _))| Some((list.front()?.id, at)));
            // Ids begin with the time their order was placed.
            let Some((id, newest)) = heads.max_by_key(|(id, _)| *id) else { break };
            items.extend(lists[newest].0.pop_front());
            positions[newest] = StatePosition::After(StateDayPosition { order: id.to_string() });
        }
        for (position, (list, more)) in positions.iter_mut().zip(&lists) {
            if list.is_empty() && !more {
                *position = StatePosition::End;
            }
        }
        let done = positions.iter().all(|position| *position == StatePosition::End);
        Ok(Page { items, next: (!done).then_some(DayPosition(positions)) })
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
                .query()
                .index_name(schema::DUE.name)
                .key_condition_expression("dueShard = :shard AND dueAt BETWEEN :from AND :until")
                .expression_attribute_values(":shard", s(keys::due_shard_name(shard)))
                .expression_attribute_values(":from", n(from))
                .expression_attribute_values(":until", n(until))
                .limit(limit)
                .send();
            metered("AP-12", call)
        };
        let pages = futures::future::try_join_all((0..keys::DUE_SHARDS).map(shard)).await?;
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
