//! A shop's day without faults, with every kind of change that a consumer of the stream can get.

use domain::{
    Address, CategoryPath, Currency, Customer, CustomerName, Email, Money, ProductId, Review, ReviewText, Role, Stars,
    StockDelta,
};
use serde_json::{Value, json};
use table::Idempotency;

use crate::{
    dump,
    faults::{
        plan::Plan,
        runs::Dice,
        world::{CANCEL, DELIVER, Environment, REFUND, SHIP, ShopRequest, Shopper, World},
    },
};

/// The customer to whom no e-mail can be sent.
pub const UNREACHABLE: &str = "cleo";

/// Customers: id, name, e-mail. Names and e-mails occur nowhere else in the shop.
const CUSTOMERS: [(&str, &str, &str); 3] = [
    ("ann", "Annabel Quince", "annabel.q@mail.example"),
    ("bob", "Robert Thistle", "robert.t@mail.example"),
    (UNREACHABLE, "Cleopatra Vane", "cleo.v@mail.example"),
];

const HOUSE: &str = "17 Lobster Lane";
const TOWN: &str = "Ballyvaughan";
const PHONE: &str = "+353 65 707 7123";
const HASH: &str = "argon2-hash-of";

/// Texts that no log may show.
pub fn secrets() -> Vec<String> {
    let known = CUSTOMERS.iter().flat_map(|(_, name, email)| [*name, *email]);
    known.chain([HOUSE, TOWN, PHONE, HASH]).map(str::to_owned).collect()
}

/// The e-mail address of [`UNREACHABLE`].
pub fn unreachable_address() -> String {
    let address = CUSTOMERS.iter().find(|(uid, ..)| *uid == UNREACHABLE).map(|(_, _, email)| *email);
    address.unwrap_or_default().to_owned()
}

/// Plays the whole day, until no payment is open.
pub async fn play(world: &World, raw: &aws_sdk_dynamodb::Client, dice: &mut Dice) {
    let healthy = world.environment(Plan::none()).await;
    let mut day = Day { world, healthy, dice, orders: Vec::new() };
    day.opens().await;
    for _ in 0..9 {
        day.sells().await;
        if day.dice.chance(50) {
            day.stocks().await;
        }
        day.is_reviewed().await;
        day.sorts_its_goods().await;
        day.follows_up().await;
    }
    day.settles().await;
    for _ in 0..8 {
        day.follows_up().await;
    }
    day.changes_its_goods().await;
    day.settles().await;
    day.crashes_between_commit_and_projection(raw).await;
}

struct Day<'a> {
    world: &'a World,
    healthy: Environment,
    dice: &'a mut Dice,
    orders: Vec<(Shopper, String)>,
}

impl Day<'_> {
    async fn opens(&mut self) {
        for (id, price, stock) in
            [("mug", 899, 4), ("pan", 4_600, 1), ("cup", 250, 30), ("pin", 0, 9), ("jar", 1_250, 0)]
        {
            self.world.product(id, price, stock).await;
        }
        for (uid, name, email) in CUSTOMERS {
            let customer = Customer {
                id: uid.parse().expect("an id"),
                name: CustomerName::parse(name).expect("a name"),
                email: Email::parse(email).expect("an e-mail"),
                // Bob has not opened the link that was mailed to him.
                email_verified: uid != "bob",
                email_owned: false,
                role: Role::Customer,
                created_at: self.world.clock.now(),
            };
            let table = &self.world.table;
            table.customer_register(&customer, &format!("{HASH}-{uid}"), None, None, None).await.expect("they are new");
            let home = Address {
                id: "home".parse().expect("an id"),
                recipient: name.to_owned(),
                line1: HOUSE.to_owned(),
                line2: None,
                city: TOWN.to_owned(),
                region: None,
                postal_code: None,
                country: domain::CountryCode::parse("IE").expect("a country"),
                phone: domain::Phone::parse(PHONE).ok(),
            };
            table.address_put(&customer.id, &home, true).await.expect("the table answers");
        }
    }

    async fn sells(&mut self) {
        let who = *self.dice.pick(&["ann", "bob", "ann", "bob", UNREACHABLE, "some-guest"]);
        let shopper = self.world.shopper(who).await;
        for _ in 0..=self.dice.roll(1) {
            let product = (*self.dice.pick(&["mug", "pan", "cup", "cup", "pin"])).parse().expect("an id");
            let units = 1 + i64::try_from(self.dice.roll(2)).expect("a few");
            self.world.add(&self.healthy, &shopper, &product, units).await;
        }
        let token =
            *self.dice.pick(&["tok_visa", "tok_visa", "tok_declined", "tok_timeout_paid", "tok_timeout_unpaid"]);
        let mut asked = self.world.checkout(&shopper, token);
        if who != "some-guest" {
            asked.body["shippingAddressId"] = json!("home");
            // The address of the account, of which one cannot be reached.
            let email = CUSTOMERS.iter().find(|(uid, ..)| *uid == who).map(|(_, _, email)| *email);
            asked.body["contact"] = json!({"email": email});
        }
        if let Some(order) = self.asks(asked).await["orderId"].as_str() {
            self.orders.push((shopper, order.to_owned()));
        }
    }

    /// Any request about an order; many are refused, because its state is not looked at before.
    async fn follows_up(&mut self) {
        if self.orders.is_empty() {
            return;
        }
        let (who, order) = self.dice.pick(&self.orders).clone();
        let admin = self.world.admin.clone();
        let some = json!({"amount": {"amount": 1 + self.dice.roll(200), "currency": "USD"}});
        let (by, route, body) = match self.dice.roll(6) {
            0 | 1 => (admin, SHIP, Value::Null),
            2 => (admin, DELIVER, Value::Null),
            3 => (admin, REFUND, some),
            4 => (admin, REFUND, json!({})),
            _ => (who, CANCEL, Value::Null),
        };
        let asked = self.world.about(&by, route, &order, body);
        self.asks(asked).await;
        self.world.advance(61);
    }

    async fn asks(&self, asked: ShopRequest) -> Value {
        let answer = self.world.send(&self.healthy, &asked, false).await;
        answer.expect("a healthy environment answers").body
    }

    async fn stocks(&mut self) {
        let product: ProductId = (*self.dice.pick(&["mug", "pan", "pan", "jar"])).parse().expect("an id");
        let available = self.world.table.product_get_consistent(&product).await.expect("the table answers");
        let Some(available) = available.map(|page| page.available) else { return };
        // Sells it out, or restocks it.
        let delta = if available > 0 && self.dice.chance(40) { -available } else { 2 };
        let (staff, line) = (&self.world.admin.uid, uuid::Uuid::now_v7());
        let request = Idempotency {
            customer: staff.clone(),
            key: format!("stock-{line}").parse().expect("a key"),
            route: "POST /admin/products/{productId}/stock".to_owned(),
            payload_sha256: String::new(),
        };
        let delta = StockDelta::new(delta).expect("a few units");
        let (table, now) = (&self.world.table, self.world.clock.now());
        let adjusted = table.stock_adjust(&product, delta, "counted", staff, line, "{}", &request, now).await;
        adjusted.expect("no concurrent change");
    }

    async fn is_reviewed(&mut self) {
        for _ in 0..2 {
            let product: ProductId = (*self.dice.pick(&["mug", "pan", "jar"])).parse().expect("an id");
            let customer = self.dice.pick(&CUSTOMERS).0.parse().expect("an id");
            if self.dice.chance(25) {
                self.world.table.review_delete(&product, &customer).await.expect("the table answers");
                continue;
            }
            let stars = 1 + u8::try_from(self.dice.roll(5)).expect("one to five");
            let review = Review {
                product,
                customer,
                stars: Stars::new(stars).expect("one to five"),
                text: ReviewText::parse("Holds what it promises.").expect("a text"),
                at: self.world.clock.now(),
            };
            self.world.table.review_put(&review).await.expect("the table answers");
        }
    }

    /// Puts a product into another category, or into none.
    async fn sorts_its_goods(&mut self) {
        let (table, staff) = (&self.world.table, &self.world.admin.uid);
        for _ in 0..2 {
            let product: ProductId = (*self.dice.pick(&["mug", "pan", "cup", "jar"])).parse().expect("an id");
            let path = *self.dice.pick(&["", "Kitchen", "Kitchen/Mugs", "Kitchen/Pans/Iron", "Home/Table/Set/Blue"]);
            let page = table.product_get_consistent(&product).await.expect("the table answers");
            let mut page = page.expect("it is still sold");
            let segments = path.split('/').filter(|name| !name.is_empty());
            page.record.product.details.category = CategoryPath::new(segments).expect("a path");
            page.record.product.version += 1;
            table.product_put(&page.record, page.available, staff).await.expect("no concurrent change");
        }
    }

    async fn changes_its_goods(&mut self) {
        let (table, staff) = (&self.world.table, &self.world.admin.uid);
        let get = async |id: &str| {
            let page = table.product_get_consistent(&id.parse().expect("an id")).await.expect("the table answers");
            page.expect("the product is there")
        };
        let mut mug = get("mug").await;
        mug.record.product.details.price = Money::price(999, Currency::USD).expect("a price");
        mug.record.product.version += 1;
        // As if it had been sold out, or restocked, since it was read.
        let seen = if self.dice.chance(50) { i64::from(mug.available <= 0) } else { mug.available };
        table.product_put(&mug.record, seen, staff).await.expect("no concurrent change");
        let jar = get("jar").await;
        table.product_delete(&jar, staff, uuid::Uuid::now_v7()).await.expect("no concurrent change");
    }

    /// Sweeps: payments whose answers were lost are asked about, and unpaid orders expire.
    async fn settles(&self) {
        for seconds in [61, 61, 16 * 60, 61] {
            self.world.advance(seconds);
            self.world.sweep(&self.healthy).await;
        }
    }

    async fn crashes_between_commit_and_projection(&mut self, raw: &aws_sdk_dynamodb::Client) {
        for item in self.world.dump().await {
            let (pk, sk) = (item["PK"].as_str().unwrap_or_default(), item["SK"].as_str().unwrap_or_default());
            let listed = pk.starts_with("USER#") && sk.starts_with("ORDER#");
            let line = pk.starts_with("ORDER#") && sk.starts_with("ITEM#");
            if (listed && self.dice.chance(40)) || (line && self.dice.chance(30)) {
                dump::delete(raw, self.world.table.names(), pk, sk).await;
            }
        }
    }
}
