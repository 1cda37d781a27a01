//! Places invoices as orders, through HTTP only.

use std::{
    collections::HashMap,
    ops::AddAssign,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use super::invoices::Invoice;
use crate::{Outcome, with_sources};

/// Far more than a busy machine takes; a missing answer is a failure, not a hang.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The result and the cost of the replay.
#[derive(Debug, Default)]
pub struct Replay {
    pub placed: usize,
    pub cart_lines: usize,
    pub customers: usize,
    pub cart: Capacity,
    pub checkout: Capacity,
    /// How long each checkout took to answer.
    pub checkout_times: Vec<Duration>,
    pub elapsed: Duration,
    /// Unexpected answers, each with its invoice.
    pub failures: Vec<String>,
}

/// Request units as the engine reports them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Capacity {
    pub rru: f64,
    pub wru: f64,
}

/// Places every invoice as an order. `concurrency` customers shop at the same time, each of them one invoice after the
/// other.
pub async fn replay(url: &str, invoices: &[Invoice], concurrency: usize) -> Outcome<Replay> {
    // Loopback needs no proxy, whatever the environment sets.
    let client = Client::builder().timeout(TIMEOUT).no_proxy().build()?;
    let shop = Shop { client, url };
    let style = ProgressStyle::with_template("{elapsed} [{wide_bar}] {pos}/{len} orders, {eta} left")?;
    let bar = ProgressBar::new(invoices.len() as u64).with_style(style);

    let started = Instant::now();
    let customers = by_customer(invoices);
    let (shop, bar) = (&shop, &bar);
    let mut replay = stream::iter(customers)
        .map(|invoices| async move { shop.serve(&invoices, bar).await })
        .buffer_unordered(concurrency)
        .fold(Replay::default(), |mut all, one| async move {
            all += one;
            all
        })
        .await;
    replay.elapsed = started.elapsed();
    bar.finish_and_clear();
    Ok(replay)
}

/// The time that `percent` of the given ones do not exceed, by nearest rank.
pub fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// The customers in the order of their first invoices, with all of theirs.
fn by_customer(invoices: &[Invoice]) -> Vec<Vec<&Invoice>> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut customers: Vec<Vec<&Invoice>> = Vec::new();
    for invoice in invoices {
        let place = *places.entry(&invoice.customer).or_insert_with(|| {
            customers.push(Vec::new());
            customers.len() - 1
        });
        customers[place].push(invoice);
    }
    customers
}

struct Shop<'a> {
    client: Client,
    url: &'a str,
}

/// An answer with the expected status.
struct Answer {
    capacity: Capacity,
    body: String,
}

impl Shop<'_> {
    /// One customer: a guest session, and their invoices.
    async fn serve(&self, invoices: &[&Invoice], bar: &ProgressBar) -> Replay {
        let mut replay = Replay { customers: 1, ..Replay::default() };
        let token = match self.guest().await {
            Ok(token) => token,
            Err(error) => {
                let failed = |invoice: &&Invoice| format!("invoice {}: no session: {error}", invoice.number);
                replay.failures = invoices.iter().map(failed).collect();
                bar.inc(invoices.len() as u64);
                return replay;
            }
        };
        for invoice in invoices {
            if let Err(error) = self.buy(&token, invoice, &mut replay).await {
                replay.failures.push(format!("invoice {}: {error}", invoice.number));
                // What is left in the cart would be bought with the next invoice. If this fails too, that one will also
                // fail.
                let _ = answer(self.request(Method::DELETE, "/cart", &token), StatusCode::OK).await;
            }
            bar.inc(1);
        }
        replay
    }

    async fn guest(&self) -> Outcome<String> {
        let request = self.client.post(format!("{}/sessions/guest", self.url));
        let answer = answer(request, StatusCode::CREATED).await?;
        let body: Value = serde_json::from_str(&answer.body)?;
        Ok(body["token"].as_str().ok_or("the new session has no token")?.to_owned())
    }

    async fn buy(&self, token: &str, invoice: &Invoice, replay: &mut Replay) -> Outcome<()> {
        for line in &invoice.lines {
            let body = json!({ "productId": line.product, "quantity": line.units });
            let request = self.request(Method::POST, "/cart/items", token).json(&body);
            let added = answer(request, StatusCode::OK).await.map_err(|e| format!("cart, {}: {e}", line.product))?;
            replay.cart += added.capacity;
            replay.cart_lines += 1;
        }
        let body = json!({
            "payment": { "token": "tok_visa" },
            "contact": { "email": "guest@example.com" },
            "shippingAddress": { "recipient": "Ann", "line1": "1 Street", "city": "Bristol", "country": "GB" },
            "expectedTotal": { "amount": invoice.total_pence(), "currency": "GBP" },
        });
        let key = idempotency_key(&invoice.number);
        let request = self.request(Method::POST, "/orders", token).header("Idempotency-Key", key).json(&body);
        let started = Instant::now();
        let placed = answer(request, StatusCode::CREATED).await.map_err(|e| format!("checkout: {e}"))?;
        replay.checkout_times.push(started.elapsed());
        replay.checkout += placed.capacity;
        replay.placed += 1;
        Ok(())
    }

    fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(token)
    }
}

/// Derived from the invoice's number, and as long as a key has to be.
fn idempotency_key(invoice: &str) -> String {
    let number = format!("invoice-{invoice}-");
    format!("{number:0<20}")
}

async fn answer(request: RequestBuilder, expected: StatusCode) -> Outcome<Answer> {
    let response = request.send().await.map_err(|e| with_sources(&e))?;
    let status = response.status();
    let header = response.headers().get("x-consumed-capacity").and_then(|value| value.to_str().ok());
    let capacity = header.and_then(capacity);
    let body = response.text().await.map_err(|e| with_sources(&e))?;
    if status != expected {
        return Err(format!("{status} {body}").into());
    }
    Ok(Answer { capacity: capacity.ok_or("the answer has no X-Consumed-Capacity")?, body })
}

/// `rru=1.5 wru=2 dynamodb=3 s3=0`.
fn capacity(header: &str) -> Option<Capacity> {
    let units = |name: &str| header.split(' ').find_map(|part| part.strip_prefix(name)?.parse::<f64>().ok());
    Some(Capacity { rru: units("rru=")?, wru: units("wru=")? })
}

impl AddAssign for Capacity {
    fn add_assign(&mut self, other: Self) {
        self.rru += other.rru;
        self.wru += other.wru;
    }
}

impl AddAssign for Replay {
    /// All but `elapsed`, since customers shop at the same time.
    fn add_assign(&mut self, other: Self) {
        self.placed += other.placed;
        self.cart_lines += other.cart_lines;
        self.customers += other.customers;
        self.cart += other.cart;
        self.checkout += other.checkout;
        self.checkout_times.extend(other.checkout_times);
        self.failures.extend(other.failures);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invoice(number: &str, customer: &str) -> Invoice {
        Invoice { number: number.to_owned(), customer: customer.to_owned(), lines: Vec::new() }
    }

    #[test]
    fn a_customers_invoices_keep_their_order() {
        let invoices = [invoice("1", "ann"), invoice("2", "bob"), invoice("3", "ann")];

        let customers = by_customer(&invoices);

        let numbers = |place: usize| customers[place].iter().map(|i| i.number.as_str()).collect::<Vec<_>>();
        assert_eq!((numbers(0), numbers(1)), (vec!["1", "3"], vec!["2"]));
    }

    #[test]
    fn idempotency_keys_are_long_enough_and_differ() {
        assert_eq!(idempotency_key("536365"), "invoice-536365-00000");
        assert_ne!(idempotency_key("1"), idempotency_key("10"));
    }

    #[test]
    fn consumed_capacity_is_read() {
        assert_eq!(capacity("rru=1.5 wru=44 dynamodb=3 s3=0"), Some(Capacity { rru: 1.5, wru: 44.0 }));
        assert_eq!(capacity("dynamodb=3"), None);
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let times: Vec<_> = (1..=200).rev().map(Duration::from_millis).collect();

        assert_eq!(percentile(&times, 50), Duration::from_millis(100));
        assert_eq!(percentile(&times, 99), Duration::from_millis(198));
        assert_eq!(percentile(&times[..1], 99), Duration::from_millis(200));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
