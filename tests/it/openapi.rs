//! The OpenAPI document is complete enough to generate a client from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use e2e::{Shop, usd};
use serde_json::{Value, json};

#[tokio::test]
async fn every_operation_has_a_name_of_its_own_that_says_what_it_does() {
    let document = document().await;

    let mut named: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (route, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_default();
        // A verb and its object: a handler's name alone is not enough.
        assert!(
            id.chars().any(char::is_uppercase),
            "{route}: give it an `operation_id` such as listProducts, not {id}"
        );
        named.entry(id).or_default().push(route);
    }

    for (id, routes) in named {
        assert_eq!(routes.len(), 1, "{id} is the operationId of {routes:?}");
    }
}

#[tokio::test]
async fn every_answer_parameter_and_header_is_described_and_every_error_is_a_problem() {
    let document = document().await;

    for (route, operation) in operations(&document) {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(is_text(&parameter["description"]), "{route}: describe {}", parameter["name"]);
            // Text of a path, a query or a header is never null.
            assert_ne!(parameter["schema"]["type"][1], "null", "{route}: {}", parameter["name"]);
        }
        for (status, answer) in operation["responses"].as_object().unwrap() {
            assert!(is_text(&answer["description"]), "{route}: describe {status}");
            for (name, header) in answer["headers"].as_object().into_iter().flatten() {
                assert!(is_text(&header["description"]), "{route}: {status}: describe {name}");
            }
            if status.starts_with(['4', '5']) {
                let schema = &answer["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/ProblemDetails", "{route}: {status}");
            }
        }
    }
}

#[tokio::test]
async fn every_reference_resolves() {
    let document = document().await;

    for name in references(&document) {
        assert!(document.pointer(name.trim_start_matches('#')).is_some(), "{name}");
    }
}

fn references(value: &Value) -> Vec<&str> {
    let mut all: Vec<&str> = value["$ref"].as_str().into_iter().collect();
    match value {
        Value::Object(members) => all.extend(members.values().flat_map(references)),
        Value::Array(items) => all.extend(items.iter().flat_map(references)),
        _ => {}
    }
    all
}

#[tokio::test]
async fn headers_are_documented_where_they_are_sent_and_taken() {
    let document = document().await;
    let sent = |route: &str, status: &str| -> Vec<String> {
        let operation = operations(&document).into_iter().find(|(of, _)| of == route).expect("a route").1;
        let headers = operation["responses"][status]["headers"].as_object();
        headers.into_iter().flatten().map(|(name, _)| name.clone()).collect()
    };

    assert_eq!(sent("GET /products/{productId}", "200"), ["ETag"]);
    assert_eq!(sent("GET /products/{productId}", "304"), ["ETag"]);
    assert_eq!(sent("POST /sessions", "201"), ["Set-Cookie"]);
    assert_eq!(sent("POST /orders", "201"), ["Idempotency-Replayed", "Location"]);
    assert_eq!(sent("POST /orders", "429"), ["Retry-After"]);
    assert_eq!(sent("POST /cart/items", "200"), ["ETag", "Idempotency-Replayed"]);
    assert_eq!(sent("POST /cart/items", "409"), ["Retry-After"]);
    assert_eq!(sent("GET /cart", "401"), ["WWW-Authenticate"]);
    assert_eq!(sent("GET /cart", "503"), ["Retry-After"]);
    let read = operations(&document).into_iter().find(|(of, _)| of == "GET /products/{productId}").expect("a route").1;
    let parameters = read["parameters"].as_array().expect("parameters");
    assert!(parameters.iter().any(|p| p["name"] == "If-None-Match" && p["required"] == false), "{parameters:?}");
}

#[tokio::test]
async fn every_route_that_takes_a_token_takes_the_cookie_instead() {
    let document = document().await;

    let cookie = &document["components"]["securitySchemes"]["cookie"];
    assert_eq!(
        (&cookie["type"], &cookie["in"], &cookie["name"]),
        (&"apiKey".into(), &"cookie".into(), &"__Host-sid".into())
    );
    for (route, operation) in operations(&document) {
        let security = operation["security"].as_array().unwrap();
        let by = |name: &str| security.iter().any(|s| s.get(name).is_some());
        assert_eq!(by("session") || by("admin"), by("cookie"), "{route}: {security:?}");
    }
}

#[tokio::test]
async fn what_a_client_compares_is_an_enum_and_what_it_sends_has_limits() {
    let document = document().await;
    let schema = |name: &str| &document["components"]["schemas"][name];
    let field = |of: &str, name: &str| schema(of)["properties"][name]["$ref"].as_str().unwrap_or_default().to_owned();

    for (of, name, is) in [
        ("OrderResponse", "state", "OrderStateName"),
        ("OrderEventResponse", "event", "OrderEventName"),
        ("PaymentResponse", "state", "PaymentStateName"),
        ("RefundResponse", "state", "RefundStateName"),
        ("CustomerResponse", "role", "RoleName"),
        ("FieldError", "code", "ErrorCode"),
    ] {
        assert_eq!(field(of, name), format!("#/components/schemas/{is}"), "{of}.{name}");
        assert!(schema(is)["enum"].as_array().is_some_and(|names| names.len() > 1), "{is}");
    }
    assert_eq!((&schema("Units")["minimum"], &schema("Units")["maximum"]), (&json!(1), &json!(9_999)));
    assert_eq!(schema("PriceAmount")["maximum"], json!(domain::MAX_PRICE_MINOR));
    let place = operations(&document).into_iter().find(|(of, _)| of == "POST /orders").expect("a route").1;
    let key = &place["parameters"][0]["schema"];
    assert_eq!((&key["minLength"], &key["maxLength"]), (&json!(16), &json!(64)));
}

#[tokio::test]
async fn every_text_and_number_that_a_client_sends_has_a_limit() {
    let document = document().await;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    // HTML is limited by the size of the body, and a device's token has a fixed form.
    let unlimited = ["description", "deviceToken"];

    for (of, schema) in schemas.iter().filter(|(name, _)| name.ends_with("Request")) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let types = [&field["type"], &field["type"][0]];
            let is = |kind| types.contains(&&json!(kind));
            let has_no = |limit: &str| field.get(limit).is_none();
            let is_bare = is("string") && has_no("maxLength") || is("integer") && has_no("maximum");
            let how = "give it a type of api::schema, or a limit of its own";
            assert!(!is_bare || unlimited.contains(&name.as_str()), "{of}.{name}: {how}");
        }
    }
}

#[tokio::test]
async fn an_error_has_the_members_that_its_code_says() {
    let document = document().await;
    let variants = document["components"]["schemas"]["ProblemDetails"]["oneOf"].as_array().unwrap();
    let variants =
        variants.iter().map(|v| document.pointer(v["$ref"].as_str().unwrap().trim_start_matches('#')).unwrap());

    let mut codes = Vec::new();
    for variant in variants {
        let of = variant["properties"]["code"]["enum"].as_array().unwrap();
        codes.extend(of.iter().map(|code| code.as_str().unwrap()));
        let member = |name: &str| variant["properties"].get(name).is_some();
        for (code, name) in [
            ("price_changed", "total"),
            ("out_of_stock", "products"),
            ("out_of_stock", "available"),
            ("refund_too_much", "left"),
            ("version_mismatch", "cart"),
            ("name_invalid", "errors"),
            ("payment_declined", "orderId"),
        ] {
            assert!(!of.contains(&json!(code)) || member(name), "{code} has {name}");
        }
    }

    // Each code is in exactly one variant, so that a client can select the variant by it.
    codes.sort_unstable();
    assert_eq!(codes, all_codes(&document));
}

#[tokio::test]
async fn every_code_that_the_sources_send_is_listed_and_every_listed_one_is_sent() {
    // Sources whose codes become answers; in `payments` only the rule for the token.
    const SOURCES: [&str; 8] = [
        "functions/cart/src",
        "functions/orders/src",
        "functions/products/src",
        "functions/search/src",
        "functions/sessions/src",
        "shared/api/src",
        "shared/domain/src",
        "shared/payments/src/lib.rs",
    ];
    // Rules of the domain for inputs that no route takes: reviews, and decimals of an import.
    const ELSEWHERE: [&str; 3] = ["price_invalid", "stars_out_of_range", "text_invalid"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files = SOURCES.iter().flat_map(|path| sources(&root.join(path)));
    let sources: Vec<String> = files.map(|file| fs::read_to_string(file).unwrap()).collect();
    let document = document().await;

    let documented = all_codes(&document);
    let defined: BTreeMap<String, String> = sources.iter().flat_map(|source| codes_defined_in(source)).collect();
    let refused: BTreeSet<String> = sources.iter().flat_map(|source| codes_of_fields_in(source)).collect();

    let is_known = |code: &str| documented.contains(&code) || ELSEWHERE.contains(&code);
    let unknown: Vec<_> = defined.keys().filter(|code| !is_known(code)).collect();
    assert!(unknown.is_empty(), "no route names them among its `responses`: {unknown:?}");
    let unknown: Vec<_> = refused.iter().filter(|code| !is_known(code)).collect();
    assert!(unknown.is_empty(), "name them in FIELD_CODES in shared/api/src/codes.rs: {unknown:?}");
    let is_sent = |code: &str| match defined.get(code) {
        Some(name) => {
            let ways = [format!("new({name},"), format!("new(codes::{name},"), format!("{name}.into()")];
            sources.iter().any(|source| ways.iter().any(|way| source.contains(way))) || refused.contains(code)
        }
        None => refused.contains(code),
    };
    let gone: Vec<_> = documented.iter().filter(|code| !is_sent(code)).collect();
    assert!(gone.is_empty(), "documented and never sent: {gone:?}");
}

#[tokio::test]
async fn every_code_in_the_description_of_an_error_exists() {
    let document = document().await;
    let mut known: BTreeSet<&str> = all_codes(&document).into_iter().collect();
    known.extend(payments::NotChargeable::REASONS);

    for (route, operation) in operations(&document) {
        let errors = operation["responses"].as_object().unwrap().iter();
        for (status, answer) in errors.filter(|(status, _)| status.starts_with(['4', '5'])) {
            let description = answer["description"].as_str().unwrap();
            for code in description.split('`').skip(1).step_by(2).filter(|text| is_code(text)) {
                assert!(known.contains(code), "{route}: {status}: there is no code {code}");
            }
        }
    }
}

/// Every code of an error, by name.
fn all_codes(document: &Value) -> Vec<&str> {
    let codes = document["components"]["schemas"]["ErrorCode"]["enum"].as_array().unwrap();
    codes.iter().map(|code| code.as_str().unwrap()).collect()
}

/// The codes that a source defines with `codes!`, and the names of their types.
fn codes_defined_in(source: &str) -> Vec<(String, String)> {
    let mut defined = Vec::new();
    for (at, _) in source.match_indices(" = Code::") {
        let name = source[..at].rsplit([' ', '\n']).next().unwrap_or_default();
        let code = source[at..].split('"').nth(1).unwrap_or_default();
        defined.push((code.to_owned(), name.to_owned()));
    }
    defined
}

/// Texts that look like codes, in calls that refuse the value of a field.
fn codes_of_fields_in(source: &str) -> Vec<String> {
    const CALLS: [&str; 6] = ["Invalid::new(", "text_line!(", "invalid(", "refused(", "Self::new(", "line("];
    let mut codes = Vec::new();
    for call in CALLS {
        for (at, _) in source.match_indices(call) {
            let arguments: String = source[at + call.len()..].chars().take(400).collect();
            let statement = arguments.split(';').next().unwrap_or_default();
            let texts = statement.split('"').skip(1).step_by(2).take(2);
            codes.extend(texts.filter(|text| is_code(text)).map(str::to_owned));
        }
    }
    codes
}

fn is_code(text: &str) -> bool {
    text.contains('_') && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
}

/// The file, or those of a folder.
fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| sources(&path));
    files.filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

#[tokio::test]
async fn all_fields_that_are_wrong_are_named_in_one_answer() {
    let shop = Shop::open_with(|o| o.policy.rates = None).await;
    let (admin, ann) = (shop.admin().await, shop.registered().await);
    let long = "x".repeat(10_000);
    let product = json!({"name": "", "category": ["a", "b", "c", "d", "e"], "price": {"amount": 1, "currency": "usd"}, "thumbnail": "javascript:x"});
    let fields = ["name", "category", "price.currency", "thumbnail"];
    shop.product("mug").create().await;

    let created = admin.post("/admin/products", product.clone()).await.expect(422);
    let replaced =
        admin.send(admin.request(reqwest::Method::PUT, "/admin/products/mug").json(&product)).await.expect(422);
    let patched =
        admin.send(admin.request(reqwest::Method::PATCH, "/admin/products/mug").json(&product)).await.expect(422);
    let registered = json!({"email": "no-email", "password": "short", "name": ""});
    let registered = shop.stranger().post("/users", registered).await.expect(422);
    let address = json!({"recipient": "", "line1": long, "city": "Bristol", "country": "Britain"});
    let address = ann.post("/users/me/addresses", address).await.expect(422);
    let added = ann.post("/cart/items", json!({"productId": "mug", "quantity": 0})).await.expect(422);
    let paid = json!({
        "payment": {"token": ""},
        "contact": {"email": "no-email", "phone": "1"},
        "shippingAddress": {"recipient": "", "line1": "1 Street", "city": "Bristol", "country": "Britain"},
        "expectedTotal": {"amount": 1, "currency": "usd"},
    });
    let paid = ann.post_once("/orders", "0123456789abcdef", paid).await.expect(422);
    let password = json!({"name": "", "currentPassword": "x".repeat(129), "newPassword": "short"});
    let password = ann.send(ann.request(reqwest::Method::PATCH, "/users/me").json(&password)).await.expect(422);

    assert_eq!(named(&created), fields);
    assert_eq!(named(&replaced), fields);
    assert_eq!(named(&patched), fields);
    assert_eq!(named(&registered), ["email", "password", "name"]);
    assert_eq!(named(&address).len(), 3, "{}", address.text());
    assert_eq!(named(&added), ["quantity"]);
    let of_checkout = [
        "payment.token",
        "contact.email",
        "contact.phone",
        "shippingAddress.recipient",
        "shippingAddress.country",
        "expectedTotal.currency",
    ];
    assert_eq!(named(&paid), of_checkout);
    assert_eq!(named(&password), ["name", "currentPassword", "newPassword"]);
}

#[tokio::test]
async fn a_batch_names_all_fields_of_each_product_that_is_refused() {
    let shop = Shop::open().await;
    let admin = shop.admin().await;
    let wrong = json!({"name": "", "category": [], "price": usd(-1)});

    let answer = admin.post("/admin/products/batch", json!({"items": [wrong]})).await.expect(200).json();

    let errors = answer["items"][0]["errors"].as_array().unwrap();
    let named: Vec<_> = errors.iter().map(|e| e["field"].as_str().unwrap()).collect();
    assert_eq!(named, ["name", "price"]);
}

/// The fields that an answer names, the first of which is `field`.
fn named(answer: &e2e::Answer) -> Vec<String> {
    let body = answer.json();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no errors: {body}"));
    assert_eq!((&body["field"], &body["code"]), (&errors[0]["field"], &errors[0]["code"]));
    assert!(errors.iter().all(|error| is_text(&error["detail"])));
    errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
}

async fn document() -> Value {
    serde_json::to_value(&*Shop::open().await.stack.openapi).unwrap()
}

/// Each operation, by its route.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap().iter();
        operations.extend(methods.map(|(method, operation)| (format!("{} {path}", method.to_uppercase()), operation)));
    }
    operations
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}
