//! Does nothing: without it Cargo would leave out the features that are asked for in `[build-dependencies]`.

fn main() {}
