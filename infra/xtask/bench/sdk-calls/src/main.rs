//! Reads a product, shows a cart, or places an order, without rules, errors or answers: only the calls, with items as large
//! as ours, one after the other where one needs what another has read. Header `x-session` is the key of the session,
//! `x-user` its user, `x-order` the id of the order to be placed.

use std::{collections::HashMap, env, time::Duration};

use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region, retry::RetryConfig, timeout::TimeoutConfig},
    types::{
        AttributeValue, KeysAndAttributes, Put, PutRequest, ReturnConsumedCapacity,
        ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update, WriteRequest,
    },
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use futures::future::try_join_all;
use lambda_http::{Body, Error, Request, Response, run, service_fn};

type Item = HashMap<String, AttributeValue>;

const TOTAL: ReturnConsumedCapacity = ReturnConsumedCapacity::Total;

struct Shop {
    client: Client,
    table: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let attempt = Duration::from_secs(30);
    let timeouts = TimeoutConfig::builder().connect_timeout(attempt).operation_attempt_timeout(attempt);
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(env::var("DYNAMODB_ENDPOINT")?)
        .http_client(
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
        )
        .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50)))
        .timeout_config(timeouts.operation_timeout(Duration::from_secs(60)).build())
        .build();
    let shop = &Shop { client: Client::from_conf(config), table: env::var("TABLE_NAME")? };
    run(service_fn(|request: Request| async move { shop.answer(&request).await })).await
}

impl Shop {
    async fn answer(&self, request: &Request) -> Result<Response<Body>, Error> {
        let path = request.uri().path();
        let text = match path.rsplit_once('/') {
            Some(("/products", id)) => text(&self.product(id).await?, "name"),
            _ if path.ends_with("/orders") => {
                return Ok(Response::builder().status(201).body(Body::from(self.order(request).await?))?);
            }
            _ => self.cart(request).await?,
        };
        Ok(Response::new(Body::from(text)))
    }

    /// Of its two items, META.
    async fn product(&self, id: &str) -> Result<Item, Error> {
        let call = self.client.query().table_name(&self.table).return_consumed_capacity(TOTAL);
        let call = call
            .key_condition_expression("PK = :pk AND begins_with(SK, :prefix)")
            .expression_attribute_values(":pk", s(format!("PROD#{id}")))
            .expression_attribute_values(":prefix", s("META#"))
            .limit(102);
        Ok(call.send().await?.items.unwrap_or_default().into_iter().next().ok_or("no such product")?)
    }

    async fn cart(&self, request: &Request) -> Result<String, Error> {
        let cart = self.session_and_cart(request).await?;
        let products = try_join_all(lines(&cart).keys().map(|id| self.product(id))).await?;
        Ok(products.iter().map(|product| text(product, "name")).collect())
    }

    async fn order(&self, request: &Request) -> Result<String, Error> {
        let (user, order, key) =
            (header(request, "x-user"), header(request, "x-order"), header(request, "idempotency-key"));
        let cart = self.session_and_cart(request).await?;
        let record = item_key(format!("IDEM#{user}#{key}"), "POST /orders");
        let seen = self.client.get_item().table_name(&self.table).return_consumed_capacity(TOTAL);
        if seen.set_key(Some(record.clone())).send().await?.item.is_some() {
            return Err("the key was used".into());
        }
        self.count(user).await?;
        let products = self.products(lines(&cart)).await?;

        let placed = order_item(user, order, lines(&cart), &products, 1);
        self.place(user, order, &cart, placed, record).await?;
        let confirmed = order_item(user, order, lines(&cart), &products, 2);
        let put = self.client.put_item().table_name(&self.table).return_consumed_capacity(TOTAL);
        let put = put.set_item(Some(confirmed)).condition_expression("version = :read");
        put.expression_attribute_values(":read", n(1)).send().await?;
        self.project(user, order, lines(&cart)).await?;
        Ok(order.to_owned())
    }

    /// The cart.
    async fn session_and_cart(&self, request: &Request) -> Result<Item, Error> {
        let session = item_key(format!("SESSION#{}", header(request, "x-session")), "SESSION");
        let cart = item_key(format!("USER#{}", header(request, "x-user")), "CART");
        let found = self.batch_get(vec![session, cart]).await?;
        if found.len() != 2 {
            return Err("no session or no cart".into());
        }
        Ok(found.into_iter().find(|item| item.contains_key("cartLines")).ok_or("no cart")?)
    }

    async fn batch_get(&self, keys: Vec<Item>) -> Result<Vec<Item>, Error> {
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build()?;
        let call = self.client.batch_get_item().request_items(&self.table, wanted).return_consumed_capacity(TOTAL);
        Ok(call.send().await?.responses.into_iter().flatten().flat_map(|(_, items)| items).collect())
    }

    async fn count(&self, user: &str) -> Result<(), Error> {
        let call = self.client.update_item().table_name(&self.table).return_consumed_capacity(TOTAL);
        let call = call
            .set_key(Some(item_key(format!("RATE#checkout#{user}#30000000"), "COUNTER")))
            .update_expression("ADD #count :one SET expiresAt = :end")
            .condition_expression("attribute_not_exists(#count) OR #count < :most")
            .expression_attribute_names("#count", "count")
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":most", n(10))
            .expression_attribute_values(":end", n(1_900_000_000));
        call.send().await?;
        Ok(())
    }

    /// By their keys.
    async fn products(&self, lines: &Item) -> Result<HashMap<String, Item>, Error> {
        let keys = lines.keys().flat_map(|id| {
            let pk = format!("PROD#{id}");
            [item_key(pk.clone(), format!("META#{id}")), item_key(pk, format!("META#{id}#STOCK#00"))]
        });
        let found = self.batch_get(keys.collect()).await?;
        Ok(found.into_iter().map(|item| (text(&item, "SK"), item)).collect())
    }

    async fn place(&self, user: &str, order: &str, cart: &Item, placed: Item, record: Item) -> Result<(), Error> {
        let mut actions = Vec::new();
        for id in lines(cart).keys() {
            let update = Update::builder()
                .table_name(&self.table)
                .set_key(Some(item_key(format!("PROD#{id}"), format!("META#{id}#STOCK#00"))))
                .condition_expression("available >= :units")
                .update_expression("SET available = available - :units")
                .expression_attribute_values(":units", n(1))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            actions.push(TransactWriteItem::builder().update(update.build()?).build());
        }
        let mut record = record;
        record.extend([
            ("payloadSha256".to_owned(), s("0".repeat(64))),
            ("outcome".to_owned(), s(order)),
            ("createdAt".to_owned(), n(1_800_000_000_000_i64)),
            ("expiresAt".to_owned(), n(1_900_000_000)),
        ]);
        for item in [placed, record] {
            let put = Put::builder().table_name(&self.table).set_item(Some(item));
            let put = put.condition_expression("attribute_not_exists(PK)");
            let put = put.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            actions.push(TransactWriteItem::builder().put(put.build()?).build());
        }
        let update = Update::builder()
            .table_name(&self.table)
            .set_key(Some(item_key(format!("USER#{user}"), "CART")))
            .condition_expression("version = :read")
            .update_expression("SET cartLines = :stays, placed = :order, version = version + :one REMOVE leftOut")
            .expression_attribute_values(":read", cart["version"].clone())
            .expression_attribute_values(":stays", AttributeValue::M(Item::new()))
            .expression_attribute_values(":order", s(order))
            .expression_attribute_values(":one", n(1))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        actions.push(TransactWriteItem::builder().update(update.build()?).build());
        let call = self.client.transact_write_items().set_transact_items(Some(actions)).return_consumed_capacity(TOTAL);
        call.send().await?;
        Ok(())
    }

    /// What its customer reads: the lines, and the entry in the list.
    async fn project(&self, user: &str, order: &str, lines: &Item) -> Result<(), Error> {
        let line = |id: &String| {
            let mut item = item_key(format!("ORDER#{order}"), format!("ITEM#{id}"));
            item.extend([
                ("name".to_owned(), s(format!("Product {id}"))),
                ("quantity".to_owned(), n(1)),
                ("unitPrice".to_owned(), n(1_250)),
                ("currency".to_owned(), s("USD")),
            ]);
            PutRequest::builder().set_item(Some(item)).build()
        };
        let requests = lines.keys().map(|id| Ok(WriteRequest::builder().put_request(line(id)?).build()));
        let requests: Vec<_> = requests.collect::<Result<_, Error>>()?;
        let batch = self.client.batch_write_item().request_items(&self.table, requests).return_consumed_capacity(TOTAL);
        let mut entry = item_key(format!("USER#{user}"), format!("ORDER#2027-01-15#{order}"));
        entry.extend([
            ("state".to_owned(), s("confirmed")),
            ("total".to_owned(), n(3_750)),
            ("currency".to_owned(), s("USD")),
            ("itemCount".to_owned(), n(3)),
            ("version".to_owned(), n(2)),
        ]);
        let put = self.client.put_item().table_name(&self.table).return_consumed_capacity(TOTAL).set_item(Some(entry));
        let put = put.condition_expression("attribute_not_exists(PK) OR version < :version");
        let put = put.expression_attribute_values(":version", n(2));
        let (batch, put) = tokio::join!(batch.send(), put.send());
        put?;
        batch?;
        Ok(())
    }
}

/// Version 1 is held, 2 is confirmed.
fn order_item(user: &str, order: &str, lines: &Item, products: &HashMap<String, Item>, version: u64) -> Item {
    let map = |pairs: &[(&str, AttributeValue)]| {
        AttributeValue::M(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
    };
    let line = |id: &String| {
        let name = products.get(&format!("META#{id}")).map(|product| text(product, "name")).unwrap_or_default();
        let stock = products.get(&format!("META#{id}#STOCK#00"));
        let incarnation = stock.and_then(|stock| stock.get("incarnation").cloned()).unwrap_or_else(|| n(1));
        map(&[("id", s(id)), ("name", s(name)), ("q", n(1)), ("p", n(1_250)), ("i", incarnation)])
    };
    let event = |event: &str| map(&[("s", s(event)), ("t", n(1_800_000_000_000_i64))]);
    let events = ["placed", "paid"].iter().take(usize::try_from(version).unwrap_or(1)).map(|name| event(name));
    let mut item = item_key(format!("ORDER#{order}"), "STATUS");
    let mut set = |name: &str, value: AttributeValue| item.insert(name.to_owned(), value);
    set("customer", s(user));
    set("guest", AttributeValue::Bool(true));
    set("state", s(if version == 1 { "pending_payment" } else { "confirmed" }));
    set("version", n(version));
    set("cartVersion", n(3));
    set("lines", AttributeValue::L(lines.keys().map(line).collect()));
    set("currency", s("USD"));
    for (name, amount) in
        [("subtotal", 3_750), ("discount", 0), ("shipping", 0), ("tax", 0), ("total", 3_750), ("itemCount", 3)]
    {
        set(name, n(amount));
    }
    set("paymentState", s(if version == 1 { "pending" } else { "captured" }));
    let address =
        [("id", "order"), ("recipient", "Ann"), ("line1", "1 Street"), ("city", "Bristol"), ("country", "GB")];
    set("shipTo", map(&address.map(|(name, value)| (name, s(value)))));
    set("contact", map(&[("email", s(format!("{user}@guest.example")))]));
    set("language", s("en"));
    set("history", AttributeValue::L(events.collect()));
    set("placedAt", s("2027-01-15T08:00:00.000Z"));
    set("writtenBy", s(user));
    match version {
        1 => {
            set("dueShard", s("DUE#3"));
            set("dueAt", n(1_800_000_900_000_i64));
        }
        _ => {
            set("paymentReference", s(format!("local_{order}")));
            set("stateDay", s("confirmed#2027-01-15#3"));
        }
    }
    item
}

fn lines(cart: &Item) -> &Item {
    static NONE: std::sync::LazyLock<Item> = std::sync::LazyLock::new(Item::new);
    cart.get("cartLines").and_then(|lines| lines.as_m().ok()).unwrap_or(&NONE)
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn item_key(pk: impl Into<String>, sk: impl Into<String>) -> Item {
    HashMap::from([("PK".to_owned(), s(pk)), ("SK".to_owned(), s(sk))])
}

fn text(item: &Item, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

fn s(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn n(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
