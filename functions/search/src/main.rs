//! The search Lambda: start-up only.

use search_function::{Index, IndexSettings, State};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let start = runtime::start().await?;
    let language = start.environment.variable("SEARCH_LANGUAGE").unwrap_or_else(|| "en".to_owned());
    let language = search::Language::parse(&language).ok_or("SEARCH_LANGUAGE is neither en nor de")?;
    let context = api::lambda::context(&start)?;
    let descriptions = start.config.descriptions();
    let index = Index::new(context.table.clone(), descriptions.bucket().clone(), language, IndexSettings::LAMBDA);
    // Billed, and without it the first request waits as long.
    index.open_early(context.clock.now()).await;
    let state = State::new(context.clone(), index);
    api::lambda::serve(&start.environment, search_function::router(state), &context).await
}
