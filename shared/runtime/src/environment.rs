//! The configuration of a function: environment variables, and the secrets that they name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use aws::Client;
use aws_config::{SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use futures::future::try_join_all;
use http::{Request, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::json;

/// Timeouts of one attempt to read a secret, and of all attempts. They are read at once, and an
/// environment has [10 s](https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html) to start.
const ATTEMPT: Duration = Duration::from_millis(1_500);
const TOTAL: Duration = Duration::from_secs(4);

/// The variables of the process, and the members of its secrets as further variables. A variable of the process
/// overrides a secret's member of the same name.
///
/// `SECRETS` names secrets of AWS Secrets Manager, comma-separated; each is a JSON object of strings. They are read once,
/// at the start.
#[derive(Default)]
pub struct Environment {
    secrets: BTreeMap<String, String>,
    read: Mutex<BTreeSet<String>>,
}

impl Environment {
    /// Reads the secrets, if any are named, all at once; otherwise sends nothing.
    ///
    /// # Errors
    /// Names the secret that cannot be read or is not an object of strings.
    pub async fn read_secrets(&mut self, aws: &SdkConfig) -> Result<(), String> {
        let Some(names) = self.variable("SECRETS") else { return Ok(()) };
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(ATTEMPT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(TOTAL)
            .build();
        let retries = RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(50));
        let config = aws.to_builder().retry_config(retries).timeout_config(timeouts).build();
        let client = &Client::new(aws::SECRETS_MANAGER, "GetSecretValue", &config, None)?;
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        let read = names.map(|name| async move { members(name, &secret(client, name).await?) });
        // In the order of the names: of a member that several have, the last one counts.
        for members in try_join_all(read).await? {
            self.secrets.extend(members);
        }
        Ok(())
    }

    /// The value of a variable; an empty one counts as unset.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        let member = || self.secrets.get(name).filter(|value| !value.is_empty()).cloned();
        variable(name).or_else(member)
    }

    /// The names that were read so far, set or not.
    pub fn names_read(&self) -> Vec<String> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// A variable of the process; an empty one counts as unset.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The text of a secret. <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>
async fn secret(client: &Client, name: &str) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Value {
        #[serde(rename = "SecretString")]
        text: Option<String>,
    }
    let unreadable = |why: String| format!("the secret {name} cannot be read: {why}");
    let request = Request::post("/")
        .header("x-amz-target", "secretsmanager.GetSecretValue")
        .header(CONTENT_TYPE, "application/x-amz-json-1.1")
        .body(json!({"SecretId": name}).to_string().into_bytes())
        .map_err(|e| unreadable(e.to_string()))?;
    let answer = client.call(request).await.map_err(|error| unreadable(error.in_full()))?;
    // Without the parser's message, which may quote the secret.
    let value: Value =
        serde_json::from_slice(answer.body()).map_err(|_| unreadable("the response is not JSON".to_owned()))?;
    value.text.ok_or_else(|| unreadable("it has no text; is it a binary secret?".to_owned()))
}

/// The members of a secret. Its error never contains a value.
fn members(name: &str, text: &str) -> Result<BTreeMap<String, String>, String> {
    serde_json::from_str(text).map_err(|_| format!("the secret {name} is not a JSON object of strings"))
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment").field("secrets", &self.secrets.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_an_object_of_strings_and_an_error_does_not_show_it() {
        let read = members("payments", r#"{"STRIPE_SECRET_KEY":"sk_1","EMPTY":""}"#).unwrap();
        let environment = Environment { secrets: read, read: Mutex::default() };

        assert_eq!(environment.variable("STRIPE_SECRET_KEY").as_deref(), Some("sk_1"));
        assert_eq!(environment.variable("EMPTY"), None);
        assert_eq!(environment.names_read(), ["EMPTY", "STRIPE_SECRET_KEY"]);
        assert!(!format!("{environment:?}").contains("sk_1"));
        for wrong in ["", "sk_1", "[]", r#"{"STRIPE_SECRET_KEY":5}"#] {
            let error = members("payments", wrong).unwrap_err();
            assert!(error.contains("payments") && !error.contains("sk_1"), "{error}");
        }
    }

    #[test]
    fn a_variable_of_the_process_overrides_a_secret() {
        let secrets = BTreeMap::from([("PATH".to_owned(), "elsewhere".to_owned())]);
        let environment = Environment { secrets, read: Mutex::default() };

        assert_eq!(environment.variable("PATH"), std::env::var("PATH").ok());
    }
}
