use domain::{Money, Order, OrderEvent, Timestamp};
use jiff::SignedDuration;

/// What happened longer ago is not told any more. It is remembered for 90 days what was told, so that no record, however
/// late it is replayed from the dead letters, tells anything again.
const STALE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Something that a customer is told about an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub news: News,
    /// The order as it stood then; its version is the one that the news made.
    pub order: Order,
    pub at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It is paid, or free. That stock is held for an order is not told.
    Placed,
    Declined,
    Shipped,
    Delivered,
    Cancelled(Cancelled),
    /// The provider has paid this much back.
    Refunded(Money),
}

/// Why an order was cancelled, and what becomes of the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// Nobody paid in time, and nothing was charged.
    NotPaid,
    /// The customer wished it, and nothing was charged.
    AsAsked,
    /// It was paid, and this much goes back.
    Refunding(Money),
}

impl News {
    /// Its name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            News::Placed => "placed",
            News::Declined => "declined",
            News::Shipped => "shipped",
            News::Delivered => "delivered",
            News::Cancelled(_) => "cancelled",
            News::Refunded(_) => "refunded",
        }
    }
}

/// What a customer is told about a change of an order, oldest first.
///
/// `seen` is the version before the change, 0 if there was no order: everything after it is new.
pub fn notices(seen: u64, order: &Order, now: Timestamp) -> Vec<Notice> {
    (seen + 1..=order.version).filter_map(|version| notice(order, version, now)).collect()
}

fn notice(order: &Order, version: u64, now: Timestamp) -> Option<Notice> {
    let at = usize::try_from(version).ok()?.checked_sub(1)?;
    let happened = order.history.get(at)?;
    if now.duration_since(happened.at) > STALE {
        return None;
    }
    let order = order.as_of(version);
    let news = news(&order, happened.event)?;
    Some(Notice { news, order, at: happened.at })
}

fn news(order: &Order, event: OrderEvent) -> Option<News> {
    let refund = |number: u32| order.payment.refunds.iter().find(|r| r.number == number);
    match event {
        OrderEvent::Confirmed => Some(News::Placed),
        OrderEvent::Declined => Some(News::Declined),
        OrderEvent::Shipped => Some(News::Shipped),
        OrderEvent::Delivered => Some(News::Delivered),
        OrderEvent::Expired => Some(News::Cancelled(Cancelled::NotPaid)),
        OrderEvent::Cancelled => Some(News::Cancelled(Cancelled::AsAsked)),
        OrderEvent::RefundRequested(n) => {
            refund(n).filter(|r| r.cancels).map(|r| News::Cancelled(Cancelled::Refunding(r.amount)))
        }
        // One made by hand at the provider is paid already when it is recorded.
        OrderEvent::RefundPaid(n) | OrderEvent::RefundRecorded(n) => refund(n).map(|r| News::Refunded(r.amount)),
        // A late payment goes back, which is told once it has. A refusal is for the shop to mend first.
        // What a customer's bank disputes is between the bank, the customer and the shop's staff. An amount that cannot be
        // charged is reported in the answer to the checkout.
        OrderEvent::Placed
        | OrderEvent::PaymentLost
        | OrderEvent::PaidLate(_)
        | OrderEvent::RefundRefused(_)
        | OrderEvent::NotChargeable
        | OrderEvent::Disputed
        | OrderEvent::DisputeWon
        | OrderEvent::DisputeLost => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::{Cancelling, NotPaid, RefundRequest, ReturnedLine};

    use super::*;
    use crate::testing::{NOW, held, usd};

    /// Every news of an order's life so far, with the version it came with.
    fn told(order: &Order) -> Vec<(News, u64)> {
        notices(0, order, NOW).into_iter().map(|n| (n.news, n.order.version)).collect()
    }

    fn paid() -> Order {
        held().paid("pay_1", NOW).unwrap().order
    }

    fn cancelled(order: &Order) -> Order {
        let Ok(Cancelling::Refund(moved)) = order.cancel(NOW) else { panic!("it can be cancelled") };
        moved.order
    }

    #[test]
    fn a_hold_is_not_announced_but_a_payment_is() {
        let unknown = held().answer_lost(NOW).unwrap().order;

        assert_eq!(told(&held()), []);
        assert_eq!(told(&unknown), []);
        assert_eq!(told(&unknown.paid("pay_1", NOW).unwrap().order), [(News::Placed, 3)]);
    }

    #[test]
    fn every_step_of_a_delivery_is_told_once() {
        let shipped = paid().ship(NOW).unwrap().unwrap().order;
        let delivered = shipped.deliver(NOW).unwrap().unwrap().order;

        assert_eq!(told(&delivered), [(News::Placed, 2), (News::Shipped, 3), (News::Delivered, 4)]);
        assert_eq!(notices(3, &delivered, NOW).len(), 1);
        assert_eq!(notices(4, &delivered, NOW), []);
        assert_eq!(notices(9, &delivered, NOW), []);
    }

    #[test]
    fn an_order_nobody_paid_says_why_it_ended() {
        let given_up = |why| held().not_paid(why, NOW).unwrap().order;

        assert_eq!(told(&held().declined(NOW).unwrap().order), [(News::Declined, 2)]);
        assert_eq!(told(&given_up(NotPaid::Expired)), [(News::Cancelled(Cancelled::NotPaid), 2)]);
        assert_eq!(told(&given_up(NotPaid::CancelledByCustomer)), [(News::Cancelled(Cancelled::AsAsked), 2)]);
    }

    #[test]
    fn a_cancelled_payment_is_told_when_it_is_owed_and_when_it_is_paid() {
        let total = held().totals.total;
        let refunded = cancelled(&paid()).refund_paid(1, NOW).unwrap().order;

        let told = told(&refunded);

        assert_eq!(told[1..], [(News::Cancelled(Cancelled::Refunding(total)), 3), (News::Refunded(total), 4)]);
    }

    #[test]
    fn a_refund_for_goods_is_told_once_it_is_paid() {
        let shipped = paid().ship(NOW).unwrap().unwrap().order;
        let mug = ReturnedLine {
            product: "mug".parse().unwrap(),
            quantity: domain::Quantity::new(1).unwrap(),
            restock: true,
        };
        let owed = shipped.refund(&RefundRequest { amount: None, lines: vec![mug] }, NOW).unwrap().order;
        let refused = owed.refund_refused(1, NOW).unwrap().order;

        assert_eq!(notices(3, &owed, NOW), []);
        assert_eq!(notices(3, &refused, NOW), []);
        let paid = owed.refund_paid(1, NOW).unwrap().order;
        assert_eq!(told(&paid).last(), Some(&(News::Refunded(usd(899)), 5)));
    }

    #[test]
    fn money_that_came_too_late_is_told_once_it_went_back() {
        let late = held().not_paid(NotPaid::Expired, NOW).unwrap().order.paid("pay_1", NOW).unwrap().order;

        assert_eq!(notices(2, &late, NOW), []);
        let paid_back = late.refund_paid(1, NOW).unwrap().order;
        assert_eq!(told(&paid_back).last(), Some(&(News::Refunded(late.totals.total), 4)));
    }

    #[test]
    fn a_notice_shows_the_order_as_it_stood_then() {
        let shipped = paid().ship(NOW).unwrap().unwrap().order;

        let notices = notices(0, &shipped, NOW);

        assert_eq!(notices[0].order.state, domain::OrderState::Confirmed);
        assert_eq!(notices[1].order.state, domain::OrderState::Shipped);
    }

    #[test]
    fn what_happened_over_30_days_ago_is_not_told_any_more() {
        assert_eq!(notices(0, &paid(), NOW + STALE).len(), 1);
        assert_eq!(notices(0, &paid(), NOW + STALE + SignedDuration::from_millis(1)), []);
    }
}
