//! Whatever is bought and however its price is adjusted: the lines add up to the total, and what comes back is what was
//! paid.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    Currency, Money, Order, OrderState, ProductId, Quantity, RefundError, RefundRequest, ReturnedLine, Timestamp,
    pricing::{Adjustment, AdjustmentKind, AppliesTo},
};
use proptest::{collection::vec, prelude::*, sample::select};
use testing::{OrderBuilder, order, product_priced};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;
/// With 2, 0 and 3 digits.
const CURRENCIES: [Currency; 3] = [Currency::USD, Currency::JPY, Currency::KWD];

#[derive(Debug, Clone)]
struct Bought {
    currency: Currency,
    /// Units, and the price of one.
    lines: Vec<(i64, i64)>,
    adjustments: Vec<Adjustment>,
}

fn id(line: usize) -> ProductId {
    format!("product-{line}").parse().unwrap()
}

fn bought() -> impl Strategy<Value = Bought> {
    let price = prop_oneof![1 => Just(0), 2 => 1..=9_i64, 4 => 1..=10_000_i64, 1 => Just(10_000_000_000)];
    let units = prop_oneof![6 => 1..=7_i64, 1 => Just(9_999)];
    let kind = select(vec![AdjustmentKind::Discount, AdjustmentKind::Shipping, AdjustmentKind::Tax]);
    let amount = prop_oneof![1 => Just(0), 2 => 1..=9_u64, 4 => 1..=30_000_u64, 1 => Just(1 << 53)];
    let applies_to = prop_oneof![
        2 => Just(AppliesTo::Order),
        1 => vec(0..7_usize, 0..=3).prop_map(|lines| AppliesTo::Products(lines.into_iter().map(id).collect())),
    ];
    let adjustment = (kind, amount, applies_to)
        .prop_map(|(kind, amount, applies_to)| Adjustment::new(kind, amount, applies_to).expect("within the limit"));
    (select(CURRENCIES.to_vec()), vec((units, price), 1..=6), vec(adjustment, 0..=4))
        .prop_map(|(currency, lines, adjustments)| Bought { currency, lines, adjustments })
}

fn place(bought: &Bought) -> Order {
    let mut placed = order();
    for (line, (units, minor)) in bought.lines.iter().enumerate() {
        let price = Money::price(*minor, bought.currency).unwrap();
        placed = placed.of(*units, product_priced(id(line).as_str(), "Mug", price));
    }
    bought.adjustments.iter().cloned().fold(placed, OrderBuilder::adjusted).place()
}

/// Takes units back in the order of `picks` until none are left, each time some of one line. Units that nothing was paid
/// for cannot be refunded alone, so they come back with the next.
fn returned(mut order: Order, picks: &[(usize, u32)]) -> Order {
    let mut left: Vec<u32> = order.lines.iter().map(|line| line.quantity.units()).collect();
    let mut pending: BTreeMap<ProductId, u32> = BTreeMap::new();
    let rest = (0..left.len()).map(|line| (line, u32::MAX));
    for (line, units) in picks.iter().copied().chain(rest) {
        let line = line % left.len();
        let units = units.min(left[line]);
        left[line] -= units;
        *pending.entry(order.lines[line].product.clone()).or_default() += units;
        let lines = pending.iter().filter(|(_, units)| **units > 0).map(|(product, units)| ReturnedLine {
            product: product.clone(),
            quantity: Quantity::new((*units).into()).unwrap(),
            restock: true,
        });
        let request = RefundRequest { lines: lines.collect(), ..RefundRequest::default() };
        if request.lines.is_empty() {
            continue;
        }
        match order.refund(&request, NOW) {
            Ok(moved) if moved.order.state == OrderState::Cancelled => return moved.order,
            Ok(moved) => {
                order = moved.order;
                pending.clear();
            }
            // What is left was free.
            Err(RefundError::NothingLeft) => return order,
            Err(RefundError::AmountInvalid) => {}
            Err(other) => panic!("{other}"),
        }
    }
    order
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn the_lines_add_up_to_the_total_in_every_currency(bought in bought()) {
        let order = place(&bought);

        let totals = order.totals;
        let minor = Money::amount_minor;
        let sum = |of: fn(&domain::OrderLine) -> Money| order.lines.iter().map(|line| minor(&of(line))).sum::<i64>();
        prop_assert_eq!(sum(domain::OrderLine::subtotal), minor(&totals.subtotal));
        prop_assert_eq!(sum(|line| line.allocated), minor(&totals.total));
        prop_assert!(order.lines.iter().all(|line| minor(&line.allocated) >= 0));
        let parts = minor(&totals.subtotal) - minor(&totals.discount) + minor(&totals.shipping) + minor(&totals.tax);
        prop_assert_eq!(parts, minor(&totals.total));
        let asked_for = |kind| {
            let applies = |adjustment: &&Adjustment| match adjustment.applies_to() {
                AppliesTo::Order => true,
                AppliesTo::Products(products) => order.lines.iter().any(|line| products.contains(&line.product)),
            };
            let of_kind = bought.adjustments.iter().filter(|adjustment| adjustment.kind() == kind).filter(applies);
            of_kind.map(|adjustment| i64::try_from(adjustment.amount_minor()).unwrap()).sum::<i64>()
        };
        prop_assert_eq!(minor(&totals.shipping), asked_for(AdjustmentKind::Shipping));
        prop_assert_eq!(minor(&totals.tax), asked_for(AdjustmentKind::Tax));
        prop_assert!(minor(&totals.discount) <= asked_for(AdjustmentKind::Discount));
        let amounts = [totals.subtotal, totals.discount, totals.shipping, totals.tax, totals.total];
        let currencies: BTreeSet<_> = amounts.iter().map(|amount| amount.currency().code()).collect();
        prop_assert_eq!(currencies, BTreeSet::from([bought.currency.code()]));
    }

    #[test]
    fn units_that_all_come_back_in_any_order_come_to_what_was_paid(
        bought in bought(),
        picks in vec((0..6_usize, 1..=4_u32), 0..=12),
        is_shipped in any::<bool>(),
    ) {
        let placed = place(&bought);
        let paid = placed.paid("pay_1", NOW).unwrap().order;
        let order = if is_shipped { paid.ship(NOW).unwrap().unwrap().order } else { paid };

        let order = returned(order, &picks);

        prop_assert_eq!(order.refundable().amount_minor(), 0);
        let refunds = order.payment.refunds.iter().map(|refund| refund.amount.amount_minor());
        prop_assert_eq!(refunds.sum::<i64>(), placed.totals.total.amount_minor());
        // All that was paid is back, so an order that was not shipped is cancelled.
        let cancelled = !is_shipped && placed.totals.total.amount_minor() > 0;
        prop_assert_eq!(order.state == OrderState::Cancelled, cancelled);
    }
}
