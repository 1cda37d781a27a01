use std::sync::Arc;

use domain::Currency;
use table::Table;

use crate::{Clock, Cursors, rates::Rates, telemetry::Metrics};

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
    /// Where metrics go; `None` is nowhere, as on a local stack.
    pub metrics: Option<Metrics>,
}

impl Policy {
    /// Reads origins such as `https://shop.example,http://localhost:5173`.
    ///
    /// # Errors
    /// Names the one that is no origin: with a path, a slash at its end, or `*`, which would let any page in.
    pub fn parse_origins(text: &str) -> Result<Vec<String>, String> {
        let origins = text.split(',').map(str::trim).filter(|o| !o.is_empty());
        origins
            .map(|origin| {
                let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
                let plain =
                    |h: &str| !h.is_empty() && h.bytes().all(|b| b.is_ascii_graphic() && !b"/*?#@".contains(&b));
                match host {
                    Some(host) if plain(host) => Ok(origin.to_owned()),
                    _ => Err(format!("{origin:?} is not an origin such as https://shop.example")),
                }
            })
            .collect()
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            currency: Currency::USD,
            rates: Some(Rates::default()),
            origins: Vec::new(),
            show_costs: false,
            metrics: None,
        }
    }
}
