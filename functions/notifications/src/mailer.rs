use std::{error::Error, fmt, future::Future, pin::Pin};

use domain::Email;

/// A mail to be sent. `Debug` shows its id only, so that no log shows its recipient.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// `<order>-<version>`: the same whenever the same notification is sent.
    pub id: String,
    pub from: Email,
    pub to: Email,
    pub subject: String,
    /// All of it, headers included, as MIME (RFC 5322) in 7-bit ASCII.
    pub raw: Vec<u8>,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a mail was not sent. Neither variant contains the mail or its recipient, because both are logged.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// Permanent: there is something wrong with the mail itself.
    #[error("the mail is refused: {0}")]
    Refused(String),
    /// No answer in time, or a temporary failure. It may have been sent all the same.
    #[error("the mail could not be sent yet: {what}")]
    Unavailable { what: String, source: Option<Box<dyn Error + Send + Sync>> },
}

pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<(), MailError>> + Send + 'a>>;

/// A way to send mail. Sending the same mail again is allowed, though it may reach the customer twice.
pub trait Mailer: Send + Sync {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a>;
}
