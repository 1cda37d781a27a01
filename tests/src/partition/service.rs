//! The bundled engine behind the model: a request is throttled, in conflict, or evaluated, and takes its time.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use domain::Timestamp;
use dynoxide::{
    Database, DynoxideError,
    actions::{
        batch_get_item::BatchGetItemRequest,
        batch_write_item::BatchWriteItemRequest,
        delete_item::DeleteItemRequest,
        get_item::GetItemRequest,
        put_item::PutItemRequest,
        query::QueryRequest,
        transact_write_items::{TransactWriteItem, TransactWriteItemsRequest},
        update_item::UpdateItemRequest,
    },
    errors::CancellationReason,
    types::{AttributeValue, Item},
};
use runtime::Clock;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use table::{WarmThroughput, keys::Partition, schema::Index};
use tokio::time::Instant;

use super::{
    bucket::Burst,
    constants::{Latency, READ, REFUSAL, SPLIT_AFTER, TRANSACTION, TRANSACTION_FACTOR, WRITE},
    counts::{Counts, Throttled},
    held::Held,
    random::Random,
    space::{Access, Capacity, Placement, Space},
    stock::reason,
    units::{Change, Charge, ItemKey, Stored, charges, key_of, schema, text},
    wire::Outbox,
};

/// The hash key of `order-state-index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateDay {
    /// As the product writes it.
    AsWritten,
    /// A planted bug: one key for a state and day.
    OneKey,
}

/// The situation of a run.
#[derive(Debug, Clone)]
pub struct Rules {
    pub table: Capacity,
    /// Of the indexes that are named; others are new.
    pub indexes: BTreeMap<&'static str, Capacity>,
    pub burst: Burst,
    pub split_after: Duration,
    pub state_day: StateDay,
    /// A planted bug.
    pub lots_in_sort_key: bool,
    pub seed: u64,
}

impl Rules {
    /// A new table on demand, without burst, and the product as it is.
    pub fn new(seed: u64) -> Self {
        Self {
            table: Capacity::NEW,
            indexes: BTreeMap::new(),
            burst: Burst::Lost,
            split_after: SPLIT_AFTER,
            state_day: StateDay::AsWritten,
            lots_in_sort_key: false,
            seed,
        }
    }

    fn placement(&self) -> Placement {
        Placement { seed: self.seed, lots_in_sort_key: self.lots_in_sort_key }
    }

    /// With the throughput that `ops sale prewarm` computes.
    pub fn warm(mut self, throughput: &[WarmThroughput]) -> Self {
        for warm in throughput {
            let (read, write) = (warm.reads_per_second as f64, warm.writes_per_second as f64);
            let capacity = Capacity::OnDemand { read, write };
            match warm.index {
                None => self.table = capacity,
                Some(index) => drop(self.indexes.insert(index, capacity)),
            }
        }
        self
    }
}

/// When the shop opens, and the run begins.
fn opened() -> Timestamp {
    "2026-11-27T10:00:00Z".parse().expect("a time")
}

/// DynamoDB, as far as the model has it. Before [`Service::start`] it has no limits and takes no time.
pub struct Service {
    database: Database,
    rules: Rules,
    /// The wall clock of the shop.
    clock: Clock,
    started: OnceLock<Instant>,
    state: Mutex<State>,
}

struct State {
    /// The table, then the indexes in the order of the schema.
    spaces: Vec<Space>,
    stored: HashMap<ItemKey, Stored>,
    /// Items of transactions that are in flight.
    held: Held,
    random: Random,
    counts: Counts,
}

/// An answer of DynamoDB.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    fn ok(body: &impl Serialize) -> Self {
        Self { status: 200, body: serde_json::to_string(body).expect("an answer is JSON") }
    }

    fn error(code: &str, more: Value) -> Self {
        let mut body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}")});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        Self { status: 400, body: body.to_string() }
    }

    /// On demand it is a ThrottlingException, whose reasons say where.
    fn throttled(why: Throttled) -> Self {
        Self::error(
            "ThrottlingException",
            json!({
                "message": "Throughput exceeds the current capacity of your table or index",
                "throttlingReasons": [{"reason": why.reason(), "resource": why.index().unwrap_or("table")}],
            }),
        )
    }

    fn conflict() -> Self {
        Self::error("TransactionConflictException", json!({"message": "Transaction is ongoing for the item"}))
    }

    fn cancelled(reasons: &[CancellationReason]) -> Self {
        let codes: Vec<_> = reasons.iter().map(|reason| reason.code.as_str()).collect();
        let why = "Transaction cancelled, please refer cancellation reasons for specific reasons";
        Self::error(
            "TransactionCanceledException",
            json!({"Message": format!("{why} [{}]", codes.join(", ")), "CancellationReasons": reasons}),
        )
    }

    fn failed(error: &DynoxideError) -> Self {
        Self { status: error.status_code(), body: error.to_json() }
    }
}

/// What happens to a request, and how long it takes.
type Outcome = (Answer, Took);

#[derive(Debug, Clone, Copy)]
enum Took {
    Usual(Latency),
    Exactly(Duration),
}

const REFUSED: Took = Took::Usual(REFUSAL);
const WRITTEN: Took = Took::Usual(WRITE);
const FETCHED: Took = Took::Usual(READ);

/// Units of one partition.
struct Part {
    space: usize,
    partition: usize,
    units: f64,
}

impl State {
    fn throttled_by(space: usize, access: Access) -> Throttled {
        match (space, access) {
            (0, Access::Read) => Throttled::TableRead,
            (0, Access::Write) => Throttled::TableWrite,
            (index, Access::Read) => Throttled::IndexRead(index - 1),
            (index, Access::Write) => Throttled::IndexWrite(index - 1),
        }
    }

    /// Takes the units of all charges, or of none. An index that has too little refuses the write of the table.
    fn admit(&mut self, charges: &[Charge], access: Access, now: Duration) -> Result<Vec<Part>, Throttled> {
        let mut parts: Vec<Part> = Vec::with_capacity(charges.len());
        for Charge { space, position, units } in charges {
            let partition = self.spaces[*space].find(position);
            self.spaces[*space].requested(partition, position);
            match parts.iter_mut().find(|part| (part.space, part.partition) == (*space, partition)) {
                Some(part) => part.units += units,
                None => parts.push(Part { space: *space, partition, units: *units }),
            }
        }
        let short = parts.iter().find(|part| !self.spaces[part.space].has(part.partition, access, part.units, now));
        if let Some(short) = short {
            let (space, partition) = (short.space, short.partition);
            self.spaces[space].throttled(partition, now);
            return Err(Self::throttled_by(space, access));
        }
        for part in &parts {
            self.spaces[part.space].take(part.partition, access, part.units);
            match access {
                Access::Read => self.counts.read_units += part.units,
                Access::Write => self.counts.write_units += part.units,
            }
        }
        Ok(parts)
    }

    /// A transaction that is cancelled has prepared the items of the table, and has written no index.
    fn give_back_commit(&mut self, parts: &[Part]) {
        for part in parts {
            let units = match part.space {
                0 => part.units / TRANSACTION_FACTOR,
                _ => part.units,
            };
            // A split since then has only moved units to a neighbour.
            self.spaces[part.space].give_back(part.partition, Access::Write, units);
            self.counts.write_units -= units;
        }
    }

    fn count(&mut self, now: Duration, refused: Option<Refused>) {
        if let Some(Refused::Throttled(why)) = refused {
            *self.counts.throttled.entry(why).or_default() += 1;
        }
        let second = self.counts.second(now);
        match refused {
            None => second.accepted += 1,
            Some(Refused::Throttled(_)) => second.throttled += 1,
            Some(Refused::Conflict) => second.conflicts += 1,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    Throttled(Throttled),
    Conflict,
}

impl Service {
    pub fn new(rules: Rules) -> Self {
        let space = |capacity| Space::new(capacity, rules.burst).splitting_after(rules.split_after);
        let mut spaces = vec![space(rules.table)];
        let of_index = |index: &Index| rules.indexes.get(index.name).copied().unwrap_or(Capacity::NEW);
        spaces.extend(schema().iter().map(|index| space(of_index(index))));
        let state = State {
            spaces,
            stored: HashMap::new(),
            held: Held::default(),
            random: Random::new(rules.seed),
            counts: Counts::default(),
        };
        Self {
            database: Database::memory().expect("the engine opens in memory"),
            rules,
            clock: Clock::manual(opened()),
            started: OnceLock::new(),
            state: Mutex::new(state),
        }
    }

    /// From now on the limits hold.
    pub fn start(&self) {
        self.started.get_or_init(Instant::now);
    }

    /// Simulated time since the start.
    pub fn now(&self) -> Duration {
        self.started.get().map(Instant::elapsed).unwrap_or_default()
    }

    /// The simulated time of a moment.
    pub fn since_start(&self, at: Instant) -> Duration {
        self.started.get().map(|started| at.saturating_duration_since(*started)).unwrap_or_default()
    }

    /// The wall clock of the shop, at the simulated time. It is moved whenever it is asked for, and by every request.
    pub fn clock(&self) -> Clock {
        let behind = (opened() + self.now()).duration_since(self.clock.now());
        self.clock.advance(behind);
        self.clock.clone()
    }

    /// Transactions so far that placed an order, whether or not they are answered yet.
    pub fn orders(&self) -> u64 {
        self.state().counts.orders
    }

    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// Splits for heat, of the table and of its indexes.
    pub fn splits(&self) -> usize {
        self.state().spaces.iter().map(Space::splits).sum()
    }

    /// Partitions of the table.
    pub fn partitions(&self) -> usize {
        self.state().spaces[0].partitions()
    }

    /// The engine, for what is outside of the run: what it starts with, and what is left at its end.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Writes an item without limits, conditions or time.
    pub fn seed(&self, item: &Item, table: &str) {
        let request = PutItemRequest { table_name: table.to_owned(), item: item.clone(), ..PutItemRequest::default() };
        self.database.put_item(request).expect("the engine writes an item");
        self.state().stored.insert(key_of(item), Stored::of(item));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Carries a request out, in simulated time. What happens is decided when it arrives.
    pub async fn call(&self, operation: &str, body: &str, outbox: &Outbox) -> Answer {
        self.clock();
        let (answer, took) = match self.started.get() {
            None => (self.carry(operation, body, outbox, None).0, Duration::ZERO),
            Some(started) => {
                let (answer, took) = self.carry(operation, body, outbox, Some(started.elapsed()));
                let took = match took {
                    Took::Usual(latency) => self.state().random.latency(latency),
                    Took::Exactly(took) => took,
                };
                (answer, took)
            }
        };
        if !took.is_zero() {
            tokio::time::sleep(took).await;
        }
        self.clock();
        answer
    }

    fn carry(&self, operation: &str, body: &str, outbox: &Outbox, now: Option<Duration>) -> Outcome {
        let known = OPERATIONS.iter().find(|known| **known == operation);
        if let (Some(known), Some(_)) = (known, now) {
            *self.state().counts.requests.entry(known).or_default() += 1;
        }
        match operation {
            "GetItem" => self.get(read(body), now),
            "Query" => self.query(read(body), now),
            "BatchGetItem" => self.batch_get(read(body), now),
            "PutItem" => self.put(read(body), now),
            "UpdateItem" => self.update(read(body), now),
            "DeleteItem" => self.delete(read(body), now),
            "BatchWriteItem" => self.batch_write(body, now),
            "TransactWriteItems" => self.transact(read(body), outbox, now),
            "CreateTable" => (self.create(body), FETCHED),
            "DescribeTable" => (answer(self.database.describe_table(read(body))), FETCHED),
            "UpdateTimeToLive" => (answer(self.database.update_time_to_live(read(body))), FETCHED),
            other => (Answer::error("UnknownOperationException", json!({"message": other})), REFUSED),
        }
    }

    /// Without a stream, which the engine writes and the model does not read.
    fn create(&self, body: &str) -> Answer {
        let mut request: Value = read(body);
        if let Some(request) = request.as_object_mut() {
            request.remove("StreamSpecification");
        }
        answer(self.database.create_table(read(&request.to_string())))
    }

    fn get(&self, request: GetItemRequest, now: Option<Duration>) -> Outcome {
        let (pk, sk) = key_of(&request.key);
        match self.database.get_item(request) {
            Ok(found) => {
                let units = found.consumed_capacity.as_ref().map_or(0.5, |consumed| consumed.capacity_units);
                let charge = Charge { space: 0, position: self.rules.placement().position(&pk, &sk), units };
                self.admitted_read(&[charge], now, || Answer::ok(&found))
            }
            Err(error) => (Answer::failed(&error), REFUSED),
        }
    }

    fn query(&self, request: QueryRequest, now: Option<Duration>) -> Outcome {
        let index = request.index_name.as_ref().and_then(|name| schema().iter().position(|i| i.name == name));
        let space = index.map_or(0, |at| at + 1);
        // The first equality of a key condition is that of the hash key.
        let placeholder = request.key_condition_expression.as_ref().and_then(|condition| {
            let value = condition.split_once('=')?.1.split_whitespace().next()?;
            Some(value.to_owned())
        });
        let values = request.expression_attribute_values.as_ref();
        let hash = placeholder.and_then(|name| text(values?.get(&name)).map(str::to_owned)).unwrap_or_default();
        match self.database.query(request) {
            Ok(found) => {
                let units = found.consumed_capacity.as_ref().map_or(0.5, |consumed| consumed.capacity_units);
                let charge = Charge { space, position: self.rules.placement().position(&hash, ""), units };
                self.admitted_read(&[charge], now, || Answer::ok(&found))
            }
            Err(error) => (Answer::failed(&error), REFUSED),
        }
    }

    /// All keys, or none: the product sends what is unprocessed again, as the SDK sends what is throttled.
    fn batch_get(&self, request: BatchGetItemRequest, now: Option<Duration>) -> Outcome {
        let keys: Vec<ItemKey> = request.request_items.values().flat_map(|of| of.keys.iter().map(key_of)).collect();
        match self.database.batch_get_item(request) {
            Ok(found) => {
                let units: f64 = found.consumed_capacity.iter().flatten().map(|consumed| consumed.capacity_units).sum();
                let each = units / keys.len().max(1) as f64;
                let charge = |(pk, sk): &ItemKey| Charge {
                    space: 0,
                    position: self.rules.placement().position(pk, sk),
                    units: each,
                };
                let charges: Vec<_> = keys.iter().map(charge).collect();
                self.admitted_read(&charges, now, || Answer::ok(&found))
            }
            Err(error) => (Answer::failed(&error), REFUSED),
        }
    }

    /// A read has no effect, so it is evaluated before it is known whether it is throttled.
    fn admitted_read(&self, charges: &[Charge], now: Option<Duration>, answer: impl FnOnce() -> Answer) -> Outcome {
        let Some(now) = now else { return (answer(), FETCHED) };
        let mut state = self.state();
        match state.admit(charges, Access::Read, now) {
            Ok(_) => {
                state.count(now, None);
                (answer(), FETCHED)
            }
            Err(why) => {
                state.count(now, Some(Refused::Throttled(why)));
                (Answer::throttled(why), REFUSED)
            }
        }
    }

    fn put(&self, mut request: PutItemRequest, now: Option<Duration>) -> Outcome {
        self.rules.state_day.rewrite(&mut request.item);
        let key = key_of(&request.item);
        if let Err(refused) = self.admitted_write(&key, &Change::Put(&request.item), now) {
            return refused;
        }
        let stored = Stored::of(&request.item);
        self.evaluated(self.database.put_item(request), || Some((key, Some(stored))))
    }

    fn update(&self, request: UpdateItemRequest, now: Option<Duration>) -> Outcome {
        let (key, table) = (key_of(&request.key), request.table_name.clone());
        let expression = request.update_expression.clone().unwrap_or_default();
        let change = Change::Update(request.expression_attribute_values.as_ref(), &expression);
        if let Err(refused) = self.admitted_write(&key, &change, now) {
            return refused;
        }
        let its_key = request.key.clone();
        self.evaluated(self.database.update_item(request), || Some((key, self.stored(&table, its_key))))
    }

    fn delete(&self, request: DeleteItemRequest, now: Option<Duration>) -> Outcome {
        let key = key_of(&request.key);
        if let Err(refused) = self.admitted_write(&key, &Change::Delete, now) {
            return refused;
        }
        self.evaluated(self.database.delete_item(request), || Some((key, None)))
    }

    /// An item as it is now.
    fn stored(&self, table: &str, key: Item) -> Option<Stored> {
        let request = GetItemRequest {
            table_name: table.to_owned(),
            key,
            consistent_read: Some(true),
            ..GetItemRequest::default()
        };
        self.database.get_item(request).ok()?.item.as_ref().map(Stored::of)
    }

    fn admitted_write(&self, key: &ItemKey, change: &Change<'_>, now: Option<Duration>) -> Result<(), Outcome> {
        let Some(now) = now else { return Ok(()) };
        let mut state = self.state();
        if state.held.is_held(key, now) {
            state.counts.write_conflicts += 1;
            state.count(now, Some(Refused::Conflict));
            return Err((Answer::conflict(), REFUSED));
        }
        let charges = charges(self.rules.placement(), key, state.stored.get(key), change, false);
        match state.admit(&charges, Access::Write, now) {
            Ok(_) => {
                state.count(now, None);
                Ok(())
            }
            Err(why) => {
                state.count(now, Some(Refused::Throttled(why)));
                Err((Answer::throttled(why), REFUSED))
            }
        }
    }

    /// What the engine says to one write, and what the model has to know of it.
    fn evaluated<T: Serialize>(
        &self,
        result: Result<T, DynoxideError>,
        written: impl FnOnce() -> Option<(ItemKey, Option<Stored>)>,
    ) -> Outcome {
        match result {
            Ok(done) => {
                if let Some((key, stored)) = written() {
                    self.remember(key, stored);
                }
                (Answer::ok(&done), WRITTEN)
            }
            Err(error) => {
                if matches!(error, DynoxideError::ConditionalCheckFailedException(..)) {
                    self.state().counts.failed_conditions += 1;
                }
                (Answer::failed(&error), REFUSED)
            }
        }
    }

    fn remember(&self, key: ItemKey, stored: Option<Stored>) {
        let known = &mut self.state().stored;
        match stored {
            Some(stored) => known.insert(key, stored),
            None => known.remove(&key),
        };
    }

    /// Puts only, as the product sends. What is throttled or in conflict stays unprocessed; if that is all of it, the
    /// request is throttled.
    fn batch_write(&self, body: &str, now: Option<Duration>) -> Outcome {
        let request: BatchWriteItemRequest = read(body);
        let (mut unprocessed, mut put, mut last) = (Vec::new(), 0, None);
        let mut table = String::new();
        for (name, writes) in request.request_items {
            table = name;
            for item in writes.into_iter().filter_map(|write| write.put_request).map(|put| put.item) {
                match self.admitted_write(&key_of(&item), &Change::Put(&item), now) {
                    Ok(()) => {
                        self.seed(&item, &table);
                        put += 1;
                    }
                    Err(refused) => {
                        unprocessed.push(json!({"PutRequest": {"Item": item}}));
                        last = Some(refused);
                    }
                }
            }
        }
        match last {
            Some(refused) if put == 0 => refused,
            Some(_) => (Answer::ok(&json!({"UnprocessedItems": {table: unprocessed}})), WRITTEN),
            None => (Answer::ok(&json!({"UnprocessedItems": {}})), WRITTEN),
        }
    }

    fn transact(&self, mut request: TransactWriteItemsRequest, outbox: &Outbox, now: Option<Duration>) -> Outcome {
        // No answer is lost here, so no transaction comes twice. The engine looks through all tokens at each one.
        request.client_request_token = None;
        let rewritten = outbox.taken().rewrite(&mut request);
        for put in request.transact_items.iter_mut().filter_map(|action| action.put.as_mut()) {
            self.rules.state_day.rewrite(&mut put.item);
        }
        let written: Vec<ItemKey> = request.transact_items.iter().map(action_key).collect();
        // Only the transaction of a checkout writes the record of its idempotency key and an order.
        let is_of = |partition| written.iter().any(|(pk, _)| Partition::of(pk) == Some(partition));
        let places = is_of(Partition::Idempotency) && is_of(Partition::Order);
        if places {
            outbox.attempted();
        }

        let mut parts = Vec::new();
        if let Some(now) = now {
            match self.prepared(&request, &written, now) {
                Ok(taken) => parts = taken,
                Err(reasons) => return (Answer::cancelled(&reasons), REFUSED),
            }
        }
        let table = request.transact_items.first().map(action_table).unwrap_or_default().to_owned();
        let puts: Vec<_> =
            request.transact_items.iter().map(|action| action.put.as_ref().map(|put| Stored::of(&put.item))).collect();
        let changed: Vec<_> = request.transact_items.iter().map(|action| action.update.is_some()).collect();
        let deleted: Vec<_> = request.transact_items.iter().map(|action| action.delete.is_some()).collect();
        match self.database.transact_write_items(request) {
            Ok(done) => {
                for (at, key) in written.iter().enumerate() {
                    match &puts[at] {
                        Some(stored) => self.remember(key.clone(), Some(stored.clone())),
                        None if changed[at] => self.remember(key.clone(), self.stored(&table, item_of(key))),
                        None if deleted[at] => self.remember(key.clone(), None),
                        None => {}
                    }
                }
                // The items are taken from the moment at which they are prepared until the commit.
                if let Some(now) = now {
                    let mut state = self.state();
                    state.count(now, None);
                    let took = state.random.latency(TRANSACTION);
                    if places {
                        state.counts.orders += 1;
                        outbox.placed_in(took);
                    }
                    written.into_iter().for_each(|key| state.held.hold(key, now, now + took));
                    return (Answer::ok(&done), Took::Exactly(took));
                }
                (Answer::ok(&done), Took::Usual(TRANSACTION))
            }
            Err(DynoxideError::TransactionCanceledException(_, reasons)) => {
                let mut state = self.state();
                state.give_back_commit(&parts);
                state.counts.failed_conditions += 1;
                if let Some(now) = now {
                    state.count(now, None);
                }
                drop(state);
                if rewritten.and_then(|at| reasons.get(at)).is_some_and(|r| r.code == "ConditionalCheckFailed") {
                    outbox.shard_was_empty();
                }
                (Answer::cancelled(&reasons), REFUSED)
            }
            Err(error) => (Answer::failed(&error), REFUSED),
        }
    }

    /// The units of every action, or why it is cancelled: a reason for each action.
    fn prepared(
        &self,
        request: &TransactWriteItemsRequest,
        keys: &[ItemKey],
        now: Duration,
    ) -> Result<Vec<Part>, Vec<CancellationReason>> {
        let mut state = self.state();
        let (mut parts, mut reasons, mut refused) = (Vec::new(), Vec::new(), None);
        for (action, key) in request.transact_items.iter().zip(keys) {
            if state.held.is_held(key, now) {
                // A conflict is what is counted, whatever else there is.
                refused = Some(Refused::Conflict);
                reasons.push(reason("TransactionConflict"));
                continue;
            }
            let charges = charges(self.rules.placement(), key, state.stored.get(key), &change(action), true);
            match state.admit(&charges, Access::Write, now) {
                Ok(taken) => {
                    parts.extend(taken);
                    reasons.push(reason("None"));
                }
                Err(why) => {
                    refused.get_or_insert(Refused::Throttled(why));
                    let message = Some(why.reason().to_owned());
                    reasons.push(CancellationReason { message, ..reason("ThrottlingError") });
                }
            }
        }
        let Some(why) = refused else { return Ok(parts) };
        state.give_back_commit(&parts);
        state.counts.transaction_conflicts += u64::from(why == Refused::Conflict);
        state.count(now, Some(why));
        Err(reasons)
    }
}

const OPERATIONS: [&str; 8] =
    ["GetItem", "Query", "BatchGetItem", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"];

impl StateDay {
    fn rewrite(self, item: &mut Item) {
        let Some(AttributeValue::S(value)) = item.get("stateDay") else { return };
        let mut parts = value.splitn(3, '#');
        let (Some(state), Some(day)) = (parts.next(), parts.next()) else { return };
        let written = match self {
            StateDay::AsWritten => return,
            StateDay::OneKey => format!("{state}#{day}"),
        };
        item.insert("stateDay".to_owned(), AttributeValue::S(written));
    }
}

fn read<T: DeserializeOwned>(body: &str) -> T {
    serde_json::from_str(body).expect("the SDK sends what the engine reads")
}

fn answer<T: Serialize>(result: Result<T, DynoxideError>) -> Answer {
    match result {
        Ok(done) => Answer::ok(&done),
        Err(error) => Answer::failed(&error),
    }
}

fn item_of((pk, sk): &ItemKey) -> Item {
    HashMap::from([("PK".to_owned(), AttributeValue::S(pk.clone())), ("SK".to_owned(), AttributeValue::S(sk.clone()))])
}

fn action_key(action: &TransactWriteItem) -> ItemKey {
    let keys = [
        action.put.as_ref().map(|put| &put.item),
        action.update.as_ref().map(|update| &update.key),
        action.delete.as_ref().map(|delete| &delete.key),
        action.condition_check.as_ref().map(|check| &check.key),
    ];
    keys.into_iter().flatten().next().map(key_of).unwrap_or_default()
}

fn action_table(action: &TransactWriteItem) -> &str {
    let tables = [
        action.put.as_ref().map(|put| &put.table_name),
        action.update.as_ref().map(|update| &update.table_name),
        action.delete.as_ref().map(|delete| &delete.table_name),
        action.condition_check.as_ref().map(|check| &check.table_name),
    ];
    tables.into_iter().flatten().next().map_or("", String::as_str)
}

fn change(action: &TransactWriteItem) -> Change<'_> {
    match (&action.put, &action.update, &action.delete) {
        (Some(put), ..) => Change::Put(&put.item),
        (None, Some(update), _) => {
            Change::Update(update.expression_attribute_values.as_ref(), &update.update_expression)
        }
        (None, None, Some(_)) => Change::Delete,
        (None, None, None) => Change::Check,
    }
}
