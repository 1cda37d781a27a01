//! The stored form of orders.

use domain::{
    Carrier, Contact, CountedLimit, CustomerName, Dispute, DisputeState, Email, HistoryEntry, Incarnation, Invalid,
    Language, LineSale, LotTake, Order, OrderEvent, OrderLine, OrderState, Payment, PaymentState, Phone, Quantity,
    Reason, Refund, RefundState, ReturnedLine, Shipment, TrackingNumber, TrackingUrl,
    pricing::{Totals, units_at},
};
use serde::{Deserialize, Serialize};

use crate::{
    CustomerOrder, StoreError,
    addresses::AddressRow,
    keys, rows,
    rows::{BY, Item, from_item, millis, n, s},
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    customer: String,
    state: String,
    version: u64,
    cart_version: u64,
    lines: Vec<OrderLineRow>,
    currency: String,
    subtotal: i64,
    discount: i64,
    shipping: i64,
    tax: i64,
    total: i64,
    item_count: u64,
    payment_state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_reference: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refunds: Vec<RefundRow>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    disputes: Vec<DisputeRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ship_to: Option<AddressRow>,
    /// Only if it is another address than `shipTo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bill_to: Option<AddressRow>,
    /// Absent in orders that are older than the field, as are `language` and `shipments`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    contact: Option<ContactRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    shipments: Vec<ShipmentRow>,
    /// Only while it is a guest's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    guest: bool,
    history: Vec<HistoryRow>,
    placed_at: String,
    /// Only while something is open; the sweeper finds the order by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    due_shard: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<i64>,
    /// Only once the payment has an outcome; operators' lists use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    state_day: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ContactRow {
    email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ShipmentRow {
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    carrier: Option<String>,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    tracking_number: Option<String>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    tracking_url: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct OrderLineRow {
    #[serde(rename = "id")]
    product: String,
    name: String,
    #[serde(rename = "q")]
    quantity: i64,
    #[serde(rename = "p")]
    unit_price: i64,
    /// Only where it is not the price of the units: orders without adjustments, and those of before there were any, have
    /// none. So the item stays as large as it was.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    allocated: Option<i64>,
    #[serde(rename = "i", skip_serializing_if = "Option::is_none")]
    incarnation: Option<u64>,
    /// The sale that the units are of.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    sale: Option<LineSaleRow>,
}

#[derive(Serialize, Deserialize)]
struct LineSaleRow {
    id: String,
    /// Numbers of lots, and the units from each.
    #[serde(rename = "l")]
    lots: Vec<(u32, u32)>,
    /// The limit, and who is counted.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    limit: Option<(i64, String)>,
}

impl From<&LineSale> for LineSaleRow {
    fn from(LineSale { id, lots, limit }: &LineSale) -> Self {
        Self {
            id: id.to_string(),
            lots: lots.iter().map(|take| (take.lot.as_u32(), take.units)).collect(),
            limit: limit.as_ref().map(|CountedLimit { units, buyer }| (units.units().into(), buyer.to_string())),
        }
    }
}

impl LineSaleRow {
    fn into_line_sale(self) -> Result<LineSale, Invalid> {
        let limit = self.limit.map(|(units, buyer)| -> Result<_, Invalid> {
            Ok(CountedLimit { units: Quantity::new(units)?, buyer: buyer.parse()? })
        });
        let lots = self.lots.into_iter().map(|(lot, units)| LotTake { lot: lot.into(), units }).collect();
        Ok(LineSale { id: self.id.parse()?, lots, limit: limit.transpose()? })
    }
}

#[derive(Serialize, Deserialize)]
struct HistoryRow {
    #[serde(rename = "s")]
    event: String,
    #[serde(rename = "t")]
    at: i64,
    /// The number of the refund or the dispute it is about.
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct RefundRow {
    #[serde(rename = "n")]
    number: u32,
    #[serde(rename = "a")]
    amount: i64,
    #[serde(rename = "s")]
    state: String,
    #[serde(rename = "c")]
    cancels: bool,
    #[serde(rename = "l", default, skip_serializing_if = "Vec::is_empty")]
    lines: Vec<ReturnedLineRow>,
    /// The reason, as text.
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The provider's id, of a refund made there by hand.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    by_hand: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct DisputeRow {
    id: String,
    #[serde(rename = "a")]
    amount: i64,
    /// A bank may dispute in another currency than the order's.
    #[serde(rename = "c")]
    currency: String,
    #[serde(rename = "s")]
    state: String,
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct ReturnedLineRow {
    #[serde(rename = "id")]
    product: String,
    #[serde(rename = "q")]
    quantity: i64,
    #[serde(rename = "r")]
    restock: bool,
}

/// `by`: who made the last change.
pub(crate) fn order_item(order: &Order, by: &str) -> Item {
    let keys::Key { pk, sk } = keys::order(order.id);
    let Totals { subtotal, discount, shipping, tax, total } = order.totals;
    let placed_at = order.placed_at();
    let due = order.due_at;
    let mut item = rows::to_item(OrderRow {
        pk,
        sk,
        customer: order.customer.to_string(),
        guest: order.guest,
        state: order.state.as_str().to_owned(),
        version: order.version,
        cart_version: order.cart_version,
        lines: order.lines.iter().map(OrderLineRow::from).collect(),
        currency: total.currency().code().to_owned(),
        subtotal: subtotal.amount_minor(),
        discount: discount.amount_minor(),
        shipping: shipping.amount_minor(),
        tax: tax.amount_minor(),
        total: total.amount_minor(),
        item_count: order.item_count(),
        payment_state: order.payment.state.as_str().to_owned(),
        payment_reference: order.payment.reference.clone(),
        refunds: order.payment.refunds.iter().map(RefundRow::from).collect(),
        disputes: order.payment.disputes.iter().map(DisputeRow::from).collect(),
        ship_to: order.ship_to.as_ref().map(AddressRow::from),
        bill_to: order.bill_to.as_ref().map(AddressRow::from),
        contact: order.contact.as_ref().map(ContactRow::from),
        language: Some(order.language.as_str().to_owned()),
        shipments: order.shipments.iter().map(ShipmentRow::from).collect(),
        history: order.history.iter().map(HistoryRow::from).collect(),
        placed_at: format!("{placed_at:.3}"),
        due_shard: due.map(|_| keys::due_shard(order.id)),
        due_at: due.map(millis),
        state_day: (!order.state.awaits_payment())
            .then(|| keys::state_day(order.state, &keys::day(placed_at), keys::state_shard(order.id))),
    });
    item.insert(BY.to_owned(), s(by));
    item
}

impl From<&Contact> for ContactRow {
    fn from(Contact { email, name, phone }: &Contact) -> Self {
        Self {
            email: email.as_str().to_owned(),
            name: name.as_ref().map(|name| name.as_str().to_owned()),
            phone: phone.as_ref().map(|phone| phone.as_str().to_owned()),
        }
    }
}

impl ContactRow {
    fn into_contact(self) -> Contact {
        let Self { email, name, phone } = self;
        let (name, phone) = (name.map(CustomerName::stored), phone.map(Phone::stored));
        Contact { email: Email::stored(email), name, phone }
    }
}

impl From<&Shipment> for ShipmentRow {
    fn from(Shipment { carrier, tracking_number, tracking_url }: &Shipment) -> Self {
        Self {
            carrier: carrier.as_ref().map(|carrier| carrier.as_str().to_owned()),
            tracking_number: tracking_number.as_ref().map(|number| number.as_str().to_owned()),
            tracking_url: tracking_url.as_ref().map(|url| url.as_str().to_owned()),
        }
    }
}

impl ShipmentRow {
    fn into_shipment(self) -> Shipment {
        let Self { carrier, tracking_number, tracking_url } = self;
        Shipment {
            carrier: carrier.map(Carrier::stored),
            tracking_number: tracking_number.map(TrackingNumber::stored),
            tracking_url: tracking_url.map(TrackingUrl::stored),
        }
    }
}

impl From<&OrderLine> for OrderLineRow {
    fn from(line: &OrderLine) -> Self {
        Self {
            product: line.product.to_string(),
            name: line.name.clone(),
            quantity: line.quantity.units().into(),
            unit_price: line.unit_price.amount_minor(),
            allocated: Some(line.allocated).filter(|paid| *paid != line.subtotal()).map(|paid| paid.amount_minor()),
            incarnation: line.incarnation.map(Incarnation::as_u64),
            sale: line.sale.as_ref().map(LineSaleRow::from),
        }
    }
}

impl From<&HistoryEntry> for HistoryRow {
    fn from(HistoryEntry { event, at }: &HistoryEntry) -> Self {
        Self { event: event.as_str().to_owned(), at: millis(*at), number: event.number() }
    }
}

impl From<&Refund> for RefundRow {
    fn from(refund: &Refund) -> Self {
        let line = |line: &ReturnedLine| ReturnedLineRow {
            product: line.product.to_string(),
            quantity: line.quantity.units().into(),
            restock: line.restock,
        };
        Self {
            number: refund.number,
            amount: refund.amount.amount_minor(),
            state: refund.state.as_str().to_owned(),
            cancels: refund.cancels,
            lines: refund.lines.iter().map(line).collect(),
            reason: refund.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            by_hand: refund.by_hand.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&Dispute> for DisputeRow {
    fn from(Dispute { id, amount, reason, state }: &Dispute) -> Self {
        let (currency, state) = (amount.currency().code().to_owned(), state.as_str().to_owned());
        Self { id: id.to_string(), amount: amount.amount_minor(), currency, state, reason: reason.clone() }
    }
}

pub(crate) fn order(item: Item) -> Result<Order, StoreError> {
    let key = rows::key_of(&item);
    from_item::<OrderRow>(item)?.into_order().map_err(|e| StoreError::corrupt(key, e))
}

impl OrderRow {
    fn into_order(self) -> Result<Order, Invalid> {
        let amount = |minor| rows::money(minor, &self.currency);
        let line = |row: OrderLineRow| -> Result<OrderLine, Invalid> {
            let (quantity, unit_price) = (Quantity::new(row.quantity)?, amount(row.unit_price)?);
            Ok(OrderLine {
                product: row.product.parse()?,
                name: row.name,
                quantity,
                unit_price,
                allocated: row.allocated.map(amount).transpose()?.unwrap_or(units_at(unit_price, quantity)),
                incarnation: row.incarnation.map(Incarnation::from),
                sale: row.sale.map(LineSaleRow::into_line_sale).transpose()?,
            })
        };
        // Written before disputes had numbers: then one was decided before the next began.
        let mut disputes = 0;
        let transition = |row: HistoryRow| -> Result<HistoryEntry, Invalid> {
            disputes += u32::from(row.event == "disputed");
            let is_dispute = matches!(row.event.as_str(), "disputed" | "dispute_won" | "dispute_lost");
            let event = OrderEvent::parse(&row.event, row.number.or(is_dispute.then_some(disputes)));
            let event = event.ok_or_else(|| Invalid::new("history", "corrupt", row.event))?;
            Ok(HistoryEntry { event, at: rows::from_millis(row.at)? })
        };
        let returned = |row: ReturnedLineRow| -> Result<ReturnedLine, Invalid> {
            let quantity = Quantity::new(row.quantity)?;
            Ok(ReturnedLine { product: row.product.parse()?, quantity, restock: row.restock })
        };
        let refund = |row: RefundRow| -> Result<Refund, Invalid> {
            let state = RefundState::parse(&row.state).ok_or_else(|| Invalid::new("refunds", "corrupt", row.state))?;
            let lines = row.lines.into_iter().map(returned).collect::<Result<_, _>>()?;
            let by_hand = row.by_hand.as_deref().map(str::parse).transpose()?;
            let reason = row.reason.map(Reason::stored);
            let (number, cancels) = (row.number, row.cancels);
            Ok(Refund { number, amount: amount(row.amount)?, state, lines, cancels, reason, by_hand })
        };
        let dispute = |row: DisputeRow| -> Result<Dispute, Invalid> {
            let state = DisputeState::parse(&row.state);
            let state = state.ok_or_else(|| Invalid::new("disputes", "corrupt", row.state))?;
            let amount = rows::money(row.amount, &row.currency)?;
            Ok(Dispute { id: row.id.parse()?, amount, reason: row.reason, state })
        };
        Ok(Order {
            id: keys::order_id(&self.pk)?,
            customer: self.customer.parse()?,
            guest: self.guest,
            state: state(&self.state)?,
            version: self.version,
            cart_version: self.cart_version,
            totals: Totals {
                subtotal: amount(self.subtotal)?,
                discount: amount(self.discount)?,
                shipping: amount(self.shipping)?,
                tax: amount(self.tax)?,
                total: amount(self.total)?,
            },
            lines: self.lines.into_iter().map(line).collect::<Result<_, _>>()?,
            payment: Payment {
                state: PaymentState::parse(&self.payment_state)
                    .ok_or_else(|| Invalid::new("paymentState", "corrupt", self.payment_state.clone()))?,
                reference: self.payment_reference,
                refunds: self.refunds.into_iter().map(refund).collect::<Result<_, _>>()?,
                disputes: self.disputes.into_iter().map(dispute).collect::<Result<_, _>>()?,
            },
            due_at: self.due_at.map(rows::from_millis).transpose()?,
            ship_to: self.ship_to.map(AddressRow::into_address).transpose()?,
            bill_to: self.bill_to.map(AddressRow::into_address).transpose()?,
            contact: self.contact.map(ContactRow::into_contact),
            // A language that another version of the program knows must not make an order unreadable.
            language: self.language.as_deref().and_then(Language::parse).unwrap_or_default(),
            shipments: self.shipments.into_iter().map(ShipmentRow::into_shipment).collect(),
            history: self.history.into_iter().map(transition).collect::<Result<_, _>>()?,
        })
    }
}

fn state(raw: &str) -> Result<OrderState, Invalid> {
    OrderState::parse(raw).ok_or_else(|| Invalid::new("state", "corrupt", raw))
}

pub(crate) fn customer_order_item(order: &Order) -> Item {
    let mut item = keys::customer_order(&order.customer, order.id).into_item();
    item.extend([
        ("state".to_owned(), s(order.state.as_str())),
        ("total".to_owned(), n(order.totals.total.amount_minor())),
        ("currency".to_owned(), s(order.totals.total.currency().code())),
        ("itemCount".to_owned(), n(order.item_count())),
        ("version".to_owned(), n(order.version)),
    ]);
    item
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderSummaryRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    total: i64,
    currency: String,
    item_count: u64,
    version: u64,
    /// In the customer's list; in the operator's it is part of the index key.
    state: Option<String>,
    state_day: Option<String>,
}

/// A line of a list, from the customer's partition or from `order-state-index`.
pub(crate) fn customer_order(item: Item) -> Result<CustomerOrder, StoreError> {
    let row: OrderSummaryRow = from_item(item)?;
    let read = || -> Result<CustomerOrder, Invalid> {
        let in_index = row.pk.strip_prefix(keys::ORDER_PREFIX);
        let id = in_index.or_else(|| row.sk.rsplit('#').next()).unwrap_or_default().parse()?;
        let of_day = row.state_day.as_deref().and_then(|d| d.split('#').next());
        let state = state(row.state.as_deref().or(of_day).unwrap_or_default())?;
        let total = rows::money(row.total, &row.currency)?;
        Ok(CustomerOrder { id, state, total, item_count: row.item_count, version: row.version })
    };
    read().map_err(|e| StoreError::corrupt(format!("{} / {}", row.pk, row.sk), e))
}

#[cfg(test)]
mod tests {
    use domain::{Address, AddressId, CountryCode, Timestamp};
    use testing::product;

    use super::*;

    fn home() -> Address {
        Address {
            id: AddressId::of_order(),
            recipient: "Ann".to_owned(),
            line1: "1 Street".to_owned(),
            line2: None,
            city: "Bristol".to_owned(),
            region: None,
            postal_code: None,
            country: CountryCode::parse("GB").unwrap(),
            phone: None,
        }
    }

    fn shipped() -> Order {
        let held = testing::order().of(2, product("mug", "Mug", 899)).to(home()).in_language(Language::De).place();
        let contact = Contact {
            email: Email::parse("ann@example.com").unwrap(),
            name: Some(CustomerName::parse("Ann").unwrap()),
            phone: Some(Phone::parse("+44 117 496 0123").unwrap()),
        };
        let held = Order { contact: Some(contact), bill_to: Some(home()), ..held };
        let parcel = Shipment {
            carrier: Some(Carrier::parse("DHL").unwrap()),
            tracking_number: None,
            tracking_url: Some(TrackingUrl::parse("https://carrier.example/1").unwrap()),
        };
        let paid = held.paid("pay_1", Timestamp::UNIX_EPOCH).unwrap().order;
        paid.ship_as(parcel, Timestamp::UNIX_EPOCH).unwrap().unwrap().order
    }

    #[test]
    fn an_order_reads_back_with_its_contact_addresses_language_and_parcels() {
        let shipped = shipped();

        assert_eq!(order(order_item(&shipped, "ann")).unwrap(), shipped);
    }

    #[test]
    fn a_line_of_a_sale_reads_back_with_its_lots_and_limit() {
        let mut placed = testing::order().of(3, product("mug", "Mug", 899)).place();
        let take = |lot: u32, units| LotTake { lot: lot.into(), units };
        let limit = CountedLimit { units: Quantity::new(4).unwrap(), buyer: "ann".parse().unwrap() };
        let id = placed.id.as_uuid().into();
        placed.lines[0].sale = Some(LineSale { id, lots: vec![take(1, 2), take(65, 1)], limit: Some(limit) });

        assert_eq!(order(order_item(&placed, "ann")).unwrap(), placed);
    }

    #[test]
    fn an_order_from_before_contacts_reads_as_one_without_a_contact_in_english() {
        let mut item = order_item(&shipped(), "ann");
        for name in ["contact", "language", "billTo", "shipments"] {
            assert!(item.remove(name).is_some(), "{name}");
        }

        let old = order(item).unwrap();

        assert_eq!((&old.contact, old.language, &old.bill_to), (&None, Language::En, &None));
        assert!(old.shipments.is_empty());
        assert_eq!((old.state, old.number()), (OrderState::Shipped, shipped().number()));
    }

    #[test]
    fn a_language_that_only_a_later_version_knows_leaves_the_order_readable() {
        let mut item = order_item(&shipped(), "ann");
        item.insert("language".to_owned(), s("fr"));

        assert_eq!(order(item).unwrap().language, Language::En);
    }
}
