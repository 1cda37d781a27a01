use std::time::Duration;

use aws::{CallError, Client};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::{SdkConfig, region::Region};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{Request, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::mailer::{Mail, MailError, Mailer, Sending};

/// The timeout of an answer. SES takes tenths of a second; giving up early would send a mail twice.
const ATTEMPT: Duration = Duration::from_secs(4);

/// For all attempts together: far below the minute that a claim lasts, and the function's own 20 seconds.
const TOTAL: Duration = Duration::from_secs(9);

/// How to reach SES.
#[derive(Debug, Clone)]
pub struct SesConfig {
    /// How AWS is reached.
    pub aws: SdkConfig,
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
    pub fn connect(config: SesConfig) -> Result<Self, String> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(ATTEMPT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(TOTAL)
            .build();
        let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(100));
        let mut aws = config.aws.to_builder().retry_config(retries).timeout_config(timeouts);
        let plain = config.endpoint.as_deref().filter(|endpoint| !endpoint.starts_with("https://"));
        if let Some(endpoint) = plain {
            let local = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
            if !local.iter().any(|start| endpoint.starts_with(start)) {
                return Err("SES_ENDPOINT is neither https: nor a port of this machine".to_owned());
            }
            // A fake checks no signature, but the SDK needs credentials to sign with.
            let credentials = Credentials::new("local", "local", None, None, "local");
            let credentials = SharedCredentialsProvider::new(credentials);
            aws = aws.region(Region::from_static("us-east-1")).credentials_provider(credentials);
        }
        let client = Client::new(aws::SES, "SendEmail", &aws.build(), config.endpoint.as_deref())?;
        Ok(Self { client, configuration_set: config.configuration_set })
    }

    /// <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>
    async fn send_raw(&self, mail: &Mail) -> Result<(), MailError> {
        let mut body = json!({
            "FromEmailAddress": mail.from.as_str(),
            // Set here too, so that the headers do not decide who receives it.
            "Destination": {"ToAddresses": [mail.to.as_str()]},
            "Content": {"Raw": {"Data": BASE64_STANDARD.encode(&mail.raw)}},
        });
        if let Some(name) = &self.configuration_set {
            body["ConfigurationSetName"] = json!(name);
        }
        let request = Request::post("/v2/email/outbound-emails").header(CONTENT_TYPE, "application/json");
        let request = request.body(body.to_string().into_bytes()).map_err(|e| MailError::Refused(e.to_string()))?;
        let answer = self.client.call(request).await.map_err(mail_error)?;
        // A page of a proxy, with status 200, is no answer of SES.
        let accepted = serde_json::from_slice::<Value>(answer.body()).is_ok_and(|body| body["MessageId"].is_string());
        let unknown = || MailError::Unavailable { what: "SES did not confirm the mail".to_owned(), source: None };
        accepted.then_some(()).ok_or_else(unknown)
    }
}

impl Mailer for Ses {
    fn send<'a>(&'a self, mail: &'a Mail) -> Sending<'a> {
        Box::pin(self.send_raw(mail))
    }
}

/// What an error of SES means for the mail. Its message is left out, because it contains the recipient.
fn mail_error(error: CallError) -> MailError {
    let what = error.to_string();
    let answered = match error {
        CallError::Answered(answered) => answered,
        CallError::NotSent { source, .. } | CallError::NoAnswer { source, .. } => {
            return MailError::Unavailable { what, source: Some(source) };
        }
    };
    match answered.code() {
        // The mail itself: its content, or an invalid address. SES also answers this if the account may only write to
        // verified addresses, or if the sender is not verified; the dead letters keep those mails until that is
        // corrected.
        Some("MessageRejected" | "BadRequestException") => MailError::Refused(what),
        // The account: suspended, paused, over its rate or quota, a MAIL FROM domain or configuration set that is not
        // set up, a missing permission. The mail itself is fine, and can be sent once that is corrected.
        Some(_) | None => MailError::Unavailable { what, source: None },
    }
}

#[cfg(test)]
mod tests;
