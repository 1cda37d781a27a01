use std::sync::atomic::{AtomicU32, Ordering};

use domain::ProductId;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{Answer, PASSWORD};

/// An HTTP client of the shop, with a session or without.
pub struct Shopper {
    http: reqwest::Client,
    url: String,
    pub token: Option<String>,
    pub uid: String,
    checkouts: AtomicU32,
}

impl Shopper {
    pub(crate) fn new(http: reqwest::Client, url: String) -> Self {
        Self { http, url, token: None, uid: String::new(), checkouts: AtomicU32::new(0) }
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

    /// Uses the session that an answer opened.
    pub fn takes(&mut self, answer: &Answer) {
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
        self.post_once("/orders", key, json!({"payment": {"token": token}})).await
    }
}
