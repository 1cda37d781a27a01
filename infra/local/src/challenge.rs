//! The page of a customer's bank (3-D Secure), for the local payment provider: it asks whether the customer authorises a
//! payment. What follows reaches the shop as it does from a real provider, by a signed event.

use std::sync::Arc;

use api::{Context, edge};
use axum::{
    Json, Router,
    body::Body,
    response::{Html, IntoResponse},
    routing::{MethodRouter, get},
};
use http::{Request, StatusCode, header};
use links::LinkKeys;
use payments::{
    ChallengeAnswered, Entry, EventSubject, LocalPayments, PaymentEvent, PaymentEventKind, PaymentProvider,
};
use runtime::Clock;
use serde::{Deserialize, Serialize};
use tower::ServiceExt as _;

const PAGE: &str = include_str!("../assets/challenge.html");

#[derive(Clone)]
struct Bank {
    payments: Arc<LocalPayments>,
    /// Receives the provider's events.
    orders: Router,
    clock: Clock,
}

/// Without `Debug`: it has a client secret.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AnswerRequest {
    client_secret: String,
    authorises: bool,
}

#[derive(Serialize)]
struct AnswerResponse {
    /// `captured`, `failed`, `open` if the answer does not arrive, or `not_asked` if it was answered before or its order
    /// was given up.
    outcome: &'static str,
}

/// The page, and its answers.
pub fn page(context: &Context, payments: &Arc<LocalPayments>, links: &LinkKeys) -> MethodRouter {
    let provider: Arc<dyn PaymentProvider> = payments.clone();
    let routes = orders::router::<()>(orders::State::new(context.clone(), provider, links.clone()));
    let orders = edge::finish(routes.into_router(), context);
    let bank = Bank { payments: payments.clone(), orders, clock: context.clock.clone() };
    get(async || Html(PAGE)).post(async move |Json(answer): Json<AnswerRequest>| bank.takes(answer).await)
}

impl Bank {
    async fn takes(self, answer: AnswerRequest) -> impl IntoResponse {
        let Ok(answered) = self.payments.answer_challenge(&answer.client_secret, answer.authorises) else {
            return (StatusCode::SERVICE_UNAVAILABLE, Json(AnswerResponse { outcome: "unknown" }));
        };
        let outcome = match answered {
            ChallengeAnswered::Captured(entry) => {
                self.reports(&entry, true).await;
                "captured"
            }
            ChallengeAnswered::Failed(entry) => {
                self.reports(&entry, false).await;
                "failed"
            }
            ChallengeAnswered::StaysOpen => "open",
            ChallengeAnswered::NotAsked => "not_asked",
        };
        (StatusCode::OK, Json(AnswerResponse { outcome }))
    }

    /// An event that is lost is no error: the storefront's next look, or the sweeper, finds the payment as it is.
    async fn reports(&self, entry: &Entry, captured: bool) {
        let Some(event) = self.event(entry, captured) else { return };
        let (body, signature) = self.payments.sends(&event, self.clock.now());
        let request = Request::post("/payments/webhooks/local")
            .header(header::CONTENT_TYPE, "application/json")
            .header(self.payments.signature_header(), signature)
            .body(Body::from(body));
        let Ok(request) = request else { return };
        let Ok(response) = self.orders.clone().oneshot(request).await;
        if !response.status().is_success() {
            tracing::warn!(order = entry.order, status = %response.status(), "the shop did not take the provider's event");
        }
    }

    fn event(&self, entry: &Entry, captured: bool) -> Option<PaymentEvent> {
        let subject = EventSubject::Order(entry.order.parse().ok()?);
        let of_order = self.payments.attempts().iter().filter(|made| made.order == entry.order).count();
        let kind = match captured {
            true => {
                let amount = domain::Money::amount(entry.amount, domain::parse_currency(&entry.currency).ok()?);
                PaymentEventKind::Captured { reference: entry.reference.clone(), amount }
            }
            false => PaymentEventKind::Declined,
        };
        Some(PaymentEvent { id: format!("evt_{}_{of_order}", entry.order).parse().ok()?, subject, kind })
    }
}
