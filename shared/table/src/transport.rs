//! HTTP connections of the SDK.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::config::{ConfigBag, RuntimeComponents, RuntimeComponentsBuilder, SharedHttpClient};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        connector_metadata::ConnectorMetadata,
        http::{HttpClient, HttpConnectorSettings, SharedHttpConnector},
    },
};
use domain::Timestamp;
use rustls::RootCertStore;

use crate::http_client::{self, IDLE, http_client_idle};

/// A write does not use a connection that was idle for longer. Lambda freezes an environment between invocations; a
/// connection that the peer closes meanwhile looks open afterwards, and a request that is lost on it looks as if it may
/// have arrived. Peers keep idle connections longer than this.
const MAX_IDLE: Duration = Duration::from_secs(5);

/// How the SDK's clients reach AWS: creates connection pools, and uses wall-clock time, because a monotonic clock may
/// stop while an environment is frozen. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    new_pool: Arc<dyn Fn(Duration) -> SharedHttpClient + Send + Sync>,
    wall_clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").finish_non_exhaustive()
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self::new(http_client_idle, Timestamp::now)
    }
}

/// One pool for everything, however old its connections are.
impl From<SharedHttpClient> for Transport {
    fn from(only: SharedHttpClient) -> Self {
        Self::new(move |_| only.clone(), Timestamp::now)
    }
}

impl Transport {
    /// Trusts these certificates and reads none of the machine's.
    pub fn trusting(roots: RootCertStore) -> Self {
        Self::new(http_client::trusting(roots), Timestamp::now)
    }

    /// `new_pool` makes a client that has no connections yet, and closes those that were idle for longer than it is given.
    pub fn new(
        new_pool: impl Fn(Duration) -> SharedHttpClient + Send + Sync + 'static,
        wall_clock: impl Fn() -> Timestamp + Send + Sync + 'static,
    ) -> Self {
        Self { new_pool: Arc::new(new_pool), wall_clock: Arc::new(wall_clock) }
    }

    /// For requests that may be repeated: connections are kept as long as the peer keeps them.
    pub fn for_reads(&self) -> SharedHttpClient {
        (self.new_pool)(IDLE)
    }

    /// For requests that must not be sent twice: no connection is used that was idle for more than a few seconds.
    pub fn for_writes(&self) -> SharedHttpClient {
        let pool = Pool { client: (self.new_pool)(MAX_IDLE), last_used: (self.wall_clock)() };
        SharedHttpClient::new(FreshConnections { transport: self.clone(), pool: Mutex::new(pool) })
    }
}

struct FreshConnections {
    transport: Transport,
    pool: Mutex<Pool>,
}

struct Pool {
    client: SharedHttpClient,
    last_used: Timestamp,
}

impl fmt::Debug for FreshConnections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FreshConnections").finish_non_exhaustive()
    }
}

impl FreshConnections {
    /// The pool for requests of this moment: a new one if the last one was idle for too long. Requests still running on
    /// the last one keep it until they are done.
    fn current(&self) -> SharedHttpClient {
        let now = (self.transport.wall_clock)();
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        // Negative if the clock was set back: then the age is unknown.
        let idle = now.duration_since(pool.last_used);
        // The pool closes each connection by a clock that may have stopped with the environment.
        if Duration::try_from(idle).is_ok_and(|idle| idle > MAX_IDLE) || idle.is_negative() {
            pool.client = (self.transport.new_pool)(MAX_IDLE);
        }
        pool.last_used = now;
        pool.client.clone()
    }

    fn unchanged(&self) -> SharedHttpClient {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).client.clone()
    }
}

impl HttpClient for FreshConnections {
    /// The SDK asks for a connector at each attempt.
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.current().http_connector(settings, components)
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        config: &ConfigBag,
    ) -> Result<(), BoxError> {
        HttpClient::validate_base_client_config(&self.unchanged(), components, config)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, config: &ConfigBag) -> Result<(), BoxError> {
        HttpClient::validate_final_config(&self.unchanged(), components, config)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.unchanged().connector_metadata()
    }
}

#[cfg(test)]
mod tests;
