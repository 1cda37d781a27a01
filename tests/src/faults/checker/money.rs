//! Money: what the provider's book says against what the orders say.

use super::items::{Book, Order, World};

/// C3: the order is written before the provider is asked, so every order in the provider's book is in the table.
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

/// P2, P3: money that was taken and not wholly given back belongs to an order that goes on, and no order of more than
/// nothing goes on without.
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

/// P2, P3: the provider's book balances to nothing for a cancelled order.
pub fn kept(world: &World<'_>) -> Vec<String> {
    let cancelled = orders_with_books(world).filter(|(_, order, book)| order.is_cancelled() && book.kept() != 0);
    cancelled.map(|(id, _, book)| format!("order {id} is cancelled, and {} were kept", book.kept())).collect()
}

/// P2: never more goes back than was taken; the refunds an order calls paid are those in the provider's book, number by
/// number, and id by id where they were made by hand, in both directions.
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
            found.push(format!("order {id} says {by_hand:?} were given back by hand, the provider {made:?}"));
        }
        let refunds = refunds.into_iter();
        let mut told: Vec<_> = refunds.map(|refund| (refund.number, refund.amount, order.currency)).collect();
        let book = world.books.get(id).into_iter().flat_map(Book::refunded);
        let mut paid: Vec<_> = book.map(|(number, e)| (number, e.amount, e.currency.as_str())).collect();
        told.sort_unstable();
        paid.sort_unstable();
        if told != paid {
            found.push(format!("order {id} says {told:?} were paid back, the provider {paid:?}"));
        }
    }
    found
}

/// P2: a dispute is on its order, and stands there as at the provider; an order names no other.
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

/// P1: an order is given up as declined, expired or cancelled before it was paid only when the provider has refused its
/// charge or has closed it for good. (A closed order's late charge is declined without a line of its own.)
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
            found.push(format!("order {id} is {}, and the provider never said no", event.name));
        }
    }
    found
}

fn orders_with_books<'w, 'a>(world: &'w World<'a>) -> impl Iterator<Item = (&'a str, &'w Order<'a>, &'w Book<'a>)> {
    world.orders.iter().filter_map(|(id, order)| Some((*id, order, world.books.get(id)?)))
}
