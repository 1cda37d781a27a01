use jiff::Timestamp;

use crate::{Money, Order, OrderEvent, OrderState, PaymentState, ProviderId, Refund, RefundState, TransitionEffects};

/// A refund that was made in the payment provider's dashboard, not by this shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundByHand {
    pub id: ProviderId,
    pub amount: Money,
    /// It failed after it was made, for example because the customer's account is closed.
    pub failed: bool,
}

impl Order {
    /// The refund of the order that records one made by hand.
    pub fn refund_by_hand(&self, id: &ProviderId) -> Option<&Refund> {
        self.payment.refunds.iter().find(|r| r.by_hand.as_ref() == Some(id))
    }

    /// Records a refund made at the provider: a paid refund of the order that returns no goods and cancels nothing.
    /// `None` if it is known already. Only for an order that is known to be paid.
    pub fn refund_recorded(&self, made: &RefundByHand, at: Timestamp) -> Option<TransitionEffects> {
        if self.payment.state != PaymentState::Captured || self.refund_by_hand(&made.id).is_some() {
            return None;
        }
        let mut order = self.clone();
        let number = order.next_refund();
        order.payment.refunds.push(Refund {
            number,
            amount: made.amount,
            state: RefundState::Paid,
            lines: Vec::new(),
            cancels: false,
            reason: None,
            by_hand: Some(made.id.clone()),
        });
        Some(order.transition(OrderEvent::RefundRecorded(number), at))
    }

    /// A recorded refund made by hand has failed.
    pub fn refund_by_hand_failed(&self, id: &ProviderId, at: Timestamp) -> Option<TransitionEffects> {
        self.refund_refused(self.refund_by_hand(id)?.number, at)
    }

    /// Whether a cancelled order owes money that none of its refunds covers. Its cancellation refunded all that was
    /// left, as far as was known; if money was also refunded by hand, the provider refuses that refund as too much, or
    /// a part stays unpaid. What the provider refused in the current state is not owed again: asking again would change
    /// nothing.
    pub fn owes_remainder(&self) -> bool {
        let left = self.refundable();
        let ours = self.payment.refunds.iter().rfind(|r| r.by_hand.is_none());
        let was_refused = ours.is_some_and(|r| {
            r.state == RefundState::Refused && r.amount == left && !self.by_hand_since_refused(r.number)
        });
        self.state == OrderState::Cancelled
            && left.amount_minor() > 0
            && self.refund_owed().is_none()
            && self.payment.refunds.iter().any(|r| r.by_hand.is_some())
            && !was_refused
    }

    /// Refunds the rest of a cancelled order's money, if [`Order::owes_remainder`].
    pub fn refund_remainder(&self, at: Timestamp) -> Option<TransitionEffects> {
        if !self.owes_remainder() {
            return None;
        }
        let mut order = self.clone();
        let number = order.next_refund();
        order.payment.refunds.push(Refund {
            number,
            amount: self.refundable(),
            state: RefundState::Requested,
            lines: Vec::new(),
            cancels: false,
            reason: None,
            by_hand: None,
        });
        Some(order.transition(OrderEvent::RefundRequested(number), at))
    }

    /// Whether a refund by hand was made, or failed, after a refund of ours was refused.
    fn by_hand_since_refused(&self, number: u32) -> bool {
        let by_hand = |n: u32| self.payment.refunds.iter().any(|r| r.number == n && r.by_hand.is_some());
        let since = self.history.iter().rev().take_while(|t| t.event != OrderEvent::RefundRefused(number));
        since.filter_map(|t| t.event.refund()).any(by_hand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CancelDecision, Currency, RefundError, RefundRequest, order::tests::held};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn usd(cents: i64) -> Money {
        Money::amount(cents, Currency::USD)
    }

    fn made(id: &str, cents: i64) -> RefundByHand {
        RefundByHand { id: id.parse().unwrap(), amount: usd(cents), failed: false }
    }

    fn id(raw: &str) -> ProviderId {
        raw.parse().unwrap()
    }

    #[test]
    fn a_refund_by_hand_counts_once_and_changes_nothing_else() {
        let order = held().paid("pay_1", NOW).unwrap().order;

        let moved = order.refund_recorded(&made("re_1", 5_000), NOW).unwrap();

        assert_eq!((moved.order.state, moved.order.due_at), (OrderState::Confirmed, None));
        assert!(moved.restock.is_empty() && moved.order.refund_owed().is_none());
        assert_eq!((moved.order.refunded(), moved.order.refundable()), (usd(5_000), usd(2_297)));
        assert_eq!(moved.order.refund_recorded(&made("re_1", 5_000), NOW), None);
        let too_much = moved.order.refund(&RefundRequest { amount: Some(usd(2_298)), ..RefundRequest::default() }, NOW);
        assert_eq!(too_much, Err(RefundError::TooMuch { left: usd(2_297) }));
        assert_eq!(moved.order.as_of(2), order);
    }

    #[test]
    fn a_refund_by_hand_that_fails_is_left_to_refund() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let recorded = order.refund_recorded(&made("re_1", 5_000), NOW).unwrap().order;

        let failed = recorded.refund_by_hand_failed(&id("re_1"), NOW).unwrap().order;

        assert_eq!((failed.refunded(), failed.refundable()), (usd(0), order.totals.total));
        assert_eq!(failed.refund_by_hand_failed(&id("re_1"), NOW), None);
        assert_eq!(failed.refund_recorded(&made("re_1", 5_000), NOW), None, "a late event changes nothing");
        assert_eq!(order.refund_by_hand_failed(&id("re_1"), NOW), None);
    }

    #[test]
    fn no_refund_is_recorded_for_an_order_that_is_not_known_to_be_paid() {
        assert_eq!(held().refund_recorded(&made("re_1", 1), NOW), None);
    }

    #[test]
    fn what_is_left_to_refund_is_never_negative() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let requested = order.refund(&RefundRequest::default(), NOW).unwrap().order;

        let recorded = requested.refund_recorded(&made("re_1", 100), NOW).unwrap().order;

        assert_eq!(recorded.refundable(), usd(0));
    }

    #[test]
    fn a_cancelled_order_owes_what_its_own_refund_could_not_pay_because_of_one_by_hand() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let Ok(CancelDecision::Refund(cancelled)) = order.cancel(NOW) else { panic!("it can be cancelled") };
        let recorded = cancelled.order.refund_recorded(&made("re_1", 100), NOW).unwrap().order;

        let refused = recorded.refund_refused(1, NOW).unwrap().order;
        let rest = refused.refund_remainder(NOW).unwrap().order;
        let again = rest.refund_refused(3, NOW).unwrap().order;

        assert!(refused.due_at.is_some() && !recorded.owes_remainder());
        assert_eq!(rest.refund_owed().map(|r| (r.number, r.amount)), Some((3, usd(7_197))));
        assert_eq!((again.refund_remainder(NOW), again.due_at), (None, None), "the provider has refused exactly this");
    }

    #[test]
    fn a_refund_that_was_refused_is_owed_again_once_the_one_by_hand_fails() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let Ok(CancelDecision::Refund(cancelled)) = order.cancel(NOW) else { panic!("it can be cancelled") };
        let recorded = cancelled.order.refund_recorded(&made("re_1", 7_297), NOW).unwrap().order;
        let refused = recorded.refund_refused(1, NOW).unwrap().order;

        let failed = refused.refund_by_hand_failed(&id("re_1"), NOW).unwrap().order;

        assert!(!refused.owes_remainder() && failed.due_at.is_some());
        assert_eq!(failed.refund_remainder(NOW).unwrap().order.refund_owed().map(|r| r.amount), Some(usd(7_297)));
    }

    #[test]
    fn a_cancelled_order_owes_the_amount_of_a_refund_by_hand_that_failed() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let recorded = order.refund_recorded(&made("re_1", 100), NOW).unwrap().order;
        let Ok(CancelDecision::Refund(cancelled)) = recorded.cancel(NOW) else { panic!("it can be cancelled") };
        let paid = cancelled.order.refund_paid(2, NOW).unwrap().order;

        let failed = paid.refund_by_hand_failed(&id("re_1"), NOW).unwrap().order;

        assert_eq!(failed.refund_remainder(NOW).unwrap().order.refund_owed().map(|r| r.amount), Some(usd(100)));
        assert_eq!(paid.refund_remainder(NOW), None);
    }
}
