//! A shop with any number of products and as many orders.
//!
//! The product itself writes one product, and one order in each state that orders end in. The others are copies of these
//! items with other ids, prices and times, which the engine's bulk import writes, with their entries of indexes: by
//! requests it would take hours. Whether a copy is what the product would have written is checked with a second product
//! and second orders.
//!
//! The data is such that what a call reads does not depend on how much there is. All products are in one category and all
//! orders of one day, so every list of either is longer than its page; the orders of that day are spread evenly over the
//! four states and the shards of each. A customer has five orders. Not copied is what expires: idempotency records.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use domain::{
    Email, Order, OrderId, OrderNumber, OrderState, ProductId, RefundRequest, SessionKind, Timestamp, UserId,
};
use dynoxide::{Database, ImportOptions, actions::query::QueryRequest, types::Item};
use jiff::SignedDuration;
use serde_json::{Value, json};
use table::{Cause, TableNames, keys};
use tokio::net::TcpListener;

use super::{add, idempotency, order, session};
use crate::Shop;

/// Items of one bulk import.
const CHUNK: usize = 20_000;
/// Featured products, beside those that a measurement creates: a page is full.
const FEATURED: u32 = 30;
const ORDERS_OF_CUSTOMER: usize = 5;
/// How often `progress` is called.
const STEP: usize = 50_000;
const STATES: [OrderState; 4] =
    [OrderState::Confirmed, OrderState::Shipped, OrderState::Delivered, OrderState::Cancelled];

/// A shop of some size.
pub struct Filled {
    pub shop: Shop,
    /// Items that were copied.
    pub items: usize,
    /// How long that took.
    pub time: Duration,
}

impl Filled {
    /// A shop with so many products and orders, at most a million. `progress` is called with what is done.
    ///
    /// # Panics
    /// A copy is not what the product writes, or the engine refuses something.
    pub async fn open(size: usize, mut progress: impl FnMut(&str)) -> Self {
        let database = Database::memory().expect("an engine");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("a bound address"));
        tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        let shop = Shop::open_with(|o| {
            o.policy.rates = None;
            o.dynamodb_endpoint = Some(endpoint);
            // What is copied is read from one.
            o.tables = TableNames::one("EcommerceApp");
        })
        .await;
        let mut engine = Engine { database, table: shop.stack.table.name().to_owned(), pending: Vec::new(), items: 0 };
        let mut bought = Vec::new();
        for rank in 0..FEATURED {
            let featured = shop.product(&format!("featured-{rank:02}")).featured(100 + rank);
            bought.push(featured.in_category("Kitchen/Mugs").create().await);
        }
        let product = product_template(&shop, &engine).await;
        let mut orders = Vec::new();
        for state in STATES {
            orders.push(order_template(&shop, &engine, &bought[..3], state).await);
        }

        let began = Instant::now();
        for i in 0..size {
            engine.write(product.copy(&product_texts(i)));
            if (i + 1) % STEP == 0 {
                progress(&format!("{} of {size} products", i + 1));
            }
        }
        let mut ids = OrderIds { at: shop.clock.now() - SignedDuration::from_hours(9), made: 0 };
        for i in 0..size {
            let state = i % STATES.len();
            let id = ids.next(i / STATES.len());
            engine.write(orders[state].copy(&Copied::new(i, id, STATES[state]).texts()));
            if (i + 1) % STEP == 0 {
                progress(&format!("{} of {size} orders", i + 1));
            }
        }
        engine.flush();
        Self { shop, items: engine.items, time: began.elapsed() }
    }
}

/// The engine, reached without requests.
struct Engine {
    database: Database,
    table: String,
    pending: Vec<Item>,
    items: usize,
}

impl Engine {
    fn partition(&self, pk: &str) -> Vec<Value> {
        let request: QueryRequest = serde_json::from_value(json!({
            "TableName": self.table,
            "KeyConditionExpression": "PK = :pk",
            "ExpressionAttributeValues": {":pk": {"S": pk}},
        }))
        .expect("a request");
        let items = self.database.query(request).expect("the engine answers").items;
        items.into_iter().flatten().map(|item| json_of(&item)).collect()
    }

    fn write(&mut self, items: Vec<Item>) {
        self.pending.extend(items);
        if self.pending.len() >= CHUNK {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let items = std::mem::take(&mut self.pending);
        self.items += items.len();
        let imported = self.database.import_items(&self.table, items, ImportOptions::default());
        imported.expect("the engine takes the items");
    }
}

fn json_of(item: &Item) -> Value {
    serde_json::to_value(item).expect("an item is JSON")
}

/// Placeholders of what differs between the copies of an item, and the texts that stand for them.
type Texts = Vec<(&'static str, String)>;

/// Items as JSON, with placeholders.
struct Template(Vec<String>);

impl Template {
    fn of(items: &[Value], mut texts: Texts) -> Self {
        // One may contain another.
        texts.sort_by_key(|(_, text)| Reverse(text.len()));
        let with_placeholders = |item: &Value| {
            texts.iter().fold(item.to_string(), |json, (placeholder, text)| json.replace(text, placeholder))
        };
        Self(items.iter().map(with_placeholders).collect())
    }

    fn copy(&self, texts: &Texts) -> Vec<Item> {
        let copy = |json: &String| {
            let json = texts.iter().fold(json.clone(), |json, (placeholder, text)| json.replace(placeholder, text));
            serde_json::from_str(&json).expect("a copy is an item")
        };
        self.0.iter().map(copy).collect()
    }

    /// # Panics
    /// The copies are not these items; `varying` are attributes that may differ.
    fn check(&self, texts: &Texts, written: &[Value], varying: &[&str]) {
        let shown = |item: &Value| {
            let mut item = item.clone();
            item.as_object_mut().expect("an item").retain(|name, _| !varying.contains(&name.as_str()));
            item.to_string()
        };
        let copies: BTreeSet<_> = self.copy(texts).iter().map(|item| shown(&json_of(item))).collect();
        let written: BTreeSet<_> = written.iter().map(shown).collect();
        assert_eq!(copies, written, "a copy is not what the shop writes");
    }
}

const ID: &str = "<id>";
const PRICE: &str = "<price>";
const PRICE_SHARD: &str = "<price shard>";

/// The id and the price of a product that is copied.
fn product(i: usize) -> (ProductId, i64) {
    // One of 899, with four digits and no zero at the end: each has as many bytes.
    let price = 1_001 + i64::try_from(i * 7 % 899).expect("it is small") * 10;
    (format!("item-{i:06}").parse().expect("an id"), price)
}

fn product_texts(i: usize) -> Texts {
    let (id, price) = product(i);
    vec![(ID, id.to_string()), (PRICE, price.to_string()), (PRICE_SHARD, keys::price_shard(&id))]
}

async fn product_template(shop: &Shop, engine: &Engine) -> Template {
    let mut written = Vec::new();
    for i in [0, 1] {
        let (id, price) = product(i);
        shop.product(id.as_str()).priced(price).in_category("Kitchen/Mugs").create().await;
        written.push(engine.partition(&keys::product_pk(&id)));
    }
    let mut first = written[0].clone();
    for item in first.iter_mut().filter(|item| item.get("price").is_some()) {
        // By name, because the digits may be a part of something else.
        item["price"] = json!({"N": PRICE});
        item["priceShard"] = json!({"S": PRICE_SHARD});
    }
    let template = Template::of(&first, vec![(ID, product(0).0.to_string())]);
    // The stock has a random number, and the line of the ledger a random key.
    template.check(&product_texts(1), &written[1], &["SK", "incarnation"]);
    template
}

/// An order that is copied.
struct Copied {
    id: OrderId,
    state: OrderState,
    customer: UserId,
    email: Email,
    reference: String,
}

impl Copied {
    fn new(i: usize, id: OrderId, state: OrderState) -> Self {
        let customer = i / ORDERS_OF_CUSTOMER;
        Self {
            id,
            state,
            customer: format!("customer-{customer:06}").parse().expect("an id"),
            email: Email::parse(&format!("customer-{customer:06}@example.com")).expect("an e-mail"),
            reference: format!("payment-{i:07}"),
        }
    }

    fn texts(&self) -> Texts {
        let placed_at = self.id.placed_at();
        let state_day = keys::state_day(self.state, &keys::day(placed_at), keys::state_shard(self.id));
        vec![
            ("<list entry>", keys::customer_order(&self.customer, self.id).sk),
            ("<order>", self.id.to_string()),
            ("<e-mail>", self.email.as_str().to_owned()),
            ("<customer>", self.customer.to_string()),
            ("<contact>", keys::order_contact_pk(&self.email)),
            ("<number>", keys::order_number_pk(OrderNumber::from(self.id))),
            ("<reference>", self.reference.clone()),
            // With what ends it in JSON: of shard 0, it is the beginning of the others.
            ("<state and day>", format!("{state_day}\"")),
            ("<placed at>", format!("{placed_at:.3}")),
        ]
    }

    /// Without the customer's cart.
    fn items(&self, engine: &Engine) -> Vec<Value> {
        let of_customer = engine.partition(&keys::user_pk(&self.customer));
        let is_order = |item: &Value| item["SK"]["S"].as_str().is_some_and(|sk| sk.starts_with(keys::ORDER_PREFIX));
        let mut items: Vec<_> = of_customer.into_iter().filter(is_order).collect();
        items.extend(engine.partition(&keys::order_pk(self.id)));
        items.extend(engine.partition(&keys::order_number_pk(OrderNumber::from(self.id))));
        items.extend(engine.partition(&keys::order_contact_pk(&self.email)));
        items.extend(engine.partition(&keys::order_reference_pk(&self.reference.parse().expect("a reference"))));
        items
    }
}

async fn order_template(shop: &Shop, engine: &Engine, bought: &[ProductId], state: OrderState) -> Template {
    let at = STATES.iter().position(|other| *other == state).unwrap_or_default();
    let mut placed = Vec::new();
    for which in 0..2 {
        // Of customers that no copy has.
        let order = place(shop, bought, 9_000_000 + (2 * at + which) * ORDERS_OF_CUSTOMER, state).await;
        placed.push((order.texts(), order.items(engine)));
    }
    let template = Template::of(&placed[0].1, placed[0].0.clone());
    template.check(&placed[1].0, &placed[1].1, &[]);
    template
}

/// Places an order as the shop does, and lets it come to a state.
async fn place(shop: &Shop, bought: &[ProductId], number: usize, state: OrderState) -> Copied {
    let (table, now) = (&shop.stack.table, shop.clock.now());
    // The id is the order's own, as soon as it has one.
    let mut copied = Copied::new(number, OrderId::try_from(shop.clock.uuid_v7()).expect("an id"), state);
    let (_, new) = session(&copied.customer, SessionKind::Guest, now);
    table.session_open_guest(&new).await.expect("a session");
    let mut read = table.session_and_cart_get(&copied.customer, &new.id).await.expect("a read").expect("a session");
    for id in bought {
        read.cart = add(table, &read, id, now).await;
    }
    let order = order(shop, &read, bought, &copied.customer, &copied.email).await;
    copied.id = order.id;
    let request = idempotency(&copied.customer, "an-order-to-be-copied", "POST /orders");
    table.order_place(&order, &BTreeMap::new(), &request, now).await.expect("an order");
    let paid = order.paid(&copied.reference, now).expect("it is not paid");
    table.order_transition(&paid, Cause::Answer, now).await.expect("a transition");
    table.order_project(&paid.order).await.expect("a projection");
    table.order_found_put(&paid.order, None).await.expect("what staff find it by");
    let then: &[fn(&Order, Timestamp) -> Order] = match state {
        OrderState::Shipped => &[shipped],
        OrderState::Delivered => &[shipped, delivered],
        OrderState::Cancelled => &[refund_owed, refunded],
        OrderState::Confirmed | OrderState::PendingPayment | OrderState::PaymentUnknown => &[],
    };
    let mut order = paid.order;
    for step in then {
        order = step(&order, now);
        // What returns to stock is in no item of the order.
        let moved = domain::TransitionEffects { order, restock: Vec::new(), restore_cart: false };
        table.order_transition(&moved, Cause::Answer, now).await.expect("a transition");
        table.order_list_entry_put(&moved.order).await.expect("an entry");
        order = moved.order;
    }
    assert_eq!(order.state, state);
    copied
}

fn shipped(order: &Order, now: Timestamp) -> Order {
    order.ship(now).expect("it is paid").expect("it is not shipped").order
}

fn delivered(order: &Order, now: Timestamp) -> Order {
    order.deliver(now).expect("it is shipped").expect("it is not delivered").order
}

fn refund_owed(order: &Order, now: Timestamp) -> Order {
    order.refund(&RefundRequest::default(), now).expect("it is paid").order
}

fn refunded(order: &Order, now: Timestamp) -> Order {
    order.refund_paid(1, now).expect("it is owed").order
}

/// Ids of orders, so many a second that a million are of one day.
struct OrderIds {
    at: Timestamp,
    made: u64,
}

impl OrderIds {
    /// The next one, in a shard of `order-state-index`.
    fn next(&mut self, shard: usize) -> OrderId {
        let shard = u8::try_from(shard % usize::from(keys::STATE_SHARDS)).expect("there are 8 shards");
        self.at += SignedDuration::from_millis(30);
        let ms = u64::try_from(self.at.as_millisecond()).expect("after 1970");
        loop {
            self.made += 1;
            let mut random = [0; 10];
            // In every part of an order's number, so that each number is another one.
            random[2..].copy_from_slice(&self.made.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
            let id = uuid::Builder::from_unix_timestamp_millis(ms, &random).into_uuid();
            let id = OrderId::try_from(id).expect("a UUID of version 7");
            if keys::state_shard(id) == shard {
                return id;
            }
        }
    }
}
