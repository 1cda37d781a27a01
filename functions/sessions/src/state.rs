use std::sync::Arc;

use api::Context;
use axum::extract::FromRef;
use links::LinkKeys;

use crate::passwords::Passwords;

#[derive(Clone)]
pub struct State {
    pub(crate) context: Context,
    pub(crate) passwords: Passwords,
    /// What the links in mails are checked with.
    pub(crate) links: Arc<LinkKeys>,
}

impl State {
    pub fn new(context: Context, links: LinkKeys) -> Self {
        Self { context, passwords: Passwords::default(), links: Arc::new(links) }
    }
}

impl FromRef<State> for Context {
    fn from_ref(state: &State) -> Self {
        state.context.clone()
    }
}
