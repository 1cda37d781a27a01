//! The services of AWS that a local stack has no engine for: Secrets Manager and SES, as far as functions ask for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Json, Router, extract::State, routing::post};
use http::{HeaderMap, HeaderName, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{Outcome, calls::Call, normalized_template::NormalizedTemplate, policy::Request};

/// The services that a local stack has no engine for: Secrets Manager, with what the template makes it keep, and SES.
pub struct Services {
    pub url: String,
    calls: Arc<Mutex<BTreeSet<(String, String)>>>,
}

#[derive(Clone)]
struct Kept {
    secrets: Arc<BTreeMap<String, String>>,
    calls: Arc<Mutex<BTreeSet<(String, String)>>>,
}

impl Services {
    pub async fn start(template: &NormalizedTemplate) -> Outcome<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let secrets = ["CursorKeys", "LinkKeys", "OrderLinkKeys", "PaymentSecrets"].map(|name| {
            let mut members = secret(template, name);
            // What an operator puts in after the first deployment.
            members.entry("STRIPE_SECRET_KEY".to_owned()).and_modify(|key| "sk_test_of_nobody".clone_into(key));
            (arn(name), json!(members).to_string())
        });
        let calls = Arc::new(Mutex::default());
        let kept = Kept { secrets: Arc::new(secrets.into()), calls: Arc::clone(&calls) };
        let router = Router::new()
            .route("/", post(get_secret))
            .route("/v2/email/outbound-emails", post(send_email))
            .with_state(kept);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, calls })
    }

    /// As requests of a function.
    pub fn calls(&self, function: &str) -> Vec<Call> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let call = |(action, resource): &(String, String)| Call {
            function: function.to_owned(),
            request: Request::new(action, resource),
        };
        calls.iter().map(call).collect()
    }
}

impl Kept {
    fn record(&self, action: &str, resource: &str) {
        let call = (action.to_owned(), resource.to_owned());
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).insert(call);
    }
}

async fn get_secret(State(kept): State<Kept>, headers: HeaderMap, body: String) -> Result<Json<Value>, StatusCode> {
    let is = |name: HeaderName, value: &str| headers.get(name).is_some_and(|sent| sent == value);
    let target = HeaderName::from_static("x-amz-target");
    if !is(target, "secretsmanager.GetSecretValue") || !is(CONTENT_TYPE, "application/x-amz-json-1.1") {
        return Err(StatusCode::BAD_REQUEST);
    }
    let request: Value = serde_json::from_str(&body).unwrap_or_default();
    let id = request["SecretId"].as_str().unwrap_or_default();
    kept.record("secretsmanager:GetSecretValue", &format!("${{{}}}", id.rsplit(':').next().unwrap_or_default()));
    Ok(Json(json!({"ARN": id, "Name": id, "VersionId": "1", "SecretString": kept.secrets.get(id)})))
}

async fn send_email(State(kept): State<Kept>, body: String) -> Json<Value> {
    let request: Value = serde_json::from_str(&body).unwrap_or_default();
    let of_ses = |what: &str, name: &str| format!("arn:aws:ses:us-east-1:111122223333:{what}/{name}");
    let from = request["FromEmailAddress"].as_str().unwrap_or_default();
    let domain = from.trim_end_matches('>').rsplit('@').next().unwrap_or_default();
    kept.record("ses:SendEmail", &of_ses("identity", domain));
    if let Some(set) = request["ConfigurationSetName"].as_str() {
        kept.record("ses:SendEmail", &of_ses("configuration-set", set));
    }
    Json(json!({"MessageId": "1"}))
}

pub fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:us-east-1:111122223333:secret:{name}")
}

/// What Secrets Manager makes of the template: the object of `SecretStringTemplate`, with a member of random text.
pub fn secret(template: &NormalizedTemplate, name: &str) -> BTreeMap<String, String> {
    let generate = &template.properties(name)["GenerateSecretString"];
    let given = generate["SecretStringTemplate"].as_object().cloned().unwrap_or_default();
    let mut members: BTreeMap<_, _> =
        given.into_iter().map(|(name, value)| (name, value.as_str().unwrap_or_default().to_owned())).collect();
    let length = generate["PasswordLength"].as_str().and_then(|n| n.parse().ok()).unwrap_or(32);
    let key = generate["GenerateStringKey"].as_str().unwrap_or_default().to_owned();
    members.insert(key, "x".repeat(length));
    members
}
