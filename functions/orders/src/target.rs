use api::Problem;
use domain::{Order, OrderId, UserId};
use saga::TimeBudget;

use crate::state::State;

/// The order of a request, and its time budget.
pub struct OrderTarget {
    pub order: OrderId,
    /// The customer it must belong to; `None` for the shop's staff, who may change any order.
    pub owner: Option<UserId>,
    pub budget: TimeBudget,
}

impl OrderTarget {
    /// The current order.
    pub async fn load(&self, state: &State) -> Result<Order, Problem> {
        let table = &state.context.table;
        let found = match &self.owner {
            Some(owner) => table.order_get_consistent(owner, self.order).await?,
            None => table.order_get_for_shop(self.order).await?,
        };
        found.ok_or_else(|| Problem::not_found("order"))
    }
}
