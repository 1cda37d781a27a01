//! Delivers the stream to one function: shard by shard, again, late, concurrently, and to environments that die.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, HashMap},
};

use jiff::SignedDuration;
use local::mapping::{Filter, InvokeError, deliver};
use serde_json::Value;
use stream::{Answer, Condition, DeadLetterError, DeadLetters};

use super::{
    consumer::{Environment, Function, Ground},
    records::sequence,
    shards::{Shards, family},
    verify::Invocation,
};
use crate::faults::{
    plan::{Fault, Plan, mix},
    runs::Dice,
};

const RATE: f64 = 0.08;

/// How often a record fails by network faults before they end for it. A mapping that gives up after a number of retries
/// can promise nothing about a longer outage.
const OUTAGE: u32 = 3;

/// The pause before the same records are delivered again. It is short, because what a dead delivery left behind must
/// not block the next ones until the retries are used up.
const PAUSE: SignedDuration = SignedDuration::from_secs(1);

/// The course of the stream at one function.
#[derive(Debug, Default)]
pub struct Course {
    /// In order.
    pub invocations: Vec<Invocation>,
    /// Records that the mapping did not filter out.
    pub handed: Vec<Value>,
    pub injected: BTreeMap<Fault, usize>,
}

pub struct Simulator<'a> {
    ground: &'a Ground,
    function: Function,
    dead_letters: DeadLetters,
    dice: RefCell<Dice>,
    seed: Cell<u64>,
    environment: RefCell<Environment>,
    /// A second one, for when the mapping takes the first one for dead while it still runs.
    twin: RefCell<Environment>,
    healthy: Environment,
    /// How often a record was the first that failed.
    troubles: RefCell<HashMap<String, u32>>,
    course: RefCell<Course>,
}

impl<'a> Simulator<'a> {
    pub async fn new(ground: &'a Ground, function: Function, seed: u64) -> Self {
        let environment = async |seed| ground.environment(function, Plan::seeded(seed, RATE)).await;
        Self {
            ground,
            function,
            dead_letters: DeadLetters::new(ground.bucket(&ground.dead_letters).await),
            dice: RefCell::new(Dice(mix(seed ^ 0xD1CE))),
            seed: Cell::new(seed),
            environment: RefCell::new(environment(seed).await),
            twin: RefCell::new(environment(mix(seed ^ 0x7E15)).await),
            healthy: ground.environment(function, Plan::none()).await,
            troubles: RefCell::default(),
            course: RefCell::default(),
        }
    }

    pub async fn run(self, records: &[Value]) -> Course {
        let mapping = self.function.mapping();
        // A function does not rely on its filter: now and then it gets everything.
        let patterns = if self.roll(4) == 0 { Vec::new() } else { mapping.patterns() };
        let filter = Filter::parse(&patterns).expect("the mapping's own filter");
        let handed: Vec<_> = records.iter().filter(|record| filter.fits(record)).cloned().collect();
        let mut shards = Shards::of(&handed, &mut self.dice.borrow_mut());
        self.course.borrow_mut().handed = handed;

        let mut earlier: HashMap<usize, Vec<Vec<Value>>> = HashMap::new();
        loop {
            let ready = shards.ready();
            if ready.is_empty() {
                break;
            }
            let shard = *self.dice.borrow_mut().pick(&ready);
            let batch = shards.take(shard, 1 + self.index(mapping.batch_size.min(12)));
            self.deliver(batch.clone()).await;
            let times = *self.dice.borrow_mut().pick(&[0, 0, 0, 1, 1, 2, 3, 4]);
            for _ in 0..times {
                self.again(&batch).await;
            }
            let earlier = earlier.entry(family(shard)).or_default();
            earlier.push(batch);
            if self.roll(4) == 0 {
                let late = earlier[self.index(earlier.len())].clone();
                self.again(&late).await;
            }
        }

        let Self { environment, twin, course, .. } = self;
        for environment in [environment, twin] {
            add(&mut course.borrow_mut().injected, &environment.borrow().plan);
        }
        course.into_inner()
    }

    /// Delivers a batch to the end, as a mapping does.
    async fn deliver(&self, batch: Vec<Value>) {
        let (mapping, clock) = (self.function.mapping(), &self.ground.clock);
        let (mapping, dead_letters) = (&mapping, &self.dead_letters);
        let invoke =
            |records: Vec<Value>| async move { self.invoke(&records, false).await.ok_or(InvokeError::TimedOut) };
        let wait = |_| async {
            clock.advance(PAUSE);
            Ok::<_, DeadLetterError>(())
        };
        let give_up = |records: Vec<Value>, why: Condition, deliveries| async move {
            dead_letters.give_up(mapping, &records, why, deliveries, clock.now()).await.map(drop)
        };
        let delivered = deliver(mapping, batch, || clock.now(), invoke, wait, give_up);
        delivered.await.expect("the mapping itself has no faults");
    }

    /// Delivers a batch that is done once more, all of it or its end, and ignores the answer.
    async fn again(&self, batch: &[Value]) {
        let from = if self.roll(2) == 0 { 0 } else { self.index(batch.len()) };
        self.invoke(&batch[from..], true).await;
    }

    async fn invoke(&self, records: &[Value], repeated: bool) -> Option<Answer> {
        let first = records.first().map(sequence).unwrap_or_default().to_owned();
        let in_trouble = self.troubles.borrow().get(&first).copied().unwrap_or_default() >= OUTAGE;
        let environment = if in_trouble { self.healthy.clone() } else { self.alive(&self.environment).await };
        let before = environment.suffered();
        // Notifications rely on it that a delivery has ended before the next one of its record begins, as with any
        // mapping; projections do not.
        let twice = !in_trouble && self.function == Function::Projections && self.roll(5) == 0;
        let answer = if twice {
            let twin = self.alive(&self.twin).await;
            let (answer, other) = tokio::join!(environment.invoke(records), twin.invoke(records));
            self.note(records, &other, true, true);
            self.note(records, &answer, true, repeated);
            answer
        } else {
            let answer = environment.invoke(records).await;
            self.note(records, &answer, environment.suffered() > before, repeated);
            answer
        };

        let named = answer.as_ref().map(|answer| answer.batch_item_failures.first());
        let failed = match named {
            None => Some(first),
            Some(failure) => failure.and_then(|failure| failure.item_identifier.clone()),
        };
        if let Some(failed) = failed {
            *self.troubles.borrow_mut().entry(failed).or_default() += 1;
        }
        answer
    }

    fn note(&self, records: &[Value], answer: &Option<Answer>, disturbed: bool, repeated: bool) {
        let named = |answer: &Answer| {
            let named = answer.batch_item_failures.iter().map(|f| f.item_identifier.clone().unwrap_or_default());
            named.collect()
        };
        self.course.borrow_mut().invocations.push(Invocation {
            records: records.iter().map(|record| sequence(record).to_owned()).collect(),
            answer: answer.as_ref().map(named),
            disturbed,
            repeated,
        });
    }

    /// The environment, or a new one if it died.
    async fn alive(&self, environment: &RefCell<Environment>) -> Environment {
        let current = environment.borrow().clone();
        if !current.plan.is_crashed() {
            return current;
        }
        add(&mut self.course.borrow_mut().injected, &current.plan);
        self.seed.set(mix(self.seed.get()));
        let new = self.ground.environment(self.function, Plan::seeded(self.seed.get(), RATE)).await;
        environment.replace(new.clone());
        new
    }

    fn roll(&self, sides: u64) -> u64 {
        self.dice.borrow_mut().roll(sides)
    }

    fn index(&self, length: usize) -> usize {
        usize::try_from(self.roll(length as u64)).expect("an index")
    }
}

fn add(injected: &mut BTreeMap<Fault, usize>, plan: &Plan) {
    for (fault, times) in plan.injected() {
        *injected.entry(fault).or_default() += times;
    }
}
