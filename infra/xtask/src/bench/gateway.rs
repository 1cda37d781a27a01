//! Throughput of the local gateway, as `cargo run` serves it.

use std::process::{Command, Stdio};

use clap::Args;
use indicatif::HumanCount;
use serde_json::Value;

use super::{
    peers,
    picture::{self, Bars},
    section,
    shop::{product, stack},
};
use crate::{Outcome, tools};

const OHA: &str = "oha@1.16.0";

const CONNECTIONS: [u32; 3] = [1, 16, 128];

const PRODUCTS: usize = 1_000;

#[derive(Debug, Args)]
pub struct Options {
    /// How long each measurement takes
    #[arg(long, default_value_t = SECONDS)]
    seconds: u32,
}

const SECONDS: u32 = 10;

impl Default for Options {
    fn default() -> Self {
        Self { seconds: SECONDS }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Throughput {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
}

/// Measures and writes.
///
/// # Errors
/// Something cannot be installed, built or started, or a request is not answered with 200.
pub fn run(options: &Options) -> Outcome<()> {
    let oha = tools::rust(OHA)?;
    let stack = stack(&peers::folder(), PRODUCTS)?;
    let load = |path: &str, connections: u32, seconds: u32| {
        println!("{connections} connections, GET {path}");
        let mut command = Command::new(&oha);
        command.args(["--no-tui", "--output-format", "json", "--wait-ongoing-requests-after-deadline"]);
        command.args(["-c", &connections.to_string(), "-z", &format!("{seconds}s")]);
        let output = command.arg(format!("{}{path}", stack.url)).stdin(Stdio::null()).output()?;
        match output.status.success() {
            true => throughput(&serde_json::from_slice(&output.stdout)?),
            false => Err(format!("oha: {}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    };
    let paths = [format!("/products/{}", product(0)), "/products".to_owned()];
    let mut measured = Vec::new();
    for path in &paths {
        // What is read for the first time.
        load(path, 1, 1)?;
        for connections in CONNECTIONS {
            measured.push((path.as_str(), connections, load(path, connections, options.seconds)?));
        }
    }
    let table = table(&measured);
    println!("{table}");
    let of = format!("{} s each. {}.", options.seconds, section::machine());
    section::write("gateway", &format!("{of}\n\n{table}\n\n{}", picture(&paths, &measured)?))
}

fn throughput(report: &Value) -> Outcome<Throughput> {
    let (statuses, errors) = (&report["statusCodeDistribution"], &report["errorDistribution"]);
    let only_ok = statuses.as_object().is_some_and(|all| all.len() == 1 && all.contains_key("200"));
    if !only_ok || errors.as_object().is_some_and(|errors| !errors.is_empty()) {
        return Err(format!("not every request was answered with 200: {statuses}, {errors}").into());
    }
    let number = |value: &Value| value.as_f64().ok_or_else(|| format!("not a report of oha: {report}"));
    let percentiles = &report["latencyPercentiles"];
    Ok(Throughput {
        per_second: number(&report["summary"]["requestsPerSec"])?,
        p50_ms: number(&percentiles["p50"])? * 1_000.0,
        p99_ms: number(&percentiles["p99"])? * 1_000.0,
    })
}

fn table(measured: &[(&str, u32, Throughput)]) -> String {
    let mut lines = vec![
        "| | connections | requests a second | × of 1 connection | p50 | p99 |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    for (path, connections, Throughput { per_second, p50_ms, p99_ms }) in measured {
        let alone = measured.iter().find(|(other, connections, _)| other == path && *connections == 1);
        let times = alone.map_or(0.0, |(_, _, alone)| per_second / alone.per_second);
        lines.push(format!(
            "| GET {path} | {connections} | {} | {times:.2} | {p50_ms:.2} ms | {p99_ms:.2} ms |",
            HumanCount(per_second.round() as u64),
        ));
    }
    lines.join("\n")
}

fn picture(paths: &[String], measured: &[(&str, u32, Throughput)]) -> Outcome<String> {
    let group = |path: &String| {
        let of = |connections| {
            let found = measured.iter().find(|(other, with, _)| other == path && *with == connections);
            found.map(|(_, _, throughput)| throughput.per_second)
        };
        (path.clone(), CONNECTIONS.map(of).to_vec())
    };
    picture::bars(&Bars {
        name: "gateway",
        title: "Throughput of GET at the local gateway",
        unit: "requests a second",
        series: &["1 connection", "16 connections", "128 connections"],
        groups: paths.iter().map(group).collect(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_report_with_another_answer_than_200_is_refused() {
        let report = |statuses: Value, errors: Value| {
            json!({
                "summary": {"requestsPerSec": 1000.0}, "latencyPercentiles": {"p50": 0.001, "p99": 0.002},
                "statusCodeDistribution": statuses, "errorDistribution": errors,
            })
        };

        let read = throughput(&report(json!({"200": 9}), json!({}))).unwrap();

        assert_eq!(read, Throughput { per_second: 1_000.0, p50_ms: 1.0, p99_ms: 2.0 });
        assert!(throughput(&report(json!({"200": 9, "503": 1}), json!({}))).is_err());
        assert!(throughput(&report(json!({"200": 9}), json!({"connection closed": 1}))).is_err());
        assert!(throughput(&json!({})).is_err());
    }
}
