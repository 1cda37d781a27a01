//! How a function reaches AWS.

use aws_config::{
    BehaviorVersion,
    environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider},
    identity::IdentityCache,
    meta::region::ProvideRegion as _,
};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::{rt::sleep::TokioSleep, time::SystemTimeSource};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_types::{
    SdkConfig,
    service_config::{LoadServiceConfig, ServiceConfigKey},
};

/// The configuration of a function: Lambda gives it the credentials of its role and its region in
/// [variables](https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html).
///
/// The SDK's own search, `aws_config::defaults`, would find these too. But it links the clients of all other places where
/// credentials can be, and first looks for profiles in files. Endpoints, FIPS and dual stack are read as it reads them, from
/// variables only. Retries and timeouts are left to the caller.
pub async fn of_function(http: SharedHttpClient) -> SdkConfig {
    let settings = Settings { variable: |name| std::env::var(name).ok().filter(|value| !value.is_empty()) };
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .region(EnvironmentVariableRegionProvider::new().region().await)
        .credentials_provider(SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()))
        .identity_cache(IdentityCache::lazy().build())
        .sleep_impl(TokioSleep::new())
        .time_source(SystemTimeSource::new());
    config.set_endpoint_url((settings.variable)("AWS_ENDPOINT_URL"));
    config.set_use_fips(settings.switch("AWS_USE_FIPS_ENDPOINT"));
    config.set_use_dual_stack(settings.switch("AWS_USE_DUALSTACK_ENDPOINT"));
    config.service_config(settings).build()
}

/// The settings in variables.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/settings-reference.html>
#[derive(Debug)]
struct Settings {
    variable: fn(&str) -> Option<String>,
}

impl Settings {
    fn switch(&self, name: &str) -> Option<bool> {
        let value = (self.variable)(name)?;
        let is = |word: &str| value.eq_ignore_ascii_case(word);
        if is("true") { Some(true) } else { is("false").then_some(false) }
    }
}

impl LoadServiceConfig for Settings {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let own = format!("{}_{}", key.env(), key.service_id().to_uppercase().replace([' ', '-'], "_"));
        (self.variable)(&own).or_else(|| (self.variable)(key.env()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_of_a_service_goes_before_that_of_all() {
        let settings = Settings {
            variable: |name| match name {
                "AWS_ENDPOINT_URL" => Some("https://all.example".to_owned()),
                "AWS_ENDPOINT_URL_SECRETS_MANAGER" => Some("https://own.example".to_owned()),
                _ => None,
            },
        };
        let of = |service| {
            let key = ServiceConfigKey::builder().service_id(service).env("AWS_ENDPOINT_URL").profile("endpoint_url");
            settings.load_config(key.build().unwrap())
        };

        assert_eq!(of("Secrets Manager").as_deref(), Some("https://own.example"));
        assert_eq!(of("DynamoDB").as_deref(), Some("https://all.example"));
    }

    #[test]
    fn a_switch_is_on_off_or_not_set() {
        let settings = Settings {
            variable: |name| match name {
                "ON" => Some("True".to_owned()),
                "OFF" => Some("false".to_owned()),
                "WRONG" => Some("perhaps".to_owned()),
                _ => None,
            },
        };

        assert_eq!(
            ["ON", "OFF", "WRONG", "UNSET"].map(|name| settings.switch(name)),
            [Some(true), Some(false), None, None]
        );
    }
}
