//! Sending a mail that is a link, once for each request for it.
//!
//! A link is mailed to an address that nobody may have verified. So these mails contain no text that anybody chose but the
//! shop, and have limits of their own (see `limits`). Beyond those they are dropped: their links expire, so that they
//! cannot be replayed later.

use domain::LinkRequestId;
use stream::Failure;
use table::{Claim, GivenUp, error_chain};

use crate::{
    MARKS, SentElsewhere, State,
    limits::LinkLimit,
    mailer::{Mail, MailError},
};

/// The request that a mail answers: its id, and which of its mails it is.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    pub request: LinkRequestId,
    pub which: &'static str,
    /// The stream's record that asks for it.
    pub record: &'a str,
}

/// Sends the mail unless it was sent, or its limit is reached.
pub async fn send_once(
    state: &State,
    Answered { request, which, record }: Answered<'_>,
    mail: &Mail,
    limit: LinkLimit,
) -> Result<(), Failure> {
    let table = &state.table;
    match table.link_notification_claim(request, which, record, state.clock.now()).await? {
        Claim::Done => return Ok(()),
        Claim::Elsewhere => return Err(Failure::Again(SentElsewhere.into())),
        // Counted when it was first claimed.
        Claim::Again => {}
        Claim::First => {
            let is_allowed = match &state.limits {
                Some(limits) => limits.count_of_link(table, which, &mail.to, limit, state.clock.now()).await?,
                None => true,
            };
            if !is_allowed {
                tracing::warn!(%request, kind = which, "a mail with a link is dropped: its limit is reached");
                table.link_notification_give_up(request, which, GivenUp::ForGood, state.clock.now()).await?;
                return Ok(());
            }
        }
    }
    if let Err(error) = state.mailer.send(mail).await {
        return Err(match error {
            MailError::Refused(_) => Failure::Never(error.into()),
            MailError::Unavailable { .. } => Failure::Again(error.into()),
        });
    }
    tracing::info!(%request, kind = which, "a mail with a link was sent");
    // Never an error: the mail was sent, and delivering its record again would send another.
    for attempt in 1..=MARKS {
        let marked = table.link_notification_sent(request, which, state.clock.now()).await;
        let Err(error) = marked else { return Ok(()) };
        tracing::error!(%request, kind = which, attempt, error = error_chain(&error), "a mail was sent but could not be marked as sent");
    }
    Ok(())
}
