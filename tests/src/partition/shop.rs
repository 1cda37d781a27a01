//! The shop of a run: its table behind the model, its environments, and one checkout through the product's own methods.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig},
};
use domain::{
    Cart, CartLine, Contact, Currency, Email, HoldLength, Language, Money, OpenSales, Order, OrderId, Placement,
    Product, ProductDetails, ProductId, ProductName, Quantity, Timestamp, UserId,
};
use dynoxide::{
    actions::{get_item::GetItemRequest, scan::ScanRequest},
    types::{AttributeValue, Item},
};
use runtime::Clock;
use table::{
    Cause, Endpoints, Idempotency, Place, PlaceOrderError, ProductPage, ProductRecord, StoreError, Table, TableConfig,
    Timeouts,
};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    constants::{ENVIRONMENTS, PROVIDER},
    lots::Believed,
    random::Random,
    service::{Rules, Service},
    wire::{Jitter, Outbox, SimulatedHttp},
};
use crate::home;

pub const TABLE: &str = "EcommerceApp";
pub const SALE: &str = "friday";
const OPENED: &str = "2026-11-27T10:00:00Z";

/// A shop before its run. Everything that is written before [`Shop::start`] has no limits.
pub struct Shop {
    pub service: Arc<Service>,
    jitter: Jitter,
    opened: Timestamp,
    places: Semaphore,
    idle: Mutex<Vec<Environment>>,
}

/// One environment of the orders function. Like Lambda's, it serves one request at a time.
pub struct Environment {
    pub table: Table,
    pub client: Client,
    pub outbox: Arc<Outbox>,
    /// What it believes of the lots, once it has looked.
    pub believed: Option<Believed>,
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

impl std::ops::DerefMut for Busy<'_> {
    fn deref_mut(&mut self) -> &mut Environment {
        self.environment.as_mut().expect("it is there until it is dropped")
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

/// How a checkout reads its product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductRead {
    /// As today: the product and its stock, consistently.
    Consistent,
    /// Both, eventually consistent.
    Eventual,
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
        let shop = Self {
            service: Arc::new(Service::new(rules, SALE)),
            jitter,
            opened: OPENED.parse().expect("a time"),
            places: Semaphore::new(ENVIRONMENTS),
            idle: Mutex::default(),
        };
        shop.environment().await.table.create().await.expect("the engine makes a table");
        shop
    }

    pub fn start(&self) {
        self.service.start();
    }

    /// The wall clock, which follows the simulated time.
    pub fn clock(&self) -> Clock {
        Clock::manual(self.opened + self.service.now())
    }

    pub fn now(&self) -> Timestamp {
        self.clock().now()
    }

    pub async fn environment(&self) -> Environment {
        let outbox = Arc::new(Outbox::default());
        let http = SimulatedHttp::new(self.service.clone(), outbox.clone(), self.jitter).into_shared();
        let endpoint = "http://dynamodb.model";
        let config = TableConfig {
            tables: table::TableNames::one(TABLE),
            bucket: "none".to_owned(),
            place: Place::Local(Endpoints { dynamodb: endpoint.to_owned(), s3: endpoint.to_owned() }),
            timeouts: Timeouts::LAMBDA,
            transport: http.clone().into(),
        };
        let table = config.table();
        // For the reads of lots, until the product has them: the retries of its reads.
        let client = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(50)))
            .endpoint_url(endpoint)
            .http_client(http)
            .build();
        Environment { table, client: Client::from_conf(client), outbox, believed: None }
    }

    /// An idle environment or a new one. The one that was used last comes first.
    ///
    /// # Errors
    /// All are busy: Lambda refuses the request at once.
    pub async fn serve(&self) -> Result<Busy<'_>, NoEnvironment> {
        let place = self.places.try_acquire().map_err(|_| NoEnvironment)?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let environment = match idle {
            Some(environment) => environment,
            None => self.environment().await,
        };
        environment.outbox.begin();
        Ok(Busy { shop: self, environment: Some(environment), _place: place })
    }

    /// A product with its stock.
    pub async fn product(&self, id: &str, cents: i64, stock: i64) -> ProductId {
        let name = ProductName::parse(&format!("The {id}")).expect("a name");
        let details = ProductDetails::new(name, Money::price(cents, Currency::USD).expect("a price"));
        let product = Product::new(id.parse().expect("an id"), details, self.opened);
        let record = ProductRecord { product, description: None, imported: None };
        let staff: UserId = "staff".parse().expect("an id");
        let served = self.serve().await.expect("none is busy yet");
        let created = served.table.product_create(&record, stock, &staff, self.clock().uuid_v7()).await;
        created.expect("the product is new").record.product.id
    }

    /// The cart of a customer who is about to check out, at version 1. It was filled before.
    pub fn fill_cart(&self, customer: &UserId) {
        let item = Item::from([
            ("PK".to_owned(), AttributeValue::S(format!("USER#{customer}"))),
            ("SK".to_owned(), AttributeValue::S("CART".to_owned())),
            ("version".to_owned(), AttributeValue::N("1".to_owned())),
            ("cartLines".to_owned(), AttributeValue::M(HashMap::new())),
        ]);
        self.service.seed(&item, TABLE);
    }

    /// The order of a cart, from what is read now.
    ///
    /// # Errors
    /// The products cannot be read in time.
    pub async fn order(
        &self,
        environment: &Environment,
        customer: &UserId,
        bought: &[(ProductId, i64)],
        read: ProductRead,
    ) -> Result<Order, StoreError> {
        let ids: Vec<_> = bought.iter().map(|(id, _)| id.clone()).collect();
        let pages = match read {
            ProductRead::Consistent => environment.table.products_get_consistent(&ids).await?,
            ProductRead::Eventual => environment.table.products_get(&ids).await?,
        };
        let incarnation = |page: &ProductPage| Some((page.record.product.id.clone(), page.incarnation?));
        let incarnations: BTreeMap<_, _> = pages.iter().filter_map(incarnation).collect();
        let products: Vec<_> = pages.into_iter().map(|page| page.record.product).collect();
        let line = |(id, units): &(ProductId, i64)| {
            let price = products.iter().find(|product| product.id == *id).map(|product| product.details.price);
            let price_seen = price.unwrap_or(Money::amount(1, Currency::USD));
            (id.clone(), CartLine { quantity: Quantity::new(*units).expect("a quantity"), price_seen, sale: None })
        };
        let cart = Cart { version: 1, lines: bought.iter().map(line).collect(), ..Cart::default() };
        let contact = Contact {
            email: Email::parse(&format!("{customer}@example.com")).expect("an e-mail"),
            name: None,
            phone: None,
        };
        let order = Order::place(Placement {
            id: OrderId::try_from(self.clock().uuid_v7()).expect("a UUID of version 7"),
            customer,
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
        let request = Idempotency {
            customer: order.customer.clone(),
            key: format!("key-of-{}-000000000", order.customer).parse().expect("a key"),
            route: "POST /orders".to_owned(),
            payload_sha256: "0".repeat(64),
        };
        match environment.table.order_place(order, &BTreeMap::new(), &request, self.now()).await {
            Ok(()) => Placed::Now,
            Err(PlaceOrderError::OutOfStock(_)) => Placed::OutOfStock,
            Err(PlaceOrderError::Store(_)) => Placed::Busy,
            // Every customer has a key of their own: the answer came after the SDK had given the attempt up.
            Err(PlaceOrderError::Repeated(_)) => Placed::Now,
            // And a cart of their own; and no line is of a sale, because the model has lots of its own.
            Err(
                error @ (PlaceOrderError::CartChanged
                | PlaceOrderError::Lots { .. }
                | PlaceOrderError::SaleLimit { .. }),
            ) => panic!("the model is wrong: {error}"),
        }
    }

    /// The provider charges, and the order is confirmed and projected. Returns whether it was: otherwise it stays held
    /// until the sweeper confirms it, after this run.
    pub async fn confirm(&self, environment: &Environment, order: &Order, random: &mut Random) -> bool {
        tokio::time::sleep(random.latency(PROVIDER)).await;
        let Some(paid) = order.paid("pi_model", self.now()) else { return false };
        if environment.table.order_transition(&paid, Cause::Answer, self.now()).await.is_err() {
            return false;
        }
        // What this leaves out is repaired from the stream.
        drop(environment.table.order_project(&paid.order).await);
        true
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
