//! The shared state: the stored order with its stock and cart, and the provider's ledger.

use std::{collections::BTreeMap, sync::Arc};

use domain::{Order, OrderState, PaymentState, Timestamp, TransitionEffects};
use testing::{order, product};

use super::actors::Actor;

/// Time is not modelled: everything may happen at any time.
pub const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// Units of the only product, and how many of them the order has.
pub const STOCK: u32 = 3;
pub const BOUGHT: u32 = 2;

/// A state of the model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    pub store: Store,
    pub provider: Provider,
    pub actors: Vec<Actor>,
    /// An actor that knew of the capture has applied it to the order.
    pub capture_applied: bool,
    /// A hold was released although the provider had neither declined nor closed.
    pub released_unasked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Store {
    pub order: Arc<Order>,
    pub available: u32,
    /// Units that were ever restocked, to be compared with what the order took; then restored carts.
    pub units_back: u32,
    pub carts_back: u32,
}

impl Store {
    pub fn held() -> Self {
        Self { order: Arc::new(placed()), available: STOCK - BOUGHT, units_back: 0, carts_back: 0 }
    }

    pub fn paid() -> Self {
        let held = Self::held();
        let paid = held.order.paid("pay_1", NOW).expect("a held order can be paid");
        Self { order: Arc::new(paid.order), ..held }
    }

    /// One transaction: the order, if it is still the one that was `read`, with its stock and its cart; or nothing.
    pub fn write(&mut self, read: &Order, moved: TransitionEffects, compares: bool) -> bool {
        if compares && self.order.version != read.version {
            return false;
        }
        self.restock(moved.restock.iter().map(|(_, units)| units).sum());
        self.carts_back += u32::from(moved.restore_cart);
        self.order = Arc::new(moved.order);
        true
    }

    pub fn restock(&mut self, units: u32) {
        self.available += units;
        self.units_back += units;
    }

    /// Units that the order still has, according to itself.
    pub fn held_or_sold(&self) -> u32 {
        if self.order.state == OrderState::Cancelled {
            return 0;
        }
        let returned = self.order.payment.refunds.iter().flat_map(|r| &r.lines);
        BOUGHT - returned.map(|l| l.quantity.units()).sum::<u32>()
    }
}

/// The provider's ledger, which behaves like `payments::LocalPayments`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Provider {
    /// How often it took the order's total.
    pub captures: u32,
    pub closed: bool,
    /// It has declined an attempt, which says nothing about others.
    pub declined: bool,
    /// It waits until the customer is authenticated.
    pub asked: bool,
    /// It asked again while it waited, or charged without waiting.
    pub asked_in_vain: bool,
    pub refunds: BTreeMap<u32, i64>,
    /// Requests that may still arrive, although their senders no longer wait.
    pub charge_on_its_way: bool,
    pub close_on_its_way: bool,
    /// Its webhook for the capture was answered; until then it is sent again and again.
    pub acknowledged: bool,
    /// It may let a charge that was on its way through after it was closed.
    pub breaks_its_word: bool,
}

impl Provider {
    /// Whether the order is charged now, or was before.
    pub fn charge(&mut self) -> bool {
        if self.is_undecided() && !self.asked {
            self.capture();
        }
        self.captures > 0
    }

    /// Whether nothing was taken, so that nothing will be.
    pub fn close(&mut self) -> bool {
        if self.captures > 0 {
            return false;
        }
        self.closed = true;
        self.asked = false;
        self.close_on_its_way = false;
        self.charge_on_its_way &= self.breaks_its_word;
        true
    }

    /// A sender no longer waits for its request. If its arrival would make no difference, it never arrives.
    pub fn loses(&mut self, charge: bool) {
        let charges = self.captures == 0 && (!self.closed || self.breaks_its_word);
        self.charge_on_its_way |= charge && charges;
        self.close_on_its_way |= !charge && self.is_undecided();
    }

    pub fn is_undecided(&self) -> bool {
        self.captures == 0 && !self.closed
    }

    pub fn capture(&mut self) {
        self.captures += 1;
        self.asked = false;
        (self.charge_on_its_way, self.close_on_its_way) = (false, false);
    }

    /// Whether it pays, now or before.
    pub fn refund(&mut self, number: u32, amount: i64, taken: i64) -> bool {
        let fits = self.refunded() + amount <= taken;
        if fits && !self.refunds.contains_key(&number) {
            self.refunds.insert(number, amount);
        }
        self.refunds.contains_key(&number)
    }

    pub fn refunded(&self) -> i64 {
        self.refunds.values().sum()
    }
}

impl World {
    pub fn total(&self) -> i64 {
        self.store.order.totals.total.amount_minor()
    }

    pub fn taken(&self) -> i64 {
        self.total() * i64::from(self.provider.captures)
    }

    /// Nothing is open, provider and order agree about the money, and no confirmed order is unpaid.
    pub fn is_settled(&self) -> bool {
        let order = &self.store.order;
        let kept =
            if order.state == OrderState::Cancelled { 0 } else { self.total() - order.refunded().amount_minor() };
        let captured = order.payment.state == PaymentState::Captured;
        !order.state.awaits_payment()
            && order.due_at.is_none()
            && order.refund_owed().is_none()
            && captured == (self.provider.captures > 0)
            && self.taken() - self.provider.refunded() == kept
            && (order.state != OrderState::Confirmed || kept > 0)
    }
}

/// An order of two mugs that is not paid yet.
fn placed() -> Order {
    order().of(BOUGHT.into(), product("mug", "Mug", 899)).placed_at(NOW).place()
}
