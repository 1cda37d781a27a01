use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{Email, Language, UserId};

/// What the link in a mail about an account does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountAction {
    /// Sets a new password.
    ResetPassword,
    /// Confirms that the customer reads the mail of the account's e-mail address.
    VerifyEmail,
    /// The same of a new address, which then replaces the account's.
    ChangeEmail,
}

impl AccountAction {
    pub const ALL: [Self; 3] = [Self::ResetPassword, Self::VerifyEmail, Self::ChangeEmail];

    /// Its name in keys, links and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResetPassword => "reset-password",
            Self::VerifyEmail => "verify-email",
            Self::ChangeEmail => "change-email",
        }
    }

    /// How long the link works.
    pub const fn lifetime(self) -> SignedDuration {
        match self {
            Self::ResetPassword => SignedDuration::from_mins(30),
            Self::VerifyEmail | Self::ChangeEmail => SignedDuration::from_hours(24),
        }
    }
}

/// A request for a link. The link's token is computed from it with a key of the functions, so that reading this does
/// not give access to the link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountLink {
    pub id: LinkRequestId,
    pub customer: UserId,
    pub action: AccountAction,
    /// The address that the link is mailed to. For a change, it is the new one.
    pub email: Email,
    /// The digest of the password hash that the account had, if the link was requested with the password: it ends with
    /// that password.
    pub asked_under: Option<String>,
    pub expires_at: Timestamp,
    /// Of the mail.
    pub language: Language,
}

impl AccountLink {
    /// A request made now. Its expiry is a whole second, as it is stored and signed.
    pub fn request(
        id: LinkRequestId,
        customer: UserId,
        action: AccountAction,
        email: Email,
        asked_under: Option<String>,
        now: Timestamp,
    ) -> Self {
        let this_second = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let (expires_at, language) = (this_second + action.lifetime(), Language::default());
        Self { id, customer, action, email, asked_under, expires_at, language }
    }

    /// The same, mailed in this language.
    pub fn in_language(self, language: Language) -> Self {
        Self { language, ..self }
    }

    /// When it was requested.
    pub fn requested_at(&self) -> Timestamp {
        self.expires_at - self.action.lifetime()
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.expires_at
    }
}

/// The id of a request for a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkRequestId(Uuid);

impl LinkRequestId {
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl From<Uuid> for LinkRequestId {
    fn from(id: Uuid) -> Self {
        Self(id)
    }
}

impl std::str::FromStr for LinkRequestId {
    type Err = crate::Invalid;

    fn from_str(raw: &str) -> Result<Self, crate::Invalid> {
        Uuid::try_parse(raw).map(Self).map_err(|_| crate::Invalid::new("id", "id_invalid", "must be a UUID"))
    }
}

impl std::fmt::Display for LinkRequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_works_until_the_second_it_expires() {
        let asked = Timestamp::UNIX_EPOCH;
        let (customer, email) = ("ann".parse().unwrap(), Email::parse("ann@example.com").unwrap());
        let millis_later = asked + SignedDuration::from_millis(999);
        let reset = AccountAction::ResetPassword;
        let link = AccountLink::request(Uuid::nil().into(), customer, reset, email, None, millis_later);

        assert_eq!(link.requested_at(), asked);
        assert!(!link.is_expired(asked + SignedDuration::from_secs(30 * 60 - 1)));
        assert!(link.is_expired(asked + SignedDuration::from_mins(30)));
    }
}
