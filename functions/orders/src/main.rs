//! The orders Lambda: start-up only.

use domain::HoldLength;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let start = runtime::start_reading(orders::first_read).await?;
    let (environment, context) = (&start.environment, api::lambda::context(&start)?);
    let address = environment.variable("SHIPPING_ADDRESS").unwrap_or_else(|| "required".to_owned());
    let address_required =
        api::Policy::parse_shipping_address(&address).map_err(|e| format!("SHIPPING_ADDRESS: {e}"))?;
    let hold = environment.variable("HOLD_MINUTES").map(|minutes| HoldLength::parse_minutes(&minutes)).transpose();
    let hold = hold.map_err(|e| format!("HOLD_MINUTES: {e}"))?.unwrap_or_default();
    let context = context.with_policy(|policy| {
        policy.address_required = address_required;
        policy.hold = hold;
    });
    let payments = payments::from_env(|name| environment.variable(name))?;
    let links = links::LinkKeys::of_orders(|name| environment.variable(name))?;
    let state = orders::State::new(context.clone(), payments, links);
    api::lambda::serve(environment, orders::router(state), &context).await
}
