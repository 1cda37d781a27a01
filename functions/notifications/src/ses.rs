use std::time::Duration;

use aws_config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig};
use aws_sdk_sesv2::{
    Client,
    config::{Credentials, SharedHttpClient, http::HttpResponse},
    error::{ProvideErrorMetadata as _, SdkError},
    operation::{RequestId as _, send_email::SendEmailError},
    primitives::Blob,
    types::{Destination, EmailContent, RawMessage},
};

use crate::mailer::{Mail, MailError, Mailer, Sending};

/// The timeout of an answer. SES takes tenths of a second; giving up early would send a mail twice.
const ATTEMPT: Duration = Duration::from_secs(4);

/// For all attempts together: far below the minute that a claim lasts, and the function's own 20 seconds.
const TOTAL: Duration = Duration::from_secs(9);

/// How to reach SES.
#[derive(Debug, Clone)]
pub struct SesConfig {
    /// The credentials of the SDK.
    pub http: SharedHttpClient,
    /// The endpoint, if not SES in the region.
    pub endpoint: Option<String>,
    /// The SES configuration set: where bounces, complaints and deliveries are reported.
    pub configuration_set: Option<String>,
}

/// Amazon SES, API version 2.
#[derive(Debug, Clone)]
pub struct Ses {
    client: Client,
    configuration_set: Option<String>,
}

impl Ses {
    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    /// Mail would be sent unencrypted over a network.
    pub async fn connect(config: SesConfig) -> Result<Self, String> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(ATTEMPT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(TOTAL)
            .build();
        let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(100));
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(config.http)
            .retry_config(retries)
            .timeout_config(timeouts);
        let plain = config.endpoint.as_deref().filter(|endpoint| !endpoint.starts_with("https://"));
        if let Some(endpoint) = plain {
            let local = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
            if !local.iter().any(|start| endpoint.starts_with(start)) {
                return Err("SES_ENDPOINT is neither https: nor a port of this machine".to_owned());
            }
            // A fake checks no signature, but the SDK needs credentials to sign with.
            let credentials = Credentials::new("local", "local", None, None, "local");
            loader = loader.region(Region::from_static("us-east-1")).credentials_provider(credentials);
        }
        let shared = loader.load().await;
        let mut ses = aws_sdk_sesv2::config::Builder::from(&shared);
        // Not set if there is none: the SDK's own settings may have one.
        if let Some(endpoint) = config.endpoint {
            ses = ses.endpoint_url(endpoint);
        }
        Ok(Self { client: Client::from_conf(ses.build()), configuration_set: config.configuration_set })
    }

    async fn send_raw(&self, mail: &Mail) -> Result<(), MailError> {
        let message = RawMessage::builder().data(Blob::new(mail.raw.clone())).build();
        let message = message.map_err(|e| MailError::Refused(e.to_string()))?;
        let call = self
            .client
            .send_email()
            .from_email_address(mail.from.as_str())
            // Set here too, so that the headers do not decide who receives it.
            .destination(Destination::builder().to_addresses(mail.to.as_str()).build())
            .content(EmailContent::builder().raw(message).build())
            .set_configuration_set_name(self.configuration_set.clone())
            .send();
        call.await.map_err(mail_error)?;
        Ok(())
    }
}

impl Mailer for Ses {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        Box::pin(self.send_raw(mail))
    }
}

/// What an error of SES means for the mail. Its message is left out, because it contains the recipient.
fn mail_error(error: SdkError<SendEmailError, HttpResponse>) -> MailError {
    let Some(service) = error.as_service_error() else {
        return MailError::Unavailable { what: "SES did not answer".to_owned(), source: Some(error.into()) };
    };
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let code = service.code().unwrap_or("unknown error");
    let what = format!("SES answered {status} {code}, request {}", error.request_id().unwrap_or("unknown"));
    match service {
        // The mail itself: its content, or an invalid address. SES also answers this if the account may only write to
        // verified addresses, or if the sender is not verified; the dead letters keep those mails until that is
        // corrected.
        SendEmailError::MessageRejected(_) | SendEmailError::BadRequestException(_) => MailError::Refused(what),
        // The account: suspended, paused, over its rate or quota, a MAIL FROM domain or configuration set that is not
        // set up, a missing permission. The mail itself is fine, and can be sent once that is corrected.
        _ => MailError::Unavailable { what, source: None },
    }
}

#[cfg(test)]
mod tests;
