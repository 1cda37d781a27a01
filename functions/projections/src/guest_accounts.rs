//! Moves the orders of a guest who logged in to the account. Every step can be repeated at any time: an order is
//! claimed conditionally on its version, and what is done already is not done again.

use domain::{OrderId, Timestamp, UserId};
use stream::{Change, Failure};
use table::{
    Cause, OrderTransitionError, StoreError, Table,
    keys::{Entity, user_id},
};

/// Rounds of read and write before an order that others keep changing is left to the next delivery.
const MAX_ROUNDS: usize = 6;

/// Claims the orders in the guest's list. Later ones are claimed with the order's own change.
pub async fn project(table: &Table, change: &Change, now: Timestamp) -> Result<(), Failure> {
    if change.key.entity() != Some(Entity::GuestAccount) || change.new.is_none() {
        return Ok(());
    }
    let Ok(guest) = user_id(&change.key.pk) else { return Ok(()) };
    claim_all(table, &guest, now).await?;
    Ok(())
}

/// Claims every order in the list of a guest, if they logged in to an account.
///
/// # Errors
/// The table cannot be used, or an order keeps changing.
pub async fn claim_all(table: &Table, guest: &UserId, now: Timestamp) -> Result<(), StoreError> {
    let Some(account) = table.guest_account_get(guest).await? else { return Ok(()) };
    for id in table.guest_order_ids(guest).await? {
        claim(table, id, guest, &account, now).await?;
    }
    Ok(())
}

/// Makes one order the account's, and moves its entry from the guest's list to that of the account.
///
/// # Errors
/// As [`claim_all`].
pub async fn claim(
    table: &Table,
    id: OrderId,
    guest: &UserId,
    account: &UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    for _ in 0..MAX_ROUNDS {
        let Some(order) = table.order_get_for_shop(id).await? else { return Ok(()) };
        let order = match order.claim(guest, account, now) {
            None => order,
            Some(moved) => match table.order_transition(&moved, Cause::Answer, now).await {
                Ok(()) => moved.order,
                Err(OrderTransitionError::Store(error)) => return Err(error),
                Err(
                    OrderTransitionError::Changed | OrderTransitionError::Repeated(_) | OrderTransitionError::EventSeen,
                ) => continue,
            },
        };
        table.order_project(&order).await?;
        return table.order_list_entry_delete(guest, id).await;
    }
    Err(StoreError::Busy("an order kept changing while it was claimed".into()))
}
