use domain::{Money, Order, OrderEvent, Timestamp};
use jiff::SignedDuration;

/// What happened longer ago is not told any more. It is remembered for 90 days what was told, so that no record, however
/// late it is replayed from the dead letters, tells anything again.
const STALE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Something that a customer is told about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub kind: NotificationKind,
    /// The order as it stood then; its version is the one that the news made.
    pub order: Order,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationKind {
    /// It is paid.
    Placed,
    Shipped,
    Delivered,
    Cancelled(Cancelled),
    /// The provider has paid this much back.
    Refunded(Money),
}

/// Why an order was cancelled, and what becomes of the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The provider's answer to the checkout was lost, and nothing was charged in the end.
    Unpaid,
    /// It was paid, and this much goes back.
    Refunding(Money),
}

impl NotificationKind {
    /// Its name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            NotificationKind::Placed => "placed",
            NotificationKind::Shipped => "shipped",
            NotificationKind::Delivered => "delivered",
            NotificationKind::Cancelled(_) => "cancelled",
            NotificationKind::Refunded(_) => "refunded",
        }
    }
}

/// What a customer is told about a change of an order, oldest first.
///
/// `seen` is the version before the change, 0 if there was no order: everything after it is new.
pub fn notifications(seen: u64, order: &Order, now: Timestamp) -> Vec<Notification> {
    (seen + 1..=order.version).filter_map(|version| notification(order, version, now)).collect()
}

/// Whether something of this was news once, and is told no more.
pub fn is_stale(seen: u64, order: &Order, now: Timestamp) -> bool {
    (seen + 1..=order.version)
        .filter_map(|version| any_notification(order, version))
        .any(|notification| is_old(&notification, now))
}

fn notification(order: &Order, version: u64, now: Timestamp) -> Option<Notification> {
    any_notification(order, version).filter(|notification| !is_old(notification, now))
}

fn is_old(notification: &Notification, now: Timestamp) -> bool {
    now.duration_since(notification.at) > STALE
}

fn any_notification(order: &Order, version: u64) -> Option<Notification> {
    let at = usize::try_from(version).ok()?.checked_sub(1)?;
    let happened = order.history.get(at)?;
    let order = order.as_of(version);
    let kind = kind(&order, happened.event)?;
    Some(Notification { kind, order, at: happened.at })
}

/// What an event means to a customer who is not looking at the shop.
///
/// An order that was never paid is answered in the response to its request, and never mailed: placing one costs nothing,
/// so somebody who registers a stranger's address could have the shop write to it. The exception is an order whose
/// checkout was answered 202, because its customer waits for the outcome.
fn kind(order: &Order, event: OrderEvent) -> Option<NotificationKind> {
    let refund = |number: u32| order.payment.refunds.iter().find(|r| r.number == number);
    match event {
        OrderEvent::Confirmed => was_paid(order).then_some(NotificationKind::Placed),
        OrderEvent::Shipped => was_paid(order).then_some(NotificationKind::Shipped),
        OrderEvent::Delivered => was_paid(order).then_some(NotificationKind::Delivered),
        OrderEvent::Declined | OrderEvent::Expired => {
            was_left_waiting(order).then_some(NotificationKind::Cancelled(Cancelled::Unpaid))
        }
        OrderEvent::RefundRequested(n) => {
            refund(n).filter(|r| r.cancels).map(|r| NotificationKind::Cancelled(Cancelled::Refunding(r.amount)))
        }
        // One made by hand at the provider is paid already when it is recorded.
        OrderEvent::RefundPaid(n) | OrderEvent::RefundRecorded(n) => {
            refund(n).map(|r| NotificationKind::Refunded(r.amount))
        }
        // A late payment goes back, and is mailed once it has. A refusal is for the shop to mend first. A cancellation before
        // the payment, and an amount that cannot be charged, are answered in the response. What a customer's bank disputes is
        // between the bank, the customer and the shop's staff.
        OrderEvent::Placed
        | OrderEvent::PaymentLost
        | OrderEvent::Cancelled
        | OrderEvent::Replaced
        | OrderEvent::PaidLate(_)
        | OrderEvent::RefundRefused(_)
        | OrderEvent::NotChargeable
        | OrderEvent::Disputed(_)
        | OrderEvent::DisputeWon(_)
        | OrderEvent::DisputeLost(_)
        | OrderEvent::Claimed => None,
    }
}

/// Whether money was taken for it. A free order is confirmed without any.
fn was_paid(order: &Order) -> bool {
    let taken = |event| matches!(event, OrderEvent::Confirmed | OrderEvent::PaidLate(_));
    order.totals.total.amount_minor() > 0 && order.history.iter().any(|happened| taken(happened.event))
}

/// Whether its checkout was answered 202: accepted, outcome unknown.
fn was_left_waiting(order: &Order) -> bool {
    order.history.iter().any(|happened| happened.event == OrderEvent::PaymentLost)
}

#[cfg(test)]
mod tests {
    use domain::{CancelDecision, RefundRequest, ReturnedLine, VoidReason};

    use super::*;
    use crate::testing::{NOW, held, usd};

    /// Every news of an order's life so far, with the version it came with.
    fn told(order: &Order) -> Vec<(NotificationKind, u64)> {
        notifications(0, order, NOW).into_iter().map(|n| (n.kind, n.order.version)).collect()
    }

    fn paid() -> Order {
        held().paid("pay_1", NOW).unwrap().order
    }

    fn cancelled(order: &Order) -> Order {
        let Ok(CancelDecision::Refund(moved)) = order.cancel(NOW) else { panic!("it can be cancelled") };
        moved.order
    }

    #[test]
    fn a_hold_is_not_announced_but_a_payment_is() {
        let unknown = held().outcome_unknown(NOW).unwrap().order;

        assert_eq!(told(&held()), []);
        assert_eq!(told(&unknown), []);
        assert_eq!(told(&unknown.paid("pay_1", NOW).unwrap().order), [(NotificationKind::Placed, 3)]);
    }

    #[test]
    fn every_step_of_a_delivery_is_told_once() {
        let shipped = paid().ship(NOW).unwrap().unwrap().order;
        let delivered = shipped.deliver(NOW).unwrap().unwrap().order;

        assert_eq!(
            told(&delivered),
            [(NotificationKind::Placed, 2), (NotificationKind::Shipped, 3), (NotificationKind::Delivered, 4)]
        );
        assert_eq!(notifications(3, &delivered, NOW).len(), 1);
        assert_eq!(notifications(4, &delivered, NOW), []);
        assert_eq!(notifications(9, &delivered, NOW), []);
    }

    #[test]
    fn an_order_that_was_never_paid_is_not_mailed() {
        let given_up = |why| held().void(why, NOW).unwrap().order;
        let lost = held().outcome_unknown(NOW).unwrap().order;

        assert_eq!(told(&held().declined(NOW).unwrap().order), []);
        assert_eq!(told(&given_up(VoidReason::Expired)), []);
        assert_eq!(told(&given_up(VoidReason::CancelledByCustomer)), []);
        assert_eq!(told(&lost.void(VoidReason::CancelledByCustomer, NOW).unwrap().order), []);
    }

    #[test]
    fn a_customer_who_was_left_waiting_gets_one_mail_when_it_came_to_nothing() {
        let lost = held().outcome_unknown(NOW).unwrap().order;
        let expired = lost.void(VoidReason::Expired, NOW).unwrap().order;

        assert_eq!(told(&expired), [(NotificationKind::Cancelled(Cancelled::Unpaid), 3)]);
        assert_eq!(told(&lost.declined(NOW).unwrap().order), [(NotificationKind::Cancelled(Cancelled::Unpaid), 3)]);
    }

    #[test]
    fn an_order_that_costs_nothing_is_not_mailed_at_any_step() {
        let mut free = held();
        free.totals.discount = free.totals.total;
        free.totals.total = usd(0);
        let confirmed = free.paid("pay_1", NOW).unwrap().order;
        let delivered = confirmed.ship(NOW).unwrap().unwrap().order.deliver(NOW).unwrap().unwrap().order;

        assert_eq!(told(&delivered), []);
        assert_eq!(told(&cancelled(&confirmed)), []);
    }

    #[test]
    fn a_cancelled_payment_is_told_when_it_is_owed_and_when_it_is_paid() {
        let total = held().totals.total;
        let refunded = cancelled(&paid()).refund_paid(1, NOW).unwrap().order;

        let told = told(&refunded);

        assert_eq!(
            told[1..],
            [(NotificationKind::Cancelled(Cancelled::Refunding(total)), 3), (NotificationKind::Refunded(total), 4)]
        );
    }

    #[test]
    fn a_refund_for_goods_is_told_once_it_is_paid() {
        let shipped = paid().ship(NOW).unwrap().unwrap().order;
        let mug = ReturnedLine {
            product: "mug".parse().unwrap(),
            quantity: domain::Quantity::new(1).unwrap(),
            restock: true,
        };
        let owed = shipped.refund(&RefundRequest { lines: vec![mug], ..RefundRequest::default() }, NOW).unwrap().order;
        let refused = owed.refund_refused(1, NOW).unwrap().order;

        assert_eq!(notifications(3, &owed, NOW), []);
        assert_eq!(notifications(3, &refused, NOW), []);
        let paid = owed.refund_paid(1, NOW).unwrap().order;
        assert_eq!(told(&paid).last(), Some(&(NotificationKind::Refunded(usd(899)), 5)));
    }

    #[test]
    fn money_that_came_too_late_is_told_once_it_went_back() {
        let late = held().void(VoidReason::Expired, NOW).unwrap().order.paid("pay_1", NOW).unwrap().order;

        assert_eq!(notifications(2, &late, NOW), []);
        let paid_back = late.refund_paid(1, NOW).unwrap().order;
        assert_eq!(told(&paid_back).last(), Some(&(NotificationKind::Refunded(late.totals.total), 4)));
    }

    #[test]
    fn a_notice_shows_the_order_as_it_stood_then() {
        let shipped = paid().ship(NOW).unwrap().unwrap().order;

        let notifications = notifications(0, &shipped, NOW);

        assert_eq!(notifications[0].order.state, domain::OrderState::Confirmed);
        assert_eq!(notifications[1].order.state, domain::OrderState::Shipped);
    }

    #[test]
    fn what_happened_over_30_days_ago_is_not_told_any_more() {
        assert_eq!(notifications(0, &paid(), NOW + STALE).len(), 1);
        let late = NOW + STALE + SignedDuration::from_millis(1);
        assert_eq!(notifications(0, &paid(), late), []);
        assert!(is_stale(0, &paid(), late) && !is_stale(0, &paid(), NOW + STALE));
        assert!(!is_stale(0, &held(), late), "nothing of it was news");
    }
}
