use domain::{
    AccountLink, Customer, CustomerName, Email, Invalid, Role, SessionId, SessionKind, SessionLifetime, Timestamp,
    UserId,
};
use serde::{Deserialize, Serialize};

use crate::{
    CustomerOrder, SessionRecord, SessionWithCart, StoreError, Table,
    account_links::account_link_item,
    conditions::{EXISTS, NEW, values, write_if},
    keys,
    meter::metered,
    order_rows::customer_order,
    rows,
    rows::{Item, from_item, millis, n, s},
    sessions::{session_deletes, session_puts},
};

/// A session to be opened. The secret itself never gets here, only its digest.
#[derive(Debug, Clone)]
pub struct NewSession {
    pub id: SessionId,
    pub uid: UserId,
    pub kind: SessionKind,
    /// How the customer recognises the session, from the User-Agent.
    pub device: String,
    pub created_at: Timestamp,
    pub lifetime: SessionLifetime,
}

/// The stored credential of an account.
#[derive(Clone)]
pub struct Credential {
    pub uid: UserId,
    /// PHC string: algorithm, parameters, salt and digest.
    pub password_hash: String,
    /// The number of logins, so that a password change notices a concurrent login, whose session it would not end.
    pub logins: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the e-mail is registered already")]
pub struct EmailTaken;

#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error(transparent)]
    EmailTaken(#[from] EmailTaken),
    /// The guest's session or cart changed meanwhile: read again.
    #[error("the guest's session or cart changed meanwhile")]
    Changed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Conditions of AP-33.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RegisterCondition {
    EmailFree,
    /// The guest's session and cart, and fresh ids.
    Unchanged,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CustomerRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    uid: String,
    name: String,
    email: String,
    /// Absent in profiles that are older than verification, and until then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    email_verified: bool,
    /// The address whose mail the customer has shown to read. It does not count for another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owned_email: Option<String>,
    role: String,
    created_at: i64,
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Customer => "customer",
        Role::Admin => "admin",
    }
}

fn customer_item(customer: &Customer) -> Item {
    let keys::Key { pk, sk } = keys::profile(&customer.id);
    rows::to_item(CustomerRow {
        pk,
        sk,
        uid: customer.id.to_string(),
        name: customer.name.as_str().to_owned(),
        email: customer.email.as_str().to_owned(),
        email_verified: customer.email_verified,
        owned_email: customer.email_owned.then(|| customer.email.as_str().to_owned()),
        role: role_name(customer.role).to_owned(),
        created_at: millis(customer.created_at),
    })
}

fn customer(item: Item) -> Result<Customer, StoreError> {
    let key = rows::key_of(&item);
    let row: CustomerRow = from_item(item)?;
    let read = || -> Result<Customer, Invalid> {
        Ok(Customer {
            id: row.uid.parse()?,
            name: CustomerName::stored(row.name),
            email_owned: row.owned_email.as_ref() == Some(&row.email),
            email: Email::stored(row.email),
            email_verified: row.email_verified,
            role: if row.role == "admin" { Role::Admin } else { Role::Customer },
            created_at: rows::from_millis(row.created_at)?,
        })
    };
    read().map_err(|e| StoreError::corrupt(key, e))
}

impl Table {
    /// AP-31a: a customer's profile. GetItem, consistent, because roles are checked by it.
    pub async fn customer_get(&self, uid: &UserId) -> Result<Option<Customer>, StoreError> {
        self.customer_read(uid, true).await
    }

    /// AP-31b: a customer's profile, for the contact of an order. GetItem, eventually consistent; consistent if it is not
    /// found, because it may be new.
    pub async fn customer_contact(&self, uid: &UserId) -> Result<Option<Customer>, StoreError> {
        match self.customer_read(uid, false).await? {
            Some(customer) => Ok(Some(customer)),
            None => self.customer_read(uid, true).await,
        }
    }

    async fn customer_read(&self, uid: &UserId, consistent: bool) -> Result<Option<Customer>, StoreError> {
        let output = metered("AP-31", self.get(keys::profile(uid)).consistent_read(consistent).send()).await?;
        output.item.map(customer).transpose()
    }

    /// AP-11: a customer's profile and newest orders, in one Query: backwards from `PROFILE`, which sorts right after
    /// every `ORDER#`. Eventually consistent. A guest has no profile.
    pub async fn customer_get_with_orders(
        &self,
        uid: &UserId,
        orders: i32,
    ) -> Result<(Option<Customer>, Vec<CustomerOrder>), StoreError> {
        let call = self
            .query(keys::user_pk(uid))
            .key_condition_expression("PK = :pk AND SK BETWEEN :orders AND :profile")
            .expression_attribute_values(":orders", s(keys::ORDER_PREFIX))
            .expression_attribute_values(":profile", s(keys::PROFILE))
            .scan_index_forward(false)
            .limit(orders + 1)
            .send();
        let mut items = metered("AP-11", call).await?.items.unwrap_or_default();
        let profile = s(keys::PROFILE);
        let customer = match items.first() {
            Some(first) if first.get(keys::SK) == Some(&profile) => Some(customer(items.remove(0))?),
            _ => None,
        };
        Ok((customer, items.into_iter().map(customer_order).collect::<Result<_, _>>()?))
    }

    /// AP-32: the credential of an account. GetItem, consistent.
    pub async fn credential_get(&self, email: &Email) -> Result<Option<Credential>, StoreError> {
        let output = metered("AP-32", self.get(keys::credential(email)).consistent_read(true).send()).await?;
        let Some(item) = output.item else { return Ok(None) };
        let field = |name: &str| item.get(name).and_then(|v| v.as_s().ok()).cloned();
        let credential = field("uid").and_then(|uid| uid.parse().ok()).zip(field("passwordHash"));
        let (uid, password_hash) =
            credential.ok_or_else(|| StoreError::corrupt(rows::key_of(&item), "no uid or hash"))?;
        let logins = item.get("logins").and_then(|v| v.as_n().ok()).and_then(|raw| raw.parse().ok());
        Ok(Some(Credential { uid, password_hash, logins: logins.unwrap_or_default() }))
    }

    /// The credential of an account whose e-mail may be stored in several forms (see [`Email::stored_forms`]), with the form
    /// it is stored under: AP-32 for each form until it is found. Almost all accounts have only one form.
    pub async fn credential_find(&self, forms: &[Email]) -> Result<Option<(Email, Credential)>, StoreError> {
        for email in forms {
            if let Some(credential) = self.credential_get(email).await? {
                return Ok(Some((email.clone(), credential)));
            }
        }
        Ok(None)
    }

    /// AP-33: registers a customer and opens their session, in one transaction. A guest keeps their uid, and with it
    /// cart and orders; the guest's token is revoked, and the cart no longer expires. `link` requests the mail that
    /// asks to verify the address.
    pub async fn customer_register(
        &self,
        new: &Customer,
        password_hash: &str,
        session: Option<&NewSession>,
        guest: Option<&SessionWithCart>,
        link: Option<&AccountLink>,
    ) -> Result<(), RegisterError> {
        let mut transaction = self.transaction();
        let credential = credential_item(&new.email, &new.id, password_hash);
        transaction.put_if(RegisterCondition::EmailFree, NEW, credential);
        transaction.put_if(RegisterCondition::Unchanged, NEW, customer_item(new));
        if let Some(guest) = guest {
            let SessionRecord { uid, id, .. } = &guest.session;
            session_deletes(&mut transaction, Some(RegisterCondition::Unchanged), uid, id);
            let cart = keys::cart(&new.id);
            match guest.cart.version {
                // There is still no cart: one that a late request creates meanwhile would keep its expiry.
                0 => transaction.delete_if(RegisterCondition::Unchanged, NEW, cart),
                _ => {
                    let keep = "SET version = version + :one REMOVE expiresAt";
                    let one = values([(":one", n(1))]);
                    transaction.update_if(RegisterCondition::Unchanged, EXISTS, cart, keep, one);
                }
            }
        }
        if let Some(session) = session {
            session_puts(&mut transaction, RegisterCondition::Unchanged, session);
        }
        if let Some(link) = link {
            transaction.put(account_link_item(link));
        }
        match transaction.write("AP-33").await? {
            Ok(()) => Ok(()),
            Err(failed) if failed.contains(RegisterCondition::EmailFree) => Err(EmailTaken.into()),
            Err(_failed) => Err(RegisterError::Changed),
        }
    }

    /// AP-34: changes a customer's name. UpdateItem, conditional on the profile. Returns whether it existed.
    pub async fn customer_rename(&self, uid: &UserId, name: &CustomerName) -> Result<bool, StoreError> {
        let call = self
            .update(keys::profile(uid))
            .update_expression("SET #name = :name")
            .condition_expression(EXISTS)
            .expression_attribute_names("#name", "name")
            .expression_attribute_values(":name", s(name.as_str()))
            .send();
        Ok(write_if("AP-34", call).await?.is_ok())
    }

    /// AP-58: grants or revokes the admin role. UpdateItem, conditional on the profile. Returns whether it existed.
    pub async fn customer_role_set(&self, uid: &UserId, role: Role) -> Result<bool, StoreError> {
        let call = self
            .update(keys::profile(uid))
            .update_expression("SET #role = :role")
            .condition_expression(EXISTS)
            .expression_attribute_names("#role", "role")
            .expression_attribute_values(":role", s(role_name(role)))
            .send();
        Ok(write_if("AP-58", call).await?.is_ok())
    }

    /// AP-35: replaces the hash by one of the same password with stronger parameters. UpdateItem, conditional on the
    /// old hash. Returns whether it was still the same.
    pub async fn credential_replace(
        &self,
        email: &Email,
        read: &Credential,
        password_hash: &str,
    ) -> Result<bool, StoreError> {
        let call = self
            .update(keys::credential(email))
            .update_expression("SET passwordHash = :new")
            .condition_expression("passwordHash = :read")
            .expression_attribute_values(":new", s(password_hash))
            .expression_attribute_values(":read", s(&read.password_hash))
            .send();
        Ok(write_if("AP-35", call).await?.is_ok())
    }
}

pub(crate) fn credential_item(email: &Email, uid: &UserId, password_hash: &str) -> Item {
    let mut item = keys::credential(email).into_item();
    item.insert("uid".to_owned(), s(uid.as_str()));
    item.insert("passwordHash".to_owned(), s(password_hash));
    item
}
