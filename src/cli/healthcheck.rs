//! `healthcheck`: asks the running agent whether it is well.

use std::{path::Path, process::ExitCode};

use crate::http::health::HealthReport;

use super::{Output, ask::ask, print};

/// Asks the agent of this state directory.
pub async fn run(state_dir: &Path, output: Output) -> ExitCode {
    let report: HealthReport = match ask(state_dir, "/health", None).await {
        Ok(report) => report,
        Err(error) => return failed(output, &error.to_string()),
    };
    match output {
        Output::Json => print::exactly(serde_json::to_string(&report).unwrap_or_default() + "\n"),
        Output::Text => print::line(format_args!(
            "{}: agent {}, engine {}, {} jobs, {} running, {} waiting, {} problems",
            report.status,
            report.agent,
            report.engine,
            report.jobs,
            report.running,
            report.waiting,
            report.problems
        )),
    }
    if report.status == "ok" { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn failed(output: Output, reason: &str) -> ExitCode {
    match output {
        Output::Json => {
            print::exactly(format_args!("{}\n", serde_json::json!({ "status": "down", "agent": reason })));
        }
        Output::Text => print::complain(format_args!("watchbell: {reason}")),
    }
    ExitCode::FAILURE
}
