//! Planted bugs: what the product would do if its code had one of these mistakes.

use domain::Money;
use payments::{Charge, LocalPayments, PaymentToken};
use serde_json::{Map, Value, json};

/// A mistake that the product could have. Most are planted on the wire, by changing the product's requests to the
/// table; the rest in its requests to the payment provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    StockTakenWithoutCondition,
    RestockSetsInsteadOfAdds,
    ClientRequestTokenIsTheOnlyGuard,
    TtlOnAHold,
    HoldReleasedOnTimeout,
    HoldReleasedOnDecline,
    EveryCancellationIsOutOfStock,
    ProjectionsBeforeCommit,
    ChargedBeforeCommit,
    VersionNotChecked,
    StockReturnedOutsideTheTransaction,
    DeclineKeepsTheHold,
    CartNotEmptied,
    IdempotencyRecordBeforeTheOrder,
    SignatureNotChecked,
    AmountOfTheEventNotChecked,
    ReleasedWithoutAsking,
    RefundUnderAFreshKey,
    ChargeUnderAFreshKey,
    WritesOnOldConnections,
    SessionsOutliveAPassword,
    LoginForgetsOrders,
    CartNotGivenBack,
    StockLoadedWithoutCondition,
    UnitsReturnToAnotherProduct,
    RefundByHandIgnored,
    RefundByHandPaidAgain,
    DisputeIgnored,
    /// The storefront says that the customer was authenticated, and the shop believes it.
    StorefrontIsBelieved,
    ClientSecretStored,
    /// A payment whose customer is asked is confirmed again.
    ConfirmedTwice,
    ReleasedWhileAsked,
    RefreshCharges,
    /// Units return to their lot by a write of its own, and again in the transaction.
    LotReleasedTwice,
    LotTakenWithoutCondition,
    LimitCountedOutsideTheTransaction,
    LimitNotChecked,
    /// Units of an order return to a lot that was removed at the end of the sale.
    LotsReturnAfterTheSale,
}

impl Bug {
    pub const ALL: &[Bug] = &[
        Bug::StockTakenWithoutCondition,
        Bug::RestockSetsInsteadOfAdds,
        Bug::ClientRequestTokenIsTheOnlyGuard,
        Bug::TtlOnAHold,
        Bug::HoldReleasedOnTimeout,
        Bug::HoldReleasedOnDecline,
        Bug::EveryCancellationIsOutOfStock,
        Bug::ProjectionsBeforeCommit,
        Bug::ChargedBeforeCommit,
        Bug::VersionNotChecked,
        Bug::StockReturnedOutsideTheTransaction,
        Bug::DeclineKeepsTheHold,
        Bug::CartNotEmptied,
        Bug::IdempotencyRecordBeforeTheOrder,
        Bug::SignatureNotChecked,
        Bug::AmountOfTheEventNotChecked,
        Bug::ReleasedWithoutAsking,
        Bug::RefundUnderAFreshKey,
        Bug::ChargeUnderAFreshKey,
        Bug::WritesOnOldConnections,
        Bug::SessionsOutliveAPassword,
        Bug::LoginForgetsOrders,
        Bug::CartNotGivenBack,
        Bug::StockLoadedWithoutCondition,
        Bug::UnitsReturnToAnotherProduct,
        Bug::RefundByHandIgnored,
        Bug::RefundByHandPaidAgain,
        Bug::DisputeIgnored,
        Bug::StorefrontIsBelieved,
        Bug::ClientSecretStored,
        Bug::ConfirmedTwice,
        Bug::ReleasedWhileAsked,
        Bug::RefreshCharges,
        Bug::LotReleasedTwice,
        Bug::LotTakenWithoutCondition,
        Bug::LimitCountedOutsideTheTransaction,
        Bug::LimitNotChecked,
        Bug::LotsReturnAfterTheSale,
    ];

    pub fn name(self) -> &'static str {
        self.description().0
    }

    /// The checker's rules that may catch it; one is enough.
    pub fn expected(self) -> &'static [&'static str] {
        self.description().1
    }

    fn description(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Bug::StockTakenWithoutCondition => ("stock-taken-without-condition", &["oversold"]),
            Bug::RestockSetsInsteadOfAdds => ("restock-sets-instead-of-adds", &["stock-does-not-add-up"]),
            Bug::ClientRequestTokenIsTheOnlyGuard => (
                "client-request-token-is-the-only-guard",
                &["two-orders-for-one-key", "answers-differ", "refused-but-placed"],
            ),
            Bug::TtlOnAHold => ("ttl-on-a-hold", &["hold-can-expire-by-ttl"]),
            Bug::HoldReleasedOnDecline => ("hold-released-on-decline", &["given-up-without-asking"]),
            Bug::HoldReleasedOnTimeout => {
                ("hold-released-on-timeout", &["given-up-without-asking", "answer-contradicts-order"])
            }
            Bug::EveryCancellationIsOutOfStock => {
                ("every-cancellation-is-out-of-stock", &["false-out-of-stock", "refused-but-placed"])
            }
            Bug::ProjectionsBeforeCommit => ("projections-before-commit", &["phantom-projection"]),
            Bug::ChargedBeforeCommit => ("charged-before-commit", &["charged-without-order"]),
            Bug::VersionNotChecked => (
                "version-not-checked",
                &["stock-does-not-add-up", "history-broken", "kept-the-money", "paid-is-not-confirmed"],
            ),
            Bug::StockReturnedOutsideTheTransaction => {
                ("stock-returned-outside-the-transaction", &["stock-does-not-add-up", "oversold"])
            }
            Bug::DeclineKeepsTheHold => ("decline-keeps-the-hold", &["stock-does-not-add-up"]),
            Bug::CartNotEmptied => ("cart-not-emptied", &["cart-sold-twice"]),
            Bug::IdempotencyRecordBeforeTheOrder => {
                ("idempotency-record-before-the-order", &["record-without-order", "refused-but-placed"])
            }
            Bug::SignatureNotChecked => {
                ("signature-not-checked", &["paid-is-not-confirmed", "answer-contradicts-order"])
            }
            Bug::AmountOfTheEventNotChecked => ("amount-of-the-event-not-checked", &["paid-is-not-confirmed"]),
            Bug::ReleasedWithoutAsking => {
                ("released-without-asking", &["given-up-without-asking", "kept-the-money", "paid-is-not-confirmed"])
            }
            Bug::RefundUnderAFreshKey => ("refund-under-a-fresh-key", &["refunded-too-much"]),
            Bug::ChargeUnderAFreshKey => ("charge-under-a-fresh-key", &["charged-twice"]),
            Bug::SessionsOutliveAPassword => ("sessions-outlive-a-password", &["session-outlives-its-password"]),
            Bug::LoginForgetsOrders => ("login-forgets-orders", &["order-orphaned"]),
            Bug::CartNotGivenBack => ("cart-not-given-back", &["cart-not-given-back"]),
            Bug::StockLoadedWithoutCondition => ("stock-loaded-without-condition", &["oversold"]),
            Bug::UnitsReturnToAnotherProduct => {
                ("units-return-to-another-product", &["oversold", "stock-does-not-add-up"])
            }
            Bug::WritesOnOldConnections => ("writes-on-old-connections", &["unavailable-after-a-pause"]),
            Bug::RefundByHandIgnored => ("refund-by-hand-ignored", &["refunded-too-much"]),
            Bug::RefundByHandPaidAgain => ("refund-by-hand-paid-again", &["refunded-too-much"]),
            Bug::DisputeIgnored => ("dispute-ignored", &["dispute-unknown"]),
            Bug::StorefrontIsBelieved => ("storefront-is-believed", &["paid-is-not-confirmed"]),
            Bug::ClientSecretStored => ("client-secret-stored", &["secret-stored"]),
            Bug::ConfirmedTwice => ("confirmed-twice", &["asked-twice"]),
            Bug::ReleasedWhileAsked => {
                ("released-while-asked", &["given-up-without-asking", "kept-the-money", "paid-is-not-confirmed"])
            }
            Bug::RefreshCharges => ("refresh-charges", &["charged-unauthenticated", "charged-twice"]),
            Bug::LotReleasedTwice => ("lot-released-twice", &["sale-does-not-add-up", "sale-oversold"]),
            Bug::LotTakenWithoutCondition => ("lot-taken-without-condition", &["sale-oversold"]),
            Bug::LimitCountedOutsideTheTransaction => {
                ("limit-counted-outside-the-transaction", &["sale-counted-too-much"])
            }
            Bug::LimitNotChecked => ("limit-not-checked", &["sale-limit-exceeded"]),
            Bug::LotsReturnAfterTheSale => ("lots-return-after-the-sale", &["sale-does-not-add-up"]),
        }
    }
}

/// An additional request that the bug sends.
#[derive(Debug, Clone, PartialEq)]
pub struct Extra {
    pub operation: &'static str,
    pub body: Value,
    /// The action of the transaction that it replaces: if its condition fails, the transaction is not sent, and the
    /// product gets the answer that this action failed.
    pub stands_for: Option<usize>,
}

/// What a bug did to a request.
#[derive(Debug, Default, PartialEq)]
pub struct Rewrite {
    /// Requests to send before it.
    pub first: Vec<Extra>,
    /// Actions removed from the transaction, by their index in the product's own, ascending.
    pub removed: Vec<usize>,
    /// Whether the request was changed.
    pub acted: bool,
}

/// Applies a bug to a request of the product.
pub fn rewrite(bug: Bug, operation: &str, body: &mut Value) -> Rewrite {
    let before = body.clone();
    let mut rewrite = Rewrite::default();
    match bug {
        Bug::StockTakenWithoutCondition if places_order(operation, body) => {
            writes(body).filter(|w| is_stock(w)).for_each(drop_condition);
        }
        Bug::RestockSetsInsteadOfAdds => match operation {
            "TransactWriteItems" => writes(body).filter(|w| is_stock(w)).for_each(set_instead_of_add),
            "UpdateItem" if is_stock(body) => set_instead_of_add(body),
            _ => {}
        },
        Bug::ClientRequestTokenIsTheOnlyGuard if places_order(operation, body) => {
            writes(body).filter(|w| is_record(w)).for_each(drop_condition);
        }
        Bug::TtlOnAHold => match operation {
            "TransactWriteItems" => writes(body).filter(|w| is_order(w)).for_each(expire_with_the_hold),
            "PutItem" if is_order(body) => expire_with_the_hold(body),
            _ => {}
        },
        Bug::ProjectionsBeforeCommit => rewrite.first.extend(placed_item(operation, body).and_then(|order| {
            let table = crate::tables::of_customers(order["TableName"].as_str()?);
            let body = json!({"TableName": table, "Item": list_entry(&order["Item"])?});
            Some(Extra { operation: "PutItem", body, stands_for: None })
        })),
        Bug::VersionNotChecked => match operation {
            "TransactWriteItems" => writes(body).filter(|w| is_moved_order(w)).for_each(drop_condition),
            "PutItem" if is_moved_order(body) => drop_condition(body),
            _ => {}
        },
        Bug::ClientSecretStored => match operation {
            "TransactWriteItems" => writes(body).filter(|w| is_moved_order(w)).for_each(store_client_secret),
            "PutItem" if is_moved_order(body) => store_client_secret(body),
            _ => {}
        },
        Bug::StockReturnedOutsideTheTransaction if moves_order(operation, body) => {
            let returned = take_out(body, is_stock, &mut rewrite.removed);
            let alone = |body| Extra { operation: "UpdateItem", body, stands_for: None };
            rewrite.first.extend(returned.into_iter().map(alone));
        }
        Bug::DeclineKeepsTheHold if moves_order(operation, body) => {
            take_out(body, is_stock, &mut rewrite.removed);
        }
        Bug::CartNotEmptied if places_order(operation, body) => {
            take_out(body, is_cart, &mut rewrite.removed);
        }
        Bug::IdempotencyRecordBeforeTheOrder if places_order(operation, body) => {
            let records = take_out(body, is_record, &mut rewrite.removed);
            let alone = |(body, at): (Value, &usize)| Extra { operation: "PutItem", body, stands_for: Some(*at) };
            rewrite.first.extend(records.into_iter().zip(&rewrite.removed).map(alone));
        }
        Bug::LotReleasedTwice if moves_order(operation, body) => {
            let returned: Vec<_> = writes(body).filter(|w| is_lot(w)).map(|w| w.clone()).collect();
            let alone = |body| Extra { operation: "UpdateItem", body, stands_for: None };
            rewrite.first.extend(returned.into_iter().map(alone));
        }
        Bug::LotTakenWithoutCondition if places_order(operation, body) => {
            writes(body).filter(|w| is_lot(w)).for_each(drop_condition);
        }
        Bug::LimitCountedOutsideTheTransaction if places_order(operation, body) => {
            let counts = take_out(body, is_buyer, &mut rewrite.removed);
            let alone = |(body, at): (Value, &usize)| Extra { operation: "UpdateItem", body, stands_for: Some(*at) };
            rewrite.first.extend(counts.into_iter().zip(&rewrite.removed).map(alone));
        }
        Bug::LimitNotChecked if places_order(operation, body) => {
            writes(body).filter(|w| is_buyer(w)).for_each(drop_condition);
        }
        Bug::LotsReturnAfterTheSale if moves_order(operation, body) => {
            writes(body).filter(|w| is_lot(w)).for_each(drop_condition);
        }
        Bug::SessionsOutliveAPassword if transacts(operation, body, is_new_password) => {
            take_out(body, is_session, &mut rewrite.removed);
        }
        Bug::LoginForgetsOrders if operation == "TransactWriteItems" => {
            take_out(body, is_guest_account, &mut rewrite.removed);
        }
        Bug::CartNotGivenBack if moves_order(operation, body) => {
            take_out(body, is_cart, &mut rewrite.removed);
        }
        Bug::StockLoadedWithoutCondition if operation == "PutItem" && is_put_stock(body) => drop_condition(body),
        Bug::UnitsReturnToAnotherProduct if moves_order(operation, body) => {
            writes(body).filter(|w| is_stock(w)).for_each(return_to_whatever_is_there);
        }
        _ => {}
    }
    rewrite.acted = *body != before || !rewrite.first.is_empty();
    rewrite
}

/// Applies a bug to the answer that the product gets for `request`. Returns whether that made a difference.
pub fn rewrite_answer(bug: Bug, operation: &str, request: &Value, answer: &mut Value) -> bool {
    match bug {
        Bug::EveryCancellationIsOutOfStock if places_order(operation, request) => {
            let Some(reasons) = answer.get_mut("CancellationReasons").and_then(Value::as_array_mut) else {
                return false;
            };
            if reasons.iter().all(|reason| reason["Code"] == "None") {
                return false;
            }
            let old = reasons[0].get("Item").cloned();
            let was_so = reasons[0]["Code"] == "ConditionalCheckFailed";
            let others = reasons.iter().skip(1).all(|reason| reason["Code"] == "None");
            reasons.fill(json!({"Code": "None"}));
            reasons[0] = condition_failed(old);
            !(was_so && others)
        }
        Bug::ClientRequestTokenIsTheOnlyGuard if operation == "GetItem" && is_record_of_checkout(request) => {
            answer.as_object_mut().is_some_and(|answer| answer.remove("Item").is_some())
        }
        _ => false,
    }
}

/// The charge that [`Bug::ChargedBeforeCommit`] makes too early, of the order that the request places.
pub fn charge_of(operation: &str, body: &Value) -> Option<Charge> {
    let order = &placed_item(operation, body)?["Item"];
    let minor = order["total"]["N"].as_str()?.parse().ok()?;
    Some(Charge {
        order: order["PK"]["S"].as_str()?.strip_prefix("ORDER#")?.parse().ok()?,
        amount: Money::amount(minor, domain::parse_currency(order["currency"]["S"].as_str()?).ok()?),
        token: PaymentToken::parse("tok_visa").ok()?,
    })
}

/// The reason of an action whose condition failed, with the item it failed on, as DynamoDB answers it.
pub fn condition_failed(old: Option<Value>) -> Value {
    let mut reason = json!({"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"});
    if let Some(old) = old {
        reason["Item"] = old;
    }
    reason
}

/// The Puts, Updates, Deletes and ConditionChecks of a transaction, without their wrappers: each then reads like the
/// request for that one item.
pub(crate) fn writes(body: &mut Value) -> impl Iterator<Item = &mut Value> {
    let actions = body.get_mut("TransactItems").and_then(Value::as_array_mut).into_iter().flatten();
    actions.filter_map(|action| action.as_object_mut()?.values_mut().next())
}

pub(crate) fn key(write: &Value) -> (&str, &str) {
    let holder = if write.get("Item").is_some() { &write["Item"] } else { &write["Key"] };
    (holder["PK"]["S"].as_str().unwrap_or_default(), holder["SK"]["S"].as_str().unwrap_or_default())
}

fn is_stock(write: &Value) -> bool {
    key(write).0.starts_with("PROD#") && key(write).1.contains("#STOCK#") && write.get("UpdateExpression").is_some()
}

fn is_put_stock(write: &Value) -> bool {
    key(write).0.starts_with("PROD#") && key(write).1.contains("#STOCK#") && write.get("Item").is_some()
}

/// Units are taken from it or return to it.
fn is_lot(write: &Value) -> bool {
    key(write).1.starts_with("LOT#") && write.get("UpdateExpression").is_some()
}

/// The counter of a buyer's units in a sale.
fn is_buyer(write: &Value) -> bool {
    key(write).0.starts_with("SALE#") && key(write).1 == "BOUGHT"
}

fn is_new_password(write: &Value) -> bool {
    write["UpdateExpression"].as_str().is_some_and(|update| update.contains("passwordHash"))
}

/// An ended session: an opened one has an item.
fn is_session(write: &Value) -> bool {
    let (pk, sk) = key(write);
    (pk.starts_with("SESSION#") || sk.starts_with("SESSION#")) && write.get("Item").is_none()
}

fn is_guest_account(write: &Value) -> bool {
    key(write).0.starts_with("USER#") && key(write).1 == "ACCOUNT"
}

/// Drops the condition on the product's identity, and keeps the one that it exists.
fn return_to_whatever_is_there(write: &mut Value) {
    if write["UpdateExpression"].as_str().is_some_and(|update| update.starts_with("ADD available")) {
        drop_condition(write);
        write["ConditionExpression"] = json!("attribute_exists(PK)");
    }
}

fn is_cart(write: &Value) -> bool {
    key(write).0.starts_with("USER#") && key(write).1 == "CART"
}

fn is_record(write: &Value) -> bool {
    key(write).0.starts_with("IDEM#")
}

fn is_record_of_checkout(write: &Value) -> bool {
    is_record(write) && key(write).1 == "POST /orders"
}

/// A put of a whole order, new or changed.
fn is_order(write: &Value) -> bool {
    key(write).0.starts_with("ORDER#") && key(write).1 == "STATUS" && write.get("Item").is_some()
}

fn condition(write: &Value) -> &str {
    write["ConditionExpression"].as_str().unwrap_or_default()
}

fn is_new_order(write: &Value) -> bool {
    is_order(write) && condition(write).contains("attribute_not_exists(PK)")
}

fn is_moved_order(write: &Value) -> bool {
    is_order(write) && condition(write).contains("version = :read")
}

fn transacts(operation: &str, body: &Value, wanted: fn(&Value) -> bool) -> bool {
    let actions = || body["TransactItems"].as_array().into_iter().flatten();
    operation == "TransactWriteItems" && actions().filter_map(write_of).any(wanted)
}

pub fn places_order(operation: &str, body: &Value) -> bool {
    transacts(operation, body, is_new_order)
}

pub fn moves_order(operation: &str, body: &Value) -> bool {
    transacts(operation, body, is_moved_order)
}

fn write_of(action: &Value) -> Option<&Value> {
    action.as_object()?.values().next()
}

fn placed_item<'a>(operation: &str, body: &'a Value) -> Option<&'a Value> {
    let actions = body["TransactItems"].as_array()?;
    let put = actions.iter().filter_map(write_of).find(|write| is_new_order(write))?;
    (operation == "TransactWriteItems").then_some(put)
}

/// Removes the condition and the values that only it uses, because DynamoDB refuses unused values.
pub(crate) fn drop_condition(write: &mut Value) {
    let Some(write) = write.as_object_mut() else { return };
    write.remove("ConditionExpression");
    write.remove("ReturnValuesOnConditionCheckFailure");
    let update = write.get("UpdateExpression").and_then(Value::as_str).unwrap_or_default().to_owned();
    for field in ["ExpressionAttributeValues", "ExpressionAttributeNames"] {
        let Some(used) = write.get_mut(field).and_then(Value::as_object_mut) else { continue };
        used.retain(|name, _| mentions(&update, name));
        if used.is_empty() {
            write.remove(field);
        }
    }
}

/// `:unit` is not mentioned in `available - :units`.
fn mentions(expression: &str, name: &str) -> bool {
    expression.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '#' | '_'))).any(|word| word == name)
}

/// Only if units are added: an operator's withdrawal is no restock.
fn set_instead_of_add(write: &mut Value) {
    let Some(value) = write["UpdateExpression"].as_str().and_then(|u| u.strip_prefix("ADD available ")) else { return };
    let value = value.to_owned();
    let units = write["ExpressionAttributeValues"][&value]["N"].as_str().unwrap_or_default();
    if !units.starts_with('-') {
        write["UpdateExpression"] = json!(format!("SET available = {value}"));
    }
}

fn expire_with_the_hold(put: &mut Value) {
    let item = &mut put["Item"];
    let held = matches!(item["state"]["S"].as_str(), Some("pending_payment" | "payment_unknown"));
    let due_at: Option<i64> = item["dueAt"]["N"].as_str().and_then(|ms| ms.parse().ok());
    if let Some(ms) = due_at.filter(|_| held) {
        item["expiresAt"] = json!({"N": (ms / 1_000).to_string()});
    }
}

/// Stores the secret of a payment whose customer is asked.
fn store_client_secret(put: &mut Value) {
    let item = &mut put["Item"];
    let order = item["PK"]["S"].as_str().and_then(|pk| pk.strip_prefix("ORDER#")?.parse().ok());
    if let Some(order) = order.filter(|_| item["paymentState"]["S"] == "action_required") {
        let secret = LocalPayments::default().client_secret(order);
        item["clientSecret"] = json!({"S": secret.reveal()});
    }
}

/// The entry of the customer's list that the product writes after the order.
fn list_entry(order: &Value) -> Option<Value> {
    let id = order["PK"]["S"].as_str()?.strip_prefix("ORDER#")?;
    let customer = order["customer"]["S"].as_str()?;
    let day = order["placedAt"]["S"].as_str()?.get(..10)?;
    let mut entry = Map::new();
    entry.insert("PK".to_owned(), json!({"S": format!("USER#{customer}")}));
    entry.insert("SK".to_owned(), json!({"S": format!("ORDER#{day}#{id}")}));
    for field in ["state", "total", "currency", "itemCount", "version"] {
        entry.insert(field.to_owned(), order[field].clone());
    }
    Some(Value::Object(entry))
}

/// Removes writes from a transaction; their indexes are added to `removed`.
fn take_out(body: &mut Value, unwanted: fn(&Value) -> bool, removed: &mut Vec<usize>) -> Vec<Value> {
    let Some(actions) = body.get_mut("TransactItems").and_then(Value::as_array_mut) else { return Vec::new() };
    let (mut kept, mut taken) = (Vec::new(), Vec::new());
    for (at, action) in std::mem::take(actions).into_iter().enumerate() {
        match write_of(&action).filter(|write| unwanted(write)) {
            Some(write) => {
                taken.push(write.clone());
                removed.push(at);
            }
            None => kept.push(action),
        }
    }
    *actions = kept;
    taken
}

#[cfg(test)]
mod tests;
