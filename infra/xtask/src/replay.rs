//! Replays a real shop's invoices as orders, and audits the table afterwards.

mod check;
mod checkouts;
mod dump;
mod invoices;
mod report;
mod stack;

use std::path::PathBuf;

use clap::{Args, value_parser};
use indicatif::HumanCount;
use tokio::runtime::Runtime;

use crate::{Outcome, root};
use check::{Check, Expected};
use checkouts::Replay;
use dump::Dump;
use invoices::{Catalogue, Selection};
use report::Report;
use stack::Import;
pub use stack::{Programs, Stack};

/// Initial stock of each product: more than the whole log sells of any.
const INITIAL_STOCK: i64 = 1_000_000;

#[derive(Debug, Args)]
pub struct Options {
    /// Folder of the catalogue and the order log [default: ../shared/data, relative to the workspace]
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Orders to place
    #[arg(long, value_name = "COUNT", default_value_t = 2_000, value_parser = value_parser!(u32).range(1..))]
    orders: u32,
    /// Customers that shop at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = value_parser!(u16).range(1..=256))]
    concurrency: u16,
}

/// Runs the replay and prints its summary.
///
/// # Errors
/// If a step could not be run, or a check failed.
pub fn run(options: &Options) -> Outcome<()> {
    let data = options.data.clone().unwrap_or_else(|| root().join("../shared/data"));
    let (products, log) = (data.join("catalog-core.jsonl.gz"), data.join("orders-uci-online-retail.csv.gz"));
    if let Some(absent) = [&products, &log].into_iter().find(|file| !file.is_file()) {
        println!("skipped: {} is not there", absent.display());
        return Ok(());
    }

    let programs = Programs::build()?;
    let catalogue = Catalogue::read(&products)?;
    let selection = invoices::select(&log, &catalogue, options.orders as usize)?;

    let stack = Stack::start(&programs.local)?;
    println!("importing {} products, twice", thousands(catalogue.records));
    let first = stack.import(&programs.ops, &products, INITIAL_STOCK)?;
    let again = stack.import(&programs.ops, &products, INITIAL_STOCK)?;
    println!("replaying {} invoices", thousands(selection.invoices.len()));
    let (replay, dump) = Runtime::new()?.block_on(shop_and_dump(&stack, &selection, options.concurrency.into()))?;
    drop(stack);

    let expected = Expected { invoices: &selection.invoices, products: catalogue.records, stock: INITIAL_STOCK };
    let mut checks = import_checks(&first, &again, catalogue.records as u64);
    checks.push(every_invoice_was_placed(&selection, &replay));
    checks.extend(check::audit(&dump, &expected));
    println!("\n{}", Report { first, again, selection: &selection, replay: &replay, checks: &checks });

    match checks.iter().filter(|check| !check.holds()).count() {
        0 => Ok(()),
        failed => Err(format!("the replay failed: {failed} of {} checks", checks.len()).into()),
    }
}

async fn shop_and_dump(stack: &Stack, selection: &Selection, concurrency: usize) -> Outcome<(Replay, Dump)> {
    let replay = checkouts::replay(&stack.url, &selection.invoices, concurrency).await?;
    Ok((replay, Dump::read(&stack.dynamodb, &stack.table).await?))
}

fn import_checks(first: &Import, again: &Import, products: u64) -> Vec<Check> {
    let outcome = |import: &Import| {
        let Import { created, updated, unchanged, rejected, .. } = import;
        format!("created {created}, updated {updated}, unchanged {unchanged}, rejected {rejected}")
    };
    let all_new = format!("created {products}, updated 0, unchanged 0, rejected 0");
    let none_new = format!("created 0, updated 0, unchanged {products}, rejected 0");
    vec![
        Check::equal(format!("the import {all_new}"), all_new, outcome(first)),
        Check::equal(format!("the same import again {none_new}"), none_new, outcome(again)),
    ]
}

fn every_invoice_was_placed(selection: &Selection, replay: &Replay) -> Check {
    let mut failures = replay.failures.clone();
    if selection.invoices.is_empty() {
        failures.push("no invoice was eligible".to_owned());
    }
    let count = thousands(selection.invoices.len());
    Check::new(format!("{count} invoices were placed as orders, each answered 201"), failures)
}

/// `1,000,000`.
fn thousands<N: TryInto<u64>>(number: N) -> String {
    // The numbers here are never negative.
    HumanCount(number.try_into().unwrap_or_default()).to_string()
}

/// `£1,010,112.57` from pence.
fn pounds(pence: i64) -> String {
    let sign = if pence < 0 { "-" } else { "" };
    let pence = pence.unsigned_abs();
    format!("{sign}£{}.{:02}", thousands(pence / 100), pence % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_shown_in_pounds() {
        assert_eq!(pounds(101_011_257), "£1,010,112.57");
        assert_eq!(pounds(5), "£0.05");
        assert_eq!(pounds(-1_250), "-£12.50");
    }

    #[test]
    fn a_second_import_must_find_everything_unchanged() {
        let import = |created, unchanged| Import {
            created,
            updated: 0,
            unchanged,
            rejected: 0,
            products_per_second: 1,
            wru: 1,
            rru: 1,
        };
        let hold = |first: Import, again: Import| import_checks(&first, &again, 9).iter().all(Check::holds);

        assert!(hold(import(9, 0), import(0, 9)));
        assert!(!hold(import(8, 0), import(0, 8)));
        assert!(!hold(import(9, 0), import(9, 0)));
    }
}
