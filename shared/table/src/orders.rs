use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    types::{PutRequest, TransactWriteItem, WriteRequest},
};
use domain::{
    Cart, Invalid, Money, Order, OrderId, OrderLine, OrderState, Payment, PaymentState, ProductId, Quantity,
    StockEffect, Timestamp, Totals, Transition, UserId,
};
use serde::{Deserialize, Serialize};

use crate::{
    Idempotency, Page, PriorRequest, StoreError, Table,
    addresses::AddressRow,
    carts, keys,
    meter::metered,
    rows,
    rows::{Item, from_item, millis, n, s},
    schema,
    stock::{EXISTS, NEW, available},
    transact::{TransactError, condition_failed, values},
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

/// A place among the orders without an outcome: when the last one shown is due, and how many due then were shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DuePosition {
    #[serde(rename = "d")]
    due_at: i64,
    #[serde(rename = "n")]
    seen: usize,
}

/// A product of which less is left than was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    pub product: ProductId,
    pub available: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum PlaceOrderError {
    #[error("stock is short")]
    OutOfStock(Vec<Shortage>),
    #[error("the cart was changed meanwhile")]
    CartChanged,
    #[error("the idempotency key was used before")]
    Repeated(PriorRequest),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, thiserror::Error)]
pub enum OrderTransitionError {
    #[error("the order was changed meanwhile")]
    Changed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    customer: String,
    state: String,
    version: u64,
    lines: Vec<OrderLineRow>,
    currency: String,
    subtotal: i64,
    discount: i64,
    shipping: i64,
    tax: i64,
    total: i64,
    item_count: u64,
    payment_state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_reference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ship_to: Option<AddressRow>,
    history: Vec<TransitionRow>,
    placed_at: String,
    /// Only while the payment has no outcome: what the sweeper finds the order by.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_shard: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<i64>,
    /// Only once it has one: what operators list orders by.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_day: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct OrderLineRow {
    #[serde(rename = "id")]
    product: String,
    name: String,
    #[serde(rename = "q")]
    quantity: i64,
    #[serde(rename = "p")]
    unit_price: i64,
}

#[derive(Serialize, Deserialize)]
struct TransitionRow {
    #[serde(rename = "s")]
    state: String,
    #[serde(rename = "t")]
    at: i64,
}

fn order_item(order: &Order) -> Item {
    let keys::Key { pk, sk } = keys::order(order.id);
    let Totals { subtotal, discount, shipping, tax, total } = order.totals;
    let placed_at = order.placed_at();
    let due = order.hold_expires_at;
    rows::to_item(OrderRow {
        pk,
        sk,
        customer: order.customer.to_string(),
        state: order.state.as_str().to_owned(),
        version: order.version,
        lines: order.lines.iter().map(OrderLineRow::from).collect(),
        currency: total.currency().code().to_owned(),
        subtotal: subtotal.amount_minor(),
        discount: discount.amount_minor(),
        shipping: shipping.amount_minor(),
        tax: tax.amount_minor(),
        total: total.amount_minor(),
        item_count: order.item_count(),
        payment_state: order.payment.state.as_str().to_owned(),
        payment_reference: order.payment.reference.clone(),
        ship_to: order.ship_to.as_ref().map(AddressRow::from),
        history: order
            .history
            .iter()
            .map(|t| TransitionRow { state: t.state.as_str().to_owned(), at: millis(t.at) })
            .collect(),
        placed_at: format!("{placed_at:.3}"),
        due_shard: due.map(|_| keys::due_shard(order.id)),
        due_at: due.map(millis),
        state_day: (!order.state.is_unsettled()).then(|| keys::state_day(order.state, &keys::day(placed_at))),
    })
}

impl From<&OrderLine> for OrderLineRow {
    fn from(line: &OrderLine) -> Self {
        Self {
            product: line.product.to_string(),
            name: line.name.clone(),
            quantity: line.quantity.units().into(),
            unit_price: line.unit_price.amount_minor(),
        }
    }
}

fn order(item: Item) -> Result<Order, StoreError> {
    let key = rows::key_of(&item);
    from_item::<OrderRow>(item)?.into_order().map_err(|e| StoreError::corrupt(key, e))
}

impl OrderRow {
    fn into_order(self) -> Result<Order, Invalid> {
        let amount = |minor| rows::money(minor, &self.currency);
        let line = |row: OrderLineRow| -> Result<OrderLine, Invalid> {
            let quantity = Quantity::new(row.quantity)?;
            Ok(OrderLine {
                product: row.product.parse()?,
                name: row.name,
                quantity,
                unit_price: amount(row.unit_price)?,
            })
        };
        let transition = |row: TransitionRow| -> Result<Transition, Invalid> {
            Ok(Transition { state: state(&row.state)?, at: rows::from_millis(row.at)? })
        };
        Ok(Order {
            id: self.pk.strip_prefix(keys::ORDER_PREFIX).unwrap_or_default().parse()?,
            customer: self.customer.parse()?,
            state: state(&self.state)?,
            version: self.version,
            totals: Totals {
                subtotal: amount(self.subtotal)?,
                discount: amount(self.discount)?,
                shipping: amount(self.shipping)?,
                tax: amount(self.tax)?,
                total: amount(self.total)?,
            },
            lines: self.lines.into_iter().map(line).collect::<Result<_, _>>()?,
            payment: Payment {
                state: PaymentState::parse(&self.payment_state)
                    .ok_or_else(|| Invalid::new("paymentState", "corrupt", self.payment_state.clone()))?,
                reference: self.payment_reference,
            },
            hold_expires_at: self.due_at.map(rows::from_millis).transpose()?,
            ship_to: self.ship_to.map(AddressRow::into_address).transpose()?,
            history: self.history.into_iter().map(transition).collect::<Result<_, _>>()?,
        })
    }
}

fn state(raw: &str) -> Result<OrderState, Invalid> {
    OrderState::parse(raw).ok_or_else(|| Invalid::new("state", "corrupt", raw))
}

fn customer_order_item(order: &Order) -> Item {
    let mut item = keys::customer_order(&order.customer, order.id).into_item();
    item.extend([
        ("state".to_owned(), s(order.state.as_str())),
        ("total".to_owned(), n(order.totals.total.amount_minor())),
        ("currency".to_owned(), s(order.totals.total.currency().code())),
        ("itemCount".to_owned(), n(order.item_count())),
        ("version".to_owned(), n(order.version)),
    ]);
    item
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderSummaryRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    total: i64,
    currency: String,
    item_count: u64,
    version: u64,
    /// In the customer's list; in the operator's it is part of the index key.
    state: Option<String>,
    state_day: Option<String>,
}

/// A line of a list, from the customer's partition or from `order-state-index`.
pub(crate) fn customer_order(item: Item) -> Result<CustomerOrder, StoreError> {
    let row: OrderSummaryRow = from_item(item)?;
    let read = || -> Result<CustomerOrder, Invalid> {
        let in_index = row.pk.strip_prefix(keys::ORDER_PREFIX);
        let id = in_index.or_else(|| row.sk.rsplit('#').next()).unwrap_or_default().parse()?;
        let of_day = row.state_day.as_deref().and_then(|d| d.split('#').next());
        let state = state(row.state.as_deref().or(of_day).unwrap_or_default())?;
        let total = rows::money(row.total, &row.currency)?;
        Ok(CustomerOrder { id, state, total, item_count: row.item_count, version: row.version })
    };
    read().map_err(|e| StoreError::corrupt(format!("{} / {}", row.pk, row.sk), e))
}

impl Table {
    /// AP-08: commits an order. One transaction: every line's stock, the order, the cart emptied at the version that was
    /// bought, and the idempotency record. All or nothing, at most 93 actions.
    pub async fn order_place(
        &self,
        order: &Order,
        cart: &Cart,
        request: &Idempotency,
        now: Timestamp,
    ) -> Result<(), PlaceOrderError> {
        let mut actions: Vec<_> = order.lines.iter().map(|line| self.stock_take(line)).collect();
        actions.push(self.transact_put(order_item(order), Some(NEW)));
        actions.push(self.transact_update(
            keys::cart(&order.customer),
            "SET cartLines = :none, version = version + :one",
            "version = :read",
            values([(":none", carts::lines_value(&Default::default())), (":one", n(1)), (":read", n(cart.version))]),
        ));
        actions.push(self.transact_put(request.item(&order.id.to_string(), now), Some(NEW)));

        let reasons = match self.transact(actions).await {
            Ok(()) => return Ok(()),
            Err(TransactError::Store(error)) => return Err(error.into()),
            Err(TransactError::Canceled(reasons)) => reasons,
        };
        // A repeated key explains everything else: stock and cart are what the first request left.
        let lines = order.lines.len();
        if let Some(prior) = reasons.get(lines + 2).filter(|r| condition_failed(r)).and_then(|r| r.item.clone()) {
            return Err(PlaceOrderError::Repeated(request.read(prior)?));
        }
        if reasons.get(lines + 1).is_some_and(condition_failed) {
            return Err(PlaceOrderError::CartChanged);
        }
        let short = order.lines.iter().zip(&reasons).filter(|(_, reason)| condition_failed(reason));
        let shortages = short.map(|(line, reason)| {
            let available = reason.item.as_ref().map_or(Ok(0), available)?;
            Ok(Shortage { product: line.product.clone(), available })
        });
        match shortages.collect::<Result<Vec<_>, StoreError>>()? {
            none if none.is_empty() => Err(StoreError::Busy("an order id was taken".into()).into()),
            shortages => Err(PlaceOrderError::OutOfStock(shortages)),
        }
    }

    fn stock_take(&self, line: &OrderLine) -> TransactWriteItem {
        self.transact_update(
            keys::stock(&line.product, keys::ONLY_STOCK_SHARD),
            "SET available = available - :units",
            "available >= :units",
            values([(":units", n(line.quantity.units()))]),
        )
    }

    /// AP-40: moves an order on from the version before. PutItem, conditional on that version; where stock goes back, a
    /// transaction with one more action a line. `give_back` is the cart the order was placed from: on a decline its
    /// lines return to the customer, unless they have begun another.
    pub async fn order_transition(
        &self,
        order: &Order,
        effect: StockEffect,
        give_back: Option<&Cart>,
    ) -> Result<(), OrderTransitionError> {
        if effect == StockEffect::None {
            return self.order_put(order).await;
        }
        let mut put = self.transact_put(order_item(order), Some("version = :read"));
        if let Some(put) = put.put.as_mut() {
            put.expression_attribute_values = Some(values([(":read", n(order.version - 1))]));
        }
        let mut actions = vec![put];
        actions.extend(order.lines.iter().map(|line| self.stock_return(line)));
        actions.extend(give_back.map(|cart| {
            self.transact_update(
                keys::cart(&order.customer),
                "SET cartLines = :lines, version = version + :one",
                "version = :emptied",
                values([
                    (":lines", carts::lines_value(&cart.lines)),
                    (":one", n(1)),
                    (":emptied", n(cart.version + 1)),
                ]),
            )
        }));
        loop {
            let reasons = match self.transact(actions.clone()).await {
                Ok(()) => return Ok(()),
                Err(TransactError::Store(error)) => return Err(error.into()),
                Err(TransactError::Canceled(reasons)) => reasons,
            };
            if reasons.first().is_none_or(condition_failed) {
                return Err(OrderTransitionError::Changed);
            }
            // A product that was deleted meanwhile has no stock to return to, and a customer who has begun another cart
            // keeps that one. The rest must go back all the same; each round has fewer actions, so this ends.
            let mut reasons = reasons.iter();
            actions.retain(|_| !reasons.next().is_some_and(condition_failed));
        }
    }

    fn stock_return(&self, line: &OrderLine) -> TransactWriteItem {
        self.transact_update(
            keys::stock(&line.product, keys::ONLY_STOCK_SHARD),
            "ADD available :units",
            EXISTS,
            values([(":units", n(line.quantity.units()))]),
        )
    }

    async fn order_put(&self, order: &Order) -> Result<(), OrderTransitionError> {
        let call = self
            .put(order_item(order))
            .condition_expression("version = :read")
            .expression_attribute_values(":read", n(order.version - 1))
            .send();
        match metered(call).await {
            Ok(_) => Ok(()),
            Err(e) if matches!(e.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) => {
                Err(OrderTransitionError::Changed)
            }
            Err(e) => Err(StoreError::from(e).into()),
        }
    }

    /// AP-41: projects an order: its line items, by BatchWriteItem of 25, and the entry in the customer's list, by a
    /// PutItem that is conditional on being newer. Both at once, so that the customer reads their own write. Repeated and
    /// late calls change nothing; what a crash leaves out is repaired from the stream.
    pub async fn order_project(&self, order: &Order) -> Result<(), StoreError> {
        let lines = order.lines.iter().map(|line| {
            let mut item = keys::order_line(order.id, &line.product).into_item();
            item.extend([
                ("name".to_owned(), s(&line.name)),
                ("quantity".to_owned(), n(line.quantity.units())),
                ("unitPrice".to_owned(), n(line.unit_price.amount_minor())),
                ("currency".to_owned(), s(line.unit_price.currency().code())),
            ]);
            item
        });
        let (unwritten, listed) = tokio::join!(self.items_put(lines.collect()), self.order_list_entry_put(order));
        listed?;
        match unwritten?.is_empty() {
            true => Ok(()),
            false => Err(StoreError::Busy("items stayed unprocessed".into())),
        }
    }

    async fn order_list_entry_put(&self, order: &Order) -> Result<(), StoreError> {
        let call = self
            .put(customer_order_item(order))
            .condition_expression("attribute_not_exists(PK) OR version < :version")
            .expression_attribute_values(":version", n(order.version))
            .send();
        match metered(call).await {
            Err(e) if !matches!(e.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) => {
                Err(e.into())
            }
            _ => Ok(()),
        }
    }

    /// AP-10: an order of this customer, with its lines. Query `ORDER#id`, eventually consistent, and only the owner
    /// gets an answer.
    pub async fn order_get(&self, owner: &UserId, id: OrderId) -> Result<Option<Order>, StoreError> {
        Ok(self.order_query(id, false).await?.filter(|order| order.customer == *owner))
    }

    /// AP-10, consistent: for whoever is about to move the order on.
    pub async fn order_get_consistent(&self, owner: &UserId, id: OrderId) -> Result<Option<Order>, StoreError> {
        Ok(self.order_query(id, true).await?.filter(|order| order.customer == *owner))
    }

    async fn order_query(&self, id: OrderId, consistent: bool) -> Result<Option<Order>, StoreError> {
        let call = self
            .query()
            .consistent_read(consistent)
            .key_condition_expression("PK = :pk")
            .expression_attribute_values(":pk", s(keys::order_pk(id)))
            // Lines and payment events sort before STATUS; a cart's 90 lines and its events fit.
            .limit(1_000)
            .send();
        let output = metered(call).await?;
        let status = s(keys::ORDER_STATUS);
        let mut items = output.items.unwrap_or_default().into_iter();
        items.find(|item| item.get(keys::SK) == Some(&status)).map(order).transpose()
    }

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
        let output = metered(call).await?;
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
        let output = metered(call).await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default().into_iter().map(customer_order).collect::<Result<Vec<_>, _>>()?;
        let next = items.last().filter(|_| more).map(|o| StateDayPosition { order: o.id.to_string() });
        Ok(Page { items, next })
    }

    /// AP-12: orders whose payment has no outcome and that are due in a span of time, soonest first. A Query on each due
    /// shard, then the orders themselves, consistently: the index holds keys
    /// only. It may lag behind, so look at an order's state before acting on it. At most `limit`.
    pub async fn order_list_due(
        &self,
        from: Timestamp,
        until: Timestamp,
        limit: i32,
    ) -> Result<Vec<Order>, StoreError> {
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
            metered(call)
        };
        let pages = futures::future::try_join_all((0..keys::DUE_SHARDS).map(shard)).await?;
        let due_at = |item: &Item| item.get("dueAt").and_then(|v| v.as_n().ok()).and_then(|ms| ms.parse::<i64>().ok());
        let mut items: Vec<_> = pages.into_iter().flat_map(|page| page.items.unwrap_or_default()).collect();
        // Stable: what is due in the same millisecond stays in the order of the shards and of the index.
        items.sort_by_key(due_at);
        items.truncate(usize::try_from(limit).unwrap_or(0));
        let ids = items.iter().filter_map(|item| {
            let pk = item.get(keys::PK)?.as_s().ok()?;
            pk.strip_prefix(keys::ORDER_PREFIX)?.parse().ok()
        });
        let ids: Vec<OrderId> = ids.collect();
        let found = self.items_get(ids.iter().copied().map(keys::order).collect(), true).await?;
        let mut orders = found.into_iter().map(order).collect::<Result<Vec<_>, _>>()?;
        orders.sort_by_key(|o| ids.iter().position(|id| *id == o.id));
        Ok(orders)
    }

    /// AP-12 for operators: orders of one state without an outcome, soonest due first. A page may be shorter than
    /// `limit` and still not the last.
    pub async fn order_list_unsettled(
        &self,
        state: OrderState,
        limit: i32,
        after: Option<&DuePosition>,
    ) -> Result<Page<CustomerOrder, DuePosition>, StoreError> {
        let (from, skip) = after.map_or((0, 0), |p| (p.due_at, p.seen));
        let start = rows::from_millis(from).map_err(|e| StoreError::corrupt("cursor", e))?;
        let wanted = usize::try_from(limit).unwrap_or(0);
        let asked = i32::try_from(skip + wanted + 1).unwrap_or(i32::MAX);
        let orders = self.order_list_due(start, Timestamp::MAX, asked).await?;

        let more = orders.len() > skip + wanted;
        let page: Vec<_> = orders.into_iter().skip(skip).take(wanted).collect();
        let due = |o: &Order| o.hold_expires_at.map_or(from, millis);
        let next = page.last().map(due).filter(|_| more).map(|due_at| {
            let with_the_last = page.iter().rev().take_while(|o| due(o) == due_at).count();
            let before = if due_at == from { skip } else { 0 };
            DuePosition { due_at, seen: before + with_the_last }
        });
        let items = page.into_iter().filter(|o| o.state == state).map(|o| CustomerOrder {
            id: o.id,
            state: o.state,
            total: o.totals.total,
            item_count: o.item_count(),
            version: o.version,
        });
        Ok(Page { items: items.collect(), next })
    }

    /// Writes items, 25 a BatchWriteItem, unprocessed ones again with backoff. Returns what stayed unwritten.
    pub(crate) async fn items_put(&self, items: Vec<Item>) -> Result<Vec<Item>, StoreError> {
        let mut unwritten = Vec::new();
        for chunk in items.chunks(25) {
            let put = |item: &Item| PutRequest::builder().set_item(Some(item.clone())).build().expect("item is set");
            let mut pending: Vec<_> =
                chunk.iter().map(|item| WriteRequest::builder().put_request(put(item)).build()).collect();
            for attempt in 1.. {
                let call = self.batch_write().request_items(&self.name, std::mem::take(&mut pending)).send();
                let output = metered(call).await?;
                pending = output.unprocessed_items.into_iter().flatten().flat_map(|(_, requests)| requests).collect();
                if pending.is_empty() || attempt == 8 {
                    break;
                }
                crate::transact::backoff(attempt).await;
            }
            unwritten.extend(pending.into_iter().filter_map(|request| request.put_request).map(|put| put.item));
        }
        Ok(unwritten)
    }
}
