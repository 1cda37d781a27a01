use std::collections::BTreeMap;

use aws_sdk_dynamodb::{
    operation::update_item::builders::UpdateItemFluentBuilder,
    types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    Cart, CartLine, CartRequest, Invalid, MAX_LINES, MAX_REMEMBERED, ProductId, Quantity, SessionKind, Timestamp,
    UserId,
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::{
    StoreError, Table,
    conditions::{Condition, NEW, values, version_is, write_if},
    keys, rows,
    rows::{Item, n, s},
    transact::Transaction,
};

/// How long a guest's cart is kept after its last change. A customer's cart does not expire.
const GUEST_CART_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

#[derive(Debug, thiserror::Error)]
pub enum CartWriteError {
    /// Another request changed the cart first; this is its current state.
    #[error("the cart was changed meanwhile")]
    Changed(Cart),
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
pub(crate) struct LineRow {
    #[serde(rename = "q")]
    quantity: i64,
    #[serde(rename = "p")]
    price_seen: i64,
    #[serde(rename = "c")]
    currency: String,
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    sale: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CartRow {
    /// `lines` is a reserved word of expressions.
    #[serde(default, rename = "cartLines")]
    lines: BTreeMap<String, LineRow>,
    version: u64,
    placed: Option<String>,
    #[serde(default)]
    left_out: BTreeMap<String, i64>,
    #[serde(default)]
    remembered: Vec<String>,
}

pub(crate) fn cart(item: Option<Item>) -> Result<Cart, StoreError> {
    let Some(item) = item else { return Ok(Cart::default()) };
    let key = rows::key_of(&item);
    let row: CartRow = rows::from_item(item)?;
    row.into_cart().map_err(|e| StoreError::corrupt(key, e))
}

impl CartRow {
    fn into_cart(self) -> Result<Cart, Invalid> {
        let line = |(id, row): (String, LineRow)| -> Result<(ProductId, CartLine), Invalid> {
            let quantity = Quantity::new(row.quantity)?;
            let (price_seen, sale) = (rows::money(row.price_seen, &row.currency)?, row.sale);
            let sale = sale.map(|sale| sale.parse()).transpose()?;
            Ok((id.parse()?, CartLine { quantity, price_seen, sale }))
        };
        let lines = self.lines.into_iter().map(line).collect::<Result<_, _>>()?;
        let placed = self.placed.map(|id| id.parse()).transpose()?;
        let left_out = |(id, units): (String, i64)| Ok((id.parse()?, Quantity::new(units)?));
        let left_out = self.left_out.into_iter().map(left_out).collect::<Result<_, Invalid>>()?;
        let remembered = self.remembered.iter().map(|stored| CartRequest::parse(stored)).collect::<Result<_, _>>()?;
        Ok(Cart { version: self.version, lines, placed, left_out, remembered })
    }
}

/// Null without a sale: an update that removed the attribute could not be part of the others.
fn sale_value(line: &CartLine) -> AttributeValue {
    line.sale.map_or(AttributeValue::Null(true), |sale| s(sale.to_string()))
}

fn line_value(line: &CartLine) -> AttributeValue {
    AttributeValue::M(rows::to_item(LineRow {
        quantity: line.quantity.units().into(),
        price_seen: line.price_seen.amount_minor(),
        currency: line.price_seen.currency().code().to_owned(),
        sale: line.sale.map(|sale| sale.to_string()),
    }))
}

pub(crate) fn lines_value(lines: &BTreeMap<ProductId, CartLine>) -> AttributeValue {
    AttributeValue::M(lines.iter().map(|(id, line)| (id.to_string(), line_value(line))).collect())
}

pub(crate) fn left_out_value(left_out: &BTreeMap<ProductId, Quantity>) -> AttributeValue {
    AttributeValue::M(left_out.iter().map(|(id, units)| (id.to_string(), n(units.units()))).collect())
}

fn remembered_value<'a>(requests: impl IntoIterator<Item = &'a CartRequest>) -> AttributeValue {
    AttributeValue::L(requests.into_iter().map(|request| s(request.as_str())).collect())
}

/// When TTL may delete the cart: a guest's only.
pub(crate) fn expiry(kind: SessionKind, now: Timestamp) -> Option<i64> {
    (kind == SessionKind::Guest).then(|| (now + GUEST_CART_RETENTION).as_second())
}

/// A write to a cart: its owner, its state when it was read, and whether it must be unchanged since.
#[derive(Debug, Clone, Copy)]
pub struct CartWrite<'a> {
    pub uid: &'a UserId,
    pub kind: SessionKind,
    pub read: &'a Cart,
    /// Refuse if anything changed since, for a client that sent `If-Match`. Otherwise only what the change depends on
    /// is checked, so that two tabs that add to one cart do not conflict.
    pub must_match: bool,
    pub now: Timestamp,
}

impl Table {
    /// AP-07: adds units to a line, or adds the line. UpdateItem, 1 WRU while the cart is within 1 KB.
    /// The addition happens in the table, so concurrent increments from several tabs all count. A request with an
    /// idempotency key is remembered by the same write that carries it out, so that repetitions count once. On
    /// [`CartWriteError::Changed`] decide again from the cart it contains: the line was added or removed, or is full,
    /// or the request was carried out.
    pub async fn cart_line_add(
        &self,
        write: CartWrite<'_>,
        product: &ProductId,
        added: Quantity,
        line: &CartLine,
        request: Option<&CartRequest>,
    ) -> Result<Cart, CartWriteError> {
        if write.read.version == 0 {
            let lines = lines_value(&BTreeMap::from([(product.clone(), *line)]));
            let update = match request {
                Some(_) => "SET cartLines = :lines, remembered = :requests, version = :one",
                None => "SET cartLines = :lines, version = :one",
            };
            let call = self.cart_update(write, update, NEW).expression_attribute_values(":lines", lines);
            let requests = request.map(|request| remembered_value([request]));
            return cart_written(match requests {
                Some(requests) => call.expression_attribute_values(":requests", requests),
                None => call,
            })
            .await;
        }
        let remembering = request.map(|request| Remembering::new(write.read, request));
        let call = if write.read.lines.contains_key(product) {
            let update = "SET cartLines.#product.q = cartLines.#product.q + :added, cartLines.#product.p = :price, \
                          cartLines.#product.c = :currency, cartLines.#product.s = :sale, version = version + :one";
            self.cart_update_remembering(write, update, "cartLines.#product.q <= :room", remembering)
                .expression_attribute_values(":added", n(added.units()))
                .expression_attribute_values(":room", n(Quantity::MAX.units() - added.units()))
                .expression_attribute_values(":price", n(line.price_seen.amount_minor()))
                .expression_attribute_values(":currency", s(line.price_seen.currency().code()))
                .expression_attribute_values(":sale", sale_value(line))
        } else {
            let condition =
                "attribute_exists(PK) AND attribute_not_exists(cartLines.#product) AND size(cartLines) < :most";
            let update = "SET cartLines.#product = :line, version = version + :one";
            self.cart_update_remembering(write, update, condition, remembering)
                .expression_attribute_values(":line", line_value(line))
                .expression_attribute_values(":most", n(MAX_LINES))
        };
        cart_written(call.expression_attribute_names("#product", product.as_str())).await
    }

    /// AP-07: sets one line of a cart. UpdateItem; of two concurrent requests the last one wins.
    pub async fn cart_line_set(
        &self,
        write: CartWrite<'_>,
        product: &ProductId,
        line: &CartLine,
    ) -> Result<Cart, CartWriteError> {
        if write.read.version == 0 {
            return self.cart_lines_write(write, &BTreeMap::from([(product.clone(), *line)])).await;
        }
        let condition = "attribute_exists(PK) AND (attribute_exists(cartLines.#product) OR size(cartLines) < :most)";
        let call = self
            .cart_update(write, "SET cartLines.#product = :line, version = version + :one", condition)
            .expression_attribute_names("#product", product.as_str())
            .expression_attribute_values(":line", line_value(line))
            .expression_attribute_values(":most", n(MAX_LINES));
        cart_written(call).await
    }

    /// AP-07: removes one line from a cart. UpdateItem.
    pub async fn cart_line_remove(&self, write: CartWrite<'_>, product: &ProductId) -> Result<Cart, CartWriteError> {
        let update = "SET version = version + :one REMOVE cartLines.#product";
        let call = self
            .cart_update(write, update, "attribute_exists(PK)")
            .expression_attribute_names("#product", product.as_str());
        cart_written(call).await
    }

    /// AP-07: replaces all lines of a cart; without lines it is emptied, including what was left out of it. UpdateItem.
    pub async fn cart_lines_write(
        &self,
        write: CartWrite<'_>,
        lines: &BTreeMap<ProductId, CartLine>,
    ) -> Result<Cart, CartWriteError> {
        let (update, condition) = match write.read.version {
            0 => ("SET cartLines = :lines, version = :one", "attribute_not_exists(PK)"),
            _ if lines.is_empty() => {
                ("SET cartLines = :lines, version = version + :one REMOVE leftOut", "attribute_exists(PK)")
            }
            _ => ("SET cartLines = :lines, version = version + :one", "attribute_exists(PK)"),
        };
        let call = self.cart_update(write, update, condition).expression_attribute_values(":lines", lines_value(lines));
        cart_written(call).await
    }

    fn cart_update_remembering(
        &self,
        write: CartWrite<'_>,
        update: &str,
        condition: &str,
        remembering: Option<Remembering>,
    ) -> UpdateItemFluentBuilder {
        let Some(Remembering { update: remember, condition: once, values }) = remembering else {
            return self.cart_update(write, update, condition);
        };
        let call = self.cart_update(write, &format!("{update}{remember}"), &format!("({condition}) AND {once}"));
        values.into_iter().fold(call, |call, (name, value)| call.expression_attribute_values(name, value))
    }

    fn cart_update(&self, write: CartWrite<'_>, update: &str, condition: &str) -> UpdateItemFluentBuilder {
        let CartWrite { uid, kind, read, must_match, now } = write;
        let mut call = self.update(keys::cart(uid)).expression_attribute_values(":one", n(1));
        let condition = if must_match && read.version > 0 {
            call = call.expression_attribute_values(":read", n(read.version));
            format!("({condition}) AND version = :read")
        } else {
            condition.to_owned()
        };
        let update = match expiry(kind, now) {
            // A late request of the guest may have set it after they registered.
            None if update.contains("REMOVE ") => update.replacen("REMOVE ", "REMOVE expiresAt, ", 1),
            None => format!("{update} REMOVE expiresAt"),
            Some(expires_at) => {
                call = call.expression_attribute_values(":ttl", n(expires_at));
                update.replacen("SET ", "SET expiresAt = :ttl, ", 1)
            }
        };
        call.update_expression(update)
            .condition_expression(condition)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// The items that AP-06 reads besides the session.
    pub(crate) fn cart_of(items: &mut Vec<Item>, uid: &UserId) -> Option<Item> {
        let pk = s(keys::user_pk(uid));
        let found = items.iter().position(|item| item.get(keys::PK) == Some(&pk))?;
        Some(items.swap_remove(found))
    }
}

impl<L: Copy> Transaction<'_, L> {
    /// Writes the lines of a merged cart, if it is still the one that was `read`. `expires_at` is for a new cart of a
    /// guest.
    pub(crate) fn cart_merged(&mut self, label: L, uid: &UserId, read: &Cart, merged: &Cart, expires_at: Option<i64>) {
        let mut update = "SET cartLines = :lines, version = :next".to_owned();
        let mut written = values([(":lines", lines_value(&merged.lines)), (":next", n(read.version + 1))]);
        if !merged.left_out.is_empty() {
            update += ", leftOut = :left";
            written.insert(":left".to_owned(), left_out_value(&merged.left_out));
        }
        if merged.remembered != read.remembered {
            update += ", remembered = :requests";
            written.insert(":requests".to_owned(), remembered_value(&merged.remembered));
        }
        if let Some(placed) = merged.placed.filter(|_| merged.placed != read.placed) {
            update += ", placed = :placed";
            written.insert(":placed".to_owned(), s(placed.to_string()));
        }
        let condition = match read.version {
            0 => {
                if let Some(expires_at) = expires_at {
                    update += ", expiresAt = :ttl";
                    written.insert(":ttl".to_owned(), n(expires_at));
                }
                Condition::from(NEW)
            }
            version => version_is(version),
        };
        self.update_if(label, condition, keys::cart(uid), &update, written);
    }
}

/// Update and condition that make the cart remember a request, once. They do not depend on the other remembered
/// requests, so that requests of several tabs do not conflict.
struct Remembering {
    update: &'static str,
    condition: &'static str,
    values: Item,
}

impl Remembering {
    fn new(read: &Cart, request: &CartRequest) -> Self {
        let mut values = values([(":request", s(request.as_str())), (":remembered", n(MAX_REMEMBERED))]);
        if read.remembered.len() >= MAX_REMEMBERED {
            // An index beyond the end of a list appends; the oldest is removed.
            // <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.UpdateExpressions.html#Expressions.UpdateExpressions.SET.AddingListElements>
            let update = ", remembered[99] = :request REMOVE remembered[0]";
            let condition = "size(remembered) >= :remembered AND NOT contains(remembered, :request)";
            return Self { update, condition, values };
        }
        values.insert(":requests".to_owned(), remembered_value([request]));
        values.insert(":none".to_owned(), AttributeValue::L(Vec::new()));
        let update = ", remembered = list_append(if_not_exists(remembered, :none), :requests)";
        let condition = "(attribute_not_exists(remembered) OR (size(remembered) < :remembered AND NOT \
                         contains(remembered, :request)))";
        Self { update, condition, values }
    }
}

async fn cart_written(call: UpdateItemFluentBuilder) -> Result<Cart, CartWriteError> {
    match write_if("AP-07", call.send()).await? {
        Ok(output) => Ok(cart(output.attributes)?),
        Err(failed) => Err(CartWriteError::Changed(cart(failed.item)?)),
    }
}
