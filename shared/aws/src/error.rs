use std::{error::Error, fmt};

use aws_smithy_runtime_api::{client::orchestrator::HttpResponse, http::Headers};
use aws_smithy_types::error::metadata::{ErrorMetadata, ProvideErrorMetadata};
use serde_json::{Map, Value};

/// Why an operation has no result.
#[derive(Debug)]
pub enum CallError {
    /// The service answered with an error.
    Answered(ServiceError),
    /// The request was not sent, for example without credentials.
    NotSent { service: &'static str, source: Box<dyn Error + Send + Sync> },
    /// No answer arrived. The service may have carried the operation out all the same.
    NoAnswer { service: &'static str, source: Box<dyn Error + Send + Sync> },
}

/// An error that a service answered with. `Display` and `Debug` leave its message out, which may quote what was sent.
pub struct ServiceError {
    service: &'static str,
    status: u16,
    metadata: Box<ErrorMetadata>,
    request_id: Option<String>,
}

impl ServiceError {
    /// As services that speak JSON write errors; OpenSearch has its own in a member `error`.
    /// <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization>
    pub(crate) fn read(service: &'static str, response: &HttpResponse) -> Self {
        // Whatever stands between here and the service may answer too, and not in JSON.
        let body = response.body().bytes().unwrap_or_default();
        let body: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        // One member that is no text hides no other.
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let nested = |name: &str| body.get("error")?.get(name)?.as_str().map(str::to_owned);
        let message = ["message", "Message", "errorMessage"].into_iter().find_map(text).or_else(|| nested("reason"));
        let header = |name: &str| response.headers().get(name).map(str::to_owned);
        let code = header("x-amzn-errortype").or_else(|| text("code")).or_else(|| text("__type"));
        let code = code.or_else(|| nested("type"));
        let mut metadata = ErrorMetadata::builder();
        if let Some(code) = code.as_deref() {
            metadata = metadata.code(without_namespace(code));
        }
        if let Some(message) = message {
            metadata = metadata.message(message);
        }
        let status = response.status().as_u16();
        Self { service, status, metadata: Box::new(metadata.build()), request_id: request_id(response.headers()) }
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    /// What kind of error it is, such as `AccessDeniedException`; `None` if the answer does not say.
    pub fn code(&self) -> Option<&str> {
        self.metadata.code()
    }

    /// What the service says of it. It may quote what was sent.
    pub fn message(&self) -> Option<&str> {
        self.metadata.message()
    }
}

/// `aws.protocoltests#FooError:http://example.com/` is `FooError`.
fn without_namespace(code: &str) -> &str {
    let code = code.split_once(':').map_or(code, |(code, _url)| code);
    code.split_once('#').map_or(code, |(_namespace, code)| code)
}

fn request_id(headers: &Headers) -> Option<String> {
    ["x-amzn-requestid", "x-amz-request-id"].into_iter().find_map(|name| headers.get(name)).map(str::to_owned)
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, status, .. } = self;
        let code = self.code().unwrap_or("unknown error");
        let request = self.request_id.as_deref().unwrap_or("unknown");
        write!(f, "{service} answered {status} {code}, request {request}")
    }
}

impl fmt::Debug for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for ServiceError {}

/// By its code, the SDK decides whether a request is sent again.
impl ProvideErrorMetadata for ServiceError {
    fn meta(&self) -> &ErrorMetadata {
        &self.metadata
    }
}

impl CallError {
    /// All there is to say of it: with the service's message, which may quote what was sent, or what kept the answer away.
    pub fn in_full(&self) -> String {
        match self {
            Self::Answered(error) => error.message().map_or_else(|| self.to_string(), |said| format!("{self}: {said}")),
            Self::NotSent { source, .. } | Self::NoAnswer { source, .. } => {
                let sources = std::iter::successors(Some(source.as_ref() as &dyn Error), |&e| e.source());
                sources.fold(self.to_string(), |line, source| format!("{line}: {source}"))
            }
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(error) => error.fmt(f),
            Self::NotSent { service, .. } => write!(f, "the request to {service} could not be sent"),
            Self::NoAnswer { service, .. } => write!(f, "{service} did not answer"),
        }
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // It is what is displayed already.
            Self::Answered(_) => None,
            Self::NotSent { source, .. } | Self::NoAnswer { source, .. } => Some(source.as_ref()),
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn read(headers: &[(&'static str, &'static str)], body: &'static str) -> ServiceError {
        let mut response = HttpResponse::new(StatusCode::try_from(400).unwrap(), SdkBody::from(body));
        for (name, value) in headers {
            response.headers_mut().insert(*name, *value);
        }
        ServiceError::read("SES", &response)
    }

    /// The cases of the SDK's own reader of errors.
    #[test]
    fn the_code_is_in_a_header_or_in_the_body_and_may_have_a_namespace() {
        for (headers, body, code) in [
            (&[("x-amzn-errortype", "FooError")][..], "{}", Some("FooError")),
            (&[("x-amzn-errortype", "FooError:http://internal.amazon.com/coral/")], "{}", Some("FooError")),
            (&[("x-amzn-errortype", "FooError")], r#"{"__type":"BarError"}"#, Some("FooError")),
            (&[], r#"{"__type":"aws.protocoltests.restjson#FooError"}"#, Some("FooError")),
            (&[], r#"{"__type":"aws.protocoltests#FooError:http://example.com/"}"#, Some("FooError")),
            (&[], r#"{"code":"FooError","__type":"BarError"}"#, Some("FooError")),
            (&[], r#"{"__type":"FooError","message":"one","Message":"two"}"#, Some("FooError")),
            (&[], r#"{"code":429,"__type":"FooError","message":{"no":"text"}}"#, Some("FooError")),
            (&[], r#"{"__type":"FooError","asdf":["more"],"unknown":null}"#, Some("FooError")),
            (&[], r#"{"error":{"type":"index_not_found_exception"},"status":404}"#, Some("index_not_found_exception")),
            (&[], r#"{"error":"alias [products] missing","status":404}"#, None),
            (&[], "<html>", None),
            (&[], "", None),
        ] {
            assert_eq!(read(headers, body).code(), code, "{headers:?} {body}");
        }
    }

    #[test]
    fn the_message_is_kept_apart_from_what_is_logged() {
        for name in ["message", "Message", "errorMessage"] {
            let body = format!(r#"{{"__type":"MessageRejected","{name}":"ann@example.com is not verified"}}"#);
            let error = read(&[("x-amzn-requestid", "7")], body.leak());

            assert_eq!(error.message(), Some("ann@example.com is not verified"));
            assert_eq!(error.to_string(), "SES answered 400 MessageRejected, request 7");
            assert_eq!(format!("{error:?}"), error.to_string());
        }
    }
}
