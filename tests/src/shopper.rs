use std::sync::atomic::{AtomicU32, Ordering};

use domain::{Address, AddressId, CountryCode, ProductId};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{Answer, PASSWORD};

/// An HTTP client of the shop, with a session or without.
pub struct Shopper {
    http: reqwest::Client,
    url: String,
    pub token: Option<String>,
    pub uid: String,
    /// Has no profile, and so sends a contact with each order.
    is_guest: bool,
    checkouts: AtomicU32,
}

impl Shopper {
    pub(crate) fn new(http: reqwest::Client, url: String) -> Self {
        Self { http, url, token: None, uid: String::new(), is_guest: true, checkouts: AtomicU32::new(0) }
    }

    /// A request with this shopper's session, to be completed by the test.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request of [`Shopper::request`].
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        Answer::of(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(&body)).await
    }

    /// A POST with an idempotency key.
    pub async fn post_once(&self, path: &str, key: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::POST, path).header("idempotency-key", key).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::DELETE, path)).await
    }

    pub async fn becomes_guest(&mut self) {
        let answer = Answer::of(self.request(Method::POST, "/sessions/guest")).await.expect(201);
        self.takes(&answer);
        self.is_guest = true;
    }

    /// Registers; a guest keeps cart and orders.
    pub async fn registers(&mut self, email: &str) {
        let body = json!({"email": email, "password": PASSWORD, "name": "Ann"});
        let answer = self.post("/users", body).await.expect(201);
        self.takes(&answer);
    }

    /// Logs in; a guest's cart is merged.
    pub async fn logs_in(&mut self, email: &str, password: &str) {
        let answer = self.post("/sessions", json!({"email": email, "password": password})).await.expect(201);
        self.takes(&answer);
    }

    /// Uses the session of a customer that an answer opened.
    pub fn takes(&mut self, answer: &Answer) {
        self.is_guest = false;
        let body = answer.json();
        self.token = body["token"].as_str().map(str::to_owned);
        self.uid = body["userId"].as_str().expect("an opened session has a user").to_owned();
    }

    pub async fn adds(&self, product: &ProductId, quantity: i64) -> Answer {
        self.post("/cart/items", json!({"productId": product.as_str(), "quantity": quantity})).await
    }

    /// Buys the cart with a card that pays, under a key of its own.
    pub async fn checks_out(&self) -> Answer {
        let number = self.checkouts.fetch_add(1, Ordering::Relaxed);
        self.pays_with("tok_visa", &format!("checkout-number-{number}")).await
    }

    pub async fn pays_with(&self, token: &str, key: &str) -> Answer {
        self.post_once("/orders", key, self.checkout(token)).await
    }

    /// The body of a checkout: with a payment, and everything else that an order needs.
    pub fn checkout(&self, token: &str) -> Value {
        with(self.free_checkout(), "payment", json!({"token": token}))
    }

    /// The same of an order that costs nothing.
    pub fn free_checkout(&self) -> Value {
        let body = json!({"shippingAddress": home_request()});
        match self.contact() {
            Some(email) => with(body, "contact", json!({"email": email})),
            None => body,
        }
    }

    /// The e-mail that a guest sends with each order.
    pub fn contact(&self) -> Option<String> {
        self.is_guest.then(|| format!("{}@guest.example", self.uid))
    }
}

/// A body with one more member.
pub fn with(mut body: Value, member: &str, value: Value) -> Value {
    body[member] = value;
    body
}

/// The address that checkouts are sent to.
pub(crate) fn home_request() -> Value {
    let home = home();
    json!({"recipient": home.recipient, "line1": home.line1, "city": home.city, "country": home.country.as_str()})
}

/// The same, as an order has it.
pub fn home() -> Address {
    Address {
        id: AddressId::of_order(),
        recipient: "Ann".to_owned(),
        line1: "1 Street".to_owned(),
        line2: None,
        city: "Bristol".to_owned(),
        region: None,
        postal_code: None,
        country: CountryCode::parse("GB").expect("a country"),
        phone: None,
    }
}
