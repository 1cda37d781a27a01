//! An imitation of Lambda's Runtime API for one function after the other, which notes when each asks and answers.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::{
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
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::{Notify, mpsc},
};

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
    Given(Instant),
    Answered(Instant, Bytes),
    Failed(String),
}

/// The event to hand out, once, and where to report what happens.
struct Current {
    event: Option<Bytes>,
    seen: mpsc::UnboundedSender<Seen>,
}

#[derive(Clone, Default)]
struct Shared {
    current: Arc<Mutex<Option<Current>>>,
    /// There is an event for a function that waits for one.
    arrived: Arc<Notify>,
}

pub struct RuntimeApi {
    address: String,
    shared: Shared,
    runtime: Runtime,
}

/// A function that runs, and answers one event after the other. Dropping it ends its process.
pub struct Asked<'a> {
    api: &'a RuntimeApi,
    seen: mpsc::UnboundedReceiver<Seen>,
    shown: String,
    began: Instant,
    child: Ended,
}

impl RuntimeApi {
    pub fn start() -> Outcome<Self> {
        let runtime = Runtime::new()?;
        let shared = Shared::default();
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(answered))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(failed))
            .route("/2018-06-01/runtime/init/error", post(failed))
            .with_state(shared.clone());
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?.to_string();
        let listener = listener.tap_io(|connection| {
            // Without it, a small answer may wait for an acknowledgement. It cannot fail on a new connection.
            let _ = connection.set_nodelay(true);
        });
        runtime.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, shared, runtime })
    }

    /// Starts a function, gives it one event, and ends it. Returns its answer too.
    ///
    /// # Errors
    /// It cannot be started, ends, or does not answer.
    pub fn run(&self, command: &mut Command, event: &str) -> Outcome<(Started, Value)> {
        let Asked { mut seen, shown, began, mut child, .. } = self.start_with(command, Some(event))?;
        let (mut asked, deadline) = (None, began + PATIENCE);
        let outcome = self.runtime.block_on(async {
            loop {
                let next = tokio::time::timeout_at(deadline.into(), seen.recv()).await;
                match next.ok().flatten() {
                    // The first request for an event; another follows the answer.
                    Some(Seen::Asked(at)) => asked = asked.or(Some(at)),
                    Some(Seen::Given(_)) => {}
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

    /// Starts a function, to be asked.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn keep(&self, command: &mut Command) -> Outcome<Asked<'_>> {
        self.start_with(command, None)
    }

    fn start_with(&self, command: &mut Command, event: Option<&str>) -> Outcome<Asked<'_>> {
        let (sender, seen) = mpsc::unbounded_channel();
        let event = event.map(|event| Bytes::copy_from_slice(event.as_bytes()));
        *lock(&self.shared) = Some(Current { event, seen: sender });
        command.env("AWS_LAMBDA_RUNTIME_API", &self.address).stdin(Stdio::null()).stdout(Stdio::null());
        let shown = command.get_program().to_string_lossy().into_owned();
        let began = Instant::now();
        let child = command.spawn().map_err(|e| format!("{shown}: {e}"))?;
        Ok(Asked { api: self, seen, shown, began, child: Ended(child) })
    }
}

impl Asked<'_> {
    /// Waits until the function asks for an event, and gives it this one. Returns the time from then to its answer, and the
    /// answer.
    ///
    /// # Errors
    /// The function fails, ends, or does not answer.
    pub fn answer(&mut self, event: &str) -> Outcome<(Duration, Value)> {
        let answered = self.api.runtime.block_on(async {
            let deadline = Instant::now() + PATIENCE;
            let mut given = None;
            loop {
                let next = tokio::time::timeout_at(deadline.into(), self.seen.recv()).await;
                match next.ok().flatten() {
                    Some(Seen::Asked(_)) => {
                        if let Some(current) = &mut *lock(&self.api.shared) {
                            current.event = Some(Bytes::copy_from_slice(event.as_bytes()));
                        }
                        self.api.shared.arrived.notify_one();
                    }
                    Some(Seen::Given(at)) => given = Some(at),
                    Some(Seen::Answered(at, body)) => return Ok((given, at, body)),
                    Some(Seen::Failed(error)) => return Err(error),
                    None => return Err("does not answer".to_owned()),
                }
            }
        });
        let (given, at, body) = answered.map_err(|error| format!("{}: {error}", self.shown))?;
        let given = given.ok_or_else(|| format!("{} answered what it was not asked", self.shown))?;
        Ok((at - given, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

async fn next(State(shared): State<Shared>) -> Response {
    note(&shared, Seen::Asked(Instant::now()));
    let event = loop {
        if let Some(event) = lock(&shared).as_mut().and_then(|current| current.event.take()) {
            break event;
        }
        // Without another event, until it is ended.
        shared.arrived.notified().await;
    };
    let deadline = (SystemTime::now() + TIMEOUT).duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let header = HeaderName::from_static;
    let headers = [
        (header("lambda-runtime-aws-request-id"), "1".to_owned()),
        (header("lambda-runtime-deadline-ms"), deadline.to_string()),
        (header("lambda-runtime-invoked-function-arn"), "arn:aws:lambda:us-east-1:1:function:f".to_owned()),
        (header::CONTENT_TYPE, "application/json".to_owned()),
    ];
    note(&shared, Seen::Given(Instant::now()));
    (headers, event).into_response()
}

async fn answered(State(shared): State<Shared>, Path(_): Path<String>, body: Bytes) -> StatusCode {
    note(&shared, Seen::Answered(Instant::now(), body));
    StatusCode::ACCEPTED
}

async fn failed(State(shared): State<Shared>, body: Bytes) -> StatusCode {
    note(&shared, Seen::Failed(String::from_utf8_lossy(&body).into_owned()));
    StatusCode::ACCEPTED
}

fn note(shared: &Shared, seen: Seen) {
    if let Some(current) = &*lock(shared) {
        // The function was given up meanwhile.
        let _ = current.seen.send(seen);
    }
}

fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Option<Current>> {
    shared.current.lock().unwrap_or_else(PoisonError::into_inner)
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
