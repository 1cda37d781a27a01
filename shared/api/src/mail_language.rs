use std::convert::Infallible;

use axum::extract::FromRequestParts;
use domain::Language;
use http::{header::ACCEPT_LANGUAGE, request::Parts};

/// The language that the caller's mails are written in, by `Accept-Language`.
#[derive(Debug, Clone, Copy)]
pub struct MailLanguage(pub Language);

impl<S: Send + Sync> FromRequestParts<S> for MailLanguage {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let accepted = parts.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self(accepted.map_or_else(Language::default, Language::preferred)))
    }
}
