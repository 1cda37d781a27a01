use api::{Invalids, Refused as _, wire::AddressRequest};
use domain::{Address, AddressId, Invalid};

/// An address of a checkout.
pub enum AddressInput {
    /// One of the customer's.
    Saved(AddressId),
    /// Sent with the order, and kept only there.
    Sent(Address),
}

impl AddressInput {
    /// From the two fields of a request of which at most one may be given; `fields` are their names.
    ///
    /// # Errors
    /// Names every line that is wrong, or that both are given.
    pub fn of(
        sent: Option<&AddressRequest>,
        saved: Option<&str>,
        fields: [&'static str; 2],
    ) -> Result<Option<Self>, Invalids> {
        let [field, id_field] = fields;
        match (sent, saved) {
            (None, None) => Ok(None),
            (Some(sent), None) => {
                let address = sent.address(AddressId::of_order()).map_err(|wrong| wrong.within(field))?;
                Ok(Some(Self::Sent(address)))
            }
            (None, Some(saved)) => {
                let id = saved.parse().map_err(|invalid: Invalid| Invalid { field: id_field, ..invalid })?;
                Ok(Some(Self::Saved(id)))
            }
            (Some(_), Some(_)) => {
                let reason = format!("send either {field} or {id_field}");
                Err(Invalid::new(id_field, "address_invalid", reason).into())
            }
        }
    }
}
