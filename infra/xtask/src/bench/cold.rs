//! How long functions take to start, how large they are, and what is allowed of both.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use clap::Args;
use serde_json::Value;

use super::{
    engine::Engine,
    peers,
    picture::{self, Bars},
    runtime_api::{RuntimeApi, Started},
    section,
};
use crate::{Outcome, cargo, root};

#[derive(Debug, Args)]
pub struct Options {
    /// How often each is started
    #[arg(long, default_value_t = 25)]
    runs: usize,
    /// Only this function, by the name of its binary; can be repeated. Prints, and writes nothing
    #[arg(long, value_name = "NAME")]
    function: Vec<String>,
    /// Leaves out Node.js
    #[arg(long)]
    without_node: bool,
}

/// What the command line has without options.
impl Default for Options {
    fn default() -> Self {
        Self { runs: 25, function: Vec::new(), without_node: false }
    }
}

/// What a function may be at most.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The binary.
    pub function: &'static str,
    package: &'static str,
    /// In bytes.
    pub size: u64,
    /// The time to the first request for an event, as a multiple of the bare function's.
    pub start: f64,
    first: First,
}

/// The first event of a function that is measured.
#[derive(Debug, Clone, Copy)]
enum First {
    /// The file, and the status of the answer.
    File(&'static str, u64),
    /// A GET of this path with a token that no session has: the session is looked up, and the answer is 401.
    UnknownSession(&'static str),
    /// It would send mails or write objects; only its start is measured.
    Nothing,
}

const MB: u64 = 1_000_000;

/// How many times as long as the bare function a function may take to its first request for an event.
const START: f64 = 1.5;

/// Of each function. A size is a little above what was measured; see docs/benchmarks.md.
pub const LIMITS: [Limit; 10] = [
    Limit {
        function: "products",
        package: "products",
        size: 13 * MB / 2,
        start: START,
        first: First::File("products/get.json", 200),
    },
    Limit {
        function: "products-admin",
        package: "products",
        size: 8 * MB,
        start: START,
        first: First::UnknownSession("/admin/categories"),
    },
    Limit { function: "cart", package: "cart", size: 5 * MB, start: START, first: First::UnknownSession("/cart") },
    Limit {
        function: "orders",
        package: "orders",
        size: 13 * MB / 2,
        start: START,
        first: First::UnknownSession("/orders"),
    },
    // Of these two nothing was measured yet. Search opens its index while it starts, so it reads the table before its first
    // event, which others only do on AWS.
    Limit {
        function: "search",
        package: "search-function",
        size: 12 * MB,
        start: 4.0,
        first: First::File("search/search.json", 503),
    },
    Limit { function: "indexer", package: "indexer", size: 12 * MB, start: START, first: First::Nothing },
    Limit {
        function: "sessions",
        package: "sessions",
        size: 6 * MB,
        start: START,
        first: First::UnknownSession("/users/me"),
    },
    Limit {
        function: "notifications",
        package: "notifications",
        size: 15 * MB / 2,
        start: START,
        first: First::Nothing,
    },
    Limit { function: "projections", package: "projections", size: 13 * MB / 2, start: START, first: First::Nothing },
    Limit {
        function: "sweeper",
        package: "sweeper",
        size: 11 * MB / 2,
        start: START,
        first: First::File("sweeper/schedule.json", 0),
    },
];

/// The variables of all functions together, so that each starts as on AWS. Keys and secrets are made up.
pub(super) const VARIABLES: [(&str, &str); 21] = [
    ("BUCKET_NAME", "descriptions"),
    ("DEAD_LETTERS_BUCKET", "dead-letters"),
    ("AUDIT_BUCKET", "audit"),
    ("CURSOR_KEYS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ("LINK_KEYS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    ("ORDER_LINK_KEYS", "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"),
    ("PAYMENT_PROVIDER", "stripe"),
    ("STRIPE_SECRET_KEY", "sk_test_12345"),
    ("STRIPE_WEBHOOK_SECRETS", "whsec_test"),
    ("MAIL_FROM", "OneTill <orders@shop.example>"),
    ("SEARCH_LANGUAGE", "en"),
    ("RUST_LOG", "warn"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "local"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
    ("AWS_SESSION_TOKEN", "local"),
    ("AWS_LAMBDA_FUNCTION_NAME", "f"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "g"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "s"),
];

/// How the engine is reached, and what is done before the first event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    /// The first event connects.
    Http,
    /// The first event connects.
    Https,
    /// As on AWS: the start connects.
    FirstRead,
}

const WAYS: [Way; 3] = [Way::Http, Way::Https, Way::FirstRead];

/// Something that is started.
struct Subject {
    name: String,
    program: PathBuf,
    argument: Option<PathBuf>,
    event: String,
    /// 0 if the answer has none.
    status: u64,
    /// Whether its first answer is of interest.
    is_asked: bool,
}

type Measured = BTreeMap<(String, Way), Vec<Started>>;

/// Builds, measures and writes.
///
/// # Errors
/// Something cannot be built, started, or answers differently than expected.
pub fn run(options: &Options, programs: Option<&Path>) -> Outcome<()> {
    fs::create_dir_all(peers::folder())?;
    let chosen = |limit: &&Limit| options.function.is_empty() || options.function.iter().any(|f| f == limit.function);
    let limits: Vec<_> = LIMITS.iter().filter(chosen).collect();
    if limits.is_empty() {
        return Err("no function has this name".into());
    }
    let programs = peers::functions(&packages(limits.iter().copied()), programs)?;
    let mut subjects = vec![hello(peers::hello()?)?];
    for limit in limits {
        let program = programs.get(limit.function).ok_or_else(|| format!("there is no program {}", limit.function))?;
        subjects.push(function(limit, program)?);
    }
    if !options.without_node
        && let Some(bundle) = peers::node()?
    {
        let event = event("products/get.json")?;
        let (name, program) = ("Node.js".to_owned(), "node".into());
        subjects.push(Subject { name, program, argument: Some(bundle), event, status: 200, is_asked: true });
    }
    let measured = measure(&subjects, &WAYS, options.runs)?;
    let table = table(&subjects, &measured);
    println!("{table}");
    if options.function.is_empty() {
        let of = format!("Medians of {} starts each, the least in brackets. {}.", options.runs, section::machine());
        let picture = picture(&subjects, &measured)?;
        section::write("cold", &format!("{of}\n\n{table}\n\n{picture}"))?;
    }
    Ok(())
}

/// The packages of these functions.
pub(super) fn packages<'a>(limits: impl IntoIterator<Item = &'a Limit>) -> Vec<&'static str> {
    let mut packages: Vec<_> = limits.into_iter().map(|limit| limit.package).collect();
    packages.dedup();
    packages
}

/// Compares functions as they were built for deployment with their limits. Returns a line for each that is over one.
///
/// # Errors
/// One cannot be started.
pub fn check(programs: &BTreeMap<&'static str, PathBuf>, runs: usize) -> Outcome<Vec<String>> {
    fs::create_dir_all(peers::folder())?;
    let mut subjects = vec![hello(peers::hello()?)?];
    for limit in &LIMITS {
        let program = programs.get(limit.function).ok_or_else(|| format!("{} was not built", limit.function))?;
        subjects.push(function(limit, program)?);
    }
    let measured = measure(&subjects, &[Way::Http], runs)?;
    let mut over = Vec::new();
    for limit in &LIMITS {
        let size = fs::metadata(&programs[limit.function])?.len();
        let times = least_of(&measured, limit.function) / least_of(&measured, HELLO);
        println!("{:<16} {:5.2} MB, starts in {times:.2} times the bare function", limit.function, mb(size));
        over.extend(over_limit(limit, size, times));
    }
    Ok(over)
}

/// What of a function is over its limit.
fn over_limit(limit: &Limit, size: u64, times: f64) -> Vec<String> {
    let Limit { function, size: most, start, .. } = limit;
    let mut over = Vec::new();
    if size > *most {
        over.push(format!("{function} has {:.2} MB, more than {:.2}", mb(size), mb(*most)));
    }
    if times > *start {
        over.push(format!("{function} starts in {times:.2} times the bare function, more than {start}"));
    }
    over
}

/// Whether no function has another library for TLS than ring in it, by what cargo resolves for each alone.
///
/// # Errors
/// Names the function and the crate.
pub fn without_aws_lc() -> Outcome<()> {
    for limit in &LIMITS {
        let output = cargo(&["tree", "--locked", "--edges", "normal", "--prefix", "none", "--package", limit.package])
            .output()?;
        let tree = String::from_utf8_lossy(&output.stdout);
        // Otherwise an empty output would pass.
        if !output.status.success() || !tree.lines().any(|line| line.starts_with("ring v")) {
            return Err(format!("`cargo tree -p {}` shows no TLS at all", limit.package).into());
        }
        if let Some(found) = tree.lines().find(|line| line.starts_with("aws-lc")) {
            return Err(format!(
                "{} has {found} in it: `cargo tree -p {} -i` shows why",
                limit.function, limit.package
            )
            .into());
        }
    }
    Ok(())
}

const HELLO: &str = "bare function";

fn hello(program: PathBuf) -> Outcome<Subject> {
    let (name, event) = (HELLO.to_owned(), event("products/get.json")?);
    Ok(Subject { name, program, argument: None, event, status: 200, is_asked: true })
}

fn function(limit: &Limit, program: &Path) -> Outcome<Subject> {
    let (text, status) = match limit.first {
        First::File(file, status) => (event(file)?, status),
        First::UnknownSession(path) => {
            let mut event: Value = serde_json::from_str(&event("orders/list-with-expired-token.json")?)?;
            event["rawPath"] = path.into();
            event["requestContext"]["http"]["path"] = path.into();
            (event.to_string(), 401)
        }
        First::Nothing => (r#"{"Records":[]}"#.to_owned(), 0),
    };
    let is_asked = !matches!(limit.first, First::Nothing);
    let (name, program) = (limit.function.to_owned(), program.to_owned());
    Ok(Subject { name, program, argument: None, event: text, status, is_asked })
}

pub(super) fn event(file: &str) -> Outcome<String> {
    let path = root().join("events").join(file);
    Ok(fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?)
}

/// Starts each in turn, so that what disturbs the machine disturbs all alike, and each round begins with another. The first
/// round is not counted.
fn measure(subjects: &[Subject], ways: &[Way], runs: usize) -> Outcome<Measured> {
    let (engine, api) = (Engine::start(&peers::folder())?, RuntimeApi::start()?);
    let mut measured = Measured::new();
    let pairs: Vec<_> = subjects.iter().flat_map(|subject| ways.iter().map(move |way| (subject, *way))).collect();
    for round in 0..=runs {
        for (subject, way) in pairs.iter().cycle().skip(round % pairs.len()).take(pairs.len()) {
            let (started, answer) = api.run(&mut command(subject, *way, &engine), &subject.event)?;
            if subject.status != 0 && answer["statusCode"] != subject.status {
                return Err(format!("{} answered {answer} and not {}", subject.name, subject.status).into());
            }
            if round > 0 {
                measured.entry((subject.name.clone(), *way)).or_default().push(started);
            }
        }
    }
    Ok(measured)
}

fn command(subject: &Subject, way: Way, engine: &Engine) -> Command {
    let mut command = Command::new(&subject.program);
    command.args(&subject.argument).stderr(Stdio::null()).env_clear().envs(VARIABLES);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TABLE_NAME", &engine.table);
    let endpoint = if way == Way::Http { &engine.http } else { &engine.https };
    command.env("AWS_ENDPOINT_URL_DYNAMODB", endpoint);
    command.env("AWS_CA_BUNDLE", &engine.bundle).env("NODE_EXTRA_CA_CERTS", &engine.bundle);
    if way == Way::FirstRead {
        command.env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
    }
    command
}

fn table(subjects: &[Subject], measured: &Measured) -> String {
    let of = |name: &str, way| measured.get(&(name.to_owned(), way)).map(Vec::as_slice).unwrap_or_default();
    let slowest = subjects.iter().find(|subject| subject.name == "Node.js").map(|subject| subject.name.clone());
    let answer = |name: &str, way| median(of(name, way), |started| started.to_answer);
    let mut lines = vec![
        "| | size | memory | to `/next` | × bare | answer, HTTP | of Node.js | to `/next`, first read over TLS | answer | \
         answer over TLS without | of Node.js |"
            .to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    let bare = start_of(measured, HELLO);
    for subject in subjects {
        let name = subject.name.as_str();
        let http = of(name, Way::Http);
        let size = fs::metadata(subject.argument.as_ref().unwrap_or(&subject.program)).map_or(0, |file| file.len());
        let memory = http.iter().map(|started| started.memory).max().unwrap_or_default();
        let next = |way| shown(of(name, way), |started| started.to_next);
        let first = |way| match subject.is_asked {
            true => shown(of(name, way), |started| started.to_answer),
            false => "–".to_owned(),
        };
        let part = |way| match &slowest {
            Some(node) if subject.is_asked => format!("1/{:.0}", answer(node, way) / answer(name, way)),
            _ => "–".to_owned(),
        };
        lines.push(format!(
            "| {name} | {:.2} MB | {:.1} MB | {} | {:.2} | {} | {} | {} | {} | {} | {} |",
            mb(size),
            mb(memory),
            next(Way::Http),
            start_of(measured, name) / bare,
            first(Way::Http),
            part(Way::Http),
            next(Way::FirstRead),
            first(Way::FirstRead),
            first(Way::Https),
            part(Way::Https),
        ));
    }
    lines.join("\n")
}

/// The times of each, but for Node.js, beside which the others would not be seen.
fn picture(subjects: &[Subject], measured: &Measured) -> Outcome<String> {
    let of = |name: &str, way| measured.get(&(name.to_owned(), way)).map(Vec::as_slice).unwrap_or_default();
    let shown = subjects.iter().filter(|subject| subject.argument.is_none());
    let group = |subject: &Subject| {
        let answer = |way| subject.is_asked.then(|| median(of(&subject.name, way), |started| started.to_answer));
        let next = Some(start_of(measured, &subject.name));
        (subject.name.clone(), vec![next, answer(Way::Http), answer(Way::FirstRead)])
    };
    picture::bars(&Bars {
        name: "cold",
        title: "Cold start, from the start of the process",
        unit: "ms",
        series: &["to /next", "first answer over HTTP", "first answer over TLS, connected before"],
        groups: shown.map(group).collect(),
    })
}

/// As [`start_of`], of the fastest start: what else the machine does makes none faster.
fn least_of(measured: &Measured, name: &str) -> f64 {
    let started = measured.get(&(name.to_owned(), Way::Http)).map(Vec::as_slice).unwrap_or_default();
    ms(started.iter().map(|started| started.to_next).min().unwrap_or_default())
}

/// To the first request for an event, in milliseconds.
fn start_of(measured: &Measured, name: &str) -> f64 {
    let started = measured.get(&(name.to_owned(), Way::Http)).map(Vec::as_slice).unwrap_or_default();
    median(started, |started| started.to_next)
}

fn shown(started: &[Started], time: fn(&Started) -> Duration) -> String {
    let least = started.iter().map(time).min().unwrap_or_default();
    format!("{:.2} ms ({:.2})", median(started, time), ms(least))
}

/// In milliseconds.
fn median(started: &[Started], time: fn(&Started) -> Duration) -> f64 {
    let mut times: Vec<_> = started.iter().map(time).collect();
    times.sort();
    let middle = times.len() / 2;
    match times.len() % 2 {
        _ if times.is_empty() => 0.0,
        0 => f64::midpoint(ms(times[middle - 1]), ms(times[middle])),
        _ => ms(times[middle]),
    }
}

pub(super) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "no binary has petabytes")]
fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(times_ms: &[u64]) -> Vec<Started> {
        let of = |ms: &u64| Started { to_next: Duration::from_millis(*ms), to_answer: Duration::ZERO, memory: 0 };
        times_ms.iter().map(of).collect()
    }

    #[test]
    fn a_median_is_in_the_middle() {
        let of = |times| median(&started(times), |started| started.to_next);

        assert!((of(&[9, 1, 2]) - 2.0).abs() < 1e-9);
        assert!((of(&[9, 1, 2, 4]) - 3.0).abs() < 1e-9);
        assert!(of(&[]).abs() < 1e-9);
    }

    #[test]
    fn a_function_that_is_too_large_or_starts_too_slowly_is_named() {
        let limit = &LIMITS[0];

        assert!(over_limit(limit, limit.size, limit.start).is_empty());
        let over = over_limit(limit, limit.size + 10_000, limit.start + 0.1);
        assert!(over.len() == 2 && over.iter().all(|line| line.contains("products")), "{over:?}");
    }
}
