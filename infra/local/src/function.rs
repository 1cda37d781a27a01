//! Which function is running. In one process all functions share one SDK; on AWS each has its own role, and a
//! comparison of calls with roles needs the function of each call.

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
