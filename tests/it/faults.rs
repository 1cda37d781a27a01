//! The shop under injected faults; `cargo xtask faults` runs many more of these cases.

use std::collections::BTreeMap;

use api::rates::Rates;
use e2e::faults::{
    bugs::Bug,
    checker,
    plan::{Call, Fault, Plan},
    runs::{self, Cases, Engine, Flow, Tally},
    world::{CANCEL, World},
};

use crate::customers::WEAK_HASH;

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
fn a_checkout_recovers_whichever_of_its_calls_fails() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let mut tally = Tally::default();

        // `cargo xtask faults` lets both the client and the sweeper go first, and has all flows.
        let done = runs::enumerate(&engine, Flow::CheckoutPays, Cases::Half, &mut tally).await;

        println!("{done:?}");
        assert!(done.calls >= 8 && done.runs > 60, "{done:?}");
        assert!(tally.violations.is_empty(), "{:#?}", tally.violations);
    });
}

#[test]
fn planted_bugs_are_found_by_name() {
    on_a_large_stack(|| async {
        // `cargo xtask faults` plants the others too.
        for bug in [Bug::HoldReleasedOnTimeout, Bug::ChargeUnderAFreshKey] {
            let caught = runs::plant(bug, 24, 4).await;

            assert!(caught.rule.is_some(), "{caught:?}");
        }
    });
}

#[test]
fn a_planted_bug_of_payments_whose_customer_is_asked_is_found_by_name() {
    on_a_large_stack(|| async {
        // `cargo xtask faults` plants the others too.
        let caught = runs::plant(Bug::ClientSecretStored, 24, 4).await;

        assert!(caught.rule.is_some(), "{caught:?}");
    });
}

#[test]
fn a_challenge_recovers_whichever_call_around_it_fails() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let mut tally = Tally::default();

        let done = runs::enumerate(&engine, Flow::AnotherCardAfterAFailedChallenge, Cases::Half, &mut tally).await;

        assert!(done.calls >= 8 && done.runs > 80, "{done:?}");
        assert!(tally.violations.is_empty(), "{:#?}", tally.violations);
    });
}

#[test]
fn a_planted_bug_of_refunds_by_hand_is_found_by_name() {
    on_a_large_stack(|| async {
        // `cargo xtask faults` plants the others too.
        let caught = runs::plant(Bug::RefundByHandPaidAgain, 24, 4).await;

        assert!(caught.rule.is_some(), "{caught:?}");
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
fn an_addition_under_a_key_counts_once_whatever_call_of_it_fails() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let (mut suffered, mut counted_twice) = (0, 0);
        // A new cart, one with a request, and one that has to drop its oldest remembered request. Without a key the
        // same faults make units count twice, which shows that it is the key that prevents it.
        for (earlier, key) in [
            (0, Some("the-one-that-counts")),
            (1, Some("the-one-that-counts")),
            (9, Some("the-one-that-counts")),
            (1, None),
        ] {
            for fault in Fault::OF_ANY_CALL {
                for k in 0.. {
                    let world =
                        engine.world(&format!("add-{earlier}-{}-{k}-{}", key.is_some(), fault.name()), None).await;
                    let mug = world.product("mug", 899, 50).await;
                    let ann = world.shopper("ann").await;
                    let healthy = world.environment(Plan::none()).await;
                    for n in 0..earlier {
                        world.add_under(&healthy, &ann, &mug, 1, Some(&format!("an-earlier-request-{n}"))).await;
                    }

                    let plan = Plan::at(k, *fault);
                    let first = world.add_under(&world.environment(plan.clone()).await, &ann, &mug, 2, key).await;
                    if first != Some(200) {
                        let again = world.add_under(&healthy, &ann, &mug, 2, key).await;
                        assert_eq!(again, Some(200), "{fault:?} at {k}, {earlier} before");
                    }

                    let units = world.cart(&ann).await["mug"] - earlier;
                    match key {
                        Some(_) => assert_eq!(units, 2, "{fault:?} at {k}, {earlier} before: {:?}", plan.log()),
                        None => counted_twice += usize::from(units == 4),
                    }
                    suffered += plan.injected().len();
                    if k >= plan.calls() {
                        break;
                    }
                }
            }
        }
        assert!(suffered > 60 && counted_twice > 0, "{suffered} calls failed, {counted_twice} counted twice");
    });
}

#[test]
fn a_read_does_not_fail_because_its_session_cannot_be_touched() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let world = engine.world("touch", None).await;
        let ann = world.logged_in("ann").await;
        let mut touches = 0;
        for path in ["/users/me", "/cart", "/orders", "/sessions"] {
            for fault in Fault::ALL {
                for k in 0.. {
                    // A minute later the session is to be touched again.
                    world.advance(61);
                    let plan = Plan::at(k, *fault);

                    let status = world.get(&world.environment(plan.clone()).await, &ann, path).await;

                    let calls = plan.log();
                    let Some(failed) = calls.iter().find(|call| call.fault.is_some()) else {
                        assert_eq!(status, Some(200), "{path} {fault:?} at {k}: {calls:?}");
                        if k >= plan.calls() {
                            break;
                        }
                        continue;
                    };
                    let is_touch = failed.what == "UpdateItem";
                    touches += usize::from(is_touch);
                    match status {
                        None => assert!(plan.is_crashed(), "{path} {fault:?} at {k}"),
                        Some(503) => assert!(!is_touch, "{path} {fault:?} at {k}: {calls:?}"),
                        Some(other) => assert_eq!(other, 200, "{path} {fault:?} at {k}: {calls:?}"),
                    }
                }
            }
        }
        assert!(touches > 30, "only {touches} touches failed");
    });
}

#[test]
fn a_login_does_not_fail_because_counters_cannot_be_reset_or_the_hash_renewed() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let mut needless = 0;
        for fault in [Fault::DropBefore, Fault::LoseAnswer, Fault::ServerErrorAfter, Fault::Throttle, Fault::Conflict] {
            for k in 0.. {
                let world = engine.world(&format!("login-{k}-{}", fault.name()), None).await;
                world.customer("bob", "bob@example.com").await;
                world.weaken_hash("bob@example.com", WEAK_HASH).await;
                let guest = world.shopper("guest").await;
                let plan = Plan::at(k, fault);
                let environment = world.environment_with(plan.clone(), Some(Rates::default())).await;

                let status = world.login(&environment, &guest, "bob@example.com").await;

                // Counted attempts are reset by a DeleteItem, and the hash is renewed after the session is opened.
                let calls = plan.log();
                let failed = calls.iter().find(|call| call.fault.is_some());
                let opened = calls.iter().position(|call| call.what == "TransactWriteItems");
                let is_needless = |call: &Call| {
                    call.what == "DeleteItem"
                        || (call.what == "UpdateItem" && opened.is_some_and(|at| at < call.number))
                };
                if failed.is_none_or(is_needless) {
                    assert_eq!(status, Some(201), "{fault:?} at {k}: {calls:?}");
                    needless += usize::from(failed.is_some());
                }
                if k >= plan.calls() {
                    break;
                }
            }
        }
        assert_eq!(needless, 2 * 5);
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

        // Committed, but the answer is lost. After ten minutes DynamoDB no longer knows the transaction's token.
        let dying = world.environment(Plan::on("TransactWriteItems", Fault::CrashAfter)).await;
        assert!(world.send(&dying, &asked, false).await.is_none());
        world.advance(11 * 60);
        let retried = world.send(&world.environment(Plan::none()).await, &asked, false).await.unwrap();

        assert_eq!((retried.status, retried.body["state"].as_str()), (201, Some("confirmed")));
        let orders = world.dump().await.iter().filter(|item| item["SK"] == "STATUS").count();
        assert_eq!((orders, world.payments.entries().len()), (1, 1));
        world.heal(true).await;
        assert_eq!(checker::check(&world.evidence().await), []);
    });
}

#[test]
fn every_first_call_after_a_pause_succeeds() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let world = engine.world("paused", None).await;

        let (statuses, closed) = after_pauses(&world).await;

        assert!(statuses.iter().all(|status| *status < 300), "{statuses:?}");
        assert!(closed > 3, "only {closed} connections were closed");
        assert_eq!(checker::check(&world.evidence().await), []);
    });
}

#[test]
fn writes_on_connections_that_the_peer_has_closed_are_found() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let world = engine.world("paused-with-old-connections", Some(Bug::WritesOnOldConnections)).await;

        let (statuses, _) = after_pauses(&world).await;

        assert!(statuses.contains(&503), "{statuses:?}");
        let found = checker::check(&world.evidence().await);
        assert!(found.iter().any(|v| v.rule == "unavailable-after-a-pause"), "{found:#?}");
    });
}

/// Sends requests a minute apart. Returns their statuses and how many connections were closed.
async fn after_pauses(world: &World) -> (Vec<u16>, usize) {
    let (mug, plan) = (world.product("mug", 899, 50).await, Plan::none());
    world.customer("bob", "bob@example.com").await;
    let (ann, frozen) = (world.shopper("ann").await, world.environment(plan.clone()).await);
    let mut statuses = Vec::new();
    for _ in 0..2 {
        world.advance(60);
        statuses.extend(world.add(&frozen, &ann, &mug, 1).await);
        world.advance(60);
        statuses.extend(world.send(&frozen, &world.checkout(&ann, "tok_visa"), false).await.map(|a| a.status));
        world.advance(60);
        let guest = world.shopper("guest").await;
        statuses.extend(world.login(&frozen, &guest, "bob@example.com").await);
    }
    (statuses, plan.injected().get(&Fault::IdleClosed).copied().unwrap_or_default())
}

#[test]
fn no_old_token_is_valid_once_the_new_password_works_whichever_call_fails() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let mut suffered = 0;
        for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::LoseAnswer, Fault::ServerErrorBefore] {
            for k in 0.. {
                let world = engine.world(&format!("password-{k}-{}", fault.name()), None).await;
                let (healthy, email) = (world.environment(Plan::none()).await, "bob@example.com");
                let bob = world.customer("bob", email).await;
                let elsewhere = world.shopper("elsewhere").await;
                let thief = world.log_in(&healthy, &elsewhere, email).await.unwrap().1.unwrap();

                let plan = Plan::at(k, fault);
                let changed = world.change_password(&world.environment(plan.clone()).await, &bob).await;

                let works = world.new_password_works(&healthy, email).await;
                let old_ones = (world.is_open(&bob).await, world.is_open(&thief).await);
                let expected = if works { (false, false) } else { (true, true) };
                assert_eq!(old_ones, expected, "{fault:?} at {k}: {:?}", plan.log());
                if let Some((200, now)) = changed {
                    assert!(works && world.is_open(&now.expect("a token")).await, "{fault:?} at {k}");
                }
                assert_eq!(checker::check(&world.evidence().await), [], "{fault:?} at {k}");
                suffered += plan.injected().len();
                if k >= plan.calls() {
                    break;
                }
            }
        }
        assert!(suffered > 12, "only {suffered} calls failed");
    });
}

#[test]
fn two_loads_of_a_new_product_and_its_buyers_sell_no_unit_twice() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        for round in 0..10 {
            let world = engine.world(&format!("loads-{round}"), None).await;
            let (one, other) = (world.environment(Plan::none()).await, world.environment(Plan::none()).await);
            let (ann, jar) = (world.shopper("ann").await, "jar".parse().unwrap());
            let buys = async {
                while world.add(&one, &ann, &jar, 3).await != Some(200) {}
                world.send(&one, &world.checkout(&ann, "tok_visa"), false).await.map(|a| a.status)
            };

            let loads = async { tokio::join!(world.load(&one, "jar", 300, 3), world.load(&other, "jar", 300, 3)) };
            let (bought, loaded) = tokio::join!(buys, loads);
            let again = world.load(&other, "jar", 300, 3).await;

            assert_eq!((bought, loaded, again), (Some(201), (Some(true), Some(true)), Some(true)));
            world.heal(true).await;
            assert_eq!(checker::check(&world.evidence().await), [], "round {round}");
        }
    });
}

#[test]
fn units_of_a_deleted_product_are_not_restocked_to_a_new_product_with_its_id() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        for (bug, broken) in [(None, false), (Some(Bug::UnitsReturnToAnotherProduct), true)] {
            let world = engine.world(&format!("replaced-{broken}"), bug).await;
            let (mug, healthy) = (world.product("mug", 899, 5).await, world.environment(Plan::none()).await);
            let ann = world.shopper("ann").await;
            world.add(&healthy, &ann, &mug, 5).await;
            let bought = world.send(&healthy, &world.checkout(&ann, "tok_visa"), false).await.unwrap();
            world.replace(&healthy, &mug, 899, 5).await;

            let order = bought.body["orderId"].as_str().unwrap().to_owned();
            let cancel = world.about(&ann, CANCEL, &order, serde_json::Value::Null);
            let cancelled = world.send(&healthy, &cancel, false).await.unwrap();

            let page = world.table.product_get_consistent(&mug).await.unwrap().unwrap();
            assert_eq!((cancelled.status, page.available), (200, if broken { 10 } else { 5 }));
            let found = checker::check(&world.evidence().await);
            assert_eq!(found.iter().any(|v| v.rule == "oversold"), broken, "{found:#?}");
        }
    });
}

#[test]
fn a_sweep_goes_on_when_the_index_names_an_order_twice() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let world = engine.world("doubled", None).await;
        let (mug, ann) = (world.product("mug", 899, 5).await, world.shopper("ann").await);
        world.add(&world.environment(Plan::none()).await, &ann, &mug, 2).await;
        let asked = world.checkout(&ann, "tok_timeout_unpaid");
        world.send(&world.environment(Plan::none()).await, &asked, false).await;
        world.advance(61);

        let doubling = world.environment(Plan::on("Query", Fault::Doubled)).await;
        let swept = world.sweep(&doubling).await.unwrap();

        assert_eq!((swept.due, swept.released), (1, 1));
        assert!(doubling.plan.injected()[&Fault::Doubled] > 0);
    });
}

#[test]
fn an_order_and_a_product_are_found_at_once_though_reads_lag_behind() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let world = engine.world("lagging", None).await;
        let (ann, jar) = (world.shopper("ann").await, "jar".parse().unwrap());
        let healthy = world.environment(Plan::none()).await;
        // A stale read repeats this answer, given before the product existed.
        assert_eq!(world.add(&healthy, &ann, &jar, 1).await, Some(404));
        world.product("jar", 300, 5).await;

        let lagging = world.environment(Plan::on("Query", Fault::Stale)).await;
        let added = world.add(&lagging, &ann, &jar, 1).await;

        assert_eq!(added, Some(200));
        assert!(lagging.plan.injected()[&Fault::Stale] > 0);
        let placed = world.send(&healthy, &world.checkout(&ann, "tok_visa"), false).await.unwrap();
        let path = format!("/orders/{}", placed.body["orderId"].as_str().unwrap());
        world.recall_nothing_of(placed.body["orderId"].as_str().unwrap());
        let lagging = world.environment(Plan::on("Query", Fault::Stale)).await;
        assert_eq!(world.get(&lagging, &ann, &path).await, Some(200));
        assert!(lagging.plan.injected()[&Fault::Stale] > 0);
    });
}

/// The first request has emptied the cart, so that the second one fails before its transaction would find the record.
#[test]
fn a_repeated_checkout_gets_the_first_answer_though_reads_lag_behind() {
    on_a_large_stack(|| async {
        let engine = Engine::start().await;
        let world = engine.world("lagging-key", None).await;
        let (healthy, ann) = (world.environment(Plan::none()).await, world.shopper("ann").await);
        let mug = world.product("mug", 899, 5).await;
        world.add(&healthy, &ann, &mug, 1).await;
        let checkout = world.checkout(&ann, "tok_visa");
        let first = world.send(&healthy, &checkout, false).await.unwrap();

        let lagging = world.environment(Plan::on("GetItem", Fault::Stale)).await;
        let again = world.send(&lagging, &checkout, false).await.unwrap();

        assert!(lagging.plan.injected()[&Fault::Stale] > 0);
        assert_eq!((first.status, again.status, &again.body), (201, 201, &first.body));
        assert_eq!(world.payments.attempts().len(), 1);
    });
}

/// In a debug build, a whole shop in one future needs more stack than a test thread has.
pub fn on_a_large_stack<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send + 'static) {
    let run = || tokio::runtime::Runtime::new().expect("a runtime").block_on(work());
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(run).expect("a thread");
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}
