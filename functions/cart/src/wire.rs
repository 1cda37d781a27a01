use std::sync::Arc;

use api::{
    schema,
    wire::{Money, SaleOfferResponse},
};
use domain::{Cart, Currency, Offer, OpenSales, ProductId, Quantity, Timestamp, pricing};
use serde::{Deserialize, Serialize};
use table::ProductPage;
use utoipa::ToSchema;

#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddItemRequest {
    #[schema(value_type = schema::ProductId, example = "mug-blue")]
    pub product_id: String,
    /// 1 to 9,999.
    #[schema(value_type = schema::Units, example = 1)]
    pub quantity: i64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetQuantityRequest {
    /// 1 to 9,999; 0 removes the line.
    #[schema(value_type = schema::UnitsOrNone, example = 2)]
    pub quantity: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CartResponse {
    /// The number of changes; also the ETag.
    pub version: u64,
    pub items: Vec<CartItemResponse>,
    /// Units of a guest's cart at login, or of an order that was given up, for which there was no room in the cart: a
    /// line has at most 9,999 units, and a cart 90 lines. Kept until the cart is bought or emptied.
    pub left_out: Vec<LeftOutResponse>,
    /// The sum of the lines that can be bought in the shop's currency, at current prices.
    pub subtotal: Money,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeftOutResponse {
    #[schema(value_type = schema::ProductId)]
    pub product_id: String,
    pub quantity: u32,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CartItemResponse {
    #[schema(value_type = schema::ProductId)]
    pub product_id: String,
    pub name: String,
    pub quantity: u32,
    /// The current price, which checkout charges.
    pub unit_price: Money,
    /// The price of one unit when the line was last changed: what the customer saw.
    pub price_when_added: Money,
    /// Whether the current price differs from the one that the customer saw.
    pub price_changed: bool,
    pub line_total: Money,
    /// Units in stock; also 0 for a product that is no longer sold. In a sale, which keeps no exact count, all units of the
    /// sale until it is sold out.
    pub available: i64,
    /// The sale that `unitPrice` is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = SaleOfferResponse, required = false)]
    pub sale: Option<SaleOfferResponse>,
    /// `available`; `short` if fewer units are in stock than the line has; `sold_out`; `not_sold` if the product no
    /// longer exists; `over_limit` if the line has more units than the sale allows each customer; or `currency_mismatch`
    /// if its price is no longer in the shop's currency. Checkout refuses a cart with any line that is not `available`.
    #[schema(value_type = schema::CartLineStatus, example = "available")]
    pub status: &'static str,
}

impl CartResponse {
    /// `products` are the cart's products that are still sold.
    pub fn new(
        cart: &Cart,
        products: &[Arc<ProductPage>],
        sales: &OpenSales,
        currency: Currency,
        now: Timestamp,
    ) -> Self {
        let mut priced = Vec::new();
        let items = cart
            .lines
            .iter()
            .map(|(id, line)| {
                let page = products.iter().find(|p| p.record.product.id == *id).map(AsRef::as_ref);
                let offer = sales.offer(id, now).filter(|_| page.is_some());
                let regular = page.map_or(line.price_seen, |p| p.record.product.details.price);
                let price = offer.map_or(regular, |offer| offer.terms.price);
                if page.is_some() && price.currency() == currency {
                    priced.push(pricing::Line { product: id, quantity: line.quantity, unit_price: price });
                }
                let available = match (page, offer) {
                    (_, Some(Offer { sale, .. })) => {
                        if sale.sold_out {
                            0
                        } else {
                            sale.units.into()
                        }
                    }
                    (page, None) => page.map_or(0, |p| p.available),
                };
                let limit = offer.and_then(|offer| offer.terms.limit);
                CartItemResponse {
                    product_id: id.to_string(),
                    name: page.map_or_else(|| id.to_string(), |p| p.record.product.details.name.as_str().to_owned()),
                    quantity: line.quantity.units(),
                    unit_price: price.into(),
                    price_when_added: line.price_seen.into(),
                    price_changed: price != line.price_seen,
                    line_total: pricing::units_at(price, line.quantity).into(),
                    available,
                    sale: offer.map(SaleOfferResponse::from),
                    status: match page {
                        None => "not_sold",
                        Some(_) if price.currency() != currency => "currency_mismatch",
                        Some(_) if available <= 0 => "sold_out",
                        Some(_) if available < i64::from(line.quantity.units()) => "short",
                        Some(_) if limit.is_some_and(|limit| line.quantity > limit) => "over_limit",
                        Some(_) => "available",
                    },
                }
            })
            .collect();
        let left_out = |(id, units): (&ProductId, &Quantity)| LeftOutResponse {
            product_id: id.to_string(),
            quantity: units.units(),
        };
        let left_out = cart.left_out.iter().map(left_out).collect();
        let subtotal = pricing::price(&priced, &[], currency).totals.subtotal.into();
        Self { version: cart.version, items, left_out, subtotal }
    }
}

pub fn ids(cart: &Cart) -> Vec<ProductId> {
    cart.lines.keys().cloned().collect()
}
