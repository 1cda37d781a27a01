//! One binary, a module a resource.

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
