use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::State,
    http::{Method, StatusCode, Uri},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use domain::Email;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

/// A fake of SES that gives these answers one after the other, and records its requests.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<(u16, Value)>>,
    asked: Mutex<Vec<(String, Value)>>,
}

async fn answer(
    State(script): State<Arc<Script>>,
    method: Method,
    uri: Uri,
    body: String,
) -> (StatusCode, Json<Value>) {
    let body = serde_json::from_str(&body).unwrap();
    script.asked.lock().unwrap().push((format!("{method} {}", uri.path()), body));
    let (status, body) = script.answers.lock().unwrap().pop_front().expect("the script has an answer to everything");
    (StatusCode::from_u16(status).unwrap(), Json(body))
}

async fn connect(endpoint: String) -> Ses {
    let (aws, configuration_set) = (aws::of_function(table::http_client()).await, Some("orders".to_owned()));
    Ses::connect(SesConfig { aws, endpoint: Some(endpoint), configuration_set }).unwrap()
}

async fn ses(answers: impl IntoIterator<Item = (u16, Value)>) -> (Ses, Arc<Script>) {
    let script = Arc::new(Script { answers: Mutex::new(answers.into_iter().collect()), ..Script::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (connect(endpoint).await, script)
}

fn mail() -> Mail {
    Mail {
        id: "order-2".to_owned(),
        from: Email::parse("orders@shop.example").unwrap(),
        to: Email::parse("ann@example.com").unwrap(),
        subject: "Subject".to_owned(),
        raw: b"Subject: Subject\r\n\r\nText\r\n".to_vec(),
    }
}

fn accepted() -> (u16, Value) {
    (200, json!({"MessageId": "0100"}))
}

fn refused(status: u16, code: &str) -> (u16, Value) {
    (status, json!({"__type": code, "message": "Email address is not verified: ann@example.com"}))
}

#[tokio::test]
async fn a_mail_is_sent_raw_to_one_address() {
    let (ses, script) = ses([accepted()]).await;

    ses.send(&mail()).await.unwrap();

    let asked = script.asked.lock().unwrap();
    let [(what, body)] = asked.as_slice() else { panic!("there was one request") };
    assert_eq!(what, "POST /v2/email/outbound-emails");
    assert_eq!(body["FromEmailAddress"], "orders@shop.example");
    assert_eq!(body["Destination"], json!({"ToAddresses": ["ann@example.com"]}));
    assert_eq!(body["ConfigurationSetName"], "orders");
    let raw = BASE64_STANDARD.decode(body["Content"]["Raw"]["Data"].as_str().unwrap()).unwrap();
    assert_eq!(raw, mail().raw);
}

#[tokio::test]
async fn an_error_of_the_mail_itself_is_permanent() {
    for code in ["MessageRejected", "BadRequestException"] {
        let (ses, script) = ses([refused(400, code)]).await;

        let error = ses.send(&mail()).await.unwrap_err();

        assert!(matches!(error, MailError::Refused(_)), "{error:?}");
        assert_eq!(script.asked.lock().unwrap().len(), 1, "it is not retried");
        let logged = format!("{error:?} {}", table::error_chain(&error));
        assert!(logged.contains(code) && !logged.contains("example.com"), "{logged}");
    }
}

#[tokio::test]
async fn an_error_of_the_account_is_retried_later() {
    let codes = [
        (400, "MailFromDomainNotVerifiedException"),
        (400, "AccountSuspendedException"),
        (400, "SendingPausedException"),
        (400, "LimitExceededException"),
        (404, "NotFoundException"),
        (403, "AccessDeniedException"),
    ];
    for (status, code) in codes {
        // The SDK itself treats some of them as throttling, and retries.
        let (ses, _) = ses(vec![refused(status, code); 3]).await;

        let error = ses.send(&mail()).await.unwrap_err();

        assert!(matches!(error, MailError::Unavailable { .. }), "{code}: {error:?}");
        assert!(!table::error_chain(&error).contains("example.com"), "{error:?}");
    }
}

#[tokio::test]
async fn a_throttled_request_is_retried_at_once() {
    let (ses, script) =
        ses([refused(429, "TooManyRequestsException"), refused(500, "InternalFailure"), accepted()]).await;

    ses.send(&mail()).await.unwrap();

    assert_eq!(script.asked.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_request_that_stays_throttled_is_given_up_after_three_attempts() {
    for (status, code) in [(429, "TooManyRequestsException"), (500, "InternalFailure"), (503, "unavailable")] {
        let (ses, script) = ses(vec![refused(status, code); 3]).await;

        let error = ses.send(&mail()).await.unwrap_err();

        assert!(matches!(error, MailError::Unavailable { .. }), "{code}: {error:?}");
        assert_eq!(script.asked.lock().unwrap().len(), 3);
    }
}

#[tokio::test]
async fn a_lost_answer_is_tried_again_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // Accepts every connection, and closes it.
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });

    let error = connect(endpoint).await.send(&mail()).await.unwrap_err();

    assert!(matches!(error, MailError::Unavailable { source: Some(_), .. }), "{error:?}");
}

#[tokio::test]
async fn mail_is_never_sent_unencrypted_over_a_network() {
    let aws = aws::of_function(table::http_client()).await;
    let config =
        |endpoint: &str| SesConfig { aws: aws.clone(), endpoint: Some(endpoint.to_owned()), configuration_set: None };

    assert!(Ses::connect(config("http://mail.example.com")).is_err());
    assert!(Ses::connect(config("http://127.0.0.1:1")).is_ok());
}
