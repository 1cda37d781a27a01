//! What must hold in every state, and states that must be reached for that to mean anything.

use domain::{Order, OrderEvent, OrderState, PaymentState, RefundState};

use super::{
    Configuration, World,
    actors::{Actor, Errand, Step},
    world::{BOUGHT, STOCK},
};

type Condition = fn(&Configuration, &World) -> bool;

pub const ALWAYS: [(&str, Condition); 8] = [
    ("S1", no_unit_is_lost_or_sold_twice),
    ("S2", stock_and_cart_return_once),
    ("P1", nothing_is_released_unasked),
    ("P2", what_was_captured_is_accounted_for),
    ("P3", late_money_is_owed_back),
    ("P4", news_heard_again_changes_nothing),
    ("money", no_more_goes_back_than_was_taken),
    ("nothing is stuck", everything_heals),
];

pub const REACHED: [(&str, Condition); 11] = [
    ("confirmed", |_, w| w.store.order.state == OrderState::Confirmed),
    ("shipped", |_, w| w.store.order.state == OrderState::Shipped),
    ("declined", |_, w| w.store.order.payment.state == PaymentState::Declined),
    ("expired", |_, w| w.store.order.last_event() == OrderEvent::Expired),
    ("cancelled unpaid", |_, w| w.store.order.last_event() == OrderEvent::Cancelled),
    ("cancelled paid", |_, w| is_cancelled(w) && w.store.units_back == BOUGHT && w.store.carts_back == 0),
    ("late money owed", |_, w| came_late(&w.store.order) && w.store.order.refund_owed().is_some()),
    ("late money back", |_, w| came_late(&w.store.order) && w.store.order.refunded() == w.store.order.totals.total),
    ("two refunds", |_, w| is_cancelled(w) && w.provider.refunds.len() == 2),
    ("owed and nobody at it", |_, w| w.store.order.refund_owed().is_some() && nobody_is_at_it(w)),
    ("a write comes too late", |_, w| {
        let late = |step: &Step| matches!(step, Step::Writes(_, read) if read.version < w.store.order.version);
        w.actors.iter().any(|actor| late(&actor.step))
    }),
];

fn no_unit_is_lost_or_sold_twice(_: &Configuration, world: &World) -> bool {
    world.store.available + world.store.held_or_sold() == STOCK
}

/// And nothing returns that is on its way to the customer.
fn stock_and_cart_return_once(_: &Configuration, world: &World) -> bool {
    let was_shipped = world.store.order.history.iter().any(|t| t.event == OrderEvent::Shipped);
    world.store.units_back <= BOUGHT && world.store.carts_back <= 1 && !(was_shipped && is_cancelled(world))
}

fn nothing_is_released_unasked(_: &Configuration, world: &World) -> bool {
    !world.released_unasked
}

/// What was taken once belongs to a confirmed order, or goes back; or the order is still to hear of it, from whoever
/// settles it. Of what was taken after all it hears from the webhook.
fn what_was_captured_is_accounted_for(_: &Configuration, world: &World) -> bool {
    let (order, provider) = (&world.store.order, &world.provider);
    let heard = order.payment.state == PaymentState::Captured;
    let after_all = provider.closed && provider.breaks_its_word;
    let will_hear = order.state.awaits_payment() && order.due_at.is_some() || after_all && !provider.acknowledged;
    let counted = if heard { !is_cancelled(world) || goes_back(order) == world.total() } else { will_hear };
    provider.captures <= 1 && (provider.captures == 0 || counted && (!provider.closed || after_all))
}

fn late_money_is_owed_back(_: &Configuration, world: &World) -> bool {
    !(world.told && is_cancelled(world)) || goes_back(&world.store.order) == world.taken()
}

/// Nor does late news open again what was settled.
fn news_heard_again_changes_nothing(model: &Configuration, world: &World) -> bool {
    let order = &world.store.order;
    let settles = |event| !matches!(event, OrderEvent::Placed | OrderEvent::PaymentLost);
    let opened_again = order.state.awaits_payment() && order.history.iter().any(|t| settles(t.event));
    let again = |news: Errand| news.moves(order, model).and_then(|moved| news.moves(&moved.order, model));
    let entries = u64::try_from(order.history.len()).ok();
    !opened_again && entries == Some(order.version) && Errand::UPDATES.into_iter().all(|news| again(news).is_none())
}

fn no_more_goes_back_than_was_taken(_: &Configuration, world: &World) -> bool {
    let (said, done) = (world.store.order.refunded().amount_minor(), world.provider.refunded());
    said <= done && done <= world.taken() && goes_back(&world.store.order) <= world.total()
}

fn everything_heals(model: &Configuration, world: &World) -> bool {
    world.heal(model).is_settled()
}

/// What has gone back or is on its way, as far as the order knows.
fn goes_back(order: &Order) -> i64 {
    let refunds = order.payment.refunds.iter().filter(|r| r.state != RefundState::Refused);
    refunds.map(|r| r.amount.amount_minor()).sum()
}

fn is_cancelled(world: &World) -> bool {
    world.store.order.state == OrderState::Cancelled
}

fn came_late(order: &Order) -> bool {
    order.history.iter().any(|t| matches!(t.event, OrderEvent::PaidLate(_)))
}

fn nobody_is_at_it(world: &World) -> bool {
    !world.actors.iter().any(Actor::is_at_it)
}
