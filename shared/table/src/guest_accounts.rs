//! Guests who logged in: their orders move to the account.
//!
//! The login's own transaction records the account in an item. From then on the account reads the guest's orders
//! through that item, until the stream's consumer has rewritten each of them as the account's.

use std::collections::HashSet;

use domain::{Order, OrderId, UserId};

use crate::{
    StoreError, Table, keys,
    meter::metered,
    order_rows::customer_order,
    rows,
    rows::{Item, s},
};

pub(crate) fn guest_account_item(guest: &UserId, account: &UserId) -> Item {
    let mut item = keys::guest_account(guest).into_item();
    item.insert("uid".to_owned(), s(account.as_str()));
    item
}

pub(crate) fn account_of(item: &Item) -> Result<UserId, StoreError> {
    let uid = item.get("uid").and_then(|v| v.as_s().ok()).and_then(|raw| raw.parse().ok());
    uid.ok_or_else(|| StoreError::corrupt(rows::key_of(item), "no uid"))
}

impl Table {
    /// AP-59: the account that a guest logged in to. GetItem, consistent, because the ownership of orders depends on
    /// it.
    pub async fn guest_account_get(&self, guest: &UserId) -> Result<Option<UserId>, StoreError> {
        let output = metered("AP-59", self.get(keys::guest_account(guest)).consistent_read(true).send()).await?;
        output.item.as_ref().map(account_of).transpose()
    }

    /// Whether an order is this customer's: directly, or because the guest who placed it logged in to their account.
    pub(crate) async fn order_is_of(&self, order: &Order, customer: &UserId) -> Result<bool, StoreError> {
        if order.customer == *customer {
            return Ok(true);
        }
        // Not limited to orders marked as a guest's: older orders have no such mark.
        Ok(self.guest_account_get(&order.customer).await?.as_ref() == Some(customer))
    }

    /// AP-89: those of these orders that no account owns: guests placed them who have neither registered nor logged in.
    /// BatchGetItem of two items for each guest, consistent.
    pub async fn orders_of_guests(&self, orders: Vec<Order>) -> Result<Vec<Order>, StoreError> {
        let by_guests: Vec<Order> = orders.into_iter().filter(|order| order.guest).collect();
        let of = |order: &Order| [keys::profile(&order.customer), keys::guest_account(&order.customer)];
        let found = self.items_get("AP-89", by_guests.iter().flat_map(of).collect(), true).await?;
        let owned: HashSet<String> = found.iter().filter_map(keys::key_of_item).map(|key| key.pk).collect();
        Ok(by_guests.into_iter().filter(|order| !owned.contains(&keys::user_pk(&order.customer))).collect())
    }

    /// AP-60: the orders in the list of a guest who logged in. Query `USER#guest` begins_with `ORDER#`, consistent, 100
    /// at a time until there are no more.
    pub async fn guest_order_ids(&self, guest: &UserId) -> Result<Vec<OrderId>, StoreError> {
        let (mut ids, mut start) = (Vec::new(), None);
        loop {
            let call = self
                .query(keys::user_pk(guest))
                .consistent_read(true)
                .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
                .expression_attribute_values(":prefix", s(keys::ORDER_PREFIX))
                .limit(100)
                .set_exclusive_start_key(start)
                .send();
            let output = metered("AP-60", call).await?;
            for entry in output.items.unwrap_or_default() {
                ids.push(customer_order(entry)?.id);
            }
            start = output.last_evaluated_key;
            if start.is_none() {
                return Ok(ids);
            }
        }
    }

    /// AP-61: removes an order that has moved to an account from the guest's list. DeleteItem.
    pub async fn order_list_entry_delete(&self, guest: &UserId, id: OrderId) -> Result<(), StoreError> {
        metered("AP-61", self.delete(keys::customer_order(guest, id)).send()).await?;
        Ok(())
    }
}
