//! What it costs to fill carts of several sizes.

use serde::Deserialize;

use super::{
    measure,
    picture::{self, Bars},
    section,
};
use crate::Outcome;

const SIZES: [u32; 3] = [3, 18, 90];

/// Milliseconds between two lines. The second one is longer than the cart remembers a product: each answer reads every line
/// again.
const PAUSES_MS: [i64; 2] = [100, 3_000];

#[derive(Debug, Deserialize)]
struct FilledCart {
    lines: u32,
    pause_ms: i64,
    rru: f64,
    wru: f64,
    shown_rru: f64,
}

/// Measures and writes.
///
/// # Errors
/// A cart cannot be filled.
pub fn run() -> Outcome<()> {
    let sizes = SIZES.iter().map(ToString::to_string);
    let pauses = PAUSES_MS.iter().flat_map(|ms| ["--pause".to_owned(), ms.to_string()]);
    let arguments: Vec<_> = ["carts".to_owned()].into_iter().chain(sizes).chain(pauses).collect();
    let carts: Vec<FilledCart> = measure::run(&arguments)?;
    let table = table(&carts);
    println!("{table}");
    section::write("carts", &format!("{table}\n\n{}", picture(&carts)?))
}

fn table(carts: &[FilledCart]) -> String {
    let mut lines = vec![
        "| lines | between two lines | RRU | a line | WRU | a line | RRU to show it then |".to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    for cart in carts {
        let n = f64::from(cart.lines);
        lines.push(format!(
            "| {} | {} | {} | {:.1} | {} | {:.1} | {} |",
            cart.lines,
            pause(cart.pause_ms),
            cart.rru,
            cart.rru / n,
            cart.wru,
            cart.wru / n,
            cart.shown_rru,
        ));
    }
    lines.join("\n")
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of seconds")]
fn pause(ms: i64) -> String {
    format!("{} s", ms as f64 / 1_000.0)
}

fn picture(carts: &[FilledCart]) -> Outcome<String> {
    let pauses = PAUSES_MS.map(pause);
    let group = |lines: u32| {
        let of = |pause_ms| carts.iter().find(|cart| cart.lines == lines && cart.pause_ms == pause_ms);
        (
            format!("{lines} lines"),
            PAUSES_MS.map(|pause_ms| of(pause_ms).map(|cart| cart.rru / f64::from(lines))).to_vec(),
        )
    };
    picture::bars(&Bars {
        name: "carts",
        title: "Reads for each line of a cart, while it is filled",
        unit: "RRU",
        series: &pauses.each_ref().map(|pause| format!("{pause} between two lines")).each_ref().map(String::as_str),
        groups: SIZES.into_iter().map(group).collect(),
    })
}
