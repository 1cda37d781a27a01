//! Lists of orders: a customer's, and those of the shop's staff.

use std::collections::{HashSet, VecDeque};

use domain::{Money, Order, OrderId, OrderState, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    Page, StoreError, Table, error_chain, keys,
    meter::metered,
    order_rows::{customer_order, order},
    rows,
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
    /// Of the order this was projected from.
    pub version: u64,
}

/// The place of an order in a customer's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderPosition(String);

/// The place of an order in an operator's list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateDayPosition {
    #[serde(rename = "o")]
    order: String,
}

/// The place of an order in a day's list: where each state's list has come to, in the order of [`SETTLED`].
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

/// A place among the orders without an outcome: when the last one shown is due, and how many due then were shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DuePosition {
    #[serde(rename = "d")]
    due_at: i64,
    #[serde(rename = "n")]
    seen: usize,
}

/// What can be open about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Its payment has no outcome: one of the two states without.
    Payment(OrderState),
    /// Its payment has no outcome.
    AnyPayment,
    /// A refund is owed.
    Refund,
    /// The payment is disputed, and the bank has not decided yet.
    Dispute,
}

impl Open {
    fn is_of(self, order: &Order) -> bool {
        match self {
            Open::Payment(state) => order.state == state,
            Open::AnyPayment => order.state.is_unsettled(),
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
            .limit(limit)
            .set_exclusive_start_key(start)
            .send();
        let output = metered("AP-09", call).await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default().into_iter().map(customer_order).collect::<Result<Vec<_>, _>>()?;
        let next = items.last().filter(|_| more).map(|o| OrderPosition(o.id.to_string()));
        Ok(Page { items, next })
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
            .limit(limit)
            .set_exclusive_start_key(start)
            .send();
        let output = metered("AP-42", call).await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default().into_iter().map(customer_order).collect::<Result<Vec<_>, _>>()?;
        let next = items.last().filter(|_| more).map(|o| StateDayPosition { order: o.id.to_string() });
        Ok(Page { items, next })
    }

    /// AP-12: orders with something open that are due in a span of time, soonest first. A Query on each due shard, then
    /// the orders themselves, consistently: the index holds keys only. It may lag behind, so look at an order's state
    /// before acting on it. At most `limit`. An order that does not read back is logged and left out: it must not keep the
    /// others from being looked after.
    pub async fn order_list_due(
        &self,
        from: Timestamp,
        until: Timestamp,
        limit: i32,
    ) -> Result<Vec<Order>, StoreError> {
        self.orders_due(from, until, limit).await.map(|(orders, _)| orders)
    }

    /// With how many entries of the index that were.
    async fn orders_due(
        &self,
        from: Timestamp,
        until: Timestamp,
        limit: i32,
    ) -> Result<(Vec<Order>, usize), StoreError> {
        let shard = |shard| {
            let call = self
                .query()
                .index_name(schema::DUE.name)
                .key_condition_expression("dueShard = :shard AND dueAt BETWEEN :from AND :until")
                .expression_attribute_values(":shard", s(keys::due_shard_name(shard)))
                .expression_attribute_values(":from", n(millis(from)))
                .expression_attribute_values(":until", n(millis(until)))
                .limit(limit)
                .send();
            metered("AP-12", call)
        };
        let pages = futures::future::try_join_all((0..keys::DUE_SHARDS).map(shard)).await?;
        let due_at = |item: &Item| item.get("dueAt").and_then(|v| v.as_n().ok()).and_then(|ms| ms.parse::<i64>().ok());
        let mut items: Vec<_> = pages.into_iter().flat_map(|page| page.items.unwrap_or_default()).collect();
        // Stable: what is due in the same millisecond stays in the order of the shards and of the index.
        items.sort_by_key(due_at);
        items.truncate(usize::try_from(limit).unwrap_or(0));
        let entries = items.len();
        let ids = items.iter().filter_map(|item| {
            let pk = item.get(keys::PK)?.as_s().ok()?;
            pk.strip_prefix(keys::ORDER_PREFIX)?.parse().ok()
        });
        // The index may name an order twice, at the old and at the new time, while it moves.
        let mut named = HashSet::new();
        let ids: Vec<OrderId> = ids.filter(|id| named.insert(*id)).collect();
        let found = self.items_get("AP-12", ids.iter().copied().map(keys::order).collect(), true).await?;
        let readable =
            |item| order(item).inspect_err(|e| tracing::error!(error = error_chain(e), "an order is left out")).ok();
        let mut orders: Vec<_> = found.into_iter().filter_map(readable).collect();
        orders.sort_by_key(|o| ids.iter().position(|id| *id == o.id));
        Ok((orders, entries))
    }

    /// AP-12 for operators: orders with something open of one kind, soonest due first. A page may be shorter than `limit`
    /// and still not the last.
    pub async fn order_list_open(
        &self,
        open: Open,
        limit: i32,
        after: Option<&DuePosition>,
    ) -> Result<Page<CustomerOrder, DuePosition>, StoreError> {
        let (from, skip) = after.map_or((0, 0), |p| (p.due_at, p.seen));
        let start = rows::from_millis(from).map_err(|e| StoreError::corrupt("cursor", e))?;
        let wanted = usize::try_from(limit).unwrap_or(0);
        let asked = i32::try_from(skip + wanted + 1).unwrap_or(i32::MAX);
        let (orders, entries) = self.orders_due(start, Timestamp::MAX, asked).await?;

        let more = entries > skip + wanted;
        let page: Vec<_> = orders.into_iter().skip(skip).take(wanted).collect();
        let due = |o: &Order| o.due_at.map_or(from, millis);
        let next = page.last().map(due).filter(|_| more).map(|due_at| {
            let with_the_last = page.iter().rev().take_while(|o| due(o) == due_at).count();
            let before = if due_at == from { skip } else { 0 };
            DuePosition { due_at, seen: before + with_the_last }
        });
        let items = page.into_iter().filter(|o| open.is_of(o)).map(|o| CustomerOrder {
            id: o.id,
            state: o.state,
            total: o.totals.total,
            item_count: o.item_count(),
            version: o.version,
        });
        Ok(Page { items: items.collect(), next })
    }

    /// AP-42: settled orders of every state placed on one UTC day, newest first. A Query on each state's list of the day,
    /// merged.
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
            // Ids begin with the time their order was placed at.
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
}
