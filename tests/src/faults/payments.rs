//! Faults between the shop and its payment provider.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{Money, OrderId, RefundByHand, Timestamp};
use payments::{
    Answer, Attempt, Charge, ChargeOutcome, CloseOutcome, Entry, EventRefused, EventSubject, LocalPayments,
    NotChargeable, OutcomeUnknown, PaymentEvent, PaymentEventKind, PaymentProvider, PaymentStatus, RefundCharge,
    RefundOutcome, signature::Secrets,
};

use super::{
    bugs::Bug,
    plan::{Fault, Plan},
};

/// The secret that [`LocalPayments`] signs with by default.
const SECRET: &str = "whsec_local";

/// The local provider behind a faulty network: a plan says which request or answer is lost. Bugs in the product's use
/// of its provider are planted here, too.
pub struct FaultyPayments {
    inner: Arc<LocalPayments>,
    plan: Plan,
    bug: Option<Bug>,
    /// What bugs make the provider do that its own ledger does not take, and how long that was then.
    extra: Mutex<Vec<(usize, Entry)>>,
    /// Totals of the orders that this provider was asked about.
    totals: Totals,
    /// Orders cancelled by [`Bug::HoldReleasedOnTimeout`] or [`Bug::HoldReleasedOnDecline`].
    released: Mutex<HashSet<OrderId>>,
    /// Refunds by hand that [`Bug::RefundByHandPaidAgain`] is to pay once more.
    again: Mutex<Vec<RefundByHand>>,
}

/// Totals of orders that the providers of one shop were asked about. Cheap to clone; clones share the same map.
#[derive(Debug, Clone, Default)]
pub struct Totals(Arc<Mutex<HashMap<OrderId, Money>>>);

impl FaultyPayments {
    pub fn new(inner: Arc<LocalPayments>, plan: Plan, bug: Option<Bug>) -> Self {
        Self {
            inner,
            plan,
            bug,
            extra: Mutex::default(),
            totals: Totals::default(),
            released: Mutex::default(),
            again: Mutex::default(),
        }
    }

    /// Shares the totals with the providers of other environments.
    pub fn knowing(mut self, totals: Totals) -> Self {
        self.totals = totals;
        self
    }

    /// Entries that are not in the inner ledger, to be added to it before it is checked: each with the number of entries
    /// that are before it.
    pub fn extra_entries(&self) -> Vec<(usize, Entry)> {
        lock(&self.extra).clone()
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    async fn call<T>(
        &self,
        what: &str,
        ask: impl Future<Output = Result<T, OutcomeUnknown>>,
    ) -> Result<T, OutcomeUnknown> {
        let turn = self.plan.call(what, Fault::OF_ANY_CALL).await;
        self.plan.carry(turn, ask, || OutcomeUnknown, || Err(OutcomeUnknown)).await
    }

    async fn charge_anew(&self, charge: &Charge) -> Result<ChargeOutcome, OutcomeUnknown> {
        let order = charge.order.to_string();
        let before = self.inner.entries().into_iter().find(|entry| entry.order == order);
        let outcome = self.inner.charge(charge).await;
        let pays = matches!(charge.token.as_str(), "tok_visa" | "tok_slow" | "tok_timeout_paid");
        let Some(first) = before.filter(|_| pays) else { return outcome };
        let mut extra = lock(&self.extra);
        let reference = format!("{}_again_{}", first.reference, extra.len() + 1);
        let entry = Entry { amount: charge.amount.amount_minor(), reference: reference.clone(), ..first };
        extra.push((self.inner.attempts().len(), entry));
        self.plan.bug_acted();
        outcome.map(|_| ChargeOutcome::Captured { reference })
    }

    /// What the product with a bug takes for the state of a payment.
    fn misread(&self, order: OrderId, status: PaymentStatus) -> PaymentStatus {
        // A payment under another key is not found.
        if self.has(Bug::ChargeUnderAFreshKey) && matches!(status, PaymentStatus::Captured { .. }) {
            return PaymentStatus::Unpaid;
        }
        let of_order = |entry: &Entry| entry.order == order.to_string() && matches!(entry.attempt, Attempt::Asked(_));
        let attempts = self.inner.attempts();
        let asked = attempts.iter().rfind(|entry| of_order(entry)).cloned();
        let (PaymentStatus::ActionRequired(_), Some(asked)) = (&status, asked) else { return status };
        let reference = format!("local_{}", order.as_uuid().simple());
        let captured = || PaymentStatus::Captured { reference: reference.clone() };
        let (entry, misread) = match self.bug {
            Some(Bug::StorefrontIsBelieved) => (None, captured()),
            Some(Bug::RefreshCharges) => {
                let attempt = Attempt::Captured;
                (Some(Entry { attempt, reference: reference.clone(), ..asked }), captured())
            }
            Some(Bug::ConfirmedTwice) => (Some(asked), status),
            _ => return status,
        };
        self.plan.bug_acted();
        lock(&self.extra).extend(entry.map(|entry| (attempts.len(), entry)));
        misread
    }

    /// The refund under a number that no refund of the order had: counted in the ledger, which all environments share.
    fn fresh(&self, refund: &RefundCharge) -> RefundCharge {
        let order = refund.order.to_string();
        let before = |entry: &&Entry| entry.order == order && matches!(entry.attempt, Attempt::Refunded(_));
        let count = self.inner.attempts().iter().filter(before).count();
        self.plan.bug_acted();
        RefundCharge { number: 1_001 + u32::try_from(count).unwrap_or_default(), ..refund.clone() }
    }

    /// An order's total, from a request to this provider or from the ledger.
    fn total(&self, order: OrderId) -> Option<Money> {
        if let Some(total) = lock(&self.totals.0).get(&order) {
            return Some(*total);
        }
        let of_all = |entry: &Entry| {
            matches!(entry.attempt, Attempt::Captured | Attempt::Declined | Attempt::Closed | Attempt::Asked(_))
        };
        let asked = |entry: &Entry| of_all(entry) && entry.order == order.to_string();
        let entry = self.inner.attempts().into_iter().find(asked)?;
        Some(Money::amount(entry.amount, domain::parse_currency(&entry.currency).ok()?))
    }

    fn with_the_right_amount(&self, mut event: PaymentEvent) -> PaymentEvent {
        let EventSubject::Order(order) = event.subject else { return event };
        let total = self.total(order);
        if let (PaymentEventKind::Captured { amount, .. }, Some(total)) = (&mut event.kind, total)
            && *amount != total
        {
            *amount = total;
            self.plan.bug_acted();
        }
        event
    }

    /// Pays refunds that were made by hand, as if the shop owed them.
    async fn pay_again(&self, order: OrderId, reference: &str) {
        let again: Vec<_> = lock(&self.again).drain(..).collect();
        for made in again {
            let refund = RefundCharge { order, number: 0, reference: reference.to_owned(), amount: made.amount };
            // The provider refuses more than is left.
            if self.inner.refund(&self.fresh(&refund)).await != Ok(RefundOutcome::Paid) {
                lock(&self.again).push(made);
            }
        }
    }
}

/// Whether an event is about a refund by hand.
fn is_by_hand(event: &PaymentEvent) -> bool {
    matches!(event.kind, PaymentEventKind::RefundedByHand(_) | PaymentEventKind::Refunded)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PaymentProvider for FaultyPayments {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn chargeable(&self, amount: Money) -> Result<(), NotChargeable> {
        self.inner.chargeable(amount)
    }

    fn refundable(&self, amount: Money) -> Result<(), NotChargeable> {
        self.inner.refundable(amount)
    }

    fn charge<'a>(&'a self, charge: &'a Charge) -> Answer<'a, ChargeOutcome> {
        Box::pin(async move {
            lock(&self.totals.0).insert(charge.order, charge.amount);
            let outcome = match self.has(Bug::ChargeUnderAFreshKey) {
                true => self.call("charge", self.charge_anew(charge)).await,
                false => self.call("charge", self.inner.charge(charge)).await,
            };
            if outcome == Err(OutcomeUnknown) && self.has(Bug::HoldReleasedOnTimeout) {
                self.plan.bug_acted();
                lock(&self.released).insert(charge.order);
                return Ok(ChargeOutcome::Declined);
            }
            if outcome == Ok(ChargeOutcome::Declined) && self.has(Bug::HoldReleasedOnDecline) {
                self.plan.bug_acted();
                lock(&self.released).insert(charge.order);
            }
            outcome
        })
    }

    fn look(&self, order: OrderId, amount: Money) -> Answer<'_, PaymentStatus> {
        Box::pin(async move {
            lock(&self.totals.0).insert(order, amount);
            let status = self.call("look", self.inner.look(order, amount)).await?;
            Ok(self.misread(order, status))
        })
    }

    fn close(&self, order: OrderId, amount: Money) -> Answer<'_, CloseOutcome> {
        Box::pin(async move {
            lock(&self.totals.0).insert(order, amount);
            if self.has(Bug::ReleasedWhileAsked)
                && matches!(self.inner.look(order, amount).await, Ok(PaymentStatus::ActionRequired(_)))
            {
                self.plan.bug_acted();
                return Ok(CloseOutcome::Closed);
            }
            // With these bugs the product takes a lost answer or a decline for final, and does not close.
            if lock(&self.released).remove(&order) {
                return Ok(CloseOutcome::Closed);
            }
            if self.has(Bug::ReleasedWithoutAsking) {
                self.plan.bug_acted();
                return Ok(CloseOutcome::Closed);
            }
            self.call("close", self.inner.close(order, amount)).await
        })
    }

    fn refund<'a>(&'a self, refund: &'a RefundCharge) -> Answer<'a, RefundOutcome> {
        Box::pin(async move {
            // The number is chosen when the refund is sent, like one that is not derived from the order.
            let ask = async {
                match self.has(Bug::RefundUnderAFreshKey) {
                    true => self.inner.refund(&self.fresh(refund)).await,
                    false => self.inner.refund(refund).await,
                }
            };
            self.call("refund", ask).await
        })
    }

    fn order_of<'a>(&'a self, reference: &'a str) -> Answer<'a, Option<OrderId>> {
        Box::pin(async move {
            let found = self.call("order_of", self.inner.order_of(reference)).await;
            if let Ok(Some(order)) = found {
                self.pay_again(order, reference).await;
            }
            found
        })
    }

    fn refunds_by_hand<'a>(&'a self, reference: &'a str) -> Answer<'a, Vec<RefundByHand>> {
        Box::pin(async move {
            let made = self.call("refunds_by_hand", self.inner.refunds_by_hand(reference)).await?;
            let ignored = self.has(Bug::RefundByHandIgnored) && !made.is_empty();
            if ignored {
                self.plan.bug_acted();
            }
            Ok(if ignored { Vec::new() } else { made })
        })
    }

    fn signature_header(&self) -> &'static str {
        self.inner.signature_header()
    }

    fn event(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<Option<PaymentEvent>, EventRefused> {
        let parsed = self.inner.event(signature, body, now);
        match parsed {
            Err(EventRefused::Forged | EventRefused::Stale) if self.has(Bug::SignatureNotChecked) => {
                self.plan.bug_acted();
                self.inner.event(&Secrets::new([SECRET]).sign(body, now), body, now)
            }
            Ok(Some(event)) if self.has(Bug::RefundByHandIgnored) && is_by_hand(&event) => {
                self.plan.bug_acted();
                Ok(None)
            }
            Ok(Some(event)) if self.has(Bug::DisputeIgnored) && matches!(event.kind, PaymentEventKind::Disputed(_)) => {
                self.plan.bug_acted();
                Ok(None)
            }
            Ok(Some(event)) if self.has(Bug::RefundByHandPaidAgain) => {
                if let PaymentEventKind::RefundedByHand(made) = &event.kind {
                    lock(&self.again).extend(Some(made.clone()).filter(|made| !made.failed));
                }
                Ok(Some(event))
            }
            Ok(Some(event)) if self.has(Bug::AmountOfTheEventNotChecked) => Ok(Some(self.with_the_right_amount(event))),
            parsed => parsed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::Currency;
    use payments::PaymentToken;

    use super::*;

    const ORDER: &str = "018cc251-f400-7000-8000-000000000000";
    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn usd(cents: i64) -> Money {
        Money::amount(cents, Currency::USD)
    }

    fn charge(token: &str) -> Charge {
        Charge { order: ORDER.parse().unwrap(), amount: usd(899), token: PaymentToken::parse(token).unwrap() }
    }

    fn refund(cents: i64) -> RefundCharge {
        RefundCharge { order: ORDER.parse().unwrap(), number: 1, reference: "local_1".to_owned(), amount: usd(cents) }
    }

    fn with(plan: Plan, bug: Option<Bug>) -> (Arc<LocalPayments>, FaultyPayments) {
        let inner = Arc::new(LocalPayments::default());
        (inner.clone(), FaultyPayments::new(inner, plan, bug))
    }

    fn captured(cents: i64) -> PaymentEvent {
        let kind = PaymentEventKind::Captured { reference: "local_1".to_owned(), amount: usd(cents) };
        PaymentEvent { id: "evt_1".parse().unwrap(), subject: EventSubject::Order(ORDER.parse().unwrap()), kind }
    }

    #[tokio::test]
    async fn a_request_or_an_answer_is_lost_as_planned() {
        for (fault, taken) in [
            (Fault::DropBefore, 0),
            (Fault::ServerErrorBefore, 0),
            (Fault::LoseAnswer, 1),
            (Fault::ServerErrorAfter, 1),
        ] {
            let (ledger, provider) = with(Plan::at(0, fault), None);

            assert_eq!(provider.charge(&charge("tok_visa")).await, Err(OutcomeUnknown), "{}", fault.name());
            assert_eq!(ledger.entries().len(), taken, "{}", fault.name());
            assert!(matches!(provider.charge(&charge("tok_visa")).await, Ok(ChargeOutcome::Captured { .. })));
        }
    }

    #[tokio::test]
    async fn charges_closes_and_refunds_are_calls_and_events_are_not() {
        let plan = Plan::none();
        let (ledger, provider) = with(plan.clone(), None);

        provider.charge(&charge("tok_visa")).await.unwrap();
        provider.close(charge("tok_visa").order, usd(899)).await.unwrap();
        provider.refund(&refund(899)).await.unwrap();
        let (body, signature) = ledger.sends(&captured(899), NOW);
        let parsed = provider.event(&signature, body.as_bytes(), NOW);

        assert_eq!(parsed, Ok(Some(captured(899))));
        assert_eq!(plan.log().into_iter().map(|call| call.what).collect::<Vec<_>>(), ["charge", "close", "refund"]);
        assert_eq!(plan.bug_actions(), 0);
    }

    #[tokio::test]
    async fn a_crash_before_takes_nothing_and_a_crash_after_takes_the_money() {
        for (fault, taken) in [(Fault::CrashBefore, 0), (Fault::CrashAfter, 1)] {
            let plan = Plan::at(0, fault);
            let (ledger, provider) = with(plan.clone(), None);
            let paying = charge("tok_visa");

            let died = tokio::select! {
                _ = provider.charge(&paying) => false,
                () = plan.crashed() => true,
            };

            assert!(died);
            assert_eq!(ledger.entries().len(), taken);
        }
    }

    #[tokio::test]
    async fn a_charge_under_a_fresh_key_takes_the_money_again() {
        let (ledger, provider) = with(Plan::at(0, Fault::LoseAnswer), Some(Bug::ChargeUnderAFreshKey));

        provider.charge(&charge("tok_visa")).await.unwrap_err();
        provider.charge(&charge("tok_visa")).await.unwrap();
        provider.charge(&charge("tok_declined")).await.unwrap();

        assert_eq!((ledger.entries().len(), provider.extra_entries().len()), (1, 1));
        assert_eq!(provider.extra_entries()[0].1.amount, 899);
    }

    #[tokio::test]
    async fn a_customers_open_question_is_misread_only_with_a_bug() {
        for (bug, captured, extra) in [
            (None, false, None),
            (Some(Bug::StorefrontIsBelieved), true, None),
            (Some(Bug::RefreshCharges), true, Some(Attempt::Captured)),
            (Some(Bug::ConfirmedTwice), false, Some(Attempt::Asked(payments::Challenge::Pays))),
        ] {
            let (ledger, provider) = with(Plan::none(), bug);
            let order = charge("tok_3ds").order;
            let before = provider.look(order, usd(899)).await.unwrap();
            provider.charge(&charge("tok_3ds")).await.unwrap();

            let looked = provider.look(order, usd(899)).await.unwrap();

            assert_eq!(before, PaymentStatus::Unpaid);
            assert_eq!(matches!(looked, PaymentStatus::Captured { .. }), captured, "{bug:?}");
            assert_eq!(provider.extra_entries().first().map(|(_, entry)| entry.attempt), extra, "{bug:?}");
            assert!(ledger.entries().is_empty());
        }
    }

    #[tokio::test]
    async fn a_refund_under_a_fresh_key_is_paid_again() {
        let (ledger, provider) = with(Plan::none(), Some(Bug::RefundUnderAFreshKey));
        provider.charge(&charge("tok_visa")).await.unwrap();

        provider.refund(&refund(400)).await.unwrap();
        provider.refund(&refund(400)).await.unwrap();

        let refunds = ledger.attempts().into_iter().filter(|entry| matches!(entry.attempt, Attempt::Refunded(_)));
        assert_eq!(refunds.map(|entry| entry.amount).sum::<i64>(), 800);
    }

    #[tokio::test]
    async fn a_lost_answer_is_taken_for_a_decline_and_the_provider_is_not_asked() {
        let (ledger, provider) = with(Plan::at(0, Fault::LoseAnswer), Some(Bug::HoldReleasedOnTimeout));
        assert_eq!(provider.charge(&charge("tok_visa")).await, Ok(ChargeOutcome::Declined));
        assert_eq!(ledger.entries().len(), 1);

        let plan = Plan::none();
        let (ledger, provider) = with(plan.clone(), Some(Bug::ReleasedWithoutAsking));
        provider.charge(&charge("tok_visa")).await.unwrap();
        assert_eq!(provider.close(charge("tok_visa").order, usd(899)).await, Ok(CloseOutcome::Closed));
        assert_eq!((plan.calls(), ledger.attempts().len()), (1, 1));
    }

    #[tokio::test]
    async fn a_forged_or_old_event_is_accepted_only_with_the_bug() {
        let (ledger, faithful) = with(Plan::none(), None);
        let gullible = FaultyPayments::new(ledger.clone(), Plan::none(), Some(Bug::SignatureNotChecked));
        let (body, signature) = ledger.sends(&captured(899), NOW);
        let later = NOW + Duration::from_secs(301);

        assert_eq!(faithful.event("t=0,v1=00", body.as_bytes(), NOW), Err(EventRefused::Forged));
        assert_eq!(faithful.event(&signature, body.as_bytes(), later), Err(EventRefused::Stale));
        assert_eq!(gullible.event("t=0,v1=00", body.as_bytes(), NOW), Ok(Some(captured(899))));
        assert_eq!(gullible.event(&signature, body.as_bytes(), later), Ok(Some(captured(899))));
        assert_eq!(gullible.event("", b"{}", NOW), Err(EventRefused::Malformed));
    }

    #[tokio::test]
    async fn an_event_with_another_amount_is_accepted_only_with_the_bug() {
        let (ledger, other_environment) = with(Plan::none(), None);
        let gullible = FaultyPayments::new(ledger.clone(), Plan::none(), Some(Bug::AmountOfTheEventNotChecked));
        let (body, signature) = ledger.sends(&captured(1), NOW);

        assert_eq!(gullible.event(&signature, body.as_bytes(), NOW), Ok(Some(captured(1))));
        other_environment.charge(&charge("tok_declined")).await.unwrap();

        assert_eq!(other_environment.event(&signature, body.as_bytes(), NOW), Ok(Some(captured(1))));
        assert_eq!(gullible.event(&signature, body.as_bytes(), NOW), Ok(Some(captured(899))));
    }
}
