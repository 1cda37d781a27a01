//! The states of an order and their transitions, written a second time without the shop's code.

use std::collections::BTreeMap;

use super::items::{Event, Order, World, list, order_of};

/// The state of an order after its first `version` events; `None` if one of them cannot follow the one before.
pub fn state_at<'a>(order: &Order<'a>, version: usize) -> Option<&'a str> {
    let events = order.history.get(..version)?;
    events.iter().try_fold(("", false), |stands, event| step(stands, event, order)).map(|(state, _)| state)
}

/// State and whether it was paid, after one more event. A one-off event cannot happen twice, because no event leads
/// back to a state that it is allowed in.
fn step<'a>((state, paid): (&'a str, bool), event: &Event<'a>, order: &Order<'_>) -> Option<(&'a str, bool)> {
    let cancels = || order.refunds.iter().any(|refund| Some(refund.number) == event.number && refund.cancels);
    Some(match (event.name, state) {
        ("placed", "") => ("pending_payment", false),
        ("payment_lost", "pending_payment") => ("payment_unknown", false),
        // The customer's bank asks them; if they are not authenticated, another card may follow.
        ("action_required", "pending_payment" | "payment_unknown") => ("pending_payment", false),
        ("challenge_failed", "pending_payment") => ("pending_payment", false),
        ("confirmed", "pending_payment" | "payment_unknown") => ("confirmed", true),
        ("declined" | "expired" | "replaced" | "not_chargeable", "pending_payment" | "payment_unknown") => {
            ("cancelled", false)
        }
        // Of a confirmed order where nothing is left to pay back.
        ("cancelled", "pending_payment" | "payment_unknown" | "confirmed") => ("cancelled", paid),
        ("paid_late", "cancelled") if !paid => ("cancelled", true),
        ("shipped", "confirmed") => ("shipped", paid),
        ("delivered", "shipped") => ("delivered", paid),
        ("refund_requested", "confirmed") if cancels() => ("cancelled", paid),
        ("refund_requested", _) if paid && !cancels() => (state, paid),
        ("refund_paid" | "refund_refused" | "refund_recorded", _) if paid => (state, paid),
        ("disputed" | "dispute_won" | "dispute_lost", _) if paid => (state, paid),
        // A claim changes whose order it is, not its state.
        ("claimed", "") => return None,
        ("claimed", _) => (state, paid),
        _ => return None,
    })
}

/// P4: an order's version is the length of its history, its state and its refunds follow from the history, every event
/// may follow the one before (so that a one-off event is there once), and no event is ever removed.
pub fn broken(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (id, order) in &world.orders {
        let length = order.history.len();
        if i64::try_from(length) != Ok(order.version) {
            found.push(format!("order {id} has version {} and {length} events", order.version));
        }
        if state_at(order, length) != Some(order.state) {
            let events: Vec<_> = order.history.iter().map(|event| event.name).collect();
            found.push(format!("order {id} is {} after {events:?}", order.state));
        }
        if !asked_in_turn(order) {
            let events: Vec<_> = order.history.iter().map(|event| event.name).collect();
            found.push(format!("order {id} was asked and not asked in the wrong order: {events:?}"));
        }
        let disputes: Vec<_> = order.disputes.iter().map(|(_, state)| *state).collect();
        if disputes_happened(order).as_ref() != Some(&disputes) {
            found.push(format!("order {id} has disputes {disputes:?}, and another history"));
        }
        let (stored, happened) = (refunds_stored(order), refunds_happened(order));
        if happened.as_ref() != Some(&stored) {
            found.push(format!("order {id} has refunds {stored:?}, its history {happened:?}"));
        }
    }
    for change in &world.evidence.stream {
        if let (Some(id), Some(old), Some(new)) = (order_of(&change.pk, &change.sk), &change.old, &change.new)
            && !list(new, "history").starts_with(list(old, "history"))
        {
            found.push(format!("order {id} had another history before"));
        }
    }
    found
}

/// Whether an authentication fails only after it was asked for, none is asked for while another is open, and there are
/// at most three.
fn asked_in_turn(order: &Order<'_>) -> bool {
    let (mut open, mut asked) = (false, 0);
    order.history.iter().all(|event| match event.name {
        "action_required" => {
            asked += 1;
            !std::mem::replace(&mut open, true) && asked <= 3
        }
        "challenge_failed" => std::mem::replace(&mut open, false),
        _ => true,
    })
}

/// By number.
fn refunds_stored<'a>(order: &Order<'a>) -> BTreeMap<i64, &'a str> {
    order.refunds.iter().map(|refund| (refund.number, refund.state)).collect()
}

/// The disputes according to the history: numbered consecutively, and each decided at most once, after it was opened.
fn disputes_happened<'a>(order: &Order<'a>) -> Option<Vec<&'a str>> {
    let mut disputes = Vec::new();
    for event in &order.history {
        let decided = match event.name {
            "disputed" => {
                disputes.push("open");
                if i64::try_from(disputes.len()) != Ok(event.number?) {
                    return None;
                }
                continue;
            }
            "dispute_won" => "won",
            "dispute_lost" => "lost",
            _ => continue,
        };
        let dispute = disputes.get_mut(usize::try_from(event.number?.checked_sub(1)?).ok()?)?;
        if std::mem::replace(dispute, decided) != "open" {
            return None;
        }
    }
    Some(disputes)
}

/// The refunds according to the history: each is requested once, and then paid or refused at most once. One that was
/// made by hand is paid when it is recorded, and may fail later.
fn refunds_happened<'a>(order: &Order<'a>) -> Option<BTreeMap<i64, &'a str>> {
    let by_hand = |number| order.refunds.iter().any(|r| r.number == number && r.by_hand.is_some());
    let mut refunds = BTreeMap::new();
    for event in &order.history {
        let (before, after) = match event.name {
            "refund_requested" | "paid_late" => (None, "requested"),
            "refund_paid" => (Some("requested"), "paid"),
            "refund_recorded" => (None, "paid"),
            "refund_refused" if by_hand(event.number?) => (Some("paid"), "refused"),
            "refund_refused" => (Some("requested"), "refused"),
            _ => continue,
        };
        if refunds.insert(event.number?, after) != before {
            return None;
        }
    }
    Some(refunds)
}
