//! What an order costs: lines and adjustments in, totals and what is allocated to each line out.
//!
//! Every adjustment is split between the lines it applies to, in whole minor units. So the lines add up to the total, and
//! a refund of goods reads what was allocated to their line. A new rule (discount codes, shipping, tax) makes an
//! [`Adjustment`]; nothing here or in refunds changes for it.

use std::{cmp::Reverse, collections::BTreeSet};

use iso_currency::Currency;

use crate::{Money, ProductId, Quantity};

/// The largest amount of an adjustment, in minor units: more than any goods of an order cost. A thousand of them still add
/// up to less than [`Money`] can hold.
pub const MAX_ADJUSTMENT_MINOR: u64 = 1 << 53;

/// An amount that is added to the price of the goods, or taken off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    kind: AdjustmentKind,
    /// In the order's currency. The kind says whether it is added or taken off.
    amount_minor: u64,
    applies_to: AppliesTo,
}

impl Adjustment {
    /// `None` if the amount is more than [`MAX_ADJUSTMENT_MINOR`].
    pub fn new(kind: AdjustmentKind, amount_minor: u64, applies_to: AppliesTo) -> Option<Self> {
        (amount_minor <= MAX_ADJUSTMENT_MINOR).then_some(Self { kind, amount_minor, applies_to })
    }

    pub fn kind(&self) -> AdjustmentKind {
        self.kind
    }

    pub fn amount_minor(&self) -> u64 {
        self.amount_minor
    }

    pub fn applies_to(&self) -> &AppliesTo {
        &self.applies_to
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdjustmentKind {
    /// Taken off, down to zero: a discount is never more than the lines it applies to come to.
    Discount,
    Shipping,
    Tax,
}

/// The lines between which an adjustment is split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppliesTo {
    Order,
    /// The lines of these products. Where none of them is in the order, the adjustment is left out.
    Products(BTreeSet<ProductId>),
}

/// A line before adjustments.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    pub product: &'a ProductId,
    pub quantity: Quantity,
    pub unit_price: Money,
}

/// All in the order's one currency; `total = subtotal - discount + shipping + tax`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Totals {
    pub subtotal: Money,
    pub discount: Money,
    pub shipping: Money,
    pub tax: Money,
    pub total: Money,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pricing {
    pub totals: Totals,
    /// What the customer pays for each line, in the order of the lines: its units with their share of every adjustment.
    /// Never negative; the sum is `totals.total`.
    pub allocations: Vec<Money>,
}

/// Prices lines, which are all in `currency`. Adjustments count in the order given: each is split in proportion to what
/// its lines come to after those before it.
pub fn price(lines: &[Line<'_>], adjustments: &[Adjustment], currency: Currency) -> Pricing {
    let mut allocated: Vec<u64> = lines.iter().map(|line| minor(units_at(line.unit_price, line.quantity))).collect();
    let subtotal = allocated.iter().sum();
    let (mut discount, mut shipping, mut tax) = (0, 0, 0);
    for adjustment in adjustments {
        let shares = shares(adjustment, lines, &allocated);
        let (takes_off, of_kind) = match adjustment.kind {
            AdjustmentKind::Discount => (true, &mut discount),
            AdjustmentKind::Shipping => (false, &mut shipping),
            AdjustmentKind::Tax => (false, &mut tax),
        };
        *of_kind += shares.iter().sum::<u64>();
        for (allocated, share) in allocated.iter_mut().zip(shares) {
            *allocated = if takes_off { *allocated - share } else { *allocated + share };
        }
    }

    // No provider takes a total beyond i64.
    let money = |minor: u64| Money::amount(i64::try_from(minor).unwrap_or(i64::MAX), currency);
    let total = allocated.iter().sum();
    Pricing {
        totals: Totals {
            subtotal: money(subtotal),
            discount: money(discount),
            shipping: money(shipping),
            tax: money(tax),
            total: money(total),
        },
        allocations: allocated.into_iter().map(money).collect(),
    }
}

/// Units at a price, before adjustments.
pub fn units_at(unit_price: Money, quantity: Quantity) -> Money {
    Money::amount(unit_price.amount_minor() * i64::from(quantity.units()), unit_price.currency())
}

/// What goes back for `units` of a line of which `returned` came back before. It is the difference of two rounded sums,
/// so all units together come to what was allocated, however they are divided between refunds.
pub fn refund_of_units(allocated: Money, quantity: Quantity, returned: u32, units: u32) -> Money {
    let first = |n: u32| i128::from(allocated.amount_minor()) * i128::from(n) / i128::from(quantity.units());
    let amount = first(returned.saturating_add(units)) - first(returned);
    Money::amount(i64::try_from(amount).unwrap_or(i64::MAX), allocated.currency())
}

/// The share of each line in an adjustment, from what the lines come to so far.
fn shares(adjustment: &Adjustment, lines: &[Line<'_>], allocated: &[u64]) -> Vec<u64> {
    let is_for = |line: &Line<'_>| match &adjustment.applies_to {
        AppliesTo::Order => true,
        AppliesTo::Products(products) => products.contains(line.product),
    };
    let lines = || lines.iter().zip(allocated);
    let by_amount: Vec<u64> = lines().map(|(line, amount)| if is_for(line) { *amount } else { 0 }).collect();
    let amount: u64 = by_amount.iter().sum();
    match adjustment.kind {
        AdjustmentKind::Discount => split(adjustment.amount_minor.min(amount), &by_amount),
        AdjustmentKind::Shipping | AdjustmentKind::Tax if amount > 0 => split(adjustment.amount_minor, &by_amount),
        // Goods that are free are shipped all the same: each unit has the same share.
        AdjustmentKind::Shipping | AdjustmentKind::Tax => {
            let units = |line: &Line<'_>| if is_for(line) { u64::from(line.quantity.units()) } else { 0 };
            split(adjustment.amount_minor, &lines().map(|(line, _)| units(line)).collect::<Vec<_>>())
        }
    }
}

/// Splits an amount in proportion to weights, by [largest remainder](https://en.wikipedia.org/wiki/Largest_remainder_method):
/// whole minor units first, then one more for each of the largest fractions, the first of equal ones first. No share is
/// larger than its weight unless the amount is larger than all weights. Without any weight there are no shares.
fn split(amount: u64, weights: &[u64]) -> Vec<u64> {
    let all: u128 = weights.iter().copied().map(u128::from).sum();
    if all == 0 {
        return vec![0; weights.len()];
    }
    let exact = |weight: u64| u128::from(amount) * u128::from(weight);
    let whole = |weight: &u64| u64::try_from(exact(*weight) / all).unwrap_or(amount);
    let mut shares: Vec<u64> = weights.iter().map(whole).collect();
    let left = amount - shares.iter().sum::<u64>();
    let mut by_fraction: Vec<usize> = (0..weights.len()).collect();
    by_fraction.sort_by_key(|at| Reverse(exact(weights[*at]) % all));
    for at in by_fraction.into_iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
        shares[at] += 1;
    }
    shares
}

/// A price is never negative.
fn minor(amount: Money) -> u64 {
    u64::try_from(amount.amount_minor()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn usd(cents: i64) -> Money {
        Money::amount(cents, Currency::USD)
    }

    fn id(raw: &str) -> ProductId {
        raw.parse().unwrap()
    }

    fn adjustment(kind: AdjustmentKind, amount_minor: u64) -> Adjustment {
        Adjustment { kind, amount_minor, applies_to: AppliesTo::Order }
    }

    fn of_product(product: &str, adjustment: Adjustment) -> Adjustment {
        Adjustment { applies_to: AppliesTo::Products(BTreeSet::from([id(product)])), ..adjustment }
    }

    /// Three mugs at 8.99 and one pan at 46.00.
    fn priced(adjustments: &[Adjustment]) -> Pricing {
        let (mug, pan) = (id("mug"), id("pan"));
        let line =
            |product, units, cents| Line { product, quantity: Quantity::new(units).unwrap(), unit_price: usd(cents) };
        price(&[line(&mug, 3, 899), line(&pan, 1, 4_600)], adjustments, Currency::USD)
    }

    #[test]
    fn without_adjustments_a_line_comes_to_its_units_at_their_price() {
        let Pricing { totals, allocations } = priced(&[]);

        assert_eq!(allocations, [usd(2_697), usd(4_600)]);
        assert_eq!((totals.subtotal, totals.total), (usd(7_297), usd(7_297)));
        assert_eq!([totals.discount, totals.shipping, totals.tax], [usd(0); 3]);
    }

    #[test]
    fn the_largest_fraction_gets_the_cent_that_is_left() {
        let discounted = priced(&[adjustment(AdjustmentKind::Discount, 1_000)]);

        // 369.60 and 630.40 cents are taken off.
        assert_eq!(discounted.allocations, [usd(2_327), usd(3_970)]);
        assert_eq!((discounted.totals.discount, discounted.totals.total), (usd(1_000), usd(6_297)));
        assert_eq!(split(100, &[1, 1, 1]), [34, 33, 33]);
        assert_eq!(split(2, &[1, 1, 1]), [1, 1, 0]);
        assert_eq!(split(5, &[0, 0]), [0, 0]);
    }

    #[test]
    fn an_adjustment_of_some_products_leaves_the_others_alone() {
        let discount = of_product("mug", adjustment(AdjustmentKind::Discount, 697));
        let of_no_line = of_product("cup", adjustment(AdjustmentKind::Tax, 50));

        let Pricing { totals, allocations } = priced(&[discount, of_no_line]);

        assert_eq!(allocations, [usd(2_000), usd(4_600)]);
        assert_eq!((totals.discount, totals.tax, totals.total), (usd(697), usd(0), usd(6_600)));
    }

    #[test]
    fn a_discount_takes_off_what_its_lines_come_to_and_no_more() {
        let all_mugs = of_product("mug", adjustment(AdjustmentKind::Discount, 3_000));
        let all = adjustment(AdjustmentKind::Discount, MAX_ADJUSTMENT_MINOR);

        assert_eq!(priced(std::slice::from_ref(&all_mugs)).allocations, [usd(0), usd(4_600)]);
        let free = priced(&[all_mugs, all]).totals;
        assert_eq!((free.discount, free.total), (usd(7_297), usd(0)));
    }

    #[test]
    fn an_adjustment_beyond_any_order_is_refused() {
        let shipping = |amount| Adjustment::new(AdjustmentKind::Shipping, amount, AppliesTo::Order);

        assert!(shipping(MAX_ADJUSTMENT_MINOR).is_some());
        assert_eq!(shipping(MAX_ADJUSTMENT_MINOR + 1), None);
        let thousand = vec![shipping(MAX_ADJUSTMENT_MINOR).unwrap(); 1_000];
        let Pricing { totals, allocations } = priced(&thousand);
        assert_eq!(allocations.iter().map(|a| a.amount_minor()).sum::<i64>(), totals.total.amount_minor());
    }

    #[test]
    fn each_adjustment_is_split_by_what_those_before_it_left() {
        let half_off = of_product("pan", adjustment(AdjustmentKind::Discount, 1_903));
        let shipping = adjustment(AdjustmentKind::Shipping, 600);

        let Pricing { totals, allocations } = priced(&[half_off, shipping]);

        assert_eq!(allocations, [usd(2_997), usd(2_997)]);
        assert_eq!((totals.shipping, totals.total), (usd(600), usd(5_994)));
    }

    #[test]
    fn shipping_of_free_goods_is_split_by_units() {
        let free = adjustment(AdjustmentKind::Discount, 7_297);

        let shipped = priced(&[free, adjustment(AdjustmentKind::Shipping, 499)]);

        assert_eq!(shipped.allocations, [usd(374), usd(125)]);
    }

    #[test]
    fn units_that_come_back_one_by_one_come_to_what_was_paid() {
        let units = Quantity::new(3).unwrap();

        let one_by_one = [0, 1, 2].map(|returned| refund_of_units(usd(100), units, returned, 1));

        assert_eq!(one_by_one, [usd(33), usd(33), usd(34)]);
        assert_eq!(refund_of_units(usd(100), units, 0, 3), usd(100));
    }

    proptest! {
        #[test]
        fn shares_come_to_the_amount_and_are_less_than_a_minor_unit_off(
            amount in 0..1_u64 << 53,
            weights in vec(prop_oneof![Just(0), 1..9_u64, 1..1_u64 << 47], 1..90),
        ) {
            let shares = split(amount, &weights);

            let all: u128 = weights.iter().copied().map(u128::from).sum();
            prop_assert_eq!(shares.iter().sum::<u64>(), if all == 0 { 0 } else { amount });
            for (share, weight) in shares.into_iter().zip(weights) {
                let exact = u128::from(amount) * u128::from(weight);
                prop_assert!((u128::from(share) * all).abs_diff(exact) < all.max(1));
                prop_assert!(share <= weight || u128::from(amount) > all);
            }
        }
    }
}
