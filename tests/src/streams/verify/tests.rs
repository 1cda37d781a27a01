//! The checker on evidence made by hand: a correct run breaks no rule, and each rule finds what breaks it.

use serde_json::json;

use super::*;

fn record(event: &str, at: usize, pk: &str, sk: &str) -> Value {
    json!({
        "eventID": event,
        "eventName": "MODIFY",
        "dynamodb": {
            "SequenceNumber": format!("{at:021}"),
            "ApproximateCreationDateTime": 1_709_251_199,
            "Keys": {"PK": {"S": pk}, "SK": {"S": sk}},
            "NewImage": {"customer": {"S": "ann"}},
        },
    })
}

fn invocation(records: &[usize], answer: Option<&[usize]>) -> Invocation {
    let number = |at: &usize| format!("{at:021}");
    Invocation {
        records: records.iter().map(number).collect(),
        answer: answer.map(|named| named.iter().map(number).collect()),
        disturbed: false,
        repeated: false,
    }
}

/// An order that ann paid, with its record and its e-mail, and a mug with one review, in a category.
fn correct() -> Evidence {
    let order = json!({
        "PK": "ORDER#o1", "SK": "STATUS", "customer": "ann", "state": "confirmed", "version": 2, "total": 899,
        "currency": "USD", "itemCount": 1, "placedAt": "2024-03-01T00:00:00.000Z", "paymentReference": "pay_1",
        "contact": {"email": "ann@mail.example"},
        "lines": [{"id": "mug", "q": 1, "p": 899}],
        "history": [{"s": "placed"}, {"s": "confirmed"}],
    });
    let log = |event: &str, object: &str| {
        (
            format!("2024/02/29/{object}.jsonl"),
            format!("{}\n", json!({"eventId": event, "before": {"email": "[redacted]"}})),
        )
    };
    Evidence {
        table: vec![
            order,
            json!({"PK": "ORDER#o1", "SK": "ITEM#mug", "quantity": 1, "unitPrice": 899, "currency": "USD"}),
            json!({
                "PK": "USER#ann", "SK": "ORDER#2024-03-01#o1", "state": "confirmed", "version": 2, "total": 899,
                "currency": "USD", "itemCount": 1,
            }),
            json!({"PK": "USER#ann", "SK": "PROFILE", "uid": "ann", "email": "ann@mail.example", "emailVerified": true}),
            json!({
                "PK": "PROD#mug", "SK": "META#mug", "soldOut": true, "category": "Kitchen", "category2": "Kitchen/Mugs",
            }),
            json!({"PK": "PROD#mug", "SK": "META#mug#STOCK#00", "available": 0}),
            json!({"PK": "PROD#mug", "SK": "META#mug#RATING", "reviews": 1, "stars": 4}),
            json!({"PK": "PROD#mug", "SK": "REVIEW#ann", "stars": 4}),
            json!({"PK": "PROD#mug", "SK": "CATEGORY", "category": "Kitchen/Mugs"}),
            json!({"PK": "CAT#1", "SK": "Kitchen", "own": 0, "below": 1}),
            json!({"PK": "CAT#2", "SK": "Kitchen\u{1f}Mugs", "own": 1, "passedUp": 1}),
            json!({"PK": "ORDERNO#00000-00001", "SK": "o1"}),
            json!({"PK": format!("CONTACT#{}", table::keys::sha256_hex("ann@mail.example")), "SK": "o1"}),
            json!({"PK": "PAYREF#pay_1", "SK": "o1"}),
        ],
        records: vec![
            record("e1", 1, "ORDER#o1", "STATUS"),
            record("e2", 2, "ORDER#o1", "STATUS"),
            record("bad", 3, "ORDER#o2", "STATUS"),
        ],
        audit: vec![log("e1", "e1"), log("e2", "e2")],
        mails: vec![SentMail {
            id: "o1-2".to_owned(),
            to: "ann@mail.example".to_owned(),
            subject: "Your order is confirmed".to_owned(),
            marked: false,
        }],
        dead_letters: vec![DeadLetter {
            key: "l1".to_owned(),
            function: "projections".to_owned(),
            records: vec![record("bad", 3, "ORDER#o2", "STATUS")],
        }],
        courses: BTreeMap::from([(
            "projections".to_owned(),
            vec![invocation(&[1, 2, 3], None), invocation(&[1, 2], Some(&[2])), invocation(&[2, 3], Some(&[]))],
        )]),
        secrets: vec!["ann@mail.example".to_owned()],
        unreachable: "cleo".to_owned(),
        malformed: "bad".to_owned(),
        by_ttl: "ttl".to_owned(),
        ..Evidence::default()
    }
}

#[test]
fn a_correct_run_breaks_no_rule() {
    assert_eq!(verify(&correct()), []);
}

#[test]
fn an_order_of_a_guest_is_mailed_to_its_contact() {
    let mut evidence = correct();
    evidence.table[0]["customer"] = json!("a-guest");
    evidence.table[0]["contact"] = json!({"email": "ann@mail.example"});

    assert!(!verify(&evidence).iter().any(|violation| violation.rule.starts_with("mail-")));
}

#[test]
fn each_rule_finds_what_breaks_it() {
    type Change = fn(&mut Evidence);
    let cases: [(&str, Change); 38] = [
        ("mail-missing", |e| e.mails.clear()),
        ("mail-repeated", |e| e.mails[0].marked = true),
        ("mail-repeated", |e| {
            let mut forgotten = record("e9", 9, "NOTIFY#o1#2", "SENT");
            forgotten["dynamodb"]["OldImage"] = json!({"sentAt": {"N": "1"}});
            e.written.push(forgotten);
        }),
        ("mail-of-nothing", |e| e.mails[0].to = "bob@mail.example".to_owned()),
        // The order has a contact, and it went to the account.
        ("mail-of-nothing", |e| e.table[0]["contact"] = json!({"email": "office@mail.example"})),
        ("mail-missing", |e| {
            e.table[0]["customer"] = json!("a-guest");
            e.table[0]["contact"] = json!({"email": "ann@mail.example"});
            e.mails.clear();
        }),
        // Nothing was charged, and its contact may be a stranger.
        ("mail-of-nothing", |e| {
            e.table[0]["contact"] = json!({"email": "ann@mail.example"});
            e.table[0]["customer"] = json!("a-guest");
            e.table[0]["history"] = json!([{"s": "placed"}, {"s": "payment_lost"}, {"s": "expired"}]);
            e.mails[0].id = "o1-3".to_owned();
            e.mails[0].subject = "Your order is cancelled".to_owned();
        }),
        ("mail-of-nothing", |e| e.mails[0].subject = "Your order is cancelled".to_owned()),
        ("mail-of-nothing", |e| {
            let again = SentMail { id: "o1-1".to_owned(), ..e.mails[0].clone() };
            e.mails.push(again);
        }),
        // Mailed as declined, but nothing was ever charged.
        ("mail-of-nothing", |e| {
            e.table[0]["history"] = json!([{"s": "placed"}, {"s": "declined"}]);
            e.mails[0].subject = "Your order is cancelled".to_owned();
        }),
        ("mail-of-nothing", |e| e.table[0]["total"] = json!(0)),
        // Its customer was answered to wait, and gets no e-mail.
        ("mail-missing", |e| {
            e.table[0]["history"] = json!([{"s": "placed"}, {"s": "payment_lost"}, {"s": "expired"}]);
            e.mails.clear();
        }),
        ("mail-of-nothing", |e| {
            e.table[0]["history"] = json!([{"s": "placed"}, {"s": "payment_lost"}, {"s": "cancelled"}]);
            e.mails[0].id = "o1-3".to_owned();
        }),
        ("audit-missing", |e| drop(e.audit.pop())),
        ("audit-missing", |e| e.audit[0].0 = "2024/03/01/e1.jsonl".to_owned()),
        ("audit-repeated", |e| {
            let text = e.audit[0].1.clone();
            e.audit.push(("2024/02/29/again.jsonl".to_owned(), text));
        }),
        ("audit-of-ttl", |e| {
            e.records[0]["eventName"] = json!("REMOVE");
            e.records[0]["userIdentity"] = json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"});
        }),
        ("audit-shows-secrets", |e| e.audit[0].1 = e.audit[0].1.replace("[redacted]", "ann@mail.example")),
        ("rating-wrong", |e| e.table[6]["stars"] = json!(8)),
        ("sold-out-flag-wrong", |e| e.table[5]["available"] = json!(1)),
        ("category-count-wrong", |e| e.table[10]["own"] = json!(2)),
        ("category-count-wrong", |e| e.table[9]["below"] = json!(0)),
        ("category-count-wrong", |e| e.table[4]["category2"] = json!("Kitchen/Pans")),
        ("order-unfound", |e| drop(e.table.remove(13))),
        ("order-unfound", |e| e.table[11]["PK"] = json!("ORDERNO#00000-00002")),
        ("order-unfound", |e| e.table[0]["paymentReference"] = json!("pay_2")),
        ("order-unfound", |e| e.table.push(json!({"PK": "CONTACT#71d4", "SK": "o1"}))),
        ("healthy-record-given-up", |e| e.dead_letters[0].records.push(record("e1", 1, "ORDER#o1", "STATUS"))),
        ("malformed-not-kept", |e| e.dead_letters.clear()),
        ("malformed-not-kept", |e| e.dead_letters.extend(e.dead_letters.clone())),
        // Delivered for the first time, without a fault.
        ("failed-without-cause", |e| {
            e.courses
                .insert("projections".to_owned(), vec![invocation(&[1], Some(&[1])), invocation(&[1, 2], Some(&[]))]);
        }),
        ("answer-names-nothing", |e| {
            e.courses.entry("projections".to_owned()).or_default().push(invocation(&[1], Some(&[7])));
        }),
        ("answer-names-many", |e| {
            e.courses.entry("projections".to_owned()).or_default().push(invocation(&[1, 2], Some(&[1, 2])));
        }),
        ("order-broken", |e| {
            e.courses.insert("projections".to_owned(), vec![invocation(&[2], Some(&[])), invocation(&[1], Some(&[]))]);
        }),
        ("replay-failed", |e| e.unreplayed.push("l1".to_owned())),
        ("written-again", |e| e.written_again.push(record("e9", 9, "NOTIFY#o1#2", "SENT"))),
        ("order-outside-its-list", |e| e.table[2]["version"] = json!(1)),
        ("phantom-projection", |e| e.table.push(json!({"PK": "ORDER#o1", "SK": "ITEM#pan"}))),
    ];
    for (rule, change) in cases {
        let mut evidence = correct();

        change(&mut evidence);

        let found = verify(&evidence);
        assert!(found.iter().any(|violation| violation.rule == rule), "{rule}: {found:?}");
    }
}

#[test]
fn every_rule_has_a_case() {
    let text = include_str!("tests.rs");

    for name in RULES.iter().map(|rule| rule.name).chain(PROJECTIONS) {
        assert!(text.contains(&format!("(\"{name}\", |e|")), "no evidence breaks {name}");
    }
}

#[test]
fn a_mail_sent_again_before_it_was_marked_is_counted_and_breaks_no_rule() {
    let mut evidence = correct();
    evidence.mails.push(evidence.mails[0].clone());

    assert_eq!(verify(&evidence), []);
    assert_eq!(repeated_in_the_window(&evidence), 1);
}
