//! A small correct run in which every rule has something to check.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::{Attempt, Change, Dispute, Entry, Evidence, ShopAnswer};

/// A run as a correct shop would leave it, item by item.
#[derive(Default)]
pub struct Run(pub Evidence);

impl Run {
    /// Writes an item as the table and its stream would have it.
    pub fn writes(&mut self, item: Value) {
        let key = |item: &Value| (item["PK"].clone(), item["SK"].clone());
        let stored = self.0.table.iter().position(|stored| key(stored) == key(&item));
        let old = stored.map(|at| self.0.table.remove(at));
        let part = |name: &str| item[name].as_str().expect("items have keys").to_owned();
        self.0.stream.push(Change { pk: part("PK"), sk: part("SK"), old, new: Some(item.clone()) });
        self.0.table.push(item);
    }

    pub fn stock(&mut self, product: &str, available: i64) {
        let (pk, sk) = (format!("PROD#{product}"), format!("META#{product}#STOCK#00"));
        self.writes(json!({"PK": pk, "SK": sk, "available": available}));
    }

    pub fn moves(&mut self, product: &str, delta: i64, reason: &str) {
        let (pk, sk) = (format!("PROD#{product}"), format!("MOVE#{}", self.0.table.len()));
        let kind = if reason == "initial" { "initial" } else { "adjusted" };
        self.writes(json!({"PK": pk, "SK": sk, "delta": delta, "kind": kind, "reason": reason, "actor": "root"}));
    }

    /// A line of the ledger that a sale causes.
    pub fn moves_for_sale(&mut self, product: &str, delta: i64, kind: &str) {
        let (pk, sk) = (format!("PROD#{product}"), format!("MOVE#{}", self.0.table.len()));
        self.writes(json!({"PK": pk, "SK": sk, "delta": delta, "kind": kind, "reason": "sale", "actor": "shop"}));
    }

    /// The sale of caps: four of them, at most two for each customer.
    pub fn sale(&mut self, progress: Value) {
        self.writes(json!({
            "PK": "FLASH_SALE#ALL", "SK": "SALE#s1", "product": "cap", "unitCount": 4, "progress": progress,
            "terms": [{"f": 1, "p": 5, "s": 1, "e": 2, "l": 2}],
        }));
    }

    pub fn lot(&mut self, lot: u32, left: i64) {
        self.writes(json!({"PK": "SALE#s1#0", "SK": format!("LOT#0000{lot}"), "unitsLeft": left}));
    }

    pub fn removes_lot(&mut self, lot: u32) {
        let (pk, sk) = ("SALE#s1#0".to_owned(), format!("LOT#0000{lot}"));
        let at = self.0.table.iter().position(|item| item["PK"] == *pk && item["SK"] == *sk).expect("it is there");
        let old = Some(self.0.table.remove(at));
        self.0.stream.push(Change { pk, sk, old, new: None });
    }

    pub fn counts(&mut self, who: &str, bought: i64) {
        self.writes(json!({"PK": format!("SALE#s1#BY#{who}"), "SK": "BOUGHT", "bought": bought, "expiresAt": 2}));
    }

    pub fn remembers(&mut self, who: &str, key: &str, order: &str) {
        let pk = format!("IDEM#{who}#{key}");
        self.writes(json!({"PK": pk, "SK": "POST /orders", "payloadSha256": "00", "outcome": order, "expiresAt": 2}));
    }

    /// Writes an order with its projections.
    pub fn settles(&mut self, order: &Value) {
        self.writes(order.clone());
        let part = |name: &str| order[name].as_str().expect("orders have these").to_owned();
        let id = part("PK").replace("ORDER#", "");
        for line in order["lines"].as_array().expect("orders have lines") {
            let sk = format!("ITEM#{}", line["id"].as_str().expect("lines have a product"));
            let (units, price) = (&line["q"], &line["p"]);
            let item = json!({"PK": order["PK"], "SK": sk, "quantity": units, "unitPrice": price, "currency": "USD"});
            self.writes(item);
        }
        let (pk, sk) = (format!("USER#{}", part("customer")), format!("ORDER#2040-01-15#{id}"));
        let mut entry = json!({"PK": pk, "SK": sk});
        for name in ["state", "total", "currency", "itemCount", "version"] {
            entry[name] = order[name].clone();
        }
        self.writes(entry);
    }

    /// Puts the lines of an order back into its customer's cart.
    pub fn gives_back(&mut self, order: &Value) {
        let pk = format!("USER#{}", order["customer"].as_str().expect("orders have a customer"));
        let before = self.0.table.iter().find(|item| item["PK"] == *pk && item["SK"] == "CART").cloned();
        let mut cart = before.unwrap_or_else(|| json!({"PK": pk, "SK": "CART", "version": 1, "cartLines": {}}));
        for line in order["lines"].as_array().expect("orders have lines") {
            let held = &mut cart["cartLines"][line["id"].as_str().expect("lines have a product")];
            let units = held["q"].as_i64().unwrap_or_default() + line["q"].as_i64().expect("lines have units");
            *held = json!({"q": units, "p": line["p"], "c": "USD"});
        }
        self.writes(cart);
    }

    pub fn provider(&mut self, order: &str, attempt: Attempt, amount: i64) {
        let (order, currency) = (order.to_owned(), "USD".to_owned());
        self.0.ledger.push(Entry { order, attempt, amount, currency, by_hand: None });
    }

    /// Something is done by hand at the provider, to the refund with this id.
    pub fn by_hand(&mut self, order: &str, id: &str, attempt: Attempt, amount: i64) {
        self.provider(order, attempt, amount);
        self.0.ledger.last_mut().expect("it was just written").by_hand = Some(id.to_owned());
    }

    pub fn disputes(&mut self, order: &str, id: &str, state: &'static str) {
        self.0.disputes.push(Dispute { order: order.to_owned(), id: id.to_owned(), state });
    }

    pub fn answered(&mut self, who: &str, key: &str, status: u16, body: Value) -> &mut ShopAnswer {
        let (who, key, route) = (who.to_owned(), key.to_owned(), "POST /orders".to_owned());
        self.0.answers.push(ShopAnswer {
            who,
            key,
            path: "/orders".to_owned(),
            route,
            status,
            body,
            ..ShopAnswer::default()
        });
        self.0.answers.last_mut().expect("it was just added")
    }
}

pub type Lines<'a> = &'a [(&'a str, i64, i64)];

/// An order's item after these events, such as `refund_paid 1`.
pub fn order(id: &str, customer: &str, lines: Lines<'_>, state: &str, events: &[&str], refunds: Value) -> Value {
    let total: i64 = lines.iter().map(|(_, units, price)| units * price).sum();
    let units: i64 = lines.iter().map(|(_, units, _)| units).sum();
    let lines: Vec<_> = lines.iter().map(|(p, q, price)| json!({"id": p, "name": p, "q": q, "p": price})).collect();
    let event = |event: &&str| match event.split_once(' ') {
        Some((name, number)) => json!({"s": name, "t": 1, "n": number.parse::<u32>().expect("a number")}),
        None => json!({"s": event, "t": 1}),
    };
    let history: Vec<_> = events.iter().map(event).collect();
    // The number in an order's id is the version of the cart that it bought.
    let cart: i64 = id.trim_start_matches('o').parse().expect("a number");
    json!({
        "PK": format!("ORDER#{id}"), "SK": "STATUS", "customer": customer, "state": state, "version": history.len(),
        "cartVersion": cart, "lines": lines, "currency": "USD", "subtotal": total, "discount": 0, "shipping": 0,
        "tax": 0, "total": total, "itemCount": units, "refunds": refunds, "history": history,
        "placedAt": "2040-01-15T10:00:00.000Z",
    })
}

/// The answer for an order's item.
fn shown(order: &Value) -> Value {
    let usd = |amount: i64| json!({"amount": amount, "currency": "USD"});
    let number = |of: &Value| of.as_i64().expect("a number");
    let item = |l: &Value| {
        json!({"productId": l["id"], "name": l["name"], "quantity": l["q"],
        "unitPrice": usd(number(&l["p"])), "lineTotal": usd(number(&l["q"]) * number(&l["p"]))})
    };
    let items: Vec<_> = order["lines"].as_array().expect("orders have lines").iter().map(item).collect();
    let (id, total) = (order["PK"].as_str().expect("a key").replace("ORDER#", ""), usd(number(&order["total"])));
    json!({"orderId": id, "state": order["state"], "items": items, "total": total, "version": order["version"]})
}

pub fn problem(status: u16, code: &str, order: Option<&str>) -> Value {
    let mut problem = json!({"status": status, "code": code, "detail": "why"});
    if let Some(order) = order {
        problem["orderId"] = json!(order);
    }
    problem
}

/// Ten mugs and five pans; eleven orders with every outcome that an order can have; crashes and lost answers.
pub fn correct() -> Evidence {
    let mut run = Run::default();
    run.0.initial_stock = BTreeMap::from([("mug".to_owned(), 10), ("pan".to_owned(), 5)]);
    run.stock("mug", 10);
    run.moves("mug", 10, "initial");
    run.stock("pan", 5);
    run.moves("pan", 5, "initial");
    run.stock("cup", 3);
    run.moves("cup", 3, "initial");

    // o1 crashed after its payment; a retry answered that it is unknown, and two later ones that it is paid.
    let lines: Lines<'_> = &[("mug", 2, 899), ("pan", 1, 4_600)];
    let begun = order("o1", "ann", lines, "pending_payment", &["placed"], json!([]));
    run.stock("mug", 8);
    run.stock("pan", 4);
    run.writes(begun);
    run.remembers("ann", "k1", "o1");
    run.provider("o1", Attempt::Captured, 6_398);
    let unknown = order("o1", "ann", lines, "payment_unknown", &["placed", "payment_lost"], json!([]));
    run.settles(&unknown);
    let paid = order("o1", "ann", lines, "confirmed", &["placed", "payment_lost", "confirmed"], json!([]));
    run.settles(&paid);
    run.answered("ann", "k1", 503, problem(503, "outcome_unknown", None));
    run.answered("ann", "k1", 202, shown(&unknown));
    run.answered("ann", "k1", 201, shown(&paid));
    run.answered("ann", "k1", 201, shown(&paid)).healing = true;

    // o2 was declined, o3 expired, and o4 was cancelled before it was paid.
    for (id, key, event, attempt) in [
        ("o2", "k2", "declined", Attempt::Declined),
        ("o3", "k3", "expired", Attempt::Closed),
        ("o4", "k4", "cancelled", Attempt::Closed),
    ] {
        let lines: Lines<'_> = &[("mug", 8, 899)];
        run.stock("mug", 0);
        run.writes(order(id, "bob", lines, "pending_payment", &["placed"], json!([])));
        run.remembers("bob", key, id);
        run.provider(id, attempt, 7_192);
        if attempt == Attempt::Declined {
            run.provider(id, Attempt::Closed, 7_192);
        }
        let given_up = order(id, "bob", lines, "cancelled", &["placed", event], json!([]));
        run.settles(&given_up);
        run.stock("mug", 8);
        run.gives_back(&given_up);
    }
    run.answered("bob", "k2", 402, problem(402, "payment_declined", Some("o2"))).healing = true;
    run.answered("bob", "k3", 402, problem(402, "payment_expired", Some("o3"))).healing = true;
    run.answered("bob", "k4", 409, problem(409, "order_cancelled", Some("o4"))).healing = true;

    // cat was refused while no mugs were left, and bought some later; dan gave up.
    let short = |available: i64| {
        let mut short = problem(409, "out_of_stock", None);
        short["products"] = json!([{"productId": "mug", "available": available}]);
        short
    };
    run.answered("cat", "k5", 409, short(0)).wanted = BTreeMap::from([("mug".to_owned(), 3)]);
    run.answered("dan", "k9", 409, short(8)).wanted = BTreeMap::from([("mug".to_owned(), 9)]);
    run.answered("dan", "k9", 409, problem(409, "cart_empty", Some("o9"))).healing = true;

    // o5 was paid for; one of its mugs was written off, then the rest of it was cancelled.
    let (first, second) = (
        json!({"n": 1, "a": 899, "s": "paid", "c": false, "l": [{"id": "mug", "q": 1, "r": false}]}),
        json!({"n": 2, "a": 1_798, "s": "paid", "c": true, "l": [{"id": "mug", "q": 2, "r": true}]}),
    );
    let lines: Lines<'_> = &[("mug", 3, 899)];
    run.stock("mug", 5);
    run.writes(order("o5", "cat", lines, "pending_payment", &["placed"], json!([])));
    run.remembers("cat", "k5", "o5");
    run.provider("o5", Attempt::Captured, 2_697);
    let paid = order("o5", "cat", lines, "confirmed", &["placed", "confirmed"], json!([]));
    run.settles(&paid);
    run.answered("cat", "k5", 201, shown(&paid)).healing = true;
    run.provider("o5", Attempt::Refunded(1), 899);
    run.provider("o5", Attempt::Refunded(2), 1_798);
    let events = ["placed", "confirmed", "refund_requested 1", "refund_paid 1", "refund_requested 2", "refund_paid 2"];
    run.settles(&order("o5", "cat", lines, "cancelled", &events, json!([first, second])));
    run.stock("mug", 7);

    // o6 was declined, and its payment arrived later.
    let late = json!([{"n": 1, "a": 4_600, "s": "paid", "c": true}]);
    let lines: Lines<'_> = &[("pan", 1, 4_600)];
    run.stock("pan", 3);
    run.writes(order("o6", "ann", lines, "pending_payment", &["placed"], json!([])));
    run.remembers("ann", "k6", "o6");
    run.provider("o6", Attempt::Declined, 4_600);
    run.provider("o6", Attempt::Closed, 4_600);
    run.provider("o6", Attempt::Captured, 4_600);
    run.provider("o6", Attempt::Refunded(1), 4_600);
    let given_up =
        order("o6", "ann", lines, "cancelled", &["placed", "declined", "paid_late 1", "refund_paid 1"], late);
    run.settles(&given_up);
    run.stock("pan", 4);
    run.gives_back(&given_up);

    // o7 cost nothing, o8 was delivered, and a pan of it came back.
    run.stock("cup", 2);
    run.remembers("eve", "k7", "o7");
    run.settles(&order("o7", "eve", &[("cup", 1, 0)], "confirmed", &["placed", "confirmed"], json!([])));
    let back = json!([{"n": 1, "a": 4_600, "s": "paid", "c": false, "l": [{"id": "pan", "q": 1, "r": true}]}]);
    let events = ["placed", "confirmed", "shipped", "delivered", "refund_requested 1", "refund_paid 1"];
    let lines: Lines<'_> = &[("pan", 2, 4_600)];
    run.stock("pan", 2);
    run.remembers("eve", "k8", "o8");
    run.settles(&order("o8", "eve", lines, "delivered", &events[..4], json!([])));
    run.provider("o8", Attempt::Captured, 9_200);
    run.provider("o8", Attempt::Refunded(1), 4_600);
    run.settles(&order("o8", "eve", lines, "delivered", &events, back));
    run.stock("pan", 3);

    // o9 was refunded by hand twice, and one refund failed; it was disputed twice, and the second dispute was won.
    let by_hand = |n: u32, a: i64, s: &str, id: &str| json!({"n": n, "a": a, "s": s, "c": false, "h": id});
    let refunds = json!([by_hand(1, 100, "paid", "re_1"), by_hand(2, 200, "refused", "re_2")]);
    let events = [
        "placed",
        "confirmed",
        "refund_recorded 1",
        "refund_recorded 2",
        "disputed 1",
        "refund_refused 2",
        "disputed 2",
        "dispute_won 2",
    ];
    let lines: Lines<'_> = &[("pan", 1, 4_600)];
    run.stock("pan", 2);
    run.remembers("eve", "k13", "o9");
    run.provider("o9", Attempt::Captured, 4_600);
    run.by_hand("o9", "re_1", Attempt::RefundedByHand, 100);
    run.by_hand("o9", "re_2", Attempt::RefundedByHand, 200);
    run.by_hand("o9", "re_2", Attempt::ByHandFailed, 200);
    run.disputes("o9", "dp_1", "open");
    run.disputes("o9", "dp_2", "won");
    let mut disputed = order("o9", "eve", lines, "confirmed", &events, refunds);
    disputed["disputes"] = json!([{"id": "dp_1", "a": 4_600, "s": "open"}, {"id": "dp_2", "a": 4_600, "s": "won"}]);
    (disputed["dueAt"], disputed["dueShard"]) = (json!(1), json!("DUE#1"));
    run.settles(&disputed);

    // The provider does not charge o10's amount.
    run.stock("cup", 1);
    run.writes(order("o10", "eve", &[("cup", 1, 1)], "pending_payment", &["placed"], json!([])));
    run.remembers("eve", "k14", "o10");
    run.provider("o10", Attempt::Closed, 1);
    let given_up = order("o10", "eve", &[("cup", 1, 1)], "cancelled", &["placed", "not_chargeable"], json!([]));
    run.settles(&given_up);
    run.stock("cup", 2);
    run.gives_back(&given_up);
    run.answered("eve", "k14", 422, problem(422, "amount_not_chargeable", Some("o10"))).healing = true;

    // o13's customer was asked twice, because the first card's bank did not authenticate them, and paid.
    let lines: Lines<'_> = &[("jar", 1, 300)];
    let events = ["placed", "action_required", "challenge_failed", "action_required", "confirmed"];
    run.stock("jar", 1);
    run.moves("jar", 1, "initial");
    run.stock("jar", 0);
    run.writes(order("o13", "fay", lines, "pending_payment", &events[..1], json!([])));
    run.remembers("fay", "k15", "o13");
    run.provider("o13", Attempt::Asked, 300);
    let asked = order("o13", "fay", lines, "pending_payment", &events[..2], json!([]));
    run.settles(&asked);
    let mut answer = shown(&asked);
    answer["payment"] = json!({"state": "action_required", "action": {"clientSecret": "local_o13_secret"}});
    run.answered("fay", "k15", 202, answer);
    run.0.secrets.push(("o13".to_owned(), "local_o13_secret".to_owned()));
    run.provider("o13", Attempt::ChallengeFailed, 300);
    run.settles(&order("o13", "fay", lines, "pending_payment", &events[..3], json!([])));
    run.answered("fay", "k15", 402, problem(402, "authentication_failed", Some("o13")));
    run.remembers("fay", "k16", "o13 1");
    run.provider("o13", Attempt::Asked, 300);
    run.settles(&order("o13", "fay", lines, "pending_payment", &events[..4], json!([])));
    run.provider("o13", Attempt::Authenticated, 300);
    run.provider("o13", Attempt::Captured, 300);
    let paid = order("o13", "fay", lines, "confirmed", &events, json!([]));
    run.settles(&paid);
    run.answered("fay", "k15", 201, shown(&paid));
    run.answered("fay", "k16", 201, shown(&paid));

    // Caps were sold in a sale. o14 keeps two; o15 has one, and is cancelled when the sale is over.
    let bought = |id: &str, who: &str, units: i64, lot: u32, state: &str, events: &[&str]| {
        let mut order = order(id, who, &[("cap", units, 0)], state, events, json!([]));
        order["lines"][0]["s"] = json!({"id": "s1", "l": [[lot, units]], "m": [2, who]});
        order["contact"] = json!({"email": format!("{who}@shopper.example")});
        order
    };
    run.stock("cap", 5);
    run.moves("cap", 5, "initial");
    run.stock("cap", 1);
    run.moves_for_sale("cap", -4, "sale_created");
    run.sale(json!({"preparing": {"lots": 0}}));
    run.lot(0, 2);
    run.lot(1, 2);
    run.sale(json!({"open": {}}));
    for (id, who, units, lot) in [("o14", "gil", 2, 0), ("o15", "hal", 1, 1)] {
        run.lot(lot, 2 - units);
        run.counts(who, units);
        run.remembers(who, &format!("key-of-{id}"), id);
        run.settles(&bought(id, who, units, lot, "confirmed", &["placed", "confirmed"]));
    }
    run.sale(json!({"closing": {"keys": 1, "units": 1}}));
    run.removes_lot(0);
    run.removes_lot(1);
    run.sale(json!({"ended": {"units": 1}}));
    run.stock("cap", 2);
    run.moves_for_sale("cap", 1, "sale_ended");
    run.settles(&bought("o15", "hal", 1, 1, "cancelled", &["placed", "confirmed", "cancelled"]));
    run.stock("cap", 3);
    run.moves_for_sale("cap", 1, "sale_returned");

    // Stock was added, and a broken pan was removed.
    run.stock("mug", 11);
    run.moves("mug", 4, "restock");
    run.stock("pan", 1);
    run.moves("pan", -1, "broken");
    run.0
}
