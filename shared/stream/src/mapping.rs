use std::time::Duration;

/// How an event source mapping delivers the stream to a function: what the templates deploy, and what the local stack
/// does the same way. <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Name of the function.
    pub function: &'static str,
    /// Records a batch at most, after the filter.
    pub batch_size: usize,
    /// How long records are collected for a batch that is not full.
    pub window: Duration,
    /// How often a batch that failed is delivered again; halving it does not count.
    pub retries: u32,
    /// A record older than this is not delivered any more.
    pub max_age: Duration,
    /// Whether a batch that failed as a whole is delivered in halves.
    pub bisect: bool,
    /// Patterns of the records that are delivered; one that fits is enough.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html>
    pub filters: &'static [&'static str],
}
