//! Orders as staff look for them: by number, by the contact's e-mail, by payment reference, and by customer.
//!
//! Each order has an entry for each of the first three: the value is the partition, and the order's id the sort key. An
//! entry has nothing else, so it is written once and never changed; the orders themselves are read with it.

use std::collections::HashMap;

use domain::{Email, Order, OrderId, OrderNumber, ProviderId, UserId};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::{
    Page, StoreError, Table,
    conditions::{NEW, write_if},
    error_chain, keys,
    keys::Key,
    meter::metered,
    order_rows::order,
    page::one_more_than,
    rows::{Item, s},
};

/// What an order is looked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderSearch {
    Number(OrderNumber),
    /// The e-mail of its contact.
    Email(Email),
    /// The provider's id of its payment.
    Reference(ProviderId),
    Customer(UserId),
}

/// The position in the orders that were found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundPosition {
    #[serde(rename = "o")]
    order: String,
}

impl OrderSearch {
    /// The partition that has what is looked for, and what its sort keys begin with.
    fn partition(&self) -> (String, &'static str) {
        match self {
            Self::Number(number) => (keys::order_number_pk(*number), ""),
            Self::Email(email) => (keys::order_contact_pk(email), ""),
            Self::Reference(reference) => (keys::order_reference_pk(reference), ""),
            Self::Customer(customer) => (keys::user_pk(customer), keys::ORDER_PREFIX),
        }
    }

    /// The key of an order's entry.
    fn key(&self, id: OrderId) -> Key {
        match self {
            Self::Customer(customer) => keys::customer_order(customer, id),
            Self::Number(_) | Self::Email(_) | Self::Reference(_) => keys::order_found(self.partition().0, id),
        }
    }
}

/// The keys of an order's entries.
fn entries(order: &Order) -> Vec<Key> {
    let contact = order.contact.as_ref().map(|contact| OrderSearch::Email(contact.email.clone()));
    // An order of total zero has no payment. A reference of another form cannot be looked for.
    let is_paid = order.totals.total.amount_minor() > 0;
    let reference = order.payment.reference.as_ref().filter(|_| is_paid);
    let reference = reference.and_then(|reference| reference.parse().ok());
    let searches = [Some(OrderSearch::Number(order.number())), contact, reference.map(OrderSearch::Reference)];
    searches.into_iter().flatten().map(|search| search.key(order.id)).collect()
}

impl Table {
    /// AP-75: writes the entries that an order is found by, but for those that its state `before` had. PutItem of each,
    /// conditional on being new, so that a repeated call changes nothing.
    pub async fn order_found_put(&self, order: &Order, before: Option<&Order>) -> Result<(), StoreError> {
        let had = before.map(entries).unwrap_or_default();
        let put = async |key: Key| {
            let call = self.put(key.into_item()).condition_expression(NEW).send();
            // Whether it was there already makes no difference.
            write_if("AP-75", call).await.map(drop)
        };
        let new = entries(order).into_iter().filter(|key| !had.contains(key));
        try_join_all(new.map(put)).await?;
        Ok(())
    }

    /// AP-76: the orders that staff look for, newest first. Query of the entries, then BatchGetItem of the orders; both
    /// eventually consistent. An order that cannot be read is logged and left out.
    pub async fn order_search(
        &self,
        search: &OrderSearch,
        limit: i32,
        after: Option<&FoundPosition>,
    ) -> Result<Page<Order, FoundPosition>, StoreError> {
        let (pk, prefix) = search.partition();
        let start = after.and_then(|position| Some(search.key(position.order.parse().ok()?).into_item()));
        let mut call = self.query(pk);
        call = match prefix {
            "" => call.key_condition_expression("PK = :pk"),
            prefix => call
                .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
                .expression_attribute_values(":prefix", s(prefix)),
        };
        let call = call
            .projection_expression("PK, SK")
            .scan_index_forward(false)
            .limit(one_more_than(limit))
            .set_exclusive_start_key(start)
            .send();
        let output = metered("AP-76", call).await?;
        let more = output.last_evaluated_key.is_some();
        let ids = output.items.unwrap_or_default().iter().filter_map(found_id).collect();
        let page = Page::cut(ids, limit, more, |id: &OrderId| FoundPosition { order: id.to_string() });

        let items = self.items_get("AP-76", page.items.iter().copied().map(keys::order).collect(), false).await?;
        let readable =
            |item| order(item).inspect_err(|e| tracing::error!(error = error_chain(e), "an order is left out")).ok();
        let mut orders: HashMap<OrderId, Order> =
            items.into_iter().filter_map(readable).map(|order| (order.id, order)).collect();
        Ok(Page { items: page.items.iter().filter_map(|id| orders.remove(id)).collect(), next: page.next })
    }

    /// AP-77: the entries of an order that are missing, for operators. BatchGetItem of at most 3, eventually
    /// consistent.
    pub async fn order_found_missing(&self, order: &Order) -> Result<Vec<Key>, StoreError> {
        let mut missing = entries(order);
        let found = self.items_get("AP-77", missing.clone(), false).await?;
        let found: Vec<Key> = found.iter().filter_map(keys::key_of_item).collect();
        missing.retain(|key| !found.contains(key));
        Ok(missing)
    }
}

/// The order of an entry: its id is the last part of the sort key.
fn found_id(entry: &Item) -> Option<OrderId> {
    let sk = entry.get(keys::SK)?.as_s().ok()?;
    sk.rsplit('#').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;
    use testing::{order, product};

    use super::*;

    #[test]
    fn an_order_is_found_by_its_number_its_contact_and_its_payment() {
        let held = order().of(1, product("mug", "Mug", 899)).contact("ann@example.com").place();
        let old = order().of(1, product("mug", "Mug", 899)).place();
        let paid = held.paid("pay_1", Timestamp::UNIX_EPOCH).unwrap().order;
        let partitions = |order: &Order| entries(order).into_iter().map(|key| key.pk).collect::<Vec<_>>();

        assert_eq!(partitions(&old), ["ORDERNO#00000-00000"]);
        assert_eq!(partitions(&held)[1..], [keys::order_contact_pk(&Email::parse("ann@example.com").unwrap())]);
        assert_eq!(partitions(&paid)[2..], ["PAYREF#pay_1"]);
        assert!(entries(&paid).iter().all(|key| key.sk == paid.id.to_string()));
    }
}
