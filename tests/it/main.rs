//! One test binary with one module for each resource.

#![allow(clippy::unwrap_used, reason = "a test may unwrap: that is how it fails")]

mod access_patterns;
mod account_link_faults;
mod account_links;
mod after_sale;
mod amounts;
mod bad_input;
mod by_hand;
mod cart;
mod categories;
mod connections;
mod costs;
mod cross_site;
mod customers;
mod dead_letters;
mod disputes;
mod documents;
mod environments;
mod events;
mod faults;
mod forwarded;
mod import;
mod indexer;
mod json;
mod local_stack;
mod lockout;
mod model;
mod notifications;
mod openapi;
mod orders;
mod pages;
mod partitions;
mod products;
mod projections;
mod reconcile;
mod relay;
mod routes;
mod sales;
mod search;
mod secrets;
mod security;
mod sessions;
mod streams;
mod sweeper;
mod webhooks;
