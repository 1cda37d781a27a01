//! A small shop for one run: a table of its own, a payment provider, a clock, and environments that die.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use api::{Clock, Context, Cursors, Policy, edge, token::Token};
use aws_sdk_dynamodb::config::SharedHttpClient;
use axum::{Router, body::Body, extract::Request};
use domain::{
    Currency, Customer, CustomerName, Dispute, DisputeState, Email, Money, Product, ProductId, ProductName, Role,
    UserId,
};
use domain::{SessionKind, SessionLifetime, Timestamp};
use http_body_util::BodyExt;
use jiff::SignedDuration;
use payments::{About, Entry, LocalPayments, PaymentEvent, PaymentNews, PaymentProvider};
use saga::Saga;
use serde_json::{Value, json};
use sweeper::Swept;
use table::{Endpoints, NewSession, ProductRecord, Table, TableConfig, Timeouts};
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;

use super::{
    bugs::Bug,
    checker::{self, Evidence, Told},
    payments::{FaultyPayments, Totals},
    plan::{Fault, Plan},
    stream,
    wire::{EarlierAnswers, FaultyHttp},
};
use crate::dump;

pub const PLACE: &str = "POST /orders";
pub const CANCEL: &str = "POST /orders/{orderId}/cancel";
pub const SHIP: &str = "POST /admin/orders/{orderId}/ship";
pub const DELIVER: &str = "POST /admin/orders/{orderId}/deliver";
pub const REFUND: &str = "POST /admin/orders/{orderId}/refund";

/// A run's shop. Everybody in it asks through an [`Environment`].
pub struct World {
    engine: Endpoints,
    /// One for everybody: to make one reads every certificate of the machine.
    http: SharedHttpClient,
    name: String,
    pub clock: Clock,
    /// As somebody sees it to whom nothing happens.
    pub table: Table,
    pub payments: Arc<LocalPayments>,
    bug: Option<Bug>,
    earlier: EarlierAnswers,
    totals: Totals,
    told: Mutex<Vec<Told>>,
    asked: Mutex<Vec<Asked>>,
    initial_stock: Mutex<BTreeMap<String, i64>>,
    environments: Mutex<Vec<(Plan, Arc<FaultyPayments>)>>,
    keys: AtomicUsize,
    events: AtomicU64,
    /// Events of what was done at the provider by hand. It sends them until the end.
    by_hand: Mutex<Vec<PaymentEvent>>,
    disputes: Mutex<Vec<(String, Dispute)>>,
    pub admin: Shopper,
}

/// Somebody with a session.
#[derive(Debug, Clone)]
pub struct Shopper {
    pub uid: UserId,
    token: String,
}

/// A request that must not happen twice, to be asked again.
#[derive(Debug, Clone)]
pub struct Asked {
    pub who: Shopper,
    pub route: &'static str,
    pub path: String,
    pub key: String,
    pub body: Value,
}

/// One Lambda environment of every function: it dies at the first crash of its plan, with all that runs in it.
#[derive(Clone)]
pub struct Environment {
    pub plan: Plan,
    router: Router,
    sweeper: sweeper::State,
}

impl World {
    pub async fn open(engine: &Endpoints, http: &SharedHttpClient, name: &str, bug: Option<Bug>) -> Self {
        let clock = Clock::manual("2040-01-15T10:00:00Z".parse::<Timestamp>().expect("a time"));
        let (table, _) = config(engine, name, http.clone()).connect().await;
        table.create().await.expect("the engine makes a table");
        let admin = Customer {
            id: "staff".parse().expect("an id"),
            name: CustomerName::parse("Staff").expect("a name"),
            email: Email::parse("staff@shop.example").expect("an e-mail"),
            role: Role::Admin,
            created_at: clock.now(),
        };
        table.customer_register(&admin, "no password", None, None).await.expect("the table is new");
        let admin = session(&table, &clock, admin.id).await;
        Self {
            engine: engine.clone(),
            http: http.clone(),
            name: name.to_owned(),
            clock,
            table,
            payments: Arc::default(),
            bug,
            earlier: EarlierAnswers::default(),
            totals: Totals::default(),
            told: Mutex::default(),
            asked: Mutex::default(),
            initial_stock: Mutex::default(),
            environments: Mutex::default(),
            keys: AtomicUsize::default(),
            events: AtomicU64::default(),
            by_hand: Mutex::default(),
            disputes: Mutex::default(),
            admin,
        }
    }

    pub async fn environment(&self, plan: Plan) -> Environment {
        let http = FaultyHttp::new(self.http.clone(), plan.clone())
            .with_bug(self.bug, self.payments.clone())
            .remembering(self.earlier.clone());
        let (table, _) = config(&self.engine, &self.name, http.into_shared()).connect().await;
        let payments =
            Arc::new(FaultyPayments::new(self.payments.clone(), plan.clone(), self.bug).knowing(self.totals.clone()));
        lock(&self.environments).push((plan.clone(), payments.clone()));
        let provider: Arc<dyn PaymentProvider> = payments;
        let sweeper = sweeper::State::new(Saga::new(table.clone(), provider.clone()), self.clock.clone());
        let context = Context {
            table,
            clock: self.clock.clone(),
            cursors: Arc::new(Cursors::new(&[[1; 32]])),
            policy: Arc::new(Policy { rates: None, ..Policy::default() }),
        };
        let routes = OpenApiRouter::new()
            .merge(cart::router(cart::State::new(context.clone())))
            .merge(orders::router(orders::State::new(context.clone(), provider)))
            .merge(sessions::router(sessions::State::new(context.clone())));
        Environment { plan, router: edge::finish(routes, &context).0, sweeper }
    }

    pub async fn product(&self, id: &str, price: i64, stock: i64) -> ProductId {
        let now = self.clock.now();
        let product = Product {
            id: id.parse().expect("an id"),
            name: ProductName::parse(&format!("The {id}")).expect("a name"),
            category: Default::default(),
            price: Money::price(price, Currency::USD).expect("a price"),
            thumbnail: None,
            manufacturer: None,
            attributes: Default::default(),
            featured_rank: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let id = product.id.clone();
        let record = ProductRecord { product, description: None };
        let created = self.table.product_create(&record, stock, &self.admin.uid, uuid::Uuid::now_v7()).await;
        created.expect("the product is new");
        lock(&self.initial_stock).insert(id.to_string(), stock);
        id
    }

    /// Somebody who has registered, and is logged in.
    pub async fn customer(&self, uid: &str, email: &str) -> Shopper {
        let password = domain::Password::choose(crate::PASSWORD).expect("a password");
        let hash = sessions::Passwords::default().hash(password).await.expect("there is memory");
        let customer = Customer {
            id: uid.parse().expect("an id"),
            name: CustomerName::parse("Bob").expect("a name"),
            email: Email::parse(email).expect("an e-mail"),
            role: Role::Customer,
            created_at: self.clock.now(),
        };
        self.table.customer_register(&customer, &hash, None, None).await.expect("they are new");
        session(&self.table, &self.clock, customer.id).await
    }

    /// A guest logs in; the status, or `None` if the environment died.
    pub async fn login(&self, environment: &Environment, guest: &Shopper, email: &str) -> Option<u16> {
        let body = json!({"email": email, "password": crate::PASSWORD});
        self.ask(environment, guest, "POST", "/sessions", None, &body).await.map(|(status, ..)| status)
    }

    pub async fn shopper(&self, uid: &str) -> Shopper {
        session(&self.table, &self.clock, uid.parse().expect("an id")).await
    }

    pub async fn add(&self, environment: &Environment, who: &Shopper, product: &ProductId, units: i64) -> Option<u16> {
        let body = json!({"productId": product.as_str(), "quantity": units});
        self.ask(environment, who, "POST", "/cart/items", None, &body).await.map(|(status, ..)| status)
    }

    /// What is in somebody's cart, as the table has it.
    pub async fn cart(&self, who: &Shopper) -> BTreeMap<String, i64> {
        let token = Token::parse(&who.token).expect("a token");
        let found = self.table.session_and_cart_get(&who.uid, &token.session_id()).await.expect("the table answers");
        let lines = found.map(|f| f.cart.lines).unwrap_or_default();
        lines.into_iter().map(|(id, line)| (id.to_string(), line.quantity.units().into())).collect()
    }

    /// A checkout of what is in the cart, under a key of its own.
    pub fn checkout(&self, who: &Shopper, token: &str) -> Asked {
        let body = json!({"payment": {"token": token}});
        let asked = self.wish(who, PLACE, "/orders".to_owned(), body);
        lock(&self.asked).push(asked.clone());
        asked
    }

    /// A request about an order, under a key of its own.
    pub fn about(&self, who: &Shopper, route: &'static str, order: &str, body: Value) -> Asked {
        let (_, template) = route.split_once(' ').expect("a method and a path");
        let asked = self.wish(who, route, template.replace("{orderId}", order), body);
        lock(&self.asked).push(asked.clone());
        asked
    }

    fn wish(&self, who: &Shopper, route: &'static str, path: String, body: Value) -> Asked {
        let key = format!("the-key-with-number-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        Asked { who: who.clone(), route, path, key, body }
    }

    /// Asks, and remembers what was told. `None` if the environment died.
    pub async fn tell(&self, environment: &Environment, asked: &Asked, healing: bool) -> Option<Told> {
        let mut wanted = if asked.route == PLACE { self.cart(&asked.who).await } else { BTreeMap::new() };
        let (status, body, replayed) =
            self.ask(environment, &asked.who, "POST", &asked.path, Some(&asked.key), &asked.body).await?;
        if asked.route == PLACE && status == 409 {
            // Other requests of the same customer may have changed the cart: only what stayed was wanted for certain.
            let after = self.cart(&asked.who).await;
            wanted.retain(|product, units| after.get(product) == Some(units));
        }
        let told = Told {
            who: asked.who.uid.to_string(),
            route: asked.route.to_owned(),
            path: asked.path.clone(),
            key: asked.key.clone(),
            status,
            body,
            replayed,
            healing,
            wanted,
        };
        lock(&self.told).push(told.clone());
        Some(told)
    }

    async fn ask(
        &self,
        environment: &Environment,
        who: &Shopper,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Option<(u16, Value, bool)> {
        let mut request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {}", who.token));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = request.header("content-type", "application/json").body(Body::from(body)).expect("a request");
        environment.serve(request).await
    }

    /// Delivers an event that the provider signed, or that somebody else did.
    pub async fn deliver(&self, environment: &Environment, event: &PaymentEvent, forged: bool) -> Option<u16> {
        let (body, signature) = self.payments.sends(event, self.clock.now());
        let signature = if forged { signature.replace("v1=", "v1=00") } else { signature };
        let signature = if forged { signature[..signature.len() - 2].to_owned() } else { signature };
        let request =
            Request::builder().method("POST").uri("/payments/webhooks/local").header("payment-signature", signature);
        let request = request.header("content-type", "application/json").body(Body::from(body)).expect("a request");
        environment.serve(request).await.map(|(status, ..)| status)
    }

    /// An event about an order, with an id of its own.
    pub fn event(&self, order: &str, news: PaymentNews) -> PaymentEvent {
        let number = self.events.fetch_add(1, Ordering::Relaxed);
        let id = format!("evt_{number}").parse().expect("an id");
        PaymentEvent { id, about: About::Order(order.parse().expect("an order's id")), news }
    }

    /// A refund in the provider's dashboard, if so much is left of the payment.
    pub fn refund_by_hand(&self, payment: &Entry, cents: i64) {
        let order = payment.order.parse().expect("an order's id");
        let made = self.payments.refund_by_hand(order, Money::amount(cents, Currency::USD));
        if let Some(made) = made.expect("the ledger is in memory") {
            self.will_send(payment, PaymentNews::RefundedByHand(made));
        }
    }

    /// The first refund by hand of a payment that has not failed does.
    pub fn fail_by_hand(&self, payment: &Entry) {
        let order = payment.order.parse().expect("an order's id");
        let failed = (1..10).find_map(|n| self.payments.fail_by_hand(order, n).expect("the ledger is in memory"));
        if let Some(failed) = failed {
            self.will_send(payment, PaymentNews::RefundedByHand(failed));
        }
    }

    /// The customer's bank disputes a payment, or, if it does already, decides.
    pub fn dispute(&self, payment: &Entry, won: bool) {
        let mut disputes = lock(&self.disputes);
        let dispute = match disputes.iter_mut().find(|(order, _)| *order == payment.order) {
            Some((_, dispute)) if dispute.state == DisputeState::Open => {
                dispute.state = if won { DisputeState::Won } else { DisputeState::Lost };
                dispute.clone()
            }
            Some(_) => return,
            None => {
                let id = format!("dispute_{}", disputes.len()).parse().expect("an id");
                let amount = Money::amount(payment.amount, Currency::USD);
                let dispute = Dispute { id, amount, reason: None, state: DisputeState::Open };
                disputes.push((payment.order.clone(), dispute.clone()));
                dispute
            }
        };
        drop(disputes);
        self.will_send(payment, PaymentNews::Disputed(dispute));
    }

    fn will_send(&self, payment: &Entry, news: PaymentNews) {
        let number = self.events.fetch_add(1, Ordering::Relaxed);
        let id = format!("evt_{number}").parse().expect("an id");
        lock(&self.by_hand).push(PaymentEvent { id, about: About::Payment(payment.reference.clone()), news });
    }

    /// Events of what was done at the provider by hand, oldest first.
    pub fn events_by_hand(&self) -> Vec<PaymentEvent> {
        lock(&self.by_hand).clone()
    }

    /// Runs the sweeper. `None` if the environment died or the table could not be read.
    pub async fn sweep(&self, environment: &Environment) -> Option<Swept> {
        tokio::select! {
            biased;
            () = environment.plan.crashed() => None,
            swept = sweeper::sweep(&environment.sweeper, None) => swept.ok(),
        }
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    pub fn told(&self) -> Vec<Told> {
        lock(&self.told).clone()
    }

    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }

    /// The ids of orders that the provider or a client has heard of.
    pub fn known_orders(&self) -> Vec<String> {
        let told = self.told();
        let told = told.iter().filter_map(|t| t.body["orderId"].as_str().map(str::to_owned));
        let charged = self.payments.attempts().into_iter().map(|entry| entry.order);
        told.chain(charged).collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub fn injected(&self) -> BTreeMap<Fault, usize> {
        let mut injected = BTreeMap::new();
        for (plan, _) in lock(&self.environments).iter() {
            for (fault, times) in plan.injected() {
                *injected.entry(fault).or_default() += times;
            }
        }
        injected
    }

    /// How often the planted bug made a difference.
    pub fn bug_actions(&self) -> usize {
        lock(&self.environments).iter().map(|(plan, _)| plan.bug_actions()).sum()
    }

    /// The faults have stopped. The sweeper alone settles what is open; what clients ask again then hears what became of
    /// it; and the projections are repaired from the stream, as its consumer will.
    pub async fn heal(&self, clients_ask_first: bool) {
        let healthy = self.environment(Plan::none()).await;
        self.advance(30);
        if clients_ask_first {
            for asked in self.asked() {
                self.tell(&healthy, &asked, true).await;
            }
        }
        self.advance(20 * 60);
        self.sweep_all(&healthy).await;
        // Only what came to something is asked again: anything else would be a new purchase.
        let recorded = self.recorded().await;
        for asked in self.asked().into_iter().filter(|a| recorded.contains(&(a.who.uid.to_string(), a.key.clone()))) {
            self.tell(&healthy, &asked, true).await;
        }
        self.advance(20 * 60);
        self.sweep_all(&healthy).await;
        // Every payment has an outcome now, so that no event comes too early.
        for event in self.events_by_hand().into_iter().rev() {
            self.deliver(&healthy, &event, false).await;
        }
        self.advance(2 * 60);
        self.sweep_all(&healthy).await;
        for change in stream::read(&self.engine.dynamodb, &self.name, &self.http).await {
            let order =
                change.pk.strip_prefix("ORDER#").filter(|_| change.sk == "STATUS").and_then(|id| id.parse().ok());
            let Some(order) = order else { continue };
            if let Some(order) = self.table.order_get_for_shop(order).await.expect("the table answers") {
                self.table.order_project(&order).await.expect("the table answers");
            }
        }
    }

    async fn sweep_all(&self, healthy: &Environment) {
        for _ in 0..20 {
            match self.sweep(healthy).await {
                Some(swept) if swept.due == 0 => return,
                // One refund of an order a run, and whatever was put off.
                _ => self.advance(2 * 60 * 60),
            }
        }
    }

    /// Which keys have an idempotency record: customer and key.
    async fn recorded(&self) -> BTreeSet<(String, String)> {
        let record = |item: &Value| {
            let mut parts = item["PK"].as_str()?.strip_prefix("IDEM#")?.split('#');
            Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
        };
        self.dump().await.iter().filter_map(record).collect()
    }

    pub async fn dump(&self) -> Vec<Value> {
        dump::items(&self.engine.dynamodb, &self.name, &self.http).await
    }

    /// Everything the checker judges by.
    pub async fn evidence(&self) -> Evidence {
        let extra = lock(&self.environments).iter().flat_map(|(_, p)| p.extra_entries()).collect::<Vec<_>>();
        let ledger = self.payments.attempts().into_iter().chain(extra).map(|entry| checker::Entry {
            by_hand: entry.by_hand().map(|id| id.to_string()),
            order: entry.order,
            attempt: match entry.attempt {
                payments::Attempt::Captured => checker::Attempt::Captured,
                payments::Attempt::Declined => checker::Attempt::Declined,
                payments::Attempt::Closed => checker::Attempt::Closed,
                payments::Attempt::Refunded(number) => checker::Attempt::Refunded(number),
                payments::Attempt::RefundedByHand(_) => checker::Attempt::RefundedByHand,
                payments::Attempt::ByHandFailed(_) => checker::Attempt::ByHandFailed,
            },
            amount: entry.amount,
            currency: entry.currency,
        });
        let disputes = lock(&self.disputes).clone();
        let disputes = disputes.into_iter().map(|(order, dispute)| checker::Dispute {
            order,
            id: dispute.id.to_string(),
            state: dispute.state.as_str(),
        });
        Evidence {
            table: self.dump().await,
            stream: stream::read(&self.engine.dynamodb, &self.name, &self.http).await,
            ledger: ledger.collect(),
            disputes: disputes.collect(),
            told: self.told(),
            initial_stock: lock(&self.initial_stock).clone(),
        }
    }
}

impl Environment {
    async fn serve(&self, request: Request) -> Option<(u16, Value, bool)> {
        let answer = async {
            let response = self.router.clone().oneshot(request).await.expect("a router is infallible");
            let (status, replayed) =
                (response.status().as_u16(), response.headers().contains_key("idempotency-replayed"));
            let body = response.into_body().collect().await.expect("a body").to_bytes();
            (status, serde_json::from_slice(&body).unwrap_or(Value::Null), replayed)
        };
        tokio::select! {
            biased;
            () = self.plan.crashed() => None,
            answer = answer => Some(answer),
        }
    }
}

fn config(engine: &Endpoints, name: &str, http: SharedHttpClient) -> TableConfig {
    let (table, bucket) = (name.to_owned(), local::BUCKET.to_owned());
    TableConfig { table, bucket, endpoints: Some(engine.clone()), timeouts: Timeouts::LOCAL, http }
}

async fn session(table: &Table, clock: &Clock, uid: UserId) -> Shopper {
    let (token, now, kind) = (Token::issue(&uid), clock.now(), SessionKind::Guest);
    let lifetime = SessionLifetime::start(kind, now);
    let id = token.session_id();
    let new = NewSession { id, uid: uid.clone(), kind, device: "test".to_owned(), created_at: now, lifetime };
    table.session_open_guest(&new).await.expect("the table answers");
    Shopper { uid, token: token.reveal() }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
