use api::Context;
use axum::extract::FromRef;

use crate::passwords::Passwords;

#[derive(Clone)]
pub struct State {
    pub(crate) context: Context,
    pub(crate) passwords: Passwords,
}

impl State {
    pub fn new(context: Context) -> Self {
        Self { context, passwords: Passwords::default() }
    }
}

impl FromRef<State> for Context {
    fn from_ref(state: &State) -> Self {
        state.context.clone()
    }
}
