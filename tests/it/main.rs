//! One binary, a module a resource.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

mod access_patterns;
mod bad_input;
mod cart;
mod customers;
mod events;
mod import;
mod local_stack;
mod orders;
mod products;
mod routes;
mod security;
mod sessions;
