//! Runs under faults: random ones of a whole shop, from seeds, and enumerated ones with every fault of every call.

use std::{collections::BTreeMap, sync::Arc};

use aws_sdk_dynamodb::config::SharedHttpClient;
use domain::{Currency, Money, ProductId};
use futures::{StreamExt, stream};
use local::{Stack, StackOptions, Streams};
use payments::PaymentEventKind;
use serde_json::{Value, json};
use table::Endpoints;

use super::{
    bugs::Bug,
    checker::{self, ShopAnswer, Violation},
    plan::{Fault, Plan, mix},
    world::{CANCEL, DELIVER, Environment, PLACE, REFUND, SHIP, SaleOf, ShopRequest, Shopper, World},
};

/// The result of one run or of many.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    pub runs: usize,
    /// Requests to check out, each under a key of its own.
    pub attempted: usize,
    pub placed: usize,
    pub declined: usize,
    /// Orders whose customer was asked to authenticate the payment, and those of them that were paid.
    pub asked: usize,
    pub asked_then_paid: usize,
    /// Orders whose payment's answer was lost and that have an outcome now.
    pub unknown_then_settled: usize,
    pub refunded: usize,
    /// Orders with a line of a sale, and those of them that were cancelled.
    pub in_sale: usize,
    pub in_sale_returned: usize,
    pub injected: BTreeMap<Fault, usize>,
    /// With the run in which each was found.
    pub violations: Vec<(String, Violation)>,
    pub bug_actions: usize,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.runs += other.runs;
        self.attempted += other.attempted;
        self.placed += other.placed;
        self.declined += other.declined;
        self.asked += other.asked;
        self.asked_then_paid += other.asked_then_paid;
        self.unknown_then_settled += other.unknown_then_settled;
        self.refunded += other.refunded;
        self.in_sale += other.in_sale;
        self.in_sale_returned += other.in_sale_returned;
        self.bug_actions += other.bug_actions;
        for (fault, times) in other.injected {
            *self.injected.entry(fault).or_default() += times;
        }
        self.violations.extend(other.violations);
    }
}

/// An engine that many worlds share, each with a table of its own.
pub struct Engine {
    _stack: Stack,
    endpoints: Endpoints,
    http: SharedHttpClient,
}

impl Engine {
    pub async fn start() -> Arc<Self> {
        let admin = local::AdminAccount {
            email: domain::Email::parse(crate::ADMIN_EMAIL).expect("an e-mail"),
            password: domain::Password::choose(crate::ADMIN_PASSWORD).expect("a password"),
        };
        let options = StackOptions {
            sweep_every: None,
            index_every: None,
            streams: Streams::Off,
            admin: Some(admin),
            ..StackOptions::default()
        };
        let stack = Stack::start(options).await.unwrap_or_else(|e| panic!("{}", local::error_chain(&e)));
        let endpoints = Endpoints { dynamodb: stack.dynamodb.clone(), s3: format!("http://{}", stack.s3) };
        Arc::new(Self { _stack: stack, endpoints, http: table::http_client() })
    }

    pub async fn world(&self, name: &str, bug: Option<Bug>) -> World {
        World::open(&self.endpoints, &self.http, crate::tables::named(name), bug).await
    }
}

/// Numbers drawn from a seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(1);
        mix(mix(self.0)) % sides
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.roll(of.len() as u64)).expect("an index")]
    }
}

/// An environment that is replaced when it dies.
struct Lambda<'a> {
    world: &'a World,
    seed: u64,
    rate: f64,
    environment: Environment,
}

impl<'a> Lambda<'a> {
    async fn new(world: &'a World, seed: u64, rate: f64) -> Self {
        Self { world, seed, rate, environment: world.environment(Plan::seeded(seed, rate)).await }
    }

    async fn alive(&mut self) -> &Environment {
        if self.environment.plan.is_crashed() {
            self.seed = mix(self.seed);
            self.environment = self.world.environment(Plan::seeded(self.seed, self.rate)).await;
        }
        &self.environment
    }
}

const SHOPPERS: u64 = 4;
const RATE: f64 = 0.08;

/// One shop with a few customers at once and random faults; then it recovers and is checked.
pub async fn seeded(engine: &Engine, seed: u64, bug: Option<Bug>) -> Tally {
    let name = format!("seed-{seed}-{}", bug.map_or("none", Bug::name));
    let world = engine.world(&name, bug).await;
    let mut dice = Dice(mix(seed));
    for (id, price) in [("mug", 899), ("pan", 4_600), ("cup", 250)] {
        world.product(id, price, 2 + i64::try_from(dice.roll(5)).expect("a few")).await;
    }

    // A sale of some of them, with a limit; it ends while the shop is open if the clock jumps far enough.
    let cap = world.product("cap", 700, 12).await;
    let sale = SaleOf { product: &cap, units: 9, limit: 3, lasts: 600, at: world.clock.now() };
    world.create_sale(&world.environment(Plan::none()).await, &sale).await;
    world.advance(12);
    futures::future::join_all((0..RUSH).map(|n| rush(&world, mix(seed ^ (n + 0x5A1E)), n, &cap))).await;

    // Hashing passwords takes longer than all the rest, so that not every shop has accounts.
    let accounts = dice.chance(35);
    if accounts {
        world.customer("bob", BOB).await;
    }
    let shoppers = (0..SHOPPERS).map(|n| shopper(&world, mix(seed ^ (n + 1)), n, accounts && n == 0));
    let (_, (), (), (), ()) = tokio::join!(
        futures::future::join_all(shoppers),
        staff(&world, mix(seed ^ 0x5AFF)),
        provider_and_time(&world, mix(seed ^ 0xC10C)),
        loader(&world, mix(seed ^ 0x10AD)),
        password_change(&world, mix(seed ^ 0x9A55), accounts),
    );
    world.heal(dice.chance(50)).await;
    verify(&world, &name).await
}

/// Buyers who come at the same moment, so that they believe in the same lots.
const RUSH: u64 = 4;

/// Buys one of what is in a sale at its start, and retries.
async fn rush(world: &World, seed: u64, number: u64, cap: &ProductId) {
    let who = world.shopper(&format!("rush-{number}")).await;
    let mut lambda = Lambda::new(world, seed, RATE).await;
    world.add(lambda.alive().await, &who, cap, 1).await;
    let asked = world.checkout(&who, "tok_visa");
    for _ in 0..2 {
        if world.send(lambda.alive().await, &asked, false).await.is_some_and(|answer| answer.status == 201) {
            return;
        }
    }
}

const BOB: &str = "bob@example.com";

/// Two concurrent imports of one new product, and again: a retry, or another file.
async fn loader(world: &World, seed: u64) {
    let (mut one, mut other) = (Lambda::new(world, seed, RATE).await, Lambda::new(world, mix(seed), RATE).await);
    // The second time with another stock, which counts if the product is still unfinished.
    for stock in [3, 5] {
        let (one, other) = (one.alive().await, other.alive().await);
        tokio::join!(world.load(one, "jar", 300, stock), world.load(other, "jar", 300, stock));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// A customer with several sessions changes the password, and retries if no answer came.
async fn password_change(world: &World, seed: u64, accounts: bool) {
    if !accounts {
        return;
    }
    let cat = world.customer("cat", "cat@example.com").await;
    let stranger = world.shopper("cat-elsewhere").await;
    let mut lambda = Lambda::new(world, seed, RATE).await;
    let elsewhere = world.environment(Plan::none()).await;
    let at_once = async { world.login(&elsewhere, &stranger, "cat@example.com").await };
    let (changed, _) = tokio::join!(world.change_password(lambda.alive().await, &cat), at_once);
    if changed.is_none_or(|(status, _)| status >= 500) {
        world.change_password(lambda.alive().await, &cat).await;
    }
}

/// Fills the cart and checks out repeatedly, like a client with a bad network. A guest with an account may log in to it
/// between two purchases.
async fn shopper(world: &World, seed: u64, number: u64, account: bool) {
    let mut who = world.shopper(&format!("shopper-{number}")).await;
    let mut dice = Dice(seed);
    let mut lambda = Lambda::new(world, seed, RATE).await;
    for _ in 0..3 {
        for _ in 0..=dice.roll(2) {
            let product = dice.pick(&["mug", "pan", "cup", "jar", "cap"]).parse().expect("an id");
            let units = 1 + i64::try_from(dice.roll(2)).expect("a few");
            world.add(lambda.alive().await, &who, &product, units).await;
        }
        let token = *dice.pick(&TOKENS);
        let asked = world.checkout(&who, token);
        if dice.chance(20) {
            // Two taps on the button, each with a key of its own.
            let twice = world.checkout(&who, token);
            let other = Lambda::new(world, mix(seed ^ 7), RATE).await;
            let one = world.send(lambda.alive().await, &asked, false);
            tokio::join!(one, world.send(&other.environment, &twice, false));
        }
        for _ in 0..1 + dice.roll(3) {
            let answer = world.send(lambda.alive().await, &asked, false).await;
            if let Some(order) = answer.as_ref().and_then(asks) {
                challenge(world, &mut dice, &mut lambda, &who, &order).await;
            }
            if answer.is_some_and(|t| matches!(t.status, 201 | 402)) && dice.chance(70) {
                break;
            }
            if dice.chance(40) {
                world.advance(26);
            }
        }
        if account && who.uid.as_str() != "bob" && dice.chance(60) {
            let logged_in = world.log_in(lambda.alive().await, &who, BOB).await;
            who = logged_in.and_then(|(_, bob)| bob).unwrap_or(who);
        }
        if dice.chance(30) {
            let placed =
                world.answers().into_iter().rfind(|t| t.who == who.uid.to_string() && t.body["orderId"].is_string());
            if let Some(order) = placed.and_then(|t| t.body["orderId"].as_str().map(str::to_owned)) {
                let asked = world.about(&who, CANCEL, &order, Value::Null);
                for _ in 0..1 + dice.roll(2) {
                    world.send(lambda.alive().await, &asked, false).await;
                }
            }
        }
    }
}

/// What shoppers pay with.
const TOKENS: [&str; 10] = [
    "tok_visa",
    "tok_visa",
    "tok_visa",
    "tok_declined",
    "tok_timeout_paid",
    "tok_timeout_unpaid",
    "tok_3ds",
    "tok_3ds",
    "tok_3ds_then_declined",
    "tok_3ds_abandoned",
];

/// The order whose customer is asked, according to an answer.
fn asks(answer: &ShopAnswer) -> Option<String> {
    let asks = answer.body["payment"]["action"].is_object();
    answer.body["orderId"].as_str().filter(|_| asks).map(str::to_owned)
}

/// The customer answers their bank, at once or after the hold, or not at all; and may pay with another card.
async fn challenge(world: &World, dice: &mut Dice, lambda: &mut Lambda<'_>, who: &Shopper, order: &str) {
    if dice.chance(15) {
        // The hold ends first.
        world.advance(16 * 60);
        if dice.chance(50) {
            world.sweep(lambda.alive().await).await;
        }
    }
    if dice.chance(80) {
        world.answer_challenge(order, dice.chance(75));
    }
    for _ in 0..dice.roll(3) {
        world.refresh(lambda.alive().await, who, order).await;
    }
    if dice.chance(50) {
        let token = *dice.pick(&["tok_visa", "tok_3ds"]);
        let another = world.checkout(who, token);
        for _ in 0..1 + dice.roll(2) {
            let answer = world.send(lambda.alive().await, &another, false).await;
            if answer.as_ref().and_then(asks).is_some() && dice.chance(70) {
                world.answer_challenge(order, true);
            }
        }
    }
}

/// Ships, delivers and refunds orders that are known.
async fn staff(world: &World, seed: u64) {
    let mut dice = Dice(seed);
    let mut lambda = Lambda::new(world, seed, RATE).await;
    for _ in 0..8 {
        tokio::time::sleep(std::time::Duration::from_millis(15)).await;
        let orders = world.known_orders();
        if orders.is_empty() {
            continue;
        }
        let order = dice.pick(&orders).clone();
        let amount = 1 + i64::try_from(dice.roll(900)).expect("a price");
        let product = *dice.pick(&["mug", "pan", "cup", "jar", "cap"]);
        if dice.chance(35) {
            world.replace(lambda.alive().await, &"cup".parse().expect("an id"), 250, 4).await;
            continue;
        }
        let (route, body) = match dice.roll(5) {
            0 => (SHIP, Value::Null),
            1 => (DELIVER, Value::Null),
            2 => (REFUND, json!({"amount": {"amount": amount, "currency": "USD"}})),
            3 => (REFUND, json!({"lines": [{"productId": product, "quantity": 1, "restock": dice.chance(50)}]})),
            _ => (REFUND, json!({})),
        };
        let asked = world.about(&world.admin, route, &order, body);
        for _ in 0..1 + dice.roll(2) {
            world.send(lambda.alive().await, &asked, false).await;
        }
    }
}

/// Events early, late, twice and forged; overlapping sweeps; and a clock that jumps.
async fn provider_and_time(world: &World, seed: u64) {
    let mut dice = Dice(seed);
    let (mut lambda, mut other) = (Lambda::new(world, seed, RATE).await, Lambda::new(world, mix(seed), RATE).await);
    for _ in 0..14 {
        tokio::time::sleep(std::time::Duration::from_millis(12)).await;
        match dice.roll(11) {
            0 | 1 => drop(tokio::join!(world.sweep(lambda.alive().await), world.sweep(other.alive().await))),
            2 => world.advance(20 * 60),
            3 => world.advance(61),
            4 | 5 => claim(world, &mut dice, lambda.alive().await).await,
            8 | 9 => by_hand(world, &mut dice),
            // Late, twice, and the newest first.
            10 => {
                for event in world.events_by_hand().iter().rev().take(3) {
                    world.deliver(lambda.alive().await, event, false).await;
                    if dice.chance(50) {
                        world.deliver(other.alive().await, event, false).await;
                    }
                }
            }
            _ => {
                let entries = world.payments.attempts();
                if entries.is_empty() {
                    continue;
                }
                let entry = dice.pick(&entries).clone();
                let amount = Money::amount(entry.amount, Currency::USD);
                let reference = entry.reference.clone();
                let kind = match entry.attempt {
                    payments::Attempt::Captured => PaymentEventKind::Captured { reference, amount },
                    payments::Attempt::Refunded(number) => PaymentEventKind::RefundPaid { number, amount },
                    payments::Attempt::Declined
                    | payments::Attempt::Closed
                    | payments::Attempt::ChallengeFailed
                    // The event of an attempt before this one, late.
                    | payments::Attempt::Asked(_)
                    | payments::Attempt::Authenticated => PaymentEventKind::Declined,
                    // An event that something was refunded, without the refunds in it.
                    payments::Attempt::RefundedByHand(_) | payments::Attempt::ByHandFailed(_) => {
                        PaymentEventKind::Refunded
                    }
                };
                let event = world.event(&entry.order, kind);
                world.deliver(lambda.alive().await, &event, false).await;
                if dice.chance(50) {
                    world.deliver(other.alive().await, &event, false).await;
                }
            }
        }
    }
}

/// What is done at the provider itself: in its dashboard, or by the customer's bank. Its events are sent later.
fn by_hand(world: &World, dice: &mut Dice) {
    let payments = world.payments.entries();
    if payments.is_empty() {
        return;
    }
    let payment = dice.pick(&payments);
    match dice.roll(6) {
        0 | 1 => world.refund_by_hand(payment, 1 + i64::try_from(dice.roll(900)).expect("a price")),
        2 => world.fail_by_hand(payment),
        3 | 4 => world.dispute(payment),
        _ => world.decide_dispute(payment, dice.chance(50)),
    }
}

/// A forged event says that an open order was paid, or a signed one that less was paid than it costs.
async fn claim(world: &World, dice: &mut Dice, environment: &Environment) {
    let paid = world.payments.entries();
    let open = world.answers().into_iter().filter(|t| t.status == 202 && t.route == PLACE);
    let unpaid: Vec<_> = open.filter(|t| paid.iter().all(|entry| t.body["orderId"] != entry.order.as_str())).collect();
    if unpaid.is_empty() {
        return;
    }
    let answer = dice.pick(&unpaid);
    let order = answer.body["orderId"].as_str().expect("an order's id");
    let total = answer.body["total"]["amount"].as_i64().expect("an order's total");
    let captured = |cents| {
        let amount = Money::amount(cents, Currency::USD);
        world.event(order, PaymentEventKind::Captured { reference: "local_by_nobody".to_owned(), amount })
    };
    match dice.chance(50) {
        true => world.deliver(environment, &captured(total), true).await,
        false => world.deliver(environment, &captured(total - 1), false).await,
    };
}

async fn verify(world: &World, name: &str) -> Tally {
    let evidence = world.evidence().await;
    let orders = evidence.table.iter().filter(|item| item["SK"] == "STATUS");
    let happened =
        |item: &Value, event: &str| item["history"].as_array().is_some_and(|h| h.iter().any(|t| t["s"] == event));
    let in_sale =
        |item: &Value| item["lines"].as_array().is_some_and(|lines| lines.iter().any(|line| line["s"].is_object()));
    let settled = |item: &Value| !matches!(item["state"].as_str(), Some("pending_payment" | "payment_unknown"));
    let count = |test: &dyn Fn(&Value) -> bool| orders.clone().filter(|item| test(item)).count();
    Tally {
        runs: 1,
        attempted: world.asked().iter().filter(|a| a.path == "/orders").count(),
        placed: count(&|_| true),
        declined: count(&|item| happened(item, "declined")),
        asked: count(&|item| happened(item, "action_required")),
        asked_then_paid: count(&|item| happened(item, "action_required") && happened(item, "confirmed")),
        unknown_then_settled: count(&|item| happened(item, "payment_lost") && settled(item)),
        refunded: count(&|item| happened(item, "refund_paid")),
        in_sale: count(&|item| in_sale(item)),
        in_sale_returned: count(&|item| in_sale(item) && item["state"] == "cancelled"),
        injected: world.injected(),
        violations: checker::check(&evidence).into_iter().map(|v| (name.to_owned(), v)).collect(),
        bug_actions: world.bug_actions(),
    }
}

/// Runs seeds, `at_once` at a time, and calls `progress` after each with the number of runs so far.
pub async fn seeds(range: std::ops::Range<u64>, bug: Option<Bug>, at_once: usize, progress: impl Fn(usize)) -> Tally {
    let mut tally = Tally::default();
    let all: Vec<u64> = range.collect();
    // Engines get slower with what they hold: a new one now and then.
    for chunk in all.chunks(48) {
        let engine = Engine::start().await;
        let mut runs = stream::iter(chunk).map(|seed| seeded(&engine, *seed, bug)).buffer_unordered(at_once);
        while let Some(one) = runs.next().await {
            tally.add(one);
            progress(tally.runs);
        }
    }
    tally
}

/// A flow of the shop, of which each call is made to fail in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    CheckoutPays,
    CheckoutDeclined,
    CheckoutAnswerLost,
    CancelOfPaid,
    CancelOfHeld,
    RefundWithRestock,
    SweepOfHeld,
    SweepOfPaidUnknown,
    SweepOfOwedRefund,
    GuestWithOrdersLogsIn,
    SweepOfAGuestsOrderAfterLogin,
    CheckoutAsks,
    RefreshAfterTheCustomersAnswer,
    AnotherCardAfterAFailedChallenge,
    EventOfAFailedChallenge,
    SweepOfAsked,
    CancelOfAsked,
    SaleIsCreated,
    CheckoutInASale,
    CancelInASale,
    CancelAfterASale,
    SweepOfASaleThatIsOver,
}

impl Flow {
    pub const ALL: [Flow; 22] = [
        Flow::CheckoutPays,
        Flow::CheckoutDeclined,
        Flow::CheckoutAnswerLost,
        Flow::CancelOfPaid,
        Flow::CancelOfHeld,
        Flow::RefundWithRestock,
        Flow::SweepOfHeld,
        Flow::SweepOfPaidUnknown,
        Flow::SweepOfOwedRefund,
        Flow::GuestWithOrdersLogsIn,
        Flow::SweepOfAGuestsOrderAfterLogin,
        Flow::CheckoutAsks,
        Flow::RefreshAfterTheCustomersAnswer,
        Flow::AnotherCardAfterAFailedChallenge,
        Flow::EventOfAFailedChallenge,
        Flow::SweepOfAsked,
        Flow::CancelOfAsked,
        Flow::SaleIsCreated,
        Flow::CheckoutInASale,
        Flow::CancelInASale,
        Flow::CancelAfterASale,
        Flow::SweepOfASaleThatIsOver,
    ];

    /// Prepares the shop without faults, and then runs the flow in an environment with this plan.
    async fn play(self, world: &World, plan: Plan) {
        world.product("mug", 899, 5).await;
        world.product("pan", 4_600, 5).await;
        let (ann, healthy) = (world.shopper("ann").await, world.environment(Plan::none()).await);
        world.add(&healthy, &ann, &"mug".parse().expect("an id"), 2).await;
        world.add(&healthy, &ann, &"pan".parse().expect("an id"), 1).await;
        let suffering = world.environment(plan).await;
        match self {
            Flow::CheckoutPays => buy(world, &suffering, &ann, "tok_visa").await,
            Flow::CheckoutDeclined => buy(world, &suffering, &ann, "tok_declined").await,
            Flow::CheckoutAnswerLost => buy(world, &suffering, &ann, "tok_timeout_paid").await,
            Flow::CancelOfPaid => {
                let order = bought(world, &healthy, &ann, "tok_visa").await;
                ask(world, &suffering, world.about(&ann, CANCEL, &order, Value::Null)).await;
            }
            Flow::CancelOfHeld => {
                let order = bought(world, &healthy, &ann, "tok_timeout_unpaid").await;
                ask(world, &suffering, world.about(&ann, CANCEL, &order, Value::Null)).await;
            }
            Flow::RefundWithRestock => {
                let order = bought(world, &healthy, &ann, "tok_visa").await;
                let lines = json!({"lines": [{"productId": "mug", "quantity": 1, "restock": true}]});
                ask(world, &suffering, world.about(&world.admin, REFUND, &order, lines)).await;
            }
            Flow::SweepOfHeld => {
                // The request dies before it reaches the provider.
                let dying = world.environment(Plan::on("charge", Fault::CrashBefore)).await;
                buy(world, &dying, &ann, "tok_visa").await;
                world.advance(16 * 60);
                world.sweep(&suffering).await;
            }
            Flow::SweepOfPaidUnknown => {
                bought(world, &healthy, &ann, "tok_timeout_paid").await;
                world.advance(61);
                world.sweep(&suffering).await;
            }
            Flow::SweepOfOwedRefund => {
                let order = bought(world, &healthy, &ann, "tok_visa").await;
                let cut_off = world.environment(Plan::on("refund", Fault::DropBefore)).await;
                ask(world, &cut_off, world.about(&ann, CANCEL, &order, Value::Null)).await;
                world.advance(61);
                world.sweep(&suffering).await;
            }
            Flow::GuestWithOrdersLogsIn => {
                world.customer("bob", BOB).await;
                bought(world, &healthy, &ann, "tok_visa").await;
                world.add(&healthy, &ann, &"mug".parse().expect("an id"), 1).await;
                if world.login(&suffering, &ann, BOB).await != Some(201) {
                    world.login(&healthy, &ann, BOB).await;
                }
            }
            Flow::SweepOfAGuestsOrderAfterLogin => {
                let bob = world.customer("bob", BOB).await;
                world.add(&healthy, &bob, &"mug".parse().expect("an id"), 1).await;
                bought(world, &healthy, &ann, "tok_timeout_unpaid").await;
                world.login(&healthy, &ann, BOB).await;
                world.advance(61);
                world.sweep(&suffering).await;
            }
            Flow::CheckoutAsks => {
                buy(world, &suffering, &ann, "tok_3ds").await;
                // Whether or not the answer arrived: only a customer who got it can answer their bank.
                let answers = world.answers();
                answers.iter().filter_map(asks).for_each(|order| world.answer_challenge(&order, true));
            }
            Flow::RefreshAfterTheCustomersAnswer => {
                let order = bought(world, &healthy, &ann, "tok_3ds").await;
                world.refresh(&suffering, &ann, &order).await;
                world.answer_challenge(&order, true);
                world.refresh(&suffering, &ann, &order).await;
            }
            Flow::AnotherCardAfterAFailedChallenge => {
                let order = bought(world, &healthy, &ann, "tok_3ds").await;
                world.answer_challenge(&order, false);
                buy(world, &suffering, &ann, "tok_visa").await;
            }
            Flow::EventOfAFailedChallenge => {
                let order = bought(world, &healthy, &ann, "tok_3ds_then_declined").await;
                world.answer_challenge(&order, true);
                let event = world.event(&order, PaymentEventKind::Declined);
                world.deliver(&suffering, &event, false).await;
                world.deliver(&healthy, &event, false).await;
            }
            Flow::SweepOfAsked => {
                bought(world, &healthy, &ann, "tok_3ds_abandoned").await;
                world.advance(16 * 60);
                world.sweep(&suffering).await;
            }
            Flow::CancelOfAsked => {
                let order = bought(world, &healthy, &ann, "tok_3ds").await;
                ask(world, &suffering, world.about(&ann, CANCEL, &order, Value::Null)).await;
                // Too late.
                world.answer_challenge(&order, true);
            }
            Flow::SaleIsCreated => {
                let mug = "mug".parse().expect("an id");
                let sale = SaleOf { product: &mug, units: 3, limit: 2, lasts: 1_800, at: world.clock.now() };
                world.create_sale(&suffering, &sale).await;
                world.create_sale(&healthy, &sale).await;
            }
            Flow::CheckoutInASale => {
                sale_of_caps(world, &healthy, &ann).await;
                buy(world, &suffering, &ann, "tok_visa").await;
            }
            Flow::CancelInASale => {
                sale_of_caps(world, &healthy, &ann).await;
                let order = bought(world, &healthy, &ann, "tok_visa").await;
                ask(world, &suffering, world.about(&ann, CANCEL, &order, Value::Null)).await;
            }
            Flow::CancelAfterASale => {
                sale_of_caps(world, &healthy, &ann).await;
                let order = bought(world, &healthy, &ann, "tok_visa").await;
                world.advance(40 * 60);
                world.sweep(&healthy).await;
                ask(world, &suffering, world.about(&ann, CANCEL, &order, Value::Null)).await;
            }
            Flow::SweepOfASaleThatIsOver => {
                sale_of_caps(world, &healthy, &ann).await;
                bought(world, &healthy, &ann, "tok_timeout_unpaid").await;
                world.advance(40 * 60);
                world.sweep(&suffering).await;
            }
        }
    }
}

/// A sale of four caps that has started, and two of them in the cart.
async fn sale_of_caps(world: &World, healthy: &Environment, who: &Shopper) {
    let cap = world.product("cap", 700, 6).await;
    let sale = SaleOf { product: &cap, units: 4, limit: 2, lasts: 1_800, at: world.clock.now() };
    world.create_sale(healthy, &sale).await;
    world.advance(12);
    world.add(healthy, who, &cap, 2).await;
}

async fn buy(world: &World, environment: &Environment, who: &Shopper, token: &str) {
    let asked = world.checkout(who, token);
    ask(world, environment, asked).await;
}

async fn bought(world: &World, healthy: &Environment, who: &Shopper, token: &str) -> String {
    let asked = world.checkout(who, token);
    let answer = world.send(healthy, &asked, false).await.expect("a healthy environment answers");
    answer.body["orderId"].as_str().expect("an order").to_owned()
}

async fn ask(world: &World, environment: &Environment, asked: ShopRequest) {
    world.send(environment, &asked, false).await;
}

/// The result of making each call of a flow fail.
#[derive(Debug, Clone, Copy)]
pub struct Enumerated {
    pub flow: Flow,
    /// SDK and provider calls of the flow without faults.
    pub calls: usize,
    /// Runs in which a fault happened.
    pub runs: usize,
}

/// Which cases of a flow are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cases {
    /// Each call with each fault, and afterwards the client asks first, or the sweeper.
    All,
    /// Each call with each fault, and afterwards the client or the sweeper in turn.
    Half,
}

/// Gives each call of a flow each fault that it can have, one in each run, and checks the result after recovery: once
/// by the sweeper alone, and once with clients that retry first.
pub async fn enumerate(engine: &Engine, flow: Flow, which: Cases, tally: &mut Tally) -> Enumerated {
    let plan = Plan::none();
    let world = engine.world(&format!("{flow:?}-undisturbed"), None).await;
    flow.play(&world, plan.clone()).await;
    world.heal(true).await;
    tally.add(verify(&world, &format!("{flow:?} undisturbed")).await);
    let calls = plan.calls();

    let faults = || Fault::ALL.iter().copied().enumerate();
    let cases = (0..calls).flat_map(|k| {
        faults().flat_map(move |(n, fault)| {
            let first = (k + n) % 2 == 0;
            let both = [(k, fault, first), (k, fault, !first)];
            both.into_iter().take(if which == Cases::All { 2 } else { 1 })
        })
    });
    let mut runs = stream::iter(cases)
        .map(|(k, fault, clients_ask_first)| async move {
            let name = format!("{flow:?}-{k}-{}-{clients_ask_first}", fault.name());
            let plan = Plan::at(k, fault);
            let world = engine.world(&name, None).await;
            flow.play(&world, plan.clone()).await;
            if plan.injected().is_empty() {
                return None;
            }
            world.heal(clients_ask_first).await;
            Some(verify(&world, &name).await)
        })
        // They wait most of their time: for backoff, and for an answer that does not come.
        .buffer_unordered(16);
    let mut done = 0;
    while let Some(run) = runs.next().await {
        let Some(run) = run else { continue };
        done += 1;
        tally.add(run);
    }
    Enumerated { flow, calls, runs: done }
}

/// Which rule found a planted bug, and at which seed.
#[derive(Debug, Clone)]
pub struct Caught {
    pub bug: Bug,
    pub rule: Option<&'static str>,
    pub seeds: usize,
    pub bug_actions: usize,
}

/// Runs seeds with a planted bug until one of the rules that may find it does.
pub async fn plant(bug: Bug, most: u64, at_once: usize) -> Caught {
    let (mut seeds_run, mut bug_actions) = (0, 0);
    let mut from = 0;
    while from < most {
        let until = (from + at_once as u64).min(most);
        let tally = seeds(from..until, Some(bug), at_once, |_| {}).await;
        (seeds_run, bug_actions) = (seeds_run + tally.runs, bug_actions + tally.bug_actions);
        let found = tally.violations.iter().find(|(_, v)| bug.expected().contains(&v.rule));
        if let Some((_, violation)) = found {
            return Caught { bug, rule: Some(violation.rule), seeds: seeds_run, bug_actions };
        }
        from = until;
    }
    Caught { bug, rule: None, seeds: seeds_run, bug_actions }
}
