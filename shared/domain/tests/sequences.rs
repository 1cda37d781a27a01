//! Whatever happens to an order, in any sequence and any number of times, it agrees with a few counters.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    CancelDecision, Currency, Dispute, DisputeState, Money, Order, OrderState, PaymentState, Quantity, RefundByHand,
    RefundRequest, ReturnedLine, Timestamp, TransitionEffects, VoidReason,
    pricing::{Adjustment, AdjustmentKind, AppliesTo},
};
use proptest::{prelude::*, sample::select};
use testing::{order, product};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
const HOLD_ENDS: Timestamp = Timestamp::MAX;
/// The lines of the test order: product, units, and the price of one.
const BOUGHT: [(&str, u32, i64); 2] = [("mug", 3, 899), ("pan", 1, 4_600)];
const UNITS: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Price {
    Full,
    /// Ten dollars less.
    Discounted,
    Free,
}

impl Price {
    /// What was paid for the first so many units of a product, by hand: of the ten dollars, 3.70 are the mugs' and 6.30
    /// the pan's.
    fn paid_for(self, product: &str, units: u32) -> i64 {
        let paid: &[i64] = match (self, product) {
            (Price::Full, "mug") => &[0, 899, 1_798, 2_697],
            (Price::Full, _) => &[0, 4_600],
            (Price::Discounted, "mug") => &[0, 775, 1_551, 2_327],
            (Price::Discounted, _) => &[0, 3_970],
            (Price::Free, _) => &[0; 4],
        };
        paid[units as usize]
    }
}

fn held(priced: Price) -> Order {
    let price = |cents| if priced == Price::Free { 0 } else { cents };
    let bought = BOUGHT
        .iter()
        .fold(order(), |order, (id, units, cents)| order.of((*units).into(), product(id, id, price(*cents))));
    let discount = Adjustment::new(AdjustmentKind::Discount, 1_000, AppliesTo::Order).unwrap();
    if priced == Price::Discounted { bought.adjusted(discount).place() } else { bought.place() }
}

#[derive(Debug, Clone)]
enum Happening {
    Paid,
    Declined,
    OutcomeUnknown,
    Asked,
    ChallengeFailed,
    Void(VoidReason),
    RefundPaid(u32),
    RefundRefused(u32),
    /// Made at the provider by hand: cents and the provider's id.
    ByHand(i64, &'static str),
    ByHandFailed(&'static str),
    Disputed(&'static str),
    DisputeClosed(&'static str, DisputeState),
    /// The shop owes what a refund by hand kept its own from paying.
    Rest,
    Cancel,
    Ship,
    Deliver,
    /// Cents, units of a product, and whether they can be sold again.
    Refund(Option<i64>, Vec<(&'static str, u32, bool)>),
}

impl Happening {
    fn is_news(&self) -> bool {
        !matches!(
            self,
            Happening::Cancel | Happening::Ship | Happening::Deliver | Happening::Refund(..) | Happening::Rest
        )
    }

    /// Applies the event; `None` if nothing changes, because it is not new or is refused.
    fn moves(&self, order: &Order) -> Option<TransitionEffects> {
        match self {
            Happening::Paid => order.paid("pay_1", NOW),
            Happening::Declined => order.declined(NOW),
            Happening::OutcomeUnknown => order.outcome_unknown(NOW),
            Happening::Asked => order.action_required(HOLD_ENDS, NOW),
            Happening::ChallengeFailed => order.challenge_failed(NOW),
            Happening::Void(why) => order.void(*why, NOW),
            Happening::RefundPaid(number) => order.refund_paid(*number, NOW),
            Happening::RefundRefused(number) => order.refund_refused(*number, NOW),
            Happening::ByHand(cents, id) => order.refund_recorded(&by_hand(*cents, id), NOW),
            Happening::ByHandFailed(id) => order.refund_by_hand_failed(&id.parse().unwrap(), NOW),
            Happening::Disputed(id) => order.disputed(&dispute(id, DisputeState::Open), NOW),
            Happening::DisputeClosed(id, state) => order.dispute_closed(&dispute(id, *state), NOW),
            Happening::Rest => order.refund_remainder(NOW),
            Happening::Cancel => match order.cancel(NOW) {
                Ok(CancelDecision::Refund(moved)) => Some(*moved),
                _ => None,
            },
            Happening::Ship => order.ship(NOW).ok().flatten(),
            Happening::Deliver => order.deliver(NOW).ok().flatten(),
            Happening::Refund(cents, lines) => {
                let lines = lines.iter().map(|(product, units, restock)| ReturnedLine {
                    product: product.parse().unwrap(),
                    quantity: Quantity::new((*units).into()).unwrap(),
                    restock: *restock,
                });
                let amount = cents.map(|cents| Money::amount(cents, Currency::USD));
                order.refund(&RefundRequest { amount, lines: lines.collect(), reason: None }, NOW).ok()
            }
        }
    }
}

fn by_hand(cents: i64, id: &str) -> RefundByHand {
    RefundByHand { id: id.parse().unwrap(), amount: Money::amount(cents, Currency::USD), failed: false }
}

fn dispute(id: &str, state: DisputeState) -> Dispute {
    Dispute { id: id.parse().unwrap(), amount: Money::amount(899, Currency::USD), reason: None, state }
}

fn happening() -> impl Strategy<Value = Happening> {
    let line = (select(vec!["mug", "pan", "cup"]), 1..=3_u32, any::<bool>());
    let cents = prop_oneof![2 => Just(None), 1 => (-1..=8_000_i64).prop_map(Some)];
    prop_oneof![
        3 => Just(Happening::Paid),
        1 => Just(Happening::Declined),
        1 => Just(Happening::OutcomeUnknown),
        3 => Just(Happening::Asked),
        2 => Just(Happening::ChallengeFailed),
        1 => select(vec![VoidReason::Expired, VoidReason::CancelledByCustomer, VoidReason::Replaced, VoidReason::NotChargeable])
            .prop_map(Happening::Void),
        2 => (1..=8_000_i64, select(vec!["re_1", "re_2"])).prop_map(|(cents, id)| Happening::ByHand(cents, id)),
        1 => select(vec!["re_1", "re_2"]).prop_map(Happening::ByHandFailed),
        1 => select(vec!["dp_1", "dp_2"]).prop_map(Happening::Disputed),
        1 => (select(vec!["dp_1", "dp_2"]), select(vec![DisputeState::Open, DisputeState::Won, DisputeState::Lost]))
            .prop_map(|(id, state)| Happening::DisputeClosed(id, state)),
        1 => Just(Happening::Rest),
        2 => (1..=4_u32).prop_map(Happening::RefundPaid),
        2 => (1..=4_u32).prop_map(Happening::RefundRefused),
        1 => Just(Happening::Cancel),
        1 => Just(Happening::Ship),
        1 => Just(Happening::Deliver),
        4 => (cents, prop::collection::vec(line, 0..=2)).prop_map(|(cents, lines)| Happening::Refund(cents, lines)),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Held,
    Asked,
    Unknown,
    Sold,
    Sent,
    Arrived,
    Cancelled,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Standing {
    Open,
    Paid,
    Refused,
}

/// An order, reduced to numbers.
#[derive(Debug)]
struct Counters {
    stage: Stage,
    /// How often the customer was asked.
    challenges: u32,
    priced: Price,
    total: i64,
    captured: bool,
    refunds: Vec<(i64, Standing)>,
    /// Those made at the provider: number and its id.
    by_hand: Vec<(usize, &'static str)>,
    /// A refund by hand was made or failed since the newest of ours was refused.
    by_hand_since: bool,
    disputes: Vec<(&'static str, DisputeState)>,
    /// Units the customer has or is to get.
    out: BTreeMap<&'static str, u32>,
    written_off: u32,
    back: u32,
}

impl Counters {
    fn of(priced: Price) -> Self {
        Self {
            stage: Stage::Held,
            challenges: 0,
            priced,
            total: BOUGHT.iter().map(|(id, units, _)| priced.paid_for(id, *units)).sum(),
            captured: false,
            refunds: Vec::new(),
            by_hand: Vec::new(),
            by_hand_since: false,
            disputes: Vec::new(),
            out: BOUGHT.map(|(id, units, _)| (id, units)).into(),
            written_off: 0,
            back: 0,
        }
    }

    fn awaits_payment(&self) -> bool {
        matches!(self.stage, Stage::Held | Stage::Asked | Stage::Unknown)
    }

    fn is_open(&self) -> bool {
        let owed = self.refunds.iter().any(|(_, is)| *is == Standing::Open);
        self.awaits_payment() || owed || self.owes_remainder() || self.is_disputed()
    }

    fn is_disputed(&self) -> bool {
        self.disputes.iter().any(|(_, state)| *state == DisputeState::Open)
    }

    /// A refund by hand and ours did not add up to all of a cancelled order, and the provider did not refuse exactly
    /// that.
    fn owes_remainder(&self) -> bool {
        let owed = self.refunds.iter().any(|(_, is)| *is == Standing::Open);
        let hand = |at: usize| self.by_hand.iter().any(|(number, _)| *number == at + 1);
        let ours = (0..self.refunds.len()).rev().find(|at| !hand(*at)).map(|at| self.refunds[at]);
        let cancelled = self.stage == Stage::Cancelled && !self.by_hand.is_empty();
        cancelled && self.left() > 0 && !owed && (self.by_hand_since || ours != Some((self.left(), Standing::Refused)))
    }

    fn left(&self) -> i64 {
        let requested = self.refunds.iter().filter(|(_, is)| *is != Standing::Refused);
        if self.captured { (self.total - requested.map(|(cents, _)| cents).sum::<i64>()).max(0) } else { 0 }
    }

    fn refunded(&self) -> i64 {
        self.refunds.iter().filter(|(_, is)| *is == Standing::Paid).map(|(cents, _)| cents).sum()
    }

    /// Counts it, and returns whether it changes anything.
    fn count(&mut self, happening: &Happening) -> bool {
        match happening {
            // An order without charge cannot be charged late.
            Happening::Paid if self.stage == Stage::Cancelled && self.total == 0 => false,
            Happening::Paid if !self.captured => {
                self.captured = true;
                match self.stage {
                    Stage::Cancelled => self.refunds.push((self.total, Standing::Open)),
                    _ => self.stage = Stage::Sold,
                }
                true
            }
            Happening::Declined | Happening::Void(_) if self.awaits_payment() => self.cancelled(),
            Happening::OutcomeUnknown => self.forward(Stage::Held, Stage::Unknown),
            Happening::Asked => {
                self.challenges += u32::from(matches!(self.stage, Stage::Held | Stage::Unknown));
                self.forward(Stage::Held, Stage::Asked) || self.forward(Stage::Unknown, Stage::Asked)
            }
            Happening::ChallengeFailed => self.forward(Stage::Asked, Stage::Held),
            Happening::RefundPaid(number) => self.answered(*number, Standing::Paid),
            Happening::RefundRefused(number) => self.answered(*number, Standing::Refused),
            Happening::ByHand(cents, id) if self.captured && self.by_hand.iter().all(|(_, known)| known != id) => {
                self.refunds.push((*cents, Standing::Paid));
                self.by_hand.push((self.refunds.len(), id));
                self.by_hand_since = true;
                true
            }
            Happening::ByHandFailed(id) => {
                let number = self.by_hand.iter().find(|(_, known)| known == id).map(|(number, _)| *number);
                number.is_some_and(|number| self.answered(number as u32, Standing::Refused))
            }
            Happening::Disputed(id) => {
                let is_new = self.captured && self.disputes.iter().all(|(known, _)| known != id);
                self.disputes.extend(is_new.then_some((*id, DisputeState::Open)));
                is_new
            }
            Happening::DisputeClosed(id, state) if *state != DisputeState::Open => {
                let open = self.disputes.iter_mut().find(|(known, is)| known == id && *is == DisputeState::Open);
                open.map(|(_, is)| *is = *state).is_some()
            }
            Happening::Rest if self.owes_remainder() => {
                self.refunds.push((self.left(), Standing::Open));
                true
            }
            Happening::Cancel if self.stage == Stage::Sold => {
                self.refunds.extend(Some((self.left(), Standing::Open)).filter(|(cents, _)| *cents > 0));
                self.cancelled()
            }
            Happening::Ship => self.forward(Stage::Sold, Stage::Sent),
            Happening::Deliver => self.forward(Stage::Sent, Stage::Arrived),
            Happening::Refund(cents, lines) => self.refund(*cents, lines),
            _ => false,
        }
    }

    fn forward(&mut self, from: Stage, to: Stage) -> bool {
        let is_news = self.stage == from;
        self.stage = if is_news { to } else { self.stage };
        is_news
    }

    fn cancelled(&mut self) -> bool {
        self.stage = Stage::Cancelled;
        self.back += std::mem::take(&mut self.out).into_values().sum::<u32>();
        true
    }

    /// A paid refund may fail later; a refused one stays refused.
    fn answered(&mut self, number: u32, answer: Standing) -> bool {
        let Some((_, is)) = self.refunds.get_mut(number as usize - 1) else { return false };
        let is_news = *is == Standing::Open || (*is, answer) == (Standing::Paid, Standing::Refused);
        *is = if is_news { answer } else { *is };
        let by_hand = |at: usize| self.by_hand.iter().any(|(number, _)| *number == at);
        let newest = (1..=self.refunds.len()).rev().find(|at| !by_hand(*at));
        if is_news && answer == Standing::Refused {
            self.by_hand_since = match by_hand(number as usize) {
                true => true,
                false => self.by_hand_since && newest != Some(number as usize),
            };
        }
        is_news
    }

    fn refund(&mut self, cents: Option<i64>, lines: &[(&'static str, u32, bool)]) -> bool {
        let (mut out, mut worth, left) = (self.out.clone(), 0, self.left());
        for (product, units, _) in lines {
            let Some(has) = out.get(product).copied() else { return false };
            let Some(fewer) = has.checked_sub(*units) else { return false };
            out.insert(product, fewer);
            let bought = BOUGHT.iter().find(|(id, ..)| id == product).unwrap().1;
            let paid_for_returned = |left: u32| self.priced.paid_for(product, bought - left);
            worth += paid_for_returned(fewer) - paid_for_returned(has);
        }
        let cents = cents.unwrap_or(if lines.is_empty() { left } else { worth });
        if !(1..=left).contains(&cents) {
            return false;
        }
        let units = |sold_again| lines.iter().filter(|l| l.2 == sold_again).map(|l| l.1).sum::<u32>();
        self.refunds.push((cents, Standing::Open));
        self.out = out;
        self.back += units(true);
        self.written_off += units(false);
        if self.stage == Stage::Sold && cents == left {
            self.cancelled();
        }
        true
    }
}

fn stage(order: &Order) -> Stage {
    match order.state {
        OrderState::PendingPayment if order.payment.state == PaymentState::ActionRequired => Stage::Asked,
        OrderState::PendingPayment => Stage::Held,
        OrderState::PaymentUnknown => Stage::Unknown,
        OrderState::Confirmed => Stage::Sold,
        OrderState::Shipped => Stage::Sent,
        OrderState::Delivered => Stage::Arrived,
        OrderState::Cancelled => Stage::Cancelled,
    }
}

fn units_back(moved: &TransitionEffects) -> u32 {
    moved.restock.iter().map(|(_, units)| units).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn an_order_agrees_with_its_counters_whatever_happens(
        priced in prop_oneof![6 => Just(Price::Full), 3 => Just(Price::Discounted), 1 => Just(Price::Free)],
        happenings in prop::collection::vec((happening(), 1..=2), 0..24),
    ) {
        let mut versions = vec![held(priced)];
        let mut counters = Counters::of(priced);
        prop_assert_eq!(versions[0].totals.total.amount_minor(), counters.total);

        for (happening, times) in happenings {
            for time in 0..times {
                let order = versions.last().unwrap().clone();
                let before = (counters.back, counters.awaits_payment());

                let moved = happening.moves(&order);
                let counted = counters.count(&happening);

                prop_assert_eq!(moved.is_some(), counted, "{:?} of {:?}", happening, counters);
                prop_assert!(time == 0 || !happening.is_news() || moved.is_none(), "{:?} was applied twice", happening);
                let Some(moved) = moved else { continue };
                prop_assert_eq!(units_back(&moved), counters.back - before.0);
                let products: BTreeSet<_> = moved.restock.iter().map(|(product, _)| product).collect();
                prop_assert_eq!(products.len(), moved.restock.len(), "a transaction may write an item only once");
                let given_up = before.1 && counters.stage == Stage::Cancelled;
                prop_assert_eq!(moved.restore_cart, given_up);
                prop_assert!(before.1 || !moved.order.state.awaits_payment(), "a settled payment is open again");
                prop_assert_eq!(moved.order.version, order.version + 1);
                versions.push(moved.order);
            }
            let order = versions.last().unwrap();
            prop_assert_eq!(stage(order), counters.stage);
            prop_assert_eq!(order.version as usize, order.history.len());
            prop_assert_eq!(order.due_at.is_some(), counters.is_open());
            prop_assert_eq!(order.challenges(), counters.challenges);
            prop_assert!(counters.stage != Stage::Asked || order.due_at == Some(HOLD_ENDS));
            prop_assert_eq!(order.refundable().amount_minor(), counters.left());
            prop_assert_eq!(order.refunded().amount_minor(), counters.refunded());
            prop_assert!(counters.left() >= 0, "more is refunded than was taken");
            prop_assert_eq!(counters.back + counters.written_off + counters.out.values().sum::<u32>(), UNITS);
        }

        let last = versions.last().unwrap();
        for version in &versions {
            let mut then = last.as_of(version.version);
            // What it does not restore: the provider's reference, and when the hold ends.
            then.payment.reference.clone_from(&version.payment.reference);
            then.due_at = if version.state == OrderState::PendingPayment { version.due_at } else { then.due_at };
            prop_assert_eq!(&then, version);
        }
    }
}

/// A consistent provider. The charge was sent before any other event, so its events may come first.
#[derive(Debug, Default)]
struct Provider {
    captures: u32,
    closed: bool,
}

impl Provider {
    fn charges(&mut self) -> bool {
        self.captures += u32::from(self.captures == 0 && !self.closed);
        self.captures > 0
    }

    fn closes(&mut self) -> bool {
        self.closed |= self.captures == 0;
        self.closed
    }
}

#[derive(Debug, Clone, Copy)]
enum Event {
    HandlerHears,
    HandlerLosesTheAnswer,
    WebhookPaid,
    /// Of an attempt before the one that paid, or did not.
    WebhookDeclined,
    /// The sweeper asks the provider before it gives an order up.
    Expires,
    CustomerCancels,
}

impl Event {
    fn moves(self, order: &Order, provider: &mut Provider) -> Option<TransitionEffects> {
        match self {
            Event::HandlerHears if provider.charges() => order.paid("pay_1", NOW),
            Event::HandlerHears => order.declined(NOW),
            Event::HandlerLosesTheAnswer => {
                provider.charges();
                order.outcome_unknown(NOW)
            }
            // A webhook reports a capture; there is none where the payment was closed first.
            Event::WebhookPaid => provider.charges().then(|| order.paid("pay_1", NOW)).flatten(),
            Event::WebhookDeclined => order.declined(NOW),
            Event::Expires if !order.state.awaits_payment() => None,
            Event::Expires if provider.closes() => order.void(VoidReason::Expired, NOW),
            Event::Expires => order.paid("pay_1", NOW),
            Event::CustomerCancels => match order.cancel(NOW).unwrap() {
                CancelDecision::Already => None,
                CancelDecision::Refund(moved) => Some(*moved),
                CancelDecision::AskProvider if provider.closes() => order.void(VoidReason::CancelledByCustomer, NOW),
                // A charged order is confirmed first; cancelling it is up to the next attempt.
                CancelDecision::AskProvider => order.paid("pay_1", NOW),
            },
        }
    }
}

fn permutations(events: &[Event]) -> Vec<Vec<Event>> {
    let mut all = if events.is_empty() { vec![Vec::new()] } else { Vec::new() };
    for (at, first) in events.iter().enumerate() {
        let rest = [&events[..at], &events[at + 1..]].concat();
        all.extend(permutations(&rest).into_iter().map(|rest| [vec![*first], rest].concat()));
    }
    all
}

#[test]
fn six_events_in_any_order_and_each_twice_take_money_once_and_account_for_it() {
    use Event::*;
    let orders =
        permutations(&[HandlerHears, HandlerLosesTheAnswer, WebhookPaid, WebhookDeclined, Expires, CustomerCancels]);
    assert_eq!(orders.len(), 720);
    let (mut confirmed, mut late) = (0, 0);

    for events in &orders {
        let each_twice: Vec<_> = events.iter().flat_map(|event| [*event; 2]).collect();
        for events in [each_twice, events.repeat(2)] {
            let (mut order, mut provider, mut back, mut carts) = (held(Price::Full), Provider::default(), 0, 0);
            for event in &events {
                let moved = event.moves(&order, &mut provider);
                back += moved.as_ref().map_or(0, units_back);
                carts += u32::from(moved.as_ref().is_some_and(|moved| moved.restore_cart));
                order = moved.map_or(order, |moved| moved.order);

                let cancelled = order.state == OrderState::Cancelled;
                assert_eq!(back, if cancelled { UNITS } else { 0 }, "{events:?}");
                assert!(carts <= 1, "{events:?}");
                confirmed += u32::from(order.state == OrderState::Confirmed);
                late += u32::from(cancelled && carts == 1 && provider.captures == 1);
            }

            assert!(provider.captures <= 1, "{events:?}");
            assert!(!order.state.awaits_payment(), "{events:?}");
            let kept = order.state == OrderState::Confirmed;
            let owed = order.refund_owed().is_some_and(|refund| refund.amount == order.totals.total);
            assert_eq!(provider.captures == 1, kept || owed, "{events:?} ends with {order:?}");
        }
    }

    assert!(confirmed > 0 && late > 0, "some are confirmed on the way, and some are paid too late");
}
