//! The payment provider of the simulated shop: the local one, whose charges take as long as a real one's.

use std::sync::{Mutex, PoisonError};

use domain::{Money, OrderId, RefundByHand, Timestamp};
use payments::{
    Answer, Charge, ChargeOutcome, CloseOutcome, EventRefused, LocalPayments, NotChargeable, PaymentEvent,
    PaymentProvider, PaymentStatus, RefundCharge, RefundOutcome,
};

use super::{constants::PROVIDER, random::Random};

pub struct DistantPayments {
    local: LocalPayments,
    random: Mutex<Random>,
}

impl DistantPayments {
    pub fn new(seed: u64) -> Self {
        Self { local: LocalPayments::default(), random: Mutex::new(Random::new(seed ^ 0x9A_1D)) }
    }
}

impl PaymentProvider for DistantPayments {
    fn name(&self) -> &'static str {
        self.local.name()
    }

    fn chargeable(&self, amount: Money) -> Result<(), NotChargeable> {
        self.local.chargeable(amount)
    }

    fn refundable(&self, amount: Money) -> Result<(), NotChargeable> {
        self.local.refundable(amount)
    }

    fn charge<'a>(&'a self, charge: &'a Charge) -> Answer<'a, ChargeOutcome> {
        let took = self.random.lock().unwrap_or_else(PoisonError::into_inner).latency(PROVIDER);
        Box::pin(async move {
            tokio::time::sleep(took).await;
            self.local.charge(charge).await
        })
    }

    fn look(&self, order: OrderId, amount: Money) -> Answer<'_, PaymentStatus> {
        self.local.look(order, amount)
    }

    fn close(&self, order: OrderId, amount: Money) -> Answer<'_, CloseOutcome> {
        self.local.close(order, amount)
    }

    fn refund<'a>(&'a self, refund: &'a RefundCharge) -> Answer<'a, RefundOutcome> {
        self.local.refund(refund)
    }

    fn order_of<'a>(&'a self, reference: &'a str) -> Answer<'a, Option<OrderId>> {
        self.local.order_of(reference)
    }

    fn refunds_by_hand<'a>(&'a self, reference: &'a str) -> Answer<'a, Vec<RefundByHand>> {
        self.local.refunds_by_hand(reference)
    }

    fn signature_header(&self) -> &'static str {
        self.local.signature_header()
    }

    fn event(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<Option<PaymentEvent>, EventRefused> {
        self.local.event(signature, body, now)
    }
}
