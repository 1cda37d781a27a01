use aws_sdk_dynamodb::{
    operation::{put_item::PutItemError, update_item::UpdateItemError},
    types::{CancellationReason, TransactWriteItem},
};
use domain::{CartLine, Moved, Order, OrderId, PaymentEventId, ProductId, Timestamp, UserId};

use crate::{
    Idempotency, PriorRequest, StoreError, Table, carts,
    conditions::{EXISTS, NEW},
    keys,
    meter::metered,
    order_rows::{customer_order_item, order, order_item},
    rows::{Item, millis, n, s},
    stock::available,
    transact::{TransactError, condition_failed, values},
};

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

/// What made a transition happen. Recorded in the transaction that writes it, so that it counts once.
#[derive(Debug, Clone, Copy)]
pub enum Cause<'a> {
    /// A customer's or an operator's request, and the outcome to remember for its repetition.
    Request(&'a Idempotency, &'a str),
    /// Something a payment provider told.
    Event(&'a PaymentEventId),
    /// An answer that was asked for; asking again answers the same, so nothing is recorded.
    Answer,
}

#[derive(Debug, thiserror::Error)]
pub enum OrderTransitionError {
    #[error("the order was changed meanwhile")]
    Changed,
    #[error("the idempotency key was used before")]
    Repeated(PriorRequest),
    #[error("the event was heard before")]
    EventSeen,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Table {
    /// AP-08: commits an order. One transaction: every line's stock, the order, the cart emptied at the version that was
    /// bought, and the idempotency record. All or nothing, at most 93 actions.
    pub async fn order_place(
        &self,
        order: &Order,
        request: &Idempotency,
        now: Timestamp,
    ) -> Result<(), PlaceOrderError> {
        let mut actions: Vec<_> = order.lines.iter().map(|l| self.stock_take(&l.product, l.quantity.units())).collect();
        actions.push(self.transact_put(order_item(order, order.customer.as_str()), Some(NEW)));
        actions.push(self.transact_update(
            keys::cart(&order.customer),
            "SET cartLines = :none, placed = :order, version = version + :one",
            "version = :read",
            values([
                (":none", carts::lines_value(&Default::default())),
                (":order", s(order.id.to_string())),
                (":one", n(1)),
                (":read", n(order.cart_version)),
            ]),
        ));
        actions.push(self.transact_put(request.item(&order.id.to_string(), now), Some(NEW)));

        let reasons = match self.transact("AP-08", actions).await {
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

    /// AP-40: moves an order on from the version before, with everything that follows from it. PutItem, conditional on
    /// that version; where stock or the cart go back or the cause is recorded, a transaction with one more action for
    /// each. The cart gets its lines back unless the customer has begun another.
    pub async fn order_transition(
        &self,
        moved: &Moved,
        cause: Cause<'_>,
        now: Timestamp,
    ) -> Result<(), OrderTransitionError> {
        let order = &moved.order;
        let recorded = match cause {
            Cause::Request(request, outcome) => Some(self.transact_put(request.item_for_good(outcome, now), Some(NEW))),
            Cause::Event(event) => Some(self.transact_put(event_item(order.id, event, now), Some(NEW))),
            Cause::Answer => None,
        };
        let by = match cause {
            Cause::Request(request, _) => request.customer.as_str(),
            Cause::Event(_) => "provider",
            Cause::Answer => "shop",
        };
        if moved.stock_back.is_empty() && !moved.cart_back && recorded.is_none() {
            return self.order_put(order, by).await;
        }

        let mut put = self.transact_put(order_item(order, by), Some("version = :read"));
        if let Some(put) = put.put.as_mut() {
            put.expression_attribute_values = Some(values([(":read", n(order.version - 1))]));
        }
        let must = 1 + usize::from(recorded.is_some());
        let mut actions = vec![put];
        actions.extend(recorded);
        actions.extend(moved.stock_back.iter().map(|(product, units)| self.stock_return(product, *units)));
        actions.extend(moved.cart_back.then(|| self.cart_return(order)));
        loop {
            let reasons = match self.transact("AP-40", actions.clone()).await {
                Ok(()) => return Ok(()),
                Err(TransactError::Store(error)) => return Err(error.into()),
                Err(TransactError::Canceled(reasons)) => reasons,
            };
            let failed = |at: usize| reasons.get(at).is_none_or(condition_failed);
            if must > 1 && failed(1) {
                return Err(heard_before(cause, reasons.get(1))?);
            }
            if failed(0) {
                return Err(OrderTransitionError::Changed);
            }
            // A product that was deleted meanwhile has no stock to return to, and a customer who has begun another cart
            // keeps that one. The rest must go back all the same; each round has fewer actions, so this ends.
            let mut reasons = reasons.iter();
            actions.retain(|_| !reasons.next().is_some_and(condition_failed));
        }
    }

    fn stock_take(&self, product: &ProductId, units: u32) -> TransactWriteItem {
        self.transact_update(
            keys::stock(product, keys::ONLY_STOCK_SHARD),
            "SET available = available - :units",
            "available >= :units",
            values([(":units", n(units))]),
        )
    }

    fn stock_return(&self, product: &ProductId, units: u32) -> TransactWriteItem {
        self.transact_update(
            keys::stock(product, keys::ONLY_STOCK_SHARD),
            "ADD available :units",
            EXISTS,
            values([(":units", n(units))]),
        )
    }

    /// The cart as it was bought, at the prices that were charged.
    fn cart_return(&self, order: &Order) -> TransactWriteItem {
        let line =
            |l: &domain::OrderLine| (l.product.clone(), CartLine { quantity: l.quantity, price_seen: l.unit_price });
        self.transact_update(
            keys::cart(&order.customer),
            "SET cartLines = :lines, version = version + :one",
            "version = :emptied",
            values([
                (":lines", carts::lines_value(&order.lines.iter().map(line).collect())),
                (":one", n(1)),
                (":emptied", n(order.cart_version + 1)),
            ]),
        )
    }

    async fn order_put(&self, order: &Order, by: &str) -> Result<(), OrderTransitionError> {
        let call = self
            .put(order_item(order, by))
            .condition_expression("version = :read")
            .expression_attribute_values(":read", n(order.version - 1))
            .send();
        match metered("AP-40", call).await {
            Ok(_) => Ok(()),
            Err(e) if matches!(e.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) => {
                Err(OrderTransitionError::Changed)
            }
            Err(e) => Err(StoreError::from(e).into()),
        }
    }

    /// AP-44: remembers an event that changed nothing, so that each is heard once. PutItem, conditional on being new;
    /// says whether it was.
    pub async fn payment_event_put(
        &self,
        id: OrderId,
        event: &PaymentEventId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        match metered("AP-44", self.put(event_item(id, event, now)).condition_expression(NEW).send()).await {
            Ok(_) => Ok(true),
            Err(e) if matches!(e.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) => {
                Ok(false)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// AP-45: puts off when somebody looks after an order again, if nothing happened to it meanwhile. UpdateItem.
    pub async fn order_postpone(&self, order: &Order, due_at: Timestamp) -> Result<(), StoreError> {
        let call = self
            .update(keys::order(order.id))
            .update_expression("SET dueAt = :later, writtenBy = :shop")
            .expression_attribute_values(":shop", s("shop"))
            .condition_expression("version = :read AND attribute_exists(dueAt)")
            .expression_attribute_values(":later", n(millis(due_at)))
            .expression_attribute_values(":read", n(order.version))
            .send();
        match metered("AP-45", call).await {
            Err(e) if !matches!(e.as_service_error(), Some(UpdateItemError::ConditionalCheckFailedException(_))) => {
                Err(e.into())
            }
            _ => Ok(()),
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
        let (unwritten, listed) =
            tokio::join!(self.items_put("AP-41", lines.collect()), self.order_list_entry_put(order));
        listed?;
        match unwritten?.is_empty() {
            true => Ok(()),
            false => Err(StoreError::Busy("items stayed unprocessed".into())),
        }
    }

    /// AP-41 for an order whose lines were projected before: only the entry in the customer's list changes.
    pub async fn order_list_entry_put(&self, order: &Order) -> Result<(), StoreError> {
        let call = self
            .put(customer_order_item(order))
            .condition_expression("attribute_not_exists(PK) OR version < :version")
            .expression_attribute_values(":version", n(order.version))
            .send();
        match metered("AP-41", call).await {
            Err(e) if !matches!(e.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) => {
                Err(e.into())
            }
            _ => Ok(()),
        }
    }

    /// AP-10: an order of this customer, with its lines. Query `ORDER#id`, eventually consistent, and only the owner
    /// gets an answer.
    pub async fn order_get(&self, owner: &UserId, id: OrderId) -> Result<Option<Order>, StoreError> {
        let call = self
            .query()
            .consistent_read(false)
            .key_condition_expression("PK = :pk")
            .expression_attribute_values(":pk", s(keys::order_pk(id)))
            // Lines and payment events sort before STATUS; a cart's 90 lines and its events fit.
            .limit(1_000)
            .send();
        let output = metered("AP-10", call).await?;
        let status = s(keys::ORDER_STATUS);
        let mut items = output.items.unwrap_or_default().into_iter();
        let found = items.find(|item| item.get(keys::SK) == Some(&status)).map(order).transpose()?;
        Ok(found.filter(|order| order.customer == *owner))
    }

    /// AP-46: an order of this customer that is about to be moved on. GetItem, consistent.
    pub async fn order_get_consistent(&self, owner: &UserId, id: OrderId) -> Result<Option<Order>, StoreError> {
        Ok(self.order_get_for_shop(id).await?.filter(|order| order.customer == *owner))
    }

    /// AP-46 for the shop itself: its staff, the sweeper and what payment providers tell. GetItem, consistent. Never for a
    /// customer's request: it does not ask whose order it is.
    pub async fn order_get_for_shop(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let output = metered("AP-46", self.get(keys::order(id)).consistent_read(true).send()).await?;
        output.item.map(order).transpose()
    }
}

fn event_item(id: OrderId, event: &PaymentEventId, now: Timestamp) -> Item {
    let mut item = keys::payment_event(id, event).into_item();
    item.insert("heardAt".to_owned(), n(millis(now)));
    item
}

fn heard_before(cause: Cause<'_>, reason: Option<&CancellationReason>) -> Result<OrderTransitionError, StoreError> {
    let prior = reason.and_then(|r| r.item.clone());
    match (cause, prior) {
        (Cause::Request(request, _), Some(prior)) => Ok(OrderTransitionError::Repeated(request.read(prior)?)),
        _ => Ok(OrderTransitionError::EventSeen),
    }
}
