//! Sealing and opening a cursor, which each page of a list does. `cargo xtask bench pure`

use api::Cursors;
use divan::{Bencher, black_box};
use domain::Timestamp;

const LIST: &str = "/products Some(\"Kitchen/Mugs\") PriceRange { min: 0, max: 10000 } CheapestFirst";

/// The positions in the eight shards of the list of all products, the longest that there is.
const SHARDS: [&str; 8] = ["1234:product-number-12"; 8];

fn main() {
    divan::main();
}

fn cursors() -> Cursors {
    Cursors::new(&[[7; 32]])
}

#[divan::bench]
fn seal(bencher: Bencher) {
    let cursors = cursors();

    bencher.bench(|| cursors.seal(black_box(&SHARDS), LIST, Timestamp::UNIX_EPOCH));
}

#[divan::bench]
fn open(bencher: Bencher) {
    let cursors = cursors();
    let sealed = cursors.seal(&SHARDS, LIST, Timestamp::UNIX_EPOCH);

    bencher.bench(|| cursors.open::<Vec<String>>(black_box(&sealed), LIST, Timestamp::UNIX_EPOCH).is_ok());
}

/// Of another list: nothing is decrypted.
#[divan::bench]
fn refuse(bencher: Bencher) {
    let cursors = cursors();
    let sealed = cursors.seal(&SHARDS, LIST, Timestamp::UNIX_EPOCH);

    bencher.bench(|| cursors.open::<Vec<String>>(black_box(&sealed), "/orders ann", Timestamp::UNIX_EPOCH).is_ok());
}
