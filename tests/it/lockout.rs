//! An attacker guesses the password of an account from many addresses while its owner logs in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use api::{Context, Cursors, Policy, edge, rates::Rates};
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
};
use domain::Email;
use e2e::{ADMIN_EMAIL, ADMIN_PASSWORD, PASSWORD, Shop};
use http_body_util::BodyExt;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tower::ServiceExt;

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const GUESS: &str = "almost right battery";
const NEW_PASSWORD: &str = "staple battery horse";

const QUARTER: SignedDuration = SignedDuration::from_mins(15);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// The owner's usual address, and one that was not used before.
const HOME: u16 = 0;
const HOTEL: u16 = 60_000;

#[tokio::test]
async fn an_attacker_with_many_addresses_does_not_lock_the_owner_out() {
    for (email, password) in [(ANN, PASSWORD), (ADMIN_EMAIL, ADMIN_PASSWORD)] {
        let door = Door::open().await;
        door.register(ANN).await;
        let owner = door.login(HOME, email, password, Device::Stranger).await.expect(201);
        door.shop.clock.advance(HOUR);

        let mut looked_at = Vec::new();
        for attacker in 1..=25 {
            let mut of_address = 0;
            for _ in 0..6 {
                of_address += i32::from(door.login(attacker, email, GUESS, Device::Stranger).await.status == 401);
            }
            looked_at.push(of_address);
            // During the attack the owner can log in on a known device from any address, also after a typing error.
            if attacker % 8 == 0 {
                door.login(attacker, email, GUESS, Device::Cookie(&owner.device)).await.expect(401);
                door.login(attacker, email, password, Device::Cookie(&owner.device)).await.expect(201);
                door.login(HOTEL - attacker, email, password, Device::Body(&owner.device)).await.expect(201);
                door.login(HOME, email, password, Device::Stranger).await.expect(201);
            }
        }
        // A new device at a new address can log in, and change the password in its session.
        let phone = door.login(HOTEL, email, password, Device::Stranger).await.expect(201);
        let change = json!({"currentPassword": password, "newPassword": NEW_PASSWORD});
        let changed = door.ask(HOME, "PATCH", "/users/me", Some(&phone.token), None, change).await.expect(200);
        door.login(HOME, email, NEW_PASSWORD, Device::Cookie(&changed.device)).await.expect(201);

        assert_eq!(looked_at[..4], [5; 4], "{email}");
        assert!(looked_at[4..].iter().all(|n| (1..=2).contains(n)), "{email}: {looked_at:?}");
    }
}

#[tokio::test]
async fn under_a_large_attack_every_address_has_one_guess_and_nothing_is_hashed_for_more() {
    let door = Door::open().await;
    let owner = door.register(ANN).await;
    door.shop.clock.advance(HOUR);
    door.strangers_have_tried(ANN, 100).await;

    for attacker in 1..=5 {
        let first = door.login(attacker, ANN, GUESS, Device::Stranger).await;
        let second = door.login(attacker, ANN, GUESS, Device::Stranger).await;

        assert_eq!([first.status, second.status], [401, 429]);
        assert_eq!(second.retry_after.as_deref(), Some("900"));
        // Three counters are read; the credential is not read and nothing is hashed.
        assert_eq!(second.calls, 3);
    }
    door.login(HOTEL, ANN, PASSWORD, Device::Stranger).await.expect(201);
    door.login(1, ANN, PASSWORD, Device::Stranger).await.expect(429);
    door.login(1, ANN, PASSWORD, Device::Cookie(&owner.device)).await.expect(201);
    door.shop.clock.advance(QUARTER);
    door.login(1, ANN, PASSWORD, Device::Stranger).await.expect(201);
}

#[tokio::test]
async fn a_known_device_has_five_guesses_of_its_own() {
    let door = Door::open().await;
    let ann = door.register(ANN).await;
    door.shop.clock.advance(QUARTER);

    for _ in 0..5 {
        door.login(HOME, ANN, GUESS, Device::Cookie(&ann.device)).await.expect(401);
    }
    let sixth = door.login(HOTEL, ANN, PASSWORD, Device::Cookie(&ann.device)).await.expect(429);

    assert_eq!((sixth.retry_after.as_deref(), sixth.calls), (Some("900"), 1));
    // They did not count for the address: without the token it has guesses of its own.
    door.login(HOME, ANN, PASSWORD, Device::Stranger).await.expect(201);
    door.shop.clock.advance(QUARTER);
    let known = door.login(HOME, ANN, PASSWORD, Device::Cookie(&ann.device)).await.expect(201);
    // A success resets the counter, and the device keeps its identity under a new token.
    for _ in 0..5 {
        door.login(HOME, ANN, GUESS, Device::Body(&ann.device)).await.expect(401);
    }
    door.login(HOME, ANN, PASSWORD, Device::Cookie(&known.device)).await.expect(429);
}

#[tokio::test]
async fn a_device_token_that_is_not_this_accounts_is_ignored() {
    let door = Door::open().await;
    let (ann, bob) = (door.register(ANN).await, door.register(BOB).await);
    door.shop.clock.advance(HOUR);
    door.strangers_have_tried(ANN, 100).await;
    let flipped = ann.device.replace(|c: char| c.is_ascii_lowercase(), "x");

    for (address, token) in
        [(1, &bob.device), (2, &ann.token), (3, &flipped), (4, &"x".repeat(5_000)), (5, &String::new())]
    {
        let first = door.login(address, ANN, GUESS, Device::Body(token)).await;
        let second = door.login(address, ANN, GUESS, Device::Body(token)).await;

        assert_eq!([first.status, second.status], [401, 429], "{token:.60}");
    }
    // Another account's cookie in the same browser does not hide the token in the body.
    let both = json!({"email": ANN, "password": PASSWORD, "deviceToken": ann.device});
    door.ask(1, "POST", "/sessions", None, Some(&bob.device), both).await.expect(201);
    // After half a year without a login, the device is unknown again.
    door.shop.clock.advance(SignedDuration::from_hours(180 * 24));
    door.strangers_have_tried(ANN, 100).await;
    let late = [
        door.login(6, ANN, GUESS, Device::Cookie(&ann.device)).await.status,
        door.login(6, ANN, GUESS, Device::Cookie(&ann.device)).await.status,
    ];
    assert_eq!(late, [401, 429]);
}

#[tokio::test]
async fn a_stolen_session_has_five_guesses_at_the_password_two_in_a_request_however_often_it_is_refreshed() {
    let door = Door::open().await;
    let ann = door.register(ANN).await;
    door.shop.clock.advance(SignedDuration::from_secs(1));
    let elsewhere = door.login(HOME, ANN, PASSWORD, Device::Stranger).await.expect(201);
    let guess = || json!({"currentPassword": GUESS, "newPassword": NEW_PASSWORD});
    let mut thief = ann.token.clone();

    for address in 1..=2 {
        door.ask(address, "PATCH", "/users/me", Some(&thief), None, guess()).await.expect(403);
        thief = door.ask(address, "POST", "/sessions/refresh", Some(&thief), None, json!({})).await.expect(201).token;
    }
    // `currentPassword` is the fifth guess. `newPassword`, compared with the current one, would be a sixth.
    let sixth = json!({"currentPassword": GUESS, "newPassword": PASSWORD});
    let sixth = door.ask(3, "PATCH", "/users/me", Some(&thief), None, sixth).await;

    assert_eq!(sixth.status, 429);
    let change = json!({"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD});
    door.ask(HOME, "PATCH", "/users/me", Some(&elsewhere.token), None, change).await.expect(200);
}

#[tokio::test]
async fn only_a_login_with_a_password_makes_a_device_known() {
    let door = Door::open().await;

    let guest = door.ask(HOME, "POST", "/sessions/guest", None, None, json!({})).await.expect(201);
    let ann = door.register(ANN).await;
    let refreshed = door.ask(HOME, "POST", "/sessions/refresh", Some(&ann.token), None, json!({})).await.expect(201);

    assert_eq!((guest.device.as_str(), refreshed.device.as_str()), ("", ""));
    assert!(guest.cookies.len() == 1 && refreshed.cookies.len() == 1);
    let half_a_year = 180 * 24 * 3_600;
    let cookie =
        format!("__Host-device={}; Max-Age={half_a_year}; Secure; HttpOnly; SameSite=Strict; Path=/", ann.device);
    assert_eq!(ann.cookies[1], cookie);
}

/// The sessions function of a shop, called from any address.
struct Door {
    shop: Shop,
    router: Router,
}

#[derive(Debug)]
struct Answered {
    status: u16,
    token: String,
    device: String,
    cookies: Vec<String>,
    retry_after: Option<String>,
    calls: u32,
    body: Value,
}

#[derive(Clone, Copy)]
enum Device<'a> {
    Stranger,
    Cookie(&'a str),
    Body(&'a str),
}

impl Door {
    async fn open() -> Self {
        let shop = Shop::open().await;
        let context = Context::new(
            shop.stack.table.clone(),
            shop.clock.clone(),
            Cursors::new(&[[1; 32]]),
            Policy { show_costs: true, ..Policy::default() },
        );
        let routes = sessions::router::<()>(sessions::State::new(context.clone(), links::LinkKeys::new(&[[2; 32]])));
        let router = edge::finish(routes.into_router(), &context);
        Self { shop, router }
    }

    async fn register(&self, email: &str) -> Answered {
        let body = json!({"email": email, "password": PASSWORD, "name": "Ann"});
        self.ask(HOME, "POST", "/users", None, None, body).await.expect(201)
    }

    async fn login(&self, address: u16, email: &str, password: &str, device: Device<'_>) -> Answered {
        let mut body = json!({"email": email, "password": password});
        let mut cookie = None;
        match device {
            Device::Stranger => {}
            Device::Cookie(token) => cookie = Some(token),
            Device::Body(token) => body["deviceToken"] = json!(token),
        }
        self.ask(address, "POST", "/sessions", None, cookie, body).await
    }

    async fn ask(
        &self,
        address: u16,
        method: &str,
        path: &str,
        token: Option<&str>,
        device: Option<&str>,
        body: Value,
    ) -> Answered {
        let [high, low] = address.to_be_bytes();
        let client = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 18, high, low)), 50_000);
        let mut request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(device) = device {
            request = request.header("cookie", format!("theme=dark; __Host-device={device}"));
        }
        let request = request.extension(ConnectInfo(client)).body(Body::from(body.to_string())).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let header = |name: &str| headers.get(name).map(|v| v.to_str().unwrap().to_owned());
        let costs = header("x-consumed-capacity").unwrap();
        let calls = costs.split(' ').find_map(|part| part.strip_prefix("dynamodb=")?.parse().ok()).unwrap();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let cookies = headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap().to_owned()).collect();
        let (token, device, retry_after) = (text("token"), text("deviceToken"), header("retry-after"));
        Answered { status, token, device, cookies, retry_after, calls, body }
    }

    /// Counts `times` attempts in this hour from other addresses.
    async fn strangers_have_tried(&self, email: &str, times: u32) {
        let limit = Rates::default().login_account(&Email::parse(email).unwrap());
        for _ in 0..times {
            self.shop.stack.table.rate_tally(&limit, self.shop.clock.now()).await.unwrap();
        }
    }
}

impl Answered {
    #[track_caller]
    fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}
