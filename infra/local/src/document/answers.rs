//! The errors of a route: those that its handler names, and those that the edge, an extractor or the rule of a header
//! gives, which no handler names.

use std::collections::BTreeMap;

use api::codes::{self, Code};
use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, Header, Ref, RefOr, Response, path::Operation},
};

use super::{
    Caller,
    headers::{self, Takes},
    own,
    problems::Problems,
};

/// The properties of a route that decide which shared answers it has.
pub struct Route {
    pub caller: Caller,
    pub changes_something: bool,
    pub takes: Takes,
}

/// The answer with one status.
#[derive(Default)]
struct Answer {
    /// What the handler says of the status: all of it for a success; for an error, in what case it is given.
    own: Response,
    /// Codes with this status, by name, with what they mean: those that the handler names, then those of every such route.
    codes: Vec<(String, String)>,
    /// What holds on every such route.
    shared: Option<String>,
    retry_after: bool,
}

/// Completes the answers of an operation, and adds their errors to all errors.
pub fn complete(operation: &mut Operation, route: &Route, problems: &mut Problems) {
    let named = std::mem::take(&mut operation.responses.responses);
    let mut answers: BTreeMap<String, Answer> = BTreeMap::new();
    for (key, mut response) in named {
        let Some(response) = own(&mut response) else { continue };
        add(&mut answers, &key, response, problems);
    }
    let takes_body = operation.request_body.is_some();
    answers.entry("400".to_owned()).or_default().shared = Some(malformed(route, takes_body, problems));
    if takes_body {
        let refused = "the value of a field is refused: `field` names the first such field, `errors` lists all";
        answers.entry("422".to_owned()).or_default().shared = Some(refused.to_owned());
    }
    for (key, mut response) in shared(route, takes_body) {
        let Some(response) = own(&mut response) else { continue };
        add(&mut answers, &key, response, problems);
    }
    let thing = headers::thing(operation);
    let finish = |(status, answer): (String, Answer)| {
        let response = answer.finish(&status, thing.as_deref());
        (status, response.into())
    };
    operation.responses.responses = answers.into_iter().map(finish).collect();
}

/// Adds what is said of `<status>`, or of `<status> <code>`.
fn add(answers: &mut BTreeMap<String, Answer>, key: &str, response: &Response, problems: &mut Problems) {
    let Some((status, code)) = key.split_once(' ') else {
        answers.entry(key.to_owned()).or_default().own = response.clone();
        return;
    };
    problems.add(code, response);
    let answer = answers.entry(status.to_owned()).or_default();
    answer.retry_after |= response.headers.contains_key("Retry-After");
    if !answer.codes.iter().any(|(name, _)| name == code) {
        answer.codes.push((code.to_owned(), response.description.clone()));
    }
}

impl Answer {
    /// `thing` is what the path names.
    fn finish(self, status: &str, thing: Option<&str>) -> Response {
        let Self { own: mut answer, codes, shared, retry_after } = self;
        let said = std::mem::take(&mut answer.description);
        let meaning = |(name, meaning): &(String, String)| match (name.as_str(), thing) {
            ("not_found", Some(thing)) => format!("`{name}`: the {thing} does not exist"),
            _ => format!("`{name}`: {meaning}"),
        };
        let mut parts: Vec<String> = match &codes[..] {
            // What the handler says is in what case the only code is given.
            [(name, _)] if !said.is_empty() && !said.starts_with('`') => vec![format!("`{name}`: {said}")],
            codes => (!said.is_empty()).then_some(said).into_iter().chain(codes.iter().map(meaning)).collect(),
        };
        parts.extend(shared);
        answer.description = parts.join("; ");
        if status.starts_with(['4', '5']) {
            let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemDetails"))).build();
            answer.content = [(codes::MEDIA_TYPE.to_owned(), RefOr::T(problem))].into_iter().collect();
        }
        if retry_after {
            answer.headers.entry("Retry-After".to_owned()).or_insert_with(|| Header::default().into());
        }
        answer
    }
}

/// What a malformed request is refused with: by name only, because most routes have most of them.
fn malformed(route: &Route, takes_body: bool, problems: &mut Problems) -> String {
    let takes = route.takes;
    let mut malformed: Vec<Code> = vec![codes::HeaderDuplicated.into()];
    malformed.extend(takes.path.then(|| codes::FIELD_CODES.iter().find(|code| code.name == "id_invalid")).flatten());
    malformed.extend(takes.query.then_some(Code::from(codes::QueryInvalid)));
    if takes.cursor {
        malformed.extend([codes::CursorInvalid.into(), Code::from(codes::LimitOutOfRange)]);
    }
    malformed.extend(takes.if_match.then_some(Code::from(codes::IfMatchInvalid)));
    if takes.key {
        malformed.extend([codes::IdempotencyKeyMissing.into(), Code::from(codes::IdempotencyKeyInvalid)]);
    }
    if takes_body {
        malformed.extend([codes::BodyInvalid.into(), Code::from(codes::BodyUnreadable)]);
        malformed.extend([codes::JsonInvalid.into(), Code::from(codes::JsonTooDeep)]);
    }
    malformed.iter().for_each(|code| problems.add_code(code));
    let names: Vec<_> = malformed.iter().map(|code| format!("`{}`", code.name)).collect();
    format!("the request is malformed: {}", names.join(", "))
}

/// The other errors that follow from what a route takes and whom it is for.
fn shared(route: &Route, takes_body: bool) -> BTreeMap<String, RefOr<Response>> {
    let Route { caller, changes_something, takes } = route;
    let mut shared = BTreeMap::new();
    if matches!(caller, Caller::Session | Caller::Admin) {
        shared.extend(codes::SessionMissing::responses());
        shared.extend(codes::SessionInvalid::responses());
    }
    if *caller == Caller::Admin {
        shared.extend(codes::AdminRequired::responses());
    }
    if *changes_something {
        shared.extend(codes::CrossSiteRequest::responses());
    }
    if takes.if_match {
        shared.extend(codes::VersionMismatch::responses());
    }
    if takes_body {
        shared.extend(codes::BodyTooLarge::responses());
        shared.extend(codes::MediaTypeUnsupported::responses());
    }
    if takes.key {
        shared.extend(codes::IdempotencyKeyReused::responses());
    }
    shared.extend(codes::HeadersTooLarge::responses());
    shared.extend(codes::Internal::responses());
    shared.extend(codes::Busy::responses());
    shared.extend(codes::OutcomeUnknown::responses());
    shared
}
