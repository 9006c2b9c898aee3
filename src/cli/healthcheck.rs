//! `healthcheck`: asks the running agent whether it is well.

use std::{path::Path, process::ExitCode};

use crate::http::health::{HealthReport, Status};

use super::{Output, ask::ask, print};

/// Asks the agent of this state directory.
pub async fn run(state_dir: &Path, output: Output) -> ExitCode {
    let report: HealthReport = match ask(state_dir, "/health", None).await {
        Ok(report) => report,
        Err(error) => return failed(output, &error.to_string()),
    };
    match output {
        Output::Json => print::json(serde_json::to_string(&report).unwrap_or_default()),
        Output::Text => told(&report),
    }
    // What is degraded runs all jobs: started anew it would be the same, and its runs would have been disturbed.
    if report.status == Status::Down { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn told(report: &HealthReport) {
    let HealthReport { status, agent, engine, problems, .. } = report;
    let version = engine.version.as_ref().map_or_else(String::new, |it| format!(", version {it}"));
    print::line(format_args!(
        "{}: agent {}, engine {}{version}, {} jobs, {} running, {} waiting, {} errors, {} warnings",
        status.as_str(),
        agent.status.as_str(),
        engine.state,
        agent.jobs,
        agent.running,
        agent.waiting,
        problems.errors,
        problems.warnings
    ));
    for (part, reason) in report.reasons() {
        print::line(format_args!("{part}: {reason}"));
    }
}

fn failed(output: Output, reason: &str) -> ExitCode {
    match output {
        Output::Json => {
            print::json(serde_json::json!({ "status": "down", "agent": reason }));
        }
        Output::Text => print::complain(format_args!("watchbell: {reason}")),
    }
    ExitCode::FAILURE
}
