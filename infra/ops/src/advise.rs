//! Which capacity mode is cheaper for what a table consumed, and when it would have refused requests.
//!
//! Pure: the command reads the file and prints.

mod capacity;
mod cloudwatch;
mod demand;
mod limits;
mod scaling;
mod text;
mod verdict;

pub use demand::{Demand, MetricsError, SAMPLES};
pub use scaling::Policy;
pub use text::text;
pub use verdict::{Advice, HottestKey, Mode};
