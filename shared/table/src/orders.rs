use std::collections::BTreeMap;

use domain::{
    CartLine, LotId, Order, OrderEvent, OrderId, OrderLine, PaymentEventId, ProductId, SessionKind, Timestamp,
    TransitionEffects, UserId,
};

use crate::{
    Idempotency, PriorRequest, StoreError, Table, carts,
    conditions::{Condition, ConditionFailed, NEW, values, version_is, write_if},
    guest_accounts::account_of,
    keys,
    meter::metered,
    order_rows::{customer_order_item, order, order_item},
    rows::{Item, millis, n, s},
    sale_lots::{LotShort, line_of, units_left},
    stock::{available, incarnation, is_of},
    transact::{AnyCondition, Transaction, Written},
};

/// Rounds of reading the cart and writing before an order that is given up is left to the next attempt.
const MAX_ROUNDS: usize = 8;

/// A product with fewer units in stock than requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    pub product: ProductId,
    pub available: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum PlaceOrderError {
    #[error("stock is short")]
    OutOfStock(Vec<Shortage>),
    /// Lots that a line of a sale was to be taken from have less, or are written by others.
    #[error("lots of a sale are short")]
    Lots { product: ProductId, lots: Vec<LotShort> },
    #[error("the customer has bought as much as the sale allows")]
    SaleLimit { product: ProductId },
    #[error("the cart was changed meanwhile")]
    CartChanged,
    #[error("the idempotency key was used before")]
    Repeated(PriorRequest),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The cause of a transition. Recorded in the transaction that writes it, so that it counts once.
#[derive(Debug, Clone, Copy)]
pub enum Cause<'a> {
    /// A customer's or an operator's request, and the outcome to return when it is repeated.
    Request(&'a Idempotency, &'a str),
    /// An event of a payment provider.
    Event(&'a PaymentEventId),
    /// An answer to a request of ours; asking again returns the same, so nothing is recorded.
    Answer,
}

#[derive(Debug, thiserror::Error)]
pub enum OrderTransitionError {
    #[error("the order was changed meanwhile")]
    Changed,
    #[error("the idempotency key was used before")]
    Repeated(PriorRequest),
    #[error("the event was handled before")]
    EventSeen,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Table {
    /// AP-08: commits an order. One transaction: every line's stock, the order, the cart at the version that was
    /// bought, reduced to what `stays`, and the idempotency record. All or nothing, at most 93 actions.
    pub async fn order_place(
        &self,
        order: &Order,
        stays: &BTreeMap<ProductId, CartLine>,
        request: &Idempotency,
        now: Timestamp,
    ) -> Result<(), PlaceOrderError> {
        let mut transaction = self.transaction();
        for (line, product) in order.lines.iter().map(|line| (line, &line.product)) {
            match &line.sale {
                None => stock_take(&mut transaction, order, line),
                Some(sale) if sale.lots.iter().map(|take| take.units).sum::<u32>() != line.quantity.units() => {
                    return Err(StoreError::corrupt(format!("order {}", order.id), "lots are not chosen").into());
                }
                Some(sale) => {
                    let lot = |lot| PlaceCondition::Lot(product, lot);
                    transaction.lots_take(order, sale, line, now, lot, PlaceCondition::SaleLimit(product));
                }
            }
        }
        transaction.put_if(PlaceCondition::Order, NEW, order_item(order, order.customer.as_str()));
        transaction.update_if(
            PlaceCondition::Cart,
            version_is(order.cart_version),
            keys::cart(&order.customer),
            "SET cartLines = :stays, placed = :order, version = version + :one REMOVE leftOut",
            values([(":stays", carts::lines_value(stays)), (":order", s(order.id.to_string())), (":one", n(1))]),
        );
        transaction.put_if(PlaceCondition::Request, NEW, request.item(&order.id.to_string(), now));

        // Another lot does as well, so contention on one is not waited for.
        let is_lot = |condition: &PlaceCondition<'_>| matches!(condition, PlaceCondition::Lot(..));
        let failed = match transaction.write_unless("AP-08", is_lot).await? {
            Written::Done => return Ok(()),
            Written::Failed(failed) => failed,
            Written::Contended(lots) => return Err(lots_short(&order.lines, |lot| lots.contains(&lot), |_| None)),
        };
        // A repeated key comes first: it explains every other failure, because the first request changed stock and
        // cart.
        if let Some(prior) = failed.item(PlaceCondition::Request) {
            return Err(PlaceOrderError::Repeated(request.read(prior.clone())?));
        }
        if failed.contains(PlaceCondition::Cart) {
            return Err(PlaceOrderError::CartChanged);
        }
        let limited = order.lines.iter().find(|line| failed.contains(PlaceCondition::SaleLimit(&line.product)));
        if let Some(line) = limited {
            return Err(PlaceOrderError::SaleLimit { product: line.product.clone() });
        }
        let short = order.lines.iter().filter_map(|line| {
            let stock = PlaceCondition::Stock(&line.product);
            failed.contains(stock).then(|| (line, failed.item(stock)))
        });
        // The stock of the product that replaced it is not that of the one in the cart.
        let replaced = |(line, stock): (&OrderLine, Option<&Item>)| {
            line.incarnation.is_some() && stock.is_some_and(|item| incarnation(item) != line.incarnation)
        };
        if short.clone().any(replaced) {
            return Err(StoreError::Busy("a product was deleted and created again while it was bought".into()).into());
        }
        let shortages = short.map(|(line, stock)| {
            Ok(Shortage { product: line.product.clone(), available: stock.map_or(Ok(0), available)? })
        });
        match shortages.collect::<Result<Vec<_>, StoreError>>()? {
            none if none.is_empty() && failed.contains(PlaceCondition::Order) => {
                Err(StoreError::Busy("an order id was taken".into()).into())
            }
            none if none.is_empty() => Err(lots_short(
                &order.lines,
                |lot| failed.contains(lot),
                |lot| Some(failed.item(lot).and_then(units_left).unwrap_or(0)),
            )),
            shortages => Err(PlaceOrderError::OutOfStock(shortages)),
        }
    }

    /// AP-40: writes an order's next version, with everything that follows from it. PutItem, conditional on the
    /// previous version; if units are restocked, the cart is restored or the cause is recorded, a transaction with one
    /// more action for each. What was bought is added to the cart's current state, which is read consistently before.
    pub async fn order_transition(
        &self,
        moved: &TransitionEffects,
        cause: Cause<'_>,
        now: Timestamp,
    ) -> Result<(), OrderTransitionError> {
        let order = &moved.order;
        let recorded = match cause {
            Cause::Request(request, outcome) => Some(request.item_for_good(outcome, now)),
            Cause::Event(event) => Some(event_item(order.id, event, now)),
            Cause::Answer => None,
        };
        let by = match cause {
            Cause::Request(request, _) => request.customer.as_str(),
            Cause::Event(_) => "provider",
            Cause::Answer => "shop",
        };
        if moved.restock.is_empty() && !moved.restore_cart && recorded.is_none() {
            return self.order_put(order, by).await;
        }

        let mut restock: Vec<_> =
            moved.restock.iter().map(|(product, units)| Restock::new(order, product, *units)).collect();
        for _ in 0..MAX_ROUNDS {
            let mut transaction = self.transaction();
            transaction.put_if(TransitionCondition::Order, version_is(order.version - 1), order_item(order, by));
            if let Some(record) = &recorded {
                transaction.put_if(TransitionCondition::Cause, NEW, record.clone());
            }
            for returned in &restock {
                returned.add_to(&mut transaction, order, now);
            }
            if moved.restore_cart {
                self.cart_return(&mut transaction, order, now).await?;
            }
            let Err(failed) = transaction.write("AP-40").await? else { return Ok(()) };
            if failed.contains(TransitionCondition::Cause) {
                return Err(heard_before(cause, failed.item(TransitionCondition::Cause))?);
            }
            if failed.contains(TransitionCondition::Order) {
                return Err(OrderTransitionError::Changed);
            }
            // A product that was deleted meanwhile has no stock to return to, and one created again under its id is
            // another product; the rest is restocked all the same. Lots that are gone have returned to the stock, and so do
            // units that come later. A cart that was changed meanwhile is read again.
            restock.retain_mut(|returned| {
                !failed.contains(TransitionCondition::Stock(returned.product)) || returned.after_sale()
            });
        }
        Err(StoreError::Busy("the cart kept changing while an order was given up".into()).into())
    }

    /// What was bought, added to the customer's current cart. For a guest who logged in it is the account's cart.
    async fn cart_return(
        &self,
        transaction: &mut Transaction<'_, TransitionCondition<'_>>,
        order: &Order,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut wanted = vec![keys::cart(&order.customer)];
        // Also for orders without a guest mark: older ones do not have it.
        wanted.push(keys::guest_account(&order.customer));
        let mut found = self.items_get("AP-40", wanted, true).await?;
        let account = found.iter().position(|item| item.get(keys::SK) == Some(&s(keys::GUEST_ACCOUNT)));
        let account = account.map(|at| account_of(&found.swap_remove(at))).transpose()?;
        let (uid, cart, kind) = match account {
            None if order.guest => (order.customer.clone(), found.pop(), SessionKind::Guest),
            None => (order.customer.clone(), found.pop(), SessionKind::Customer),
            Some(account) => {
                let cart = self.items_get("AP-40", vec![keys::cart(&account)], true).await?.pop();
                (account, cart, SessionKind::Customer)
            }
        };
        let cart = carts::cart(cart)?;
        let bought = order.cart_lines();
        let back = if order.last_event() == OrderEvent::Replaced { cart.missing_units(&bought) } else { bought };
        let expires_at = carts::expiry(kind, now);
        transaction.cart_merged(TransitionCondition::Cart, &uid, &cart, &cart.merge(&back), expires_at);
        Ok(())
    }

    /// AP-90: makes a guest's order a customer's who claims it. TransactWriteItems: the order's next version, conditional on
    /// the one before, and on no account having been registered under the guest's id and the guest having logged in to none.
    /// Returns whether it did; otherwise something changed meanwhile.
    pub async fn order_claim(&self, claimed: &Order, guest: &UserId) -> Result<bool, StoreError> {
        let mut transaction = self.transaction();
        let order = order_item(claimed, claimed.customer.as_str());
        transaction.put_if(AnyCondition, version_is(claimed.version - 1), order);
        transaction.check(AnyCondition, NEW, keys::profile(guest));
        transaction.check(AnyCondition, NEW, keys::guest_account(guest));
        Ok(transaction.write("AP-90").await?.is_ok())
    }

    async fn order_put(&self, order: &Order, by: &str) -> Result<(), OrderTransitionError> {
        let call = self
            .put(order_item(order, by))
            .condition_expression("version = :read")
            .expression_attribute_values(":read", n(order.version - 1))
            .send();
        match write_if("AP-40", call).await? {
            Ok(_) => Ok(()),
            Err(_failed) => Err(OrderTransitionError::Changed),
        }
    }

    /// AP-44: records an event that changed nothing, so that each is handled once. PutItem, conditional on being new;
    /// returns whether it was.
    pub async fn payment_event_put(
        &self,
        id: OrderId,
        event: &PaymentEventId,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let call = self.put(event_item(id, event, now)).condition_expression(NEW).send();
        Ok(write_if("AP-44", call).await?.is_ok())
    }

    /// AP-45: postpones when the sweeper processes an order again, if nothing happened to it meanwhile. UpdateItem.
    pub async fn order_postpone(&self, order: &Order, due_at: Timestamp) -> Result<(), StoreError> {
        let call = self
            .update(keys::order(order.id))
            .update_expression("SET dueAt = :later, writtenBy = :shop")
            .expression_attribute_values(":shop", s("shop"))
            .condition_expression("version = :read AND attribute_exists(dueAt)")
            .expression_attribute_values(":later", n(millis(due_at)))
            .expression_attribute_values(":read", n(order.version))
            .send();
        let (Ok(_) | Err(ConditionFailed { .. })) = write_if("AP-45", call).await?;
        Ok(())
    }

    /// AP-41: projects an order: its line items, by BatchWriteItem of 25, and the entry in the customer's list, by a
    /// PutItem that is conditional on being newer. Both at once, so that the customer reads their own write. Repeated
    /// and late calls change nothing; what a crash leaves out is repaired from the stream.
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
        let (Ok(_) | Err(ConditionFailed { .. })) = write_if("AP-41", call).await?;
        Ok(())
    }

    /// AP-10: an order of this customer, with its lines. Query `ORDER#id`, eventually consistent; only the owner gets
    /// an answer. If nothing is found it is read consistently (AP-46): it may have been placed a moment ago.
    pub async fn order_get(&self, owner: &UserId, id: OrderId) -> Result<Option<Order>, StoreError> {
        let call = self
            .query(keys::order_pk(id))
            .consistent_read(false)
            .key_condition_expression("PK = :pk")
            // Lines and payment events sort before STATUS; a cart's 90 lines and its events fit.
            .limit(1_000)
            .send();
        let output = metered("AP-10", call).await?;
        let status = s(keys::ORDER_STATUS);
        let mut items = output.items.unwrap_or_default().into_iter();
        match items.find(|item| item.get(keys::SK) == Some(&status)).map(order).transpose()? {
            Some(order) if self.order_is_of(&order, owner).await? => Ok(Some(order)),
            Some(_) => Ok(None),
            None => self.order_get_consistent(owner, id).await,
        }
    }

    /// AP-46: an order of this customer that is about to be changed. GetItem, consistent.
    pub async fn order_get_consistent(&self, owner: &UserId, id: OrderId) -> Result<Option<Order>, StoreError> {
        match self.order_get_for_shop(id).await? {
            Some(order) if self.order_is_of(&order, owner).await? => Ok(Some(order)),
            Some(_) | None => Ok(None),
        }
    }

    /// AP-46 for the shop itself: its staff, the sweeper and the events of payment providers. GetItem, consistent. It does
    /// not check the owner: a request about a guest's order by its link, or about a claim, checks that it may see it.
    pub async fn order_get_for_shop(&self, id: OrderId) -> Result<Option<Order>, StoreError> {
        let output = metered("AP-46", self.get(keys::order(id)).consistent_read(true).send()).await?;
        output.item.map(order).transpose()
    }
}

/// Conditions of AP-08.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceCondition<'a> {
    Stock(&'a ProductId),
    Lot(&'a ProductId, LotId),
    SaleLimit(&'a ProductId),
    Order,
    Cart,
    Request,
}

/// The first product of which lots are short, and those lots.
fn lots_short<'a>(
    lines: &'a [OrderLine],
    is_short: impl Fn(PlaceCondition<'a>) -> bool,
    left: impl Fn(PlaceCondition<'a>) -> Option<u32>,
) -> PlaceOrderError {
    for line in lines {
        let lots = line.sale.iter().flat_map(|sale| &sale.lots).map(|take| take.lot);
        let short = lots.map(|lot| (lot, PlaceCondition::Lot(&line.product, lot)));
        let short: Vec<_> = short
            .filter(|(_, condition)| is_short(*condition))
            .map(|(lot, condition)| LotShort { lot, left: left(condition) })
            .collect();
        if !short.is_empty() {
            return PlaceOrderError::Lots { product: line.product.clone(), lots: short };
        }
    }
    StoreError::Busy("an order could not be placed, for no reason that was named".into()).into()
}

fn stock_take<'a>(transaction: &mut Transaction<'_, PlaceCondition<'a>>, order: &Order, line: &'a OrderLine) {
    let units = values([(":units", n(line.quantity.units()))]);
    transaction.update_if(
        PlaceCondition::Stock(&line.product),
        Condition::new("available >= :units", units.clone()).and(is_of(line.incarnation, order.placed_at())),
        keys::stock(&line.product, keys::ONLY_STOCK_SHARD),
        "SET available = available - :units",
        units,
    );
}

/// Conditions of AP-40.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TransitionCondition<'a> {
    Order,
    Cause,
    Stock(&'a ProductId),
    Cart,
}

/// Units of a line that return to sale.
struct Restock<'a> {
    product: &'a ProductId,
    units: u32,
    line: Option<&'a OrderLine>,
    to: RestockTo,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum RestockTo {
    Stock,
    Lots,
    /// The stock, because the sale is over.
    AfterSale,
}

impl<'a> Restock<'a> {
    fn new(order: &'a Order, product: &'a ProductId, units: u32) -> Self {
        let line = line_of(order, product);
        let of_sale = line.is_some_and(|line| line.sale.is_some());
        let to = if of_sale { RestockTo::Lots } else { RestockTo::Stock };
        Self { product, units, line, to }
    }

    fn add_to(&self, transaction: &mut Transaction<'_, TransitionCondition<'a>>, order: &Order, now: Timestamp) {
        let label = TransitionCondition::Stock(self.product);
        match (self.to, self.line) {
            (RestockTo::Lots, Some(line @ OrderLine { sale: Some(sale), .. })) => {
                transaction.lots_return(order, sale, line, self.units, now, label);
            }
            (RestockTo::AfterSale, Some(line)) => transaction.after_sale_return(order, line, self.units, now, label),
            (RestockTo::Stock | RestockTo::Lots | RestockTo::AfterSale, line) => transaction.update_if(
                label,
                is_of(line.and_then(|line| line.incarnation), order.placed_at()),
                keys::stock(self.product, keys::ONLY_STOCK_SHARD),
                "ADD available :units",
                values([(":units", n(self.units))]),
            ),
        }
    }

    /// After a failed return: whether there is another place, the stock after a sale.
    fn after_sale(&mut self) -> bool {
        let lots_are_gone = self.to == RestockTo::Lots;
        self.to = RestockTo::AfterSale;
        lots_are_gone
    }
}

fn event_item(id: OrderId, event: &PaymentEventId, now: Timestamp) -> Item {
    let mut item = keys::payment_event(id, event).into_item();
    item.insert("heardAt".to_owned(), n(millis(now)));
    item
}

fn heard_before(cause: Cause<'_>, prior: Option<&Item>) -> Result<OrderTransitionError, StoreError> {
    match (cause, prior) {
        (Cause::Request(request, _), prior) => Ok(OrderTransitionError::Repeated(request.read_prior(prior)?)),
        (Cause::Event(_) | Cause::Answer, _) => Ok(OrderTransitionError::EventSeen),
    }
}
