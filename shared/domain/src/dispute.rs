use jiff::Timestamp;

use crate::{Money, Order, OrderEvent, PaymentState, ProviderId, TransitionEffects};

/// A claim of the customer's bank for the money of a payment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dispute {
    /// The provider's id.
    pub id: ProviderId,
    pub amount: Money,
    /// The reason, in the provider's words.
    pub reason: Option<String>,
    pub state: DisputeState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisputeState {
    /// The bank has not decided yet; the provider may demand evidence by a deadline.
    Open,
    /// Won: the shop keeps the money.
    Won,
    /// Lost: the customer got the money.
    Lost,
}

impl DisputeState {
    pub const ALL: [DisputeState; 3] = [DisputeState::Open, DisputeState::Won, DisputeState::Lost];

    pub fn as_str(self) -> &'static str {
        match self {
            DisputeState::Open => "open",
            DisputeState::Won => "won",
            DisputeState::Lost => "lost",
        }
    }

    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == raw)
    }
}

impl Order {
    /// The disputes without a decision. A payment may have several: a bank may dispute a part of it, and later another.
    pub fn disputes_open(&self) -> impl Iterator<Item = &Dispute> {
        self.payment.disputes.iter().filter(|d| d.state == DisputeState::Open)
    }

    /// The dispute with this id.
    pub fn dispute(&self, id: &ProviderId) -> Option<&Dispute> {
        self.payment.disputes.iter().find(|d| d.id == *id)
    }

    /// The customer's bank demands the money back. `None` if that is known already. Only for an order that is known to
    /// be paid.
    pub fn disputed(&self, reported: &Dispute, at: Timestamp) -> Option<TransitionEffects> {
        if self.payment.state != PaymentState::Captured || self.dispute(&reported.id).is_some() {
            return None;
        }
        let mut order = self.clone();
        order.payment.disputes.push(Dispute { state: DisputeState::Open, ..reported.clone() });
        let number = u32::try_from(order.payment.disputes.len()).unwrap_or(u32::MAX);
        Some(order.transition(OrderEvent::Disputed(number), at))
    }

    /// The bank has decided a known dispute. The first decision stands.
    pub fn dispute_closed(&self, reported: &Dispute, at: Timestamp) -> Option<TransitionEffects> {
        let mut known = (1..).zip(&self.payment.disputes);
        let (number, _) = known.find(|(_, d)| d.id == reported.id && d.state == DisputeState::Open)?;
        match reported.state {
            DisputeState::Open => None,
            DisputeState::Won => Some(self.transition(OrderEvent::DisputeWon(number), at)),
            DisputeState::Lost => Some(self.transition(OrderEvent::DisputeLost(number), at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::{Currency, order::tests::held};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn reported(id: &str, state: DisputeState) -> Dispute {
        let amount = Money::amount(7_297, Currency::USD);
        Dispute { id: id.parse().unwrap(), amount, reason: Some("fraudulent".to_owned()), state }
    }

    #[test]
    fn a_dispute_is_due_at_once_and_then_once_a_day_until_it_is_decided() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let later = NOW + SignedDuration::from_hours(48);

        let disputed = order.disputed(&reported("dp_1", DisputeState::Open), NOW).unwrap().order;
        let mut put_off = disputed.clone();
        put_off.due_at = Some(later);
        let shipped = put_off.ship(later).unwrap().unwrap().order;
        let lost = shipped.dispute_closed(&reported("dp_1", DisputeState::Lost), later).unwrap().order;

        assert_eq!((disputed.state, disputed.due_at), (order.state, Some(NOW)));
        assert_eq!(shipped.due_at, Some(later));
        assert_eq!((lost.due_at, lost.disputes_open().next()), (None, None));
        assert_eq!(lost.as_of(3).payment.disputes, disputed.payment.disputes);
    }

    #[test]
    fn two_disputes_at_once_are_decided_each_for_itself() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let first = order.disputed(&reported("dp_1", DisputeState::Open), NOW).unwrap().order;
        let both = first.disputed(&reported("dp_2", DisputeState::Open), NOW).unwrap().order;
        let second_lost = both.dispute_closed(&reported("dp_2", DisputeState::Lost), NOW).unwrap().order;
        let decided = second_lost.dispute_closed(&reported("dp_1", DisputeState::Won), NOW).unwrap().order;

        let open = |order: &Order| order.disputes_open().map(|d| d.id.to_string()).collect::<Vec<_>>();
        assert_eq!(open(&both), ["dp_1", "dp_2"]);
        assert_eq!((open(&second_lost), second_lost.due_at.is_some()), (vec!["dp_1".to_owned()], true));
        assert_eq!((open(&decided), decided.due_at), (Vec::new(), None));
        assert_eq!(decided.as_of(second_lost.version).payment.disputes, second_lost.payment.disputes);
    }

    #[test]
    fn a_dispute_reported_twice_or_late_changes_nothing() {
        let order = held().paid("pay_1", NOW).unwrap().order;
        let disputed = order.disputed(&reported("dp_1", DisputeState::Lost), NOW).unwrap().order;
        let lost = disputed.dispute_closed(&reported("dp_1", DisputeState::Lost), NOW).unwrap().order;

        assert_eq!(disputed.disputed(&reported("dp_1", DisputeState::Open), NOW), None);
        assert_eq!(disputed.dispute_closed(&reported("dp_1", DisputeState::Open), NOW), None);
        assert_eq!(disputed.dispute_closed(&reported("dp_2", DisputeState::Lost), NOW), None);
        assert_eq!(lost.disputed(&reported("dp_1", DisputeState::Open), NOW), None);
        assert_eq!(lost.dispute_closed(&reported("dp_1", DisputeState::Won), NOW), None);
        assert!(lost.disputed(&reported("dp_2", DisputeState::Open), NOW).is_some());
        assert_eq!(held().disputed(&reported("dp_1", DisputeState::Open), NOW), None);
    }
}
