//! One binary, a module a resource.

mod access_patterns;
mod cart;
mod orders;
mod routes;
