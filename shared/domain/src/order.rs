use iso_currency::Currency;
use jiff::{SignedDuration, Timestamp};

use crate::{Address, Cart, Money, OrderId, Product, ProductId, Quantity, UserId};

/// How long stock is held for an order whose payment has no outcome yet.
const HOLD: SignedDuration = SignedDuration::from_mins(15);

/// A customer's purchase: what was bought at which price, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub id: OrderId,
    pub customer: UserId,
    pub state: OrderState,
    /// Counts changes, from 1. Projections carry it, so that a late one never overwrites a newer.
    pub version: u64,
    pub lines: Vec<OrderLine>,
    pub totals: Totals,
    pub payment: Payment,
    /// Until when stock is held without a payment; `None` once the order is settled.
    pub hold_expires_at: Option<Timestamp>,
    pub ship_to: Option<Address>,
    /// Every state the order has been in, oldest first.
    pub history: Vec<Transition>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLine {
    pub product: ProductId,
    pub name: String,
    pub quantity: Quantity,
    pub unit_price: Money,
}

impl OrderLine {
    pub fn total(&self) -> Money {
        let amount = self.unit_price.amount_minor() * i64::from(self.quantity.units());
        Money::amount(amount, self.unit_price.currency())
    }
}

/// All in the order's one currency; `total = subtotal - discount + shipping + tax`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub subtotal: Money,
    pub discount: Money,
    pub shipping: Money,
    pub tax: Money,
    pub total: Money,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrderState {
    PendingPayment,
    PaymentUnknown,
    Confirmed,
    Shipped,
    Delivered,
    Cancelled,
}

impl OrderState {
    pub const ALL: [OrderState; 6] = [
        OrderState::PendingPayment,
        OrderState::PaymentUnknown,
        OrderState::Confirmed,
        OrderState::Shipped,
        OrderState::Delivered,
        OrderState::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            OrderState::PendingPayment => "pending_payment",
            OrderState::PaymentUnknown => "payment_unknown",
            OrderState::Confirmed => "confirmed",
            OrderState::Shipped => "shipped",
            OrderState::Delivered => "delivered",
            OrderState::Cancelled => "cancelled",
        }
    }

    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == raw)
    }

    /// Whether the payment has no outcome yet, so that the stock is only held.
    pub fn is_unsettled(self) -> bool {
        matches!(self, OrderState::PendingPayment | OrderState::PaymentUnknown)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub state: PaymentState,
    /// The provider's own id of the payment, once it has told one.
    pub reference: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentState {
    Pending,
    Unknown,
    Captured,
    Declined,
}

impl PaymentState {
    pub fn as_str(self) -> &'static str {
        match self {
            PaymentState::Pending => "pending",
            PaymentState::Unknown => "unknown",
            PaymentState::Captured => "captured",
            PaymentState::Declined => "declined",
        }
    }

    pub fn parse(raw: &str) -> Option<Self> {
        [PaymentState::Pending, PaymentState::Unknown, PaymentState::Captured, PaymentState::Declined]
            .into_iter()
            .find(|s| s.as_str() == raw)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub state: OrderState,
    pub at: Timestamp,
}

/// What a transition does to stock; the table applies it in the same transaction as the new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockEffect {
    None,
    /// Every line's units go back.
    Release,
}

/// Everything an order is made of, loaded at the moment of checkout.
#[derive(Debug)]
pub struct Placement<'a> {
    pub id: OrderId,
    pub customer: &'a UserId,
    pub cart: &'a Cart,
    /// The cart's products as they are now; one that is missing is no longer sold.
    pub products: &'a [Product],
    /// The currency this shop charges in.
    pub currency: Currency,
    /// What the customer was shown, if the client said so.
    pub expected_total: Option<Money>,
    pub ship_to: Option<Address>,
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("the cart is empty")]
    CartEmpty,
    #[error("the cart holds prices in another currency than the shop charges in")]
    CurrencyMismatch { products: Vec<ProductId> },
    #[error("products of the cart are no longer sold")]
    NotSold { products: Vec<ProductId> },
    #[error("the total is no longer what the customer was shown")]
    PriceChanged { total: Money },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {} cannot become {}", from.as_str(), to.as_str())]
pub struct TransitionError {
    pub from: OrderState,
    pub to: OrderState,
}

impl Order {
    /// The order a cart becomes, at the prices of now.
    pub fn place(placement: Placement<'_>) -> Result<Order, PlaceError> {
        let Placement { id, customer, cart, products, currency, expected_total, ship_to, now } = placement;
        if cart.lines.is_empty() {
            return Err(PlaceError::CartEmpty);
        }

        let (mut lines, mut not_sold, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
        for (id, line) in &cart.lines {
            match products.iter().find(|p| p.id == *id) {
                None => not_sold.push(id.clone()),
                Some(product) if product.price.currency() != currency => foreign.push(id.clone()),
                Some(product) => lines.push(OrderLine {
                    product: id.clone(),
                    name: product.name.as_str().to_owned(),
                    quantity: line.quantity,
                    unit_price: product.price,
                }),
            }
        }
        if !not_sold.is_empty() {
            return Err(PlaceError::NotSold { products: not_sold });
        }
        if !foreign.is_empty() {
            return Err(PlaceError::CurrencyMismatch { products: foreign });
        }

        let totals = Totals::of(&lines, currency);
        if expected_total.is_some_and(|expected| expected != totals.total) {
            return Err(PlaceError::PriceChanged { total: totals.total });
        }
        let state = OrderState::PendingPayment;
        Ok(Order {
            id,
            customer: customer.clone(),
            state,
            version: 1,
            lines,
            totals,
            payment: Payment { state: PaymentState::Pending, reference: None },
            hold_expires_at: Some(now + HOLD),
            ship_to,
            history: vec![Transition { state, at: now }],
        })
    }

    pub fn placed_at(&self) -> Timestamp {
        self.id.placed_at()
    }

    /// The order as the customer was first told of it once its payment had an outcome, for a repeated request. `None`
    /// while it has none.
    pub fn as_first_answered(&self) -> Option<Order> {
        let first = *self.history.iter().find(|t| t.state != OrderState::PendingPayment)?;
        let mut order = self.clone();
        order.history.truncate(2);
        order.state = first.state;
        order.version = 2;
        order.payment.state = match first.state {
            OrderState::PaymentUnknown => PaymentState::Unknown,
            OrderState::Cancelled => PaymentState::Declined,
            _ => PaymentState::Captured,
        };
        Some(order)
    }

    pub fn item_count(&self) -> u64 {
        self.lines.iter().map(|l| u64::from(l.quantity.units())).sum()
    }

    /// The provider has taken the money.
    pub fn confirm(&self, reference: &str, at: Timestamp) -> Result<Option<(Order, StockEffect)>, TransitionError> {
        let payment = Payment { state: PaymentState::Captured, reference: Some(reference.to_owned()) };
        self.settle(OrderState::Confirmed, payment, StockEffect::None, at)
    }

    /// The provider refused: nothing was charged, so the stock goes back.
    pub fn decline(&self, at: Timestamp) -> Result<Option<(Order, StockEffect)>, TransitionError> {
        let payment = Payment { state: PaymentState::Declined, reference: None };
        self.settle(OrderState::Cancelled, payment, StockEffect::Release, at)
    }

    /// The provider's answer was lost. The hold stays until the provider was asked: it may have charged.
    pub fn payment_lost(&self, at: Timestamp) -> Result<Option<(Order, StockEffect)>, TransitionError> {
        if self.state == OrderState::PaymentUnknown {
            return Ok(None);
        }
        let payment = Payment { state: PaymentState::Unknown, reference: None };
        let moved = self.settle(OrderState::PaymentUnknown, payment, StockEffect::None, at)?;
        Ok(moved.map(|(order, effect)| (Order { hold_expires_at: self.hold_expires_at, ..order }, effect)))
    }

    /// Leaves the states without an outcome. Repeating the transition that led here changes nothing.
    fn settle(
        &self,
        to: OrderState,
        payment: Payment,
        effect: StockEffect,
        at: Timestamp,
    ) -> Result<Option<(Order, StockEffect)>, TransitionError> {
        if self.state == to && self.payment.state == payment.state {
            return Ok(None);
        }
        if !self.state.is_unsettled() {
            return Err(TransitionError { from: self.state, to });
        }
        let mut order = self.clone();
        order.state = to;
        order.version += 1;
        order.payment = payment;
        order.hold_expires_at = None;
        order.history.push(Transition { state: to, at });
        Ok(Some((order, effect)))
    }
}

impl Totals {
    /// Discounts, shipping and tax are zero until the shop has rules for them; their place in the total is fixed.
    fn of(lines: &[OrderLine], currency: Currency) -> Self {
        let zero = Money::amount(0, currency);
        let subtotal = Money::amount(lines.iter().map(|l| l.total().amount_minor()).sum(), currency);
        Self { subtotal, discount: zero, shipping: zero, tax: zero, total: subtotal }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{Attributes, CartLine, CategoryPath, ProductName};

    fn product(id: &str, price: i64, currency: Currency) -> Product {
        Product {
            id: id.parse().unwrap(),
            name: ProductName::parse("Mug").unwrap(),
            category: CategoryPath::default(),
            price: Money::price(price, currency).unwrap(),
            thumbnail: None,
            manufacturer: None,
            attributes: Attributes::default(),
            featured_rank: None,
            version: 1,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn cart(lines: &[(&str, i64)]) -> Cart {
        let price_seen = Money::price(1, Currency::USD).unwrap();
        let lines = lines.iter().map(|(id, units)| {
            (id.parse().unwrap(), CartLine { quantity: Quantity::new(*units).unwrap(), price_seen })
        });
        Cart { version: 4, lines: BTreeMap::from_iter(lines) }
    }

    fn place(cart: &Cart, products: &[Product], expected: Option<i64>) -> Result<Order, PlaceError> {
        Order::place(Placement {
            id: "018cc251-f400-7000-8000-000000000000".parse().unwrap(),
            customer: &"ann".parse().unwrap(),
            cart,
            products,
            currency: Currency::USD,
            expected_total: expected.map(|amount| Money::amount(amount, Currency::USD)),
            ship_to: None,
            now: Timestamp::UNIX_EPOCH,
        })
    }

    #[test]
    fn the_server_charges_its_own_price_not_the_one_seen() {
        let order = place(&cart(&[("mug", 3)]), &[product("mug", 899, Currency::USD)], None).unwrap();

        assert_eq!(order.totals.total, Money::amount(2_697, Currency::USD));
    }

    #[test]
    fn checkout_refuses_what_the_customer_did_not_agree_to() {
        let mug = [product("mug", 899, Currency::USD)];

        assert_eq!(place(&cart(&[]), &mug, None), Err(PlaceError::CartEmpty));
        assert!(matches!(place(&cart(&[("mug", 1)]), &mug, Some(898)), Err(PlaceError::PriceChanged { .. })));
        assert!(matches!(place(&cart(&[("gone", 1)]), &mug, None), Err(PlaceError::NotSold { .. })));
        let pounds = [product("mug", 899, Currency::GBP)];
        assert!(matches!(place(&cart(&[("mug", 1)]), &pounds, None), Err(PlaceError::CurrencyMismatch { .. })));
    }

    #[test]
    fn a_repeated_transition_changes_nothing_and_a_settled_order_stays_settled() {
        let now = Timestamp::UNIX_EPOCH;
        let order = place(&cart(&[("mug", 1)]), &[product("mug", 899, Currency::USD)], None).unwrap();
        let (confirmed, effect) = order.confirm("pay_1", now).unwrap().unwrap();
        let (declined, released) = order.decline(now).unwrap().unwrap();

        assert_eq!((effect, released), (StockEffect::None, StockEffect::Release));
        assert_eq!(confirmed.confirm("pay_1", now), Ok(None));
        assert_eq!(declined.decline(now), Ok(None));
        assert!(confirmed.decline(now).is_err());
        assert!(declined.confirm("pay_1", now).is_err());
        assert!(confirmed.payment_lost(now).is_err());
    }

    #[test]
    fn a_repeated_request_hears_the_first_answer_whatever_came_of_the_order() {
        let now = Timestamp::UNIX_EPOCH;
        let order = place(&cart(&[("mug", 1)]), &[product("mug", 899, Currency::USD)], None).unwrap();
        let (unknown, _) = order.payment_lost(now).unwrap().unwrap();
        let (confirmed, _) = unknown.confirm("pay_1", now).unwrap().unwrap();

        let first = confirmed.as_first_answered().unwrap();

        assert_eq!(order.as_first_answered(), None);
        assert_eq!((first.state, first.version), (OrderState::PaymentUnknown, 2));
        assert_eq!(first.payment.state, PaymentState::Unknown);
    }

    #[test]
    fn a_lost_answer_keeps_the_hold() {
        let now = Timestamp::UNIX_EPOCH;
        let order = place(&cart(&[("mug", 1)]), &[product("mug", 899, Currency::USD)], None).unwrap();

        let (unknown, effect) = order.payment_lost(now).unwrap().unwrap();

        assert_eq!(effect, StockEffect::None);
        assert_eq!(unknown.hold_expires_at, order.hold_expires_at);
        assert_eq!(unknown.confirm("pay_1", now).unwrap().unwrap().0.state, OrderState::Confirmed);
    }
}
