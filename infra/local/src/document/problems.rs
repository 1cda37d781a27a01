//! The errors, with one schema for each set of members: a client that has compared `code` knows which members exist.

use std::collections::BTreeMap;

use api::codes::{Code, FIELD_CODES, MEDIA_TYPE, MethodNotAllowed};
use utoipa::openapi::{Components, Object, OneOfBuilder, Ref, RefOr, Response, Schema};

/// The errors of the API: of the routes, of refused fields, and of a method that a route does not support.
pub struct Problems {
    /// By the name of their schema, by code.
    schemas: BTreeMap<String, BTreeMap<String, Object>>,
}

impl Problems {
    pub fn new() -> Self {
        let mut problems = Self { schemas: BTreeMap::new() };
        FIELD_CODES.iter().for_each(|code| problems.add_code(code));
        problems.add_code(&MethodNotAllowed.into());
        problems
    }

    pub fn add_code(&mut self, code: &Code) {
        self.insert(code.name, code.schema());
    }

    /// Adds a code as a route names it: the answer has the schema of its errors.
    pub fn add(&mut self, code: &str, response: &Response) {
        let content = response.content.get(MEDIA_TYPE);
        if let Some(RefOr::T(content)) = content
            && let Some(RefOr::T(Schema::Object(schema))) = &content.schema
        {
            self.insert(code, schema.clone());
        }
    }

    fn insert(&mut self, code: &str, schema: Object) {
        let name = schema.title.clone().unwrap_or_default();
        self.schemas.entry(name).or_default().entry(code.to_owned()).or_insert(schema);
    }

    /// Every code, by name.
    pub fn codes(&self) -> Vec<String> {
        let mut codes: Vec<_> = self.schemas.values().flat_map(BTreeMap::keys).cloned().collect();
        codes.sort();
        codes
    }

    /// Puts `ProblemDetails` and what it is made of in place.
    pub fn describe(self, components: &mut Components) {
        let names = self.schemas.keys();
        let any = names.fold(OneOfBuilder::new(), |any, name| any.item(Ref::from_schema_name(name)));
        let any = any.description(Some(
            "An error, RFC 9457. Every error has five members; `code` decides which others there are.",
        ));
        components.schemas.insert("ProblemDetails".to_owned(), Schema::OneOf(any.build()).into());
        for (name, codes) in self.schemas {
            if let Some(schema) = joined(codes) {
                components.schemas.insert(name, schema.into());
            }
        }
    }
}

/// One schema of the errors that differ only by code.
fn joined(codes: BTreeMap<String, Object>) -> Option<Object> {
    let meanings = codes.iter().map(|(code, schema)| {
        let meaning = schema.description.as_deref().unwrap_or_default();
        format!("`{code}`: {meaning}.")
    });
    let description = meanings.collect::<Vec<_>>().join("\n");
    let names = codes.keys().map(|code| code.as_str().into()).collect();
    let mut joined = codes.into_values().next()?;
    joined.title = None;
    joined.description = Some(description);
    if let Some(RefOr::T(Schema::Object(code))) = joined.properties.get_mut("code") {
        code.enum_values = Some(names);
    }
    Some(joined)
}
