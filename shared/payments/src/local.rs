use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, Seek, SeekFrom, Write},
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::{Dispute, DisputeState, Money, OrderId, ProviderId, RefundByHand, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Answer, Charge, ChargeOutcome, ClientSecret, CloseOutcome, EventRefused, EventSubject, NotChargeable,
    OutcomeUnknown, PaymentAction, PaymentEvent, PaymentEventKind, PaymentProvider, PaymentStatus, RefundCharge,
    RefundOutcome, signature::Secrets,
};

/// A provider on this machine, with tokens for its outcomes:
///
/// | token | outcome |
/// |---|---|
/// | `tok_visa` | pays |
/// | `tok_declined`, and any unknown token | declines |
/// | `tok_timeout_paid` | charges, and the answer is lost |
/// | `tok_timeout_unpaid` | the answer is lost before anything is charged |
/// | `tok_slow` | pays after 2 seconds |
/// | `tok_not_chargeable` | the provider does not accept the amount |
/// | `tok_3ds` | asks the customer; pays if they authenticate the payment |
/// | `tok_3ds_fails` | asks the customer; the authentication fails, whatever they answer |
/// | `tok_3ds_then_declined` | asks the customer; the bank declines after the authentication |
/// | `tok_3ds_abandoned` | asks the customer; no answer ever arrives |
///
/// Everything it did is in a ledger, in memory or a file of JSON lines, so that no payment is forgotten in a restart.
/// Several processes may share one file. Its first line records the length of the rest, so that a file that lost its
/// end is not taken for one with fewer payments; a file from before there was such a line continues without it.
#[derive(Debug)]
pub struct LocalPayments {
    ledger: Mutex<Ledger>,
    secrets: Secrets,
}

#[derive(Debug, Default)]
struct Ledger {
    entries: Vec<Entry>,
    captured: HashMap<OrderId, Entry>,
    closed: HashSet<OrderId>,
    /// Questions to customers that are not answered yet.
    asked: HashMap<OrderId, (Challenge, Entry)>,
    refunded: HashMap<(OrderId, u32), Entry>,
    /// Refunds made by hand, and whether each has failed.
    by_hand: BTreeMap<(OrderId, u32), (Entry, bool)>,
    file: Option<File>,
    /// How many bytes of the file were read.
    read: u64,
    /// Whether the file has a first line of the kind of [`first_line`].
    is_measured: bool,
}

/// The first line of a ledger, up to the number.
const FIRST: &str = r#"{"ledger":"payments","bytes":""#;

/// The first line of a ledger in which this many bytes of entries were completely written. It has the same length for
/// every number, because it is overwritten in place.
fn first_line(bytes: u64) -> String {
    format!("{FIRST}{bytes:020}\"}}\n")
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub order: String,
    pub attempt: Attempt,
    /// In minor units of the currency.
    pub amount: i64,
    pub currency: String,
    pub reference: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attempt {
    Captured,
    Declined,
    Closed,
    /// The customer was asked to authenticate the payment.
    Asked(Challenge),
    /// They were authenticated.
    Authenticated,
    /// They were not, or the bank declined after that.
    ChallengeFailed,
    /// With the number of the refund.
    Refunded(u32),
    /// Made outside of the shop, as in a provider's dashboard. With its number among those of its order.
    RefundedByHand(u32),
    /// A refund by hand failed.
    ByHandFailed(u32),
}

/// What follows when a customer answers that they authorise a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Challenge {
    Pays,
    Fails,
    /// They are authenticated, and their bank declines.
    Declines,
    /// Their answer does not arrive.
    Abandoned,
}

impl Challenge {
    fn of(token: &str) -> Option<Self> {
        match token {
            "tok_3ds" => Some(Self::Pays),
            "tok_3ds_fails" => Some(Self::Fails),
            "tok_3ds_then_declined" => Some(Self::Declines),
            "tok_3ds_abandoned" => Some(Self::Abandoned),
            _ => None,
        }
    }
}

/// What followed from a customer's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChallengeAnswered {
    Captured(Entry),
    Failed(Entry),
    /// The question is still open.
    StaysOpen,
    /// No question is open under this secret: it was answered before, or its payment was closed.
    NotAsked,
}

impl Default for LocalPayments {
    fn default() -> Self {
        Self { ledger: Mutex::default(), secrets: Secrets::new(["whsec_local"]) }
    }
}

impl LocalPayments {
    /// Keeps the ledger in a file, and reads what is in it.
    ///
    /// # Errors
    /// The file cannot be read or written, a line is not an entry, or entries are missing at its end.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Not opened to append: the first line is overwritten.
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        file.lock()?;
        let mut ledger = Ledger { file: Some(file), ..Ledger::default() };
        let done = ledger.begin().and_then(|()| ledger.catch_up());
        if let Some(file) = &ledger.file {
            file.unlock()?;
        }
        done?;
        Ok(Self { ledger: Mutex::new(ledger), ..Self::default() })
    }

    /// What was charged so far, for checking it against the orders.
    pub fn entries(&self) -> Vec<Entry> {
        self.attempts().into_iter().filter(|entry| entry.attempt == Attempt::Captured).collect()
    }

    /// All entries, oldest first.
    pub fn attempts(&self) -> Vec<Entry> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).entries.clone()
    }

    /// Refunds money as staff do in a provider's dashboard. `None` if less of the order was charged, or is left.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn refund_by_hand(&self, order: OrderId, amount: Money) -> Result<Option<RefundByHand>, OutcomeUnknown> {
        self.with(|ledger| {
            let Some(taken) = ledger.captured.get(&order) else { return (None, None) };
            if ledger.refunded(order) + amount.amount_minor() > taken.amount {
                return (None, None);
            }
            let number = ledger.by_hand.keys().filter(|(of, _)| *of == order).count() + 1;
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let entry = Entry::new(order, Attempt::RefundedByHand(number), amount, &taken.reference);
            (Some(RefundByHand { id: by_hand_id(order, number), amount, failed: false }), Some(entry))
        })
    }

    /// A refund by hand fails. `None` if there is none with this number, or it has failed before.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn fail_by_hand(&self, order: OrderId, number: u32) -> Result<Option<RefundByHand>, OutcomeUnknown> {
        self.with(|ledger| {
            let made = ledger.by_hand.get(&(order, number)).filter(|(_, failed)| !failed);
            let entry = made.map(|(entry, _)| Entry { attempt: Attempt::ByHandFailed(number), ..entry.clone() });
            (entry.as_ref().and_then(|entry| entry.made_by_hand(order, number, true)), entry)
        })
    }

    /// The customer answers the question of their bank, as the holder of the secret.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub fn answer_challenge(&self, secret: &str, authorises: bool) -> Result<ChallengeAnswered, OutcomeUnknown> {
        let order = secret.split('_').nth(1).and_then(|id| id.parse::<OrderId>().ok());
        let Some(order) = order.filter(|order| self.client_secret(*order).reveal() == secret) else {
            return Ok(ChallengeAnswered::NotAsked);
        };
        self.with_all(|ledger| {
            let Some((challenge, asked)) = ledger.asked.get(&order) else {
                return (ChallengeAnswered::NotAsked, Vec::new());
            };
            let then = |attempt, reference: &str| Entry { attempt, reference: reference.to_owned(), ..asked.clone() };
            let failed = then(Attempt::ChallengeFailed, "");
            match challenge {
                Challenge::Abandoned => (ChallengeAnswered::StaysOpen, Vec::new()),
                Challenge::Pays if authorises => {
                    let captured = then(Attempt::Captured, &reference(order));
                    let entries = vec![then(Attempt::Authenticated, ""), captured.clone()];
                    (ChallengeAnswered::Captured(captured), entries)
                }
                Challenge::Declines if authorises => {
                    let entries = vec![then(Attempt::Authenticated, ""), failed.clone()];
                    (ChallengeAnswered::Failed(failed), entries)
                }
                Challenge::Pays | Challenge::Declines | Challenge::Fails => {
                    (ChallengeAnswered::Failed(failed.clone()), vec![failed])
                }
            }
        })
    }

    /// The secret with which the customer can answer the question about an order.
    pub fn client_secret(&self, order: OrderId) -> ClientSecret {
        let signed = self.secrets.sign(order.to_string().as_bytes(), Timestamp::UNIX_EPOCH);
        let tag = signed.rsplit('=').next().unwrap_or_default();
        ClientSecret::new(format!("local_{order}_secret_{tag}"))
    }

    fn action(&self, order: OrderId) -> PaymentAction {
        PaymentAction {
            client_secret: self.client_secret(order),
            publishable_key: Some("pk_local".to_owned()),
            return_url: Some(format!("/?order={order}")),
        }
    }

    /// An event as this provider would send it, and its signature.
    pub fn sends(&self, event: &PaymentEvent, now: Timestamp) -> (String, String) {
        let mut body = match &event.kind {
            PaymentEventKind::Captured { reference, amount } => {
                json!({"type": "captured", "reference": reference, "amount": written(*amount)})
            }
            PaymentEventKind::Declined => json!({"type": "declined"}),
            PaymentEventKind::RefundPaid { number, amount } => {
                json!({"type": "refund_paid", "number": number, "amount": written(*amount)})
            }
            PaymentEventKind::RefundRefused { number } => json!({"type": "refund_refused", "number": number}),
            PaymentEventKind::RefundedByHand(RefundByHand { id, amount, failed }) => {
                let kind = if *failed { "by_hand_failed" } else { "refunded_by_hand" };
                json!({"type": kind, "object": id.as_str(), "amount": written(*amount)})
            }
            PaymentEventKind::Refunded => json!({"type": "refunded"}),
            PaymentEventKind::Disputed(Dispute { id, amount, reason, state }) => {
                let kind = match state {
                    DisputeState::Open => "disputed",
                    DisputeState::Won => "dispute_won",
                    DisputeState::Lost => "dispute_lost",
                };
                json!({"type": kind, "object": id.as_str(), "amount": written(*amount), "reason": reason})
            }
        };
        body["id"] = event.id.as_str().into();
        if !body["amount"].is_null() {
            let amount = body["amount"].take();
            (body["amount"], body["currency"]) = (amount[0].clone(), amount[1].clone());
        }
        match &event.subject {
            EventSubject::Order(order) => body["order"] = order.to_string().into(),
            EventSubject::Payment(reference) => body["payment"] = reference.as_str().into(),
        }
        let body = body.to_string();
        let signature = self.secrets.sign(body.as_bytes(), now);
        (body, signature)
    }

    fn with<T>(&self, work: impl FnOnce(&Ledger) -> (T, Option<Entry>)) -> Result<T, OutcomeUnknown> {
        self.with_all(|ledger| {
            let (outcome, entry) = work(ledger);
            (outcome, entry.into_iter().collect())
        })
    }

    /// Runs with the current ledger of the file, and appends what was done.
    fn with_all<T>(&self, work: impl FnOnce(&Ledger) -> (T, Vec<Entry>)) -> Result<T, OutcomeUnknown> {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &ledger.file {
            file.lock().map_err(|_| OutcomeUnknown)?;
        }
        // A payment that is not in the ledger was not made.
        let done = ledger.catch_up().and_then(|()| {
            let (outcome, entries) = work(&ledger);
            entries.into_iter().try_for_each(|entry| ledger.write(entry)).map(|()| outcome)
        });
        if let Some(file) = &ledger.file {
            file.unlock().map_err(|_| OutcomeUnknown)?;
        }
        done.map_err(|_| OutcomeUnknown)
    }

    /// What is decided about an order already counts, whatever it is charged with now.
    fn decide(
        &self,
        charge: &Charge,
        outcome: ChargeOutcome,
        attempt: Attempt,
        reference: &str,
    ) -> Result<ChargeOutcome, OutcomeUnknown> {
        let order = charge.order;
        self.with(|ledger| match ledger.captured.get(&order) {
            Some(first) => (ChargeOutcome::Captured { reference: first.reference.clone() }, None),
            None if ledger.asked.contains_key(&order) => (ChargeOutcome::ActionRequired(self.action(order)), None),
            None if ledger.closed.contains(&order) && attempt != Attempt::Declined => (ChargeOutcome::Declined, None),
            None => (outcome, Some(Entry::new(order, attempt, charge.amount, reference))),
        })
    }

    fn capture(&self, charge: &Charge) -> Result<ChargeOutcome, OutcomeUnknown> {
        let reference = reference(charge.order);
        let outcome = ChargeOutcome::Captured { reference: reference.clone() };
        self.decide(charge, outcome, Attempt::Captured, &reference)
    }

    fn decline(&self, charge: &Charge, refusal: ChargeOutcome) -> Result<ChargeOutcome, OutcomeUnknown> {
        self.decide(charge, refusal, Attempt::Declined, "")
    }

    fn ask(&self, charge: &Charge, challenge: Challenge) -> Result<ChargeOutcome, OutcomeUnknown> {
        let outcome = ChargeOutcome::ActionRequired(self.action(charge.order));
        self.decide(charge, outcome, Attempt::Asked(challenge), "")
    }
}

/// The provider's id of an order's payment.
fn reference(order: OrderId) -> String {
    format!("local_{}", order.as_uuid().simple())
}

impl Entry {
    fn new(order: OrderId, attempt: Attempt, amount: Money, reference: &str) -> Self {
        let (amount, currency) = (amount.amount_minor(), amount.currency().code().to_owned());
        Self { order: order.to_string(), attempt, amount, currency, reference: reference.to_owned() }
    }

    fn made_by_hand(&self, order: OrderId, number: u32, failed: bool) -> Option<RefundByHand> {
        let currency = domain::parse_currency(&self.currency).ok()?;
        Some(RefundByHand { id: by_hand_id(order, number), amount: Money::amount(self.amount, currency), failed })
    }

    /// The provider's id of a refund by hand.
    pub fn by_hand(&self) -> Option<ProviderId> {
        match self.attempt {
            Attempt::RefundedByHand(number) | Attempt::ByHandFailed(number) => {
                Some(by_hand_id(self.order.parse().ok()?, number))
            }
            Attempt::Captured
            | Attempt::Declined
            | Attempt::Closed
            | Attempt::Asked(_)
            | Attempt::Authenticated
            | Attempt::ChallengeFailed
            | Attempt::Refunded(_) => None,
        }
    }
}

fn by_hand_id(order: OrderId, number: u32) -> ProviderId {
    format!("local_{}_{number}", order.as_uuid().simple()).parse().expect("letters and digits")
}

/// An amount and its currency, as in an event.
fn written(amount: Money) -> [serde_json::Value; 2] {
    [amount.amount_minor().into(), amount.currency().code().into()]
}

impl Ledger {
    /// Reads the first line of a file, or writes it to an empty one.
    fn begin(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let (length, own) = (file.metadata()?.len(), first_line(0).len() as u64);
        if length == 0 {
            file.write_all(first_line(0).as_bytes())?;
            file.sync_all()?;
            (self.read, self.is_measured) = (own, true);
            return Ok(());
        }
        let mut line = String::new();
        BufReader::new(&mut *file).read_line(&mut line)?;
        let Some(bytes) = line.strip_prefix(FIRST).and_then(|rest| rest.strip_suffix("\"}\n")) else { return Ok(()) };
        let bytes: u64 = bytes.parse().map_err(|_| invalid("its first line is damaged".to_owned()))?;
        if length < own + bytes {
            return Err(invalid(format!("its end is missing: it has {length} bytes, and had {}", own + bytes)));
        }
        (self.read, self.is_measured) = (own, true);
        Ok(())
    }

    /// Reads what other processes wrote since.
    fn catch_up(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        match file.metadata()?.len() {
            length if length == self.read => return Ok(()),
            length if length < self.read => return Err(invalid("it has become shorter".to_owned())),
            _ => {}
        }
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(self.read))?;
        let (mut entries, mut line) = (Vec::new(), String::new());
        loop {
            line.clear();
            let bytes = reader.read_line(&mut line)?;
            // The last line of a process that was killed may be incomplete: it was never answered.
            if bytes == 0 || !line.ends_with('\n') {
                break;
            }
            let entry = serde_json::from_str::<Entry>(&line);
            entries.push(entry.map_err(|e| invalid(format!("what is at byte {} is no entry: {e}", self.read)))?);
            self.read += u64::try_from(bytes).unwrap_or_default();
        }
        file.set_len(self.read)?;
        entries.into_iter().try_for_each(|entry| self.know(entry))
    }

    fn write(&mut self, entry: Entry) -> io::Result<()> {
        if let Some(file) = self.file.as_mut() {
            let line = serde_json::to_string(&entry).map_err(io::Error::other)? + "\n";
            file.seek(SeekFrom::Start(self.read))?;
            file.write_all(line.as_bytes())?;
            file.sync_data()?;
            self.read += u64::try_from(line.len()).unwrap_or_default();
            if self.is_measured {
                // Only now, and without flushing: an older number is valid as well.
                let line = first_line(self.read - first_line(0).len() as u64);
                file.rewind()?;
                file.write_all(line.as_bytes())?;
            }
        }
        self.know(entry)
    }

    fn know(&mut self, entry: Entry) -> io::Result<()> {
        let order: OrderId = entry.order.parse().map_err(io::Error::other)?;
        match entry.attempt {
            Attempt::Captured => {
                self.asked.remove(&order);
                self.captured.insert(order, entry.clone());
            }
            Attempt::Closed => {
                self.asked.remove(&order);
                self.closed.insert(order);
            }
            Attempt::Asked(challenge) => drop(self.asked.insert(order, (challenge, entry.clone()))),
            Attempt::ChallengeFailed => drop(self.asked.remove(&order)),
            Attempt::Refunded(number) => drop(self.refunded.insert((order, number), entry.clone())),
            Attempt::RefundedByHand(number) => drop(self.by_hand.insert((order, number), (entry.clone(), false))),
            Attempt::ByHandFailed(number) => drop(self.by_hand.insert((order, number), (entry.clone(), true))),
            Attempt::Declined | Attempt::Authenticated => {}
        }
        self.entries.push(entry);
        Ok(())
    }

    fn refunded(&self, order: OrderId) -> i64 {
        let ours = self.refunded.iter().filter(|((of, _), _)| *of == order).map(|(_, entry)| entry.amount);
        let by_hand = self.by_hand.iter().filter(|((of, _), (_, failed))| *of == order && !failed);
        ours.sum::<i64>() + by_hand.map(|(_, (entry, _))| entry.amount).sum::<i64>()
    }
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl PaymentProvider for LocalPayments {
    fn name(&self) -> &'static str {
        "local"
    }

    fn chargeable(&self, _: Money) -> Result<(), NotChargeable> {
        Ok(())
    }

    fn refundable(&self, _: Money) -> Result<(), NotChargeable> {
        Ok(())
    }

    fn charge<'a>(&'a self, charge: &'a Charge) -> Answer<'a, ChargeOutcome> {
        Box::pin(async move {
            if let Some(challenge) = Challenge::of(charge.token.as_str()) {
                return self.ask(charge, challenge);
            }
            match charge.token.as_str() {
                "tok_visa" => self.capture(charge),
                "tok_slow" => {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    self.capture(charge)
                }
                "tok_timeout_paid" => self.capture(charge).and(Err(OutcomeUnknown)),
                "tok_timeout_unpaid" => Err(OutcomeUnknown),
                "tok_not_chargeable" => self.decline(charge, ChargeOutcome::NotChargeable),
                _ => self.decline(charge, ChargeOutcome::Declined),
            }
        })
    }

    fn look(&self, order: OrderId, _: Money) -> Answer<'_, PaymentStatus> {
        Box::pin(async move {
            self.with(|ledger| {
                let status = match ledger.captured.get(&order) {
                    Some(taken) => PaymentStatus::Captured { reference: taken.reference.clone() },
                    None if ledger.asked.contains_key(&order) => PaymentStatus::ActionRequired(self.action(order)),
                    None if ledger.closed.contains(&order) => PaymentStatus::Closed,
                    None => PaymentStatus::Unpaid,
                };
                (status, None)
            })
        })
    }

    fn close(&self, order: OrderId, amount: Money) -> Answer<'_, CloseOutcome> {
        Box::pin(async move {
            self.with(|ledger| match ledger.captured.get(&order) {
                Some(taken) => (CloseOutcome::Captured { reference: taken.reference.clone() }, None),
                None if ledger.closed.contains(&order) => (CloseOutcome::Closed, None),
                None => (CloseOutcome::Closed, Some(Entry::new(order, Attempt::Closed, amount, ""))),
            })
        })
    }

    fn refund<'a>(&'a self, refund: &'a RefundCharge) -> Answer<'a, RefundOutcome> {
        Box::pin(async move {
            let RefundCharge { order, number, reference, amount } = refund;
            self.with(|ledger| {
                let taken = ledger.captured.get(order).map_or(0, |entry| entry.amount);
                if ledger.refunded.contains_key(&(*order, *number)) {
                    return (RefundOutcome::Paid, None);
                }
                if ledger.refunded(*order) + amount.amount_minor() > taken {
                    return (RefundOutcome::Refused, None);
                }
                let entry = Entry::new(*order, Attempt::Refunded(*number), *amount, reference);
                (RefundOutcome::Paid, Some(entry))
            })
        })
    }

    fn order_of<'a>(&'a self, reference: &'a str) -> Answer<'a, Option<OrderId>> {
        Box::pin(async move {
            self.with(|ledger| {
                let taken = ledger.captured.iter().find(|(_, entry)| entry.reference == reference);
                (taken.map(|(order, _)| *order), None)
            })
        })
    }

    fn refunds_by_hand<'a>(&'a self, reference: &'a str) -> Answer<'a, Vec<RefundByHand>> {
        Box::pin(async move {
            self.with(|ledger| {
                let made = ledger.by_hand.iter().filter(|(_, (entry, _))| entry.reference == reference);
                let made =
                    made.filter_map(|((order, number), (entry, failed))| entry.made_by_hand(*order, *number, *failed));
                (made.collect(), None)
            })
        })
    }

    fn signature_header(&self) -> &'static str {
        "payment-signature"
    }

    fn event(&self, signature: &str, body: &[u8], now: Timestamp) -> Result<Option<PaymentEvent>, EventRefused> {
        #[derive(Deserialize)]
        struct Body {
            id: String,
            r#type: String,
            order: Option<String>,
            payment: Option<String>,
            object: Option<String>,
            reason: Option<String>,
            number: Option<u32>,
            amount: Option<i64>,
            currency: Option<String>,
            reference: Option<String>,
        }
        self.secrets.verify(signature, body, now)?;
        let body: Body = serde_json::from_slice(body).map_err(|_| EventRefused::Malformed)?;
        let amount = || {
            let currency = domain::parse_currency(body.currency.as_deref()?).ok()?;
            Some(Money::amount(body.amount?, currency))
        };
        let object = || body.object.as_deref()?.parse::<ProviderId>().ok();
        let disputed = |state| {
            let (id, amount) = object().zip(amount())?;
            Some(PaymentEventKind::Disputed(Dispute { id, amount, reason: body.reason.clone(), state }))
        };
        let kind = match body.r#type.as_str() {
            "captured" => body
                .reference
                .clone()
                .zip(amount())
                .map(|(r, amount)| PaymentEventKind::Captured { reference: r, amount }),
            "declined" => Some(PaymentEventKind::Declined),
            "refund_paid" => {
                body.number.zip(amount()).map(|(number, amount)| PaymentEventKind::RefundPaid { number, amount })
            }
            "refund_refused" => body.number.map(|number| PaymentEventKind::RefundRefused { number }),
            kind @ ("refunded_by_hand" | "by_hand_failed") => object().zip(amount()).map(|(id, amount)| {
                PaymentEventKind::RefundedByHand(RefundByHand { id, amount, failed: kind == "by_hand_failed" })
            }),
            "refunded" => Some(PaymentEventKind::Refunded),
            "disputed" => disputed(DisputeState::Open),
            "dispute_won" => disputed(DisputeState::Won),
            "dispute_lost" => disputed(DisputeState::Lost),
            _ => return Ok(None),
        };
        let subject = match (&body.order, body.payment) {
            (Some(order), _) => order.parse().ok().map(EventSubject::Order),
            (None, payment) => payment.map(EventSubject::Payment),
        };
        let parsed = body.id.parse().ok().zip(subject).zip(kind);
        let ((id, subject), kind) = parsed.ok_or(EventRefused::Malformed)?;
        Ok(Some(PaymentEvent { id, subject, kind }))
    }
}

#[cfg(test)]
mod tests {
    use domain::Currency;

    use super::*;
    use crate::PaymentToken;

    const ORDER: &str = "018cc251-f400-7000-8000-000000000000";

    fn usd(cents: i64) -> Money {
        Money::amount(cents, Currency::USD)
    }

    fn charge(token: &str) -> Charge {
        Charge { order: ORDER.parse().unwrap(), amount: usd(899), token: PaymentToken::parse(token).unwrap() }
    }

    fn refund(number: u32, cents: i64) -> RefundCharge {
        RefundCharge { order: ORDER.parse().unwrap(), number, reference: "local_1".to_owned(), amount: usd(cents) }
    }

    #[tokio::test]
    async fn an_order_is_charged_once_however_often_it_is_requested() {
        let provider = LocalPayments::default();

        let lost = provider.charge(&charge("tok_timeout_paid")).await;
        let again = provider.charge(&charge("tok_visa")).await;
        let declined = provider.charge(&charge("tok_declined")).await;

        assert_eq!(lost, Err(OutcomeUnknown));
        assert!(matches!(again, Ok(ChargeOutcome::Captured { .. })));
        assert_eq!(declined, again);
        assert_eq!(provider.entries().len(), 1);
    }

    #[tokio::test]
    async fn an_unpaid_order_is_not_in_what_was_charged() {
        let provider = LocalPayments::default();

        assert_eq!(provider.charge(&charge("tok_declined")).await, Ok(ChargeOutcome::Declined));
        assert_eq!(provider.charge(&charge("tok_timeout_unpaid")).await, Err(OutcomeUnknown));
        assert!(provider.entries().is_empty());
    }

    #[tokio::test]
    async fn a_closed_order_is_never_charged_and_a_charged_one_not_closed() {
        let (closed, paid) = (LocalPayments::default(), LocalPayments::default());
        let order = charge("tok_visa").order;

        assert_eq!(closed.close(order, usd(899)).await, Ok(CloseOutcome::Closed));
        assert_eq!(closed.charge(&charge("tok_visa")).await, Ok(ChargeOutcome::Declined));
        paid.charge(&charge("tok_visa")).await.unwrap();
        assert!(matches!(paid.close(order, usd(899)).await, Ok(CloseOutcome::Captured { .. })));
    }

    #[tokio::test]
    async fn a_customer_is_asked_once_and_pays_only_if_they_authorise_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("payments.jsonl");
        let (provider, other) = (LocalPayments::open(&file).unwrap(), LocalPayments::open(&file).unwrap());
        let order = charge("tok_3ds").order;

        let asked = provider.charge(&charge("tok_3ds")).await.unwrap();
        let another_card = other.charge(&charge("tok_visa")).await.unwrap();
        let looked = other.look(order, usd(899)).await.unwrap();
        let secret = provider.client_secret(order);
        let by_guess = other.answer_challenge(&format!("{}0", secret.reveal()), true).unwrap();
        let paid = other.answer_challenge(secret.reveal(), true).unwrap();
        let again = provider.answer_challenge(secret.reveal(), false).unwrap();

        let ChargeOutcome::ActionRequired(action) = &asked else { panic!("{asked:?}") };
        assert_eq!((&another_card, looked), (&asked, PaymentStatus::ActionRequired(action.clone())));
        assert_eq!((by_guess, again), (ChallengeAnswered::NotAsked, ChallengeAnswered::NotAsked));
        assert!(matches!(paid, ChallengeAnswered::Captured(_)));
        assert!(matches!(provider.look(order, usd(899)).await, Ok(PaymentStatus::Captured { .. })));
        assert_eq!(provider.entries().len(), 1);
        let written = std::fs::read_to_string(&file).unwrap();
        assert!(!written.contains(secret.reveal()), "{written}");
    }

    #[tokio::test]
    async fn after_a_failed_challenge_another_card_pays_and_after_a_close_none() {
        for token in ["tok_3ds_fails", "tok_3ds_then_declined", "tok_3ds"] {
            let provider = LocalPayments::default();
            let order = charge(token).order;
            let secret = provider.client_secret(order);

            provider.charge(&charge(token)).await.unwrap();
            let failed = provider.answer_challenge(secret.reveal(), token != "tok_3ds").unwrap();
            let looked = provider.look(order, usd(899)).await;
            let another = provider.charge(&charge("tok_visa")).await;

            assert!(matches!(failed, ChallengeAnswered::Failed(_)), "{token}");
            assert_eq!(looked, Ok(PaymentStatus::Unpaid), "{token}");
            assert!(matches!(another, Ok(ChargeOutcome::Captured { .. })), "{token}");
        }
        let provider = LocalPayments::default();
        let order = charge("tok_3ds_abandoned").order;
        let secret = provider.client_secret(order);
        provider.charge(&charge("tok_3ds_abandoned")).await.unwrap();

        let stays = provider.answer_challenge(secret.reveal(), true);
        let closed = provider.close(order, usd(899)).await;

        assert_eq!((stays, closed), (Ok(ChallengeAnswered::StaysOpen), Ok(CloseOutcome::Closed)));
        assert_eq!(provider.answer_challenge(secret.reveal(), true), Ok(ChallengeAnswered::NotAsked));
        assert_eq!(provider.look(order, usd(899)).await, Ok(PaymentStatus::Closed));
        assert_eq!(provider.charge(&charge("tok_3ds")).await, Ok(ChargeOutcome::Declined));
    }

    #[tokio::test]
    async fn a_refund_is_paid_once_and_never_more_than_was_charged() {
        let provider = LocalPayments::default();
        provider.charge(&charge("tok_visa")).await.unwrap();

        assert_eq!(provider.refund(&refund(1, 500)).await, Ok(RefundOutcome::Paid));
        assert_eq!(provider.refund(&refund(1, 500)).await, Ok(RefundOutcome::Paid));
        assert_eq!(provider.refund(&refund(2, 400)).await, Ok(RefundOutcome::Refused));
        assert_eq!(provider.refund(&refund(3, 399)).await, Ok(RefundOutcome::Paid));
    }

    #[tokio::test]
    async fn two_processes_share_a_ledger_and_ignore_an_incomplete_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("payments.jsonl");
        let (one, other) = (LocalPayments::open(&file).unwrap(), LocalPayments::open(&file).unwrap());

        one.charge(&charge("tok_visa")).await.unwrap();
        let seen = other.close(charge("tok_visa").order, usd(899)).await;
        std::fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"order\":").unwrap();
        let third = LocalPayments::open(&file).unwrap();
        third.refund(&refund(1, 899)).await.unwrap();

        assert!(matches!(seen, Ok(CloseOutcome::Captured { .. })));
        assert_eq!(LocalPayments::open(&file).unwrap().attempts().len(), 2);
    }

    #[tokio::test]
    async fn a_refund_by_hand_counts_against_what_was_charged_until_it_fails() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("payments.jsonl");
        let provider = LocalPayments::open(&file).unwrap();
        let order = charge("tok_visa").order;
        provider.charge(&charge("tok_visa")).await.unwrap();
        let reference = provider.entries()[0].reference.clone();

        let made = provider.refund_by_hand(order, usd(500)).unwrap().unwrap();
        let too_much = provider.refund_by_hand(order, usd(400)).unwrap();
        let refused = provider.refund(&refund(1, 400)).await;
        let failed = provider.fail_by_hand(order, 1).unwrap().unwrap();
        let paid = LocalPayments::open(&file).unwrap().refund(&refund(2, 899)).await;

        assert_eq!((too_much, refused, paid), (None, Ok(RefundOutcome::Refused), Ok(RefundOutcome::Paid)));
        assert_eq!(failed, RefundByHand { failed: true, ..made });
        assert_eq!(provider.refunds_by_hand(&reference).await, Ok(vec![failed]));
        assert_eq!(provider.fail_by_hand(order, 1), Ok(None));
        assert_eq!(provider.order_of(&reference).await, Ok(Some(order)));
        assert_eq!(provider.order_of("of_somebody_else").await, Ok(None));
    }

    #[tokio::test]
    async fn a_ledger_that_lost_its_end_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("payments.jsonl");
        let provider = LocalPayments::open(&file).unwrap();
        provider.charge(&charge("tok_visa")).await.unwrap();
        let first = std::fs::metadata(&file).unwrap().len();
        provider.refund(&refund(1, 899)).await.unwrap();
        let whole = std::fs::read(&file).unwrap();

        for kept in [whole.len() - 1, first as usize, first as usize - 1, first_line(0).len()] {
            std::fs::write(&file, &whole[..kept]).unwrap();
            let refused = LocalPayments::open(&file).unwrap_err().to_string();
            assert!(refused.contains("its end is missing"), "{kept}: {refused}");
            assert_eq!(std::fs::metadata(&file).unwrap().len(), kept as u64, "it is left as it was found");
        }
        for (at, damaged) in [(5, "no entry"), (FIRST.len() + 3, "first line"), (first as usize + 5, "no entry")] {
            let mut text = whole.clone();
            text[at] = b'#';
            std::fs::write(&file, text).unwrap();
            let refused = LocalPayments::open(&file).unwrap_err().to_string();
            assert!(refused.contains(damaged), "{at}: {refused}");
        }
        std::fs::write(&file, &whole).unwrap();
        assert_eq!(LocalPayments::open(&file).unwrap().attempts().len(), 2);
    }

    #[tokio::test]
    async fn a_ledger_that_shrinks_while_in_use_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("payments.jsonl");
        let provider = LocalPayments::open(&file).unwrap();
        provider.charge(&charge("tok_visa")).await.unwrap();

        OpenOptions::new().write(true).open(&file).unwrap().set_len(first_line(0).len() as u64).unwrap();

        assert_eq!(provider.refund(&refund(1, 899)).await, Err(OutcomeUnknown));
    }

    #[tokio::test]
    async fn an_old_ledger_continues_without_a_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("payments.jsonl");
        let provider = LocalPayments::open(&file).unwrap();
        provider.charge(&charge("tok_visa")).await.unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.split_once('\n').unwrap().1).unwrap();

        let provider = LocalPayments::open(&file).unwrap();
        provider.refund(&refund(1, 899)).await.unwrap();

        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.lines().all(|line| serde_json::from_str::<Entry>(line).is_ok()), "{text}");
        assert_eq!(LocalPayments::open(&file).unwrap().attempts().len(), 2);
    }

    #[test]
    fn an_event_reads_back_as_it_was_sent() {
        let (provider, now) = (LocalPayments::default(), Timestamp::UNIX_EPOCH);
        let id = || "object_1".parse().unwrap();
        let dispute = |reason, state| PaymentEventKind::Disputed(Dispute { id: id(), amount: usd(5), reason, state });
        for kind in [
            PaymentEventKind::Captured { reference: "local_1".to_owned(), amount: usd(899) },
            PaymentEventKind::Declined,
            PaymentEventKind::RefundPaid { number: 2, amount: usd(5) },
            PaymentEventKind::RefundRefused { number: 2 },
            PaymentEventKind::RefundedByHand(RefundByHand { id: id(), amount: usd(5), failed: false }),
            PaymentEventKind::RefundedByHand(RefundByHand { id: id(), amount: usd(5), failed: true }),
            PaymentEventKind::Refunded,
            dispute(Some("fraudulent".to_owned()), DisputeState::Open),
            dispute(None, DisputeState::Won),
            dispute(None, DisputeState::Lost),
        ] {
            let subject = match kind {
                PaymentEventKind::Captured { .. } => EventSubject::Order(charge("tok_visa").order),
                _ => EventSubject::Payment("local_1".to_owned()),
            };
            let event = PaymentEvent { id: "evt_1".parse().unwrap(), subject, kind };
            let (body, signature) = provider.sends(&event, now);

            assert_eq!(provider.event(&signature, body.as_bytes(), now), Ok(Some(event)));
            assert_eq!(provider.event(&signature, b"{}", now), Err(EventRefused::Forged));
        }
    }
}
