//! Steps of the scenarios: customers, and checks of an order in the shop and at Stripe.

use serde_json::Value;

use super::{
    World,
    localstripe::Card,
    proxy::{Ask, Lost},
    shop::Visitor,
};
use crate::Outcome;

/// For each checkout: every scenario has its own customer.
pub const KEY: &str = "story-of-this-checkout";

pub struct Scene<'a> {
    pub world: &'a World,
    pub product: &'a str,
    /// Adds the product to the cart, and reads the stock.
    pub onlooker: Visitor<'a>,
}

/// A guest with a product in the cart.
pub struct Shopper<'a> {
    pub guest: Visitor<'a>,
    /// The stock before.
    pub before: i64,
}

/// An order from the shop's answer.
pub struct Order {
    pub id: String,
    pub state: String,
    pub total: Value,
}

impl Order {
    pub fn read(body: &Value) -> Outcome<Self> {
        let text = |name: &str| body[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name} in {body}"));
        Ok(Self { id: text("orderId")?, state: text("state")?, total: body["total"].clone() })
    }

    pub fn is(&self, state: &str) -> Outcome<()> {
        check(self.state == state, || format!("order {} is {} rather than {state}", self.id, self.state))
    }

    pub fn cents(&self) -> Outcome<i64> {
        self.total["amount"].as_i64().ok_or_else(|| format!("no total but {}", self.total).into())
    }
}

impl<'a> Scene<'a> {
    pub async fn shopper(&self) -> Outcome<Shopper<'a>> {
        let guest = self.world.shop.guest().await?;
        guest.adds(self.product).await?;
        Ok(Shopper { guest, before: self.onlooker.available().await? })
    }

    /// Buys with a card that pays, without any fault.
    pub async fn buys(&self, shopper: &Shopper<'_>) -> Outcome<Order> {
        let method = self.world.stripe.method(Card::Pays).await?;
        let order = Order::read(&shopper.guest.checks_out(KEY, &method).await?.expect(201)?)?;
        order.is("confirmed")?;
        Ok(order)
    }

    /// A checkout whose answer from Stripe is lost.
    pub async fn loses(&self, shopper: &Shopper<'_>, method: &str, ask: Ask, lost: Lost) -> Outcome<Order> {
        self.world.proxy.loses_next(ask, lost);
        let answer = shopper.guest.checks_out(KEY, method).await;
        self.lost_it()?;
        let order = Order::read(&answer?.expect(202)?)?;
        order.is("payment_unknown")?;
        Ok(order)
    }

    pub fn lost_it(&self) -> Outcome<()> {
        check(!self.world.proxy.lost_nothing(), || "the request whose answer was to be lost was never made".to_owned())
    }

    /// Checks that the units of the purchase were taken from the stock.
    pub async fn left(&self, shopper: &Shopper<'_>, units: i64) -> Outcome<()> {
        let left = self.onlooker.available().await?;
        check(left == shopper.before - units, || format!("{left} units left, of {} and {units} sold", shopper.before))
    }

    /// The order's only intent.
    pub async fn intent(&self, order: &str, status: &str) -> Outcome<Value> {
        let intents = self.world.stripe.intents(order).await?;
        let states: Vec<_> = intents.iter().map(|intent| &intent["status"]).collect();
        check(states == [status], || format!("order {order} has intents {states:?} rather than one, {status}"))?;
        intents.into_iter().next().ok_or_else(|| "no intent".into())
    }

    /// Checks that the order's total was charged once: returns the intent and the amount.
    pub async fn taken(&self, order: &Order) -> Outcome<(String, i64)> {
        let intent = self.intent(&order.id, "succeeded").await?;
        let (amount, currency) = (&intent["amount"], intent["currency"].as_str().unwrap_or_default());
        let same = order.total["amount"] == *amount && order.total["currency"] == currency.to_ascii_uppercase();
        check(same, || format!("{amount} {currency} taken for {}", order.total))?;
        Ok((intent["id"].as_str().unwrap_or_default().to_owned(), order.cents()?))
    }

    /// Checks that the order's total was charged once, whatever other intents it has.
    pub async fn taken_once(&self, order: &Order) -> Outcome<()> {
        let intents = self.world.stripe.intents(&order.id).await?;
        let taken: Vec<_> = intents.iter().filter(|intent| intent["status"] == "succeeded").collect();
        check(taken.len() == 1 && taken[0]["amount"] == order.total["amount"], || {
            format!("order {} was taken by {taken:?}", order.id)
        })
    }

    /// Checks that nothing was charged for the order, whatever intents it has.
    pub async fn taken_never(&self, order: &Order) -> Outcome<()> {
        let intents = self.world.stripe.intents(&order.id).await?;
        let taken = intents.iter().filter(|intent| intent["status"] == "succeeded").count();
        check(taken == 0, || format!("order {} was taken {taken} times", order.id))
    }

    /// Checks that Stripe has these refunds of the order, numbered from 1, and no others.
    pub async fn gave_back(&self, order: &Order, cents: &[i64]) -> Outcome<String> {
        let (intent, _) = self.taken(order).await?;
        let refunds = self.world.stripe.refunds(&intent).await?;
        let mut made: Vec<_> =
            refunds.iter().map(|r| (r["metadata"]["refund"].as_str(), r["amount"].as_i64())).collect();
        made.sort_unstable();
        let numbers: Vec<String> = (1..=cents.len()).map(|number| number.to_string()).collect();
        let expected: Vec<_> = numbers.iter().zip(cents).map(|(n, cents)| (Some(n.as_str()), Some(*cents))).collect();
        check(made == expected, || format!("refunds {made:?} rather than {expected:?}"))?;
        let shown: Vec<String> = cents.iter().map(i64::to_string).collect();
        Ok(format!("{} of {} cents", shown.join(" + "), order.cents()?))
    }
}

pub fn check(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome<()> {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}
