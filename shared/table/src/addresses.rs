use domain::{Address, AddressId, CountryCode, Invalid, Phone, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    StoreError, Table,
    conditions::{EXISTS, NEW, write_if},
    keys,
    meter::{Pattern, metered},
    rows,
    rows::{Item, from_item, s},
};

/// Maximum addresses of a customer; the list shows all of them.
const MAX_ADDRESSES: i32 = 50;

/// An address as it is stored, as an item and inside an order.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AddressRow {
    id: String,
    recipient: String,
    line1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    line2: Option<String>,
    city: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    postal_code: Option<String>,
    country: String,
    /// Absent in addresses that are older than the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

impl From<&Address> for AddressRow {
    fn from(address: &Address) -> Self {
        let Address { id, recipient, line1, line2, city, region, postal_code, country, phone } = address.clone();
        let (id, country) = (id.to_string(), country.as_str().to_owned());
        let phone = phone.map(|phone| phone.as_str().to_owned());
        Self { id, recipient, line1, line2, city, region, postal_code, country, phone }
    }
}

impl AddressRow {
    pub(crate) fn into_address(self) -> Result<Address, Invalid> {
        let Self { id, recipient, line1, line2, city, region, postal_code, country, phone } = self;
        let (id, country, phone) = (id.parse()?, CountryCode::stored(&country)?, phone.map(Phone::stored));
        Ok(Address { id, recipient, line1, line2, city, region, postal_code, country, phone })
    }
}

fn address_item(uid: &UserId, address: &Address) -> Item {
    let mut item = rows::to_item(AddressRow::from(address));
    item.extend(keys::address(uid, &address.id).into_item());
    item
}

fn address(item: Item) -> Result<Address, StoreError> {
    let key = rows::key_of(&item);
    from_item::<AddressRow>(item)?.into_address().map_err(|e| StoreError::corrupt(key, e))
}

impl Table {
    /// AP-36: a customer's addresses, at most 50. Query, consistent.
    pub async fn address_list(&self, uid: &UserId) -> Result<Vec<Address>, StoreError> {
        self.addresses_of("AP-36", uid).await
    }

    pub(crate) async fn addresses_of(&self, pattern: Pattern, uid: &UserId) -> Result<Vec<Address>, StoreError> {
        let call = self
            .query(keys::user_pk(uid))
            .consistent_read(true)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::ADDRESS_PREFIX))
            .limit(MAX_ADDRESSES)
            .send();
        metered(pattern, call).await?.items.unwrap_or_default().into_iter().map(address).collect()
    }

    /// AP-37: one address of a customer. GetItem, consistent.
    pub async fn address_get(&self, uid: &UserId, id: &AddressId) -> Result<Option<Address>, StoreError> {
        let output = metered("AP-37", self.get(keys::address(uid, id)).consistent_read(true).send()).await?;
        output.item.map(address).transpose()
    }

    /// AP-38: writes an address, as a new one or replacing an existing one. PutItem, conditional on which of the two.
    /// Returns whether the condition held.
    pub async fn address_put(&self, uid: &UserId, address: &Address, new: bool) -> Result<bool, StoreError> {
        let condition = if new { NEW } else { EXISTS };
        let call = self.put(address_item(uid, address)).condition_expression(condition).send();
        Ok(write_if("AP-38", call).await?.is_ok())
    }

    /// AP-39: removes an address; orders keep their own copy. DeleteItem. Returns whether it existed.
    pub async fn address_delete(&self, uid: &UserId, id: &AddressId) -> Result<bool, StoreError> {
        let call = self.delete(keys::address(uid, id)).condition_expression(EXISTS).send();
        Ok(write_if("AP-39", call).await?.is_ok())
    }
}
