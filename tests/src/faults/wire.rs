//! Faults between the SDK and the table, below the SDK's own retries and timeouts.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aws_sdk_dynamodb::config::{
    ConfigBag, RuntimeComponents, RuntimeComponentsBuilder, SharedHttpClient,
    http::{HttpRequest, HttpResponse},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        connector_metadata::ConnectorMetadata,
        http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
        result::ConnectorError,
    },
    http::StatusCode,
};
use http_body_util::BodyExt as _;
use payments::{LocalPayments, PaymentProvider as _};
use serde_json::{Map, Value, json};

use super::{
    bugs::{self, Bug},
    freezer::Freezer,
    plan::{Fault, Plan, Turn, mix},
};

const TARGET: &str = "x-amz-target";
const VERSION: &str = "DynamoDB_20120810.";

/// The HTTP client under the SDK, which injects the faults: each attempt of the SDK is one call of the plan. A planted
/// bug changes requests and answers.
#[derive(Debug, Clone)]
pub struct FaultyHttp {
    inner: SharedHttpClient,
    wire: Wire,
}

/// A pool of connections. Those that were open when the environment was frozen are closed after its thaw, which the
/// caller notices only at the next request.
#[derive(Debug, Clone)]
struct Connections {
    freezer: Freezer,
    /// How many thaws there had been when the pool was last used.
    used: Arc<Mutex<Option<usize>>>,
}

impl Connections {
    /// Whether the next request meets a closed connection. The one after it gets a new one.
    fn are_closed(&self) -> bool {
        let now = self.freezer.thaws();
        let before = self.used.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
        before.is_some_and(|before| before < now)
    }
}

impl FaultyHttp {
    pub fn new(inner: SharedHttpClient, plan: Plan) -> Self {
        Self { inner, wire: Wire { plan, earlier: EarlierAnswers::default(), planted: None, connections: None } }
    }

    /// With a bug, if there is one. [`Bug::ChargedBeforeCommit`] charges this provider.
    pub fn with_bug(mut self, bug: Option<Bug>, provider: Arc<LocalPayments>) -> Self {
        self.wire.planted = bug.map(|bug| (bug, provider));
        self
    }

    /// With connections that a peer closes while the environment is frozen.
    pub fn with_connections(mut self, freezer: Freezer) -> Self {
        self.wire.connections = Some(Connections { freezer, used: Arc::default() });
        self
    }

    /// With the answers that other environments got earlier: a stale read may repeat those as well.
    pub fn remembering(mut self, earlier: EarlierAnswers) -> Self {
        self.wire.earlier = earlier;
        self
    }

    pub fn into_shared(self) -> SharedHttpClient {
        SharedHttpClient::new(self)
    }
}

impl HttpClient for FaultyHttp {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        // Decided when the connection is chosen: time may jump before the request is sent.
        let closed = self.wire.connections.as_ref().is_some_and(Connections::are_closed);
        SharedHttpConnector::new(FaultyConnector { inner, wire: self.wire.clone(), closed })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        HttpClient::validate_base_client_config(&self.inner, components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        HttpClient::validate_final_config(&self.inner, components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.inner.connector_metadata()
    }
}

#[derive(Debug)]
struct FaultyConnector {
    inner: SharedHttpConnector,
    wire: Wire,
    closed: bool,
}

impl HttpConnector for FaultyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, wire, closed) = (self.inner.clone(), self.wire.clone(), self.closed);
        HttpConnectorFuture::new(async move {
            let target = request.headers().get(TARGET).and_then(|target| target.strip_prefix(VERSION));
            match target.map(str::to_owned) {
                Some(operation) if closed => {
                    wire.plan.closed_while_idle(&operation).await;
                    Err(ConnectorError::io("connection reset by peer".into()))
                }
                Some(operation) => wire.carry(Request::new(inner, request, operation)).await,
                None => wire.carry_s3(&inner, request).await,
            }
        })
    }
}

/// Earlier answers of reads, which a stale read may repeat. Cheap to clone; clones share the same map.
#[derive(Debug, Clone, Default)]
pub struct EarlierAnswers(Arc<Mutex<HashMap<String, Vec<Value>>>>);

impl EarlierAnswers {
    /// Two different answers are kept, so that a read may go back behind what was read last.
    fn remember(&self, request: &Request, answer: &Value) {
        let mut earlier = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = earlier.entry(request.text()).or_default();
        if answers.last() != Some(answer) {
            answers.push(answer.clone());
            let outdated = answers.len().saturating_sub(2);
            answers.drain(..outdated);
        }
    }

    /// As if an order's partition had been read when it was empty.
    pub fn recall_nothing_of(&self, table: &str, order: &str) {
        let query = json!({
            "TableName": table,
            "ConsistentRead": false,
            "KeyConditionExpression": "PK = :pk",
            "ExpressionAttributeValues": {":pk": {"S": format!("ORDER#{order}")}},
            "Limit": 1_000,
            "ReturnConsumedCapacity": "TOTAL",
        });
        let mut earlier = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = json!({"Items": [], "Count": 0, "ScannedCount": 0});
        earlier.insert(format!("Query {query}"), vec![nothing]);
    }

    fn of(&self, request: &Request) -> Option<Value> {
        let earlier = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        earlier.get(&request.text())?.first().cloned()
    }
}

/// A request to DynamoDB, and the connector that sends it.
struct Request {
    inner: SharedHttpConnector,
    http: HttpRequest,
    operation: String,
    body: Value,
}

impl Request {
    fn new(inner: SharedHttpConnector, http: HttpRequest, operation: String) -> Self {
        let body = http.body().bytes().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        Self { inner, http, operation, body }
    }

    /// Equal for equal requests: objects are written in the order of their keys.
    fn text(&self) -> String {
        format!("{} {}", self.operation, self.body)
    }

    fn is_of_index(&self) -> bool {
        self.operation == "Query" && self.body.get("IndexName").is_some()
    }

    fn may_be_stale(&self) -> bool {
        let consistent = |read: &Value| read["ConsistentRead"] == true;
        match self.operation.as_str() {
            "GetItem" | "Query" => !consistent(&self.body),
            "BatchGetItem" => !tables(&self.body).any(|(_, read)| consistent(read)),
            _ => false,
        }
    }

    async fn send(&self, operation: &str, body: &Value) -> Result<Answer, ConnectorError> {
        let mut http = self.http.try_clone().ok_or_else(|| ConnectorError::user("the body is a stream".into()))?;
        let text = body.to_string();
        // If the body was changed, the signature is wrong; no local engine checks it.
        http.headers_mut().insert("content-length", text.len().to_string());
        http.headers_mut().insert(TARGET, format!("{VERSION}{operation}"));
        *http.body_mut() = text.into();
        let response = self.inner.call(http).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await.map_err(ConnectorError::io)?.to_bytes();
        let json = serde_json::from_slice(&bytes).map_err(|e| ConnectorError::io(e.into()))?;
        Ok(Answer { status: status.as_u16(), json })
    }
}

/// An answer of DynamoDB, or one made up in its form.
#[derive(Debug)]
struct Answer {
    status: u16,
    json: Value,
}

impl Answer {
    fn ok(json: Value) -> Self {
        Self { status: 200, json }
    }

    fn error(status: u16, code: &str, message: &str) -> Self {
        Self { status, json: json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": message}) }
    }

    fn cancelled(reasons: Vec<Value>) -> Self {
        let codes: Vec<_> = reasons.iter().map(|reason| reason["Code"].as_str().unwrap_or("None")).collect();
        let why = "Transaction cancelled, please refer cancellation reasons for specific reasons";
        let mut answer = Self::error(400, "TransactionCanceledException", "");
        // This one error spells its message with a capital.
        answer.json = json!({
            "__type": answer.json["__type"],
            "Message": format!("{why} [{}]", codes.join(", ")),
            "CancellationReasons": reasons,
        });
        answer
    }

    fn into_response(self) -> HttpResponse {
        respond(self.status, "application/x-amz-json-1.0", self.json.to_string())
    }
}

/// Without DynamoDB's checksum of the body, which this SDK does not ask for.
fn respond(status: u16, content_type: &'static str, body: String) -> HttpResponse {
    let status = StatusCode::try_from(status).expect("statuses are from 100 to 999");
    let length = body.len().to_string();
    let mut response = HttpResponse::new(status, body.into());
    response.headers_mut().insert("content-type", content_type);
    response.headers_mut().insert("content-length", length);
    response
}

#[derive(Debug, Clone)]
struct Wire {
    plan: Plan,
    earlier: EarlierAnswers,
    planted: Option<(Bug, Arc<LocalPayments>)>,
    connections: Option<Connections>,
}

/// A request as the bug changed it.
struct Prepared {
    body: Value,
    /// Actions that the bug removed from the transaction.
    removed: Vec<usize>,
    /// If it is there, the request is not sent, and this is the answer.
    settled: Option<Answer>,
}

impl Wire {
    async fn carry_s3(
        &self,
        inner: &SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let turn = self.plan.call(&format!("S3 {}", request.method()), Fault::OF_ANY_CALL).await;
        let failed = || {
            let error = "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>";
            Ok(respond(500, "application/xml", error.to_owned()))
        };
        let send = async { inner.call(request).await };
        self.plan.carry(turn, send, || lost(turn), failed).await
    }

    async fn carry(&self, request: Request) -> Result<HttpResponse, ConnectorError> {
        let stale = self.stale(&request);
        let turn = self.plan.call(&request.operation, &possible(&request, stale.is_some())).await;
        // The bug's own requests are sent whatever happens to this one: they come before it in the product's code.
        let mut prepared = self.prepare(&request).await;

        let mut answer = match (turn.fault, stale) {
            (Some(Fault::Stale), Some(older)) => Answer::ok(older),
            (Some(Fault::Doubled), _) => doubled(self.send(&request, prepared).await?),
            (Some(Fault::Throttle), _) => throttled(turn),
            (Some(Fault::Conflict), _) => conflict(&request, turn),
            (Some(Fault::InProgress), _) => Answer::error(
                400,
                "TransactionInProgressException",
                "The transaction with the given token is in progress",
            ),
            (Some(Fault::Unprocessed), _) => {
                let left = leave_half(&mut prepared.body);
                let some = tables(&prepared.body).next().is_some();
                let answer = if some { self.send(&request, prepared).await? } else { Answer::ok(json!({})) };
                with_unprocessed(&request.operation, answer, left)
            }
            _ => {
                let failed = || Ok(Answer::error(500, "InternalServerError", "Internal server error"));
                self.plan.carry(turn, self.send(&request, prepared), || lost(turn), failed).await?
            }
        };

        if let Some((bug, _)) = &self.planted
            && bugs::rewrite_answer(*bug, &request.operation, &request.body, &mut answer.json)
        {
            self.plan.bug_acted();
        }
        Ok(answer.into_response())
    }

    /// An older answer: an earlier one, or the empty one of an index that is not up to date.
    fn stale(&self, request: &Request) -> Option<Value> {
        let nothing = || request.is_of_index().then(|| json!({"Items": [], "Count": 0, "ScannedCount": 0}));
        request.may_be_stale().then(|| self.earlier.of(request).or_else(nothing))?
    }

    async fn prepare(&self, request: &Request) -> Prepared {
        let mut prepared = Prepared { body: request.body.clone(), removed: Vec::new(), settled: None };
        let Some((bug, provider)) = &self.planted else { return prepared };
        if *bug == Bug::ChargedBeforeCommit
            && let Some(charge) = bugs::charge_of(&request.operation, &request.body)
        {
            drop(provider.charge(&charge).await);
            self.plan.bug_acted();
        }

        let rewrite = bugs::rewrite(*bug, &request.operation, &mut prepared.body);
        if rewrite.acted {
            self.plan.bug_acted();
        }
        prepared.removed = rewrite.removed;
        for extra in rewrite.first {
            // The product does not get the answer, except where the request replaces an action of the transaction.
            let answer = request.send(extra.operation, &extra.body).await;
            if let (Ok(answer), Some(action)) = (answer, extra.stands_for)
                && is_error(&answer, "ConditionalCheckFailedException")
            {
                let count = request.body["TransactItems"].as_array().map_or(0, Vec::len);
                let mut reasons = vec![json!({"Code": "None"}); count];
                reasons[action] = bugs::condition_failed(answer.json.get("Item").cloned());
                prepared.settled = Some(Answer::cancelled(reasons));
            }
        }
        prepared
    }

    async fn send(&self, request: &Request, prepared: Prepared) -> Result<Answer, ConnectorError> {
        if let Some(answer) = prepared.settled {
            return Ok(answer);
        }
        let mut answer = request.send(&request.operation, &prepared.body).await?;
        if answer.status == 200 && request.may_be_stale() && prepared.body == request.body {
            self.earlier.remember(request, &answer.json);
        }
        // The product finds an action by its index: to it, the removed ones succeeded.
        if let Some(reasons) = answer.json.get_mut("CancellationReasons").and_then(Value::as_array_mut) {
            for at in prepared.removed {
                reasons.insert(at.min(reasons.len()), json!({"Code": "None"}));
            }
        }
        Ok(answer)
    }
}

/// The faults that a request can have.
fn possible(request: &Request, stale: bool) -> Vec<Fault> {
    let mut possible = Fault::OF_ANY_CALL.to_vec();
    possible.push(Fault::Throttle);
    match request.operation.as_str() {
        // Twice as likely as the rest, because no local engine does it by itself.
        "TransactWriteItems" => {
            possible.extend([Fault::Conflict, Fault::InProgress, Fault::Conflict, Fault::InProgress]);
        }
        "PutItem" | "UpdateItem" | "DeleteItem" => possible.push(Fault::Conflict),
        "BatchWriteItem" | "BatchGetItem" => possible.push(Fault::Unprocessed),
        _ => {}
    }
    possible.extend(stale.then_some(Fault::Stale));
    possible.extend(request.is_of_index().then_some(Fault::Doubled));
    possible
}

/// Callers have to treat both alike, so both are used.
fn lost(turn: Turn) -> ConnectorError {
    match turn.number % 2 {
        0 => ConnectorError::timeout("no answer came in time, as planned".into()),
        _ => ConnectorError::io("the connection broke, as planned".into()),
    }
}

/// Every entry of an index twice.
fn doubled(mut answer: Answer) -> Answer {
    if let Some(items) = answer.json.get_mut("Items").and_then(Value::as_array_mut) {
        *items = items.iter().flat_map(|item| [item.clone(), item.clone()]).collect();
        let count = items.len();
        answer.json["Count"] = json!(count);
    }
    answer
}

fn throttled(turn: Turn) -> Answer {
    let code = match turn.number % 2 {
        0 => "ProvisionedThroughputExceededException",
        _ => "ThrottlingException",
    };
    Answer::error(400, code, "The level of configured throughput was exceeded. Consider slowing down")
}

/// A transaction gets at least one conflict and, if it has several actions, at least one without.
fn conflict(request: &Request, turn: Turn) -> Answer {
    let Some(actions) = request.body["TransactItems"].as_array() else {
        return Answer::error(400, "TransactionConflictException", "Transaction is ongoing for the item");
    };
    let draw = mix(turn.number as u64);
    let (count, certain) = (actions.len(), draw as usize % actions.len().max(1));
    let reason = |at: usize| match at {
        at if at == certain || (at != (certain + 1) % count && draw.rotate_right(at as u32) & 1 == 1) => {
            json!({"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"})
        }
        _ => json!({"Code": "None"}),
    };
    Answer::cancelled((0..count).map(reason).collect())
}

fn is_error(answer: &Answer, code: &str) -> bool {
    answer.json["__type"].as_str().is_some_and(|name| name.ends_with(code))
}

/// The tables of a batch, and the requests to each.
fn tables(body: &Value) -> impl Iterator<Item = (&String, &Value)> {
    body["RequestItems"].as_object().into_iter().flatten()
}

/// The list in the requests to one table: of writes, or of keys.
fn wanted(of_table: &mut Value) -> Option<&mut Vec<Value>> {
    match of_table {
        Value::Object(read) => read.get_mut("Keys").and_then(Value::as_array_mut),
        writes => writes.as_array_mut(),
    }
}

/// Cuts a batch down to its first half, rounded down, and returns the rest.
fn leave_half(body: &mut Value) -> Value {
    let mut left = Map::new();
    let Some(tables) = body.get_mut("RequestItems").and_then(Value::as_object_mut) else { return Value::Object(left) };
    let mut room = tables.values_mut().filter_map(wanted).map(|list| list.len()).sum::<usize>() / 2;
    for (table, asked) in tables.iter_mut() {
        let mut rest = asked.clone();
        let (Some(now), Some(later)) = (wanted(asked), wanted(&mut rest)) else { continue };
        let part = room.min(now.len());
        room -= part;
        now.truncate(part);
        later.drain(..part);
        if !later.is_empty() {
            left.insert(table.clone(), rest);
        }
    }
    tables.retain(|_, asked| wanted(asked).is_some_and(|list| !list.is_empty()));
    Value::Object(left)
}

/// Adds the requests that were left out to those that the engine may not have processed.
fn with_unprocessed(operation: &str, mut answer: Answer, left: Value) -> Answer {
    if answer.status != 200 {
        return answer;
    }
    let field = if operation == "BatchGetItem" { "UnprocessedKeys" } else { "UnprocessedItems" };
    if !answer.json[field].is_object() {
        answer.json[field] = json!({});
    }
    for (table, mut rest) in left.as_object().cloned().unwrap_or_default() {
        let known = &mut answer.json[field][&table];
        match (wanted(known), wanted(&mut rest)) {
            (Some(known), Some(rest)) => known.append(rest),
            _ => *known = rest,
        }
    }
    answer
}

#[cfg(test)]
mod tests;
