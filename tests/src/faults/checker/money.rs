//! Money: compares the payment provider's ledger with the orders.

use super::items::{Book, Order, World};

/// C3: an order is written before the provider is asked, so that every order in the provider's ledger is in the table.
pub fn without_order(world: &World<'_>) -> Vec<String> {
    let unknown = world.books.keys().filter(|order| !world.orders.contains_key(*order));
    unknown.map(|order| format!("the provider knows of order {order}")).collect()
}

/// P2: at most one capture an order, of the order's total in the order's currency.
pub fn charged_twice(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, order, book) in orders_with_books(world) {
        let captures = book.captured().count();
        if captures > 1 {
            found.push(format!("order {id} was charged {captures} times"));
        }
        let other = book.captured().filter(|e| (e.amount, e.currency.as_str()) != (order.total, order.currency));
        found.extend(
            other.map(|e| {
                format!("order {id} of {} {}: charged {} {}", order.total, order.currency, e.amount, e.currency)
            }),
        );
    }
    found
}

/// P2, P3: an order has money that was captured and not fully refunded only if it is confirmed and not cancelled, and
/// no order that costs something is confirmed without a capture.
pub fn not_confirmed(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, order) in &world.orders {
        let book = world.books.get(id);
        let kept = book.map_or(0, Book::kept);
        let captured = book.is_some_and(|book| book.captured().next().is_some());
        if captured && kept > 0 && !order.is_sold() {
            found.push(format!("order {id} is {}, and {kept} were taken for it", order.state));
        }
        if order.is_sold() && order.total > 0 && !captured {
            found.push(format!("order {id} is {}, and nothing was taken for it", order.state));
        }
    }
    found
}

/// P2, P3: for a cancelled order, the refunds in the provider's ledger equal the captures.
pub fn kept(world: &World<'_>) -> Vec<String> {
    let cancelled = orders_with_books(world).filter(|(_, order, book)| order.is_cancelled() && book.kept() != 0);
    cancelled.map(|(id, _, book)| format!("order {id} is cancelled, and {} were kept", book.kept())).collect()
}

/// P2: never more is refunded than was captured. The paid refunds of an order are those in the provider's ledger, by
/// number, or by id if they were made by hand.
pub fn refunds_differ(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, book) in &world.books {
        if book.kept() < 0 {
            found.push(format!("order {id}: {} more were refunded than taken", -book.kept()));
        }
    }
    for (id, order) in &world.orders {
        let paid = order.refunds.iter().filter(|refund| refund.state == "paid");
        let (by_hand, refunds): (Vec<_>, Vec<_>) = paid.partition(|refund| refund.by_hand.is_some());
        let mut by_hand: Vec<_> = by_hand.iter().map(|r| (r.by_hand.unwrap_or_default(), r.amount)).collect();
        let made = world.books.get(id).map(Book::refunded_by_hand).unwrap_or_default();
        let made: Vec<_> = made.into_iter().map(|(id, entry)| (id, entry.amount)).collect();
        by_hand.sort_unstable();
        if by_hand != made {
            found.push(format!("order {id} says {by_hand:?} were refunded by hand, the provider {made:?}"));
        }
        let refunds = refunds.into_iter();
        let mut recorded: Vec<_> = refunds.map(|refund| (refund.number, refund.amount, order.currency)).collect();
        let book = world.books.get(id).into_iter().flat_map(Book::refunded);
        let mut paid: Vec<_> = book.map(|(number, e)| (number, e.amount, e.currency.as_str())).collect();
        recorded.sort_unstable();
        paid.sort_unstable();
        if recorded != paid {
            found.push(format!("order {id} says {recorded:?} were refunded, the provider {paid:?}"));
        }
    }
    found
}

/// P2: an order has the disputes of the provider in their states, and no others.
pub fn disputes_differ(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, order) in &world.orders {
        let mut stored = order.disputes.clone();
        let of_order = world.evidence.disputes.iter().filter(|dispute| dispute.order == *id);
        let mut made: Vec<_> = of_order.map(|dispute| (dispute.id.as_str(), dispute.state)).collect();
        stored.sort_unstable();
        made.sort_unstable();
        if stored != made {
            found.push(format!("order {id} has disputes {stored:?}, the provider {made:?}"));
        }
    }
    found
}

/// P1: an order that was not paid is declined, expired or cancelled only if the provider has closed it. (A late charge
/// of a closed order is declined without a ledger line.)
pub fn not_asked(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, order) in &world.orders {
        let paid_at = order.history.iter().position(|event| event.name == "confirmed").unwrap_or(usize::MAX);
        let given_up = order.history.iter().enumerate().find(|(at, event)| match event.name {
            "declined" | "expired" | "replaced" | "not_chargeable" => true,
            "cancelled" => *at < paid_at,
            _ => false,
        });
        if let Some((_, event)) = given_up
            && !world.books.get(id).is_some_and(Book::said_no)
        {
            found.push(format!("order {id} is {}, and the provider never closed it", event.name));
        }
    }
    found
}

fn orders_with_books<'w, 'a>(world: &'w World<'a>) -> impl Iterator<Item = (&'a str, &'w Order<'a>, &'w Book<'a>)> {
    world.orders.iter().filter_map(|(id, order)| Some((*id, order, world.books.get(id)?)))
}
