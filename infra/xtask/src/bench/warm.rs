//! How long functions that run take to answer, beside the calls of the SDK that each answer cannot do without.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use clap::Args;
use serde_json::{Value, json};

use super::{
    cold::{LIMITS, VARIABLES, event, ms, packages},
    peers,
    picture::{self, Bars},
    runtime_api::{Asked, RuntimeApi},
    section,
    shop::{Guest, Served, Shop},
};
use crate::Outcome;

#[derive(Debug, Args)]
pub struct Options {
    /// How many events each is given, after some that are not counted
    #[arg(long, default_value_t = EVENTS)]
    events: usize,
}

const EVENTS: usize = 300;

impl Default for Options {
    fn default() -> Self {
        Self { events: EVENTS }
    }
}

/// Events before the first one that counts: connections are opened, and code is read for the first time.
const BEFORE: usize = 30;

/// A function and what it is compared with, with the events of each.
struct Pair {
    name: &'static str,
    function: &'static str,
    peer: Peer,
    events: [Vec<String>; 2],
    status: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Peer {
    Hello,
    SdkCalls,
}

/// The times of a pair, in microseconds, sorted.
struct Measured {
    name: &'static str,
    peer: Peer,
    function: Vec<f64>,
    other: Vec<f64>,
}

/// Builds, measures and writes.
///
/// # Errors
/// Something cannot be built or started, or answers differently than expected.
pub fn run(options: &Options, programs: Option<&Path>) -> Outcome<()> {
    let count = options.events + BEFORE;
    // All of them, so that they are built with the same features as for `cold`.
    let mut programs = peers::functions(&packages(&LIMITS), programs)?;
    programs.insert(HELLO.to_owned(), peers::hello()?);
    programs.insert(SDK_CALLS.to_owned(), peers::sdk_calls()?);
    println!("filling {} carts", 2 * count);
    let shop = Shop::start(2 * count)?;
    let mut measured = Vec::new();
    for pair in pairs(&shop.served, count)? {
        println!("{count} times {}, and {}", pair.name, pair.peer.name());
        measured.push(measure(&pair, &programs, &shop.served)?);
    }
    let table = table(&measured);
    println!("{table}");
    let of = format!("Of {} events each. {}.", options.events, section::machine());
    let picture = picture(&measured)?;
    section::write("warm", &format!("{of}\n\n{table}\n\n{}\n\n{picture}", in_memory(&measured)))
}

const HELLO: &str = "hello";
const SDK_CALLS: &str = "sdk-calls";

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::Hello => HELLO,
            Self::SdkCalls => SDK_CALLS,
        }
    }
}

fn pairs(served: &Served, count: usize) -> Outcome<Vec<Pair>> {
    let base: Value = serde_json::from_str(&event("products/get.json")?)?;
    let (products, guests) = (&served.products, &served.guests);
    let of_product = |id: &String| request(&base, "GET", &format!("/products/{id}"), &[], None);
    // One that stays in memory.
    let same = vec![products.last().map(of_product).ok_or("there are no products")?; count];
    let each: Vec<_> = products.iter().take(count).map(of_product).collect();
    let carts: Vec<_> = guests[..count].iter().map(|guest| cart_event(&base, guest)).collect();
    let order = |(number, guest): (usize, &Guest)| order_event(&base, guest, number);
    let orders: Vec<_> = guests.iter().enumerate().map(order).collect();
    let (ours, theirs) = orders.split_at(count);
    let pair = |name, function, peer, events, status| Pair { name, function, peer, events, status };
    Ok(vec![
        pair("GET product, in memory", "products", Peer::Hello, [same.clone(), same], 200),
        pair("GET product", "products", Peer::SdkCalls, [each.clone(), each], 200),
        pair("GET cart", "cart", Peer::SdkCalls, [carts.clone(), carts], 200),
        pair("POST order", "orders", Peer::SdkCalls, [ours.to_vec(), theirs.to_vec()], 201),
    ])
}

fn request(base: &Value, method: &str, path: &str, headers: &[(&str, String)], body: Option<&Value>) -> String {
    let mut event = base.clone();
    event["rawPath"] = path.into();
    event["requestContext"]["http"]["path"] = path.into();
    event["requestContext"]["http"]["method"] = method.into();
    for (name, value) in headers {
        event["headers"][*name] = value.as_str().into();
    }
    if let Some(body) = body {
        let body = body.to_string();
        event["headers"]["content-type"] = "application/json".into();
        event["headers"]["content-length"] = body.len().to_string().into();
        event["body"] = body.into();
    }
    event.to_string()
}

fn cart_event(base: &Value, guest: &Guest) -> String {
    request(base, "GET", "/cart", &session_of(guest), None)
}

fn order_event(base: &Value, guest: &Guest, number: usize) -> String {
    let mut headers = session_of(guest).to_vec();
    headers.push(("idempotency-key", format!("order-of-the-benchmark-{number:06}")));
    // Only the peer takes an id from outside.
    headers.push(("x-order", format!("0193c251-f400-7000-8000-{number:012x}")));
    let body = json!({
        "payment": {"token": "tok_visa"},
        "contact": {"email": format!("{}@guest.example", guest.user)},
        "shippingAddress": {"recipient": "Ann", "line1": "1 Street", "city": "Bristol", "country": "GB"},
    });
    request(base, "POST", "/orders", &headers, Some(&body))
}

/// As the function reads it, and as the peer does.
fn session_of(guest: &Guest) -> [(&'static str, String); 3] {
    let bearer = format!("Bearer {}", guest.token);
    [("authorization", bearer), ("x-session", guest.session.clone()), ("x-user", guest.user.clone())]
}

/// Gives both an event in turn, so that what disturbs the machine disturbs both alike; now one is first, now the other.
fn measure(pair: &Pair, programs: &BTreeMap<String, PathBuf>, shop: &Served) -> Outcome<Measured> {
    let apis = [RuntimeApi::start()?, RuntimeApi::start()?];
    let program = |name: &str| programs.get(name).ok_or_else(|| format!("there is no program {name}"));
    let mut function = apis[0].keep(&mut command(program(pair.function)?, shop))?;
    let mut peer = apis[1].keep(&mut command(program(pair.peer.name())?, shop))?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (number, (event, other)) in pair.events[0].iter().zip(&pair.events[1]).enumerate() {
        let take = |asked: &mut Asked<'_>, event: &str, times: &mut Vec<f64>| -> Outcome<()> {
            let (time, answer) = asked.answer(event)?;
            if answer["statusCode"] != pair.status {
                return Err(format!("{}: {answer} and not {}", pair.name, pair.status).into());
            }
            if number >= BEFORE {
                times.push(us(time));
            }
            Ok(())
        };
        if number % 2 == 0 {
            take(&mut function, event, &mut ours)?;
            take(&mut peer, other, &mut theirs)?;
        } else {
            take(&mut peer, other, &mut theirs)?;
            take(&mut function, event, &mut ours)?;
        }
    }
    ours.sort_by(f64::total_cmp);
    theirs.sort_by(f64::total_cmp);
    Ok(Measured { name: pair.name, peer: pair.peer, function: ours, other: theirs })
}

/// As on AWS, but for the engine on this machine and a payment provider in the function, which takes every card.
fn command(program: &Path, shop: &Served) -> Command {
    let mut command = Command::new(program);
    command.stderr(Stdio::null()).env_clear().envs(VARIABLES);
    command.env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
    command.env("DYNAMODB_ENDPOINT", &shop.dynamodb).env("S3_ENDPOINT", &shop.s3);
    command.env("TABLE_NAME", &shop.table).env("PAYMENT_PROVIDER", "local");
    command
}

fn table(measured: &[Measured]) -> String {
    let mut lines = vec![
        "| | function, median | p95 | SDK calls alone, median | p95 | × |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    for Measured { name, function, other, .. } in measured.iter().filter(|measured| measured.peer == Peer::SdkCalls) {
        lines.push(format!(
            "| {name} | {} | {} | {} | {} | {:.2} |",
            shown(percentile(function, 50)),
            shown(percentile(function, 95)),
            shown(percentile(other, 50)),
            shown(percentile(other, 95)),
            percentile(function, 50) / percentile(other, 50),
        ));
    }
    lines.join("\n")
}

/// What the handler takes of an answer from memory: what is more than the round trip of a function that does nothing.
fn in_memory(measured: &[Measured]) -> String {
    let Some(Measured { function, other, .. }) = measured.iter().find(|measured| measured.peer == Peer::Hello) else {
        return String::new();
    };
    let (function, other) = (percentile(function, 50), percentile(other, 50));
    format!(
        "A product from memory is answered in {function:.0} µs, where the bare function takes {other:.0} µs: {:.0} µs are the \
         function's own. It reads nothing.",
        function - other
    )
}

fn picture(measured: &[Measured]) -> Outcome<String> {
    let groups = measured.iter().filter(|measured| measured.peer == Peer::SdkCalls).map(|measured| {
        let of = |times: &[f64]| Some(percentile(times, 50) / 1_000.0);
        (measured.name.to_owned(), vec![of(&measured.function), of(&measured.other)])
    });
    picture::bars(&Bars {
        name: "warm",
        title: "Answers of functions that run, and their SDK calls alone",
        unit: "ms",
        series: &["function", "SDK calls alone"],
        groups: groups.collect(),
    })
}

fn shown(us: f64) -> String {
    format!("{:.2} ms", us / 1_000.0)
}

fn us(time: Duration) -> f64 {
    ms(time) * 1_000.0
}

/// Of sorted times.
fn percentile(times: &[f64], percent: usize) -> f64 {
    times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times: Vec<f64> = (0..=100).map(f64::from).collect();

        assert!((percentile(&times, 50) - 50.0).abs() < 1e-9 && (percentile(&times, 95) - 95.0).abs() < 1e-9);
        assert!((percentile(&[7.0], 95) - 7.0).abs() < 1e-9 && percentile(&[], 50).abs() < 1e-9);
    }

    #[test]
    fn an_event_has_its_own_path_body_and_headers() {
        let base = json!({"headers": {"accept": "*/*"}, "requestContext": {"http": {}}});

        let event = request(&base, "POST", "/orders", &[("x-user", "ann".to_owned())], Some(&json!({"a": 1})));

        let event: Value = serde_json::from_str(&event).unwrap();
        assert_eq!(
            (&event["rawPath"], &event["requestContext"]["http"]["method"]),
            (&json!("/orders"), &json!("POST"))
        );
        assert_eq!((&event["body"], &event["headers"]["content-length"]), (&json!(r#"{"a":1}"#), &json!("7")));
        assert_eq!(event["headers"]["x-user"], "ann");
    }
}
