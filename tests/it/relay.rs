//! An attacker who tries to make the shop e-mail a stranger, with the attacker's own words and links.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use e2e::{PASSWORD, Shop, Shopper};
use jiff::SignedDuration;
use notifications::MailLimits;
use serde_json::{Value, json};

use crate::{
    notifications::is_of_order,
    orders::hold,
    routes::{Access, Things, ask_with, bodies, routes},
};

const VICTIM: &str = "victim@bank.example";
/// Another address of the same mailbox.
const TAGGED: &str = "victim+new@bank.example";
const LURE: &str = "your account is locked: http://evil.example, www.evil.example, eve@evil.example";
/// Parts of the lure that a mail client could make a link of.
const LINKS: [&str; 6] = ["//", "www.", "evil.example", "eve@", "mailto:", "tel:"];

/// Every token that the local provider knows, and one that it does not.
const TOKENS: [&str; 6] =
    ["tok_visa", "tok_slow", "tok_declined", "tok_timeout_paid", "tok_timeout_unpaid", "tok_unknown"];

#[tokio::test]
async fn a_stranger_gets_no_mail_about_an_unpaid_order_and_none_with_a_link() {
    let shop = open(30).await;
    let mut attacker = shop.stranger();
    registers(&shop, &mut attacker).await;
    let lure = named(&shop, &format!("lure-{}", attacker.uid), 899).await;
    let free = named(&shop, "free", 0).await;
    let mut thing = Things::of(&shop, attacker).await;
    let mut asked = 0;
    let mut key = || {
        asked += 1;
        format!("asked-by-attacker-{asked}")
    };

    for token in TOKENS {
        // As the customer, and as a guest, who has no e-mail address.
        let guest = shop.customer().await;
        for (route, _) in routes(&shop).iter().filter(|(_, access)| *access != Access::Admin) {
            let body = chosen(route, token);
            for product in [&lure, &free] {
                guest.post("/cart/items", json!({"productId": product, "quantity": 1})).await;
                ask_with(&guest, route, &thing, &body, &key()).await;
                thing.owner.post("/cart/items", json!({"productId": product, "quantity": 1})).await;
                let mut body = body.clone();
                if route == "POST /orders" {
                    body["shippingAddressId"] = address(&thing.owner).await;
                    body["shippingAddress"] = Value::Null;
                }
                ask_with(&thing.owner, route, &thing, &body, &key()).await;
                // Some routes end the session.
                if thing.owner.get("/users/me").await.status() != 200 {
                    thing.owner.logs_in(VICTIM, PASSWORD).await;
                }
            }
        }
        // Before the links expire.
        shop.drain().await;
        // Held, then cancelled.
        thing.owner.post("/cart/items", json!({"productId": lure, "quantity": 1})).await.expect(200);
        let held = hold(&shop, &thing.owner, token, &key()).await;
        thing.order = held.id.to_string();
        ask_with(&thing.owner, "POST /orders/{orderId}/cancel", &thing, &Value::Null, &key()).await;
        // Held, then left until it expires.
        thing.owner.post("/cart/items", json!({"productId": lure, "quantity": 1})).await;
        hold(&shop, &thing.owner, token, &key()).await;
        for _ in 0..3 {
            shop.clock.advance(SignedDuration::from_mins(16));
            shop.sweep(None).await;
        }
        thing.owner.logs_in(VICTIM, PASSWORD).await;
    }
    shop.drain().await;

    let orders = orders(&shop).await;
    let (linked, sent): (Vec<_>, Vec<_>) = mails(&shop).into_iter().partition(|mail| mail.is_about_an_account);
    let mine = |order: &&Value| order["customer"] == json!(thing.owner.uid);
    let seen: BTreeSet<&str> = orders.values().filter(mine).flat_map(events).collect();
    for happened in ["confirmed", "declined", "expired", "cancelled", "payment_lost", "refund_paid"] {
        assert!(seen.contains(happened), "no order of the attacker has the event {happened}");
    }
    assert!(orders.values().filter(mine).any(|order| order["total"] == 0 && events(order).contains(&"confirmed")));
    assert!(!sent.is_empty());
    for mail in &sent {
        let order = &orders[mail.order.as_str()];
        let paid = events(order).contains(&"confirmed");
        assert!(order["total"].as_i64() > Some(0), "a free order is mailed: {order}");
        assert!(paid, "nothing was paid, and the address is not verified: {order}");
        assert_eq!(mail.to, format!("<{VICTIM}>"), "no name stands beside the address");
        let own = format!("http://{}/#/orders/", shop.stack.gateway);
        for part in [&mail.text, &mail.html].map(|part| part.replace(&own, "")) {
            for link in LINKS {
                assert!(!part.contains(link), "{link} in {part}");
            }
        }
    }
    // Nothing that was asked for under the victim's address says anything but what the shop says, and none of it is the
    // attacker's.
    let kinds: BTreeMap<&str, usize> = linked.iter().fold(BTreeMap::new(), |mut kinds, mail| {
        *kinds.entry(mail.which.as_str()).or_default() += 1;
        kinds
    });
    println!("mails about accounts: {kinds:?}");
    assert_eq!(kinds.keys().copied().collect::<Vec<_>>(), ["change-email", "reset-password", "verify-email"]);
    // Ten a day of each kind, however many are requested, and the first day ends in between.
    assert!(kinds.values().all(|count| *count <= 10), "{kinds:?}");
    for mail in &linked {
        let to = if mail.which == "change-email" { TAGGED } else { VICTIM };
        assert_eq!(mail.to, format!("<{to}>"));
        for part in [&mail.text, &mail.html] {
            for lure in ["evil.example", "eve@", "account is locked", "bank.example", PASSWORD] {
                assert!(!part.contains(lure), "{lure} in {part}");
            }
        }
    }
    // The lure itself arrives, as text: in a product's name and in an address.
    assert!(sent.iter().any(|mail| mail.text.contains(" × your account is locked: http / /evil. example")));
    assert!(sent.iter().any(|mail| mail.text.contains("mailto eve @ evil. example")), "no order has an address");
    println!("{} orders, {} mails", orders.len(), sent.len());
}

#[tokio::test]
async fn an_attacker_who_pays_for_every_order_reaches_a_stranger_no_more_often_than_the_limit() {
    let shop = open(4).await;
    let mut accounts = Vec::new();
    // One mailbox, under several addresses.
    for email in [VICTIM.to_owned(), VICTIM.replace('@', "+1@"), VICTIM.replace('@', "+2@").to_uppercase()] {
        let mut attacker = shop.stranger();
        attacker.takes(&shop.stranger().post("/users", account(&email)).await.expect(201));
        accounts.push(attacker);
    }
    let lure = named(&shop, "lure", 1).await;
    for attacker in &accounts {
        for _ in 0..3 {
            attacker.post("/cart/items", json!({"productId": lure, "quantity": 1})).await.expect(200);
            attacker.checks_out().await.expect(201);
        }
    }

    shop.drain().await;

    let (linked, sent): (Vec<_>, Vec<_>) = mails(&shop).into_iter().partition(|mail| mail.is_about_an_account);
    assert_eq!(sent.len(), 4, "of nine orders that were paid");
    assert_eq!(linked.len(), 3, "one for each registration");
}

#[tokio::test]
async fn an_attacker_who_registers_a_stranger_again_and_again_reaches_them_ten_times_a_day_with_each_kind_of_link() {
    let shop = open(30).await;
    for i in 0..15 {
        let email = VICTIM.replace('@', &format!("+{i}@"));
        let mut attacker = shop.stranger();
        attacker.takes(&shop.stranger().post("/users", account(&email)).await.expect(201));
        shop.stranger().post("/passwords/reset", json!({"email": email})).await.expect(202);
        let change = json!({"email": email.replace("+", "+another"), "currentPassword": PASSWORD});
        attacker.post("/users/me/email", change).await.expect(202);
    }

    shop.drain().await;

    let of = |kind: &str| mails(&shop).iter().filter(|mail| mail.which == kind).count();
    assert_eq!((of("verify-email"), of("reset-password"), of("change-email")), (10, 10, 10), "of 15 requests each");
    assert!(shop.stack.dead_letters.list(None).await.unwrap().objects.is_empty());
}

#[tokio::test]
async fn an_attack_with_links_delays_no_mail_about_an_order() {
    let shop = Shop::open_with(|options| {
        options.dynamodb_endpoint = None;
        options.policy.rates = None;
        options.mail_limits = Some(MailLimits { link_shop: 8, recipient: 3, ..MailLimits::default() });
    })
    .await;
    let mug = shop.product("mug").stock(10).create().await;
    let mut ann = shop.stranger();
    ann.registers(VICTIM).await;
    for _ in 0..10 {
        shop.stranger().post("/passwords/reset", json!({"email": VICTIM})).await.expect(202);
    }
    shop.drain().await;
    let links = mails(&shop).len();

    ann.adds(&mug, 1).await.expect(200);
    ann.checks_out().await.expect(201);
    shop.drain().await;

    // The shop's limit is split over eight counters, by recipient.
    assert_eq!((links, mails(&shop).len()), (1, 2));
}

/// A shop without rate limits, and with this limit of e-mails to one recipient.
async fn open(recipient: u32) -> Shop {
    Shop::open_with(|options| {
        options.dynamodb_endpoint = None;
        options.policy.rates = None;
        options.mail_limits = Some(MailLimits { recipient, ..MailLimits::default() });
    })
    .await
}

fn account(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "name": LURE})
}

async fn registers(shop: &Shop, attacker: &mut Shopper) {
    attacker.takes(&shop.stranger().post("/users", account(VICTIM)).await.expect(201));
}

/// A product whose name is a lure, as staff may have copied it from a supplier.
async fn named(shop: &Shop, id: &str, cents: i64) -> String {
    let product = json!({"productId": id, "name": LURE, "category": [], "price": e2e::usd(cents), "stock": 1_000});
    let answer = shop.admin().await.post("/admin/products", product).await.expect(201).json();
    answer["productId"].as_str().expect("an id").to_owned()
}

/// A shipping address made of lures.
async fn address(attacker: &Shopper) -> Value {
    let mut address = chosen("POST /users/me/addresses", "");
    for line in ["line2", "region", "postalCode"] {
        address[line] = json!("mailto:eve@evil.example");
    }
    attacker.post("/users/me/addresses", address).await.expect(201).json()["addressId"].clone()
}

/// The body for a route, with every text chosen by the attacker.
fn chosen(route: &str, token: &str) -> Value {
    let mut body = bodies().into_iter().find(|(known, _)| *known == route).map(|(_, body)| body).unwrap_or_default();
    for (name, value) in body.as_object_mut().into_iter().flatten() {
        *value = match name.as_str() {
            "email" if route == "POST /users/me/email" => json!(TAGGED),
            "email" => json!(VICTIM),
            "name" | "recipient" | "line1" | "city" => json!(LURE),
            "password" | "currentPassword" | "newPassword" => json!(PASSWORD),
            "payment" => json!({"token": token}),
            "contact" => json!({"email": VICTIM, "name": LURE}),
            _ => value.take(),
        };
    }
    body
}

/// Every order of the shop by its id.
async fn orders(shop: &Shop) -> BTreeMap<String, Value> {
    let orders = shop.dump().await.into_iter().filter(|item| item["SK"] == "STATUS");
    let id = |order: &Value| order["PK"].as_str().unwrap_or_default().trim_start_matches("ORDER#").to_owned();
    orders.map(|order| (id(&order), order)).collect()
}

fn events(order: &Value) -> Vec<&str> {
    order["history"].as_array().into_iter().flatten().filter_map(|event| event["s"].as_str()).collect()
}

struct Mail {
    /// The order, or the request for a link.
    order: String,
    /// The version of the order, or the kind of link.
    which: String,
    is_about_an_account: bool,
    to: String,
    /// The visible text of each part.
    text: String,
    html: String,
}

fn mails(shop: &Shop) -> Vec<Mail> {
    let Ok(files) = fs::read_dir(&shop.stack.mail) else { return Vec::new() };
    files.map(|file| mail(&file.expect("a file").path())).collect()
}

fn mail(path: &std::path::Path) -> Mail {
    let raw = fs::read_to_string(path).expect("a mail");
    let to = raw.lines().find_map(|line| line.strip_prefix("To: ")).expect("a recipient");
    let part = |kind: &str| {
        let at = raw.find(&format!("Content-Type: {kind}")).expect("a part");
        let (head, body) = raw[at..].split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains("quoted-printable"), "{head}");
        decoded(body.split("\r\n--").next().unwrap_or_default())
    };
    let html = part("text/html");
    // Without its tags, as it is shown.
    let shown =
        html.split_once("</head>").expect("a head").1.split('<').map(|tag| tag.split_once('>').unwrap_or_default().1);
    let name = path.file_stem().and_then(|name| name.to_str()).expect("a name");
    // A UUID, and what it is about.
    let (order, which) = (&name[..36], &name[37..]);
    Mail {
        order: order.to_owned(),
        which: which.to_owned(),
        is_about_an_account: !is_of_order(path),
        to: to.trim().to_owned(),
        text: part("text/plain"),
        html: shown.collect::<Vec<_>>().join("\n"),
    }
}

/// Quoted-printable (RFC 2045, section 6.7).
fn decoded(body: &str) -> String {
    let mut bytes = Vec::new();
    let unfolded = body.replace("=\r\n", "");
    let mut rest = unfolded.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'=').then(|| std::str::from_utf8(&after[..2]).ok()).flatten();
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).expect("text")
}
