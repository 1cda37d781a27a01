use std::collections::BTreeMap;

use crate::{Invalid, Money, OrderId, ProductId, Quantity, SaleId};

/// Lines a cart can hold. A checkout writes one stock item for each line and three other items, and a DynamoDB
/// transaction holds 100 actions; the rest is reserved for what later has to be atomic with an order.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html>
pub const MAX_LINES: usize = 90;

/// Requests with an idempotency key that a cart remembers: as many as a customer with a bad connection may have in
/// flight.
pub const MAX_REMEMBERED: usize = 8;

/// What a customer intends to buy. One product is one line, whichever tab or device added it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cart {
    /// The number of changes; 0 is a cart that was never written.
    pub version: u64,
    pub lines: BTreeMap<ProductId, CartLine>,
    /// The order that last emptied it, so that a checkout repeated under another key finds it.
    pub placed: Option<OrderId>,
    /// Units of a merged cart or of a cancelled order for which there was no room. Shown until the cart is bought or
    /// emptied.
    pub left_out: BTreeMap<ProductId, Quantity>,
    /// The last requests with an idempotency key, oldest first, so that a retry adds nothing twice.
    pub remembered: Vec<CartRequest>,
}

/// A request that changed a cart: 48 bits of the SHA-256 of its key and 32 bits of that of its content, in hexadecimal
/// and shortened because the cart is one small item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CartRequest(String);

impl CartRequest {
    const KEY_DIGITS: usize = 12;
    const PAYLOAD_DIGITS: usize = 8;

    /// From two SHA-256 digests in hexadecimal.
    pub fn of_digests(key: &str, payload: &str) -> Self {
        let key = key.chars().take(Self::KEY_DIGITS);
        Self(key.chain(payload.chars().take(Self::PAYLOAD_DIGITS)).collect())
    }

    /// Reads a stored one.
    pub fn parse(stored: &str) -> Result<Self, Invalid> {
        let whole = stored.len() == Self::KEY_DIGITS + Self::PAYLOAD_DIGITS;
        if whole && stored.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(stored.to_owned()));
        }
        Err(Invalid::new("request", "corrupt", "must be 20 hexadecimal digits"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn has_key_of(&self, other: &Self) -> bool {
        self.0.get(..Self::KEY_DIGITS) == other.0.get(..Self::KEY_DIGITS)
    }
}

/// What a cart knows about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestCheck {
    /// Nothing: it was not carried out, or so long ago that newer requests replaced it.
    New,
    Repeated,
    /// Its key was used for another request.
    KeyReused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CartLine {
    pub quantity: Quantity,
    /// The price the customer saw when the line was last changed; what is charged is the price at checkout.
    pub price_seen: Money,
    /// The sale of the product that was active or announced when the line was last changed. If it is over at the checkout,
    /// the customer is asked again instead of charged the other price.
    pub sale: Option<SaleId>,
}

/// The price of a product when it is put into a cart, and the sale that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PriceSeen {
    pub price: Money,
    pub sale: Option<SaleId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CartError {
    #[error("a cart has at most {MAX_LINES} products")]
    Full,
    #[error("a line has at most 9999 units")]
    QuantityOutOfRange,
}

impl Cart {
    /// The line after adding `quantity` of a product, whether or not the cart has it already.
    pub fn add(&self, product: &ProductId, quantity: Quantity, seen: PriceSeen) -> Result<CartLine, CartError> {
        let held = match self.lines.get(product) {
            Some(line) => i64::from(line.quantity.units()),
            None if self.lines.len() >= MAX_LINES => return Err(CartError::Full),
            None => 0,
        };
        let quantity = Quantity::new(held + i64::from(quantity.units())).map_err(|_| CartError::QuantityOutOfRange)?;
        Ok(CartLine { quantity, price_seen: seen.price, sale: seen.sale })
    }

    /// The line after setting a product's quantity.
    pub fn set(&self, product: &ProductId, quantity: Quantity, seen: PriceSeen) -> Result<CartLine, CartError> {
        if !self.lines.contains_key(product) && self.lines.len() >= MAX_LINES {
            return Err(CartError::Full);
        }
        Ok(CartLine { quantity, price_seen: seen.price, sale: seen.sale })
    }

    /// This cart with other lines added: those of a guest's cart at login, or of an order that was given up. Nothing
    /// that was in it is lost: quantities add up to at most the maximum of a line, and new lines are added until the
    /// cart is full. What does not fit is left out, and remembered.
    #[must_use]
    pub fn merge(&self, added: &BTreeMap<ProductId, CartLine>) -> Cart {
        let mut cart = self.clone();
        for (product, theirs) in added {
            let full = cart.lines.len() >= MAX_LINES;
            let left_out = match cart.lines.get_mut(product) {
                Some(ours) => {
                    let units = ours.quantity.units() + theirs.quantity.units();
                    ours.quantity = ours.quantity.saturating_add(theirs.quantity);
                    Quantity::new(i64::from(units) - i64::from(ours.quantity.units())).ok()
                }
                None if full => Some(theirs.quantity),
                None => {
                    cart.lines.insert(product.clone(), *theirs);
                    None
                }
            };
            cart.leave_out(product, left_out);
        }
        cart
    }

    /// This cart with another one added, as by [`Cart::merge`], including what that one left out before, the requests that
    /// it remembers, which may be retried on this cart, and the order that emptied it, which may still be paid.
    #[must_use]
    pub fn merge_cart(&self, other: &Cart) -> Cart {
        let mut cart = self.merge(&other.lines);
        for (product, units) in &other.left_out {
            cart.leave_out(product, Some(*units));
        }
        cart.remembered.extend(other.remembered.iter().cloned());
        let surplus = cart.remembered.len().saturating_sub(MAX_REMEMBERED);
        cart.remembered.drain(..surplus);
        cart.placed = cart.placed.max(other.placed);
        cart
    }

    pub fn check_request(&self, request: &CartRequest) -> RequestCheck {
        match self.remembered.iter().find(|earlier| earlier.has_key_of(request)) {
            None => RequestCheck::New,
            Some(earlier) if earlier == request => RequestCheck::Repeated,
            Some(_) => RequestCheck::KeyReused,
        }
    }

    /// Of these lines, the units that this cart does not have.
    pub fn missing_units(&self, lines: &BTreeMap<ProductId, CartLine>) -> BTreeMap<ProductId, CartLine> {
        less(lines, &self.lines)
    }

    /// What stays in the cart when these lines are bought. `None` if it does not have all of them.
    pub fn without(&self, bought: &BTreeMap<ProductId, CartLine>) -> Option<BTreeMap<ProductId, CartLine>> {
        self.missing_units(bought).is_empty().then(|| less(&self.lines, bought))
    }

    /// At most as many products as a cart has lines, so that the item stays small.
    fn leave_out(&mut self, product: &ProductId, units: Option<Quantity>) {
        let Some(units) = units else { return };
        let full = self.left_out.len() >= MAX_LINES;
        match self.left_out.get_mut(product) {
            Some(before) => *before = before.saturating_add(units),
            None if full => {}
            None => {
                self.left_out.insert(product.clone(), units);
            }
        }
    }
}

/// What `lines` has more than `others`.
fn less(
    lines: &BTreeMap<ProductId, CartLine>,
    others: &BTreeMap<ProductId, CartLine>,
) -> BTreeMap<ProductId, CartLine> {
    let beyond = |(product, line): (&ProductId, &CartLine)| {
        let there = others.get(product).map_or(0, |other| other.quantity.units());
        let quantity = Quantity::new(i64::from(line.quantity.units()) - i64::from(there)).ok()?;
        Some((product.clone(), CartLine { quantity, ..*line }))
    };
    lines.iter().filter_map(beyond).collect()
}

#[cfg(test)]
mod tests {
    use iso_currency::Currency;
    use proptest::prelude::*;

    use super::*;

    fn line(units: i64) -> CartLine {
        let price_seen = Money::price(100, Currency::USD).unwrap();
        CartLine { quantity: Quantity::new(units).unwrap(), price_seen, sale: None }
    }

    fn seen() -> PriceSeen {
        PriceSeen { price: line(1).price_seen, sale: None }
    }

    fn cart_of(count: usize) -> Cart {
        let lines = (0..count).map(|i| (format!("p{i}").parse().unwrap(), line(1))).collect();
        Cart { version: 1, lines, ..Cart::default() }
    }

    #[test]
    fn a_cart_knows_what_it_lacks_and_what_stays_in_it() {
        let cart = |lines: &[(&str, i64)]| {
            let lines = lines.iter().map(|(id, units)| (id.parse().unwrap(), line(*units))).collect();
            Cart { version: 1, lines, ..Cart::default() }
        };
        let (ours, theirs) = (cart(&[("mug", 2), ("cup", 1)]), cart(&[("mug", 3), ("pan", 1)]));

        assert_eq!(ours.missing_units(&theirs.lines), cart(&[("mug", 1), ("pan", 1)]).lines);
        assert_eq!(ours.without(&theirs.lines), None);
        assert_eq!(ours.without(&cart(&[("mug", 1)]).lines), Some(cart(&[("cup", 1), ("mug", 1)]).lines));
        assert_eq!(ours.without(&ours.lines), Some(BTreeMap::new()));
    }

    #[test]
    fn what_a_guests_cart_left_out_is_still_shown_after_a_login() {
        let mug: ProductId = "mug".parse().unwrap();
        let guest = Cart { left_out: BTreeMap::from([(mug.clone(), line(2).quantity)]), ..cart_of(1) };
        let ours = Cart { left_out: BTreeMap::from([(mug.clone(), line(3).quantity)]), ..Cart::default() };

        let merged = ours.merge_cart(&guest);

        assert_eq!((merged.lines.len(), merged.left_out), (1, BTreeMap::from([(mug, line(5).quantity)])));
    }

    #[test]
    fn a_cart_distinguishes_a_retry_from_a_reused_key() {
        let request = |key: &str, payload: &str| CartRequest::of_digests(&key.repeat(64), &payload.repeat(64));
        let cart = Cart { remembered: vec![request("a", "1")], ..cart_of(1) };

        assert_eq!(cart.check_request(&request("a", "1")), RequestCheck::Repeated);
        assert_eq!(cart.check_request(&request("a", "2")), RequestCheck::KeyReused);
        assert_eq!(cart.check_request(&request("b", "1")), RequestCheck::New);
        assert_eq!(CartRequest::parse(request("a", "1").as_str()), Ok(request("a", "1")));
        assert!(CartRequest::parse("aaaa").is_err() && CartRequest::parse(&"ä".repeat(10)).is_err());
    }

    #[test]
    fn a_merge_remembers_the_requests_of_both_carts_and_the_newest_of_them_longest() {
        let requests = |keys: std::ops::Range<u8>| -> Vec<CartRequest> {
            keys.map(|key| CartRequest::of_digests(&format!("{key:02x}").repeat(32), &"0".repeat(64))).collect()
        };
        let ours = Cart { remembered: requests(0..6), ..cart_of(1) };
        let guest = Cart { remembered: requests(6..10), ..cart_of(2) };

        assert_eq!(ours.merge_cart(&guest).remembered, requests(2..10));
        assert_eq!(ours.merge(&guest.lines).remembered, ours.remembered);
    }

    #[test]
    fn a_merge_keeps_the_later_of_the_orders_that_emptied_the_carts() {
        let placed = |id: u128| Some(OrderId::try_from(uuid::Uuid::from_u128(id | 7 << 76 | 2 << 62)).unwrap());
        let cart = |placed| Cart { placed, ..cart_of(1) };

        for (ours, guest, kept) in [(None, 1, 1), (Some(1), 2, 2), (Some(2), 1, 2)] {
            let merged = cart(ours.and_then(placed)).merge_cart(&cart(placed(guest)));
            assert_eq!(merged.placed, placed(kept));
        }
    }

    #[test]
    fn adding_a_product_twice_is_one_line() {
        let mug: ProductId = "mug".parse().unwrap();
        let cart = Cart { version: 1, lines: BTreeMap::from([(mug.clone(), line(2))]), ..Cart::default() };

        let added = cart.add(&mug, line(3).quantity, seen()).unwrap();

        assert_eq!(added.quantity.units(), 5);
    }

    #[test]
    fn the_91st_product_is_refused_but_the_90_can_still_change() {
        let full = cart_of(MAX_LINES);
        let (new, held) = ("new".parse().unwrap(), "p1".parse().unwrap());

        assert_eq!(full.add(&new, line(1).quantity, seen()), Err(CartError::Full));
        assert!(full.add(&held, line(1).quantity, seen()).is_ok());
        assert_eq!(
            cart_of(1).add(&"p0".parse().unwrap(), line(9_999).quantity, seen()),
            Err(CartError::QuantityOutOfRange)
        );
    }

    #[test]
    fn a_merge_never_loses_what_the_customer_had() {
        let ours = cart_of(MAX_LINES - 1);
        let guest = ["p1", "x1", "x2"].map(|id| (id.parse().unwrap(), line(9_999))).into_iter().collect();

        let merged = ours.merge(&guest);

        assert_eq!(merged.lines.len(), MAX_LINES);
        assert_eq!(merged.lines[&"p1".parse().unwrap()].quantity, Quantity::MAX);
        assert_eq!(merged.lines[&"x1".parse().unwrap()].quantity, Quantity::MAX);
        let left_out = [("p1".parse().unwrap(), line(1).quantity), ("x2".parse().unwrap(), Quantity::MAX)];
        assert_eq!(merged.left_out, BTreeMap::from(left_out));
        assert!(ours.lines.keys().all(|p| merged.lines.contains_key(p)));
    }

    proptest! {
        #[test]
        fn every_unit_of_a_merge_is_in_the_cart_or_left_out(
            ours in prop::collection::btree_map(0u32..100, 1i64..=9_999, 0..=MAX_LINES),
            added in prop::collection::btree_map(0u32..100, 1i64..=9_999, 0..=MAX_LINES),
        ) {
            let lines = |of: &BTreeMap<u32, i64>| -> BTreeMap<ProductId, CartLine> {
                of.iter().map(|(id, units)| (format!("p{id}").parse().unwrap(), line(*units))).collect()
            };
            let cart = Cart { version: 1, lines: lines(&ours), ..Cart::default() };

            let merged = cart.merge(&lines(&added));

            let mut units = BTreeMap::<ProductId, i64>::new();
            for (id, count) in ours.iter().chain(&added) {
                *units.entry(format!("p{id}").parse().unwrap()).or_default() += count;
            }
            let mut found = BTreeMap::<ProductId, i64>::new();
            let in_cart = merged.lines.iter().map(|(id, line)| (id, line.quantity));
            for (id, quantity) in in_cart.chain(merged.left_out.iter().map(|(id, units)| (id, *units))) {
                *found.entry(id.clone()).or_default() += i64::from(quantity.units());
            }
            prop_assert_eq!(found, units);
            prop_assert!(merged.lines.len() <= MAX_LINES);
        }
    }
}
