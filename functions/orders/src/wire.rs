use api::{
    All, Invalids, List, Listed, schema,
    wire::{AddressRequest, AddressResponse, Money, timestamp},
};
use domain::{
    Carrier, Contact, Customer, CustomerName, Dispute, Email, HistoryEntry, Order, OrderEvent, OrderLine, OrderNumber,
    Phone, Refund, ReturnedLine, Shipment, TrackingNumber, TrackingUrl,
};
use payments::{ClientSecret, PaymentAction};
use serde::{Deserialize, Serialize, Serializer};
use table::CustomerOrder;
use utoipa::ToSchema;

/// A checkout; the cart is the session's.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlaceOrderRequest {
    /// Required unless the total is zero.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentRequest>,
    /// One of the customer's addresses, instead of `shippingAddress`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AddressId>)]
    pub shipping_address_id: Option<String>,
    /// The total the customer was shown; a different total is refused rather than charged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_total: Option<Money>,
    /// Where mails about the order go. Required of guests; by default name and e-mail of the customer's profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactRequest>,
    /// Where the order is sent. Required, here or as `shippingAddressId`, unless the shop ships nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipping_address: Option<AddressRequest>,
    /// The address of the invoice, if it is not the shipping address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub billing_address: Option<AddressRequest>,
    /// One of the customer's addresses, instead of `billingAddress`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::AddressId>)]
    pub billing_address_id: Option<String>,
}

/// What a guest knows of an order.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrderLookupRequest {
    #[schema(value_type = schema::OrderNumberSought, example = "7K3QX-94M2A")]
    pub number: String,
    /// The e-mail that the order was placed with.
    #[schema(value_type = schema::Email, example = "ann@example.com")]
    pub email: String,
}

#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactRequest {
    #[schema(value_type = schema::Email, example = "ann@example.com")]
    pub email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::CustomerName>, example = "Ann Smith")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Phone>, example = "+44 117 496 0123")]
    pub phone: Option<String>,
}

impl ContactRequest {
    pub fn contact(&self) -> Result<Contact, Invalids> {
        let (email, name, phone) = (
            Email::parse(&self.email),
            self.name.as_deref().map(CustomerName::parse).transpose(),
            Phone::optional(self.phone.as_deref()),
        )
            .all()?;
        Ok(Contact { email, name, phone })
    }
}

/// What is known of the parcel. All of it may be left out.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShipOrderRequest {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::CarrierName>, example = "DHL")]
    pub carrier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TrackingNumber>, example = "JJD0003412345678")]
    pub tracking_number: Option<String>,
    /// The customer finds it in the order and in the mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TrackingUrl>, example = "https://carrier.example/parcels/JJD0003412345678")]
    pub tracking_url: Option<String>,
}

impl ShipOrderRequest {
    pub fn shipment(&self) -> Result<Shipment, Invalids> {
        let (carrier, tracking_number, tracking_url) = (
            self.carrier.as_deref().map(Carrier::parse).transpose(),
            self.tracking_number.as_deref().map(TrackingNumber::parse).transpose(),
            self.tracking_url.as_deref().map(TrackingUrl::parse).transpose(),
        )
            .all()?;
        Ok(Shipment { carrier, tracking_number, tracking_url })
    }
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentRequest {
    /// The token of the payment provider's form, with Stripe a ConfirmationToken or a PaymentMethod; on a local stack
    /// `tok_visa` pays, `tok_declined` declines, and `tok_3ds` asks the customer.
    #[schema(value_type = schema::PaymentToken, example = "tok_visa")]
    pub token: String,
}

/// A refund. Without amount and lines it is all that is left.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundOrderRequest {
    /// By default the price of the lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// The returned goods.
    #[serde(default)]
    pub lines: Vec<ReturnedLineRequest>,
    /// The reason, as free text: one line of up to 200 characters. The customer reads it, in the order and in the mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Reason>, example = "The handle was broken")]
    pub reason: Option<String>,
}

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReturnedLineRequest {
    #[schema(value_type = schema::ProductId)]
    pub product_id: String,
    #[schema(value_type = schema::Units, example = 1)]
    pub quantity: i64,
    /// Whether the units can be sold again; by default not.
    #[serde(default)]
    pub restock: bool,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderResponse {
    #[schema(value_type = schema::OrderId)]
    pub order_id: String,
    #[schema(value_type = schema::OrderNumber, example = "7K3QX-94M2A")]
    pub number: String,
    /// The owner of the order, for staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = OrderCustomerResponse, required = false)]
    pub customer: Option<OrderCustomerResponse>,
    /// `pending_payment`, `payment_unknown`, `confirmed`, `shipped`, `delivered` or `cancelled`.
    #[schema(value_type = schema::OrderStateName, example = "confirmed")]
    pub state: &'static str,
    /// RFC 3339, UTC.
    #[schema(value_type = schema::Timestamp)]
    pub placed_at: String,
    pub items: Vec<OrderItemResponse>,
    pub subtotal: Money,
    pub discount: Money,
    pub shipping: Money,
    pub tax: Money,
    pub total: Money,
    pub payment: PaymentResponse,
    /// The sum of paid refunds.
    pub refunded: Money,
    pub refunds: Vec<RefundResponse>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = AddressResponse, required = false)]
    pub shipping_address: Option<AddressResponse>,
    /// The address of the invoice, if it is not the shipping address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = AddressResponse, required = false)]
    pub billing_address: Option<AddressResponse>,
    /// Missing in orders that are older than contacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ContactResponse, required = false)]
    pub contact: Option<ContactResponse>,
    /// The language of the mails about the order.
    #[schema(value_type = schema::LanguageCode, example = "en")]
    pub language: &'static str,
    /// What is known of the parcels, once it is shipped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shipments: Vec<ShipmentResponse>,
    /// The events of the order, oldest first.
    pub history: Vec<OrderEventResponse>,
    pub version: u64,
}

/// Where mails about the order go.
#[derive(Serialize, ToSchema)]
pub struct ContactResponse {
    #[schema(value_type = String, example = "ann@example.com")]
    pub email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "Ann Smith")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Phone, required = false)]
    pub phone: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShipmentResponse {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::CarrierName, required = false, example = "DHL")]
    pub carrier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::TrackingNumber, required = false, example = "JJD0003412345678")]
    pub tracking_number: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "https://carrier.example/parcels/JJD0003412345678")]
    pub tracking_url: Option<String>,
}

/// The customer who placed an order. A guest has no name and no e-mail.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderCustomerResponse {
    #[schema(value_type = schema::UserId)]
    pub user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "Ann")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "ann@example.com")]
    pub email: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundResponse {
    /// From 1, within the order.
    pub number: u32,
    pub amount: Money,
    /// `requested` while it is owed, `paid`, or `refused` by the payment provider.
    #[schema(value_type = schema::RefundStateName, example = "paid")]
    pub state: &'static str,
    /// The returned goods, if it is for goods; for a refund that cancelled the order, what was not shipped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<RefundLineResponse>,
    /// The reason, if staff gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::Reason, required = false, example = "The handle was broken")]
    pub reason: Option<String>,
    /// The payment provider's id of a refund that was made there by hand, not requested here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "re_3MmlLrLkdIwHu7ix0uke3Ezy")]
    pub made_by_hand: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundLineResponse {
    #[schema(value_type = schema::ProductId)]
    pub product_id: String,
    pub quantity: u32,
    /// Whether the units were restocked.
    pub restock: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct OrderEventResponse {
    /// `placed`, `payment_lost`, `action_required` (the customer's bank asks them to authenticate the payment),
    /// `challenge_failed` (they were not authenticated, or the bank declined after that), `confirmed`, `declined`, `expired`, `cancelled` (if the order was paid: followed by an
    /// entry for the refund, with its number), `not_chargeable`, `paid_late`, `shipped`, `delivered`,
    /// `refund_requested`, `refund_paid`, `refund_refused`, `refund_recorded` (made at the payment provider by hand),
    /// `disputed`, `dispute_won` or `dispute_lost`.
    #[schema(value_type = schema::OrderEventName, example = "confirmed")]
    pub event: &'static str,
    /// The number of the refund it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false)]
    pub refund: Option<u32>,
    /// The number of the dispute it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false)]
    pub dispute: Option<u32>,
    /// RFC 3339, UTC.
    #[schema(value_type = schema::Timestamp)]
    pub at: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderItemResponse {
    #[schema(value_type = schema::ProductId)]
    pub product_id: String,
    pub name: String,
    pub quantity: u32,
    pub unit_price: Money,
    pub line_total: Money,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentResponse {
    /// `pending`; `action_required` while the customer's bank waits for them to authenticate the payment; `unknown`,
    /// `captured`, `declined`, or `voided` if nothing was charged and nothing will be.
    #[schema(value_type = schema::PaymentStateName, example = "captured")]
    pub state: &'static str,
    /// For staff: the payment provider's id of the payment, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = schema::PaymentReference, required = false, example = "pi_3MtwBwLkdIwHu7ix28a3tqPa")]
    pub reference: Option<String>,
    /// What the customer has to do before the payment is made. Only in the answers to a checkout and to
    /// `refreshPayment`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = PaymentActionResponse, required = false)]
    pub action: Option<PaymentActionResponse>,
    /// For staff: the disputes about the payment, open and closed, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disputes: Vec<DisputeResponse>,
}

/// The authentication that the customer's bank asks for (3-D Secure). The provider's script in the storefront carries it
/// out, with Stripe `stripe.handleNextAction`; afterwards the storefront calls `refreshPayment`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentActionResponse {
    /// The payment provider: `stripe`, or locally `local`.
    #[schema(example = "stripe")]
    pub provider: &'static str,
    /// Lets the storefront finish this one payment. Keep it in memory: do not store or log it.
    #[schema(value_type = String, example = "pi_3MtwBwLkdIwHu7ix28a3tqPa_secret_YrKJUKribcBjcG8HVhfZluoGH")]
    #[serde(serialize_with = "reveal")]
    pub client_secret: ClientSecret,
    /// The key with which the storefront loads the provider's script.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "pk_live_51H0")]
    pub publishable_key: Option<String>,
    /// Where the bank's page sends the customer afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "https://shop.example/paid?order=018cc251-f400-7000-8000-000000000000")]
    pub return_url: Option<String>,
}

/// This answer is the only place where a client secret is written.
fn reveal<S: Serializer>(secret: &ClientSecret, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secret.reveal())
}

impl PaymentActionResponse {
    pub fn new(provider: &'static str, action: &PaymentAction) -> Self {
        let PaymentAction { client_secret, publishable_key, return_url } = action.clone();
        Self { provider, client_secret, publishable_key, return_url }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct DisputeResponse {
    /// From 1, within the order.
    pub number: u32,
    /// The payment provider's id.
    #[schema(example = "dp_1MtJUT2eZvKYlo2CNaw2HvEv")]
    pub id: String,
    pub amount: Money,
    /// `open`, `won` if the shop keeps the money, or `lost`.
    #[schema(value_type = schema::DisputeStateName, example = "open")]
    pub state: &'static str,
    /// The reason, in the payment provider's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "fraudulent")]
    pub reason: Option<String>,
}

/// An order in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderSummaryResponse {
    #[schema(value_type = schema::OrderId)]
    pub order_id: String,
    #[schema(value_type = schema::OrderNumber, example = "7K3QX-94M2A")]
    pub number: String,
    #[schema(value_type = schema::OrderStateName)]
    pub state: &'static str,
    #[schema(value_type = schema::Timestamp)]
    pub placed_at: String,
    pub total: Money,
    /// Units of all lines together.
    pub item_count: u64,
}

pub type OrderListResponse = List<OrderSummaryResponse>;

impl Listed for OrderSummaryResponse {
    const LIST: &'static str = "OrderListResponse";
}

impl From<&Order> for OrderResponse {
    fn from(order: &Order) -> Self {
        let totals = order.totals;
        Self {
            order_id: order.id.to_string(),
            number: order.number().to_string(),
            customer: None,
            state: order.state.as_str(),
            placed_at: timestamp(order.placed_at()),
            items: order.lines.iter().map(OrderItemResponse::from).collect(),
            subtotal: totals.subtotal.into(),
            discount: totals.discount.into(),
            shipping: totals.shipping.into(),
            tax: totals.tax.into(),
            total: totals.total.into(),
            payment: PaymentResponse {
                state: order.payment.state.as_str(),
                reference: None,
                action: None,
                disputes: Vec::new(),
            },
            refunded: order.refunded().into(),
            refunds: order.payment.refunds.iter().map(RefundResponse::from).collect(),
            shipping_address: order.ship_to.as_ref().map(AddressResponse::from),
            billing_address: order.bill_to.as_ref().map(AddressResponse::from),
            contact: order.contact.as_ref().map(ContactResponse::from),
            language: order.language.as_str(),
            shipments: order.shipments.iter().map(ShipmentResponse::from).collect(),
            history: order.history.iter().flat_map(|transition| happened(order, transition)).collect(),
            version: order.version,
        }
    }
}

impl OrderResponse {
    /// With the fields that only the shop's staff see.
    pub fn for_staff(order: &Order, customer: Option<&Customer>) -> Self {
        let mut response = Self::from(order);
        response.customer = Some(OrderCustomerResponse {
            user_id: order.customer.to_string(),
            name: customer.map(|c| c.name.as_str().to_owned()),
            email: customer.map(|c| c.email.as_str().to_owned()),
        });
        // An order of total zero has no payment.
        let is_paid = order.totals.total.amount_minor() > 0;
        response.payment.reference = order.payment.reference.clone().filter(|_| is_paid);
        response.payment.disputes = (1..).zip(&order.payment.disputes).map(DisputeResponse::from).collect();
        response
    }
}

impl From<&Contact> for ContactResponse {
    fn from(Contact { email, name, phone }: &Contact) -> Self {
        Self {
            email: email.as_str().to_owned(),
            name: name.as_ref().map(|name| name.as_str().to_owned()),
            phone: phone.as_ref().map(|phone| phone.as_str().to_owned()),
        }
    }
}

impl From<&Shipment> for ShipmentResponse {
    fn from(Shipment { carrier, tracking_number, tracking_url }: &Shipment) -> Self {
        Self {
            carrier: carrier.as_ref().map(|carrier| carrier.as_str().to_owned()),
            tracking_number: tracking_number.as_ref().map(|number| number.as_str().to_owned()),
            tracking_url: tracking_url.as_ref().map(|url| url.as_str().to_owned()),
        }
    }
}

impl From<(u32, &Dispute)> for DisputeResponse {
    fn from((number, dispute): (u32, &Dispute)) -> Self {
        let Dispute { id, amount, reason, state } = dispute.clone();
        Self { number, id: id.to_string(), amount: amount.into(), state: state.as_str(), reason }
    }
}

impl From<&Refund> for RefundResponse {
    fn from(refund: &Refund) -> Self {
        Self {
            number: refund.number,
            amount: refund.amount.into(),
            state: refund.state.as_str(),
            lines: refund.lines.iter().map(RefundLineResponse::from).collect(),
            reason: refund.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            made_by_hand: refund.by_hand.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&ReturnedLine> for RefundLineResponse {
    fn from(line: &ReturnedLine) -> Self {
        Self { product_id: line.product.to_string(), quantity: line.quantity.units(), restock: line.restock }
    }
}

/// One entry of an order's history as clients see it. Cancelling a paid order and requesting its refund are one step
/// here, but two entries for a reader.
fn happened(order: &Order, transition: &HistoryEntry) -> Vec<OrderEventResponse> {
    let step = OrderEventResponse::from(transition);
    let cancels = |n: u32| order.payment.refunds.iter().any(|refund| refund.number == n && refund.cancels);
    match transition.event {
        OrderEvent::RefundRequested(n) if cancels(n) => {
            let cancelled = OrderEventResponse { event: OrderEvent::Cancelled.as_str(), at: step.at.clone(), ..step };
            vec![cancelled, OrderEventResponse::from(transition)]
        }
        _ => vec![step],
    }
}

impl From<&HistoryEntry> for OrderEventResponse {
    fn from(HistoryEntry { event, at }: &HistoryEntry) -> Self {
        Self { event: event.as_str(), refund: event.refund(), dispute: event.dispute(), at: timestamp(*at) }
    }
}

impl From<&OrderLine> for OrderItemResponse {
    fn from(line: &OrderLine) -> Self {
        Self {
            product_id: line.product.to_string(),
            name: line.name.clone(),
            quantity: line.quantity.units(),
            unit_price: line.unit_price.into(),
            line_total: line.subtotal().into(),
        }
    }
}

impl From<&CustomerOrder> for OrderSummaryResponse {
    fn from(order: &CustomerOrder) -> Self {
        Self {
            order_id: order.id.to_string(),
            number: OrderNumber::from(order.id).to_string(),
            state: order.state.as_str(),
            placed_at: timestamp(order.id.placed_at()),
            total: order.total.into(),
            item_count: order.item_count,
        }
    }
}
