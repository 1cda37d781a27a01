//! What an event source mapping does with a batch until every record is handled or given up: the rules alone, without a
//! stream, a clock or a network.
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html>
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use stream::{Answer, Condition, Mapping};
use table::error_chain;

use super::{record::sequence_number, target::InvokeError};

/// The result of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Records that the function has handled.
    pub handled: usize,
    /// Records that were given up, as dead letters.
    pub given_up: usize,
    /// Times the function was called.
    pub invocations: usize,
}

impl std::ops::AddAssign for Delivered {
    fn add_assign(&mut self, other: Self) {
        self.handled += other.handled;
        self.given_up += other.given_up;
        self.invocations += other.invocations;
    }
}

/// Records that are delivered together.
struct Part {
    records: Vec<Value>,
    /// Times they were delivered, in batches of any size.
    deliveries: u32,
    /// Deliveries that count as retries: of exactly the same records.
    retries: u32,
    /// Consecutive times that the function could not be called.
    unreached: u32,
}

/// Delivers a batch, of one shard and in order, until each record is handled or given up. No record is delivered before
/// those ahead of it are done.
///
/// - A record older than the mapping's `max_age` is given up before the next delivery it would be part of.
/// - A function error is the failure of every record. So is an answer that names an unknown record, or none.
/// - Of the failures that an answer names the earliest counts: the records before it are done.
/// - The rest is delivered again, at first immediately and split if the mapping may `bisect`: from the failed record
///   on, or, if that was the first, in halves. So a record that always fails ends up alone. Splitting uses up no
///   retries.
/// - A part that cannot be split further is delivered `retries` times more, then given up. After progress the retries
///   start again, because another record is the first one.
/// - A function that could not be called at all has not failed: its records wait, until they are too old.
///
/// `wait` is called before a repeated delivery of the same records, with the number of deliveries so far. `give_up`
/// gets the records, the reason, and how often they were delivered.
///
/// # Errors
/// Those of `wait` and `give_up`, immediately: nothing is skipped, so that the batch can be delivered again.
pub async fn deliver<E, Invoked, Waited, GivenUp>(
    mapping: &Mapping,
    records: Vec<Value>,
    now: impl Fn() -> Timestamp,
    invoke: impl Fn(Vec<Value>) -> Invoked,
    wait: impl Fn(u32) -> Waited,
    give_up: impl Fn(Vec<Value>, Condition, u32) -> GivenUp,
) -> Result<Delivered, E>
where
    // Not `AsyncFn`: its futures cannot be declared `Send`, which a worker's must be.
    Invoked: Future<Output = Result<Answer, InvokeError>>,
    Waited: Future<Output = Result<(), E>>,
    GivenUp: Future<Output = Result<(), E>>,
{
    let mut delivered = Delivered::default();
    // The next part is last, so that the parts it is split into take its place.
    let mut parts = vec![Part { records, deliveries: 0, retries: 0, unreached: 0 }];
    while let Some(mut part) = parts.pop() {
        let aged = part.take_older(mapping.max_age, now());
        if !aged.is_empty() {
            delivered.given_up += aged.len();
            give_up(aged, Condition::RecordAgeExceeded, part.deliveries).await?;
        }
        if part.records.is_empty() {
            continue;
        }

        let done = match invoke(part.records.clone()).await {
            Ok(answer) => records_done(&part.records, &answer),
            Err(error) => {
                let (function, records, error_text) = (mapping.function, part.records.len(), error_chain(&error));
                tracing::warn!(function, records, error = error_text, "a batch failed");
                if let InvokeError::NotInvoked { .. } = error {
                    part.unreached += 1;
                    wait(part.unreached).await?;
                    parts.push(part);
                    continue;
                }
                0
            }
        };
        delivered.invocations += 1;
        delivered.handled += done;
        part.records.drain(..done);
        part.deliveries += 1;
        part.unreached = 0;
        if done > 0 {
            part.retries = 0;
        }

        if part.records.is_empty() {
            continue;
        }
        if mapping.bisect && done > 0 {
            parts.push(part);
        } else if mapping.bisect && part.records.len() > 1 {
            let behind = part.records.split_off(part.records.len() / 2);
            parts.push(Part { records: behind, ..part });
            parts.push(part);
        } else if part.retries == mapping.retries {
            delivered.given_up += part.records.len();
            give_up(part.records, Condition::RetryAttemptsExhausted, part.deliveries).await?;
        } else {
            part.retries += 1;
            wait(part.retries).await?;
            parts.push(part);
        }
    }
    Ok(delivered)
}

/// How many records, from the first on, are done according to an answer.
fn records_done(records: &[Value], answer: &Answer) -> usize {
    let place = |id: &str| records.iter().position(|record| sequence_number(record) == Some(id));
    let failed = answer.batch_item_failures.iter().map(|f| f.item_identifier.as_deref().and_then(place).unwrap_or(0));
    failed.min().unwrap_or(records.len())
}

impl Part {
    /// Removes records that are too old. A record without a time has no age.
    fn take_older(&mut self, max_age: Duration, now: Timestamp) -> Vec<Value> {
        let max_age = SignedDuration::try_from(max_age).unwrap_or(SignedDuration::MAX);
        let is_old = |record: &mut Value| created_at(record).is_some_and(|at| now.duration_since(at) > max_age);
        self.records.extract_if(.., is_old).collect()
    }
}

fn created_at(record: &Value) -> Option<Timestamp> {
    let seconds = record.pointer("/dynamodb/ApproximateCreationDateTime")?.as_f64()?;
    Timestamp::from_duration(SignedDuration::try_from_secs_f64(seconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, convert::Infallible, future::ready};

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const MAPPING: Mapping = Mapping {
        function: "test",
        batch_size: 100,
        window: Duration::ZERO,
        retries: 2,
        max_age: Duration::from_hours(6),
        bisect: true,
        events: &[],
        entities: &[],
    };
    const NO_BISECT: Mapping = Mapping { bisect: false, ..MAPPING };
    const NO_RETRIES: Mapping = Mapping { retries: 0, ..MAPPING };

    /// Records are single characters here: a word is a batch.
    fn batch(word: &str) -> Vec<Value> {
        word.chars().map(|c| json!({"dynamodb": {"SequenceNumber": c.to_string()}})).collect()
    }

    fn word(records: &[Value]) -> String {
        records.iter().filter_map(sequence_number).collect()
    }

    fn failures(ids: &[Option<&str>]) -> Answer {
        let failures: Vec<_> = ids.iter().map(|id| json!({"itemIdentifier": id})).collect();
        serde_json::from_value(json!({"batchItemFailures": failures})).unwrap()
    }

    /// The course of a batch: the deliveries, the dead letters with their reason, the waits, and the sum.
    struct Course {
        deliveries: Vec<String>,
        dead_letters: Vec<String>,
        waits: Vec<u32>,
        sum: Delivered,
    }

    async fn course(
        mapping: &Mapping,
        records: Vec<Value>,
        function: impl Fn(usize, &str) -> Result<Answer, InvokeError>,
    ) -> Course {
        let (deliveries, dead_letters, waits) = (RefCell::new(vec![]), RefCell::new(vec![]), RefCell::new(vec![]));
        let sum = deliver(
            mapping,
            records,
            || Timestamp::from_second(1_000_000).unwrap(),
            |records| {
                deliveries.borrow_mut().push(word(&records));
                ready(function(deliveries.borrow().len(), &word(&records)))
            },
            |attempt| {
                waits.borrow_mut().push(attempt);
                ready(Ok::<_, Infallible>(()))
            },
            |records, condition, deliveries| {
                dead_letters.borrow_mut().push(format!("{} {} {deliveries}", word(&records), condition.as_str()));
                ready(Ok(()))
            },
        );
        let Ok(sum) = sum.await;
        Course { sum, deliveries: deliveries.take(), dead_letters: dead_letters.take(), waits: waits.take() }
    }

    /// A function that stops at the first of the bad records and names it.
    fn names<'a>(bad: &'a str) -> impl Fn(usize, &str) -> Result<Answer, InvokeError> + 'a {
        move |_, word| {
            let first = word.chars().find(|c| bad.contains(*c)).map(|c| c.to_string());
            Ok(first.map_or_else(Answer::default, |id| failures(&[Some(&id)])))
        }
    }

    /// A function that fails without naming the bad record.
    fn throws<'a>(bad: &'a str) -> impl Fn(usize, &str) -> Result<Answer, InvokeError> + 'a {
        move |_, word| match word.chars().any(|c| bad.contains(c)) {
            true => Err(InvokeError::TimedOut),
            false => Ok(Answer::default()),
        }
    }

    #[tokio::test]
    async fn delivery_continues_where_the_answer_says() {
        // The answer to the first delivery of "abcd", and what is delivered then; without bisect, for clarity.
        let cases: [(&str, Result<Answer, InvokeError>, &[&str]); 10] = [
            ("nothing failed", Ok(failures(&[])), &[]),
            ("the third failed", Ok(failures(&[Some("c")])), &["cd"]),
            ("the last failed", Ok(failures(&[Some("d")])), &["d"]),
            ("the first failed", Ok(failures(&[Some("a")])), &["abcd"]),
            ("the earliest counts", Ok(failures(&[Some("d"), Some("b"), Some("c")])), &["bcd"]),
            ("an empty id is everything", Ok(failures(&[Some("")])), &["abcd"]),
            ("a null id is everything", Ok(failures(&[None])), &["abcd"]),
            ("an unknown id is everything", Ok(failures(&[Some("x")])), &["abcd"]),
            ("one bad id among good ones is everything", Ok(failures(&[Some("c"), Some("x")])), &["abcd"]),
            ("a function error is everything", Err(InvokeError::TimedOut), &["abcd"]),
        ];
        for (case, answer, then) in cases {
            let answer = RefCell::new(Some(answer));

            let course = course(&NO_BISECT, batch("abcd"), |_, _| answer.take().unwrap_or(Ok(Answer::default()))).await;

            assert_eq!(course.deliveries[0], "abcd", "{case}");
            assert_eq!(course.deliveries[1..], *then, "{case}");
            assert_eq!((course.sum.handled, course.sum.given_up), (4, 0), "{case}");
            assert_eq!(course.sum.invocations, course.deliveries.len(), "{case}");
        }
    }

    #[tokio::test]
    async fn a_record_that_always_fails_ends_up_alone_and_does_not_block_others() {
        let named = course(&MAPPING, batch("abcdefgh"), names("d")).await;
        let thrown = course(&MAPPING, batch("abcdefgh"), throws("d")).await;

        assert_eq!(named.deliveries, ["abcdefgh", "defgh", "de", "d", "d", "d", "e", "fgh"]);
        assert_eq!(thrown.deliveries, ["abcdefgh", "abcd", "ab", "cd", "c", "d", "d", "d", "efgh"]);
        assert_eq!(named.dead_letters, ["d RetryAttemptsExhausted 6"]);
        assert_eq!(thrown.dead_letters, ["d RetryAttemptsExhausted 6"]);
        for course in [named, thrown] {
            assert_eq!(course.waits, [1, 2], "splitting does not wait");
            assert_eq!((course.sum.handled, course.sum.given_up), (7, 1));
        }
    }

    #[tokio::test]
    async fn without_bisect_a_batch_is_given_up_from_the_failed_record_on() {
        let named = course(&NO_BISECT, batch("abcd"), names("c")).await;
        let thrown = course(&NO_BISECT, batch("abcd"), throws("c")).await;

        assert_eq!(named.deliveries, ["abcd", "cd", "cd"]);
        assert_eq!(named.dead_letters, ["cd RetryAttemptsExhausted 3"]);
        assert_eq!(thrown.deliveries, ["abcd", "abcd", "abcd"]);
        assert_eq!(thrown.dead_letters, ["abcd RetryAttemptsExhausted 3"]);
    }

    #[tokio::test]
    async fn progress_gives_the_next_record_all_its_retries() {
        // Each delivery handles one more record.
        let one_a_time = |_, word: &str| Ok(word.get(1..2).map_or_else(Answer::default, |id| failures(&[Some(id)])));

        let course = course(&NO_BISECT, batch("abcdef"), one_a_time).await;

        assert_eq!(course.deliveries, ["abcdef", "bcdef", "cdef", "def", "ef", "f"]);
        assert_eq!(course.waits, [1, 1, 1, 1, 1]);
        assert_eq!((course.sum.handled, course.dead_letters.len()), (6, 0));
    }

    #[tokio::test]
    async fn no_retries_is_one_delivery() {
        let alone = course(&NO_RETRIES, batch("a"), throws("a")).await;
        let together = course(&Mapping { bisect: false, ..NO_RETRIES }, batch("abc"), names("b")).await;

        assert_eq!((alone.deliveries.len(), alone.waits.len()), (1, 0));
        assert_eq!(together.dead_letters, ["bc RetryAttemptsExhausted 1"]);
        assert_eq!(together.sum, Delivered { handled: 1, given_up: 2, invocations: 1 });
    }

    #[tokio::test]
    async fn a_record_that_works_the_second_time_is_not_given_up() {
        let fails_once = |delivery, word: &str| match delivery {
            1 => throws("a")(delivery, word),
            _ => Ok(Answer::default()),
        };

        let course = course(&MAPPING, batch("a"), fails_once).await;

        assert_eq!((course.deliveries.len(), course.dead_letters.len(), course.waits), (2, 0, vec![1]));
    }

    #[tokio::test]
    async fn a_record_that_is_too_old_is_given_up_without_being_delivered() {
        let mut records = batch("abcd");
        let six_hours = 6 * 60 * 60;
        for (record, age) in records.iter_mut().zip([six_hours + 1, six_hours, 0, six_hours * 2]) {
            record["dynamodb"]["ApproximateCreationDateTime"] = json!(1_000_000 - age);
        }

        let course = course(&MAPPING, records, throws("")).await;

        assert_eq!(course.dead_letters, ["ad RecordAgeExceeded 0"]);
        assert_eq!(course.deliveries, ["bc"]);
        assert_eq!(course.sum, Delivered { handled: 2, given_up: 2, invocations: 1 });
    }

    #[tokio::test]
    async fn a_function_that_cannot_be_called_uses_up_no_retries() {
        let away = |delivery, _: &str| match delivery {
            1..=9 => Err(InvokeError::NotInvoked { source: "connection refused".into() }),
            _ => Ok(Answer::default()),
        };

        let course = course(&MAPPING, batch("ab"), away).await;

        assert_eq!(course.waits, (1..=9).collect::<Vec<_>>());
        assert_eq!(course.sum, Delivered { handled: 2, given_up: 0, invocations: 1 });
    }

    #[tokio::test]
    async fn a_record_that_cannot_become_a_dead_letter_is_not_skipped() {
        let invoked = RefCell::new(vec![]);

        let outcome = deliver(
            &NO_RETRIES,
            batch("abc"),
            Timestamp::now,
            |records| {
                invoked.borrow_mut().push(word(&records));
                ready(throws("a")(0, &word(&records)))
            },
            |_| ready(Ok(())),
            |_, _, _| ready(Err("the dead letters are unavailable")),
        )
        .await;

        assert_eq!(outcome, Err("the dead letters are unavailable"));
        assert_eq!(invoked.take(), ["abc", "a"], "nothing behind the failed record was delivered");
    }

    proptest! {
        /// Poison records, whether the function names them or not, and records that fail a few times before they work.
        #[test]
        fn only_poison_is_given_up_and_the_rest_is_done_in_order(
            kinds in prop::collection::vec(0..6_u32, 0..40),
            styles in prop::collection::vec(any::<bool>(), 1..20),
            retries in 2..6_u32,
        ) {
            // 0 is a poison record, 1 fails at most as often as there are retries, the others work.
            let records: Vec<_> =
                (0..kinds.len()).map(|i| json!({"dynamodb": {"SequenceNumber": format!("{i:030}")}})).collect();
            let place = |record: &Value| sequence_number(record).unwrap().parse::<usize>().unwrap();
            let moods = RefCell::new(kinds.iter().map(|k| if *k == 1 { retries.min(2) } else { 0 }).collect::<Vec<_>>());
            let (done, dead_letters, calls) = (RefCell::new(vec![]), RefCell::new(vec![]), RefCell::new(0));
            let mapping = Mapping { retries, ..MAPPING };

            let delivered = futures::executor::block_on(deliver(
                &mapping,
                records,
                Timestamp::now,
                |records| {
                    *calls.borrow_mut() += 1;
                    // Sometimes it names the failed record, and sometimes it only fails.
                    let says = styles[*calls.borrow() % styles.len()];
                    let mut worked = vec![];
                    for record in &records {
                        let at = place(record);
                        let mood = moods.borrow()[at];
                        if kinds[at] == 0 || mood > 0 {
                            moods.borrow_mut()[at] = mood.saturating_sub(1);
                            if !says {
                                return ready(Err(InvokeError::TimedOut));
                            }
                            done.borrow_mut().extend(worked);
                            return ready(Ok(failures(&[sequence_number(record)])));
                        }
                        worked.push(at);
                    }
                    done.borrow_mut().extend(worked);
                    ready(Ok(Answer::default()))
                },
                |_| ready(Ok::<_, Infallible>(())),
                |records, _, _| {
                    dead_letters.borrow_mut().push(records.iter().map(place).collect::<Vec<_>>());
                    ready(Ok(()))
                },
            ));

            let Ok(delivered) = delivered;
            let (good, poison): (Vec<_>, Vec<_>) = (0..kinds.len()).partition(|i| kinds[*i] != 0);
            prop_assert_eq!(done.take(), good.clone(), "each once and in order, according to the answers");
            prop_assert_eq!(dead_letters.take(), poison.iter().map(|i| vec![*i]).collect::<Vec<_>>());
            prop_assert_eq!((delivered.handled, delivered.given_up), (good.len(), poison.len()));
        }

        /// Without bisect as well: each record is handled or given up, once and in order.
        #[test]
        fn every_record_is_accounted_for(
            answers in prop::collection::vec(0..12_usize, 0..60),
            count in 0..12_usize,
            bisect: bool,
            retries in 0..4_u32,
        ) {
            let records: Vec<_> =
                (0..count).map(|i| json!({"dynamodb": {"SequenceNumber": format!("{i:030}")}})).collect();
            let (fates, calls) = (RefCell::new(vec![]), RefCell::new(0));
            let mapping = Mapping { bisect, retries, ..MAPPING };

            let delivered = futures::executor::block_on(deliver(
                &mapping,
                records.clone(),
                Timestamp::now,
                |records| {
                    let answer = answers.get(*calls.borrow()).copied().unwrap_or(usize::MAX);
                    *calls.borrow_mut() += 1;
                    // Nothing is delivered that is behind an unfinished record.
                    assert_eq!(sequence_number(&records[0]), Some(&*format!("{:030}", fates.borrow().len())));
                    let done = records.get(..answer).unwrap_or(&records);
                    fates.borrow_mut().extend(done.iter().map(|r| (sequence_number(r).unwrap().to_owned(), true)));
                    let failed = records.get(answer).map(|r| failures(&[sequence_number(r)]));
                    ready(Ok(failed.unwrap_or_default()))
                },
                |_| ready(Ok::<_, Infallible>(())),
                |records, _, _| {
                    fates.borrow_mut().extend(records.iter().map(|r| (sequence_number(r).unwrap().to_owned(), false)));
                    ready(Ok(()))
                },
            ));

            let Ok(delivered) = delivered;
            let fates = fates.take();
            let expected: Vec<_> = records.iter().map(|r| sequence_number(r).unwrap().to_owned()).collect();
            prop_assert_eq!(fates.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), expected);
            prop_assert_eq!(fates.iter().filter(|(_, handled)| *handled).count(), delivered.handled);
            prop_assert_eq!(delivered.handled + delivered.given_up, count);
            prop_assert_eq!(delivered.invocations, *calls.borrow());
        }
    }
}
