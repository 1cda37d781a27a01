use domain::{Money, Order, OrderEvent, Timestamp};
use jiff::SignedDuration;

/// Older events are not mailed any more. Sent notifications are recorded for 90 days, so that no record is mailed
/// again, however late it is replayed from the dead letters.
const STALE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A notification to a customer about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub kind: NotificationKind,
    /// The order as it was then; its version is the one the event made.
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
    /// The provider has refunded this amount.
    Refunded(Money),
}

/// Why an order was cancelled, and what happens to the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// The provider's answer to the checkout was lost, and nothing was charged in the end.
    Unpaid,
    /// It was paid, and this amount is refunded.
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

    /// Whether nothing was ever charged for the order.
    pub fn is_unpaid(self) -> bool {
        match self {
            NotificationKind::Cancelled(Cancelled::Unpaid) => true,
            NotificationKind::Placed
            | NotificationKind::Shipped
            | NotificationKind::Delivered
            | NotificationKind::Cancelled(Cancelled::Refunding(_))
            | NotificationKind::Refunded(_) => false,
        }
    }
}

/// The notifications of a change of an order, oldest first.
///
/// `seen` is the version before the change, 0 if there was no order: everything after it is new.
pub fn notifications(seen: u64, order: &Order, now: Timestamp) -> Vec<Notification> {
    (seen + 1..=order.version).filter_map(|version| notification(order, version, now)).collect()
}

/// Whether the change has a notification that is too old to be sent.
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

/// The notification for an event, for a customer who is not looking at the shop.
///
/// An order that was never paid is answered in the response to its request, and never mailed: placing one costs
/// nothing, so somebody who registers a stranger's address could make the shop write to it. The exception is an order
/// whose checkout was answered 202, because its customer waits for the outcome.
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
        // A late payment is refunded, and mailed once that is paid. A refused refund is for the shop to correct first.
        // A cancellation before the payment, an amount that cannot be charged, and what the customer's bank asks are
        // answered in the response. A dispute is between the bank, the customer and the shop's staff.
        OrderEvent::Placed
        | OrderEvent::PaymentLost
        | OrderEvent::ActionRequired
        | OrderEvent::ChallengeFailed
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

/// Whether it was charged. A free order is confirmed without a charge.
pub fn was_paid(order: &Order) -> bool {
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

    /// All notifications of an order's life so far, each with its version.
    fn sent_for(order: &Order) -> Vec<(NotificationKind, u64)> {
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

        assert_eq!(sent_for(&held()), []);
        assert_eq!(sent_for(&unknown), []);
        assert_eq!(sent_for(&unknown.paid("pay_1", NOW).unwrap().order), [(NotificationKind::Placed, 3)]);
    }

    #[test]
    fn every_step_of_a_delivery_is_mailed_once() {
        let shipped = paid().ship(NOW).unwrap().unwrap().order;
        let delivered = shipped.deliver(NOW).unwrap().unwrap().order;

        assert_eq!(
            sent_for(&delivered),
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

        assert_eq!(sent_for(&held().declined(NOW).unwrap().order), []);
        assert_eq!(sent_for(&given_up(VoidReason::Expired)), []);
        assert_eq!(sent_for(&given_up(VoidReason::CancelledByCustomer)), []);
        assert_eq!(sent_for(&lost.void(VoidReason::CancelledByCustomer, NOW).unwrap().order), []);
    }

    #[test]
    fn a_customer_whose_checkout_was_answered_202_gets_one_mail_if_it_fails() {
        let lost = held().outcome_unknown(NOW).unwrap().order;
        let expired = lost.void(VoidReason::Expired, NOW).unwrap().order;

        assert_eq!(sent_for(&expired), [(NotificationKind::Cancelled(Cancelled::Unpaid), 3)]);
        assert_eq!(sent_for(&lost.declined(NOW).unwrap().order), [(NotificationKind::Cancelled(Cancelled::Unpaid), 3)]);
    }

    #[test]
    fn an_order_that_costs_nothing_is_not_mailed_at_any_step() {
        let mut free = held();
        free.totals.discount = free.totals.total;
        free.totals.total = usd(0);
        let confirmed = free.paid("pay_1", NOW).unwrap().order;
        let delivered = confirmed.ship(NOW).unwrap().unwrap().order.deliver(NOW).unwrap().unwrap().order;

        assert_eq!(sent_for(&delivered), []);
        assert_eq!(sent_for(&cancelled(&confirmed)), []);
    }

    #[test]
    fn a_cancellation_is_mailed_when_the_refund_is_owed_and_when_it_is_paid() {
        let total = held().totals.total;
        let refunded = cancelled(&paid()).refund_paid(1, NOW).unwrap().order;

        let sent = sent_for(&refunded);

        assert_eq!(
            sent[1..],
            [(NotificationKind::Cancelled(Cancelled::Refunding(total)), 3), (NotificationKind::Refunded(total), 4)]
        );
    }

    #[test]
    fn a_refund_for_goods_is_mailed_once_it_is_paid() {
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
        assert_eq!(sent_for(&paid).last(), Some(&(NotificationKind::Refunded(usd(899)), 5)));
    }

    #[test]
    fn a_late_payment_is_mailed_once_it_is_refunded() {
        let late = held().void(VoidReason::Expired, NOW).unwrap().order.paid("pay_1", NOW).unwrap().order;

        assert_eq!(notifications(2, &late, NOW), []);
        let paid_back = late.refund_paid(1, NOW).unwrap().order;
        assert_eq!(sent_for(&paid_back).last(), Some(&(NotificationKind::Refunded(late.totals.total), 4)));
    }

    #[test]
    fn a_notification_shows_the_order_as_it_was_then() {
        let shipped = paid().ship(NOW).unwrap().unwrap().order;

        let notifications = notifications(0, &shipped, NOW);

        assert_eq!(notifications[0].order.state, domain::OrderState::Confirmed);
        assert_eq!(notifications[1].order.state, domain::OrderState::Shipped);
    }

    #[test]
    fn an_event_older_than_30_days_is_not_mailed() {
        assert_eq!(notifications(0, &paid(), NOW + STALE).len(), 1);
        let late = NOW + STALE + SignedDuration::from_millis(1);
        assert_eq!(notifications(0, &paid(), late), []);
        assert!(is_stale(0, &paid(), late) && !is_stale(0, &paid(), NOW + STALE));
        assert!(!is_stale(0, &held(), late), "it had no notification to send");
    }
}
