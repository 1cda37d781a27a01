use std::{
    collections::HashMap,
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::OrderId;
use serde::{Deserialize, Serialize};

use crate::{AnswerLost, Charge, ChargeFuture, ChargeOutcome, PaymentProvider};

/// A provider on this machine, with tokens that stand for what can happen:
///
/// | token | what happens |
/// |---|---|
/// | `tok_visa` | pays |
/// | `tok_declined`, and any it does not know | declines |
/// | `tok_timeout_paid` | charges, and the answer is lost |
/// | `tok_timeout_unpaid` | the answer is lost before anything is charged |
/// | `tok_slow` | pays after 2 seconds |
///
/// What it took stands in a ledger, in memory or a file of JSON lines, so that a restart forgets no payment.
#[derive(Debug, Default)]
pub struct LocalPayments {
    ledger: Mutex<Ledger>,
}

#[derive(Debug, Default)]
struct Ledger {
    captured: HashMap<OrderId, Entry>,
    file: Option<File>,
}

/// One payment taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub order: String,
    pub amount: i64,
    pub currency: String,
    pub reference: String,
}

impl LocalPayments {
    /// Keeps the ledger in a file, and knows what stands in it already.
    ///
    /// # Errors
    /// The file cannot be read or written, or a line is not an entry.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut captured = HashMap::new();
        if path.exists() {
            for line in BufReader::new(File::open(path)?).lines() {
                let entry: Entry = serde_json::from_str(&line?).map_err(io::Error::other)?;
                captured.insert(entry.order.parse().map_err(io::Error::other)?, entry);
            }
        }
        let file = Some(OpenOptions::new().create(true).append(true).open(path)?);
        Ok(Self { ledger: Mutex::new(Ledger { captured, file }) })
    }

    /// What was taken so far, for whoever checks it against the orders.
    pub fn entries(&self) -> Vec<Entry> {
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.captured.values().cloned().collect()
    }

    fn capture(&self, charge: &Charge) -> Result<ChargeOutcome, AnswerLost> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = ledger.captured.get(&charge.order) {
            return Ok(ChargeOutcome::Captured { reference: first.reference.clone() });
        }
        let entry = Entry {
            order: charge.order.to_string(),
            amount: charge.amount.amount_minor(),
            currency: charge.amount.currency().code().to_owned(),
            reference: format!("local_{}", charge.order.as_uuid().simple()),
        };
        if let Some(file) = ledger.file.as_mut() {
            let line = serde_json::to_string(&entry).map_err(|_| AnswerLost)?;
            // A payment that is not in the ledger was not made, as far as anybody can tell later.
            writeln!(file, "{line}").and_then(|()| file.sync_data()).map_err(|_| AnswerLost)?;
        }
        let reference = entry.reference.clone();
        ledger.captured.insert(charge.order, entry);
        Ok(ChargeOutcome::Captured { reference })
    }
}

impl PaymentProvider for LocalPayments {
    fn charge<'a>(&'a self, charge: &'a Charge) -> ChargeFuture<'a> {
        Box::pin(async move {
            match charge.token.as_str() {
                "tok_visa" => self.capture(charge),
                "tok_slow" => {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    self.capture(charge)
                }
                "tok_timeout_paid" => self.capture(charge).and(Err(AnswerLost)),
                "tok_timeout_unpaid" => Err(AnswerLost),
                _ => Ok(ChargeOutcome::Declined),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::{Currency, Money};

    use super::*;
    use crate::PaymentToken;

    fn charge(token: &str) -> Charge {
        Charge {
            order: "018cc251-f400-7000-8000-000000000000".parse().unwrap(),
            amount: Money::price(899, Currency::USD).unwrap(),
            token: PaymentToken::parse(token).unwrap(),
        }
    }

    #[tokio::test]
    async fn an_order_is_charged_once_however_often_it_is_asked_for() {
        let provider = LocalPayments::default();

        let lost = provider.charge(&charge("tok_timeout_paid")).await;
        let again = provider.charge(&charge("tok_visa")).await;

        assert_eq!(lost, Err(AnswerLost));
        assert!(matches!(again, Ok(ChargeOutcome::Captured { .. })));
        assert_eq!(provider.entries().len(), 1);
    }

    #[tokio::test]
    async fn what_is_not_paid_is_in_no_ledger() {
        let provider = LocalPayments::default();

        assert_eq!(provider.charge(&charge("tok_declined")).await, Ok(ChargeOutcome::Declined));
        assert_eq!(provider.charge(&charge("tok_timeout_unpaid")).await, Err(AnswerLost));
        assert!(provider.entries().is_empty());
    }
}
