//! Events that payment providers send.

use api::{
    Body, Deadline, Problem,
    codes::{self, Code},
    schema,
};
use axum::{
    Json,
    extract::{Path, State as Extract},
};
use http::HeaderMap;
use saga::EventOutcome;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{problems::saga_problem, state::State};

api::codes! {
    EventContradicts = Code::unprocessable(
        "event_contradicts",
        "the event contradicts the order it is about: another amount, currency or payment",
    );
    EventMalformed = Code::bad_request("event_malformed", "the event cannot be read");
    EventRefused = Code::bad_request("event_refused", "the event's signature is invalid or too old");
}

#[derive(Debug, Serialize, ToSchema)]
pub struct HeardResponse {
    /// `applied`; `seen`, if the same event came before; or `ignored`, if it does not concern this shop.
    #[schema(value_type = schema::HeardOutcomeName, example = "applied")]
    outcome: &'static str,
}

/// Receives an event of a payment provider, signed by it. Each event counts once. The provider sends it again after any
/// answer but 200.
#[utoipa::path(post, path = "/payments/webhooks/{provider}", operation_id = "receivePaymentEvent", tag = "orders", security(()),
    params(("provider" = String, Path, description = "the provider this shop uses: `stripe`, or locally `local`")),
    request_body(content = serde_json::Value, description = "as the provider defines it"),
    responses(
        (status = 200, description = "the event was handled", body = HeardResponse),
        EventRefused,
        EventMalformed,
        (status = 404, description = "the shop does not use this provider"),
        codes::NotFound,
        EventContradicts,
        (status = 503, description = "`busy`: the order of the payment, or its capture, is not known yet; send the event again"),
    ))]
pub async fn receive(
    Extract(state): Extract<State>,
    Path(provider): Path<String>,
    deadline: Deadline,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Json<HeardResponse>, Problem> {
    let payments = state.saga.payments();
    if provider != payments.name() {
        return Err(Problem::not_found("payment provider"));
    }
    let now = state.context.clock.now();
    let signature = headers.get(payments.signature_header()).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let outcome = match payments.event(signature, &body, now) {
        Ok(None) => "ignored",
        Ok(Some(event)) => {
            match state.saga.handle_event(&event, state.budget(deadline), now).await.map_err(saga_problem)? {
                EventOutcome::Applied => "applied",
                EventOutcome::Duplicate => "seen",
                EventOutcome::Unknown => "ignored",
                EventOutcome::TooEarly => {
                    return Err(Problem::busy("the payment is not known to be captured yet; send the event again"));
                }
                EventOutcome::Contradicts => {
                    let detail = "the event contradicts the order it is about";
                    return Err(Problem::new(EventContradicts, detail));
                }
            }
        }
        Err(payments::EventRefused::Malformed) => {
            return Err(Problem::new(EventMalformed, payments::EventRefused::Malformed.to_string()));
        }
        Err(error) => return Err(Problem::new(EventRefused, error.to_string())),
    };
    Ok(Json(HeardResponse { outcome }))
}
