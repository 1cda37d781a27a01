//! Links in mails about accounts. The item of a request holds no secret: the token is computed from it with a key that
//! only the functions have.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{AccountAction, AccountLink, Customer, Email, Invalid, Language, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    Credential, StoreError, Table,
    conditions::{Condition, NEW, values},
    customers::{EmailTaken, credential_item},
    keys,
    keys::sha256_hex,
    meter::metered,
    rows,
    rows::{Item, from_item, s},
    sessions::password_is,
    transact::Transaction,
};

/// Hexadecimal digits of a password hash's digest in a request. Enough to distinguish two hashes of one account.
const DIGEST_DIGITS: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum SpendLinkError {
    /// The link was used, replaced or deleted.
    #[error("the link was used or replaced")]
    Spent,
    /// The account changed meanwhile: read again.
    #[error("the account changed meanwhile")]
    Changed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Debug, thiserror::Error)]
pub enum EmailChangeError {
    #[error(transparent)]
    EmailTaken(#[from] EmailTaken),
    #[error(transparent)]
    Link(#[from] SpendLinkError),
}

impl From<StoreError> for EmailChangeError {
    fn from(error: StoreError) -> Self {
        Self::Link(error.into())
    }
}

/// Conditions of AP-86 and AP-87.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpendCondition {
    /// It is the request that the link is for.
    Link,
    /// Nobody has the new address.
    EmailFree,
    /// Profile, credential, sessions and addresses are as they were read.
    Unchanged,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountLinkRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    id: String,
    email: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked_under: Option<String>,
    language: String,
    /// In seconds, for TTL.
    expires_at: i64,
}

pub(crate) fn account_link_item(link: &AccountLink) -> Item {
    let keys::Key { pk, sk } = keys::account_link(&link.customer, link.action);
    rows::to_item(AccountLinkRow {
        pk,
        sk,
        id: link.id.to_string(),
        email: link.email.as_str().to_owned(),
        asked_under: link.asked_under.clone(),
        language: link.language.as_str().to_owned(),
        expires_at: link.expires_at.as_second(),
    })
}

pub(crate) fn account_link(item: Item) -> Result<AccountLink, StoreError> {
    let key = rows::key_of(&item);
    let row: AccountLinkRow = from_item(item)?;
    let read = || -> Result<AccountLink, Invalid> {
        let action = row.sk.strip_prefix(keys::ACCOUNT_LINK_PREFIX);
        let action = AccountAction::ALL.into_iter().find(|known| Some(known.as_str()) == action);
        let corrupt = |what: &str| Invalid::new("SK", "corrupt", what.to_owned());
        Ok(AccountLink {
            id: row.id.parse()?,
            customer: keys::user_id(&row.pk)?,
            action: action.ok_or_else(|| corrupt("names no action of a link"))?,
            email: Email::stored(row.email.clone()),
            asked_under: row.asked_under.clone(),
            language: Language::parse(&row.language).unwrap_or_default(),
            expires_at: Timestamp::from_second(row.expires_at).map_err(|_| corrupt("its expiry is out of range"))?,
        })
    };
    read().map_err(|e| StoreError::corrupt(key, e))
}

impl Credential {
    /// What a link is bound to that gives access to the account: it ends with this password. Nothing can be learnt from
    /// it about the hash.
    pub fn digest(&self) -> String {
        let mut digest = sha256_hex(&self.password_hash);
        digest.truncate(DIGEST_DIGITS);
        digest
    }
}

impl Table {
    /// AP-85a: a request for a link. PutItem: it replaces the request before, whose link ends with it. TTL deletes it
    /// some time after it has expired.
    pub async fn account_link_put(&self, link: &AccountLink) -> Result<(), StoreError> {
        metered("AP-85", self.put(account_link_item(link)).send()).await?;
        Ok(())
    }

    /// AP-85b: the request whose link a customer can use. GetItem, consistent: a link that was replaced is refused at
    /// once.
    pub async fn account_link_get(
        &self,
        uid: &UserId,
        action: AccountAction,
    ) -> Result<Option<AccountLink>, StoreError> {
        let call = self.get(keys::account_link(uid, action)).consistent_read(true).send();
        metered("AP-85", call).await?.item.map(account_link).transpose()
    }

    /// AP-85c: records that the customer reads the mail of their address. TransactWriteItems: the request is deleted,
    /// so that its link works once, and the profile is marked if it still has the address. `by_owner` is whether the
    /// customer was logged in.
    pub async fn email_verify(&self, link: &AccountLink, by_owner: bool) -> Result<(), SpendLinkError> {
        let mut transaction = self.transaction();
        link_spend(&mut transaction, SpendCondition::Link, link);
        let update = match by_owner {
            true => "SET emailVerified = :yes, ownedEmail = :email",
            false => "SET emailVerified = :yes",
        };
        transaction.update_if(
            SpendCondition::Unchanged,
            email_is(&link.email),
            keys::profile(&link.customer),
            update,
            values([(":yes", AttributeValue::Bool(true))]),
        );
        match transaction.write("AP-85").await? {
            Ok(()) => Ok(()),
            Err(failed) if failed.contains(SpendCondition::Link) => Err(SpendLinkError::Spent),
            Err(_failed) => Err(SpendLinkError::Changed),
        }
    }

    /// AP-87: replaces the address of an account by the one of the link. TransactWriteItems: the request is deleted; the
    /// credential moves to the new address, if nobody has that and the password is the one that was read; the profile
    /// gets it, verified; every other request for a link is deleted, because it was mailed to the address before. The
    /// sessions stay: the change was requested with the password. `by_owner` is whether the customer was logged in.
    pub async fn email_change(
        &self,
        link: &AccountLink,
        customer: &Customer,
        credential: &Credential,
        by_owner: bool,
    ) -> Result<(), EmailChangeError> {
        let uid = &customer.id;
        let mut transaction = self.transaction();
        link_spend(&mut transaction, SpendCondition::Link, link);
        let moved = credential_item(&link.email, uid, &credential.password_hash);
        transaction.put_if(SpendCondition::EmailFree, NEW, moved);
        transaction.delete_if(SpendCondition::Unchanged, password_is(credential), keys::credential(&customer.email));
        let written = values([(":new", s(link.email.as_str())), (":verified", AttributeValue::Bool(true))]);
        let update = match by_owner {
            true => "SET email = :new, emailVerified = :verified, ownedEmail = :new",
            false => "SET email = :new, emailVerified = :verified",
        };
        transaction.update_if(
            SpendCondition::Unchanged,
            email_is(&customer.email),
            keys::profile(uid),
            update,
            written,
        );
        for other in AccountAction::ALL.into_iter().filter(|other| *other != link.action) {
            transaction.delete(keys::account_link(uid, other));
        }
        match transaction.write("AP-87").await? {
            Ok(()) => Ok(()),
            Err(failed) if failed.contains(SpendCondition::Link) => Err(SpendLinkError::Spent.into()),
            Err(failed) if failed.contains(SpendCondition::EmailFree) => Err(EmailTaken.into()),
            Err(_failed) => Err(SpendLinkError::Changed.into()),
        }
    }
}

/// Deletes the request if it is still the link's, so that a link works once.
pub(crate) fn link_spend<L: Copy>(transaction: &mut Transaction<'_, L>, label: L, link: &AccountLink) {
    let is_it = Condition::new("id = :id", values([(":id", s(link.id.to_string()))]));
    transaction.delete_if(label, is_it, keys::account_link(&link.customer, link.action));
}

/// The profile has this address.
pub(crate) fn email_is(email: &Email) -> Condition {
    Condition::new("email = :email", values([(":email", s(email.as_str()))]))
}
