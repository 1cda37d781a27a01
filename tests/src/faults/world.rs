//! A small shop for one run: a table of its own, a payment provider, a clock, and environments that die.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use api::{Context, Cursors, Policy, Routes, edge, rates::Rates, token::Token};
use aws_sdk_dynamodb::config::SharedHttpClient;
use axum::{Router, body::Body, extract::Request};
use domain::{
    AccountLink, Currency, Customer, CustomerName, Dispute, DisputeState, Email, Money, Product, ProductDetails,
    ProductId, ProductName, Quantity, Role, Sale, SaleId, SaleRequest, SaleTerms, UserId,
};
use domain::{SessionKind, SessionLifetime, Timestamp};
use http_body_util::BodyExt;
use jiff::SignedDuration;
use links::{Link, LinkKeys, Purpose};
use payments::{Entry, EventSubject, LocalPayments, PaymentEvent, PaymentEventKind, PaymentProvider};
use runtime::Clock;
use saga::Saga;
use serde_json::{Value, json};
use sweeper::SweepReport;
use table::{
    Endpoints, Existing, Idempotency, ImportOutcome, ImportRecord, NewSession, Place, ProductRecord, SaleCreateError,
    Says, Table, TableConfig, TableNames, Timeouts, Transport, keys::DataKind,
};
use tower::ServiceExt;

use super::{
    bugs::Bug,
    checker::{self, Evidence, ShopAnswer},
    freezer::Freezer,
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
/// The password that [`World::change_password`] sets.
const NEW_PASSWORD: &str = "staple battery horse";

pub const REFRESH: &str = "POST /orders/{orderId}/payment/refresh";
pub const REFUND: &str = "POST /admin/orders/{orderId}/refund";

/// The key of the links in mails.
const LINK_KEY: [u8; 32] = [2; 32];

/// The shop of a run. Every request goes through an [`Environment`].
pub struct World {
    engine: Endpoints,
    /// Shared, because to make one reads every certificate of the machine.
    http: SharedHttpClient,
    tables: TableNames,
    pub clock: Clock,
    /// Without faults.
    pub table: Table,
    pub payments: Arc<LocalPayments>,
    bug: Option<Bug>,
    earlier: EarlierAnswers,
    totals: Totals,
    answers: Mutex<Vec<ShopAnswer>>,
    unavailable: Mutex<Vec<String>>,
    asked: Mutex<Vec<ShopRequest>>,
    initial_stock: Mutex<BTreeMap<String, i64>>,
    environments: Mutex<Vec<(Plan, Arc<FaultyPayments>)>>,
    keys: AtomicUsize,
    events: AtomicU64,
    /// Events of what was done at the provider by hand. They are sent again and again until the end.
    by_hand: Mutex<Vec<PaymentEvent>>,
    disputes: Mutex<Vec<(String, Dispute)>>,
    pub admin: Shopper,
}

/// A customer or a guest with a session.
#[derive(Debug, Clone)]
pub struct Shopper {
    pub uid: UserId,
    token: String,
}

/// A request under an idempotency key, to be retried.
#[derive(Debug, Clone)]
pub struct ShopRequest {
    pub who: Shopper,
    pub route: &'static str,
    pub path: String,
    pub key: String,
    pub body: Value,
}

/// A sale to create; the same again for a retry.
#[derive(Debug, Clone, Copy)]
pub struct SaleOf<'a> {
    pub product: &'a ProductId,
    pub units: i64,
    pub limit: i64,
    /// Seconds.
    pub lasts: i64,
    pub at: Timestamp,
}

/// One Lambda environment of every function: it dies at the first crash of its plan, with all that runs in it.
#[derive(Clone)]
pub struct Environment {
    pub plan: Plan,
    table: Table,
    freezer: Freezer,
    router: Router,
    sweeper: sweeper::State,
}

impl World {
    pub async fn open(engine: &Endpoints, http: &SharedHttpClient, tables: TableNames, bug: Option<Bug>) -> Self {
        let clock = Clock::manual("2040-01-15T10:00:00Z".parse::<Timestamp>().expect("a time"));
        let (table, _) = config(engine, &tables, http.clone().into()).connect();
        table.create().await.expect("the engine makes a table");
        let admin = Customer {
            id: "staff".parse().expect("an id"),
            name: CustomerName::parse("Staff").expect("a name"),
            email: Email::parse("staff@shop.example").expect("an e-mail"),
            email_verified: false,
            email_owned: false,
            role: Role::Admin,
            created_at: clock.now(),
        };
        table.customer_register(&admin, "no password", None, None, None).await.expect("the table is new");
        let admin = session(&table, &clock, admin.id).await;
        Self {
            engine: engine.clone(),
            http: http.clone(),
            tables,
            clock,
            table,
            payments: Arc::default(),
            bug,
            earlier: EarlierAnswers::default(),
            totals: Totals::default(),
            answers: Mutex::default(),
            unavailable: Mutex::default(),
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
        self.environment_with(plan, None).await
    }

    /// An environment with rate limits.
    pub async fn environment_with(&self, plan: Plan, rates: Option<Rates>) -> Environment {
        let http = FaultyHttp::new(self.http.clone(), plan.clone())
            .with_bug(self.bug, self.payments.clone())
            .remembering(self.earlier.clone());
        let freezer = Freezer::new(self.clock.clone());
        let (table, _) = config(&self.engine, &self.tables, self.transport(http, freezer.clone())).connect();
        let payments =
            Arc::new(FaultyPayments::new(self.payments.clone(), plan.clone(), self.bug).knowing(self.totals.clone()));
        lock(&self.environments).push((plan.clone(), payments.clone()));
        let provider: Arc<dyn PaymentProvider> = payments;
        let sweeper = sweeper::State::new(Saga::new(table.clone(), provider.clone()), self.clock.clone());
        let context = Context::new(
            table,
            self.clock.clone(),
            Cursors::new(&[[1; 32]]),
            Policy { rates, address_required: false, ..Policy::default() },
        );
        let routes = Routes::<()>::new()
            .merge(cart::router(cart::State::new(context.clone())))
            .merge(orders::router(orders::State::new(context.clone(), provider, LinkKeys::new(&[LINK_KEY]))))
            .merge(sessions::router(sessions::State::new(context.clone(), LinkKeys::new(&[LINK_KEY]))));
        Environment {
            plan,
            table: context.table.clone(),
            freezer,
            router: edge::finish(routes.into_router(), &context),
            sweeper,
        }
    }

    /// Pools of connections that a peer closes while the environment is frozen.
    fn transport(&self, http: FaultyHttp, freezer: Freezer) -> Transport {
        let new_pool = move |_| http.clone().with_connections(freezer.clone()).into_shared();
        let clock = self.clock.clone();
        match self.bug {
            // As if idle time were measured by a clock that stops while an environment is frozen.
            Some(Bug::WritesOnOldConnections) => {
                let frozen = clock.now();
                Transport::new(new_pool, move || frozen)
            }
            _ => Transport::new(new_pool, move || clock.now()),
        }
    }

    pub async fn product(&self, id: &str, price: i64, stock: i64) -> ProductId {
        let record = record(id, price, self.clock.now());
        let id = record.product.id.clone();
        let created = self.table.product_create(&record, stock, &self.admin.uid, uuid::Uuid::now_v7()).await;
        created.expect("the product is new");
        lock(&self.initial_stock).insert(id.to_string(), stock);
        id
    }

    /// Staff create a sale of a product at 5.00, which starts in 10 seconds. `None` if the environment
    /// died, and `false` if the shop did not do it, or does not know whether it did.
    pub async fn create_sale(&self, environment: &Environment, of: &SaleOf<'_>) -> Option<bool> {
        let _invocation = environment.freezer.invoke();
        tokio::select! {
            biased;
            () = environment.plan.crashed() => None,
            created = self.create_and_prepare(&environment.table, of) => Some(created),
        }
    }

    async fn create_and_prepare(&self, table: &Table, of: &SaleOf<'_>) -> bool {
        let now = of.at;
        let seconds = SignedDuration::from_secs;
        let terms = SaleTerms {
            price: Money::price(500, Currency::USD).expect("a price"),
            starts_at: now + seconds(10),
            ends_at: now + seconds(10 + of.lasts),
            limit: Quantity::new(of.limit).ok(),
        };
        let request = SaleRequest::parse(of.product.clone(), terms, of.units, 300, now).expect("a sale");
        let id = SaleId::from(self.clock.uuid_v7());
        let Ok(Some(page)) = table.product_get_consistent(of.product).await else { return false };
        let sale = Sale::new(id, request, "A thing".to_owned(), page.incarnation, self.admin.uid.clone(), now);
        let key = "the-key-of-the-one-sale".parse().expect("a key");
        let request = Idempotency {
            customer: self.admin.uid.clone(),
            key,
            route: "POST /admin/sales".to_owned(),
            payload_sha256: "the same each time".to_owned(),
        };
        match table.sale_create(&sale, &request, &id.to_string()).await {
            Ok(()) => table.sale_prepare_rest(sale).await.is_ok(),
            Err(SaleCreateError::Repeated(_)) => true,
            Err(_) => false,
        }
    }

    /// A registered customer who is logged in.
    pub async fn customer(&self, uid: &str, email: &str) -> Shopper {
        let password = domain::Password::choose(crate::PASSWORD).expect("a password");
        let hash = sessions::Passwords::default().hash(password).await.expect("there is memory");
        let customer = Customer {
            id: uid.parse().expect("an id"),
            name: CustomerName::parse("Bob").expect("a name"),
            email: Email::parse(email).expect("an e-mail"),
            email_verified: false,
            email_owned: false,
            role: Role::Customer,
            created_at: self.clock.now(),
        };
        self.table.customer_register(&customer, &hash, None, None, None).await.expect("they are new");
        session(&self.table, &self.clock, customer.id).await
    }

    /// Replaces a password's hash by an older, weaker one.
    pub async fn weaken_hash(&self, email: &str, hash: &str) {
        let email = Email::parse(email).expect("an e-mail");
        let credential = self.table.credential_get(&email).await.expect("the table answers").expect("it is there");
        let replaced = self.table.credential_replace(&email, &credential, hash).await;
        assert!(replaced.expect("the table answers"));
    }

    /// A guest logs in; the status, or `None` if the environment died.
    pub async fn login(&self, environment: &Environment, guest: &Shopper, email: &str) -> Option<u16> {
        self.log_in(environment, guest, email).await.map(|(status, _)| status)
    }

    /// Like [`World::login`], and returns the new session, too.
    pub async fn log_in(
        &self,
        environment: &Environment,
        guest: &Shopper,
        email: &str,
    ) -> Option<(u16, Option<Shopper>)> {
        let body = json!({"email": email, "password": crate::PASSWORD});
        let (status, answer, _) = self.ask(environment, guest, "POST", "/sessions", None, &body).await?;
        Some((status, Shopper::of(&answer)))
    }

    /// Changes the password from the one that all have to another; the status and the new session.
    pub async fn change_password(&self, environment: &Environment, who: &Shopper) -> Option<(u16, Option<Shopper>)> {
        let body = json!({"currentPassword": crate::PASSWORD, "newPassword": NEW_PASSWORD});
        let (status, answer, _) = self.ask(environment, who, "PATCH", "/users/me", None, &body).await?;
        Some((status, Shopper::of(&answer)))
    }

    /// A request without a session; the status, or `None` if the environment died.
    pub async fn post(&self, environment: &Environment, path: &str, body: &Value) -> Option<u16> {
        let request = Request::builder().method("POST").uri(path).header("content-type", "application/json");
        let request = request.body(Body::from(body.to_string())).expect("a request");
        environment.serve(request).await.map(|(status, ..)| status)
    }

    /// The token of a link, as the mail has it.
    pub fn link_token(&self, link: &AccountLink) -> String {
        let (purpose, subject) = (Purpose::Account(link.action), link.customer.to_string());
        let link = Link { purpose, subject, request: link.id.as_uuid(), expires_at: link.expires_at };
        LinkKeys::new(&[LINK_KEY]).token(&link).reveal().to_owned()
    }

    /// Makes it possible that a stale read finds the partition of an order empty.
    pub fn recall_nothing_of(&self, order: &str) {
        self.earlier.recall_nothing_of(self.tables.of(DataKind::Orders), order);
    }

    /// Whether a token is still valid.
    pub async fn is_open(&self, who: &Shopper) -> bool {
        let token = Token::parse(&who.token).expect("a token");
        let session = self.table.session_get(&who.uid, &token.session_id()).await.expect("the table answers");
        session.is_some_and(|session| session.lifetime.is_live(self.clock.now()))
    }

    /// Whether the password that [`World::change_password`] sets can be used to log in.
    pub async fn new_password_works(&self, environment: &Environment, email: &str) -> bool {
        let stranger = self.shopper("stranger").await;
        let body = json!({"email": email, "password": NEW_PASSWORD});
        let answer = self.ask(environment, &stranger, "POST", "/sessions", None, &body).await;
        answer.is_some_and(|(status, ..)| status == 201)
    }

    /// Imports a product that may exist already. `None` if the environment died.
    pub async fn load(&self, environment: &Environment, id: &str, price: i64, stock: i64) -> Option<bool> {
        let _invocation = environment.freezer.invoke();
        let imports = [ImportRecord { record: record(id, price, self.clock.now()), stock, says: Says::Everything }];
        tokio::select! {
            biased;
            () = environment.plan.crashed() => None,
            loaded = environment.table.products_import(&imports, Existing::Keep, "import", self.clock.now()) => {
                Some(loaded.is_ok_and(|outcomes| outcomes != [ImportOutcome::Unwritten]))
            }
        }
    }

    /// Deletes a product and creates another one under its id. `None` if the environment died.
    pub async fn replace(&self, environment: &Environment, id: &ProductId, price: i64, stock: i64) -> Option<()> {
        let _invocation = environment.freezer.invoke();
        let replaced = async {
            let table = &environment.table;
            if let Ok(Some(page)) = table.product_get_consistent(id).await {
                drop(table.product_delete(&page, &self.admin.uid, uuid::Uuid::now_v7()).await);
            }
            let record = record(id.as_str(), price, self.clock.now());
            drop(table.product_create(&record, stock, &self.admin.uid, uuid::Uuid::now_v7()).await);
        };
        tokio::select! {
            biased;
            () = environment.plan.crashed() => None,
            () = replaced => Some(()),
        }
    }

    /// Reads a path; the status, or `None` if the environment died.
    pub async fn get(&self, environment: &Environment, who: &Shopper, path: &str) -> Option<u16> {
        self.ask(environment, who, "GET", path, None, &Value::Null).await.map(|(status, ..)| status)
    }

    pub async fn shopper(&self, uid: &str) -> Shopper {
        session(&self.table, &self.clock, uid.parse().expect("an id")).await
    }

    /// A customer, whose session ends when it is idle, as no guest's does.
    pub async fn logged_in(&self, uid: &str) -> Shopper {
        session_of(&self.table, &self.clock, uid.parse().expect("an id"), SessionKind::Customer).await
    }

    pub async fn add(&self, environment: &Environment, who: &Shopper, product: &ProductId, units: i64) -> Option<u16> {
        self.add_under(environment, who, product, units, None).await
    }

    /// As [`World::add`], under a key.
    pub async fn add_under(
        &self,
        environment: &Environment,
        who: &Shopper,
        product: &ProductId,
        units: i64,
        key: Option<&str>,
    ) -> Option<u16> {
        let body = json!({"productId": product.as_str(), "quantity": units});
        self.ask(environment, who, "POST", "/cart/items", key, &body).await.map(|(status, ..)| status)
    }

    /// A shopper's cart as it is stored.
    pub async fn cart(&self, who: &Shopper) -> BTreeMap<String, i64> {
        let token = Token::parse(&who.token).expect("a token");
        let found = self.table.session_and_cart_get(&who.uid, &token.session_id()).await.expect("the table answers");
        let lines = found.map(|f| f.cart.lines).unwrap_or_default();
        lines.into_iter().map(|(id, line)| (id.to_string(), line.quantity.units().into())).collect()
    }

    /// A checkout of what is in the cart, under a key of its own.
    pub fn checkout(&self, who: &Shopper, token: &str) -> ShopRequest {
        let contact = json!({"email": format!("{}@shopper.example", who.uid)});
        let body = json!({"payment": {"token": token}, "contact": contact});
        let asked = self.request(who, PLACE, "/orders".to_owned(), body);
        lock(&self.asked).push(asked.clone());
        asked
    }

    /// A request about an order, under a key of its own.
    pub fn about(&self, who: &Shopper, route: &'static str, order: &str, body: Value) -> ShopRequest {
        let (_, template) = route.split_once(' ').expect("a method and a path");
        let asked = self.request(who, route, template.replace("{orderId}", order), body);
        lock(&self.asked).push(asked.clone());
        asked
    }

    fn request(&self, who: &Shopper, route: &'static str, path: String, body: Value) -> ShopRequest {
        let key = format!("the-key-with-number-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        ShopRequest { who: who.clone(), route, path, key, body }
    }

    /// Asks the shop to look at the payment of an order.
    pub async fn refresh(&self, environment: &Environment, who: &Shopper, order: &str) -> Option<ShopAnswer> {
        let asked = self.request(who, REFRESH, format!("/orders/{order}/payment/refresh"), Value::Null);
        self.send(environment, &asked, false).await
    }

    /// A customer answers the question of their bank about an order.
    pub fn answer_challenge(&self, order: &str, authorises: bool) {
        let secret = self.payments.client_secret(order.parse().expect("an order's id"));
        self.payments.answer_challenge(secret.reveal(), authorises).expect("the ledger is in memory");
    }

    /// Sends a request, and remembers the answer. `None` if the environment died.
    pub async fn send(&self, environment: &Environment, asked: &ShopRequest, healing: bool) -> Option<ShopAnswer> {
        let mut wanted = if asked.route == PLACE { self.cart(&asked.who).await } else { BTreeMap::new() };
        let (status, body, replayed) =
            self.ask(environment, &asked.who, "POST", &asked.path, Some(&asked.key), &asked.body).await?;
        if asked.route == PLACE && status == 409 {
            // Other requests of the same customer may have changed the cart: only unchanged lines were wanted for
            // certain.
            let after = self.cart(&asked.who).await;
            wanted.retain(|product, units| after.get(product) == Some(units));
        }
        let answer = ShopAnswer {
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
        lock(&self.answers).push(answer.clone());
        Some(answer)
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
        let suffered = environment.plan.suffered();
        let answer = environment.serve(request).await?;
        if answer.0 == 503 && answer.1["code"] == "outcome_unknown" && environment.plan.suffered() == suffered {
            lock(&self.unavailable).push(format!("{method} {path}"));
        }
        Some(answer)
    }

    /// Delivers an event with the provider's signature, or with a forged one.
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
    pub fn event(&self, order: &str, kind: PaymentEventKind) -> PaymentEvent {
        let number = self.events.fetch_add(1, Ordering::Relaxed);
        let id = format!("evt_{number}").parse().expect("an id");
        PaymentEvent { id, subject: EventSubject::Order(order.parse().expect("an order's id")), kind }
    }

    /// A refund in the provider's dashboard, if so much is left of the payment.
    pub fn refund_by_hand(&self, payment: &Entry, cents: i64) {
        let order = payment.order.parse().expect("an order's id");
        let made = self.payments.refund_by_hand(order, Money::amount(cents, Currency::USD));
        if let Some(made) = made.expect("the ledger is in memory") {
            self.will_send(payment, PaymentEventKind::RefundedByHand(made));
        }
    }

    /// The first refund by hand of a payment that has not failed yet fails.
    pub fn fail_by_hand(&self, payment: &Entry) {
        let order = payment.order.parse().expect("an order's id");
        let failed = (1..10).find_map(|n| self.payments.fail_by_hand(order, n).expect("the ledger is in memory"));
        if let Some(failed) = failed {
            self.will_send(payment, PaymentEventKind::RefundedByHand(failed));
        }
    }

    /// The customer's bank disputes a payment; at most two disputes about one payment.
    pub fn dispute(&self, payment: &Entry) {
        let mut disputes = lock(&self.disputes);
        if disputes.iter().filter(|(order, _)| *order == payment.order).count() >= 2 {
            return;
        }
        let id = format!("dispute_{}", disputes.len()).parse().expect("an id");
        let amount = Money::amount(payment.amount, Currency::USD);
        let dispute = Dispute { id, amount, reason: None, state: DisputeState::Open };
        disputes.push((payment.order.clone(), dispute.clone()));
        drop(disputes);
        self.will_send(payment, PaymentEventKind::Disputed(dispute));
    }

    /// The customer's bank decides the newest dispute about a payment that is open.
    pub fn decide_dispute(&self, payment: &Entry, won: bool) {
        let mut disputes = lock(&self.disputes);
        let of_payment = disputes.iter_mut().rev().filter(|(order, _)| *order == payment.order);
        let Some((_, dispute)) = of_payment.into_iter().find(|(_, d)| d.state == DisputeState::Open) else { return };
        dispute.state = if won { DisputeState::Won } else { DisputeState::Lost };
        let decided = dispute.clone();
        drop(disputes);
        self.will_send(payment, PaymentEventKind::Disputed(decided));
    }

    fn will_send(&self, payment: &Entry, kind: PaymentEventKind) {
        let number = self.events.fetch_add(1, Ordering::Relaxed);
        let id = format!("evt_{number}").parse().expect("an id");
        lock(&self.by_hand).push(PaymentEvent { id, subject: EventSubject::Payment(payment.reference.clone()), kind });
    }

    /// Events of what was done at the provider by hand, oldest first.
    pub fn events_by_hand(&self) -> Vec<PaymentEvent> {
        lock(&self.by_hand).clone()
    }

    /// Runs the sweeper. `None` if the environment died or the table could not be read.
    pub async fn sweep(&self, environment: &Environment) -> Option<SweepReport> {
        let _invocation = environment.freezer.invoke();
        tokio::select! {
            biased;
            () = environment.plan.crashed() => None,
            swept = sweeper::sweep(&environment.sweeper, None) => swept.ok(),
        }
    }

    pub fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    pub fn answers(&self) -> Vec<ShopAnswer> {
        lock(&self.answers).clone()
    }

    pub fn asked(&self) -> Vec<ShopRequest> {
        lock(&self.asked).clone()
    }

    /// The ids of orders that the provider knows or that a client was answered.
    pub fn known_orders(&self) -> Vec<String> {
        let answers = self.answers();
        let answered = answers.iter().filter_map(|t| t.body["orderId"].as_str().map(str::to_owned));
        let charged = self.payments.attempts().into_iter().map(|entry| entry.order);
        answered.chain(charged).collect::<BTreeSet<_>>().into_iter().collect()
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

    /// Recovers after the faults have stopped. The sweeper settles what is open; clients retry and get the outcome; and
    /// the projections are repaired from the stream, as its consumer does it.
    pub async fn heal(&self, clients_ask_first: bool) {
        let healthy = self.environment(Plan::none()).await;
        self.advance(30);
        if clients_ask_first {
            for asked in self.asked() {
                self.send(&healthy, &asked, true).await;
            }
        }
        self.advance(20 * 60);
        self.sweep_all(&healthy).await;
        // Only requests with a record are retried: any other would be a new purchase.
        let recorded = self.recorded().await;
        for asked in self.asked().into_iter().filter(|a| recorded.contains(&(a.who.uid.to_string(), a.key.clone()))) {
            self.send(&healthy, &asked, true).await;
        }
        self.advance(20 * 60);
        self.sweep_all(&healthy).await;
        // Every payment has an outcome now, so that no event comes too early.
        for event in self.events_by_hand().into_iter().rev() {
            self.deliver(&healthy, &event, false).await;
        }
        self.advance(2 * 60);
        self.sweep_all(&healthy).await;
        let changes = stream::read(&self.engine.dynamodb, &self.tables, &self.http).await;
        for change in &changes {
            let guest = change.pk.strip_prefix("USER#").filter(|_| change.sk == "ACCOUNT");
            if let Some(guest) = guest.and_then(|uid| uid.parse().ok()) {
                projections::claim_all(&self.table, &guest, self.clock.now()).await.expect("the table answers");
            }
        }
        for change in changes {
            let order =
                change.pk.strip_prefix("ORDER#").filter(|_| change.sk == "STATUS").and_then(|id| id.parse().ok());
            let Some(order) = order else { continue };
            if let Some(order) = self.table.order_get_for_shop(order).await.expect("the table answers") {
                let account = self.table.guest_account_get(&order.customer).await.expect("the table answers");
                if let Some(account) = account.filter(|_| order.guest) {
                    let claimed =
                        projections::claim(&self.table, order.id, &order.customer, &account, self.clock.now());
                    claimed.await.expect("the table answers");
                    continue;
                }
                self.table.order_project(&order).await.expect("the table answers");
            }
        }
    }

    async fn sweep_all(&self, healthy: &Environment) {
        for _ in 0..20 {
            match self.sweep(healthy).await {
                Some(swept) if swept.due == 0 => return,
                // A run pays one refund of an order, and skips orders that were postponed.
                _ => self.advance(2 * 60 * 60),
            }
        }
    }

    /// The requests that have an idempotency record: customer and key.
    async fn recorded(&self) -> BTreeSet<(String, String)> {
        let record = |item: &Value| {
            let mut parts = item["PK"].as_str()?.strip_prefix("IDEM#")?.split('#');
            Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
        };
        self.dump().await.iter().filter_map(record).collect()
    }

    pub async fn dump(&self) -> Vec<Value> {
        dump::items(&self.engine.dynamodb, &self.tables, &self.http).await
    }

    /// The input of the checker.
    pub async fn evidence(&self) -> Evidence {
        let mut extra = lock(&self.environments).iter().flat_map(|(_, p)| p.extra_entries()).collect::<Vec<_>>();
        extra.sort_by_key(|(before, _)| *before);
        let mut ledger = self.payments.attempts();
        // From the last, so that the places of the others stay.
        extra.into_iter().rev().for_each(|(before, entry)| ledger.insert(before, entry));
        let ledger = ledger.into_iter().map(|entry| checker::Entry {
            by_hand: entry.by_hand().map(|id| id.to_string()),
            order: entry.order,
            attempt: match entry.attempt {
                payments::Attempt::Captured => checker::Attempt::Captured,
                payments::Attempt::Declined => checker::Attempt::Declined,
                payments::Attempt::Closed => checker::Attempt::Closed,
                payments::Attempt::Asked(_) => checker::Attempt::Asked,
                payments::Attempt::Authenticated => checker::Attempt::Authenticated,
                payments::Attempt::ChallengeFailed => checker::Attempt::ChallengeFailed,
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
        let secret = |answer: &ShopAnswer| {
            let secret = answer.body["payment"]["action"]["clientSecret"].as_str()?;
            Some((answer.body["orderId"].as_str()?.to_owned(), secret.to_owned()))
        };
        let secrets: BTreeSet<_> = self.answers().iter().filter_map(secret).collect();
        Evidence {
            secrets: secrets.into_iter().collect(),
            table: self.dump().await,
            stream: stream::read(&self.engine.dynamodb, &self.tables, &self.http).await,
            ledger: ledger.collect(),
            disputes: disputes.collect(),
            answers: self.answers(),
            unavailable: lock(&self.unavailable).clone(),
            initial_stock: lock(&self.initial_stock).clone(),
        }
    }
}

impl Environment {
    async fn serve(&self, request: Request) -> Option<(u16, Value, bool)> {
        let _invocation = self.freezer.invoke();
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

impl Shopper {
    /// The session that an answer opened.
    fn of(answer: &Value) -> Option<Self> {
        let token = answer["token"].as_str()?;
        Some(Self { uid: Token::parse(token)?.uid().clone(), token: token.to_owned() })
    }
}

/// A new product.
fn record(id: &str, price: i64, now: Timestamp) -> ProductRecord {
    let name = ProductName::parse(&format!("The {id}")).expect("a name");
    let details = ProductDetails::new(name, Money::price(price, Currency::USD).expect("a price"));
    let product = Product::new(id.parse().expect("an id"), details, now);
    ProductRecord { product, description: None, imported: None }
}

fn config(engine: &Endpoints, tables: &TableNames, transport: Transport) -> TableConfig {
    let (tables, bucket) = (tables.clone(), local::BUCKET.to_owned());
    TableConfig { tables, bucket, place: Place::Local(engine.clone()), timeouts: Timeouts::LOCAL, transport }
}

async fn session(table: &Table, clock: &Clock, uid: UserId) -> Shopper {
    session_of(table, clock, uid, SessionKind::Guest).await
}

async fn session_of(table: &Table, clock: &Clock, uid: UserId, kind: SessionKind) -> Shopper {
    let (token, now) = (Token::issue(&uid), clock.now());
    let lifetime = SessionLifetime::start(kind, now);
    let id = token.session_id();
    let new = NewSession { id, uid: uid.clone(), kind, device: "test".to_owned(), created_at: now, lifetime };
    table.session_open_guest(&new).await.expect("the table answers");
    Shopper { uid, token: token.reveal() }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
