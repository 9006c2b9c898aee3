//! `problems`: everything that is wrong with what was written; exit code 1 if there is anything.

use std::process::ExitCode;

use clap::Args;

use crate::{
    cli::{Output, call, print, render::visible},
    http::dto_runs::ProblemList,
    model::diagnostic::Severity,
};

use super::{AgentArgs, Desk, print_json};

/// Which agent is asked.
#[derive(Debug, Args)]
pub struct ProblemsArgs {
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Prints them.
pub async fn problems(_: ProblemsArgs, desk: Desk) -> ExitCode {
    let list: ProblemList = match call::get(&desk.way, "/api/problems").await {
        Ok(list) => list,
        Err(error) => return desk.fail(&error),
    };
    match desk.output {
        Output::Json => print_json(&list),
        Output::Text => print_text(&list, &desk),
    }
    if list.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print_text(list: &ProblemList, desk: &Desk) {
    for it in &list.problems {
        let job = it.job.as_ref().map_or_else(String::new, |job| format!("job {job}: "));
        let severity = if it.severity == "error" { Severity::Error } else { Severity::Warning };
        let marked = desk.colours.mark(severity.as_str(), severity);
        let rest = visible(&format!("{}: {job}{}", it.origin, it.reason));
        print::exactly(format_args!("{marked}: {rest}\n"));
    }
    let errors = list.problems.iter().filter(|it| it.severity == "error").count();
    print::line(format_args!("{errors} errors, {} warnings", list.problems.len() - errors));
}
