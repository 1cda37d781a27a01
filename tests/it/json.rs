//! Every route of the OpenAPI document that takes JSON, called with bodies that its schema does not allow.

use e2e::{Answer, Shop, Shopper};
use serde_json::{Map, Value, json};

use crate::routes::{Things, bare_request, routes};

/// Words of the implementation, which answers must not show.
const RUST: [&str; 9] = ["struct", "enum", "tuple", "i64", "u32", "alloc::", "serde", "Request", "at line"];

#[tokio::test]
async fn a_list_is_nowhere_taken_for_an_object() {
    let scene = Scene::set().await;

    for (route, body) in scene.bodies() {
        for at in pointers(&body) {
            if !body.pointer(&at).unwrap().is_object() || at.contains("/attributes/") {
                continue;
            }
            let mut mutated = body.clone();
            let object = mutated.pointer_mut(&at).unwrap();
            *object = object.as_object().unwrap().values().cloned().collect();

            scene.refuses(&route, mutated.to_string(), &at).await;
        }
    }
}

#[tokio::test]
async fn a_repeated_member_is_refused_at_every_depth() {
    let scene = Scene::set().await;

    for (route, body) in scene.bodies() {
        for at in pointers(&body).into_iter().filter(|at| body.pointer(at).unwrap().is_object()) {
            let answer = scene.send(&route, repeating(&body, &at, "")).await;

            let about = format!("{route} {at}: {}", answer.text());
            assert_eq!((answer.status(), answer.code().as_str()), (400, "body_invalid"), "{about}");
            let field = answer.json()["field"].as_str().expect("it says which").to_owned();
            assert!(field.starts_with(&dotted(&at)) && answer.json()["detail"] == format!("{field}: repeated field"));
        }
    }
}

#[tokio::test]
async fn an_unknown_member_is_refused_at_every_depth() {
    let scene = Scene::set().await;

    for (route, body) in scene.bodies() {
        for at in pointers(&body) {
            // A product's attributes may have any name.
            if !body.pointer(&at).unwrap().is_object() || at.contains("/attributes") {
                continue;
            }
            let mut mutated = body.clone();
            mutated.pointer_mut(&at).unwrap()["passwordHash"] = json!("x");

            scene.refuses(&route, mutated.to_string(), &format!("{at}/passwordHash")).await;
        }
    }
}

#[tokio::test]
async fn a_value_of_another_kind_is_refused_by_the_name_of_its_field() {
    let scene = Scene::set().await;

    for (route, body) in scene.bodies() {
        for at in pointers(&body).into_iter().filter(|at| !at.contains("/attributes/")) {
            let kind = |value: &Value| std::mem::discriminant(value);
            let own = kind(body.pointer(&at).unwrap());
            for other in [json!(true), json!(-7.5), json!("x"), json!({"x": 1}), json!([[]])] {
                if kind(&other) == own {
                    continue;
                }
                let mut mutated = body.clone();
                *mutated.pointer_mut(&at).unwrap() = other;

                scene.refuses(&route, mutated.to_string(), &at).await;
            }
        }
    }
}

struct Scene {
    shop: Shop,
    admin: Shopper,
    thing: Things,
}

impl Scene {
    async fn set() -> Self {
        let shop = Shop::open_with(|o| o.policy.rates = None).await;
        let (admin, thing) = (shop.admin().await, Things::of_owner(&shop).await);
        let scene = Self { shop, admin, thing };
        for (route, body) in scene.bodies() {
            let answer = scene.send(&route, body.to_string()).await;
            assert_ne!(answer.json()["code"], "body_invalid", "{route} takes {body}: {}", answer.text());
        }
        scene
    }

    /// Each route that takes JSON, with a body that has every field.
    fn bodies(&self) -> Vec<(String, Value)> {
        let document = serde_json::to_value(&*self.shop.stack.openapi).unwrap();
        let body = |route: String| {
            let (method, path) = route.split_once(' ').unwrap();
            let content = &document["paths"][path][method.to_lowercase()]["requestBody"]["content"];
            let schema = content.get("application/json")?.get("schema")?;
            Some((route.clone(), sample(&document, schema)))
        };
        // A webhook's body is signed, and may have any members that the provider adds.
        let routes = routes(&self.shop).into_iter().map(|(route, _)| route);
        let routes = routes.filter(|route| !route.contains("/webhooks/"));
        let bodies: Vec<_> = routes.filter_map(body).collect();
        assert!(bodies.len() > 10, "{bodies:?}");
        bodies
    }

    async fn send(&self, route: &str, body: String) -> Answer {
        let who = if route.contains("/admin/") { &self.admin } else { &self.thing.owner };
        let request = bare_request(who, route, &self.thing).header("content-type", "application/json");
        who.send(request.body(body)).await
    }

    /// Fails unless the body is refused with the name of this place and without words of the implementation.
    async fn refuses(&self, route: &str, body: String, at: &str) {
        let answer = self.send(route, body.clone()).await;

        let about = format!("{route} {body}: {}", answer.text());
        let at = dotted(at);
        // In a batch, one product is refused and not the others.
        let of_item = at.strip_prefix("items[0]").filter(|_| route.ends_with("/batch"));
        let (answer, place) = match of_item {
            Some(place) => {
                assert_eq!(answer.status(), 200, "{about}");
                assert_eq!(answer.json()["items"][0]["outcome"], "invalid", "{about}");
                (answer.json()["items"][0].clone(), place.trim_start_matches('.').to_owned())
            }
            None => {
                assert_eq!(answer.status(), 400, "{about}");
                assert_eq!(answer.json()["field"].as_str().unwrap_or_default(), at, "{about}");
                (answer.json(), at)
            }
        };
        assert_eq!(answer["code"], "body_invalid", "{about}");
        let detail = answer["detail"].as_str().expect("it says why");
        let place = if place.is_empty() { "the JSON value".to_owned() } else { place };
        let (named, reason) = detail.split_once(": ").expect("a place, and what is wrong");
        assert_eq!(named, place, "{about}");
        for word in RUST {
            assert!(!reason.contains(word), "{about}");
        }
    }
}

/// A value of the schema with every property.
fn sample(document: &Value, schema: &Value) -> Value {
    if let Some(name) = schema["$ref"].as_str() {
        return sample(document, document.pointer(name.trim_start_matches('#')).expect("a schema"));
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        if let Some(schemas) = schema[choice].as_array() {
            let some = schemas.iter().find(|s| s["type"] != "null").expect("something but null");
            return sample(document, some);
        }
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    match types.into_iter().find(|t| *t != "null").unwrap_or("string") {
        "object" => {
            let properties = schema["properties"].as_object().cloned().unwrap_or_default();
            let mut object: Map<_, _> =
                properties.iter().map(|(name, of)| (name.clone(), sample(document, of))).collect();
            if object.is_empty() {
                object.insert("anything".to_owned(), json!({"a": "b"}));
            }
            object.into()
        }
        "array" => json!([sample(document, &schema["items"])]),
        "integer" | "number" => json!(1),
        "boolean" => json!(false),
        _ => json!("x"),
    }
}

/// JSON pointers to every place in a value; the first is the whole value.
fn pointers(value: &Value) -> Vec<String> {
    let below = |step: String, value: &Value| pointers(value).into_iter().map(move |at| format!("/{step}{at}"));
    let mut all = vec![String::new()];
    match value {
        Value::Object(object) => all.extend(object.iter().flat_map(|(name, value)| below(name.clone(), value))),
        Value::Array(list) => all.extend(list.iter().enumerate().flat_map(|(at, value)| below(at.to_string(), value))),
        _ => {}
    }
    all
}

/// The value as text, with the first member of the object at `at` repeated at its end.
fn repeating(value: &Value, at: &str, here: &str) -> String {
    match value {
        Value::Array(list) => {
            let items = list.iter().enumerate().map(|(i, item)| repeating(item, at, &format!("{here}/{i}")));
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        Value::Object(object) => {
            let member =
                |name: &String, value| format!("{}:{}", json!(name), repeating(value, at, &format!("{here}/{name}")));
            let mut members: Vec<_> = object.iter().map(|(name, value)| member(name, value)).collect();
            if here == at {
                members.push(members[0].clone());
            }
            format!("{{{}}}", members.join(","))
        }
        leaf => leaf.to_string(),
    }
}

/// A place as the shop names it: `/lines/0/quantity` is `lines[0].quantity`.
fn dotted(at: &str) -> String {
    let mut dotted = String::new();
    for step in at.split('/').skip(1) {
        match step.parse::<usize>() {
            Ok(at) => dotted.push_str(&format!("[{at}]")),
            Err(_) if dotted.is_empty() => dotted.push_str(step),
            Err(_) => dotted.extend([".", step]),
        }
    }
    dotted
}
