//! An imitation of Lambda's Runtime API for one function after the other, which notes when each asks and answers.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
    future,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
    serve::ListenerExt as _,
};
use serde_json::Value;
use tokio::{net::TcpListener, runtime::Runtime, sync::mpsc};

use crate::Outcome;

const PATIENCE: Duration = Duration::from_secs(30);

/// How long an invocation may take, as the function is given it.
const TIMEOUT: Duration = Duration::from_secs(20);

/// One start of a function.
#[derive(Debug, Clone, Copy)]
pub struct Started {
    /// From the start of its process to the first request for an event.
    pub to_next: Duration,
    /// From the start of its process to its first answer.
    pub to_answer: Duration,
    /// The most memory that it had, in bytes.
    pub memory: u64,
}

/// What the function that is running has done.
enum Seen {
    Asked(Instant),
    Answered(Instant, Bytes),
    Failed(String),
}

/// The event to hand out, once, and who is told what happened.
struct Current {
    event: Option<Bytes>,
    seen: mpsc::UnboundedSender<Seen>,
}

type Shared = Arc<Mutex<Option<Current>>>;

pub struct RuntimeApi {
    address: String,
    current: Shared,
    runtime: Runtime,
}

impl RuntimeApi {
    pub fn start() -> Outcome<Self> {
        let runtime = Runtime::new()?;
        let current = Shared::default();
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .route("/2018-06-01/runtime/init/error", post(failed))
            .with_state(current.clone());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?.to_string();
        let listener = listener.tap_io(|connection| {
            // Without it, a small answer may wait for an acknowledgement. It cannot fail on a new connection.
            let _ = connection.set_nodelay(true);
        });
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, current, runtime })
    }

    /// Starts a function, gives it one event, and ends it. Returns its answer too.
    ///
    /// # Errors
    /// It cannot be started, ends, or does not answer.
    pub fn run(&self, command: &mut Command, event: &str) -> Outcome<(Started, Value)> {
        let (sender, mut seen) = mpsc::unbounded_channel();
        let event = Bytes::copy_from_slice(event.as_bytes());
        *lock(&self.current) = Some(Current { event: Some(event), seen: sender });
        command.env("AWS_LAMBDA_RUNTIME_API", &self.address).stdin(Stdio::null()).stdout(Stdio::null());
        let shown = command.get_program().to_string_lossy().into_owned();
        let began = Instant::now();
        let child = command.spawn().map_err(|e| format!("{shown}: {e}"))?;
        let mut child = Ended(child);
        let (mut asked, deadline) = (None, began + PATIENCE);
        let outcome = self.runtime.block_on(async {
            loop {
                let next = tokio::time::timeout_at(deadline.into(), seen.recv()).await;
                match next.ok().flatten() {
                    // The first request for an event; another follows the answer.
                    Some(Seen::Asked(at)) => asked = asked.or(Some(at)),
                    Some(Seen::Answered(at, body)) => return Ok((at, body)),
                    Some(Seen::Failed(error)) => return Err(error),
                    None => return Err("does not answer".to_owned()),
                }
            }
        });
        let memory = child.memory();
        drop(child);
        let (answered, body) = outcome.map_err(|error| format!("{shown}: {error}"))?;
        let asked = asked.ok_or_else(|| format!("{shown} answered what it was not asked"))?;
        let started = Started { to_next: asked - began, to_answer: answered - began, memory };
        Ok((started, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

async fn next(State(current): State<Shared>) -> Response {
    let event = match &mut *lock(&current) {
        Some(current) => {
            let _ = current.seen.send(Seen::Asked(Instant::now()));
            current.event.take()
        }
        None => None,
    };
    // Once the function has had its event, it waits until it is ended.
    let Some(event) = event else { return future::pending().await };
    let deadline = (SystemTime::now() + TIMEOUT).duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let header = HeaderName::from_static;
    let headers = [
        (header("lambda-runtime-aws-request-id"), "1".to_owned()),
        (header("lambda-runtime-deadline-ms"), deadline.to_string()),
        (header("lambda-runtime-invoked-function-arn"), "arn:aws:lambda:us-east-1:1:function:f".to_owned()),
        (header::CONTENT_TYPE, "application/json".to_owned()),
    ];
    (headers, event).into_response()
}

async fn answered(State(current): State<Shared>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    note(&current, Seen::Answered(Instant::now(), body));
    StatusCode::ACCEPTED
}

async fn failed(State(current): State<Shared>, body: Bytes) -> StatusCode {
    note(&current, Seen::Failed(String::from_utf8_lossy(&body).into_owned()));
    StatusCode::ACCEPTED
}

fn note(current: &Shared, seen: Seen) {
    if let Some(current) = &*lock(current) {
        // The function was given up meanwhile.
        let _ = current.seen.send(seen);
    }
}

fn lock(current: &Shared) -> std::sync::MutexGuard<'_, Option<Current>> {
    current.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Dropping it ends the process.
struct Ended(Child);

impl Ended {
    /// <https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>; 0 where there is no such file.
    fn memory(&mut self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let kb = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
        kb.unwrap_or(0_u64) * 1_024
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        // An error here means that it has ended, as wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
