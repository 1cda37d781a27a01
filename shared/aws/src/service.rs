use aws_types::{SdkConfig, service_config::ServiceConfigKey};

/// What tells a service from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// As errors and logs name it.
    pub name: &'static str,
    /// As AWS names it in settings: `SESv2` is `AWS_ENDPOINT_URL_SESV2`.
    /// <https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html>
    pub id: &'static str,
    /// What signatures are made for.
    pub signing_name: &'static str,
    /// What its host names begin with.
    pub host: &'static str,
    /// Whether it also wants the hash of a signed body in a header.
    pub hashed: bool,
}

/// <https://docs.aws.amazon.com/general/latest/gr/ses.html>
pub const SES: Service = Service { name: "SES", id: "SESv2", signing_name: "ses", host: "email", hashed: false };
/// <https://docs.aws.amazon.com/general/latest/gr/lambda-service.html>
pub const LAMBDA: Service =
    Service { name: "Lambda", id: "Lambda", signing_name: "lambda", host: "lambda", hashed: false };
/// <https://docs.aws.amazon.com/general/latest/gr/asm.html>
pub const SECRETS_MANAGER: Service = Service {
    name: "Secrets Manager",
    id: "Secrets Manager",
    signing_name: "secretsmanager",
    host: "secretsmanager",
    hashed: false,
};
/// Domains of OpenSearch. Each has a host of its own, so a client needs its endpoint.
/// <https://docs.aws.amazon.com/opensearch-service/latest/developerguide/request-signing.html>
pub const OPENSEARCH: Service =
    Service { name: "OpenSearch", id: "OpenSearch", signing_name: "es", host: "es", hashed: true };
/// Collections of OpenSearch Serverless, which refuses requests without the hash of their body.
/// <https://docs.aws.amazon.com/opensearch-service/latest/developerguide/serverless-clients.html>
pub const OPENSEARCH_SERVERLESS: Service = Service {
    name: "OpenSearch Serverless",
    id: "OpenSearchServerless",
    signing_name: "aoss",
    host: "aoss",
    hashed: true,
};

impl Service {
    /// Where its API is, as the SDK would find it: the settings of this service, those of all services, its region's.
    ///
    /// # Errors
    /// The region has no endpoint that is known here.
    pub(crate) fn endpoint(&self, config: &SdkConfig, region: &str) -> Result<String, String> {
        let key =
            ServiceConfigKey::builder().service_id(self.id).env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
        let key = key.map_err(|e| e.to_string())?;
        let set = config.service_config().and_then(|settings| settings.load_config(key));
        match set.or_else(|| config.endpoint_url().map(str::to_owned)) {
            Some(endpoint) => {
                self.is_exact(config)?;
                Ok(endpoint)
            }
            None => self.regional(config, region),
        }
    }

    /// The variable that sets the endpoint of this service alone.
    fn variable(&self) -> String {
        format!("AWS_ENDPOINT_URL_{}", self.id.to_uppercase().replace(' ', "_"))
    }

    /// Whether a given endpoint is all that the settings ask for.
    ///
    /// # Errors
    /// FIPS or dual stack is asked for as well. The SDK refuses both together too: it cannot know what the endpoint is.
    pub(crate) fn is_exact(&self, config: &SdkConfig) -> Result<(), String> {
        match (config.use_fips(), config.use_dual_stack()) {
            (Some(true), _) => Err(format!("{} cannot have both an endpoint of its own and FIPS", self.name)),
            (_, Some(true)) => Err(format!("{} cannot have both an endpoint of its own and dual stack", self.name)),
            _ => Ok(()),
        }
    }

    fn regional(&self, config: &SdkConfig, region: &str) -> Result<String, String> {
        let Self { name, host, .. } = self;
        if config.use_dual_stack() == Some(true) {
            return Err(format!("the dual-stack endpoint of {name} is not known: unset AWS_USE_DUALSTACK_ENDPOINT"));
        }
        let fips = if config.use_fips() == Some(true) { "-fips" } else { "" };
        // The domain names of the isolated partitions are in the SDK's own crates only.
        let domain = match region {
            isolated if isolated.contains("-iso") => {
                return Err(format!("the endpoint of {name} in {isolated} is not known: set {}", self.variable()));
            }
            // https://docs.aws.eu/general/latest/gr/endpoints.html
            sovereign if sovereign.starts_with("eusc-") => "amazonaws.eu",
            chinese if chinese.starts_with("cn-") => "amazonaws.com.cn",
            _ => "amazonaws.com",
        };
        Ok(format!("https://{host}{fips}.{region}.{domain}"))
    }
}

#[cfg(test)]
mod tests {
    use aws_types::service_config::LoadServiceConfig;

    use super::*;

    fn endpoint(service: Service, region: &str) -> String {
        service.endpoint(&SdkConfig::builder().build(), region).unwrap()
    }

    #[test]
    fn a_service_is_where_its_region_has_it() {
        assert_eq!(endpoint(SES, "eu-central-1"), "https://email.eu-central-1.amazonaws.com");
        assert_eq!(endpoint(LAMBDA, "us-gov-west-1"), "https://lambda.us-gov-west-1.amazonaws.com");
        assert_eq!(endpoint(SECRETS_MANAGER, "cn-north-1"), "https://secretsmanager.cn-north-1.amazonaws.com.cn");
        assert_eq!(endpoint(LAMBDA, "eusc-de-east-1"), "https://lambda.eusc-de-east-1.amazonaws.eu");
        let fips = SdkConfig::builder().use_fips(true).build();
        assert_eq!(SES.endpoint(&fips, "us-east-1").unwrap(), "https://email-fips.us-east-1.amazonaws.com");
    }

    #[test]
    fn an_endpoint_that_is_not_known_is_not_guessed() {
        let dual_stack = SdkConfig::builder().use_dual_stack(true).build();

        assert!(SES.endpoint(&dual_stack, "us-east-1").is_err());
        let refused = SECRETS_MANAGER.endpoint(&SdkConfig::builder().build(), "us-iso-east-1").unwrap_err();
        assert!(refused.ends_with("set AWS_ENDPOINT_URL_SECRETS_MANAGER"), "{refused}");
        // The endpoint's owner alone knows whether it is FIPS.
        let custom = SdkConfig::builder().use_fips(true).endpoint_url("https://all.example").build();
        assert!(SES.endpoint(&custom, "us-east-1").is_err());
    }

    /// As the SDK reads them from the environment and the profile.
    #[derive(Debug)]
    struct Settings;

    impl LoadServiceConfig for Settings {
        fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
            (key.service_id() == "SESv2").then(|| "https://mail.example".to_owned())
        }
    }

    #[test]
    fn settings_of_a_service_go_before_those_of_all() {
        let config = SdkConfig::builder().service_config(Settings).endpoint_url("https://all.example").build();

        assert_eq!(SES.endpoint(&config, "us-east-1").unwrap(), "https://mail.example");
        assert_eq!(LAMBDA.endpoint(&config, "us-east-1").unwrap(), "https://all.example");
    }
}
