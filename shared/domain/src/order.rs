use std::collections::BTreeMap;

use iso_currency::Currency;
use jiff::Timestamp;

use crate::{
    Address, Cart, CartLine, Contact, Dispute, HoldLength, Incarnation, Language, LotTake, MAX_LOTS_OF_LINE, Money,
    Offer, OpenSales, OrderId, OrderNumber, Product, ProductId, Quantity, Refund, SaleId, Shipment, UserId,
    pricing::{self, Adjustment, Pricing, Totals},
};

/// A customer's purchase: what was bought at which price, and its state.
///
/// The events of an order are in `transition.rs`: each adds one entry to `history` and one version.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    pub id: OrderId,
    pub customer: UserId,
    /// Placed by a guest: if they log in to an account, the order becomes that customer's.
    pub guest: bool,
    pub state: OrderState,
    /// The number of entries in `history`. Projections carry it, so that a late one never overwrites a newer one.
    pub version: u64,
    /// The version of the cart it was placed from, which the checkout emptied.
    pub cart_version: u64,
    pub lines: Vec<OrderLine>,
    pub totals: Totals,
    pub payment: Payment,
    /// When the sweeper has to process the order if nothing happens to it before: its hold expires, the provider has to
    /// be asked for the outcome of its payment, a refund is still owed, or it is disputed. `None` if nothing is open.
    pub due_at: Option<Timestamp>,
    /// Where mails about the order go. Only orders that are older than contacts have none.
    pub contact: Option<Contact>,
    /// The language of the mails.
    pub language: Language,
    pub ship_to: Option<Address>,
    /// The address of the invoice, if it is another one.
    pub bill_to: Option<Address>,
    /// What is known of its parcels. At most one, until orders are shipped in parts.
    pub shipments: Vec<Shipment>,
    /// All events of the order, oldest first.
    pub history: Vec<HistoryEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrderLine {
    pub product: ProductId,
    pub name: String,
    pub quantity: Quantity,
    pub unit_price: Money,
    /// What the customer pays for all units, with their share of the order's adjustments. A refund of goods reads it.
    pub allocated: Money,
    /// The incarnation of the product whose stock the units were taken from; `None` for stock from before incarnations
    /// existed.
    pub incarnation: Option<Incarnation>,
    /// The sale that the units are of.
    pub sale: Option<LineSale>,
}

/// Where the units of a line that was bought in a sale came from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LineSale {
    pub id: SaleId,
    pub lots: Vec<LotTake>,
    pub limit: Option<CountedLimit>,
}

/// The limit of a sale that units were counted against.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CountedLimit {
    pub units: Quantity,
    /// Who placed the order. They are counted beside the contact, also once the order is another customer's.
    pub buyer: UserId,
}

impl LineSale {
    /// The lots that these units of the line return to, of all its `quantity`. Part of a line returns to its first lot: a lot
    /// may have more units than at first.
    pub fn returned(&self, units: u32, quantity: Quantity) -> Vec<LotTake> {
        match self.lots.first() {
            Some(first) if units != quantity.units() => vec![LotTake { lot: first.lot, units }],
            Some(_) | None => self.lots.clone(),
        }
    }
}

impl OrderLine {
    /// Before adjustments.
    pub fn subtotal(&self) -> Money {
        pricing::units_at(self.unit_price, self.quantity)
    }

    fn unadjusted(&self) -> pricing::Line<'_> {
        pricing::Line { product: &self.product, quantity: self.quantity, unit_price: self.unit_price }
    }
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
    pub fn awaits_payment(self) -> bool {
        matches!(self, OrderState::PendingPayment | OrderState::PaymentUnknown)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Payment {
    pub state: PaymentState,
    /// The provider's id of the payment, once known.
    pub reference: Option<String>,
    /// The refunds, paid or owed; number 1 first.
    pub refunds: Vec<Refund>,
    /// The disputes of the payment, in the order they were reported; the first has number 1. Any of them may be open.
    pub disputes: Vec<Dispute>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaymentState {
    /// The provider has not answered yet, or the customer may pay with another card after a failed authentication.
    Pending,
    /// The provider waits until the customer has authenticated the payment towards their bank (3-D Secure).
    ActionRequired,
    /// The provider's answer was lost: it may have charged.
    Unknown,
    /// The order's total was taken.
    Captured,
    /// The provider refused.
    Declined,
    /// Nothing was charged, and the provider will not charge it any more.
    Voided,
}

impl PaymentState {
    pub const ALL: [PaymentState; 6] = [
        PaymentState::Pending,
        PaymentState::ActionRequired,
        PaymentState::Unknown,
        PaymentState::Captured,
        PaymentState::Declined,
        PaymentState::Voided,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            PaymentState::Pending => "pending",
            PaymentState::ActionRequired => "action_required",
            PaymentState::Unknown => "unknown",
            PaymentState::Captured => "captured",
            PaymentState::Declined => "declined",
            PaymentState::Voided => "voided",
        }
    }

    pub fn parse(raw: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == raw)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HistoryEntry {
    pub event: OrderEvent,
    pub at: Timestamp,
}

/// An event of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderEvent {
    Placed,
    /// The provider's answer was lost.
    PaymentLost,
    /// The customer's bank asks them to authenticate the payment.
    ActionRequired,
    /// The authentication failed, or the bank declined after it. Nothing was charged, and the stock stays held for
    /// another card.
    ChallengeFailed,
    Confirmed,
    Declined,
    /// It was not paid while the stock was held.
    Expired,
    /// The customer cancelled before anything was charged.
    Cancelled,
    /// The customer left it unpaid, filled the cart again and bought that: the old order held the stock.
    Replaced,
    /// The provider does not accept the order's total, with any means of payment.
    NotChargeable,
    /// The provider charged an order that had been cancelled; this refund returns the money.
    PaidLate(u32),
    Shipped,
    Delivered,
    /// A refund was decided; its number. The refund itself says whether it cancels the order.
    RefundRequested(u32),
    RefundPaid(u32),
    RefundRefused(u32),
    /// The guest who placed it logged in to an account, and the order became that account's.
    Claimed,
    /// A refund was made at the provider, not by this shop; it was recorded as the refund with this number, and is
    /// paid.
    RefundRecorded(u32),
    /// The customer's bank demands the money back; the dispute's number.
    Disputed(u32),
    /// The dispute was closed, and the shop keeps the money.
    DisputeWon(u32),
    /// The dispute was closed, and the customer got the money.
    DisputeLost(u32),
}

impl OrderEvent {
    /// One of each kind; numbers are 1.
    pub const ALL: [OrderEvent; 21] = [
        OrderEvent::Placed,
        OrderEvent::PaymentLost,
        OrderEvent::ActionRequired,
        OrderEvent::ChallengeFailed,
        OrderEvent::Confirmed,
        OrderEvent::Declined,
        OrderEvent::Expired,
        OrderEvent::Cancelled,
        OrderEvent::Replaced,
        OrderEvent::NotChargeable,
        OrderEvent::PaidLate(1),
        OrderEvent::Shipped,
        OrderEvent::Delivered,
        OrderEvent::RefundRequested(1),
        OrderEvent::RefundPaid(1),
        OrderEvent::RefundRefused(1),
        OrderEvent::Claimed,
        OrderEvent::RefundRecorded(1),
        OrderEvent::Disputed(1),
        OrderEvent::DisputeWon(1),
        OrderEvent::DisputeLost(1),
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            OrderEvent::Placed => "placed",
            OrderEvent::PaymentLost => "payment_lost",
            OrderEvent::ActionRequired => "action_required",
            OrderEvent::ChallengeFailed => "challenge_failed",
            OrderEvent::Confirmed => "confirmed",
            OrderEvent::Declined => "declined",
            OrderEvent::Expired => "expired",
            OrderEvent::Cancelled => "cancelled",
            OrderEvent::Replaced => "replaced",
            OrderEvent::NotChargeable => "not_chargeable",
            OrderEvent::PaidLate(_) => "paid_late",
            OrderEvent::Shipped => "shipped",
            OrderEvent::Delivered => "delivered",
            OrderEvent::RefundRequested(_) => "refund_requested",
            OrderEvent::RefundPaid(_) => "refund_paid",
            OrderEvent::RefundRefused(_) => "refund_refused",
            OrderEvent::Claimed => "claimed",
            OrderEvent::RefundRecorded(_) => "refund_recorded",
            OrderEvent::Disputed(_) => "disputed",
            OrderEvent::DisputeWon(_) => "dispute_won",
            OrderEvent::DisputeLost(_) => "dispute_lost",
        }
    }

    /// The number of the refund it is about.
    pub fn refund(self) -> Option<u32> {
        match self {
            OrderEvent::PaidLate(n)
            | OrderEvent::RefundRequested(n)
            | OrderEvent::RefundPaid(n)
            | OrderEvent::RefundRefused(n)
            | OrderEvent::RefundRecorded(n) => Some(n),
            _ => None,
        }
    }

    /// The number of the dispute it is about.
    pub fn dispute(self) -> Option<u32> {
        match self {
            OrderEvent::Disputed(n) | OrderEvent::DisputeWon(n) | OrderEvent::DisputeLost(n) => Some(n),
            _ => None,
        }
    }

    /// The number of the refund or dispute it is about.
    pub fn number(self) -> Option<u32> {
        self.refund().or(self.dispute())
    }

    /// Reads what [`OrderEvent::as_str`] and [`OrderEvent::number`] write.
    pub fn parse(raw: &str, number: Option<u32>) -> Option<Self> {
        Some(match (raw, number) {
            ("placed", None) => OrderEvent::Placed,
            ("payment_lost", None) => OrderEvent::PaymentLost,
            ("action_required", None) => OrderEvent::ActionRequired,
            ("challenge_failed", None) => OrderEvent::ChallengeFailed,
            ("confirmed", None) => OrderEvent::Confirmed,
            ("declined", None) => OrderEvent::Declined,
            ("expired", None) => OrderEvent::Expired,
            ("cancelled", None) => OrderEvent::Cancelled,
            ("replaced", None) => OrderEvent::Replaced,
            ("not_chargeable", None) => OrderEvent::NotChargeable,
            ("shipped", None) => OrderEvent::Shipped,
            ("delivered", None) => OrderEvent::Delivered,
            ("paid_late", Some(n)) => OrderEvent::PaidLate(n),
            ("refund_requested", Some(n)) => OrderEvent::RefundRequested(n),
            ("refund_paid", Some(n)) => OrderEvent::RefundPaid(n),
            ("refund_refused", Some(n)) => OrderEvent::RefundRefused(n),
            ("claimed", None) => OrderEvent::Claimed,
            ("refund_recorded", Some(n)) => OrderEvent::RefundRecorded(n),
            ("disputed", Some(n)) => OrderEvent::Disputed(n),
            ("dispute_won", Some(n)) => OrderEvent::DisputeWon(n),
            ("dispute_lost", Some(n)) => OrderEvent::DisputeLost(n),
            _ => return None,
        })
    }
}

/// All input of a checkout, loaded at that moment.
#[derive(Debug)]
pub struct Placement<'a> {
    pub id: OrderId,
    pub customer: &'a UserId,
    /// Whether the customer is a guest.
    pub guest: bool,
    pub cart: &'a Cart,
    /// The cart's current products but those that are bought in a sale; a missing one is no longer sold.
    pub products: &'a [Product],
    /// Of the stock of these products.
    pub incarnations: &'a BTreeMap<ProductId, Incarnation>,
    /// The sales that are not over.
    pub sales: &'a OpenSales,
    /// The currency that this shop charges in.
    pub currency: Currency,
    /// What is added to the price of the goods, or taken off; none until the shop has rules for them.
    pub adjustments: &'a [Adjustment],
    /// The total that the customer was shown, if the client sent it.
    pub expected_total: Option<Money>,
    pub contact: Option<Contact>,
    pub language: Language,
    pub ship_to: Option<Address>,
    pub bill_to: Option<Address>,
    /// How long the stock is held for the payment.
    pub hold: HoldLength,
    pub now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error("the cart is empty")]
    CartEmpty,
    #[error("the cart has prices in another currency than the shop's")]
    CurrencyMismatch { products: Vec<ProductId> },
    #[error("products of the cart are no longer sold")]
    NotSold { products: Vec<ProductId> },
    #[error("the total differs from the one the customer was shown")]
    PriceChanged { total: Money },
    #[error("the sale that products were put into the cart in is over")]
    SaleEnded { products: Vec<ProductId> },
    #[error("more units are bought than the sale allows each customer")]
    SaleLimit { product: ProductId, limit: Quantity },
}

impl Order {
    /// Makes an order of a cart, at current prices: its stock is held, and nothing is paid yet.
    pub fn place(placement: Placement<'_>) -> Result<Order, PlaceError> {
        let Placement {
            id,
            customer,
            guest,
            cart,
            products,
            incarnations,
            sales,
            currency,
            adjustments,
            expected_total,
            contact,
            language,
            ship_to,
            bill_to,
            hold,
            now,
        } = placement;
        if cart.lines.is_empty() {
            return Err(PlaceError::CartEmpty);
        }

        let (mut lines, mut not_sold, mut foreign, mut ended) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (id, line) in &cart.lines {
            let offer = sales.offer(id, now);
            let (name, unit_price, incarnation) = match (offer, products.iter().find(|p| p.id == *id)) {
                (Some(Offer { sale, terms }), _) => (sale.name.clone(), terms.price, sale.incarnation),
                (None, Some(Product { details, .. })) => {
                    (details.name.as_str().to_owned(), details.price, incarnations.get(id).copied())
                }
                (None, None) => {
                    not_sold.push(id.clone());
                    continue;
                }
            };
            if unit_price.currency() != currency {
                foreign.push(id.clone());
                continue;
            }
            if line.sale.is_some() && sales.announced(id, now).map(|announced| announced.sale.id) != line.sale {
                ended.push(id.clone());
            }
            let limit = offer.and_then(|offer| offer.terms.limit);
            if let Some(limit) = limit.filter(|limit| line.quantity > *limit) {
                return Err(PlaceError::SaleLimit { product: id.clone(), limit });
            }
            let limit = limit.map(|units| CountedLimit { units, buyer: customer.clone() });
            lines.push(OrderLine {
                product: id.clone(),
                name,
                quantity: line.quantity,
                unit_price,
                allocated: pricing::units_at(unit_price, line.quantity),
                incarnation,
                sale: offer.map(|offer| LineSale { id: offer.sale.id, lots: Vec::new(), limit }),
            });
        }
        if !not_sold.is_empty() {
            return Err(PlaceError::NotSold { products: not_sold });
        }
        if !foreign.is_empty() {
            return Err(PlaceError::CurrencyMismatch { products: foreign });
        }
        if !ended.is_empty() {
            return Err(PlaceError::SaleEnded { products: ended });
        }

        let priced: Vec<_> = lines.iter().map(OrderLine::unadjusted).collect();
        let Pricing { totals, allocations } = pricing::price(&priced, adjustments, currency);
        if expected_total.is_some_and(|expected| expected != totals.total) {
            return Err(PlaceError::PriceChanged { total: totals.total });
        }
        for (line, allocated) in lines.iter_mut().zip(allocations) {
            line.allocated = allocated;
        }
        Ok(Order {
            id,
            customer: customer.clone(),
            guest,
            state: OrderState::PendingPayment,
            version: 1,
            cart_version: cart.version,
            lines,
            totals,
            payment: Payment {
                state: PaymentState::Pending,
                reference: None,
                refunds: Vec::new(),
                disputes: Vec::new(),
            },
            due_at: Some(hold.end(now)),
            contact,
            language,
            ship_to,
            bill_to,
            shipments: Vec::new(),
            history: vec![HistoryEntry { event: OrderEvent::Placed, at: now }],
        })
    }

    /// What was bought, as lines of a cart, at the prices of the order.
    pub fn cart_lines(&self) -> BTreeMap<ProductId, CartLine> {
        let line = |l: &OrderLine| {
            let sale = l.sale.as_ref().map(|sale| sale.id);
            (l.product.clone(), CartLine { quantity: l.quantity, price_seen: l.unit_price, sale })
        };
        self.lines.iter().map(line).collect()
    }

    /// Says which lots the units of a line of a sale are taken from.
    pub fn take_lots(&mut self, product: &ProductId, lots: Vec<LotTake>) {
        let sales = self.lines.iter_mut().filter(|line| line.product == *product).filter_map(|line| line.sale.as_mut());
        sales.for_each(|sale| sale.lots.clone_from(&lots));
    }

    /// The most lots that each line of a sale can take from, for a transaction of at most this many actions; `None` if there
    /// are too many lines.
    pub fn lots_of_line(&self, max_actions: usize) -> Option<usize> {
        let limit_counts = |sale: &LineSale| if sale.limit.is_some() { 2 } else { 0 };
        let sales: Vec<_> = self.lines.iter().filter_map(|line| line.sale.as_ref()).collect();
        let others = self.lines.len() - sales.len() + sales.iter().map(|sale| limit_counts(sale)).sum::<usize>();
        let each = max_actions.checked_sub(others)? / sales.len().max(1);
        (each > 0).then_some(each.min(MAX_LOTS_OF_LINE))
    }

    /// Whether it was paid in time, or cost nothing.
    pub fn was_confirmed(&self) -> bool {
        self.history.iter().any(|entry| entry.event == OrderEvent::Confirmed)
    }

    /// What people call the order.
    pub fn number(&self) -> OrderNumber {
        self.id.into()
    }

    pub fn placed_at(&self) -> Timestamp {
        self.id.placed_at()
    }

    pub fn item_count(&self) -> u64 {
        self.lines.iter().map(|l| u64::from(l.quantity.units())).sum()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::testing::{order, product};

    fn cart(lines: &[(&str, i64)]) -> Cart {
        let price_seen = Money::price(1, Currency::USD).unwrap();
        let lines = lines.iter().map(|(id, units)| {
            (id.parse().unwrap(), CartLine { quantity: Quantity::new(*units).unwrap(), price_seen, sale: None })
        });
        Cart { version: 4, lines: BTreeMap::from_iter(lines), ..Cart::default() }
    }

    fn place(cart: &Cart, products: &[Product], expected: Option<i64>) -> Result<Order, PlaceError> {
        Order::place(Placement {
            id: "018cc251-f400-7000-8000-000000000000".parse().unwrap(),
            customer: &"ann".parse().unwrap(),
            guest: true,
            cart,
            products,
            incarnations: &BTreeMap::new(),
            sales: &OpenSales::default(),
            currency: Currency::USD,
            adjustments: &[],
            expected_total: expected.map(|amount| Money::amount(amount, Currency::USD)),
            contact: None,
            language: Language::En,
            ship_to: None,
            bill_to: None,
            hold: HoldLength::default(),
            now: Timestamp::UNIX_EPOCH,
        })
    }

    /// Three mugs at 8.99 and one pan at 46.00, placed by a guest and not paid.
    pub(crate) fn held() -> Order {
        order().of(3, product("mug", "Mug", 899)).of(1, product("pan", "Pan", 4_600)).by_a_guest().place()
    }

    #[test]
    fn checkout_charges_the_current_price_not_the_one_shown() {
        let order = place(&cart(&[("mug", 3)]), &[product("mug", "Mug", 899)], None).unwrap();

        assert_eq!(order.totals.total, Money::amount(2_697, Currency::USD));
    }

    #[test]
    fn checkout_refuses_what_the_customer_did_not_agree_to() {
        let mug = [product("mug", "Mug", 899)];

        assert_eq!(place(&cart(&[]), &mug, None), Err(PlaceError::CartEmpty));
        assert!(matches!(place(&cart(&[("mug", 1)]), &mug, Some(898)), Err(PlaceError::PriceChanged { .. })));
        assert!(matches!(place(&cart(&[("gone", 1)]), &mug, None), Err(PlaceError::NotSold { .. })));
        let mut pounds = mug;
        pounds[0].details.price = Money::price(899, Currency::GBP).unwrap();
        assert!(matches!(place(&cart(&[("mug", 1)]), &pounds, None), Err(PlaceError::CurrencyMismatch { .. })));
    }

    #[test]
    fn every_event_reads_back_from_its_name() {
        for event in OrderEvent::ALL {
            assert_eq!(OrderEvent::parse(event.as_str(), event.number()), Some(event));
        }
    }
}
