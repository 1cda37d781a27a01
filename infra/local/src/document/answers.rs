//! Shared answers of routes: the errors of the edge, of extractors and of header rules, on every route that can have
//! them.

use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, path::Operation};

use super::{Caller, headers::Takes, own};

const CROSS_SITE: &str = "`cross_site_request`";

/// The properties of a route that decide which shared answers it has.
pub struct Route {
    pub caller: Caller,
    pub changes_something: bool,
    pub takes: Takes,
}

/// Adds the answers that handlers do not declare, completes those that they declare by status only, and gives each
/// error its body.
pub fn complete(operation: &mut Operation, route: &Route) {
    for (status, description) in shared(operation, route) {
        let answer = operation.responses.responses.entry(status.to_owned()).or_insert_with(|| Response::new("").into());
        let Some(answer) = own(answer) else { continue };
        answer.description = match answer.description.is_empty() {
            true => description,
            // What a handler declares for a status comes before what holds everywhere.
            false => format!("{}; {description}", answer.description),
        };
    }
    for (status, answer) in &mut operation.responses.responses {
        let Some(answer) = own(answer) else { continue };
        if status.starts_with(['4', '5']) {
            let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemDetails"))).build();
            answer.content = [("application/problem+json".to_owned(), RefOr::T(problem))].into_iter().collect();
        }
    }
}

/// By status: the codes, and what they mean.
fn shared(operation: &Operation, route: &Route) -> Vec<(&'static str, String)> {
    let Route { caller, changes_something, takes } = route;
    let named = |status: &str| operation.responses.responses.contains_key(status);
    let takes_body = operation.request_body.is_some();

    let mut malformed = vec!["`header_duplicated`"];
    malformed.extend(takes.path.then_some("`id_invalid`"));
    malformed.extend(takes.query.then_some("`query_invalid`"));
    malformed.extend(takes.cursor.then_some("`cursor_invalid`, `limit_out_of_range`"));
    malformed.extend(takes.if_match.then_some("`if_match_invalid`"));
    malformed.extend(takes.key.then_some("`idempotency_key_missing`, `idempotency_key_invalid`"));
    malformed.extend(takes_body.then_some("`body_invalid`, `body_unreadable`, `json_invalid`, `json_too_deep`"));
    let mut answers = vec![("400", format!("the request is malformed: {}", malformed.join(", ")))];

    if matches!(caller, Caller::Session | Caller::Admin) {
        answers.push(("401", "`session_missing`, `session_invalid`".to_owned()));
    }
    let mut forbidden = Vec::new();
    forbidden.extend((*caller == Caller::Admin).then_some("`admin_required`"));
    forbidden.extend(changes_something.then_some(CROSS_SITE));
    if !forbidden.is_empty() {
        answers.push(("403", forbidden.join(", ")));
    }
    if takes.if_match && !named("412") {
        answers.push(("412", "`version_mismatch`: it was changed meanwhile; read it again".to_owned()));
    }
    if takes_body {
        answers.push(("413", "`body_too_large`".to_owned()));
        answers.push(("415", "`media_type_unsupported`".to_owned()));
    }
    let mut unprocessable = Vec::new();
    unprocessable.extend(
        takes_body.then_some("the value of a field is refused: `field` names the first such field, `errors` lists all"),
    );
    unprocessable.extend(takes.key.then_some("`idempotency_key_reused`: the key was used for another request"));
    if !unprocessable.is_empty() {
        answers.push(("422", unprocessable.join("; ")));
    }
    if named("429") {
        answers.push(("429", "`rate_limited`".to_owned()));
    }
    answers.push(("431", "`headers_too_large`: the headers are larger than 8 KiB together".to_owned()));
    answers.push(("500", "`internal`".to_owned()));
    answers.push((
        "503",
        "`busy`: nothing was done, send the request again; `outcome_unknown`: read the current state first, or use the same key".to_owned(),
    ));
    answers
}
