use api::Context;
use axum::extract::FromRef;

use crate::Index;

#[derive(Clone)]
pub struct State {
    pub(crate) context: Context,
    pub(crate) index: Index,
}

impl State {
    pub fn new(context: Context, index: Index) -> Self {
        Self { context, index }
    }
}

impl FromRef<State> for Context {
    fn from_ref(state: &State) -> Self {
        state.context.clone()
    }
}
