//! The HTTP edge that all functions share: requests are parsed into domain types, errors become problem+json answers in
//! one place, and every answer states its cost.
//!
//! A function's `lib.rs` collects its own [`Routes`]; [`edge::finish`] makes a service of them.

mod admin;
mod base_path;
mod body;
mod cache;
mod client_address;
pub mod codes;
mod context;
mod cross_site;
mod cursor;
mod deadline;
pub mod edge;
pub mod idempotency;
pub mod invalids;
mod known_device;
pub mod lambda;
mod mail_language;
pub mod pages;
mod params;
mod problem;
pub mod rates;
mod routes;
mod sales;
pub mod schema;
mod session;
pub mod strict;
pub mod token;
pub mod wire;

pub use admin::Admin;
pub use base_path::BasePath;
pub use body::{Body, Json, JsonIfAny, NoBody};
pub use cache::Cache;
pub use client_address::ClientAddress;
pub use context::{Context, Policy};
pub use cursor::{Cursors, InvalidKeys};
pub use deadline::Deadline;
pub use idempotency::RequestKey;
pub use invalids::{All, Invalids, Refused};
pub use known_device::{DeviceCookie, KnownDevice};
pub use mail_language::MailLanguage;
pub use pages::{Items, List, Listed, Page};
pub use params::{IfMatch, PathId, QueryParams};
pub use problem::Problem;
pub use routes::{Documentation, Operations, Routes};
pub use sales::SalesCache;
pub use session::{COOKIE, Device, MaybeSession, Session, SessionAndCart, attach_token, clear_cookie};
// For `routes!`.
#[doc(hidden)]
pub use {axum, utoipa_axum};
