use aws_sdk_dynamodb::types::AttributeValue;
use domain::{AccountLink, Customer, CustomerName, Timestamp, UserId};

use crate::{
    Credential, SpendLinkError, StoreError, Table,
    account_links::{SpendCondition, email_is, link_spend},
    conditions::{Condition, values},
    keys,
    rows::s,
    sessions::{no_login_since, password_is, session_deletes},
    transact::AnyCondition,
};

/// Sessions that are ended in the transaction of a reset: beside the 50 addresses that a customer can have and three
/// other items, of the 100 actions of a transaction.
const MAX_ENDED_AT_ONCE: usize = 20;

impl Table {
    /// AP-86: sets the password that a link was mailed for. TransactWriteItems: the request is deleted, so that its link
    /// works once; the new hash, conditional on the credential as it was read and on no login since; the end of every
    /// session; and the address is marked as verified, because the link was mailed to it.
    ///
    /// If the address was not verified before, somebody else may have registered it. So what they put into the account
    /// ends in the same transaction: the name becomes `name`, and the saved addresses are deleted.
    ///
    /// # Errors
    /// [`SpendLinkError::Changed`] if the account or its sessions changed meanwhile: read both again.
    pub async fn password_reset(
        &self,
        link: &AccountLink,
        customer: &Customer,
        credential: &Credential,
        password_hash: &str,
        name: &CustomerName,
        now: Timestamp,
    ) -> Result<(), SpendLinkError> {
        let uid = &customer.id;
        let mut listed = self.sessions_of("AP-86", uid, now).await?;
        listed.sort_by_key(|s| s.created_at);
        // There are hardly ever more than ten sessions; the oldest may end beforehand.
        while listed.len() > MAX_ENDED_AT_ONCE {
            let oldest: Vec<_> = listed.drain(..MAX_ENDED_AT_ONCE).collect();
            let mut transaction = self.transaction();
            oldest.iter().for_each(|s| session_deletes(&mut transaction, Some(AnyCondition), uid, &s.id));
            transaction.write("AP-86").await?.map_err(|_failed| SpendLinkError::Changed)?;
        }
        let mut transaction = self.transaction();
        link_spend(&mut transaction, SpendCondition::Link, link);
        transaction.update_if(
            SpendCondition::Unchanged,
            password_is(credential).and(no_login_since(credential)),
            keys::credential(&customer.email),
            "SET passwordHash = :new",
            values([(":new", s(password_hash))]),
        );
        listed.iter().for_each(|s| session_deletes(&mut transaction, Some(SpendCondition::Unchanged), uid, &s.id));
        let yes = (":yes", AttributeValue::Bool(true));
        if customer.email_verified {
            transaction.update_if(
                SpendCondition::Unchanged,
                email_is(&customer.email),
                keys::profile(uid),
                "SET emailVerified = :yes, ownedEmail = :email",
                values([yes]),
            );
        } else {
            let still_unverified = Condition::from("attribute_not_exists(emailVerified)");
            transaction.update_naming_if(
                SpendCondition::Unchanged,
                email_is(&customer.email).and(still_unverified),
                keys::profile(uid),
                "SET emailVerified = :yes, ownedEmail = :email, #name = :name",
                values([yes, (":name", s(name.as_str()))]),
                ("#name", "name"),
            );
            for id in self.address_ids(uid).await? {
                transaction.delete(keys::address(uid, &id));
            }
        }
        match transaction.write("AP-86").await? {
            Ok(()) => Ok(()),
            Err(failed) if failed.contains(SpendCondition::Link) => Err(SpendLinkError::Spent),
            Err(_failed) => Err(SpendLinkError::Changed),
        }
    }

    async fn address_ids(&self, uid: &UserId) -> Result<Vec<domain::AddressId>, StoreError> {
        Ok(self.addresses_of("AP-86", uid).await?.into_iter().map(|address| address.id).collect())
    }
}
