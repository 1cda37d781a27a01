//! Which fault happens when.

use std::{
    collections::BTreeMap,
    future::{Future, pending},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

/// What can go wrong with one call that leaves the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The call never arrives, and the caller gets a timeout or a broken connection.
    DropBefore,
    /// The call is carried out, and the caller gets a timeout or a broken connection.
    LoseAnswer,
    /// HTTP 500, and nothing was done.
    ServerErrorBefore,
    /// It is carried out, then HTTP 500.
    ServerErrorAfter,
    /// Refused because there are too many requests.
    Throttle,
    /// Refused because of other writes to the same items: in a transaction, some reasons are a conflict, the rest
    /// `None`.
    Conflict,
    /// The table answers that a transaction with the same token is in progress.
    InProgress,
    /// A read that is not consistent gets an older answer.
    Stale,
    /// An index names an entry twice: where it was, and where it is now.
    Doubled,
    /// Only a part of a batch is done.
    Unprocessed,
    /// Delayed, so that other calls overtake it.
    Delay,
    /// The environment dies before it is sent.
    CrashBefore,
    /// The environment dies after it was carried out.
    CrashAfter,
    /// The peer had closed the idle connection: nothing was done. It is never drawn, but happens to every first call
    /// after a pause that uses an old connection.
    IdleClosed,
}

impl Fault {
    pub const ALL: &[Fault] = &[
        Fault::DropBefore,
        Fault::LoseAnswer,
        Fault::ServerErrorBefore,
        Fault::ServerErrorAfter,
        Fault::Throttle,
        Fault::Conflict,
        Fault::InProgress,
        Fault::Stale,
        Fault::Doubled,
        Fault::Unprocessed,
        Fault::Delay,
        Fault::CrashBefore,
        Fault::CrashAfter,
    ];

    /// Faults that a call can have whatever it calls.
    pub const OF_ANY_CALL: &[Fault] = &[
        Fault::DropBefore,
        Fault::LoseAnswer,
        Fault::ServerErrorBefore,
        Fault::ServerErrorAfter,
        Fault::Delay,
        Fault::CrashBefore,
        Fault::CrashAfter,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Fault::DropBefore => "drop-before",
            Fault::LoseAnswer => "lose-answer",
            Fault::ServerErrorBefore => "server-error-before",
            Fault::ServerErrorAfter => "server-error-after",
            Fault::Throttle => "throttle",
            Fault::Conflict => "conflict",
            Fault::InProgress => "in-progress",
            Fault::Stale => "stale",
            Fault::Doubled => "doubled",
            Fault::Unprocessed => "unprocessed",
            Fault::Delay => "delay",
            Fault::CrashBefore => "crash-before",
            Fault::CrashAfter => "crash-after",
            Fault::IdleClosed => "idle-closed",
        }
    }
}

/// How long [`Fault::Delay`] holds a call back: many times what the local engine takes to answer.
const DELAY: Duration = Duration::from_millis(20);

/// Which fault happens when, for all calls of one environment: SDK calls and payments are counted together, from 0.
/// Cheap to clone; clones are the same plan.
#[derive(Debug, Clone)]
pub struct Plan(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    schedule: Schedule,
    stopped: AtomicBool,
    calls: Mutex<Vec<Call>>,
    crashed: watch::Sender<bool>,
    bug_actions: AtomicUsize,
}

#[derive(Debug, Clone, Copy)]
enum Schedule {
    Never,
    At(usize, Fault),
    On(&'static str, Fault),
    Seeded { seed: u64, rate: f64 },
}

/// One call that left the environment, or would have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub number: usize,
    /// `TransactWriteItems`, `S3 PUT`, `charge`.
    pub what: String,
    pub fault: Option<Fault>,
}

/// The decision of a plan about one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub number: usize,
    pub fault: Option<Fault>,
}

impl Plan {
    /// Nothing goes wrong; calls are counted.
    pub fn none() -> Self {
        Self::of(Schedule::Never)
    }

    /// The `k`-th call has this fault, if such a call can have it.
    pub fn at(k: usize, fault: Fault) -> Self {
        Self::of(Schedule::At(k, fault))
    }

    /// Every call of this name has this fault, if such a call can have it.
    pub fn on(what: &'static str, fault: Fault) -> Self {
        Self::of(Schedule::On(what, fault))
    }

    /// Each call has one of the faults that it can have, with a probability of `rate`. The same seed gives the same
    /// faults for the same calls in the same order.
    pub fn seeded(seed: u64, rate: f64) -> Self {
        Self::of(Schedule::Seeded { seed, rate })
    }

    fn of(schedule: Schedule) -> Self {
        Self(Arc::new(Shared {
            schedule,
            stopped: AtomicBool::new(false),
            calls: Mutex::default(),
            crashed: watch::Sender::new(false),
            bug_actions: AtomicUsize::new(0),
        }))
    }

    /// No more faults happen. An environment that has crashed stays crashed.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::SeqCst);
    }

    /// How many calls there were.
    pub fn calls(&self) -> usize {
        self.calls_made().len()
    }

    /// Every call, in order.
    pub fn log(&self) -> Vec<Call> {
        self.calls_made().clone()
    }

    /// How often each fault happened.
    pub fn injected(&self) -> BTreeMap<Fault, usize> {
        let mut injected = BTreeMap::new();
        for fault in self.calls_made().iter().filter_map(|call| call.fault) {
            *injected.entry(fault).or_default() += 1;
        }
        injected
    }

    /// How many calls had a fault other than an idle connection.
    pub fn suffered(&self) -> usize {
        self.calls_made().iter().filter(|call| call.fault.is_some_and(|f| f != Fault::IdleClosed)).count()
    }

    pub fn is_crashed(&self) -> bool {
        *self.0.crashed.borrow()
    }

    /// Resolves when a crash has happened. The caller then drops everything that runs in the environment.
    pub async fn crashed(&self) {
        // The sender is in `self`, so that waiting cannot fail.
        let _ = self.0.crashed.subscribe().wait_for(|crashed| *crashed).await;
    }

    /// Decides on the next call. `possible` are the faults that such a call can have; no others are drawn or counted.
    /// It never returns in a crashed environment, which makes no calls.
    pub async fn call(&self, what: &str, possible: &[Fault]) -> Turn {
        if self.is_crashed() {
            pending::<()>().await;
        }
        let mut calls = self.calls_made();
        let number = calls.len();
        let fault = self.fault_of(number, what, possible);
        calls.push(Call { number, what: what.to_owned(), fault });
        Turn { number, fault }
    }

    /// Logs a call on a connection that the peer had closed.
    pub async fn closed_while_idle(&self, what: &str) -> Turn {
        if self.is_crashed() {
            pending::<()>().await;
        }
        let mut calls = self.calls_made();
        let (number, fault) = (calls.len(), Some(Fault::IdleClosed));
        calls.push(Call { number, what: what.to_owned(), fault });
        Turn { number, fault }
    }

    fn fault_of(&self, number: usize, what: &str, possible: &[Fault]) -> Option<Fault> {
        if self.0.stopped.load(Ordering::SeqCst) {
            return None;
        }
        match self.0.schedule {
            Schedule::Never => None,
            Schedule::At(k, fault) => (k == number && possible.contains(&fault)).then_some(fault),
            Schedule::On(name, fault) => (name == what && possible.contains(&fault)).then_some(fault),
            Schedule::Seeded { seed, rate } => {
                // Drawn from the call's number alone, so that one more call does not change the faults of the others.
                let draw = mix(mix(seed).wrapping_add(number as u64));
                let unlucky = unit(draw) < rate && !possible.is_empty();
                unlucky.then(|| possible[(mix(draw) % possible.len() as u64) as usize])
            }
        }
    }

    /// Makes a call with the fault of its turn, if that is one of [`Fault::OF_ANY_CALL`]; others are left to the
    /// caller.
    pub async fn carry<T, E>(
        &self,
        turn: Turn,
        send: impl Future<Output = Result<T, E>>,
        lost: impl FnOnce() -> E,
        failed: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        match turn.fault {
            Some(Fault::DropBefore) => Err(lost()),
            Some(Fault::ServerErrorBefore) => failed(),
            Some(Fault::CrashBefore) => self.crash().await,
            Some(Fault::LoseAnswer) => {
                drop(send.await);
                Err(lost())
            }
            Some(Fault::ServerErrorAfter) => {
                drop(send.await);
                failed()
            }
            Some(Fault::CrashAfter) => {
                drop(send.await);
                self.crash().await
            }
            Some(Fault::Delay) => {
                tokio::time::sleep(DELAY).await;
                send.await
            }
            _ => send.await,
        }
    }

    /// The environment dies: this call and every later one wait until they are dropped.
    async fn crash<T>(&self) -> T {
        self.0.crashed.send_replace(true);
        pending().await
    }

    /// How often the planted bug made a difference. A run in which it made none says nothing about the checker.
    pub fn bug_actions(&self) -> usize {
        self.0.bug_actions.load(Ordering::SeqCst)
    }

    pub(super) fn bug_acted(&self) {
        self.0.bug_actions.fetch_add(1, Ordering::SeqCst);
    }

    fn calls_made(&self) -> MutexGuard<'_, Vec<Call>> {
        self.0.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One step of splitmix64: good enough to choose faults with, and the same on every machine and for ever.
/// <https://prng.di.unimi.it/splitmix64.c>
pub(crate) fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Evenly from 0 to 1, without 1: an `f64` holds 53 bits.
fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn faults(plan: &Plan, calls: usize) -> Vec<Option<Fault>> {
        let mut faults = Vec::new();
        for _ in 0..calls {
            faults.push(plan.call("PutItem", Fault::ALL).await.fault);
        }
        faults
    }

    async fn carried(plan: &Plan, possible: &[Fault]) -> (bool, Result<&'static str, &'static str>) {
        let mut sent = false;
        let turn = plan.call("charge", possible).await;
        let send = async {
            sent = true;
            Ok("answer")
        };
        let outcome = plan.carry(turn, send, || "lost", || Err("failed")).await;
        (sent, outcome)
    }

    #[test]
    fn splitmix64_gives_the_published_numbers() {
        assert_eq!(mix(0), 0xE220_A839_7B1D_CDAF);
        assert_eq!(mix(0x9E37_79B9_7F4A_7C15), 0x6E78_9E6A_A1B9_65F4);
    }

    #[tokio::test]
    async fn a_seed_gives_the_same_faults_every_time_and_another_seed_gives_others() {
        let (one, again, other) = (Plan::seeded(7, 0.3), Plan::seeded(7, 0.3), Plan::seeded(8, 0.3));

        let drawn = faults(&one, 1_000).await;

        assert_eq!(drawn, faults(&again, 1_000).await);
        assert_ne!(drawn, faults(&other, 1_000).await);
        let injected = drawn.iter().flatten().count();
        assert!((250..350).contains(&injected), "{injected} of 1,000 calls at a rate of 0.3");
        assert_eq!(one.injected().len(), Fault::ALL.len());
        assert_eq!(one.injected().values().sum::<usize>(), injected);
    }

    #[tokio::test]
    async fn a_call_has_only_faults_that_are_possible_for_it() {
        let plan = Plan::seeded(7, 1.0);

        for _ in 0..100 {
            let fault = plan.call("Query", &[Fault::Stale, Fault::Delay]).await.fault;
            assert!(matches!(fault, Some(Fault::Stale | Fault::Delay)));
        }
        assert_eq!(plan.call("Query", &[]).await.fault, None);

        let plan = Plan::at(0, Fault::Conflict);
        assert_eq!(plan.call("Query", Fault::OF_ANY_CALL).await.fault, None);
        assert!(plan.injected().is_empty());
    }

    #[tokio::test]
    async fn one_call_is_hit_and_the_rest_are_logged() {
        let plan = Plan::at(2, Fault::Throttle);

        let drawn = faults(&plan, 4).await;

        assert_eq!(drawn, [None, None, Some(Fault::Throttle), None]);
        assert_eq!(plan.calls(), 4);
        assert_eq!(plan.log()[2], Call { number: 2, what: "PutItem".to_owned(), fault: Some(Fault::Throttle) });
        assert_eq!(plan.injected(), BTreeMap::from([(Fault::Throttle, 1)]));
    }

    #[tokio::test]
    async fn nothing_goes_wrong_after_a_stop_and_calls_still_count() {
        let plan = Plan::seeded(7, 1.0);
        faults(&plan, 3).await;

        plan.clone().stop();

        assert_eq!(faults(&plan, 3).await, [None; 3]);
        assert_eq!(plan.calls(), 6);
    }

    #[tokio::test]
    async fn each_fault_sends_and_answers_as_its_name_says() {
        for (fault, expected) in [
            (Fault::DropBefore, (false, Err("lost"))),
            (Fault::LoseAnswer, (true, Err("lost"))),
            (Fault::ServerErrorBefore, (false, Err("failed"))),
            (Fault::ServerErrorAfter, (true, Err("failed"))),
            (Fault::Delay, (true, Ok("answer"))),
        ] {
            assert_eq!(carried(&Plan::at(0, fault), Fault::OF_ANY_CALL).await, expected, "{}", fault.name());
        }
        assert_eq!(carried(&Plan::none(), Fault::OF_ANY_CALL).await, (true, Ok("answer")));
    }

    #[tokio::test]
    async fn a_crash_is_reported_and_no_call_leaves_the_environment_afterwards() {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let plan = Plan::at(0, fault);
            let mut sent = false;
            let turn = plan.call("charge", Fault::OF_ANY_CALL).await;
            let send = async {
                sent = true;
                Ok::<_, ()>(())
            };

            let died = tokio::select! {
                _ = plan.carry(turn, send, || (), || Ok(())) => false,
                () = plan.crashed() => true,
            };

            let later = tokio::time::timeout(Duration::from_millis(1), plan.call("refund", Fault::ALL)).await;
            assert!(died && later.is_err());
            assert_eq!((sent, plan.calls()), (fault == Fault::CrashAfter, 1));
        }
    }
}
