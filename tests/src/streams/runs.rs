//! Seeded runs of a shop's stream: delivered with faults, repaired, delivered once more, and judged.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use aws_sdk_dynamodb::config::SharedHttpClient;
use futures::{StreamExt, stream as futures_stream};
use jiff::SignedDuration;
use local::{Stack, StackOptions, Streams, mapping::Filter};
use serde_json::Value;
use stream::{Batch, DeadLetters};
use table::{Bucket, Endpoints, ObjectEntry, Place, TableConfig, TableNames, Timeouts, keys::DataKind};

use super::{
    bugs::Bug,
    consumer::{Environment, Function, Ground},
    mailer::PostOffice,
    records, simulator, story,
    verify::{self, DeadLetter, Evidence},
    wire::Planted,
};
use crate::{
    a_few_at_once, dump,
    faults::{
        checker::Violation,
        plan::{Fault, Plan, mix},
        runs::Dice,
        wire::FaultyHttp,
        world::World,
    },
};

/// The result of one run or of many.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub runs: usize,
    /// Records of streams, each counted once for each function it was handed to.
    pub records: usize,
    /// Invocations by a mapping.
    pub deliveries: usize,
    /// Invocations with records that were delivered before, or at the same time.
    pub redeliveries: usize,
    pub injected: BTreeMap<Fault, usize>,
    pub dead_letters: usize,
    /// Dead letters that were handled once their cause was removed.
    pub replayed: usize,
    pub mails: usize,
    /// E-mails that were sent twice because the first time could not be marked.
    pub repeated_in_the_window: usize,
    /// With the run in which each was found.
    pub violations: Vec<(String, Violation)>,
    pub bug_actions: usize,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.runs += other.runs;
        self.records += other.records;
        self.deliveries += other.deliveries;
        self.redeliveries += other.redeliveries;
        self.dead_letters += other.dead_letters;
        self.replayed += other.replayed;
        self.mails += other.mails;
        self.repeated_in_the_window += other.repeated_in_the_window;
        self.bug_actions += other.bug_actions;
        for (fault, times) in other.injected {
            *self.injected.entry(fault).or_default() += times;
        }
        self.violations.extend(other.violations);
    }
}

/// An engine that many runs share, each with a table and buckets of its own.
pub struct Engine {
    stack: Stack,
    endpoints: Endpoints,
    http: SharedHttpClient,
}

impl Engine {
    pub async fn start() -> Arc<Self> {
        let options =
            StackOptions { sweep_every: None, index_every: None, streams: Streams::Off, ..StackOptions::default() };
        let stack = Stack::start(options).await.unwrap_or_else(|e| panic!("{}", local::error_chain(&e)));
        let endpoints = Endpoints { dynamodb: stack.dynamodb.clone(), s3: format!("http://{}", stack.s3) };
        Arc::new(Self { stack, endpoints, http: table::http_client() })
    }

    /// A bucket of its own.
    pub async fn bucket(&self, name: &str) -> Bucket {
        let bucket = self.stack.descriptions.bucket().beside(name);
        bucket.create().await.expect("the local S3 makes a bucket");
        bucket
    }

    /// A bucket as it is reached over a network that fails as planned.
    pub async fn bucket_over(&self, plan: Plan, name: &str) -> Bucket {
        let config = TableConfig {
            tables: TableNames::one(name),
            bucket: name.to_owned(),
            place: Place::Local(self.endpoints.clone()),
            timeouts: Timeouts::LOCAL,
            transport: FaultyHttp::new(self.http.clone(), plan).into_shared().into(),
        };
        config.descriptions().bucket().clone()
    }

    async fn stream(&self, tables: &TableNames) -> Vec<Value> {
        records::read(&self.endpoints.dynamodb, tables, &self.http).await
    }
}

/// A shop after its day, and its stream as it is delivered.
pub struct Scene {
    world: World,
    pub ground: Ground,
    /// In the order of commits.
    pub records: Vec<Value>,
    /// Records that the table's stream really has.
    streamed: usize,
    fabricated: records::Fabricated,
    /// When the first record was made, in seconds since the epoch.
    made_s: i64,
    seed: u64,
    audit: Bucket,
    dead_letters: DeadLetters,
}

impl Scene {
    pub async fn set(engine: &Engine, seed: u64, bug: Option<Bug>) -> Self {
        let name = format!("stream-{seed}-{}", bug.map_or("none", Bug::name));
        let world = World::open(&engine.endpoints, &engine.http, TableNames::one(&name), None).await;
        let raw = dump::raw_client(&engine.endpoints.dynamodb, &engine.http);
        let mut dice = Dice(mix(seed));
        story::play(&world, &raw, &mut dice).await;

        let mut records = engine.stream(&TableNames::one(&name)).await;
        let streamed = records.len();
        let fabricated = records::fabricate(&mut records, &mut dice);
        // Around midnight, so that the records are of two days, and none is too old.
        let (now, midnight) = (world.clock.now(), SignedDuration::from_hours(24));
        let midnight = (now.as_second() / midnight.as_secs() + 1) * midnight.as_secs();
        let made_s = midnight - records.len() as i64 * 5 / 2;
        world.clock.advance(SignedDuration::from_secs(midnight + 90 * 60 - now.as_second()));
        records::number(&mut records, seed, 0, made_s);

        let (audit, dead_letters) =
            (engine.bucket(&format!("audit-{name}")).await, engine.bucket(&format!("dead-letters-{name}")).await);
        let ground = Ground {
            endpoints: engine.endpoints.clone(),
            http: engine.http.clone(),
            tables: TableNames::one(&name),
            audit: audit.name().to_owned(),
            dead_letters: dead_letters.name().to_owned(),
            clock: world.clock.clone(),
            office: PostOffice::new(raw, &name, &story::unreachable_address()),
            planted: bug.map(Planted::new),
            earlier: Default::default(),
        };
        Self {
            world,
            ground,
            records,
            streamed,
            fabricated,
            made_s,
            seed,
            audit,
            dead_letters: DeadLetters::new(dead_letters),
        }
    }

    /// The records that the table's stream got since, in the form in which they are delivered.
    async fn written_since(&self, engine: &Engine) -> Vec<Value> {
        let mut since = engine.stream(&self.ground.tables).await.split_off(self.streamed);
        records::number(&mut since, self.seed, self.records.len(), self.made_s);
        since
    }

    async fn dead_letters(&self) -> Vec<DeadLetter> {
        let mut dead_letters = Vec::new();
        let mut after = None;
        loop {
            let page = self.dead_letters.list(after).await.expect("the local S3 lists a bucket");
            for object in &page.objects {
                let dead_letter = self.dead_letters.get(&object.key).await.expect("a dead letter");
                dead_letters.push(DeadLetter {
                    key: object.key.clone(),
                    function: dead_letter.function().to_owned(),
                    records: serde_json::from_str::<Batch>(&dead_letter.payload).map(|b| b.records).unwrap_or_default(),
                });
            }
            match page.next {
                None => return dead_letters,
                next => after = next,
            }
        }
    }

    /// The objects of the audit log; those that are as long as they were `before` are not read again.
    async fn audit_log(&self, before: &[(String, String)]) -> Vec<(String, String)> {
        let known: HashMap<_, _> = before.iter().map(|(key, text)| ((key.as_str(), text.len() as u64), text)).collect();
        let read = async |object: ObjectEntry| {
            let text = known.get(&(object.key.as_str(), object.bytes)).map(|text| (*text).clone());
            if let Some(text) = text {
                return (object.key, text);
            }
            let text = self.audit.get(&object.key).await.expect("the local S3 answers").unwrap_or_default();
            (object.key, String::from_utf8_lossy(&text).into_owned())
        };
        let (mut log, mut after) = (Vec::new(), None);
        loop {
            let page = self.audit.list("", after).await.expect("the local S3 lists a bucket");
            log.extend(a_few_at_once(page.objects.into_iter().map(read)).await);
            match page.next {
                None => return log,
                next => after = next,
            }
        }
    }
}

/// One shop's stream, delivered with faults; then the causes are removed, dead letters are replayed, and it is judged.
pub async fn seeded(engine: &Engine, seed: u64, bug: Option<Bug>) -> Tally {
    let scene = Scene::set(engine, seed, bug).await;
    let mut tally = Tally { runs: 1, ..Tally::default() };
    let mut evidence = Evidence {
        secrets: story::secrets(),
        unreachable: story::UNREACHABLE.to_owned(),
        by_ttl: scene.fabricated.by_ttl.clone(),
        malformed: scene.fabricated.malformed.clone(),
        records: scene.records.clone(),
        ..Evidence::default()
    };
    for function in Function::ALL {
        let simulator = simulator::Simulator::new(&scene.ground, function, mix(seed ^ function as u64)).await;
        let course = simulator.run(&scene.records).await;
        tally.records += course.handed.len();
        tally.redeliveries += course.invocations.iter().filter(|i| i.repeated).count();
        tally.deliveries += course.invocations.iter().filter(|i| !i.repeated).count();
        for (fault, times) in course.injected {
            *tally.injected.entry(fault).or_default() += times;
        }
        evidence.courses.insert(function.mapping().function.to_owned(), course.invocations);
    }

    evidence.dead_letters = scene.dead_letters().await;
    tally.dead_letters = evidence.dead_letters.len();
    scene.ground.office.takes_everything();
    // The claims of deliveries that died while sending have expired.
    scene.world.advance(120);
    let functions = functions(&scene.ground).await;
    for dead_letter in &evidence.dead_letters {
        if dead_letter.records.iter().any(|record| records::event_id(record) == scene.fabricated.malformed) {
            continue;
        }
        let (_, healthy) =
            functions.iter().find(|(f, _)| f.mapping().function == dead_letter.function).expect("a function");
        match handles(healthy, &dead_letter.records).await {
            true => tally.replayed += 1,
            false => evidence.unreplayed.push(dead_letter.key.clone()),
        }
    }
    verify(&scene, &mut evidence, &mut tally).await;

    // The whole stream once more, and then what the functions wrote themselves.
    evidence.written = scene.written_since(engine).await;
    let all: Vec<_> = scene.records.iter().chain(&evidence.written).cloned().collect();
    for (function, healthy) in &functions {
        let mapping = function.mapping();
        let filter = Filter::parse(&mapping.patterns()).expect("the mapping's own filter");
        let handed: Vec<_> = all.iter().filter(|record| filter.fits(record)).cloned().collect();
        for batch in handed.chunks(mapping.batch_size) {
            if !handles(healthy, batch).await {
                evidence.unreplayed.push(format!("{} once more", mapping.function));
            }
        }
    }
    evidence.written_again = scene.written_since(engine).await.split_off(evidence.written.len());
    evidence.records = all;
    verify(&scene, &mut evidence, &mut tally).await;

    tally.mails = evidence.mails.len();
    tally.repeated_in_the_window = verify::repeated_in_the_window(&evidence);
    tally.bug_actions = scene.ground.planted.as_ref().map_or(0, Planted::acted);
    tally
}

async fn functions(ground: &Ground) -> Vec<(Function, Environment)> {
    let mut functions = Vec::new();
    for function in Function::ALL {
        functions.push((function, ground.environment(function, Plan::none()).await));
    }
    functions
}

async fn handles(healthy: &Environment, records: &[Value]) -> bool {
    healthy.invoke(records).await.is_some_and(|answer| answer.batch_item_failures.is_empty())
}

async fn verify(scene: &Scene, evidence: &mut Evidence, tally: &mut Tally) {
    evidence.table = scene.world.dump().await;
    evidence.audit = scene.audit_log(&evidence.audit).await;
    evidence.mails = scene.ground.office.sent();
    let found = verify::verify(evidence)
        .into_iter()
        .map(|violation| (scene.ground.tables.of(DataKind::Rest).to_owned(), violation));
    tally.violations.extend(found);
}

/// Runs seeds, `at_once` at a time, and calls `progress` after each with the number of runs so far.
pub async fn seeds(range: std::ops::Range<u64>, bug: Option<Bug>, at_once: usize, progress: impl Fn(usize)) -> Tally {
    let mut tally = Tally::default();
    let all: Vec<u64> = range.collect();
    // Engines get slower with what they hold: a new one now and then.
    for chunk in all.chunks(20) {
        let engine = Engine::start().await;
        let mut runs = futures_stream::iter(chunk).map(|seed| seeded(&engine, *seed, bug)).buffer_unordered(at_once);
        while let Some(one) = runs.next().await {
            tally.add(one);
            progress(tally.runs);
        }
    }
    tally
}

/// Which rule found a planted bug, and at which seed.
#[derive(Debug, Clone)]
pub struct Caught {
    pub bug: Bug,
    pub rule: Option<&'static str>,
    pub seeds: usize,
    pub bug_actions: usize,
}

/// Runs seeds with a planted bug until one of the rules that may find it does.
pub async fn plant(bug: Bug, most: u64, at_once: usize) -> Caught {
    let (mut seeds_run, mut bug_actions, mut from) = (0, 0, 0);
    while from < most {
        let until = (from + at_once as u64).min(most);
        let tally = seeds(from..until, Some(bug), at_once, |_| {}).await;
        (seeds_run, bug_actions) = (seeds_run + tally.runs, bug_actions + tally.bug_actions);
        let found = tally.violations.iter().find(|(_, v)| bug.expected().contains(&v.rule));
        if let Some((_, violation)) = found {
            return Caught { bug, rule: Some(violation.rule), seeds: seeds_run, bug_actions };
        }
        from = until;
    }
    Caught { bug, rule: None, seeds: seeds_run, bug_actions }
}
