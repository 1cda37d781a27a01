//! What every function needs of its environment, without HTTP: start-up, configuration and secrets, the clock, logs and
//! metrics, and serving of events. What serves requests is in `api`, which builds on this.

mod clock;
mod deadline;
mod environment;
mod events;
mod start;
pub mod telemetry;

pub use clock::{Clock, random};
pub use deadline::deadline;
pub use environment::{Environment, variable};
pub use events::serve_events;
pub use start::{Start, log_start, start, start_reading};
