//! What must hold in every state, and states that must be reached so that those properties are tested.

use domain::{Order, OrderEvent, OrderState, PaymentState, RefundState};

use super::{
    Configuration, World,
    actors::{Actor, Errand, Step},
    world::{BOUGHT, STOCK},
};

type Condition = fn(&Configuration, &World) -> bool;

pub const ALWAYS: [(&str, Condition); 9] = [
    ("S1", no_unit_is_lost_or_sold_twice),
    ("S2", stock_and_cart_return_once),
    ("P1", nothing_is_released_unasked),
    ("P2", what_was_captured_is_accounted_for),
    ("P3", late_money_is_owed_back),
    ("P4", a_repeated_update_changes_nothing),
    ("P7", a_customer_is_asked_once_and_waited_for),
    ("money", no_more_goes_back_than_was_taken),
    ("nothing is stuck", everything_heals),
];

pub const REACHED: [(&str, Condition); 15] = [
    ("asked", |_, w| w.store.order.payment.state == PaymentState::ActionRequired),
    ("asked and paid", |_, w| happened(w, OrderEvent::ActionRequired) && w.store.order.state == OrderState::Confirmed),
    ("another card paid", |_, w| {
        happened(w, OrderEvent::ChallengeFailed) && w.store.order.state == OrderState::Confirmed
    }),
    ("asked, and given up", |_, w| happened(w, OrderEvent::ActionRequired) && is_cancelled(w) && w.provider.closed),
    ("confirmed", |_, w| w.store.order.state == OrderState::Confirmed),
    ("shipped", |_, w| w.store.order.state == OrderState::Shipped),
    ("declined", |_, w| w.store.order.payment.state == PaymentState::Declined),
    ("expired", |_, w| w.store.order.last_event() == OrderEvent::Expired),
    ("cancelled unpaid", |_, w| w.store.order.last_event() == OrderEvent::Cancelled),
    ("cancelled paid", |_, w| is_cancelled(w) && w.store.units_back == BOUGHT && w.store.carts_back == 0),
    ("late money owed", |_, w| came_late(&w.store.order) && w.store.order.refund_owed().is_some()),
    ("late money back", |_, w| came_late(&w.store.order) && w.store.order.refunded() == w.store.order.totals.total),
    ("two refunds", |_, w| is_cancelled(w) && w.provider.refunds.len() == 2),
    ("owed and no actor at work", |_, w| w.store.order.refund_owed().is_some() && no_actor_is_at_work(w)),
    ("a write comes too late", |_, w| {
        let late = |step: &Step| matches!(step, Step::Writes(_, read) if read.version < w.store.order.version);
        w.actors.iter().any(|actor| late(&actor.step))
    }),
];

fn no_unit_is_lost_or_sold_twice(_: &Configuration, world: &World) -> bool {
    world.store.available + world.store.held_or_sold() == STOCK
}

/// Nor is a shipped order restocked by a cancellation.
fn stock_and_cart_return_once(_: &Configuration, world: &World) -> bool {
    let was_shipped = world.store.order.history.iter().any(|t| t.event == OrderEvent::Shipped);
    world.store.units_back <= BOUGHT && world.store.carts_back <= 1 && !(was_shipped && is_cancelled(world))
}

fn nothing_is_released_unasked(_: &Configuration, world: &World) -> bool {
    !world.released_unasked
}

/// A captured payment belongs to a confirmed order or is refunded, or the order will still learn of it: because it is
/// due or, if the provider captured after it was closed, by the webhook.
fn what_was_captured_is_accounted_for(_: &Configuration, world: &World) -> bool {
    let (order, provider) = (&world.store.order, &world.provider);
    let known = order.payment.state == PaymentState::Captured;
    let after_all = provider.closed && provider.breaks_its_word;
    let will_be_known = order.state.awaits_payment() && order.due_at.is_some() || after_all && !provider.acknowledged;
    let counted = if known { !is_cancelled(world) || goes_back(order) == world.total() } else { will_be_known };
    provider.captures <= 1 && (provider.captures == 0 || counted && (!provider.closed || after_all))
}

fn late_money_is_owed_back(_: &Configuration, world: &World) -> bool {
    !(world.capture_applied && is_cancelled(world)) || goes_back(&world.store.order) == world.taken()
}

/// Nor does a late update reopen a settled order.
fn a_repeated_update_changes_nothing(model: &Configuration, world: &World) -> bool {
    let order = &world.store.order;
    let settles = |event| {
        !matches!(
            event,
            OrderEvent::Placed | OrderEvent::PaymentLost | OrderEvent::ActionRequired | OrderEvent::ChallengeFailed
        )
    };
    let opened_again = order.state.awaits_payment() && order.history.iter().any(|t| settles(t.event));
    let again = |update: Errand| update.moves(order, model).and_then(|moved| update.moves(&moved.order, model));
    let entries = u64::try_from(order.history.len()).ok();
    !opened_again && entries == Some(order.version) && Errand::UPDATES.into_iter().all(|update| again(update).is_none())
}

/// A customer is not asked again while they are asked, and nothing is charged before they have answered.
fn a_customer_is_asked_once_and_waited_for(_: &Configuration, world: &World) -> bool {
    !world.provider.asked_in_vain
}

fn no_more_goes_back_than_was_taken(_: &Configuration, world: &World) -> bool {
    let (said, done) = (world.store.order.refunded().amount_minor(), world.provider.refunded());
    said <= done && done <= world.taken() && goes_back(&world.store.order) <= world.total()
}

fn everything_heals(model: &Configuration, world: &World) -> bool {
    world.heal(model).is_settled()
}

/// The amount that is refunded or to be refunded, according to the order.
fn goes_back(order: &Order) -> i64 {
    let refunds = order.payment.refunds.iter().filter(|r| r.state != RefundState::Refused);
    refunds.map(|r| r.amount.amount_minor()).sum()
}

fn is_cancelled(world: &World) -> bool {
    world.store.order.state == OrderState::Cancelled
}

fn happened(world: &World, event: OrderEvent) -> bool {
    world.store.order.history.iter().any(|t| t.event == event)
}

fn came_late(order: &Order) -> bool {
    order.history.iter().any(|t| matches!(t.event, OrderEvent::PaidLate(_)))
}

fn no_actor_is_at_work(world: &World) -> bool {
    !world.actors.iter().any(Actor::is_at_work)
}
