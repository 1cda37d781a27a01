//! Transactions that another one cancels: no local engine does it by itself.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use aws_sdk_dynamodb::config::{
    RuntimeComponents, SharedHttpClient,
    http::{HttpRequest, HttpResponse},
};
use aws_smithy_runtime_api::{
    client::http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    http::StatusCode,
};
use serde_json::{Value, json};

/// Cancels transactions with a conflict on their lots of a sale, as if another checkout were writing those. Cheap to
/// clone; clones count together.
#[derive(Debug, Clone, Default)]
pub struct LotsInUse(Arc<AtomicUsize>);

impl LotsInUse {
    /// For so many transactions from now on.
    pub fn for_the_next(&self, transactions: usize) {
        self.0.store(transactions, Ordering::SeqCst);
    }

    /// Transactions that are still to be cancelled.
    pub fn left(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// The client under the SDK.
    pub fn before(&self, inner: SharedHttpClient) -> SharedHttpClient {
        SharedHttpClient::new(Contended { inner, lots: self.clone() })
    }

    /// The answer to a transaction that takes from lots, if it is to be cancelled.
    fn cancels(&self, request: &HttpRequest) -> Option<HttpResponse> {
        let body: Value = serde_json::from_slice(request.body().bytes()?).ok()?;
        let actions = body["TransactItems"].as_array()?;
        let of_lot = |action: &Value| {
            let sk = action["Update"]["Key"]["SK"]["S"].as_str();
            sk.is_some_and(|sk| sk.starts_with(table::keys::SALE_LOT_PREFIX))
        };
        if !actions.iter().any(of_lot) {
            return None;
        }
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).ok()?;
        let reason = |action| match of_lot(action) {
            true => json!({"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}),
            false => json!({"Code": "None"}),
        };
        let cancelled = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
            "CancellationReasons": actions.iter().map(reason).collect::<Vec<_>>(),
        });
        let mut response = HttpResponse::new(StatusCode::try_from(400).ok()?, cancelled.to_string().into());
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        Some(response)
    }
}

#[derive(Debug)]
struct Contended {
    inner: SharedHttpClient,
    lots: LotsInUse,
}

impl HttpClient for Contended {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { inner, lots: self.lots.clone() })
    }
}

#[derive(Debug)]
struct Connector {
    inner: SharedHttpConnector,
    lots: LotsInUse,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.lots.cancels(&request) {
            Some(cancelled) => HttpConnectorFuture::ready(Ok(cancelled)),
            None => self.inner.call(request),
        }
    }
}
