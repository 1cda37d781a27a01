//! How a function reaches AWS: its credentials, and the certificates that it trusts. And requests to services of which one
//! operation is used.
//!
//! The SDK crate of such a service has hundreds of operations, and all of them are compiled. This crate takes what those
//! crates are made of instead: credentials, Signature Version 4, retries and timeouts are the SDK's. The caller writes the
//! operation's path and body, and reads its answer. A server that checks no signature, such as an OpenSearch of one's own, is
//! called in the same way.

mod client;
mod error;
mod function;
mod roots;
mod service;

pub use client::{Answer, Basic, Client};
pub use error::{CallError, ServiceError};
pub use function::of_function;
pub use roots::roots;
pub use service::{LAMBDA, OPENSEARCH, OPENSEARCH_SERVERLESS, SECRETS_MANAGER, SES, Service};
