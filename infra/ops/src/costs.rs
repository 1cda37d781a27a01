//! What a shop's month costs, from its traffic: the arithmetic of docs/costs.md.
//!
//! Money is [`Decimal`](crate::decimal::Decimal) throughout. Nothing here reads or prints; the command does.

mod actual;
mod bill;
mod export;
mod known;
mod picture;
mod prices;
mod profile;
mod provisioned;
mod report;
mod scans;
#[cfg(test)]
mod story;
mod text;
mod usage;

pub use actual::Comparison;
pub use bill::{Bill, HOURS};
pub use export::Month;
pub use known::{Calls, Known, Provisioned, section};
pub use picture::{html, svg};
pub use prices::{Item, PriceList};
pub use profile::{Profile, ProfileError, SAMPLES};
pub use provisioned::{BreakEven, Units};
pub use report::Report;
pub use scans::Scan;
pub use text::text;
