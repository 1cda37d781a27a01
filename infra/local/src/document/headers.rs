//! Parameters that several routes take and headers that several answers send, each described once.

use api::schema::{ID, text};
use utoipa::openapi::{
    Header, HeaderBuilder, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
    path::{Operation, Parameter, ParameterBuilder, ParameterIn},
};

use super::own;

/// The headers and parameters of a route, which decide what it can answer.
#[derive(Debug, Clone, Copy)]
pub struct Takes {
    pub path: bool,
    pub query: bool,
    pub cursor: bool,
    pub key: bool,
    pub if_match: bool,
}

/// Completes the headers that handlers declare, and adds `If-None-Match` where 304 is an answer.
pub fn complete_parameters(operation: &mut Operation) -> Takes {
    if operation.responses.responses.contains_key("304") {
        let parameter = ParameterBuilder::new().name("If-None-Match").parameter_in(ParameterIn::Header).build();
        operation.parameters.get_or_insert_default().push(parameter.into());
    }
    let mut takes = Takes { path: false, query: false, cursor: false, key: false, if_match: false };
    for parameter in operation.parameters.iter_mut().flatten().filter_map(own) {
        match &parameter.parameter_in {
            ParameterIn::Path => takes.path = true,
            ParameterIn::Query => takes.query = true,
            ParameterIn::Header => {
                takes.key |= parameter.name == "Idempotency-Key";
                takes.if_match |= parameter.name == "If-Match";
            }
            _ => {}
        }
        takes.cursor |= parameter.name == "cursor";
        complete_parameter(parameter);
    }
    takes
}

fn complete_parameter(parameter: &mut Parameter) {
    let named = |name: &str| RefOr::Ref(Ref::from_schema_name(name));
    if let Some(thing) = named_by(parameter) {
        let (first, rest) = parameter.name.split_at(1);
        let (schema, description) = (format!("{}{rest}", first.to_uppercase()), format!("The {thing}'s id."));
        return describe(parameter, named(&schema), &description);
    }
    let (schema, description): (RefOr<Schema>, _) = match parameter.name.as_str() {
        "Idempotency-Key" => (
            text().min_length(Some(16)).max_length(Some(64)).pattern(Some(ID)).into(),
            "Chosen by the client, one for each thing that must not happen twice: a retry with the same key and body \
             gets the first answer again, for 24 hours. It may be sent in quotes.",
        ),
        "If-Match" => (
            text().pattern(Some(r#"^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*")*)$"#)).into(),
            "The `ETag` that the client has seen, or several: another version is not changed. `*` is any version. A weak \
             tag (`W/`) matches none.",
        ),
        // Without a limit of its own: what a browser sends must not make a request fail.
        "Accept-Language" => (text().into(), "The languages that the client prefers, as browsers send it."),
        "If-None-Match" => {
            (text().into(), "The `ETag` that the client has: the answer is 304 if it is still the current one.")
        }
        _ => return,
    };
    describe(parameter, schema, description);
}

fn describe(parameter: &mut Parameter, schema: RefOr<Schema>, description: &str) {
    let more = parameter.description.take().filter(|own| !own.is_empty());
    parameter.description = Some(more.map_or(description.to_owned(), |more| format!("{description} {more}")));
    parameter.schema = Some(schema);
}

/// What the id in an operation's path is of, such as `product` for `{productId}`.
pub fn thing(operation: &Operation) -> Option<String> {
    let thing = operation.parameters.iter().flatten().find_map(|parameter| match parameter {
        RefOr::T(parameter) => named_by(parameter),
        RefOr::Ref(_) => None,
    });
    thing.map(str::to_owned)
}

/// What the id in a path is of.
fn named_by(parameter: &Parameter) -> Option<&str> {
    let is_id = parameter.parameter_in == ParameterIn::Path;
    parameter.name.strip_suffix("Id").filter(|_| is_id)
}

/// Describes the headers that handlers declare, and adds those that follow from what a route takes and answers.
pub fn complete_answers(operation: &mut Operation, takes: Takes) {
    let reads_again = operation.responses.responses.contains_key("304");
    for (status, answer) in &mut operation.responses.responses {
        let Some(answer) = own(answer) else { continue };
        let succeeds = status.starts_with('2');
        let mut sends = Vec::new();
        sends.extend((status == "401").then_some("WWW-Authenticate"));
        sends.extend((takes.key && succeeds).then_some("Idempotency-Replayed"));
        sends.extend(
            (takes.if_match && status == "200" || status == "304" || reads_again && succeeds).then_some("ETag"),
        );
        for name in sends {
            answer.headers.entry(name.to_owned()).or_insert_with(|| Header::default().into());
        }
        for (name, header) in &mut answer.headers {
            complete_answer(name, header);
        }
    }
}

fn complete_answer(name: &str, header: &mut RefOr<Header>) {
    let Some(header) = own(header) else { return };
    let (schema, description) = match name {
        "ETag" => (text(), "The version, for `If-Match` and `If-None-Match`: a quoted text to send back unchanged."),
        "Location" => {
            (text().format(Some(SchemaFormat::Custom("uri-reference".to_owned()))), "The path of the resource.")
        }
        "Retry-After" => (
            ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)),
            "Seconds to wait before the request is sent again.",
        ),
        "Idempotency-Replayed" => (
            text().enum_values(Some(["true"])),
            "Sent if the answer repeats that of an earlier request with the same key.",
        ),
        "Set-Cookie" => (
            text(),
            "For browsers: the session's token as `__Host-sid`, `Secure`, `HttpOnly` and `SameSite=Strict`; empty if the session has ended. If the session was opened with a password, also `__Host-device`.",
        ),
        "WWW-Authenticate" => (text().enum_values(Some(["Bearer"])), "How to send a session's token."),
        _ => return,
    };
    let built = HeaderBuilder::new().schema(Some(schema.build()));
    let own = header.description.take().filter(|own| !own.is_empty());
    *header = built.description(Some(own.map_or(description.to_owned(), |own| format!("{description} {own}")))).build();
}
