//! The shops that are measured from outside.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde::Deserialize;
use serde_json::json;

use super::measure;
use crate::{
    Outcome,
    process::Running,
    replay::{Programs, Stack},
};

const STOCK: i64 = 1_000_000;

/// Thousands of products and carts are made before it is ready.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// A shop with guests who have carts. Its stream is not read, as if the functions that read it were elsewhere.
pub struct Shop {
    pub served: Served,
    _running: Running,
}

/// Where it is, and what it has: what `measure serve` writes as JSON, read here because this crate depends on none of the
/// product's.
#[derive(Debug, Deserialize)]
pub struct Served {
    pub dynamodb: String,
    pub s3: String,
    pub table: String,
    pub products: Vec<String>,
    /// The cart of each has three products: of all products the first three, the next three, and from the first again.
    pub guests: Vec<Guest>,
}

#[derive(Debug, Deserialize)]
pub struct Guest {
    pub user: String,
    pub token: String,
    /// The key of the session in the table.
    pub session: String,
}

impl Shop {
    /// With three products for each of the first half of the guests.
    ///
    /// # Errors
    /// It cannot be built or started.
    pub fn start(guests: usize) -> Outcome<Self> {
        let mut command = Command::new(measure::build()?);
        command.args(["serve", &guests.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Running::start(&mut command)?;
        let served = serde_json::from_str(&running.first_line(START_TIMEOUT)?)?;
        Ok(Self { served, _running: running })
    }
}

/// The id of a product of [`stack`].
pub fn product(number: usize) -> String {
    format!("product-{number:05}")
}

/// A local stack, as `cargo run` starts it, with so many products.
///
/// # Errors
/// It cannot be built or started, or the import fails.
pub fn stack(folder: &Path, products: usize) -> Outcome<Stack> {
    let programs = Programs::build()?;
    let stack = Stack::start(&programs.local)?;
    let mut lines = Vec::new();
    for number in 0..products {
        let line = json!({
            "id": product(number), "name": format!("Product number {number:05}"), "category": ["Kitchen", "Mugs"],
            "price": "12.50", "currency": "GBP", "thumbnail": format!("images/{number:05}.svg"),
        });
        writeln!(lines, "{line}")?;
    }
    let catalogue = folder.join("catalogue.jsonl");
    fs::create_dir_all(folder)?;
    fs::write(&catalogue, lines)?;
    stack.import(&programs.ops, &catalogue, STOCK)?;
    Ok(stack)
}
