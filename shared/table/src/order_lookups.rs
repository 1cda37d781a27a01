//! Requests for a fresh link to an order, by what its customer knows of it. The stream's consumer looks for the order and
//! mails the link, so that the request itself reads nothing, and takes the same time whether or not there is an order.

use domain::{Email, Invalid, Language, LinkRequestId, Order, OrderNumber, Timestamp};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::{
    StoreError, Table, keys,
    meter::metered,
    rows,
    rows::{Item, from_item, millis},
};

/// How long a request may wait for its mail. Later ones are not mailed, and TTL deletes them.
const LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// A request for a link. Whether there is such an order is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLookup {
    pub id: LinkRequestId,
    pub number: OrderNumber,
    /// The partition of the orders with the contact, so that no e-mail that a stranger typed is stored.
    contact: String,
    /// Of the mail.
    pub language: Language,
    pub requested_at: Timestamp,
}

impl OrderLookup {
    pub fn request(id: LinkRequestId, number: OrderNumber, email: &Email, language: Language, now: Timestamp) -> Self {
        Self { id, number, contact: keys::order_contact_pk(email), language, requested_at: now }
    }

    /// Whether an order has the number and the e-mail that were sent.
    pub fn fits(&self, order: &Order) -> bool {
        let contact = order.contact.as_ref().map(|contact| keys::order_contact_pk(&contact.email));
        order.number() == self.number && contact.as_ref() == Some(&self.contact)
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.requested_at + LIFETIME
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrderLookupRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    number: String,
    contact: String,
    language: String,
    requested_at: i64,
    /// In seconds, for TTL.
    expires_at: i64,
}

fn order_lookup_item(lookup: &OrderLookup) -> Item {
    let keys::Key { pk, sk } = keys::order_lookup(lookup.id);
    rows::to_item(OrderLookupRow {
        pk,
        sk,
        number: lookup.number.to_string(),
        contact: lookup.contact.clone(),
        language: lookup.language.as_str().to_owned(),
        requested_at: millis(lookup.requested_at),
        expires_at: (lookup.requested_at + LIFETIME).as_second(),
    })
}

pub(crate) fn order_lookup(item: Item) -> Result<OrderLookup, StoreError> {
    let key = rows::key_of(&item);
    let row: OrderLookupRow = from_item(item)?;
    let read = || -> Result<OrderLookup, Invalid> {
        Ok(OrderLookup {
            id: keys::order_lookup_id(&row.pk)?,
            number: row.number.parse()?,
            contact: row.contact,
            language: Language::parse(&row.language).unwrap_or_default(),
            requested_at: rows::from_millis(row.requested_at)?,
        })
    };
    read().map_err(|e| StoreError::corrupt(key, e))
}

impl Table {
    /// AP-88: a request for a fresh link to an order. PutItem; TTL deletes it.
    pub async fn order_lookup_put(&self, lookup: &OrderLookup) -> Result<(), StoreError> {
        metered("AP-88", self.put(order_lookup_item(lookup)).send()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use testing::{order, product};

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn lookup(number: OrderNumber, email: &str) -> OrderLookup {
        let email = Email::parse(email).unwrap();
        OrderLookup::request(uuid::Uuid::from_u128(7).into(), number, &email, Language::De, NOW)
    }

    #[test]
    fn it_is_about_the_order_whose_number_and_contact_both_fit() {
        let ann = order().of(1, product("mug", "Mug", 899)).contact("ann@example.com").place();
        let without = order().of(1, product("mug", "Mug", 899)).place();
        let other = "7K3QX-94M2A".parse().unwrap();

        assert!(lookup(ann.number(), "Ann@Example.com").fits(&ann));
        assert!(!lookup(ann.number(), "bob@example.com").fits(&ann));
        assert!(!lookup(other, "ann@example.com").fits(&ann));
        assert!(!lookup(without.number(), "ann@example.com").fits(&without));
    }

    #[test]
    fn it_reads_back_as_it_was_stored_without_the_address() {
        let asked = lookup("7K3QX-94M2A".parse().unwrap(), "ann@example.com");
        let item = order_lookup_item(&asked);

        assert!(!format!("{item:?}").contains("ann@"), "{item:?}");
        assert_eq!(order_lookup(item).unwrap(), asked);
        assert!(!asked.is_expired(NOW + LIFETIME - SignedDuration::from_millis(1)) && asked.is_expired(NOW + LIFETIME));
    }
}
