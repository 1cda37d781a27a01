//! The shop of a run: its table behind the model, and the environments of its orders function, which serve the product's
//! own checkout: `POST /orders`, with the session, the cart, the counters and the payment that belong to it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use api::{Context, Cursors, Policy, edge, token::Token};
use axum::{
    Router,
    body::{Body, to_bytes},
};
use domain::{
    Cart, CartLine, Contact, Currency, Email, HoldLength, Language, Money, OpenSales, Order, OrderId, Placement,
    Product, ProductDetails, ProductId, ProductName, Quantity, Sale, SaleRequest, SaleTerms, SessionKind,
    SessionLifetime, Timestamp, UserId,
};
use dynoxide::{
    actions::{get_item::GetItemRequest, scan::ScanRequest},
    types::{AttributeValue, Item},
};
use http::{Request, StatusCode, header};
use jiff::SignedDuration;
use links::LinkKeys;
use runtime::Clock;
use serde_json::{Value, json};
use table::{
    Endpoints, Idempotency, Place, PlaceOrderError, ProductPage, ProductRecord, StoreError, Table, TableConfig,
    Timeouts, keys,
};
use tokio::sync::{Semaphore, SemaphorePermit};
use tower::ServiceExt as _;

use super::{
    constants::ENVIRONMENTS,
    provider::DistantPayments,
    service::{Rules, Service},
    wire::{Jitter, Outbox, SimulatedHttp},
};
use crate::{home, shopper::home_request};

pub const TABLE: &str = "EcommerceApp";

/// The length of a sale, longer than any run.
const SALE_LENGTH: SignedDuration = SignedDuration::from_hours(1);

/// The largest body of an answer.
const ANSWER_BYTES: usize = 1024 * 1024;

/// A shop before its run. Everything that is written before [`Shop::start`] has no limits.
pub struct Shop {
    pub service: Arc<Service>,
    jitter: Jitter,
    payments: Arc<DistantPayments>,
    places: Semaphore,
    idle: Mutex<Vec<Environment>>,
}

/// One environment of the orders function. Like Lambda's, it serves one request at a time.
pub struct Environment {
    pub context: Context,
    pub outbox: Arc<Outbox>,
    orders: Router,
}

/// An environment while it serves a request. It is free again when this is dropped.
pub struct Busy<'a> {
    shop: &'a Shop,
    environment: Option<Environment>,
    _place: SemaphorePermit<'a>,
}

impl std::ops::Deref for Busy<'_> {
    type Target = Environment;

    fn deref(&self) -> &Environment {
        self.environment.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let environment = self.environment.take();
        self.shop.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(environment);
    }
}

#[derive(Debug)]
pub struct NoEnvironment;

/// A guest with a session and a cart, who is about to check out.
pub struct Customer {
    pub uid: UserId,
    token: Token,
}

/// The answer to a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// 201: placed and paid.
    Paid,
    /// 409: fewer units are left than the cart has.
    OutOfStock,
    /// Any other, with its code: it may work later.
    Otherwise(StatusCode, String),
}

/// What became of the part of a checkout that writes the order.
#[derive(Debug)]
pub enum Placed {
    Now,
    OutOfStock,
    /// 503: it may work later.
    Busy,
}

impl Shop {
    pub async fn open(rules: Rules, jitter: Jitter) -> Self {
        let payments = Arc::new(DistantPayments::new(rules.seed));
        let service = Arc::new(Service::new(rules));
        let (places, idle) = (Semaphore::new(ENVIRONMENTS), Mutex::default());
        let shop = Self { service, jitter, payments, places, idle };
        shop.environment().context.table.create().await.expect("the engine makes a table");
        shop
    }

    pub fn start(&self) {
        self.service.start();
    }

    /// The wall clock, which follows the simulated time.
    pub fn clock(&self) -> Clock {
        self.service.clock()
    }

    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    pub fn environment(&self) -> Environment {
        let outbox = Arc::new(Outbox::default());
        let http = SimulatedHttp::new(self.service.clone(), outbox.clone(), self.jitter).into_shared();
        let endpoint = "http://dynamodb.model";
        let config = TableConfig {
            tables: table::TableNames::one(TABLE),
            bucket: "none".to_owned(),
            place: Place::Local(Endpoints { dynamodb: endpoint.to_owned(), s3: endpoint.to_owned() }),
            timeouts: Timeouts::LAMBDA,
            transport: http.into(),
        };
        let context = Context::new(config.table(), self.clock(), Cursors::new(&[[1; 32]]), Policy::default());
        let state = orders::State::new(context.clone(), self.payments.clone(), LinkKeys::new(&[[2; 32]]));
        let orders = edge::finish(orders::router::<()>(state).into_router(), &context);
        Environment { context, outbox, orders }
    }

    /// An idle environment or a new one. The one that was used last comes first.
    ///
    /// # Errors
    /// All are busy: Lambda refuses the request at once.
    pub fn serve(&self) -> Result<Busy<'_>, NoEnvironment> {
        let place = self.places.try_acquire().map_err(|_| NoEnvironment)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let environment = idle.unwrap_or_else(|| self.environment());
        environment.outbox.begin();
        Ok(Busy { shop: self, environment: Some(environment), _place: place })
    }

    /// A product with its stock.
    pub async fn product(&self, id: &str, cents: i64, stock: i64) -> ProductId {
        let name = ProductName::parse(&format!("The {id}")).expect("a name");
        let details = ProductDetails::new(name, Money::price(cents, Currency::USD).expect("a price"));
        let product = Product::new(id.parse().expect("an id"), details, self.now());
        let record = ProductRecord { product, description: None, imported: None };
        let created = self.setup().product_create(&record, stock, &staff(), self.clock().uuid_v7()).await;
        created.expect("the product is new").record.product.id
    }

    /// A sale of a product that is active now, planned by the product for this many checkouts a second.
    pub async fn sale(&self, product: &ProductId, cents: i64, units: u32, rate: f64) -> Sale {
        let table = self.setup();
        let page = table.product_get_consistent(product).await.expect("the table answers").expect("the product exists");
        let price = Money::price(cents, Currency::USD).expect("a price");
        let terms = SaleTerms { price, starts_at: self.now(), ends_at: self.now() + SALE_LENGTH, limit: None };
        let created_at = self.now() - SALE_LENGTH;
        let rate = (rate.ceil() as i64).max(1);
        let request = SaleRequest::parse(product.clone(), terms, units.into(), rate, created_at).expect("a sale");
        let name = page.record.product.details.name.as_str().to_owned();
        let sale = Sale::new(self.clock().uuid_v7().into(), request, name, page.incarnation, staff(), created_at);
        let created = table.sale_create(&sale, &idempotency(&staff(), "POST /admin/sales"), "created").await;
        created.expect("the product has the units");
        table.sale_prepare_rest(sale).await.expect("its lots are written")
    }

    fn setup(&self) -> Table {
        self.environment().context.table
    }

    /// A guest who filled their cart before. Their session and cart are in the table without a request.
    pub fn customer(&self, uid: &str, lines: &[(ProductId, CartLine)]) -> Customer {
        let uid: UserId = uid.parse().expect("an id");
        let token = Token::issue(&uid);
        let lifetime = SessionLifetime::start(SessionKind::Guest, self.now());
        let (text, number) = (AttributeValue::S as fn(String) -> _, |n: i64| AttributeValue::N(n.to_string()));
        let keyed = |key: keys::Key, attributes: Vec<(&str, AttributeValue)>| {
            let keys = [("PK", text(key.pk)), ("SK", text(key.sk))];
            keys.into_iter().chain(attributes).map(|(name, value)| (name.to_owned(), value)).collect::<Item>()
        };
        let session = vec![
            ("uid", text(uid.to_string())),
            ("guest", AttributeValue::BOOL(true)),
            ("idleExpiresAt", number(lifetime.idle_expires_at.as_millisecond())),
            ("absoluteExpiresAt", number(lifetime.absolute_expires_at.as_millisecond())),
            ("expiresAt", number(lifetime.absolute_expires_at.as_second())),
        ];
        self.service.seed(&keyed(keys::session(&token.session_id()), session), TABLE);
        let line = |(id, line): &(ProductId, CartLine)| {
            let mut stored = HashMap::from([
                ("q".to_owned(), number(line.quantity.units().into())),
                ("p".to_owned(), number(line.price_seen.amount_minor())),
                ("c".to_owned(), text(line.price_seen.currency().code().to_owned())),
            ]);
            stored.extend(line.sale.map(|sale| ("s".to_owned(), text(sale.to_string()))));
            (id.to_string(), AttributeValue::M(stored))
        };
        let lines = AttributeValue::M(lines.iter().map(line).collect());
        self.service.seed(&keyed(keys::cart(&uid), vec![("version", number(1)), ("cartLines", lines)]), TABLE);
        Customer { uid, token }
    }

    /// The order of a customer's cart of one product, from what is read now; for tests of one transaction.
    ///
    /// # Errors
    /// The product cannot be read in time.
    pub async fn order(
        &self,
        environment: &Environment,
        customer: &Customer,
        product: &ProductId,
    ) -> Result<Order, StoreError> {
        let pages = environment.context.table.products_get_consistent(std::slice::from_ref(product)).await?;
        let incarnation = |page: &ProductPage| Some((page.record.product.id.clone(), page.incarnation?));
        let incarnations: BTreeMap<_, _> = pages.iter().filter_map(incarnation).collect();
        let products: Vec<_> = pages.into_iter().map(|page| page.record.product).collect();
        let cart = Cart { version: 1, lines: [line(product, 1, None)].into(), ..Cart::default() };
        let contact = Contact { email: Email::parse(&email(customer)).expect("an e-mail"), name: None, phone: None };
        let order = Order::place(Placement {
            id: OrderId::try_from(self.clock().uuid_v7()).expect("a UUID of version 7"),
            customer: &customer.uid,
            guest: true,
            cart: &cart,
            products: &products,
            incarnations: &incarnations,
            sales: &OpenSales::default(),
            currency: Currency::USD,
            adjustments: &[],
            expected_total: None,
            contact: Some(contact),
            language: Language::En,
            ship_to: Some(home()),
            bill_to: None,
            hold: HoldLength::default(),
            now: self.now(),
        });
        Ok(order.expect("every product of the cart is sold"))
    }

    /// AP-08, once, with its retries.
    pub async fn place(&self, environment: &Environment, order: &Order) -> Placed {
        let request = idempotency(&order.customer, "POST /orders");
        match environment.context.table.order_place(order, &BTreeMap::new(), &request, self.now()).await {
            Ok(()) => Placed::Now,
            Err(PlaceOrderError::OutOfStock(_)) => Placed::OutOfStock,
            Err(PlaceOrderError::Store(_)) => Placed::Busy,
            // Every customer has a key of their own: the answer came after the SDK had given the attempt up.
            Err(PlaceOrderError::Repeated(_)) => Placed::Now,
            // And a cart of their own; and no line is of a sale.
            Err(
                error @ (PlaceOrderError::CartChanged
                | PlaceOrderError::Lots { .. }
                | PlaceOrderError::SaleLimit { .. }),
            ) => panic!("the model is wrong: {error}"),
        }
    }

    /// An item as the engine has it.
    pub fn stored(&self, pk: &str, sk: &str) -> Option<Item> {
        let key = Item::from([
            ("PK".to_owned(), AttributeValue::S(pk.to_owned())),
            ("SK".to_owned(), AttributeValue::S(sk.to_owned())),
        ]);
        let request = GetItemRequest { table_name: TABLE.to_owned(), key, ..GetItemRequest::default() };
        self.service.database().get_item(request).expect("the engine reads an item").item
    }

    /// A number in a stored item.
    pub fn number(&self, pk: &str, sk: &str, name: &str) -> Option<i64> {
        match self.stored(pk, sk)?.get(name)? {
            AttributeValue::N(number) => number.parse().ok(),
            _ => None,
        }
    }

    /// Orders in the table, by their state, as the engine has them.
    pub fn orders(&self) -> BTreeMap<String, u64> {
        let mut states = BTreeMap::new();
        let mut start = None;
        loop {
            let request = ScanRequest {
                table_name: TABLE.to_owned(),
                filter_expression: Some("SK = :status".to_owned()),
                expression_attribute_values: Some(HashMap::from([(
                    ":status".to_owned(),
                    AttributeValue::S("STATUS".to_owned()),
                )])),
                exclusive_start_key: start,
                ..ScanRequest::default()
            };
            let page = self.service.database().scan(request).expect("the engine reads its items");
            for item in page.items.into_iter().flatten() {
                if let Some(AttributeValue::S(state)) = item.get("state") {
                    *states.entry(state.clone()).or_default() += 1;
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return states;
            }
        }
    }
}

impl Environment {
    /// `POST /orders` with a card that pays, always under the same key.
    pub async fn checks_out(&self, customer: &Customer) -> Answered {
        let body = json!({
            "payment": {"token": "tok_visa"},
            "contact": {"email": email(customer)},
            "shippingAddress": home_request(),
        });
        let request = Request::post("/orders")
            .header(header::AUTHORIZATION, format!("Bearer {}", customer.token.reveal()))
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", "the-only-checkout-of-this-customer")
            .body(Body::from(body.to_string()))
            .expect("a request");
        let Ok(response) = self.orders.clone().oneshot(request).await;
        let status = response.status();
        if status == StatusCode::CREATED {
            return Answered::Paid;
        }
        let body = to_bytes(response.into_body(), ANSWER_BYTES).await.unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        match body["code"].as_str() {
            Some("out_of_stock") => Answered::OutOfStock,
            code => Answered::Otherwise(status, code.unwrap_or_default().to_owned()),
        }
    }
}

/// A line of a cart.
pub fn line(product: &ProductId, units: i64, sale: Option<&Sale>) -> (ProductId, CartLine) {
    let quantity = Quantity::new(units).expect("a quantity");
    let price_seen = sale.map_or(Money::amount(1, Currency::USD), |sale| sale.latest_terms().price);
    (product.clone(), CartLine { quantity, price_seen, sale: sale.map(|sale| sale.id) })
}

fn staff() -> UserId {
    "staff".parse().expect("an id")
}

fn email(customer: &Customer) -> String {
    format!("{}@guest.example", customer.uid)
}

fn idempotency(uid: &UserId, route: &str) -> Idempotency {
    Idempotency {
        customer: uid.clone(),
        key: format!("key-of-{uid}-000000000").parse().expect("a key"),
        route: route.to_owned(),
        payload_sha256: "0".repeat(64),
    }
}
