use std::sync::Arc;

use domain::Currency;
use table::Table;

use crate::{Clock, Cursors, rates::Rates};

/// What every function needs. Cheap to clone; functions hold it in their state.
#[derive(Debug, Clone)]
pub struct Context {
    pub table: Table,
    pub clock: Clock,
    pub cursors: Arc<Cursors>,
    pub policy: Arc<Policy>,
}

/// What a deployment decides.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The one currency a cart is charged in.
    pub currency: Currency,
    /// How often things may happen; `None` is without limit, for load trials on a local stack.
    pub rates: Option<Rates>,
    /// Storefronts, such as `https://shop.example`, that browsers may call from.
    pub origins: Vec<String>,
    /// Whether answers carry `X-Consumed-Capacity` and `Server-Timing`: on a local stack, not towards customers.
    pub show_costs: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self { currency: Currency::USD, rates: Some(Rates::default()), origins: Vec::new(), show_costs: false }
    }
}
