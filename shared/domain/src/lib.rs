//! The shop's domain, independent of where it runs: products, carts, orders, sessions, money and their rules.
//!
//! Pure on purpose: no clock, no randomness, no network, no storage. Callers pass in the time and fresh ids, so every
//! rule can be tested, model-checked and reused by any function.

mod account_link;
mod address;
mod by_hand;
mod cart;
mod category;
mod contact;
mod customer;
mod description;
mod dispute;
mod email;
mod hold;
mod ids;
mod invalid;
mod language;
mod money;
mod order;
mod order_number;
pub mod pricing;
mod product;
mod product_details;
mod reason;
mod refund;
mod review;
mod sale;
mod session;
mod shipment;
#[cfg(test)]
pub mod testing;
mod text;
mod transition;

// For the fixtures, whose file is part of two crates.
#[cfg(test)]
extern crate self as domain;

pub use account_link::{AccountAction, AccountLink, LinkRequestId};
pub use address::{Address, CountryCode, Phone};
pub use by_hand::RefundByHand;
pub use cart::{Cart, CartError, CartLine, CartRequest, MAX_LINES, MAX_REMEMBERED, PriceSeen, RequestCheck};
pub use category::{Category, CategoryRename, CategoryRenameId};
pub use contact::Contact;
pub use customer::{Customer, CustomerName, Password, Role};
pub use description::{escape, sanitise};
pub use dispute::{Dispute, DisputeState};
pub use email::Email;
pub use hold::HoldLength;
pub use ids::{
    AddressId, IdempotencyKey, Incarnation, OrderId, PaymentEventId, ProductId, ProviderId, SessionId, UserId,
};
pub use invalid::Invalid;
pub use iso_currency::Currency;
pub use jiff::Timestamp;
pub use language::Language;
pub use money::{MAX_PRICE_MINOR, Money, parse_currency};
pub use order::{
    CountedLimit, HistoryEntry, LineSale, Order, OrderEvent, OrderLine, OrderState, Payment, PaymentState, PlaceError,
    Placement,
};
pub use order_number::OrderNumber;
pub use product::{Attributes, CategoryPath, MAX_CATEGORY_DEPTH, Product, Quantity, StockDelta};
pub use product_details::*;
pub use reason::Reason;
pub use refund::{Refund, RefundError, RefundRequest, RefundState, ReturnedLine};
pub use review::{Rating, Review, ReviewText, Stars};
pub use sale::{
    DatedTerms, KnownLots, LotId, LotPlan, LotTake, LotsSeen, MAX_LOTS_OF_LINE, Offer, OpenSales, SALE_GRACE,
    SALE_LEAD, Sale, SaleChangeError, SaleId, SalePhase, SaleProgress, SaleRequest, SaleTerms,
};
pub use session::{SessionKind, SessionLifetime};
pub use shipment::{Carrier, Shipment, TrackingNumber, TrackingUrl};
pub use text::visible_text;
pub use transition::{CancelDecision, MAX_CHALLENGES, TransitionEffects, TransitionError, VoidReason};
