//! Has no code: it is there for the features in its manifest.
//!
//! Cargo builds a crate once for each set of its features, and which set that is depends on the packages that a command
//! selects. `cargo run -p ops` would so build the AWS SDK again after `cargo run`, which takes minutes. What is run by
//! itself (`ops`, `local`, `xtask`) therefore depends on this crate, whose manifest asks for each feature that anything of
//! the workspace asks for. The functions do not: what is deployed is built with what it needs itself.
