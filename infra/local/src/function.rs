//! Which function is running. In one process all of them share one SDK; on AWS each has a role of its own, and whoever
//! compares calls with roles has to know whose call it was.

use std::future::Future;

tokio::task_local! {
    static FUNCTION: &'static str;
}

/// Runs `work` as the function of this name.
pub async fn run_as<F: Future>(function: &'static str, work: F) -> F::Output {
    FUNCTION.scope(function, work).await
}

/// The function that is running; `None` outside of all of them.
pub fn running() -> Option<&'static str> {
    FUNCTION.try_with(|function| *function).ok()
}
