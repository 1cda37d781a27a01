//! A small correct world breaks no rule, and every rule finds the worlds that were changed to break it.

mod correct;

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use correct::{Lines, Run, correct, order, problem};

/// The item at a key of the correct world.
fn item<'e>(evidence: &'e mut Evidence, pk: &str, sk: &str) -> &'e mut Value {
    let found = evidence.table.iter_mut().find(|item| item["PK"] == pk && item["SK"] == sk);
    found.unwrap_or_else(|| panic!("{pk} / {sk} is there"))
}

fn status<'e>(evidence: &'e mut Evidence, id: &str) -> &'e mut Value {
    item(evidence, &format!("ORDER#{id}"), "STATUS")
}

fn without(evidence: &mut Evidence, pk: &str, sk: &str) {
    evidence.table.retain(|item| item["PK"] != pk || item["SK"] != sk);
}

fn answer_to<'e>(evidence: &'e mut Evidence, key: &str, status: u16) -> &'e mut ShopAnswer {
    evidence.answers.iter_mut().find(|answer| answer.key == key && answer.status == status).expect("an answer")
}

/// One more order like `o1`, under this key of ann's.
fn o1_again(run: &mut Run, key: &str) {
    let lines: Lines<'_> = &[("mug", 2, 899), ("pan", 1, 4_600)];
    run.stock("mug", 9);
    run.stock("pan", 0);
    run.remembers("ann", key, "o11");
    run.settles(&order("o11", "ann", lines, "confirmed", &["placed", "confirmed"], json!([])));
    run.provider("o11", Attempt::Captured, 6_398);
}

/// Continues a run.
fn goes_on(evidence: &mut Evidence, with: impl FnOnce(&mut Run)) {
    let mut run = Run(std::mem::take(evidence));
    with(&mut run);
    *evidence = run.0;
}

fn entry<'e>(e: &'e mut Evidence, order: &str, attempt: Attempt) -> &'e mut Entry {
    e.ledger.iter_mut().find(|entry| entry.order == order && entry.attempt == attempt).expect("the provider did it")
}

type Tampering = fn(&mut Evidence);

/// Changes to the correct world, and the rule that finds each.
const TAMPERED: &[(&str, Tampering)] = &[
    ("oversold", |e| {
        // A sale that reduces the stock only later.
        let at =
            e.stream.iter().position(|c| c.pk == "PROD#mug" && c.new.as_ref().is_some_and(|n| n["available"] == 8));
        e.stream.remove(at.expect("o1 took two mugs"));
    }),
    ("oversold", |e| {
        goes_on(e, |run| {
            run.stock("cup", -1);
            run.stock("cup", 2);
        });
    }),
    ("oversold", |e| {
        goes_on(e, |run| {
            run.stock("mug", 12);
            run.stock("mug", 11);
        });
    }),
    ("stock-does-not-add-up", |e| item(e, "PROD#mug", "META#mug#STOCK#00")["available"] = json!(10)),
    ("stock-does-not-add-up", |e| status(e, "o5")["refunds"][0]["l"][0]["r"] = json!(true)),
    ("stock-does-not-add-up", |e| without(e, "PROD#cup", "META#cup#STOCK#00")),
    ("false-out-of-stock", |e| _ = answer_to(e, "k9", 409).wanted.insert("mug".to_owned(), 8)),
    ("false-out-of-stock", |e| {
        let refused = answer_to(e, "k5", 409);
        refused.body["products"][0]["productId"] = json!("cup");
        refused.wanted = BTreeMap::from([("cup".to_owned(), 0)]);
    }),
    ("sale-oversold", |e| goes_on(e, |run| run.lot(1, -1))),
    ("sale-oversold", |e| {
        // Units return to a lot twice.
        let at = e.stream.iter().position(|c| c.pk == "ORDER#o14").expect("o14 was placed");
        let again = e.stream.iter().find(|c| c.sk == "LOT#00000").expect("there is a lot").clone();
        e.stream.insert(at + 1, Change { old: again.new.clone(), ..again });
    }),
    ("sale-does-not-add-up", |e| e.table.retain(|item| item["kind"] != "sale_returned")),
    ("sale-does-not-add-up", |e| {
        // The unit of o15 returned to a lot of the sale that was over.
        e.table.retain(|item| item["kind"] != "sale_returned");
        goes_on(e, |run| run.lot(1, 1));
    }),
    ("sale-stuck", |e| {
        let last = e.stream.iter().rposition(|c| c.pk == "FLASH_SALE#ALL").expect("there is a sale");
        e.stream.remove(last);
    }),
    ("sale-limit-exceeded", |e| status(e, "o14")["lines"][0]["q"] = json!(3)),
    ("sale-limit-exceeded", |e| item(e, "SALE#s1#BY#gil", "BOUGHT")["bought"] = json!(1)),
    ("sale-counted-too-much", |e| item(e, "SALE#s1#BY#gil", "BOUGHT")["bought"] = json!(4)),
    ("hold-can-expire-by-ttl", |e| status(e, "o1")["expiresAt"] = json!(1)),
    ("hold-can-expire-by-ttl", |e| item(e, "PROD#mug", "META#mug#STOCK#00")["expiresAt"] = json!(1)),
    ("hold-can-expire-by-ttl", |e| {
        let begun = e.stream.iter_mut().find(|c| c.pk == "ORDER#o1").expect("o1 was placed");
        begun.new.as_mut().expect("it was placed")["expiresAt"] = json!(1);
    }),
    ("charged-without-order", |e| entry(e, "o2", Attempt::Declined).order = "o12".to_owned()),
    ("charged-twice", |e| e.ledger.insert(0, e.ledger[0].clone())),
    ("charged-twice", |e| e.ledger[0].amount -= 1),
    ("charged-twice", |e| e.ledger[0].currency = "EUR".to_owned()),
    ("charged-unauthenticated", |e| e.ledger.retain(|entry| entry.attempt != Attempt::Authenticated)),
    ("asked-twice", |e| e.ledger.retain(|entry| entry.attempt != Attempt::ChallengeFailed)),
    ("secret-stored", |e| status(e, "o13")["clientSecret"] = json!("local_o13_secret")),
    ("secret-stored", |e| {
        let asked = e.stream.iter_mut().find(|c| c.pk == "ORDER#o13").expect("o13 was placed");
        asked.new.as_mut().expect("it was placed")["answer"] = json!({"secret": "of local_o13_secret"});
    }),
    ("paid-is-not-confirmed", |e| status(e, "o1")["state"] = json!("payment_unknown")),
    ("paid-is-not-confirmed", |e| _ = e.ledger.remove(0)),
    ("kept-the-money", |e| e.ledger.retain(|entry| entry.order != "o6" || entry.attempt != Attempt::Refunded(1))),
    ("refunded-too-much", |e| {
        let again = entry(e, "o8", Attempt::Refunded(1)).clone();
        e.ledger.push(again);
    }),
    ("refunded-too-much", |e| entry(e, "o8", Attempt::Refunded(1)).attempt = Attempt::Refunded(2)),
    ("refunded-too-much", |e| status(e, "o8")["refunds"][0]["s"] = json!("refused")),
    ("refunded-too-much", |e| {
        entry(e, "o5", Attempt::Refunded(2)).amount += 5;
        status(e, "o5")["refunds"][1]["a"] = json!(1_803);
    }),
    // The shop missed the refund by hand, or its failure, or paid it once more.
    ("refunded-too-much", |e| status(e, "o9")["refunds"][0]["s"] = json!("refused")),
    ("refunded-too-much", |e| status(e, "o9")["refunds"][1]["s"] = json!("paid")),
    ("refunded-too-much", |e| goes_on(e, |run| run.provider("o9", Attempt::Refunded(1), 100))),
    ("refunded-too-much", |e| status(e, "o9")["refunds"][0]["h"] = json!("re_3")),
    ("dispute-unknown", |e| e.disputes[0].state = "lost"),
    ("dispute-unknown", |e| e.disputes[1].id = "dp_3".to_owned()),
    ("dispute-unknown", |e| goes_on(e, |run| run.disputes("o1", "dp_4", "open"))),
    ("given-up-without-asking", |e| e.ledger.retain(|entry| entry.order != "o10")),
    ("given-up-without-asking", |e| e.ledger.retain(|entry| entry.order != "o2")),
    ("given-up-without-asking", |e| e.ledger.retain(|entry| entry.order != "o3")),
    ("given-up-without-asking", |e| e.ledger.retain(|entry| entry.order != "o4")),
    ("two-orders-for-one-key", |e| answer_to(e, "k1", 202).body["orderId"] = json!("o11")),
    ("two-orders-for-one-key", |e| answer_to(e, "k2", 402).body["orderId"] = json!("o3")),
    // The record was overwritten, and no answer names the first order.
    ("two-orders-for-one-key", |e| {
        e.answers.retain(|answer| answer.key != "k1");
        goes_on(e, |run| o1_again(run, "k1"));
    }),
    ("answers-differ", |e| answer_to(e, "k1", 201).body["version"] = json!(2)),
    ("answers-differ", |e| {
        let mut other = answer_to(e, "k2", 402).clone();
        (other.status, other.body) = (409, problem(409, "order_cancelled", Some("o2")));
        e.answers.push(other);
    }),
    ("refused-but-placed", |e| {
        let mut last = answer_to(e, "k5", 201).clone();
        (last.status, last.body) = (409, problem(409, "cart_empty", None));
        e.answers.push(last);
    }),
    ("answer-contradicts-order", |e| answer_to(e, "k1", 201).body["total"]["amount"] = json!(6_399)),
    ("answer-contradicts-order", |e| answer_to(e, "k1", 201).body["items"][0]["quantity"] = json!(1)),
    ("answer-contradicts-order", |e| answer_to(e, "k1", 201).body["orderId"] = json!("o12")),
    ("answer-contradicts-order", |e| answer_to(e, "k1", 201).who = "bob".to_owned()),
    ("answer-contradicts-order", |e| answer_to(e, "k1", 201).body["version"] = json!(4)),
    ("answer-contradicts-order", |e| answer_to(e, "k1", 202).body["state"] = json!("shipped")),
    ("answer-contradicts-order", |e| answer_to(e, "k2", 402).body["orderId"] = json!("o1")),
    ("answer-contradicts-order", |e| _ = e.ledger.remove(0)),
    ("record-without-order", |e| without(e, "ORDER#o1", "STATUS")),
    ("record-without-order", |e| status(e, "o1")["customer"] = json!("bob")),
    ("order-without-record", |e| {
        without(e, "IDEM#ann#k6", "POST /orders");
        e.stream.retain(|change| change.pk != "IDEM#ann#k6");
    }),
    ("stuck", |e| status(e, "o1")["state"] = json!("payment_unknown")),
    ("stuck", |e| status(e, "o6")["refunds"][0]["s"] = json!("requested")),
    ("stuck", |e| status(e, "o1")["dueAt"] = json!(1)),
    ("stuck", |e| _ = status(e, "o9").as_object_mut().expect("an item").remove("dueAt")),
    ("order-vanished", |e| without(e, "ORDER#o4", "STATUS")),
    ("totals-wrong", |e| status(e, "o1")["total"] = json!(6_399)),
    ("totals-wrong", |e| status(e, "o1")["tax"] = json!(1)),
    ("totals-wrong", |e| status(e, "o1")["lines"][0]["a"] = json!(1)),
    ("totals-wrong", |e| status(e, "o1")["itemCount"] = json!(2)),
    ("cart-sold-twice", |e| status(e, "o6")["cartVersion"] = json!(1)),
    ("cart-not-given-back", |e| e.stream.retain(|change| change.sk != "CART")),
    ("cart-not-given-back", |e| {
        let back = e.stream.iter_mut().rfind(|change| change.pk == "USER#eve" && change.sk == "CART");
        let cart = back.expect("o10 was cancelled").new.as_mut().expect("a cart");
        cart["cartLines"]["cup"]["q"] = json!(0);
    }),
    // A guest's session ended by a login, and no item says to which account.
    ("order-orphaned", |e| {
        goes_on(e, |run| run.writes(json!({"PK": "USER#ann", "SK": "SESSION#s1"})));
        without(e, "USER#ann", "SESSION#s1");
        let (pk, sk) = ("USER#ann".to_owned(), "SESSION#s1".to_owned());
        e.stream.push(Change { pk, sk, old: Some(json!({})), new: None });
    }),
    ("session-outlives-its-password", |e| {
        goes_on(e, |run| {
            let credential =
                |hash: &str| json!({"PK": "EMAIL#1", "SK": "CREDENTIAL", "uid": "ann", "passwordHash": hash});
            run.writes(credential("old"));
            run.writes(json!({"PK": "USER#ann", "SK": "SESSION#s1"}));
            run.writes(json!({"PK": "SESSION#s1", "SK": "SESSION", "uid": "ann"}));
            run.writes(credential("new"));
        });
    }),
    ("unavailable-after-a-pause", |e| e.unavailable.push("POST /cart/items".to_owned())),
    ("history-broken", |e| status(e, "o1")["version"] = json!(4)),
    ("history-broken", |e| status(e, "o7")["state"] = json!("shipped")),
    ("history-broken", |e| status(e, "o8")["refunds"] = json!([])),
    ("history-broken", |e| status(e, "o9")["disputes"] = json!([])),
    ("history-broken", |e| status(e, "o13")["history"][2]["s"] = json!("action_required")),
    ("history-broken", |e| status(e, "o13")["history"][1]["s"] = json!("challenge_failed")),
    ("history-broken", |e| status(e, "o9")["history"][7]["s"] = json!("dispute_lost")),
    ("history-broken", |e| status(e, "o9")["history"][7]["n"] = json!(1)),
    ("history-broken", |e| {
        let declined_twice =
            order("o2", "bob", &[("mug", 8, 899)], "cancelled", &["placed", "declined", "declined"], json!([]));
        *status(e, "o2") = declined_twice;
    }),
    ("history-broken", |e| {
        goes_on(e, |run| {
            let lines: Lines<'_> = &[("mug", 8, 899)];
            run.settles(&order("o3", "bob", lines, "cancelled", &["placed", "declined"], json!([])));
        });
    }),
    ("order-outside-its-list", |e| without(e, "USER#ann", "ORDER#2040-01-15#o1")),
    ("order-outside-its-list", |e| item(e, "USER#ann", "ORDER#2040-01-15#o1")["version"] = json!(2)),
    ("order-outside-its-list", |e| item(e, "USER#ann", "ORDER#2040-01-15#o1")["state"] = json!("shipped")),
    ("order-outside-its-list", |e| without(e, "ORDER#o1", "ITEM#mug")),
    ("order-outside-its-list", |e| item(e, "ORDER#o1", "ITEM#mug")["quantity"] = json!(3)),
    ("phantom-projection", |e| item(e, "USER#ann", "ORDER#2040-01-15#o1")["PK"] = json!("USER#bob")),
    ("phantom-projection", |e| e.table.push(json!({"PK": "ORDER#o1", "SK": "ITEM#cup", "quantity": 1}))),
    ("phantom-projection", |e| e.table.push(json!({"PK": "USER#ann", "SK": "ORDER#2040-01-15#o12"}))),
];

fn rules_broken(evidence: &Evidence) -> BTreeSet<&'static str> {
    check(evidence).into_iter().map(|violation| violation.rule).collect()
}

#[test]
fn a_correct_world_breaks_no_rule() {
    let violations: Vec<String> = check(&correct()).iter().map(Violation::to_string).collect();

    assert_eq!(violations, Vec::<String>::new());
    assert_eq!(check(&Evidence::default()), []);
}

#[test]
fn other_correct_runs_break_no_rule() {
    let others: &[Tampering] = &[
        |e| goes_on(e, |run| o1_again(run, "k10")),
        // Another key took over the order that the first one left unpaid.
        |e| {
            let mut again = answer_to(e, "k1", 201).clone();
            again.key = "k11".to_owned();
            e.answers.push(again);
            goes_on(e, |run| run.remembers("ann", "k11", "o1"));
        },
        // The stream was read from after the products were created, and a restock was called initial.
        |e| {
            let created = |change: &Change| change.pk == "PROD#mug" || change.pk == "PROD#pan";
            (0..4).for_each(|_| assert!(created(&e.stream.remove(0))));
            goes_on(e, |run| {
                run.stock("mug", 21);
                run.moves("mug", 10, "initial");
            });
        },
        // A product was deleted, with its stock.
        |e| {
            let stock = item(e, "PROD#mug", "META#mug#STOCK#00").take();
            e.table.retain(|item| !item.is_null());
            let (pk, sk) = ("PROD#mug".to_owned(), "META#mug#STOCK#00".to_owned());
            e.stream.push(Change { pk, sk, old: Some(stock), new: None });
        },
        // A guest's cart expired, and the next one counted from 1 again.
        |e| {
            status(e, "o6")["cartVersion"] = json!(1);
            let cart = Some(json!({"PK": "USER#ann", "SK": "CART", "version": 2, "cartLines": {}, "expiresAt": 1}));
            e.stream.push(Change { pk: "USER#ann".to_owned(), sk: "CART".to_owned(), old: cart, new: None });
        },
        // The record of a key expired, and a retry was refused.
        |e| {
            without(e, "IDEM#cat#k5", "POST /orders");
            e.answers.retain(|answer| answer.key != "k5" || answer.status != 201);
            let refused = problem(409, "cart_empty", None);
            goes_on(e, |run| run.answered("cat", "k5", 409, refused).healing = true);
        },
        // Refunded bit by bit, then cancelled: there is nothing left to pay back.
        |e| {
            goes_on(e, |run| {
                let part = |n: u32, a: i64| json!({"n": n, "a": a, "s": "paid", "c": false});
                let refused = json!({"n": 3, "a": 1, "s": "refused", "c": false});
                let events = [
                    "placed",
                    "confirmed",
                    "refund_requested 1",
                    "refund_requested 2",
                    "refund_paid 2",
                    "refund_paid 1",
                    "refund_requested 3",
                    "refund_refused 3",
                    "cancelled",
                ];
                let refunds = json!([part(1, 5), part(2, 4), refused]);
                run.stock("cup", 1);
                run.remembers("dan", "k12", "o12");
                run.provider("o12", Attempt::Captured, 9);
                run.provider("o12", Attempt::Refunded(2), 4);
                run.provider("o12", Attempt::Refunded(1), 5);
                run.settles(&order("o12", "dan", &[("cup", 1, 9)], "cancelled", &events, refunds));
                run.stock("cup", 2);
            });
        },
    ];
    for (at, happens) in others.iter().enumerate() {
        let mut evidence = correct();

        happens(&mut evidence);

        assert_eq!(check(&evidence), [], "run {at}");
    }
}

#[test]
fn every_rule_finds_the_worlds_changed_to_break_it() {
    for (at, (rule, tamper)) in TAMPERED.iter().enumerate() {
        let mut evidence = correct();

        tamper(&mut evidence);

        let broken = rules_broken(&evidence);
        assert!(broken.contains(rule), "change {at} should break {rule}, broke {broken:?}");
    }
}

#[test]
fn no_rule_is_without_a_world_that_breaks_it() {
    let tampered: BTreeSet<_> = TAMPERED.iter().map(|(rule, _)| *rule).collect();
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();

    assert_eq!(rules, tampered, "add a changed world for the rule, or the rule");
    assert_eq!(rules.len(), RULES.len(), "two rules have one name");
}
