//! The events of an order, and the effect of each on stock, cart and money.
//!
//! Two kinds of functions. *Provider results* (`paid`, `declined`, `outcome_unknown`, `action_required`,
//! `challenge_failed`, `void`, `refund_paid`, `refund_refused`, and in `by_hand.rs` and `dispute.rs` what was done at the
//! provider itself) cannot be refused, may come late, twice or out of order, and change nothing when they are not new.
//! *Requests* (`cancel`, `ship`, `deliver`,
//! `refund`) come from customers and staff, and can be refused.
//!
//! The provider's answer decides about money; stock and cart follow from the order's own state, so that each unit
//! returns once, whichever event comes first.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{
    Dispute, DisputeState, HistoryEntry, Order, OrderEvent, OrderState, PaymentState, ProductId, Refund, RefundError,
    RefundRequest, RefundState, Shipment, UserId,
};

/// How long a request may be running before another asks the provider in its place: longer than a function's timeout.
const ASK_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// Attempts to pay for one order of which the customer is asked to authenticate each.
pub const MAX_CHALLENGES: u32 = 3;

/// How often the sweeper looks at an order while it is disputed.
const DISPUTE_LOOK: SignedDuration = SignedDuration::from_hours(24);

/// An order after an event, and what has to change with it in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitionEffects {
    pub order: Order,
    /// Units to restock.
    pub restock: Vec<(ProductId, u32)>,
    /// Whether what was bought is added to the customer's cart again. Of an order that was replaced, only what the cart
    /// does not have again.
    pub restore_cart: bool,
}

/// Why nothing was charged for an order and nothing will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VoidReason {
    Expired,
    CancelledByCustomer,
    /// The customer filled the cart again and buys that instead.
    Replaced,
    /// The provider does not accept the order's total, with any means of payment.
    NotChargeable,
}

/// What cancelling requires in the order's current state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelDecision {
    /// It is unknown whether the order was charged: ask the provider, and close the payment if it was not.
    AskProvider,
    /// It was paid: it is cancelled, and a refund is owed.
    Refund(Box<TransitionEffects>),
    /// It was already cancelled.
    Already,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {} cannot become {}", from.as_str(), to.as_str())]
pub struct TransitionError {
    pub from: OrderState,
    pub to: OrderState,
}

impl Order {
    /// The provider has charged the order's total. If the order was given up meanwhile, the money is refunded.
    pub fn paid(&self, reference: &str, at: Timestamp) -> Option<TransitionEffects> {
        let mut order = match (self.state, self.payment.state) {
            (_, PaymentState::Captured) | (OrderState::Confirmed | OrderState::Shipped | OrderState::Delivered, _) => {
                return None;
            }
            (OrderState::Cancelled, _) if self.totals.total.amount_minor() == 0 => return None,
            (OrderState::Cancelled, _) => {
                let number = self.next_refund();
                let refund = Refund {
                    number,
                    amount: self.totals.total,
                    state: RefundState::Requested,
                    lines: Vec::new(),
                    cancels: true,
                    reason: None,
                    by_hand: None,
                };
                let mut order = self.clone();
                order.payment.refunds.push(refund);
                order.apply(OrderEvent::PaidLate(number), at)
            }
            (OrderState::PendingPayment | OrderState::PaymentUnknown, _) => {
                self.clone().apply(OrderEvent::Confirmed, at)
            }
        };
        order.payment.reference = Some(reference.to_owned());
        Some(TransitionEffects { order, restock: Vec::new(), restore_cart: false })
    }

    /// The provider declined: nothing was charged, so the stock is released.
    pub fn declined(&self, at: Timestamp) -> Option<TransitionEffects> {
        self.state.awaits_payment().then(|| self.cancel_and_restock(OrderEvent::Declined, at))
    }

    /// The provider's answer was lost. The hold stays until the outcome is known: it may have charged. While the
    /// customer is asked to authenticate the payment nothing is new about that, and the hold keeps its end.
    pub fn outcome_unknown(&self, at: Timestamp) -> Option<TransitionEffects> {
        let is_new = self.state == OrderState::PendingPayment && self.payment.state == PaymentState::Pending;
        is_new.then(|| self.transition(OrderEvent::PaymentLost, at))
    }

    /// The provider waits until the customer has authenticated the payment. The stock stays held until `hold_ends`.
    pub fn action_required(&self, hold_ends: Timestamp, at: Timestamp) -> Option<TransitionEffects> {
        let is_new = self.state.awaits_payment() && self.payment.state != PaymentState::ActionRequired;
        is_new.then(|| {
            let mut moved = self.transition(OrderEvent::ActionRequired, at);
            moved.order.due_at = Some(hold_ends);
            moved
        })
    }

    /// The customer was not authenticated, or the bank declined after that: nothing was charged. The hold and its end
    /// stay, for another card.
    pub fn challenge_failed(&self, at: Timestamp) -> Option<TransitionEffects> {
        let is_new = self.state.awaits_payment() && self.payment.state == PaymentState::ActionRequired;
        is_new.then(|| self.transition(OrderEvent::ChallengeFailed, at))
    }

    /// How often the customer was asked to authenticate the payment, each time for another attempt to pay.
    pub fn challenges(&self) -> u32 {
        self.count(OrderEvent::ActionRequired)
    }

    /// How many attempts to pay ended with a failed authentication.
    pub fn failed_challenges(&self) -> u32 {
        self.count(OrderEvent::ChallengeFailed)
    }

    /// Whether no further authentication follows one that failed.
    pub fn was_challenged_enough(&self) -> bool {
        self.challenges() >= MAX_CHALLENGES
    }

    fn count(&self, event: OrderEvent) -> u32 {
        let count = self.history.iter().filter(|entry| entry.event == event).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The provider has charged nothing and will not any more.
    pub fn void(&self, why: VoidReason, at: Timestamp) -> Option<TransitionEffects> {
        let event = match why {
            VoidReason::Expired => OrderEvent::Expired,
            VoidReason::CancelledByCustomer => OrderEvent::Cancelled,
            VoidReason::Replaced => OrderEvent::Replaced,
            VoidReason::NotChargeable => OrderEvent::NotChargeable,
        };
        self.state.awaits_payment().then(|| self.cancel_and_restock(event, at))
    }

    pub fn refund_paid(&self, number: u32, at: Timestamp) -> Option<TransitionEffects> {
        self.owes(number).then(|| self.transition(OrderEvent::RefundPaid(number), at))
    }

    /// The provider will not pay a refund, or a paid one failed later, for example because the account was closed.
    pub fn refund_refused(&self, number: u32, at: Timestamp) -> Option<TransitionEffects> {
        let refund = self.payment.refunds.iter().find(|r| r.number == number)?;
        (refund.state != RefundState::Refused).then(|| self.transition(OrderEvent::RefundRefused(number), at))
    }

    /// The customer or staff cancel it.
    ///
    /// # Errors
    /// It was shipped.
    pub fn cancel(&self, at: Timestamp) -> Result<CancelDecision, TransitionError> {
        match self.state {
            OrderState::PendingPayment | OrderState::PaymentUnknown => Ok(CancelDecision::AskProvider),
            OrderState::Cancelled => Ok(CancelDecision::Already),
            OrderState::Confirmed => {
                let left = self.refundable();
                let moved = match left.amount_minor() > 0 {
                    true => self.request_refund(self.cancellation_refund(left), at),
                    // Free of charge, or refunded before: there is nothing to refund, only units to restock.
                    false => self.cancel_and_restock(OrderEvent::Cancelled, at),
                };
                Ok(CancelDecision::Refund(Box::new(moved)))
            }
            from @ (OrderState::Shipped | OrderState::Delivered) => {
                Err(TransitionError { from, to: OrderState::Cancelled })
            }
        }
    }

    /// The guest who placed it logged in as this customer: the order becomes theirs. `None` if it is already theirs, or
    /// somebody else's.
    pub fn claim(&self, guest: &UserId, by: &UserId, at: Timestamp) -> Option<TransitionEffects> {
        (self.customer == *guest && guest != by).then(|| {
            let order = Order { customer: by.clone(), guest: false, ..self.clone() };
            order.transition(OrderEvent::Claimed, at)
        })
    }

    /// It was shipped. `None` if it had been already.
    ///
    /// # Errors
    /// It is not confirmed.
    pub fn ship(&self, at: Timestamp) -> Result<Option<TransitionEffects>, TransitionError> {
        self.forward(OrderState::Confirmed, OrderState::Shipped, OrderEvent::Shipped, at)
    }

    /// The same, with what is known of the parcel.
    ///
    /// # Errors
    /// It is not confirmed.
    pub fn ship_as(&self, shipment: Shipment, at: Timestamp) -> Result<Option<TransitionEffects>, TransitionError> {
        let mut moved = self.ship(at)?;
        if let Some(moved) = &mut moved {
            moved.order.shipments = if shipment.is_empty() { Vec::new() } else { vec![shipment] };
        }
        Ok(moved)
    }

    /// It was delivered. `None` if it had been already.
    ///
    /// # Errors
    /// It is not shipped.
    pub fn deliver(&self, at: Timestamp) -> Result<Option<TransitionEffects>, TransitionError> {
        self.forward(OrderState::Shipped, OrderState::Delivered, OrderEvent::Delivered, at)
    }

    /// A refund is decided. It is owed until the provider has paid it.
    ///
    /// # Errors
    /// There is less to refund, or to return, than the request says.
    pub fn refund(&self, request: &RefundRequest, at: Timestamp) -> Result<TransitionEffects, RefundError> {
        let refund = self.refund_of(request)?;
        self.takes_another_refund()?;
        Ok(self.request_refund(refund, at))
    }

    /// Records a refund as owed, and restocks what it returns to sale.
    fn request_refund(&self, refund: Refund, at: Timestamp) -> TransitionEffects {
        // One sum for each product: a transaction may write an item only once.
        let mut restock = BTreeMap::new();
        for line in refund.lines.iter().filter(|l| l.restock) {
            *restock.entry(line.product.clone()).or_default() += line.quantity.units();
        }
        let number = refund.number;
        let mut order = self.clone();
        order.payment.refunds.push(refund);
        TransitionEffects {
            order: order.apply(OrderEvent::RefundRequested(number), at),
            restock: restock.into_iter().collect(),
            restore_cart: false,
        }
    }

    /// The order at an earlier version, to repeat an earlier answer.
    pub fn as_of(&self, version: u64) -> Order {
        let mut order = self.clone();
        let known = usize::try_from(version).unwrap_or(usize::MAX).min(order.history.len());
        let happened = std::mem::take(&mut order.history);
        let refunds = std::mem::take(&mut order.payment.refunds);
        let mut disputes = std::mem::take(&mut order.payment.disputes).into_iter();
        let mut shipments = std::mem::take(&mut order.shipments);
        order.state = OrderState::PendingPayment;
        order.payment.state = PaymentState::Pending;
        for HistoryEntry { event, at } in happened.into_iter().take(known) {
            if let OrderEvent::PaidLate(n) | OrderEvent::RefundRequested(n) = event {
                let refund = refunds.iter().find(|r| r.number == n).cloned();
                order.payment.refunds.extend(refund.map(|r| Refund { state: RefundState::Requested, ..r }));
            }
            if let OrderEvent::RefundRecorded(n) = event {
                let refund = refunds.iter().find(|r| r.number == n).cloned();
                order.payment.refunds.extend(refund.map(|r| Refund { state: RefundState::Paid, ..r }));
            }
            if let OrderEvent::Disputed(_) = event {
                order.payment.disputes.extend(disputes.next().map(|d| Dispute { state: DisputeState::Open, ..d }));
            }
            if event == OrderEvent::Shipped {
                order.shipments.append(&mut shipments);
            }
            order = order.apply(event, at);
        }
        order
    }

    /// The order as it was when its payment first had an outcome, for a repeated checkout. `None` while it has none.
    pub fn as_of_payment_outcome(&self) -> Option<Order> {
        let settled = self.first_settlement()?;
        Some(self.as_of(u64::try_from(settled).unwrap_or(u64::MAX).saturating_add(1)))
    }

    /// The index in the history of the first outcome of the payment.
    fn first_settlement(&self) -> Option<usize> {
        let open = |event| {
            matches!(
                event,
                OrderEvent::Placed
                    | OrderEvent::PaymentLost
                    | OrderEvent::ActionRequired
                    | OrderEvent::ChallengeFailed
                    | OrderEvent::Claimed
            )
        };
        self.history.iter().position(|t| !open(t.event))
    }

    /// Whether an earlier transition projected the order's lines, so that only the entry in the customer's list changes.
    /// Lines never change: the transitions up to the first outcome of the payment project them, and the one after it
    /// repeats that, in case the request of that outcome ended before its projection.
    pub fn lines_are_projected(&self) -> bool {
        self.first_settlement().is_some_and(|settled| self.history.len() > settled + 2)
    }

    /// The order as it was once the provider had answered about a refund. `None` while it is owed.
    pub fn as_refunded(&self, number: u32) -> Option<Order> {
        let answered = [OrderEvent::RefundPaid(number), OrderEvent::RefundRefused(number)];
        let at = self.history.iter().position(|t| answered.contains(&t.event))?;
        Some(self.as_of(u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1)))
    }

    /// Units allocated to this order, of the shop's stock or of sales: held, sold, or returned but unfit to be sold again.
    pub fn units_allocated(&self) -> BTreeMap<ProductId, u32> {
        let mut out = BTreeMap::<_, u32>::new();
        let returned = self.payment.refunds.iter().flat_map(|r| &r.lines);
        if self.state == OrderState::Cancelled {
            // Giving it up restocked the rest: all but what had been returned before and cannot be sold again.
            for line in returned.filter(|l| !l.restock) {
                *out.entry(line.product.clone()).or_default() += line.quantity.units();
            }
            return out;
        }
        for line in &self.lines {
            *out.entry(line.product.clone()).or_default() += line.quantity.units();
        }
        for line in returned.filter(|l| l.restock) {
            let left = out.entry(line.product.clone()).or_default();
            *left = left.saturating_sub(line.quantity.units());
        }
        out.retain(|_, units| *units > 0);
        out
    }

    /// The last event.
    pub fn last_event(&self) -> OrderEvent {
        self.history.last().map_or(OrderEvent::Placed, |t| t.event)
    }

    fn owes(&self, number: u32) -> bool {
        self.payment.refunds.iter().any(|r| r.number == number && r.state == RefundState::Requested)
    }

    fn forward(
        &self,
        from: OrderState,
        to: OrderState,
        event: OrderEvent,
        at: Timestamp,
    ) -> Result<Option<TransitionEffects>, TransitionError> {
        match self.state {
            state if state == to => Ok(None),
            state if state == from => Ok(Some(self.transition(event, at))),
            state => Err(TransitionError { from: state, to }),
        }
    }

    /// Restocks everything that was held or sold.
    fn cancel_and_restock(&self, event: OrderEvent, at: Timestamp) -> TransitionEffects {
        let restock = self.units_left().into_iter().filter(|(_, units)| *units > 0);
        let restock = restock.map(|(product, units)| (product.clone(), units)).collect();
        TransitionEffects { order: self.clone().apply(event, at), restock, restore_cart: self.state.awaits_payment() }
    }

    pub(crate) fn transition(&self, event: OrderEvent, at: Timestamp) -> TransitionEffects {
        TransitionEffects { order: self.clone().apply(event, at), restock: Vec::new(), restore_cart: false }
    }

    /// The one place that applies an event: one more entry of history and one more version.
    fn apply(mut self, event: OrderEvent, at: Timestamp) -> Order {
        let cancelled_by = |n: u32| self.payment.refunds.iter().any(|r| r.number == n && r.cancels);
        let (state, payment) = match event {
            OrderEvent::Placed => (OrderState::PendingPayment, PaymentState::Pending),
            OrderEvent::PaymentLost => (OrderState::PaymentUnknown, PaymentState::Unknown),
            OrderEvent::ActionRequired => (OrderState::PendingPayment, PaymentState::ActionRequired),
            OrderEvent::ChallengeFailed => (OrderState::PendingPayment, PaymentState::Pending),
            OrderEvent::Confirmed => (OrderState::Confirmed, PaymentState::Captured),
            OrderEvent::Declined => (OrderState::Cancelled, PaymentState::Declined),
            OrderEvent::Cancelled if self.payment.state == PaymentState::Captured => {
                (OrderState::Cancelled, PaymentState::Captured)
            }
            OrderEvent::Expired | OrderEvent::Cancelled | OrderEvent::Replaced | OrderEvent::NotChargeable => {
                (OrderState::Cancelled, PaymentState::Voided)
            }
            OrderEvent::PaidLate(_) => (OrderState::Cancelled, PaymentState::Captured),
            OrderEvent::Shipped => (OrderState::Shipped, self.payment.state),
            OrderEvent::Delivered => (OrderState::Delivered, self.payment.state),
            OrderEvent::RefundRequested(n) if cancelled_by(n) => (OrderState::Cancelled, self.payment.state),
            OrderEvent::RefundRequested(_)
            | OrderEvent::RefundPaid(_)
            | OrderEvent::RefundRefused(_)
            | OrderEvent::RefundRecorded(_)
            | OrderEvent::Disputed(_)
            | OrderEvent::DisputeWon(_)
            | OrderEvent::DisputeLost(_)
            | OrderEvent::Claimed => (self.state, self.payment.state),
        };
        (self.state, self.payment.state) = (state, payment);
        let answered = match event {
            OrderEvent::RefundPaid(n) => Some((n, RefundState::Paid)),
            OrderEvent::RefundRefused(n) => Some((n, RefundState::Refused)),
            _ => None,
        };
        if let Some((number, state)) = answered {
            let refund = self.payment.refunds.iter_mut().find(|r| r.number == number);
            refund.into_iter().for_each(|r| r.state = state);
        }
        let closed = match event {
            OrderEvent::DisputeWon(n) => Some((n, DisputeState::Won)),
            OrderEvent::DisputeLost(n) => Some((n, DisputeState::Lost)),
            _ => None,
        };
        if let Some((number, state)) = closed {
            let dispute = (1..).zip(&mut self.payment.disputes).find(|(n, _)| *n == number);
            dispute.into_iter().for_each(|(_, d)| d.state = state);
        }
        self.history.push(HistoryEntry { event, at });
        self.version = u64::try_from(self.history.len()).unwrap_or(u64::MAX);
        let money_is_open =
            self.state == OrderState::PaymentUnknown || self.refund_owed().is_some() || self.owes_remainder();
        self.due_at = match event {
            OrderEvent::Placed | OrderEvent::Claimed | OrderEvent::ActionRequired | OrderEvent::ChallengeFailed => {
                self.due_at
            }
            _ if money_is_open => Some(at + ASK_AFTER),
            // The sweeper logs and counts it within a minute, and then once a day.
            OrderEvent::Disputed(_) => Some(at),
            _ if self.disputes_open().next().is_some() => {
                let next = at + DISPUTE_LOOK;
                Some(self.due_at.map_or(next, |due| due.min(next)))
            }
            _ => None,
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Currency, Money, Quantity, ReturnedLine, order::tests::held};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn units(moved: &TransitionEffects) -> u32 {
        moved.restock.iter().map(|(_, units)| units).sum()
    }

    #[test]
    fn a_provider_result_reported_twice_changes_nothing() {
        let order = held();
        let confirmed = order.paid("pay_1", NOW).unwrap().order;
        let declined = order.declined(NOW).unwrap().order;
        let unknown = order.outcome_unknown(NOW).unwrap().order;
        let expired = unknown.void(VoidReason::Expired, NOW).unwrap().order;

        assert_eq!(confirmed.paid("pay_1", NOW), None);
        assert_eq!(declined.declined(NOW), None);
        assert_eq!(unknown.outcome_unknown(NOW), None);
        assert_eq!(expired.void(VoidReason::Expired, NOW), None);
        assert_eq!(confirmed.ship(NOW).unwrap().unwrap().order.ship(NOW), Ok(None));
    }

    #[test]
    fn a_paid_order_is_not_given_up_by_a_late_failure() {
        let confirmed = held().paid("pay_1", NOW).unwrap().order;

        assert_eq!(confirmed.declined(NOW), None);
        assert_eq!(confirmed.outcome_unknown(NOW), None);
        assert_eq!(confirmed.void(VoidReason::Expired, NOW), None);
    }

    #[test]
    fn giving_up_returns_every_unit_and_the_cart_once() {
        let declined = held().declined(NOW).unwrap();

        assert_eq!((units(&declined), declined.restore_cart), (4, true));
        assert_eq!(declined.order.void(VoidReason::Expired, NOW), None);
        assert_eq!(declined.order.cancel(NOW), Ok(CancelDecision::Already));
    }

    #[test]
    fn a_lost_answer_keeps_the_hold() {
        let unknown = held().outcome_unknown(NOW).unwrap();

        assert_eq!((units(&unknown), unknown.restore_cart), (0, false));
        assert_eq!(unknown.order.due_at, Some(NOW + ASK_AFTER));
        assert_eq!(unknown.order.paid("pay_1", NOW).unwrap().order.state, OrderState::Confirmed);
    }

    #[test]
    fn an_order_whose_customer_is_asked_keeps_its_hold_until_its_end() {
        let end = NOW + SignedDuration::from_mins(15);
        let asked = held().action_required(end, NOW).unwrap();
        let lost = held().outcome_unknown(NOW).unwrap().order;
        let asked_after_all = lost.action_required(end, NOW).unwrap().order;
        let failed = asked.order.challenge_failed(NOW).unwrap();

        for order in [&asked.order, &asked_after_all, &failed.order] {
            assert_eq!((order.state, order.due_at), (OrderState::PendingPayment, Some(end)));
            assert_eq!(order.as_of_payment_outcome(), None);
        }
        assert_eq!((units(&asked), asked.restore_cart, units(&failed), failed.restore_cart), (0, false, 0, false));
        assert_eq!(asked.order.payment.state, PaymentState::ActionRequired);
        assert_eq!((failed.order.payment.state, failed.order.failed_challenges()), (PaymentState::Pending, 1));
        assert_eq!(asked.order.action_required(end, NOW), None);
        assert_eq!(asked.order.outcome_unknown(NOW), None);
        assert_eq!(failed.order.challenge_failed(NOW), None);
        assert_eq!(held().challenge_failed(NOW), None);
    }

    #[test]
    fn a_customer_is_asked_for_three_attempts_to_pay() {
        let mut order = held();
        for attempt in 1..=MAX_CHALLENGES {
            assert!(!order.was_challenged_enough());
            order = order.action_required(NOW, NOW).unwrap().order;
            assert_eq!(order.challenges(), attempt);
            assert_eq!(order.paid("pay_1", NOW).unwrap().order.state, OrderState::Confirmed);
            if attempt < MAX_CHALLENGES {
                order = order.challenge_failed(NOW).unwrap().order;
            }
        }

        assert!(order.was_challenged_enough());
        assert_eq!(units(&order.declined(NOW).unwrap()), 4);
    }

    #[test]
    fn a_challenge_changes_nothing_about_an_order_that_has_an_outcome() {
        let confirmed = held().paid("pay_1", NOW).unwrap().order;
        let asked = held().action_required(NOW, NOW).unwrap().order;
        let expired = asked.void(VoidReason::Expired, NOW).unwrap().order;

        for order in [&confirmed, &expired] {
            assert_eq!((order.action_required(NOW, NOW), order.challenge_failed(NOW)), (None, None));
        }
        assert_eq!(expired.paid("pay_1", NOW).unwrap().order.refund_owed().map(|r| r.number), Some(1));
    }

    #[test]
    fn a_replaced_order_holds_no_stock() {
        let replaced = held().void(VoidReason::Replaced, NOW).unwrap();

        assert_eq!((units(&replaced), replaced.restore_cart), (4, true));
        assert_eq!((replaced.order.state, replaced.order.payment.state), (OrderState::Cancelled, PaymentState::Voided));
        assert_eq!(replaced.order.void(VoidReason::Replaced, NOW), None);
    }

    #[test]
    fn a_payment_that_comes_too_late_is_refunded() {
        let expired = held().void(VoidReason::Expired, NOW).unwrap().order;

        let late = expired.paid("pay_1", NOW).unwrap();

        assert_eq!((late.order.state, units(&late)), (OrderState::Cancelled, 0));
        assert_eq!(late.order.refund_owed().map(|r| r.amount), Some(expired.totals.total));
        assert!(late.order.due_at.is_some());
        assert_eq!(late.order.paid("pay_1", NOW), None);
        let paid_back = late.order.refund_paid(1, NOW).unwrap().order;
        assert_eq!((paid_back.refunded(), paid_back.due_at), (expired.totals.total, None));
    }

    #[test]
    fn a_paid_order_can_be_cancelled_until_it_is_shipped() {
        let confirmed = held().paid("pay_1", NOW).unwrap().order;
        let shipped = confirmed.ship(NOW).unwrap().unwrap().order;

        let Ok(CancelDecision::Refund(cancelled)) = confirmed.cancel(NOW) else { panic!("it can be cancelled") };

        assert_eq!((cancelled.order.state, units(&cancelled)), (OrderState::Cancelled, 4));
        assert_eq!(cancelled.order.refundable().amount_minor(), 0);
        assert!(cancelled.order.refund_owed().is_some());
        assert!(shipped.cancel(NOW).is_err());
        assert!(cancelled.order.ship(NOW).is_err());
        assert!(held().deliver(NOW).is_err());
    }

    #[test]
    fn a_guests_order_moves_to_the_account_they_log_in_to_and_is_otherwise_unchanged() {
        let (bob, cat): (UserId, UserId) = ("bob".parse().unwrap(), "cat".parse().unwrap());
        let unknown = held().outcome_unknown(NOW).unwrap().order;

        let guest = &unknown.customer;
        let claimed = unknown.claim(guest, &bob, NOW).unwrap();

        assert_eq!((&claimed.order.customer, claimed.order.guest), (&bob, false));
        assert_eq!((claimed.order.state, claimed.order.due_at), (unknown.state, unknown.due_at));
        assert_eq!((claimed.order.version, claimed.restock.len(), claimed.restore_cart), (3, 0, false));
        assert_eq!(claimed.order.claim(guest, &bob, NOW), None);
        assert_eq!(claimed.order.claim(guest, &cat, NOW), None);
        assert_eq!(claimed.order.as_of_payment_outcome(), None);
    }

    #[test]
    fn an_order_remembers_every_version_of_itself() {
        let mut versions = vec![held()];
        let mut then = |next: Option<TransitionEffects>| versions.push(next.expect("it happens").order);
        let order = held();
        let unknown = order.outcome_unknown(NOW).unwrap().order;
        let confirmed = unknown.paid("pay_1", NOW).unwrap().order;
        let requested = confirmed.refund(&RefundRequest::default(), NOW).unwrap().order;
        then(order.outcome_unknown(NOW));
        then(unknown.paid("pay_1", NOW));
        then(confirmed.refund(&RefundRequest::default(), NOW).ok());
        then(requested.refund_paid(1, NOW));
        let last = versions.last().unwrap();

        for version in &versions {
            let then = last.as_of(version.version);
            assert_eq!((then.state, &then.history), (version.state, &version.history));
            assert_eq!(then.payment.state, version.payment.state);
            assert_eq!(then.payment.refunds, version.payment.refunds);
        }
        assert_eq!(last.as_of_payment_outcome().unwrap().state, OrderState::Confirmed);
        assert_eq!(versions[1].as_of_payment_outcome(), None);
        assert_eq!(last.as_refunded(1).unwrap().version, 5);
        assert_eq!(requested.as_refunded(1), None);
    }

    #[test]
    fn lines_are_projected_up_to_the_transition_after_the_first_outcome() {
        let confirmed = held().paid("pay_1", NOW).unwrap().order;
        let shipped = confirmed.ship(NOW).unwrap().unwrap().order;
        let delivered = shipped.deliver(NOW).unwrap().unwrap().order;
        let unknown = held().outcome_unknown(NOW).unwrap().order;
        let paid_later = unknown.paid("pay_1", NOW).unwrap().order;
        let expired = unknown.void(VoidReason::Expired, NOW).unwrap().order;
        let paid_late = expired.paid("pay_1", NOW).unwrap().order;
        let refunded = paid_late.refund_paid(1, NOW).unwrap().order;

        for order in [held(), confirmed, shipped, unknown, paid_later, expired, paid_late] {
            assert!(!order.lines_are_projected(), "{:?}", order.history);
        }
        for order in [delivered, refunded] {
            assert!(order.lines_are_projected(), "{:?}", order.history);
        }
    }

    #[test]
    fn units_allocated_to_an_order_are_those_taken_and_not_restocked() {
        let returned = |product: &str, units, restock| ReturnedLine {
            product: product.parse().unwrap(),
            quantity: Quantity::new(units).unwrap(),
            restock,
        };
        let some =
            |amount, lines| RefundRequest { amount: Some(Money::amount(amount, Currency::USD)), lines, reason: None };
        let all = RefundRequest::default();
        let confirmed = held().paid("pay_1", NOW).unwrap();
        let shipped = confirmed.order.ship(NOW).unwrap().unwrap();
        let damaged = confirmed.order.refund(&some(899, vec![returned("mug", 1, false)]), NOW).unwrap();
        let restocked = damaged.order.refund(&some(899, vec![returned("mug", 1, true)]), NOW).unwrap();
        let refused = restocked.order.refund_refused(2, NOW).unwrap();
        let cancelled = refused.order.refund(&all, NOW).unwrap();
        let sent_back = shipped.order.refund(&some(899, vec![returned("pan", 1, true)]), NOW).unwrap();
        let declined = held().declined(NOW).unwrap();
        let late = declined.order.paid("pay_1", NOW).unwrap();
        let unknown = held().outcome_unknown(NOW).unwrap();
        let expired = unknown.order.void(VoidReason::Expired, NOW).unwrap();
        let steps = [
            (held(), confirmed.clone()),
            (confirmed.order.clone(), shipped.clone()),
            (confirmed.order, damaged.clone()),
            (damaged.order, restocked.clone()),
            (restocked.order, refused.clone()),
            (refused.order, cancelled.clone()),
            (shipped.order, sent_back),
            (held(), declined.clone()),
            (declined.order, late),
            (held(), unknown.clone()),
            (unknown.order, expired),
        ];

        for (before, moved) in steps {
            let mut out = moved.order.units_allocated();
            for (product, units) in &moved.restock {
                *out.entry(product.clone()).or_default() += units;
            }
            assert_eq!(out, before.units_allocated(), "{:?}", moved.order.last_event());
        }
        assert_eq!(
            held().units_allocated(),
            BTreeMap::from([("mug".parse().unwrap(), 3), ("pan".parse().unwrap(), 1)])
        );
        assert_eq!(cancelled.order.units_allocated(), BTreeMap::from([("mug".parse().unwrap(), 1)]));
    }
}
