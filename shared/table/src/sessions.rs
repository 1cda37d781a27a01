use domain::{Cart, Email, Invalid, SessionId, SessionKind, SessionLifetime, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::{
    Credential, NewSession, StoreError, Table, carts,
    conditions::{Condition, EXISTS, NEW, values, version_is, write_if},
    guest_accounts::guest_account_item,
    keys,
    meter::{Pattern, metered},
    rows,
    rows::{Item, from_item, millis, n, s},
    transact::{AnyCondition, Transaction},
};

/// Maximum open sessions of a customer; a further login ends the oldest.
const MAX_SESSIONS: usize = 10;

/// Sessions that one transaction can end besides its other actions: two actions each, of 100.
const MAX_ENDED_AT_ONCE: usize = 45;

/// An open session, as stored in the table.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionRecord {
    pub id: SessionId,
    pub uid: UserId,
    pub kind: SessionKind,
    pub lifetime: SessionLifetime,
}

#[derive(Debug, Clone)]
pub struct SessionWithCart {
    pub session: SessionRecord,
    pub cart: Cart,
}

/// What a customer sees of their sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionSummary {
    pub id: SessionId,
    pub device: String,
    pub created_at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The replaced session, the merged cart or the list of sessions changed meanwhile: read again.
    #[error("sessions or carts changed meanwhile")]
    Changed,
    /// The password was changed after it had been verified.
    #[error("the credential changed meanwhile")]
    CredentialChanged,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Conditions of AP-26.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoginCondition {
    /// It is the one that was verified.
    Credential,
    /// The session to be replaced, the carts, and the fresh id.
    Unchanged,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    uid: String,
    guest: bool,
    idle_expires_at: i64,
    absolute_expires_at: i64,
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionListedRow {
    #[serde(rename = "PK")]
    pk: String,
    #[serde(rename = "SK")]
    sk: String,
    device: String,
    created_at: i64,
    expires_at: i64,
}

fn session(item: Item) -> Result<SessionRecord, StoreError> {
    let row: SessionRow = from_item(item)?;
    let read = || -> Result<SessionRecord, Invalid> {
        Ok(SessionRecord {
            id: keys::session_id(&row.pk)?,
            uid: row.uid.parse()?,
            kind: if row.guest { SessionKind::Guest } else { SessionKind::Customer },
            lifetime: SessionLifetime {
                idle_expires_at: rows::from_millis(row.idle_expires_at)?,
                absolute_expires_at: rows::from_millis(row.absolute_expires_at)?,
            },
        })
    };
    // The key is derived from a secret, so it is not shown.
    read().map_err(|e| StoreError::corrupt("SESSION#…", e))
}

impl Table {
    /// AP-06: the session and the cart of one customer. BatchGetItem, consistent: the token contains the uid, so both
    /// keys are known. The session of another customer counts as none.
    pub async fn session_and_cart_get(
        &self,
        uid: &UserId,
        id: &SessionId,
    ) -> Result<Option<SessionWithCart>, StoreError> {
        let mut items = self.items_get("AP-06", vec![keys::session(id), keys::cart(uid)], true).await?;
        let cart = carts::cart(Self::cart_of(&mut items, uid))?;
        let session = items.pop().map(session).transpose()?.filter(|s| s.uid == *uid);
        Ok(session.map(|session| SessionWithCart { session, cart }))
    }

    /// AP-23: a session. GetItem, consistent: a revoked session must be refused at once.
    pub async fn session_get(&self, uid: &UserId, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        let output = metered("AP-23", self.get(keys::session(id)).consistent_read(true).send()).await?;
        Ok(output.item.map(session).transpose()?.filter(|s| s.uid == *uid))
    }

    /// AP-24: moves the idle expiry. UpdateItem, conditional on the session, so that it never recreates a revoked one.
    /// Returns whether it still existed.
    pub async fn session_touch(&self, id: &SessionId, idle_expires_at: Timestamp) -> Result<bool, StoreError> {
        let call = self
            .update(keys::session(id))
            .update_expression("SET idleExpiresAt = :later")
            .condition_expression(EXISTS)
            .expression_attribute_values(":later", n(millis(idle_expires_at)))
            .send();
        Ok(write_if("AP-24", call).await?.is_ok())
    }

    /// AP-25: opens a guest's session. TransactWriteItems: session and list entry.
    pub async fn session_open_guest(&self, new: &NewSession) -> Result<(), StoreError> {
        let mut transaction = self.transaction();
        session_puts(&mut transaction, AnyCondition, new);
        let written = transaction.write("AP-25").await?;
        written.map_err(|_failed| StoreError::Busy("a fresh session id was taken".into()))
    }

    /// AP-26: opens a customer's session, and ends the one it replaces and the oldest beyond ten. A guest's cart is
    /// merged in the same transaction: it is deleted by the write that adds it, so it is merged once or not at all. If
    /// the guest has orders, an item records the account. The credential must still be the one that was verified, so
    /// that a password changed meanwhile opens nothing, and counts the login, so that a password change that did not
    /// see it starts again.
    pub async fn session_login(
        &self,
        new: &NewSession,
        verified: (&Email, &Credential),
        before: Option<&SessionWithCart>,
    ) -> Result<(), LoginError> {
        let (email, credential) = verified;
        let mut transaction = self.transaction();
        transaction.update_if(
            LoginCondition::Credential,
            password_is(credential),
            keys::credential(email),
            "ADD logins :one",
            values([(":one", n(1))]),
        );
        session_puts(&mut transaction, LoginCondition::Unchanged, new);
        let mut listed = self.sessions_of("AP-26", &new.uid, new.created_at).await?;
        listed.retain(|s| before.is_none_or(|before| before.session.id != s.id));
        listed.sort_by_key(|s| s.created_at);
        let surplus = (listed.len() + 1).saturating_sub(MAX_SESSIONS);
        for old in &listed[..surplus] {
            session_deletes(&mut transaction, None, &new.uid, &old.id);
        }
        if let Some(before) = before {
            let SessionRecord { uid, id, .. } = &before.session;
            session_deletes(&mut transaction, Some(LoginCondition::Unchanged), uid, id);
            // Only a guest's cart and orders are moved: a customer who was logged in before keeps theirs.
            if before.session.kind == SessionKind::Guest {
                self.cart_merge(&mut transaction, &new.uid, before).await?;
                // A cart that was never bought has no orders. None is placed from now on, because the cart is deleted.
                if before.cart.placed.is_some() {
                    transaction.put(guest_account_item(uid, &new.uid));
                }
            }
        }
        match transaction.write("AP-26").await? {
            Ok(()) => Ok(()),
            Err(failed) if failed.contains(LoginCondition::Credential) => Err(LoginError::CredentialChanged),
            Err(_failed) => Err(LoginError::Changed),
        }
    }

    async fn cart_merge(
        &self,
        transaction: &mut Transaction<'_, LoginCondition>,
        uid: &UserId,
        guest: &SessionWithCart,
    ) -> Result<(), StoreError> {
        if !guest.cart.lines.is_empty() || !guest.cart.left_out.is_empty() {
            let output = metered("AP-26", self.get(keys::cart(uid)).consistent_read(true).send()).await?;
            let ours = carts::cart(output.item)?;
            let merged = ours.merge_cart(&guest.cart);
            transaction.cart_merged(LoginCondition::Unchanged, uid, &ours, &merged, None);
        }
        // Conditional even without anything to merge: a line added meanwhile must not be lost.
        let unchanged = match guest.cart.version {
            0 => Condition::from(NEW),
            version => version_is(version),
        };
        transaction.delete_if(LoginCondition::Unchanged, unchanged, keys::cart(&guest.session.uid));
        Ok(())
    }

    /// AP-62: sets a new password. TransactWriteItems: the new hash, conditional on the `verified` one and on no login
    /// since, the end of every session of the customer, and `new`, which is opened under it. So at no moment do the new
    /// password and an old session both work. Each session must still exist: one that was refreshed meanwhile has a
    /// successor to be found.
    ///
    /// # Errors
    /// [`LoginError::Changed`] if sessions were opened or replaced meanwhile: read the credential again.
    pub async fn password_change(
        &self,
        new: &NewSession,
        verified: (&Email, &Credential),
        password_hash: &str,
    ) -> Result<(), LoginError> {
        let (email, credential) = verified;
        let mut listed = self.sessions_of("AP-62", &new.uid, new.created_at).await?;
        listed.sort_by_key(|s| s.created_at);
        // A transaction holds 100 actions. There are hardly ever more than ten sessions; the oldest may end beforehand.
        while listed.len() > MAX_ENDED_AT_ONCE {
            let oldest: Vec<_> = listed.drain(..MAX_ENDED_AT_ONCE).collect();
            let mut transaction = self.transaction();
            oldest.iter().for_each(|s| session_deletes(&mut transaction, Some(AnyCondition), &new.uid, &s.id));
            transaction.write("AP-62").await?.map_err(|_failed| LoginError::Changed)?;
        }
        let mut transaction = self.transaction();
        transaction.update_if(
            AnyCondition,
            password_is(credential).and(no_login_since(credential)),
            keys::credential(email),
            "SET passwordHash = :new",
            values([(":new", s(password_hash))]),
        );
        listed.iter().for_each(|s| session_deletes(&mut transaction, Some(AnyCondition), &new.uid, &s.id));
        session_puts(&mut transaction, AnyCondition, new);
        transaction.write("AP-62").await?.map_err(|_failed| LoginError::Changed)
    }

    /// AP-27: rotates the secret of a session; the old one is revoked in the same transaction.
    pub async fn session_replace(&self, new: &NewSession, old: &SessionId) -> Result<(), LoginError> {
        let mut transaction = self.transaction();
        session_puts(&mut transaction, AnyCondition, new);
        session_deletes(&mut transaction, Some(AnyCondition), &new.uid, old);
        transaction.write("AP-27").await?.map_err(|_failed| LoginError::Changed)
    }

    /// AP-28: a customer's sessions. Query, consistent, at most 10 and a few that expired.
    pub async fn session_list(&self, uid: &UserId, now: Timestamp) -> Result<Vec<SessionSummary>, StoreError> {
        self.sessions_of("AP-28", uid, now).await
    }

    pub(crate) async fn sessions_of(
        &self,
        pattern: Pattern,
        uid: &UserId,
        now: Timestamp,
    ) -> Result<Vec<SessionSummary>, StoreError> {
        let call = self
            .query(keys::user_pk(uid))
            .consistent_read(true)
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":prefix", s(keys::SESSION_PREFIX))
            .limit(100)
            .send();
        let output = metered(pattern, call).await?;
        let rows = output.items.unwrap_or_default().into_iter().map(from_item::<SessionListedRow>);
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        let live = rows.into_iter().filter(|row| row.expires_at > now.as_second());
        live.map(|row| {
            let read = || -> Result<SessionSummary, Invalid> {
                Ok(SessionSummary {
                    id: keys::session_id(&row.sk)?,
                    device: row.device.clone(),
                    created_at: rows::from_millis(row.created_at)?,
                })
            };
            read().map_err(|e| StoreError::corrupt(&row.pk, e))
        })
        .collect()
    }

    /// AP-29: ends one of a customer's sessions. TransactWriteItems: session and list entry. Returns whether it was
    /// theirs and open.
    pub async fn session_revoke(&self, uid: &UserId, id: &SessionId) -> Result<bool, StoreError> {
        let mut transaction = self.transaction();
        session_deletes(&mut transaction, Some(AnyCondition), uid, id);
        Ok(transaction.write("AP-29").await?.is_ok())
    }

    /// AP-30: ends all of a customer's sessions. Each must still exist: if one was replaced meanwhile, its successor is
    /// found by listing again, so that none survives.
    pub async fn session_revoke_all(&self, uid: &UserId, now: Timestamp) -> Result<usize, StoreError> {
        let mut ended = 0;
        for _ in 0..20 {
            let sessions = self.sessions_of("AP-30", uid, now).await?;
            if sessions.is_empty() {
                return Ok(ended);
            }
            // 50 sessions are 100 actions, as many as a transaction holds.
            for chunk in sessions.chunks(50) {
                let mut transaction = self.transaction();
                chunk.iter().for_each(|s| session_deletes(&mut transaction, Some(AnyCondition), uid, &s.id));
                match transaction.write("AP-30").await? {
                    Ok(()) => ended += chunk.len(),
                    Err(_failed) => break,
                }
            }
        }
        Err(StoreError::Busy("sessions kept changing while they were ended".into()))
    }
}

/// The password is the one that was read.
pub(crate) fn password_is(read: &Credential) -> Condition {
    Condition::new("passwordHash = :read", values([(":read", s(&read.password_hash))]))
}

/// Nobody has logged in since the credential was read.
pub(crate) fn no_login_since(credential: &Credential) -> Condition {
    match credential.logins {
        0 => Condition::from("attribute_not_exists(logins)"),
        logins => Condition::new("logins = :logins", values([(":logins", n(logins))])),
    }
}

/// Writes a session, if its id is free, and its entry in the customer's list.
pub(crate) fn session_puts<L: Copy>(transaction: &mut Transaction<'_, L>, free: L, new: &NewSession) {
    let lifetime = new.lifetime;
    let expires_at = lifetime.absolute_expires_at.as_second();
    let keys::Key { pk, sk } = keys::session(&new.id);
    let session = SessionRow {
        pk,
        sk,
        uid: new.uid.to_string(),
        guest: new.kind == SessionKind::Guest,
        idle_expires_at: millis(lifetime.idle_expires_at),
        absolute_expires_at: millis(lifetime.absolute_expires_at),
        expires_at,
    };
    let keys::Key { pk, sk } = keys::session_listed(&new.uid, &new.id);
    let device = new.device.clone();
    let listed = SessionListedRow { pk, sk, device, created_at: millis(new.created_at), expires_at };
    transaction.put_if(free, NEW, rows::to_item(session));
    transaction.put(rows::to_item(listed));
}

/// Deletes both items of a session; with a label only if it exists. The condition is on the list entry: its key contains
/// the owner, so a foreign session cannot be ended.
pub(crate) fn session_deletes<L: Copy>(
    transaction: &mut Transaction<'_, L>,
    exists: Option<L>,
    uid: &UserId,
    id: &SessionId,
) {
    let listed = keys::session_listed(uid, id);
    match exists {
        Some(label) => transaction.delete_if(label, EXISTS, listed),
        None => transaction.delete(listed),
    }
    transaction.delete(keys::session(id));
}
