//! The OpenAPI document of the whole API: what the handlers declare, and what all routes have in common, which handlers
//! do not repeat.

mod answers;
mod headers;
mod problems;

use std::collections::BTreeSet;

use api::{schema, wire::FieldError};
use problems::Problems;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, RefOr, Schema, SecurityRequirement,
        path::Operation,
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
        tag::{Tag, TagBuilder},
    },
};

/// Rules that hold on every route.
const RULES: &str = include_str!("document/rules.md");

/// The authentication that browsers send by themselves.
const COOKIE: &str = "cookie";

const TAGS: [(&str, &str); 5] = [
    ("products", "The catalogue, and its administration by the shop's staff."),
    ("cart", "One cart for each customer or guest."),
    ("orders", "Checkout, and the orders that it creates."),
    ("sessions", "Guests, login, and the sessions of a customer."),
    ("customers", "Registration, profile and addresses."),
];

/// The document of the whole API.
pub fn openapi(routes: OpenApi) -> OpenApi {
    let mut document = OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("OneTill")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(RULES))
                .license(Some(
                    LicenseBuilder::new().name("MIT OR Apache-2.0").identifier(Some("MIT OR Apache-2.0")).build(),
                ))
                .build(),
        )
        .tags(Some(TAGS.map(tag)))
        .build();
    document.merge(routes);
    let components = document.components.get_or_insert_default();
    components.schemas.insert(FieldError::name().into_owned(), FieldError::schema());
    for (name, scheme) in security_schemes() {
        components.add_security_scheme(name, scheme);
    }
    let mut problems = Problems::new();
    for path in document.paths.paths.values_mut() {
        let changing = [&mut path.put, &mut path.post, &mut path.patch, &mut path.delete];
        changing.into_iter().flatten().for_each(|operation| complete(operation, true, &mut problems));
        path.get.iter_mut().for_each(|operation| complete(operation, false, &mut problems));
    }
    let codes = problems.codes();
    problems.describe(document.components.get_or_insert_default());
    name_fields(&mut document, &codes);
    document
}

/// Adds the schemas of fields that are referenced, directly or through another one.
fn name_fields(document: &mut OpenApi, codes: &[String]) {
    let mut fields = schema::all();
    for (name, field) in &mut fields {
        if *name == schema::ErrorCode::name()
            && let RefOr::T(Schema::Object(field)) = field
        {
            field.enum_values = Some(codes.iter().map(|code| code.as_str().into()).collect());
        }
    }
    let mut referred = BTreeSet::new();
    loop {
        let text = document.to_json().unwrap_or_default();
        let is_new =
            |name: &&str| !referred.contains(*name) && text.contains(&format!("#/components/schemas/{name}\""));
        let new: Vec<_> = fields.iter().filter(|(name, _)| is_new(name)).cloned().collect();
        if new.is_empty() {
            return;
        }
        let components = document.components.get_or_insert_default();
        for (name, schema) in new {
            referred.insert(name);
            components.schemas.insert(name.to_owned(), schema);
        }
    }
}

fn tag((name, description): (&str, &str)) -> Tag {
    TagBuilder::new().name(name).description(Some(description)).build()
}

/// Who may call an operation, by the names of its security requirements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Anybody,
    /// Everybody; a session that is sent along is used.
    MaybeSession,
    Session,
    Admin,
}

impl Caller {
    fn of(operation: &Operation) -> Self {
        let requirements = operation.security.iter().flatten();
        let names: Vec<String> =
            requirements.flat_map(|r| serde_json::to_value(r).map(names).unwrap_or_default()).collect();
        let optional = operation.security.iter().flatten().any(|r| *r == SecurityRequirement::default());
        let named = |name: &str| names.iter().any(|n| n == name);
        match (named("admin"), named("session"), optional) {
            (true, _, _) => Self::Admin,
            (false, true, true) => Self::MaybeSession,
            (false, true, false) => Self::Session,
            (false, false, _) => Self::Anybody,
        }
    }
}

/// The schemes of a requirement.
fn names(requirement: serde_json::Value) -> Vec<String> {
    requirement.as_object().map(|schemes| schemes.keys().cloned().collect()).unwrap_or_default()
}

/// Adds what handlers leave to this module.
fn complete(operation: &mut Operation, changes_something: bool, problems: &mut Problems) {
    let caller = Caller::of(operation);
    if caller != Caller::Anybody {
        let by_cookie = SecurityRequirement::new(COOKIE, [] as [&str; 0]);
        operation.security.get_or_insert_default().push(by_cookie);
    }
    let takes = headers::complete_parameters(operation);
    answers::complete(operation, &answers::Route { caller, changes_something, takes }, problems);
    headers::complete_answers(operation, takes);
}

fn security_schemes() -> [(&'static str, SecurityScheme); 4] {
    let bearer = |description: &str| {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(description.to_owned());
        SecurityScheme::Http(scheme)
    };
    let cookie = ApiKeyValue::with_description(
        api::COOKIE,
        "The session's token as a browser keeps it: set by every answer that opens a session, `Secure`, `HttpOnly`, \
         `SameSite=Strict`. A request that changes something and brings the cookie must come from a page of an allowed \
         origin or of the API's own host, which its `Origin` or `Sec-Fetch-Site` says, and a POST with a body must be \
         JSON. On a route for staff the customer must have the role `admin`.",
    );
    let order_token = ApiKeyValue::with_description(
        "Order-Token",
        "The token of the link in a mail about a guest's order. It shows this order and cancels it, and nothing else. The \
         link has it behind a `#`, so that no server sees it but this one.",
    );
    [
        ("session", bearer("The token of a session, a guest's included.")),
        ("admin", bearer("The token of a session of a customer with the role `admin`.")),
        ("orderToken", SecurityScheme::ApiKey(ApiKey::Header(order_token))),
        (COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
    ]
}

/// The inline definition, unless it is a reference.
fn own<T>(of: &mut RefOr<T>) -> Option<&mut T> {
    match of {
        RefOr::T(own) => Some(own),
        RefOr::Ref(_) => None,
    }
}
