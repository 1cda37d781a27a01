use api::Context;
use axum::extract::FromRef;

#[derive(Clone)]
pub struct State {
    pub(crate) context: Context,
}

impl State {
    pub fn new(context: Context) -> Self {
        Self { context }
    }
}

impl FromRef<State> for Context {
    fn from_ref(state: &State) -> Self {
        state.context.clone()
    }
}
