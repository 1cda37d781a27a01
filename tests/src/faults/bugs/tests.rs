use super::*;

const ORDER: &str = "018cc251-f400-7000-8000-000000000000";

fn order(state: &str) -> Value {
    json!({
        "PK": {"S": format!("ORDER#{ORDER}")}, "SK": {"S": "STATUS"}, "customer": {"S": "ann"},
        "state": {"S": state}, "version": {"N": "1"}, "total": {"N": "899"}, "currency": {"S": "USD"},
        "itemCount": {"N": "1"}, "placedAt": {"S": "2024-01-01T00:00:00.000Z"}, "dueAt": {"N": "1704068100000"},
    })
}

fn stock_update(update: &str, condition: &str) -> Value {
    json!({"Update": {
        "TableName": "Shop", "Key": {"PK": {"S": "PROD#mug"}, "SK": {"S": "META#mug#STOCK#00"}},
        "UpdateExpression": update, "ConditionExpression": condition,
        "ExpressionAttributeValues": {":units": {"N": "1"}},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }})
}

fn cart_update(condition: &str) -> Value {
    json!({"Update": {
        "TableName": "Shop", "Key": {"PK": {"S": "USER#ann"}, "SK": {"S": "CART"}},
        "UpdateExpression": "SET cartLines = :none, version = version + :one", "ConditionExpression": condition,
        "ExpressionAttributeValues": {":none": {"M": {}}, ":one": {"N": "1"}, ":read": {"N": "1"}},
    }})
}

fn place() -> Value {
    json!({"ClientRequestToken": "t", "TransactItems": [
        stock_update("SET available = available - :units", "available >= :units"),
        {"Put": {"TableName": "Shop", "Item": order("pending_payment"),
            "ConditionExpression": "attribute_not_exists(PK)"}},
        cart_update("version = :read"),
        {"Put": {"TableName": "Shop", "Item": {"PK": {"S": "IDEM#ann#k"}, "SK": {"S": "POST /orders"}},
            "ConditionExpression": "attribute_not_exists(PK)"}},
    ]})
}

fn decline() -> Value {
    json!({"ClientRequestToken": "t", "TransactItems": [
        {"Put": {"TableName": "Shop", "Item": order("cancelled"), "ConditionExpression": "version = :read",
            "ExpressionAttributeValues": {":read": {"N": "1"}}}},
        stock_update("ADD available :units", "attribute_exists(PK)"),
        cart_update("version = :emptied"),
    ]})
}

fn done_to(bug: Bug, mut body: Value) -> (Rewrite, Value) {
    let rewrite = rewrite(bug, "TransactWriteItems", &mut body);
    (rewrite, body["TransactItems"].take())
}

fn reasons(codes: &[&str]) -> Value {
    let reason = |code: &&str| json!({"Code": code});
    json!({"CancellationReasons": codes.iter().map(reason).collect::<Vec<_>>()})
}

#[test]
fn every_bug_has_a_name_of_its_own_and_a_rule_that_catches_it() {
    let names: std::collections::BTreeSet<_> = Bug::ALL.iter().map(|bug| bug.name()).collect();

    assert_eq!(names.len(), Bug::ALL.len());
    assert!(Bug::ALL.len() >= 14);
    assert!(Bug::ALL.iter().all(|bug| !bug.expected().is_empty()));
}

#[test]
fn a_condition_is_removed_with_the_values_that_only_it_used() {
    let (taken, actions) = done_to(Bug::StockTakenWithoutCondition, place());
    assert!(taken.acted);
    assert_eq!(actions[0]["Update"].get("ConditionExpression"), None);
    assert_eq!(actions[0]["Update"]["ExpressionAttributeValues"], json!({":units": {"N": "1"}}));

    let (_, actions) = done_to(Bug::VersionNotChecked, decline());
    assert_eq!(actions[0]["Put"].get("ConditionExpression"), None);
    assert_eq!(actions[0]["Put"].get("ExpressionAttributeValues"), None);
    assert!(mentions("a = :one", ":one") && !mentions("a = :one_more", ":one"));
}

#[test]
fn a_bug_does_not_change_other_requests() {
    for (bug, body) in [
        (Bug::StockTakenWithoutCondition, decline()),
        (Bug::RestockSetsInsteadOfAdds, place()),
        (Bug::TtlOnAHold, decline()),
        (Bug::ProjectionsBeforeCommit, decline()),
        (Bug::VersionNotChecked, place()),
        (Bug::StockReturnedOutsideTheTransaction, place()),
        (Bug::DeclineKeepsTheHold, place()),
        (Bug::CartNotEmptied, decline()),
        (Bug::IdempotencyRecordBeforeTheOrder, decline()),
        (Bug::ChargeUnderAFreshKey, place()),
    ] {
        assert_eq!(done_to(bug, body.clone()), (Rewrite::default(), body["TransactItems"].clone()), "{}", bug.name());
    }
}

#[test]
fn a_restock_sets_and_a_hold_expires() {
    let (_, actions) = done_to(Bug::RestockSetsInsteadOfAdds, decline());
    assert_eq!(actions[1]["Update"]["UpdateExpression"], "SET available = :units");

    let (_, actions) = done_to(Bug::TtlOnAHold, place());
    assert_eq!(actions[1]["Put"]["Item"]["expiresAt"], json!({"N": "1704068100"}));
}

#[test]
fn a_client_secret_is_stored_with_an_order_whose_customer_is_asked() {
    let put = |payment: &str| {
        let mut item = order("pending_payment");
        item["paymentState"] = json!({"S": payment});
        json!({"TableName": "Shop", "Item": item, "ConditionExpression": "version = :read"})
    };
    let stored = |payment: &str| {
        let mut body = put(payment);
        let acted = rewrite(Bug::ClientSecretStored, "PutItem", &mut body).acted;
        (acted, body["Item"].get("clientSecret").is_some())
    };

    assert_eq!(stored("action_required"), (true, true));
    assert_eq!(stored("pending"), (false, false));
}

#[test]
fn writes_removed_from_a_transaction_are_sent_before_it_or_dropped() {
    let (outside, actions) = done_to(Bug::StockReturnedOutsideTheTransaction, decline());
    assert_eq!((outside.removed, actions.as_array().unwrap().len()), (vec![1], 2));
    assert_eq!(outside.first[0].operation, "UpdateItem");
    assert_eq!(outside.first[0].body, decline()["TransactItems"][1]["Update"]);

    let (kept, _) = done_to(Bug::DeclineKeepsTheHold, decline());
    assert_eq!((kept.removed, kept.first), (vec![1], vec![]));

    let (full, actions) = done_to(Bug::CartNotEmptied, place());
    assert_eq!((full.removed, actions.as_array().unwrap().len()), (vec![2], 3));

    let (early, _) = done_to(Bug::IdempotencyRecordBeforeTheOrder, place());
    assert_eq!((early.removed, early.first[0].stands_for), (vec![3], Some(3)));
    assert_eq!(early.first[0].body, place()["TransactItems"][3]["Put"]);
}

#[test]
fn a_list_entry_and_a_charge_are_those_of_the_order_that_is_placed() {
    let (early, actions) = done_to(Bug::ProjectionsBeforeCommit, place());
    let charge = charge_of("TransactWriteItems", &place()).unwrap();

    let entry = &early.first[0].body["Item"];
    assert_eq!(entry["SK"]["S"], format!("ORDER#2024-01-01#{ORDER}"));
    assert_eq!((&entry["PK"]["S"], &entry["total"]["N"]), (&json!("USER#ann"), &json!("899")));
    assert_eq!(actions, place()["TransactItems"]);
    assert_eq!((charge.order.to_string().as_str(), charge.amount.amount_minor()), (ORDER, 899));
    assert!(charge_of("TransactWriteItems", &decline()).is_none());
}

#[test]
fn every_failure_of_a_checkout_looks_like_a_lack_of_the_first_product() {
    let answer = |request: &Value, codes: &[&str]| {
        let mut answer = reasons(codes);
        let acted = rewrite_answer(Bug::EveryCancellationIsOutOfStock, "TransactWriteItems", request, &mut answer);
        let codes = answer["CancellationReasons"].as_array().unwrap().iter().map(|r| r["Code"].clone()).collect();
        (acted, Value::Array(codes))
    };
    let short = json!(["ConditionalCheckFailed", "None", "None", "None"]);

    assert_eq!(answer(&place(), &["None", "TransactionConflict", "None", "None"]), (true, short.clone()));
    assert_eq!(answer(&place(), &["ConditionalCheckFailed", "None", "None", "None"]), (false, short));
    assert_eq!(answer(&decline(), &["TransactionConflict"]), (false, json!(["TransactionConflict"])));
}

#[test]
fn a_record_of_a_checkout_is_not_found_and_any_other_item_is() {
    let get = |pk: &str, sk: &str| json!({"Key": {"PK": {"S": pk}, "SK": {"S": sk}}});
    let found = |request: Value| {
        let mut answer = json!({"Item": {}});
        rewrite_answer(Bug::ClientRequestTokenIsTheOnlyGuard, "GetItem", &request, &mut answer);
        answer.get("Item").is_some()
    };

    assert!(!found(get("IDEM#ann#k", "POST /orders")));
    assert!(found(get("IDEM#ann#k", "POST /orders/{orderId}/cancel")));
    assert!(found(get("USER#ann", "CART")));
}
