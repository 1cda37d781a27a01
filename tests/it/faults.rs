//! The shop under injected faults; `cargo xtask faults` runs far more of the same.

use std::collections::BTreeMap;

use e2e::faults::{
    bugs::Bug,
    checker,
    plan::{Fault, Plan},
    runs::{self, Engine, Flow, Tally},
};

#[test]
fn a_dozen_seeds_of_a_whole_shop_break_no_rule() {
    on_a_large_stack(|| async {
        let tally = runs::seeds(0..12, None, 4, |_| {}).await;

        println!("{tally:#?}");
        assert!(tally.violations.is_empty(), "{:#?}", tally.violations);
        assert!(tally.placed > 20 && tally.unknown_then_settled > 0 && tally.injected.len() > 6, "{tally:#?}");
    });
}

#[test]
fn a_checkout_of_which_any_call_fails_is_healed() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let mut tally = Tally::default();

        let done = runs::enumerate(&engine, Flow::CheckoutPays, &mut tally).await;

        println!("{done:?}");
        assert!(done.calls >= 8 && done.runs > 80, "{done:?}");
        assert!(tally.violations.is_empty(), "{:#?}", tally.violations);
    });
}

#[test]
fn planted_bugs_are_found_by_name() {
    on_a_large_stack(|| async {
        for bug in [Bug::HoldReleasedOnTimeout, Bug::TtlOnAHold, Bug::CartNotEmptied] {
            let caught = runs::plant(bug, 24, 4).await;

            assert!(caught.rule.is_some(), "{caught:?}");
        }
    });
}

#[test]
fn a_shop_that_misses_what_is_done_at_the_provider_by_hand_is_found_by_name() {
    on_a_large_stack(|| async {
        for bug in [Bug::RefundByHandIgnored, Bug::RefundByHandPaidAgain, Bug::DisputeIgnored] {
            let caught = runs::plant(bug, 24, 4).await;

            assert!(caught.rule.is_some(), "{caught:?}");
        }
    });
}

#[test]
fn a_guests_cart_is_merged_once_whatever_call_of_the_login_fails() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let mut suffered = 0;
        for fault in
            [Fault::CrashBefore, Fault::CrashAfter, Fault::LoseAnswer, Fault::ServerErrorAfter, Fault::Conflict]
        {
            for k in 0.. {
                let world = engine.world(&format!("merge-{k}-{}", fault.name()), None).await;
                let (mug, pan) = (world.product("mug", 899, 50).await, world.product("pan", 4_600, 50).await);
                let bob = world.customer("bob", "bob@example.com").await;
                let guest = world.shopper("guest").await;
                let healthy = world.environment(Plan::none()).await;
                world.add(&healthy, &bob, &mug, 1).await;
                world.add(&healthy, &guest, &mug, 2).await;
                world.add(&healthy, &guest, &pan, 1).await;

                let plan = Plan::at(k, fault);
                let status = world.login(&world.environment(plan.clone()).await, &guest, "bob@example.com").await;
                if status != Some(201) {
                    let again = world.login(&healthy, &guest, "bob@example.com").await;
                    assert_eq!(again, Some(201), "{fault:?} at {k}");
                }

                let merged = BTreeMap::from([("mug".to_owned(), 3), ("pan".to_owned(), 1)]);
                assert_eq!(world.cart(&bob).await, merged, "{fault:?} at {k}: {:?}", plan.log());
                suffered += plan.injected().len();
                if k >= plan.calls() {
                    break;
                }
            }
        }
        assert!(suffered > 20, "only {suffered} calls failed");
    });
}

#[test]
fn a_retry_without_the_transactions_token_is_still_one_order() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let world = engine.world("token-expired", None).await;
        let mug = world.product("mug", 899, 5).await;
        let ann = world.shopper("ann").await;
        world.add(&world.environment(Plan::none()).await, &ann, &mug, 2).await;
        let asked = world.checkout(&ann, "tok_visa");

        // Committed, and nobody heard of it; ten minutes later no engine remembers the token, and nobody sends it.
        let dying = world.environment(Plan::on("TransactWriteItems", Fault::CrashAfter)).await;
        assert!(world.tell(&dying, &asked, false).await.is_none());
        world.advance(11 * 60);
        let retried = world.tell(&world.environment(Plan::none()).await, &asked, false).await.unwrap();

        assert_eq!((retried.status, retried.body["state"].as_str()), (201, Some("confirmed")));
        let orders = world.dump().await.iter().filter(|item| item["SK"] == "STATUS").count();
        assert_eq!((orders, world.payments.entries().len()), (1, 1));
        world.heal(true).await;
        assert_eq!(checker::check(&world.evidence().await), []);
    });
}

/// Unoptimised, a whole shop in one future is more than a test thread's stack holds.
pub fn on_a_large_stack<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send + 'static) {
    let run = || tokio::runtime::Runtime::new().expect("a runtime").block_on(work());
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
