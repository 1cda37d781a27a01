use std::{
    sync::{Arc, Mutex},
    time::{Duration, UNIX_EPOCH},
};

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_async::{
    rt::sleep::{SharedAsyncSleep, TokioSleep},
    time::{SharedTimeSource, StaticTimeSource},
};
use aws_smithy_runtime_api::{
    client::{
        behavior_version::BehaviorVersion,
        http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    },
    http::StatusCode,
};
use aws_smithy_types::{retry::RetryConfig, timeout::TimeoutConfig};

use super::*;
use crate::{LAMBDA, OPENSEARCH_SERVERLESS, SECRETS_MANAGER};

/// A peer that keeps what it is sent, and answers each request in the same way.
#[derive(Debug, Clone)]
struct Peer {
    sent: Arc<Mutex<Vec<HttpRequest>>>,
    status: u16,
}

impl HttpConnector for Peer {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.sent.lock().unwrap().push(request);
        let status = StatusCode::try_from(self.status).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from("answered"))))
    }
}

impl Peer {
    fn new(status: u16) -> Self {
        Self { sent: Arc::default(), status }
    }

    fn config(&self) -> SdkConfig {
        let peer = self.clone();
        let http: SharedHttpClient = http_client_fn(move |_, _| SharedHttpConnector::new(peer.clone()));
        let keys = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "the suite");
        // 2015-08-30 12:36:00 UTC.
        let time = StaticTimeSource::new(UNIX_EPOCH + Duration::from_secs(1_440_938_160));
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .http_client(http)
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(1)))
            .timeout_config(TimeoutConfig::builder().operation_timeout(Duration::from_secs(5)).build())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SharedTimeSource::new(time))
            .build()
    }
}

fn request(method: &str, path: &str) -> http::Request<Vec<u8>> {
    http::Request::builder().method(method).uri(path).body(Vec::new()).unwrap()
}

/// `get-vanilla` and `post-vanilla` of AWS's test suite for signatures.
/// <https://github.com/awslabs/aws-c-auth/tree/main/tests/aws-signing-test-suite/v4>
#[tokio::test]
async fn requests_are_signed_as_aws_publishes_it() {
    const SUITE: Service =
        Service { name: "the suite", id: "suite", signing_name: "service", host: "example", hashed: false };
    for (method, signature) in [
        ("GET", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ] {
        let peer = Peer::new(200);
        let client = Client::new(SUITE, "Vanilla", &peer.config(), Some("https://example.amazonaws.com")).unwrap();

        client.call(request(method, "/")).await.unwrap();

        let sent = peer.sent.lock().unwrap();
        let expected = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, Signature={signature}"
        );
        assert_eq!(sent[0].headers().get("authorization"), Some(expected.as_str()));
        assert_eq!(sent[0].headers().get("x-amz-date"), Some("20150830T123600Z"));
    }
}

#[tokio::test]
async fn a_request_goes_to_its_service_in_its_region() {
    let peer = Peer::new(200);
    let client = Client::new(LAMBDA, "Invoke", &peer.config(), None).unwrap();

    let answer = client.call(request("POST", "/2015-03-31/functions/projections/invocations")).await.unwrap();

    let sent = peer.sent.lock().unwrap();
    let uri = "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/projections/invocations";
    assert_eq!(sent[0].uri(), uri);
    assert!(sent[0].headers().get("authorization").unwrap().contains("/us-east-1/lambda/aws4_request"));
    assert_eq!((answer.body(), answer.header("x-amzn-requestid")), (b"answered".as_slice(), None));
}

#[tokio::test]
async fn a_service_that_wants_the_hash_of_a_body_gets_it_signed() {
    let peer = Peer::new(200);
    let endpoint = Some("https://abc.us-east-1.aoss.amazonaws.com");
    let client = Client::new(OPENSEARCH_SERVERLESS, "Search", &peer.config(), endpoint).unwrap();

    client.call(request("POST", "/products/_search")).await.unwrap();

    let sent = peer.sent.lock().unwrap();
    // SHA-256 of an empty body.
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(sent[0].headers().get("x-amz-content-sha256"), Some(hash));
    let authorization = sent[0].headers().get("authorization").unwrap();
    assert!(authorization.contains("/us-east-1/aoss/aws4_request"), "{authorization}");
    assert!(authorization.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date"), "{authorization}");
}

#[tokio::test]
async fn a_server_without_signatures_gets_a_name_and_a_password_or_nothing() {
    for (basic, sent) in [(None, None), (Some(Basic::new("ann", "secret")), Some("Basic YW5uOnNlY3JldA=="))] {
        let peer = Peer::new(200);
        let config = peer.config().to_builder().region(None).build();
        let client =
            Client::unsigned(OPENSEARCH_SERVERLESS, "Search", &config, "http://127.0.0.1:9200", basic).unwrap();

        client.call(request("POST", "/products/_search")).await.unwrap();

        let requests = peer.sent.lock().unwrap();
        assert_eq!(requests[0].uri(), "http://127.0.0.1:9200/products/_search");
        assert_eq!(requests[0].headers().get("authorization"), sent);
        assert_eq!(requests[0].headers().get("x-amz-date"), None);
        assert!(!format!("{client:?} {:?}", Basic::new("ann", "secret")).contains("YW5u"));
    }
}

#[tokio::test]
async fn what_may_pass_is_sent_again_and_nothing_else() {
    for (status, attempts) in [(429, 3), (500, 3), (503, 3), (400, 1), (404, 1), (302, 1)] {
        let peer = Peer::new(status);
        let client = Client::new(SECRETS_MANAGER, "GetSecretValue", &peer.config(), None).unwrap();

        let error = client.call(request("POST", "/")).await.unwrap_err();

        assert!(matches!(&error, CallError::Answered(answered) if answered.status() == status), "{error:?}");
        assert_eq!(peer.sent.lock().unwrap().len(), attempts, "{status}");
    }
}

#[test]
fn what_is_missing_is_named_before_anything_is_sent() {
    let whole = Peer::new(200).config();

    let no_region = whole.to_builder().region(None).build();
    assert!(Client::new(LAMBDA, "Invoke", &no_region, None).unwrap_err().contains("AWS_REGION"));
    let no_credentials = SdkConfig::builder().region(Region::new("us-east-1")).build();
    assert!(Client::new(LAMBDA, "Invoke", &no_credentials, None).is_err());
}

#[test]
fn neither_requests_nor_answers_are_printed() {
    let request = request("POST", "/").map(|_| b"secret".to_vec());
    let answer = Answer { headers: Headers::new(), body: b"secret".to_vec() };

    let printed = format!("{:?} {answer:?}", Unsigned(request));

    assert_eq!(printed, "POST / Answer { .. }");
}
