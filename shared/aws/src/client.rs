use std::{fmt, str};

use aws_runtime::{
    auth::{
        SigV4OperationSigningConfig, SigningOptions,
        sigv4::{SCHEME_ID, SigV4AuthScheme},
    },
    retries::classifiers::AwsErrorCodeClassifier,
};
use aws_smithy_runtime::client::{
    orchestrator::operation::{Operation, OperationBuilder},
    retries::classifiers::{HttpStatusCodeClassifier, TransientErrorClassifier},
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        auth::{AuthSchemeOptionResolverParams, static_resolver::StaticAuthSchemeOptionResolver},
        identity::SharedIdentityResolver,
        orchestrator::{HttpRequest, HttpResponse, OrchestratorError, SensitiveOutput},
        result::SdkError,
        runtime_components::RuntimeComponentsBuilder,
        runtime_plugin::StaticRuntimePlugin,
    },
    http::Headers,
};
use aws_smithy_types::{base64, body::SdkBody, config_bag::Layer};
use aws_types::{
    SdkConfig, SigningName,
    region::{Region, SigningRegion},
};

use http::{HeaderValue, header::AUTHORIZATION};

use crate::{CallError, Service, ServiceError};

/// One operation of one service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    service: Service,
    operation: Operation<Unsigned, Answer, ServiceError>,
}

/// A name and a password for a server that checks no signatures. `Debug` shows neither.
/// <https://www.rfc-editor.org/rfc/rfc7617>
#[derive(Clone)]
pub struct Basic(HeaderValue);

impl Basic {
    pub fn new(user: &str, password: &str) -> Self {
        let encoded = base64::encode(format!("{user}:{password}"));
        let mut header = HeaderValue::try_from(format!("Basic {encoded}")).expect("base64 is visible ASCII");
        header.set_sensitive(true);
        Self(header)
    }
}

/// A request without the service's host, whose body no log shows.
struct Unsigned(http::Request<Vec<u8>>);

/// What a service answered, with a status of success. `Debug` shows nothing of it.
pub struct Answer {
    headers: Headers,
    body: Vec<u8>,
}

impl Client {
    /// `endpoint` is where to send requests instead of AWS. Retries, timeouts, credentials, region and connections are the
    /// configuration's. Nothing is sent yet.
    ///
    /// # Errors
    /// The configuration has no credentials, no region, no connections, or no retries and timeouts.
    pub fn new(
        service: Service,
        operation: &'static str,
        config: &SdkConfig,
        endpoint: Option<&str>,
    ) -> Result<Self, String> {
        let without = |what: &str| format!("{} cannot be called without {what}", service.name);
        let is_label = |region: &&Region| {
            let name = region.as_ref();
            (1..=63).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        // It becomes a part of the host that the signed request goes to.
        let region = config.region().filter(is_label).ok_or_else(|| without("a valid region: set AWS_REGION"))?;
        let endpoint = match endpoint {
            Some(endpoint) => {
                service.is_exact(config)?;
                endpoint.to_owned()
            }
            None => service.endpoint(config, region.as_ref())?,
        };
        let signed = signed(service, region, config).ok_or_else(|| without("credentials"))?;
        let operation = operation_of(service, operation, config, &endpoint)?;
        Ok(Self { service, operation: operation.runtime_plugin(signed).serializer(serialize).build() })
    }

    /// The same for a server that checks no signature, such as one on this machine.
    ///
    /// # Errors
    /// The configuration has no connections, or no retries and timeouts.
    pub fn unsigned(
        service: Service,
        operation: &'static str,
        config: &SdkConfig,
        endpoint: &str,
        basic: Option<Basic>,
    ) -> Result<Self, String> {
        let operation = operation_of(service, operation, config, endpoint)?.no_auth();
        let operation = operation.serializer(move |Unsigned(mut request): Unsigned| {
            if let Some(Basic(value)) = &basic {
                request.headers_mut().insert(AUTHORIZATION, value.clone());
            }
            serialize(Unsigned(request))
        });
        Ok(Self { service, operation: operation.build() })
    }

    /// Sends a request, which has a path and no host, and sends it again as the configuration says.
    ///
    /// # Errors
    /// The service answered with an error, or not at all.
    pub async fn call(&self, request: http::Request<Vec<u8>>) -> Result<Answer, CallError> {
        self.operation.invoke(Unsigned(request)).await.map_err(|error| match error {
            SdkError::ServiceError(answered) => CallError::Answered(answered.into_err()),
            never @ SdkError::ConstructionFailure(_) => {
                CallError::NotSent { service: self.service.name, source: never.into() }
            }
            lost => CallError::NoAnswer { service: self.service.name, source: lost.into() },
        })
    }
}

/// What may pass. AWS's own services name a code when they answer 429; others do not.
const MAY_PASS: [u16; 5] = [429, 500, 502, 503, 504];

/// All of an operation but how its requests are authorised and written.
fn operation_of(
    service: Service,
    operation: &'static str,
    config: &SdkConfig,
    endpoint: &str,
) -> Result<OperationBuilder<(), Answer, ServiceError>, String> {
    let without = |what: &str| format!("{} cannot be called without {what}", service.name);
    let mut built = Operation::builder()
        .service_name(service.id)
        .operation_name(operation)
        .endpoint_url(endpoint)
        .http_client(config.http_client().ok_or_else(|| without("a client of HTTP"))?)
        .standard_retry(config.retry_config().ok_or_else(|| without("retries"))?)
        .timeout_config(config.timeout_config().ok_or_else(|| without("timeouts"))?.clone())
        .retry_classifier(TransientErrorClassifier::<ServiceError>::new())
        .retry_classifier(HttpStatusCodeClassifier::new_from_codes(&MAY_PASS))
        .retry_classifier(AwsErrorCodeClassifier::<ServiceError>::new())
        .with_connection_poisoning()
        .deserializer(move |response: &HttpResponse| read(service.name, response));
    if let Some(version) = config.behavior_version() {
        built = built.behavior_version(version);
    }
    if let Some(sleep) = config.sleep_impl() {
        built = built.sleep_impl(sleep);
    }
    if let Some(time) = config.time_source() {
        built = built.time_source(time);
    }
    Ok(built)
}

/// With a signature in the `authorization` header, by the credentials that the configuration finds.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>
fn signed(service: Service, region: &Region, config: &SdkConfig) -> Option<StaticRuntimePlugin> {
    let mut layer = Layer::new("signature");
    layer.store_put(AuthSchemeOptionResolverParams::new(()));
    let mut options = SigningOptions::default();
    options.content_sha256_header = service.hashed;
    layer.store_put(SigV4OperationSigningConfig {
        region: Some(SigningRegion::from(region.clone())),
        name: Some(SigningName::from_static(service.signing_name)),
        signing_options: options,
        ..SigV4OperationSigningConfig::default()
    });
    // The answer may be a secret.
    layer.store_put(SensitiveOutput);
    let mut components = RuntimeComponentsBuilder::new("signature")
        .with_auth_scheme(SigV4AuthScheme::new())
        .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![SCHEME_ID])))
        .with_identity_resolver(SCHEME_ID, SharedIdentityResolver::new(config.credentials_provider()?));
    if let Some(cache) = config.identity_cache() {
        components = components.with_identity_cache(Some(cache));
    }
    Some(StaticRuntimePlugin::new().with_config(layer.freeze()).with_runtime_components(components))
}

fn serialize(Unsigned(request): Unsigned) -> Result<HttpRequest, BoxError> {
    Ok(HttpRequest::try_from(request.map(SdkBody::from))?)
}

fn read(service: &'static str, response: &HttpResponse) -> Result<Answer, OrchestratorError<ServiceError>> {
    if !response.status().is_success() {
        return Err(OrchestratorError::operation(ServiceError::read(service, response)));
    }
    let body = response.body().bytes().unwrap_or_default().to_vec();
    Ok(Answer { headers: response.headers().clone(), body })
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)
    }

    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic").finish_non_exhaustive()
    }
}

impl fmt::Debug for Unsigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.method(), self.0.uri())
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
