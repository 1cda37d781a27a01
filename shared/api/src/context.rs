use std::sync::Arc;

use domain::{Currency, HoldLength, OpenSales};
use runtime::{Clock, telemetry::Metrics};
use table::{StoreError, Table};

use crate::{BasePath, Cursors, SalesCache, rates::Rates};

/// What every function needs. Cheap to clone; a function's state holds it.
#[derive(Debug, Clone)]
pub struct Context {
    pub table: Table,
    pub clock: Clock,
    pub cursors: Arc<Cursors>,
    pub policy: Arc<Policy>,
    pub sales: SalesCache,
}

impl Context {
    pub fn new(table: Table, clock: Clock, cursors: Cursors, policy: Policy) -> Self {
        let (cursors, policy) = (Arc::new(cursors), Arc::new(policy));
        Self { table, clock, cursors, policy, sales: SalesCache::default() }
    }

    /// The sales that are not over.
    ///
    /// # Errors
    /// The table cannot be read.
    pub async fn open_sales(&self) -> Result<Arc<OpenSales>, StoreError> {
        self.sales.get(&self.table, &self.clock).await
    }

    /// With a setting that only one function reads.
    #[must_use]
    pub fn with_policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(Arc::make_mut(&mut self.policy));
        self
    }
}

/// The largest number of proxies; no deployment has more.
const MAX_HOPS: u8 = 10;

/// Settings of a deployment.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The one currency a cart is charged in.
    pub currency: Currency,
    /// How long a checkout holds stock for its payment.
    pub hold: HoldLength,
    /// Rate limits; `None` is unlimited, for load tests on a local stack.
    pub rates: Option<Rates>,
    /// Storefronts, such as `https://shop.example`, that browsers may call from.
    pub origins: Vec<String>,
    /// How many trusted proxies are in front of the gateway, such as a CDN or a storefront that calls for its shoppers.
    /// With 0, the address of a request is the one of the connection.
    pub trusted_proxy_hops: u8,
    /// The path below which clients reach the API.
    pub base_path: BasePath,
    /// Whether the shop ships what it sells, so that a checkout needs an address.
    pub address_required: bool,
    /// Whether answers carry `X-Consumed-Capacity` and `Server-Timing`: on a local stack, not towards customers.
    pub show_costs: bool,
    /// Where metrics are written; `None` is nowhere, as on a local stack.
    pub metrics: Option<Metrics>,
}

impl Policy {
    /// Reads origins such as `https://shop.example,http://localhost:5173`.
    ///
    /// # Errors
    /// Names the one that is not an origin: with a path, a slash at its end, or `*`, which would allow any page.
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

impl Policy {
    /// Reads whether a checkout needs an address: `required` or `optional`.
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse_shipping_address(text: &str) -> Result<bool, String> {
        match text {
            "required" => Ok(true),
            "optional" => Ok(false),
            other => Err(format!("{other:?} is neither required nor optional")),
        }
    }

    /// Reads a number of proxies, such as `1`.
    ///
    /// # Errors
    /// The text is not a number in range.
    pub fn parse_trusted_proxy_hops(text: &str) -> Result<u8, String> {
        let hops = text.parse().ok().filter(|hops| *hops <= MAX_HOPS);
        hops.ok_or_else(|| format!("{text:?} is not a number of forwarders, 0 to {MAX_HOPS}"))
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            currency: Currency::USD,
            hold: HoldLength::default(),
            rates: Some(Rates::default()),
            origins: Vec::new(),
            trusted_proxy_hops: 0,
            base_path: BasePath::default(),
            address_required: true,
            show_costs: false,
            metrics: None,
        }
    }
}
