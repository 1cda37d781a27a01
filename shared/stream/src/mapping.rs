use std::time::Duration;

/// How an event source mapping delivers the stream to a function, as the templates deploy it and the local stack does
/// it. <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// Name of the function.
    pub function: &'static str,
    /// Maximum records in a batch, after the filter.
    pub batch_size: usize,
    /// How long records are collected for a batch that is not full.
    pub window: Duration,
    /// How often a failed batch is delivered again; splitting it does not count.
    pub retries: u32,
    /// A record older than this is not delivered any more.
    pub max_age: Duration,
    /// Whether a batch that failed as a whole is split in half.
    pub bisect: bool,
    /// Filter patterns of the records that are delivered; matching one is enough.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html>
    pub filters: &'static [&'static str],
}
