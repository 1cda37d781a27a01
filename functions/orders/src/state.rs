use std::sync::Arc;

use api::{Context, Deadline};
use axum::extract::FromRef;
use links::LinkKeys;
use payments::PaymentProvider;
use saga::{Saga, TimeBudget};

use crate::lots::Lots;

#[derive(Clone)]
pub struct State {
    pub(crate) context: Context,
    pub(crate) saga: Saga,
    /// What the links in mails are checked with.
    pub(crate) links: Arc<LinkKeys>,
    pub(crate) lots: Lots,
}

impl State {
    pub fn new(context: Context, payments: Arc<dyn PaymentProvider>, links: LinkKeys) -> Self {
        let saga = Saga::new(context.table.clone(), payments).holding(context.policy.hold);
        Self { context, saga, links: Arc::new(links), lots: Lots::default() }
    }

    /// How long a request can wait for the payment provider.
    pub(crate) fn budget(&self, deadline: Deadline) -> TimeBudget {
        deadline.0.map_or(TimeBudget::UNLIMITED, |deadline| TimeBudget::until(deadline, self.context.clock.now()))
    }
}

impl FromRef<State> for Context {
    fn from_ref(state: &State) -> Self {
        state.context.clone()
    }
}
