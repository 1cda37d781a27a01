//! Payments whose customer is asked to authenticate them: the questions and answers in the provider's ledger.

use super::{
    Attempt,
    items::{Book, World},
};

/// P7: after the customer was asked, money is taken only once they were authenticated, or for another attempt after this
/// one has failed.
pub fn unauthenticated(world: &World<'_>) -> Vec<String> {
    let charged = world.books.iter().filter(|(_, book)| charged_while_asked(book));
    charged.map(|(id, _)| format!("order {id} was charged, and its customer was not authenticated")).collect()
}

fn charged_while_asked(book: &Book<'_>) -> bool {
    let mut asked = false;
    book.entries.iter().any(|entry| {
        match entry.attempt {
            Attempt::Asked => asked = true,
            Attempt::Authenticated | Attempt::ChallengeFailed => asked = false,
            Attempt::Captured
            | Attempt::Declined
            | Attempt::Closed
            | Attempt::Refunded(_)
            | Attempt::RefundedByHand
            | Attempt::ByHandFailed => {}
        }
        asked && entry.attempt == Attempt::Captured
    })
}

/// P7: a new question makes the open one worthless, so none is asked before the one before it has ended.
pub fn asked_twice(world: &World<'_>) -> Vec<String> {
    let twice = world.books.iter().filter(|(_, book)| is_asked_twice(book));
    twice
        .map(|(id, _)| format!("order {id}: the customer was asked again before the first question had ended"))
        .collect()
}

fn is_asked_twice(book: &Book<'_>) -> bool {
    let mut open = false;
    book.entries.iter().any(|entry| {
        let was_open = open;
        match entry.attempt {
            Attempt::Asked => open = true,
            Attempt::Authenticated | Attempt::ChallengeFailed | Attempt::Closed | Attempt::Captured => open = false,
            Attempt::Declined | Attempt::Refunded(_) | Attempt::RefundedByHand | Attempt::ByHandFailed => {}
        }
        was_open && entry.attempt == Attempt::Asked
    })
}

/// P7: a client secret lets its holder finish a payment. It is only in the answers to its customer.
pub fn secret_stored(world: &World<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (pk, sk, image) in world.images() {
        let text = image.to_string();
        let stored = world.evidence.secrets.iter().filter(|(_, secret)| text.contains(secret.as_str()));
        found.extend(stored.map(|(order, _)| format!("the client secret of order {order} is in {pk} / {sk}")));
    }
    found
}
