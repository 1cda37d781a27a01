//! The stream's consumers under faults of Lambda and the stream; `cargo xtask faults` runs many more of these cases.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use domain::Timestamp;
use e2e::{
    faults::plan::{Fault, Plan},
    streams::{
        bugs::Bug,
        consumer::Function,
        runs::{self, Engine, Scene},
    },
};
use local::mapping::{Delivered, Filter, InvokeError, deliver};
use serde_json::{Value, json};
use stream::{Answer, Batch, Change, DeadLetterError, DeadLetters, Failure, Mapping, Runner};

use crate::faults::on_a_large_stack;

const NOW: Timestamp = Timestamp::constant(1_700_000_000, 0);

const MAPPING: Mapping = Mapping {
    function: "counter",
    batch_size: 100,
    window: Duration::ZERO,
    retries: 3,
    max_age: Duration::from_hours(6),
    bisect: true,
    events: &[],
    entities: &[],
};

#[test]
fn a_few_seeds_of_a_stream_break_no_rule() {
    on_a_large_stack(|| async {
        let tally = runs::seeds(0..6, None, 3, |_| {}).await;

        println!("{tally:#?}");
        assert!(tally.violations.is_empty(), "{:#?}", tally.violations);
        assert!(tally.mails > 20 && tally.dead_letters > tally.runs && tally.injected.len() > 6, "{tally:#?}");
    });
}

#[test]
fn a_planted_bug_of_a_consumer_is_found_by_name() {
    on_a_large_stack(|| async {
        // `cargo xtask faults` plants the others too.
        let caught = runs::plant(Bug::NoticeNotRemembered, 12, 2).await;

        assert!(caught.rule.is_some(), "{caught:?}");
    });
}

/// T3, with an answer that names the failed record, and with one that fails the whole batch.
#[test]
fn one_poison_record_of_ten_thousand_costs_no_other() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        for partial in [true, false] {
            let dead_letters = DeadLetters::new(engine.bucket(&format!("dead-letters-of-{}", u8::from(partial))).await);
            let counter = Counter::new(&dead_letters);
            let records: Vec<_> = (0..10_000).map(|at| record(at, at * 7 % 500)).collect();
            let started = Instant::now();
            let mut sum = Delivered::default();

            for batch in records.chunks(MAPPING.batch_size) {
                sum += counter.delivers(batch, partial, &dead_letters).await;
            }

            let took = started.elapsed();
            assert_eq!((sum.handled, sum.given_up, counter.handled()), (9_999, 1, 9_999));
            assert!(counter.kept_the_order());
            let page = dead_letters.list(None).await.unwrap();
            assert_eq!(page.objects.len(), 1);
            let dead_letter = dead_letters.get(&page.objects[0].key).await.unwrap();
            let kept: Batch = serde_json::from_str(&dead_letter.payload).unwrap();
            assert_eq!(kept.records, [records[POISON].clone()]);
            counter.fixed.store(true, Ordering::SeqCst);
            assert_eq!(counter.runs(kept).await, Answer::default());
            assert_eq!(counter.handled(), 10_000);
            let way = if partial { "a partial failure" } else { "a failure of the batch" };
            println!(
                "10,000 records of 500 items, {way}: {} handled, {} dead letter, {} invocations, {:.0} ms",
                sum.handled,
                sum.given_up,
                sum.invocations,
                took.as_secs_f64() * 1e3
            );
        }
    });
}

const POISON: usize = 5_432;

/// A consumer that records what it handles.
struct Counter {
    runner: Runner,
    fixed: AtomicBool,
    /// The records of each item as they were first handled.
    seen: Mutex<HashMap<String, Vec<usize>>>,
}

impl Counter {
    fn new(dead_letters: &DeadLetters) -> Self {
        let runner = Runner::new(MAPPING.function, dead_letters.clone());
        Self { runner, fixed: AtomicBool::new(false), seen: Mutex::default() }
    }

    async fn runs(&self, batch: Batch) -> Answer {
        self.runner.run(batch, None, NOW, |change: Change| async move { self.count(&change) }).await
    }

    fn count(&self, change: &Change) -> Result<(), Failure> {
        let at = change.event_id.parse().unwrap();
        if at == POISON && !self.fixed.load(Ordering::SeqCst) {
            return Err(Failure::Again("unreachable".into()));
        }
        let mut seen = self.seen.lock().unwrap();
        let item = seen.entry(change.key.pk.clone()).or_default();
        if !item.contains(&at) {
            item.push(at);
        }
        Ok(())
    }

    async fn delivers(&self, batch: &[Value], partial: bool, dead_letters: &DeadLetters) -> Delivered {
        let invoke = |records| async move {
            let answer = self.runs(Batch { records }).await;
            match partial || answer.batch_item_failures.is_empty() {
                true => Ok(answer),
                false => Err(InvokeError::TimedOut),
            }
        };
        let give_up = |records: Vec<Value>, why, times| async move {
            dead_letters.give_up(&MAPPING, &records, why, times, NOW).await.map(drop)
        };
        let wait = |_| async { Ok::<_, DeadLetterError>(()) };
        deliver(&MAPPING, batch.to_vec(), || NOW, invoke, wait, give_up).await.unwrap()
    }

    fn handled(&self) -> usize {
        self.seen.lock().unwrap().values().map(Vec::len).sum()
    }

    fn kept_the_order(&self) -> bool {
        self.seen.lock().unwrap().values().all(|item| item.is_sorted())
    }
}

fn record(at: usize, item: usize) -> Value {
    json!({
        "eventID": at.to_string(),
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/EcommerceApp/stream/2024-01-01T00:00:00.000",
        "dynamodb": {
            "ApproximateCreationDateTime": NOW.as_second(),
            "Keys": {"PK": {"S": format!("ITEM#{item}")}, "SK": {"S": "STATUS"}},
            "NewImage": {"PK": {"S": format!("ITEM#{item}")}, "SK": {"S": "STATUS"}},
            "SequenceNumber": sequence(at),
            "SizeBytes": 59,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    })
}

/// 40 digits: sequence numbers may be that long.
fn sequence(at: usize) -> String {
    format!("4{at:039}")
}

/// Name; batch; whether dead letters can be stored; index of the record that the answer names; indexes of the records
/// before it that were handled.
type Case<'a> = (&'a str, &'a str, bool, Option<usize>, &'a [usize]);

/// T4. A batch is written as a word: for each record one letter for its item and one sign for its outcome, which is to
/// fail now (`!`), to fail always (`x`), to be unreadable (`?`) or to work (`.`).
#[test]
fn an_answer_names_the_first_record_that_is_not_done() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let kept = DeadLetters::new(engine.bucket("dead-letters-of-answers").await);
        let unkept = unreachable(&engine).await;
        let cases: [Case<'_>; 14] = [
            ("an empty batch", "", true, None, &[]),
            ("all good", "a.b.a.c.", true, None, &[0, 1, 2, 3]),
            ("the first fails", "a!b.a.c.", true, Some(0), &[]),
            ("one in the middle fails", "a.a.a!a.", true, Some(2), &[0, 1]),
            ("the last fails", "a.b.c!", true, Some(2), &[0, 1]),
            ("two fail", "a.b!c.a!", true, Some(1), &[0]),
            ("the first of an item and one of another", "a!b!", true, Some(0), &[]),
            ("a later record of another item", "a.b.b!a.", true, Some(2), &[0, 1]),
            ("one in the middle never works", "a.bxa.b.", true, None, &[0, 2, 3]),
            ("one in the middle cannot be read", "a.??a.", true, None, &[0, 2]),
            ("one that cannot be read, then one that fails", "a.??a!", true, Some(2), &[0]),
            ("one never works and cannot be kept", "a.axa.", false, Some(1), &[0]),
            ("one cannot be read, nor kept", "??", false, Some(0), &[]),
            ("only unreadable ones", "????", true, None, &[]),
        ];
        for (case, word, keeps, named, handled) in cases {
            let kinds: Vec<_> = word.as_bytes().chunks(2).map(|kind| (kind[0] as usize, kind[1])).collect();
            let records = kinds.iter().enumerate().map(|(at, (item, kind))| {
                let mut record = record(at, *item);
                if *kind == b'?' {
                    record["dynamodb"]["NewImage"] = json!({"PK": {"S": 5}});
                }
                record
            });
            let records: Vec<_> = records.collect();
            let runner = Runner::new("answers", if keeps { kept.clone() } else { unkept.clone() });
            let seen = Mutex::new(Vec::new());

            let answer = runner.run(Batch { records }, None, NOW, |change: Change| {
                let at: usize = change.event_id.parse().unwrap();
                let outcome = match kinds[at].1 {
                    b'!' => Err(Failure::Again("not now".into())),
                    b'x' => Err(Failure::Never("not ever".into())),
                    _ => {
                        seen.lock().unwrap().push(at);
                        Ok(())
                    }
                };
                async move { outcome }
            });
            let answer = answer.await;

            let failures: Vec<_> = answer.batch_item_failures.into_iter().map(|f| f.item_identifier.unwrap()).collect();
            assert_eq!(failures, named.map(sequence).into_iter().collect::<Vec<_>>(), "{case}");
            let mut seen = seen.into_inner().unwrap();
            seen.sort_unstable();
            // Records after the named one may be handled or not: they are delivered again.
            let before = named.unwrap_or(kinds.len());
            assert_eq!(seen.into_iter().filter(|at| *at < before).collect::<Vec<_>>(), handled, "{case}");
        }
        assert_eq!(kept.list(None).await.unwrap().objects.len(), 3, "one dead letter for each record");
    });
}

#[test]
fn a_record_without_a_number_fails_the_batch_only_if_it_cannot_be_kept() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let kept = DeadLetters::new(engine.bucket("dead-letters-of-numbers").await);
        let unkept = unreachable(&engine).await;
        let mut numberless = record(1, 1);
        numberless["dynamodb"].as_object_mut().unwrap().remove("SequenceNumber");
        let batch = Batch { records: vec![record(0, 0), numberless, record(2, 2)] };
        let run = async |dead_letters: &DeadLetters| {
            let runner = Runner::new("answers", dead_letters.clone());
            runner.run(batch.clone(), None, NOW, |_: Change| async { Ok(()) }).await
        };

        assert_eq!(run(&kept).await, Answer::default());
        let failed = run(&unkept).await;
        // An empty id is not in the batch, so that the mapping treats the whole batch as failed.
        let named: Vec<_> = failed.batch_item_failures.iter().map(|f| f.item_identifier.as_deref()).collect();
        assert_eq!(named, [Some("")]);
        assert_eq!(kept.list(None).await.unwrap().objects.len(), 1);
    });
}

/// Dead letters in a bucket that answers only errors.
async fn unreachable(engine: &Engine) -> DeadLetters {
    DeadLetters::new(engine.bucket_over(Plan::on("S3 PUT", Fault::ServerErrorBefore), "out-of-reach").await)
}

#[test]
fn the_throughput_of_projections_is_printed() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let scene = Scene::set(&engine, 1, None).await;
        let projections = scene.ground.environment(Function::Projections, Plan::none()).await;
        let mapping = Function::Projections.mapping();
        let filter = Filter::parse(&mapping.patterns()).unwrap();
        let records: Vec<_> = scene.records.iter().filter(|record| filter.fits(record)).cloned().collect();
        let mut figures = Vec::new();
        for _ in 0..4 {
            let started = Instant::now();
            for batch in records.chunks(mapping.batch_size) {
                assert_eq!(projections.invoke(batch).await, Some(Answer::default()));
            }
            figures.push(format!("{:.0}", records.len() as f64 / started.elapsed().as_secs_f64()));
        }
        println!("projections of {} records on the embedded engine: {} a second", records.len(), figures.join(", "));
    });
}
