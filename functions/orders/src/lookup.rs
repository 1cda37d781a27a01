//! A fresh link to an order, for a guest who has lost the mail.

use api::{All, ClientAddress, Json, MailLanguage, Problem, codes, rates};
use axum::extract::State as Extract;
use domain::{Email, Invalid, OrderNumber};
use http::StatusCode;
use table::OrderLookup;

use crate::{state::State, wire::OrderLookupRequest};

/// Mails a link to a guest's order to the e-mail it was placed with. The answer is the same, after the same calls, whether
/// or not there is such an order.
#[utoipa::path(post, path = "/orders/lookup", operation_id = "requestOrderLink", tag = "orders", security(()),
    params(("Accept-Language" = Option<String>, Header, description = "The language of the mail: `en` or `de`, by default `en`.")),
    request_body = OrderLookupRequest,
    responses(
        (status = 202, description = "if a guest's paid order has this number and this e-mail, and not too many links were requested for the order, one is mailed to it. It works for 30 days"),
        codes::RateLimited,
    ))]
pub async fn request(
    Extract(state): Extract<State>,
    ClientAddress(address): ClientAddress,
    MailLanguage(language): MailLanguage,
    Json(request): Json<OrderLookupRequest>,
) -> Result<StatusCode, Problem> {
    let context = &state.context;
    let number: Result<OrderNumber, Invalid> = request.number.parse();
    let (number, email) = (number, Email::parse(&request.email)).all()?;
    rates::allow(context, |rates| vec![rates.link_address(address)]).await?;
    // Not an error: a link was mailed for each request that was counted, if there is such an order.
    if rates::is_allowed(context, |rates| rates.order_lookup(number, &email, address).to_vec()).await? {
        let (id, now) = (context.clock.uuid_v7().into(), context.clock.now());
        let lookup = OrderLookup::request(id, number, &email, language, now);
        context.table.order_lookup_put(&lookup).await?;
    }
    Ok(StatusCode::ACCEPTED)
}
