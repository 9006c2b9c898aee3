//! `history`: the runs of a job, or of all, the newest first.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::{
    cli::{
        Output,
        call::{self, CallError, encoded},
    },
    history::query::Filter,
    http::{
        dto_runs::{RunItem, RunList},
        runs::item,
    },
    model::{
        name::JobId,
        run::{RunId, STILL_RUNNING},
    },
};

use super::{
    AgentArgs, Desk, length, print_json, second,
    table::{Cell, print_table, state},
    unreadable,
};

/// Which runs are listed.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The job's identity; all jobs without it.
    pub job: Option<String>,
    /// How many runs at most, from 1 to 1000.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
    /// Only runs that began before this one: the last of the page before.
    #[arg(long, value_name = "RUN")]
    pub before: Option<String>,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Prints them.
pub async fn history(args: HistoryArgs, desk: Desk) -> ExitCode {
    let limit = args.limit;
    let page = args.before.as_ref().map_or_else(String::new, |it| format!("&cursor={}", encoded(it)));
    let question = match &args.job {
        Some(job) => format!("/api/jobs/{}/history?limit={limit}{page}", encoded(job)),
        None => format!("/api/runs?limit={limit}{page}"),
    };
    let before = args.before.as_ref().map(|it| RunId(it.to_ascii_uppercase().into()));
    let filter = Filter { job: args.job.as_deref().map(JobId::plain), before, ..Filter::default() };
    let (runs, agent) = match call::get::<RunList>(&desk.way, &question).await {
        Ok(list) => (list.runs, "ok".to_owned()),
        Err(error @ (CallError::NoAgent(_) | CallError::TooLate)) => {
            match kept(&desk, &error, &filter, limit) {
                Ok(runs) => {
                    desk.say_so(&error);
                    (runs, error.to_string())
                }
                Err(error) => return desk.fail(&error),
            }
        }
        Err(error) => return desk.fail(&error),
    };
    match desk.output {
        Output::Json => print_json(&json!({ "agent": agent, "runs": runs })),
        Output::Text => print_runs(&runs, &desk),
    }
    ExitCode::SUCCESS
}

/// The runs that the history has.
pub(super) fn kept(
    desk: &Desk,
    no_agent: &CallError,
    filter: &Filter,
    limit: u32,
) -> Result<Vec<RunItem>, CallError> {
    let runs = desk.store(no_agent)?.runs(filter, limit).map_err(|error| unreadable(&error))?;
    Ok(runs.iter().map(item).collect())
}

pub(super) fn print_runs(runs: &[RunItem], desk: &Desk) {
    let rows = runs.iter().map(row).collect();
    let head = ["RUN", "JOB", "OUTCOME", "TRIGGER", "DUE", "TOOK", "REASON"];
    print_table(&head, rows, desk.colours);
}

fn row(it: &RunItem) -> Vec<Cell> {
    let word = it.outcome.as_deref().unwrap_or(&it.phase);
    let code = it.exit_code.filter(|code| *code != 0).map(|code| format!(" ({code})"));
    let goes_on =
        it.reason.as_ref().filter(|why| why.contains(STILL_RUNNING)).map(|_| " (still running)".to_owned());
    let more = if it.and_more > 0 { format!(", and {} more", it.and_more) } else { String::new() };
    vec![
        it.run.clone().into(),
        it.job.clone().into(),
        state(&format!("{word}{}{more}", code.or(goes_on).unwrap_or_default()), word),
        it.trigger.clone().into(),
        second(&it.occurrence).into(),
        it.duration_seconds.map_or_else(|| "-".to_owned(), length).into(),
        it.reason.clone().unwrap_or_default().into(),
    ]
}
