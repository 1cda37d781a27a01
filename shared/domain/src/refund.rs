use std::collections::BTreeMap;

use crate::{
    Money, Order, OrderState, PaymentState, ProductId, ProviderId, Quantity, Reason, pricing::refund_of_units,
};

/// Refunds of one order that are paid or owed, as far as staff request them. Refused ones do not count: their amount
/// can be refunded again.
const MAX_REFUNDS: usize = 100;

/// Refunds that staff can request in all, refused ones included: each makes the order's item larger, and an item is
/// limited to 400 KB. A cancellation is never refused for either limit.
const MAX_REFUND_ATTEMPTS: usize = 1_000;

/// Money returned to a customer. It is decided first and paid afterwards, under its number, so that asking the provider
/// again never pays it twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Refund {
    /// From 1, within its order.
    pub number: u32,
    pub amount: Money,
    pub state: RefundState,
    /// The returned goods, if any.
    pub lines: Vec<ReturnedLine>,
    /// The refund cancels the order: nothing more of it will be shipped.
    pub cancels: bool,
    /// The reason, if staff gave one. The customer reads it.
    pub reason: Option<Reason>,
    /// The provider's id of a refund that was made there by hand: it is never requested by this shop. `None` for one of
    /// ours.
    pub by_hand: Option<ProviderId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefundState {
    /// Decided, and owed until the provider confirms the payment.
    Requested,
    Paid,
    /// The provider will not pay it. Its amount can be refunded again.
    Refused,
}

impl RefundState {
    pub const ALL: [RefundState; 3] = [RefundState::Requested, RefundState::Paid, RefundState::Refused];

    pub fn as_str(self) -> &'static str {
        match self {
            RefundState::Requested => "requested",
            RefundState::Paid => "paid",
            RefundState::Refused => "refused",
        }
    }

    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == raw)
    }
}

/// Returned units of a line.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReturnedLine {
    pub product: ProductId,
    pub quantity: Quantity,
    /// Whether they can be sold again.
    pub restock: bool,
}

/// A request for a refund. Without amount and lines it is everything that is left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RefundRequest {
    /// By default what was paid for the units of the lines.
    pub amount: Option<Money>,
    pub lines: Vec<ReturnedLine>,
    pub reason: Option<Reason>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefundError {
    #[error("nothing was paid for an order that is {}", .0.as_str())]
    NothingPaid(OrderState),
    #[error("at most {left} is left to refund")]
    TooMuch { left: Money },
    #[error("the amount of a refund must be positive and in the order's currency")]
    AmountInvalid,
    #[error("nothing is left to refund")]
    NothingLeft,
    #[error("an order has at most {MAX_REFUNDS} refunds, and {MAX_REFUND_ATTEMPTS} including refused ones")]
    TooMany,
    #[error("at most {left} units of {product} are left to return")]
    TooManyUnits { product: ProductId, left: u32 },
}

impl Order {
    /// What was charged and is neither refunded nor owed as a refund. Requested refunds and refunds by hand may exceed
    /// the total: then the provider pays only one of them.
    pub fn refundable(&self) -> Money {
        let currency = self.totals.total.currency();
        if self.payment.state != PaymentState::Captured {
            return Money::amount(0, currency);
        }
        let requested = self.payment.refunds.iter().filter(|r| r.state != RefundState::Refused);
        let requested: i64 = requested.map(|r| r.amount.amount_minor()).sum();
        Money::amount((self.totals.total.amount_minor() - requested).max(0), currency)
    }

    /// What was refunded and paid.
    pub fn refunded(&self) -> Money {
        let paid = self.payment.refunds.iter().filter(|r| r.state == RefundState::Paid);
        Money::amount(paid.map(|r| r.amount.amount_minor()).sum(), self.totals.total.currency())
    }

    /// The refunds that are owed, the oldest first.
    pub fn refunds_owed(&self) -> impl Iterator<Item = &Refund> {
        self.payment.refunds.iter().filter(|r| r.state == RefundState::Requested)
    }

    /// The oldest refund that is owed.
    pub fn refund_owed(&self) -> Option<&Refund> {
        self.refunds_owed().next()
    }

    /// Units of each line that were not returned yet. A cancelled order has none: all were returned when it was given
    /// up.
    pub(crate) fn units_left(&self) -> BTreeMap<&ProductId, u32> {
        if self.state == OrderState::Cancelled {
            return BTreeMap::new();
        }
        let mut left: BTreeMap<_, _> = self.lines.iter().map(|l| (&l.product, l.quantity.units())).collect();
        for line in self.payment.refunds.iter().flat_map(|r| &r.lines) {
            if let Some(units) = left.get_mut(&line.product) {
                *units = units.saturating_sub(line.quantity.units());
            }
        }
        left
    }

    /// Whether staff can request one more refund.
    pub(crate) fn takes_another_refund(&self) -> Result<(), RefundError> {
        let refunds = &self.payment.refunds;
        let standing = refunds.iter().filter(|r| r.state != RefundState::Refused).count();
        if standing >= MAX_REFUNDS || refunds.len() >= MAX_REFUND_ATTEMPTS {
            return Err(RefundError::TooMany);
        }
        Ok(())
    }

    /// The refund that a request results in. Before anything was shipped, a refund of all that is left cancels the
    /// order and restocks what was not returned yet.
    pub(crate) fn refund_of(&self, request: &RefundRequest) -> Result<Refund, RefundError> {
        if self.payment.state != PaymentState::Captured {
            return Err(RefundError::NothingPaid(self.state));
        }
        let mut units_left = self.units_left();
        let mut worth = 0;
        for line in &request.lines {
            let left = units_left.get(&line.product).copied().unwrap_or_default();
            let after = left.checked_sub(line.quantity.units());
            let after = after.ok_or_else(|| RefundError::TooManyUnits { product: line.product.clone(), left })?;
            units_left.insert(&line.product, after);
            worth += self.lines.iter().find(|l| l.product == line.product).map_or(0, |bought| {
                let returned = bought.quantity.units().saturating_sub(left);
                refund_of_units(bought.allocated, bought.quantity, returned, line.quantity.units()).amount_minor()
            });
        }

        let left = self.refundable();
        if left.amount_minor() <= 0 {
            return Err(RefundError::NothingLeft);
        }
        let amount = match request.amount {
            Some(amount) => amount,
            None if request.lines.is_empty() => left,
            None => Money::amount(worth, left.currency()),
        };
        if amount.currency() != left.currency() || amount.amount_minor() <= 0 {
            return Err(RefundError::AmountInvalid);
        }
        if amount.amount_minor() > left.amount_minor() {
            return Err(RefundError::TooMuch { left });
        }
        let cancels = self.state == OrderState::Confirmed && amount == left;
        let mut lines = request.lines.clone();
        if cancels {
            lines.extend(restocked(units_left));
        }
        let number = self.next_refund();
        let (state, reason) = (RefundState::Requested, request.reason.clone());
        Ok(Refund { number, amount, state, lines, cancels, reason, by_hand: None })
    }

    /// The refund that cancels an order: of `left`, everything that is refundable; every unit that was not returned yet
    /// is restocked.
    pub(crate) fn cancellation_refund(&self, left: Money) -> Refund {
        let lines = restocked(self.units_left()).collect();
        let number = self.next_refund();
        let state = RefundState::Requested;
        Refund { number, amount: left, state, lines, cancels: true, reason: None, by_hand: None }
    }

    /// The number of the next refund.
    pub(crate) fn next_refund(&self) -> u32 {
        u32::try_from(self.payment.refunds.len()).unwrap_or(u32::MAX).saturating_add(1)
    }
}

fn restocked<'a>(units: BTreeMap<&'a ProductId, u32>) -> impl Iterator<Item = ReturnedLine> + use<'a> {
    units.into_iter().filter_map(|(product, units)| {
        // Nothing is left of a line that was returned completely.
        let quantity = Quantity::new(units.into()).ok()?;
        Some(ReturnedLine { product: product.clone(), quantity, restock: true })
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{Currency, order::tests::held};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn usd(cents: i64) -> Option<Money> {
        Some(Money::amount(cents, Currency::USD))
    }

    fn returned(product: &str, units: i64, restock: bool) -> ReturnedLine {
        ReturnedLine { product: product.parse().unwrap(), quantity: Quantity::new(units).unwrap(), restock }
    }

    fn refund(order: &Order, amount: Option<Money>, lines: Vec<ReturnedLine>) -> Result<Order, RefundError> {
        order.refund(&RefundRequest { amount, lines, reason: None }, NOW).map(|moved| moved.order)
    }

    #[test]
    fn repeated_refunds_never_exceed_what_was_charged() {
        let order = held().paid("pay_1", NOW).unwrap().order;

        let once = refund(&order, usd(5_000), vec![]).unwrap();
        let too_much = refund(&once, usd(2_298), vec![]);
        let rest = refund(&once, usd(2_297), vec![]).unwrap();

        assert_eq!(too_much, Err(RefundError::TooMuch { left: usd(2_297).unwrap() }));
        assert_eq!(rest.refundable(), usd(0).unwrap());
        assert_eq!(refund(&rest, None, vec![]), Err(RefundError::NothingLeft));
    }

    #[test]
    fn a_refused_refund_can_be_requested_again() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let requested = refund(&order, usd(5_000), vec![]).unwrap();

        let refused = requested.refund_refused(1, NOW).unwrap().order;

        assert_eq!(refused.refundable(), order.totals.total);
        assert_eq!(refund(&refused, None, vec![]).unwrap().refund_owed().unwrap().number, 2);
    }

    #[test]
    fn lines_are_worth_what_they_cost_and_no_unit_returns_twice() {
        let order = held().paid("pay_1", NOW).unwrap().order;

        let moved = order
            .refund(&RefundRequest { lines: vec![returned("mug", 2, true)], ..RefundRequest::default() }, NOW)
            .unwrap();
        let again = refund(&moved.order, None, vec![returned("mug", 2, true)]);

        assert_eq!(moved.order.refund_owed().unwrap().amount, usd(1_798).unwrap());
        assert_eq!(moved.restock, [("mug".parse().unwrap(), 2)]);
        assert_eq!(again, Err(RefundError::TooManyUnits { product: "mug".parse().unwrap(), left: 1 }));
        assert_eq!(
            refund(&order, None, vec![returned("cup", 1, true)]),
            Err(RefundError::TooManyUnits { product: "cup".parse().unwrap(), left: 0 })
        );
    }

    #[test]
    fn units_of_a_discounted_line_are_worth_what_was_paid_for_them() {
        let mut order = held().paid("pay_1", NOW).unwrap().order;
        order.lines[0].allocated = usd(2_327).unwrap();

        let first = refund(&order, None, vec![returned("mug", 1, true), returned("mug", 1, false)]).unwrap();
        let last = refund(&first, None, vec![returned("mug", 1, true)]).unwrap();

        let amounts: Vec<_> = last.payment.refunds.iter().map(|refund| refund.amount.amount_minor()).collect();
        assert_eq!(amounts, [1_551, 776]);
    }

    #[test]
    fn units_of_one_product_go_back_in_one_piece() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let lines = vec![returned("mug", 1, true), returned("mug", 1, true)];
        let amount = Some(order.totals.total);

        let moved = order.refund(&RefundRequest { amount, lines, reason: None }, NOW).unwrap();

        assert_eq!(moved.restock, [("mug".parse().unwrap(), 3), ("pan".parse().unwrap(), 1)]);
    }

    #[test]
    fn a_failed_refund_is_not_owed_and_can_be_requested_again() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let paid = refund(&order, None, vec![]).unwrap().refund_paid(1, NOW).unwrap().order;

        let came_back = paid.refund_refused(1, NOW).unwrap().order;

        assert_eq!((came_back.refunded(), came_back.refundable()), (usd(0).unwrap(), order.totals.total));
        assert_eq!(came_back.refund_refused(1, NOW), None);
        assert_eq!(came_back.refund_paid(1, NOW), None);
        assert!(refund(&came_back, None, vec![]).is_ok());
    }

    #[test]
    fn units_of_an_order_that_was_given_up_are_not_returned_again() {
        let late = held().declined(NOW).unwrap().order.paid("pay_1", NOW).unwrap().order;
        let refused = late.refund_refused(1, NOW).unwrap().order;

        let by_lines = refund(&refused, None, vec![returned("mug", 1, true)]);
        let by_amount = refused.refund(&RefundRequest::default(), NOW).unwrap();

        assert_eq!(by_lines, Err(RefundError::TooManyUnits { product: "mug".parse().unwrap(), left: 0 }));
        assert_eq!(by_amount.restock, []);
    }

    #[test]
    fn a_full_refund_of_an_unshipped_order_cancels_it_and_restocks_what_was_not_returned_before() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let part = refund(&order, None, vec![returned("mug", 1, false)]).unwrap();

        let moved = part.refund(&RefundRequest::default(), NOW).unwrap();

        assert_eq!(moved.order.state, OrderState::Cancelled);
        assert_eq!(moved.restock, [("mug".parse().unwrap(), 2), ("pan".parse().unwrap(), 1)]);
        assert_eq!(moved.order.refundable(), usd(0).unwrap());
    }

    #[test]
    fn a_full_refund_of_a_shipped_order_keeps_it_shipped_and_restocks_only_the_named_lines() {
        let order = held().paid("pay_1", NOW).unwrap().order.ship(NOW).unwrap().unwrap().order;

        let moved = order.refund(&RefundRequest::default(), NOW).unwrap();

        assert_eq!(moved.order.state, OrderState::Shipped);
        assert_eq!(moved.restock, []);
    }

    /// A cent at a time, each paid or refused.
    fn refunded_in_cents(mut order: Order, times: usize, paid: bool) -> Order {
        for _ in 0..times {
            let requested = refund(&order, usd(1), vec![]).unwrap();
            let number = requested.refund_owed().unwrap().number;
            let answered =
                if paid { requested.refund_paid(number, NOW) } else { requested.refund_refused(number, NOW) };
            order = answered.unwrap().order;
        }
        order
    }

    #[test]
    fn a_cancellation_refunds_everything_whatever_the_number_of_refunds() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let often = refunded_in_cents(order.clone(), MAX_REFUNDS, true);

        let refused = refund(&often, usd(1), vec![]);
        let Ok(crate::CancelDecision::Refund(cancelled)) = often.cancel(NOW) else { panic!("it can be cancelled") };

        assert_eq!(refused, Err(RefundError::TooMany));
        let owed = order.totals.total.amount_minor() - i64::try_from(MAX_REFUNDS).unwrap();
        assert_eq!(cancelled.order.refund_owed().map(|r| Some(r.amount)), Some(usd(owed)));
        assert_eq!(cancelled.restock, [("mug".parse().unwrap(), 3), ("pan".parse().unwrap(), 1)]);
    }

    #[test]
    fn refused_refunds_leave_room_for_others() {
        let order = held().paid("pay_1", NOW).unwrap().order;

        let often = refunded_in_cents(order, MAX_REFUNDS, false);

        assert!(refund(&often, usd(1), vec![]).is_ok());
    }

    #[test]
    fn cancelling_a_refunded_order_restocks_its_units() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let mut refunded = refund(&order, usd(100), vec![]).unwrap().refund_paid(1, NOW).unwrap().order;
        refunded.payment.refunds[0].amount = order.totals.total;

        let Ok(crate::CancelDecision::Refund(cancelled)) = refunded.cancel(NOW) else { panic!("it can be cancelled") };

        assert_eq!((cancelled.order.state, cancelled.order.refund_owed()), (OrderState::Cancelled, None));
        assert_eq!(cancelled.restock, [("mug".parse().unwrap(), 3), ("pan".parse().unwrap(), 1)]);
    }

    #[test]
    fn an_unpaid_order_cannot_be_refunded() {
        let order = held();

        assert_eq!(refund(&order, None, vec![]), Err(RefundError::NothingPaid(OrderState::PendingPayment)));
    }
}
