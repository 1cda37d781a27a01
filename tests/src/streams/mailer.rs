//! The mailer of the runs: it records e-mails, and refuses those to one customer.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use aws_sdk_dynamodb::{Client, types::AttributeValue};
use notifications::{Mail, MailError, Mailer, Sending};

use super::verify::SentMail;
use crate::faults::plan::{Fault, Plan};

/// Everything that was sent, and whether one customer's e-mails are still refused. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct PostOffice {
    raw: Client,
    table: String,
    refused: String,
    refuses: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<SentMail>>>,
}

impl PostOffice {
    /// `raw` reads the table without faults. E-mails to `refused` fail until [`PostOffice::takes_everything`].
    pub fn new(raw: Client, table: &str, refused: &str) -> Self {
        let refuses = Arc::new(AtomicBool::new(true));
        Self { raw, table: table.to_owned(), refused: refused.to_owned(), refuses, sent: Arc::default() }
    }

    pub fn takes_everything(&self) {
        self.refuses.store(false, Ordering::SeqCst);
    }

    pub fn sent(&self) -> Vec<SentMail> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The mailer of one environment, over a network that fails as planned.
    pub fn over(&self, plan: Plan) -> FaultyMailer {
        FaultyMailer { office: self.clone(), plan }
    }

    /// Whether the table has this e-mail marked as sent at this moment.
    async fn is_marked(&self, mail: &str) -> bool {
        // A UUID, and the version of an order or the kind of a link.
        let Some((of, which)) = mail.split_at_checked(36) else { return false };
        let which = which.trim_start_matches('-');
        let call = self
            .raw
            .get_item()
            .table_name(&self.table)
            .key("PK", AttributeValue::S(format!("NOTIFY#{of}#{which}")))
            .key("SK", AttributeValue::S("SENT".to_owned()))
            .consistent_read(true)
            .send();
        let found = call.await.expect("the engine answers").item;
        found.is_some_and(|item| item.contains_key("sentAt"))
    }
}

pub struct FaultyMailer {
    office: PostOffice,
    plan: Plan,
}

impl Mailer for FaultyMailer {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        Box::pin(async move {
            let unavailable = || MailError::Unavailable { what: "as planned".to_owned(), source: None };
            let turn = self.plan.call("send mail", Fault::OF_ANY_CALL).await;
            if mail.to.as_str() == self.office.refused && self.office.refuses.load(Ordering::SeqCst) {
                return Err(unavailable());
            }
            let take = async {
                let marked = self.office.is_marked(&mail.id).await;
                let sent = SentMail {
                    id: mail.id.clone(),
                    to: mail.to.as_str().to_owned(),
                    subject: mail.subject.clone(),
                    marked,
                };
                self.office.sent.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
                Ok(())
            };
            self.plan.carry(turn, take, unavailable, || Err(unavailable())).await
        })
    }
}
