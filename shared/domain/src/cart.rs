use std::collections::BTreeMap;

use crate::{Money, OrderId, ProductId, Quantity};

/// Lines a cart can hold. A checkout writes one stock item a line beside three records of its own, and one DynamoDB
/// transaction holds 100 actions; the rest is kept for what later has to be atomic with an order.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>
pub const MAX_LINES: usize = 90;

/// What a customer means to buy. One product is one line, whatever tab or device added it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cart {
    /// Counts changes; 0 is a cart that was never written.
    pub version: u64,
    pub lines: BTreeMap<ProductId, CartLine>,
    /// The order that emptied it last, so that a checkout repeated under another key finds it.
    pub placed: Option<OrderId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CartLine {
    pub quantity: Quantity,
    /// The price the customer saw when the line was last changed; what is charged is the price at checkout.
    pub price_seen: Money,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CartError {
    #[error("a cart holds at most {MAX_LINES} products")]
    Full,
    #[error("a line holds at most 9999 units")]
    QuantityOutOfRange,
}

impl Cart {
    /// The line after adding `quantity` of a product, whether or not the cart has it already.
    pub fn add(&self, product: &ProductId, quantity: Quantity, price: Money) -> Result<CartLine, CartError> {
        let held = match self.lines.get(product) {
            Some(line) => i64::from(line.quantity.units()),
            None if self.lines.len() >= MAX_LINES => return Err(CartError::Full),
            None => 0,
        };
        let quantity = Quantity::new(held + i64::from(quantity.units())).map_err(|_| CartError::QuantityOutOfRange)?;
        Ok(CartLine { quantity, price_seen: price })
    }

    /// The line after setting a product's quantity.
    pub fn set(&self, product: &ProductId, quantity: Quantity, price: Money) -> Result<CartLine, CartError> {
        if !self.lines.contains_key(product) && self.lines.len() >= MAX_LINES {
            return Err(CartError::Full);
        }
        Ok(CartLine { quantity, price_seen: price })
    }

    /// This customer's cart with a guest's lines added, for login. Nothing the customer had is lost: quantities add up
    /// to the most a line may hold, and new lines come in until the cart is full. Returns the lines left out.
    pub fn merge(&self, guest: &Cart) -> (BTreeMap<ProductId, CartLine>, Vec<ProductId>) {
        let mut lines = self.lines.clone();
        let mut left_out = Vec::new();
        for (product, theirs) in &guest.lines {
            let full = lines.len() >= MAX_LINES;
            match lines.get_mut(product) {
                Some(ours) => ours.quantity = ours.quantity.saturating_add(theirs.quantity),
                None if full => left_out.push(product.clone()),
                None => {
                    lines.insert(product.clone(), *theirs);
                }
            }
        }
        (lines, left_out)
    }
}

#[cfg(test)]
mod tests {
    use iso_currency::Currency;

    use super::*;

    fn line(units: i64) -> CartLine {
        let price_seen = Money::price(100, Currency::USD).unwrap();
        CartLine { quantity: Quantity::new(units).unwrap(), price_seen }
    }

    fn cart_of(count: usize) -> Cart {
        let lines = (0..count).map(|i| (format!("p{i}").parse().unwrap(), line(1))).collect();
        Cart { version: 1, lines, placed: None }
    }

    #[test]
    fn adding_a_product_twice_is_one_line() {
        let mug: ProductId = "mug".parse().unwrap();
        let cart = Cart { version: 1, lines: BTreeMap::from([(mug.clone(), line(2))]), placed: None };

        let added = cart.add(&mug, line(3).quantity, line(1).price_seen).unwrap();

        assert_eq!(added.quantity.units(), 5);
    }

    #[test]
    fn the_91st_product_is_refused_but_the_90_can_still_change() {
        let full = cart_of(MAX_LINES);
        let (new, held) = ("new".parse().unwrap(), "p1".parse().unwrap());

        assert_eq!(full.add(&new, line(1).quantity, line(1).price_seen), Err(CartError::Full));
        assert!(full.add(&held, line(1).quantity, line(1).price_seen).is_ok());
        assert_eq!(
            cart_of(1).add(&"p0".parse().unwrap(), line(9_999).quantity, line(1).price_seen),
            Err(CartError::QuantityOutOfRange)
        );
    }

    #[test]
    fn a_merge_never_loses_what_the_customer_had() {
        let ours = cart_of(MAX_LINES - 1);
        let guest = Cart {
            version: 3,
            lines: ["p1", "x1", "x2"].map(|id| (id.parse().unwrap(), line(9_999))).into_iter().collect(),
            placed: None,
        };

        let (merged, left_out) = ours.merge(&guest);

        assert_eq!(merged.len(), MAX_LINES);
        assert_eq!(merged[&"p1".parse().unwrap()].quantity, Quantity::MAX);
        assert_eq!(merged[&"x1".parse().unwrap()].quantity, Quantity::MAX);
        assert_eq!(left_out, ["x2".parse().unwrap()]);
        assert!(ours.lines.keys().all(|p| merged.contains_key(p)));
    }
}
