//! `jobs` and `show`: the jobs that there are, and all that is known of one.

use std::{fmt::Write as _, process::ExitCode};

use clap::{Args, builder::NonEmptyStringValueParser};
use serde_json::json;

use crate::{
    cli::{
        Output,
        call::{self, CallError, encoded},
        print,
    },
    history::query::Filter,
    http::dto::{JobDetails, JobItem, JobList, ParameterRow},
    model::name::JobId,
};

use super::{
    AgentArgs, Desk,
    history::{kept, print_runs},
    length, print_json, second,
    table::{Cell, print_table, state},
};

/// Which jobs are listed.
#[derive(Debug, Args)]
pub struct JobsArgs {
    /// Only those in this state: enabled, paused, running, waiting or disabled.
    #[arg(long)]
    pub state: Option<String>,
    /// Only those of this kind.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only those whose name has this in it.
    #[arg(long)]
    pub name: Option<String>,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Which job is meant.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The job's identity.
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    pub job: String,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Prints all jobs.
pub async fn jobs(args: JobsArgs, desk: Desk) -> ExitCode {
    let mut question = "/api/jobs?limit=1000".to_owned();
    for (key, value) in [("state", &args.state), ("kind", &args.kind), ("name", &args.name)] {
        if let Some(value) = value {
            let _ = write!(question, "&{key}={}", encoded(value));
        }
    }
    let list = match all(&desk, &question).await {
        Ok(list) => list,
        Err(error) => return desk.fail(&error),
    };
    if desk.output == Output::Json {
        print_json(&list);
        return ExitCode::SUCCESS;
    }
    let rows = list.jobs.iter().map(row).collect();
    print_table(&["JOB", "KIND", "STATE", "SCHEDULE", "NEXT", "LAST"], rows, desk.colours);
    ExitCode::SUCCESS
}

async fn all(desk: &Desk, question: &str) -> Result<JobList, CallError> {
    let mut list: JobList = call::get(&desk.way, question).await?;
    while let Some(cursor) = list.next_cursor.take() {
        let next = format!("{question}&cursor={}", encoded(&cursor));
        let page: JobList = call::get(&desk.way, &next).await?;
        list.jobs.extend(page.jobs);
        list.next_cursor = page.next_cursor;
    }
    Ok(list)
}

fn in_words(job: &JobItem) -> String {
    let until = job.paused.as_ref().and_then(|it| it.until.as_deref());
    match (job.state.as_str(), until) {
        ("paused", Some(until)) => format!("paused until {}", second(until)),
        (word, _) if word != "paused" && job.paused.is_some() => format!("{word}, paused"),
        (word, _) => word.to_owned(),
    }
}

fn row(job: &JobItem) -> Vec<Cell> {
    let last = job.last.as_ref();
    let ended = last.map(|it| format!("{} {}", it.outcome, second(&it.ended)));
    vec![
        job.name.clone().into(),
        job.kind.clone().into(),
        state(&in_words(job), job.state.as_str()),
        job.schedule.as_ref().map_or("-", |it| &it.text).into(),
        job.next.as_deref().map_or_else(|| "-".to_owned(), second).into(),
        state(ended.as_deref().unwrap_or("-"), last.map_or("", |it| &it.outcome)),
    ]
}

/// Prints one job.
pub async fn show(args: JobArgs, desk: Desk) -> ExitCode {
    let question = format!("/api/jobs/{}", encoded(&args.job));
    match call::get::<JobDetails>(&desk.way, &question).await {
        Ok(job) if desk.output == Output::Json => print_json(&job),
        Ok(job) => print_job(&job, &desk),
        Err(error @ (CallError::NoAgent(_) | CallError::TooLate)) => {
            let runs = match kept(
                &desk,
                &error,
                &Filter { job: Some(JobId::plain(&args.job)), ..Filter::default() },
                20,
            ) {
                Ok(runs) if !runs.is_empty() => runs,
                Ok(_) => {
                    let none = format!("{error}, and its history has no runs of {}", args.job);
                    return desk.fail(&CallError::NoAgent(none));
                }
                Err(error) => return desk.fail(&error),
            };
            desk.say_so(&error);
            match desk.output {
                Output::Json => {
                    print_json(&json!({ "name": args.job, "agent": error.to_string(), "runs": runs }));
                }
                Output::Text => print_runs(&runs, &desk),
            }
        }
        Err(error) => return desk.fail(&error),
    }
    ExitCode::SUCCESS
}

fn print_job(details: &JobDetails, desk: &Desk) {
    let JobDetails { job, upcoming, previous, now, parameters, statistics, diagnostics } = details;
    let why = job.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    print::line(format_args!("job {} ({}) is {}{why}", job.name, job.kind, in_words(job)));
    if let Some(schedule) = &job.schedule {
        print::line(format_args!("runs {}, written as {}", schedule.words, schedule.text));
    }
    if let Some(container) = &job.container {
        print::line(format_args!("in container {container}"));
    }
    for it in diagnostics {
        print::line(format_args!("{}: {}: {}", it.severity, it.origin, it.reason));
    }
    for it in now {
        print::line(format_args!("{}: run {} since {}", it.phase, it.run, second(&it.since)));
    }
    if !upcoming.is_empty() {
        print::line(format_args!("next {}", upcoming.join(", ")));
    }
    for it in previous {
        let outcome = it.outcome.as_deref().unwrap_or("running");
        print::line(format_args!("before {} {outcome} (run {})", it.occurrence, it.run));
    }
    if statistics.runs > 0 {
        let outcomes = statistics.outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}"));
        let median = statistics.median_duration_seconds.map(|it| format!("; median {}", length(it)));
        print::line(format_args!(
            "runs {}: {}{}; {} succeeded in a row",
            statistics.runs,
            outcomes.collect::<Vec<_>>().join(", "),
            median.unwrap_or_default(),
            statistics.success_streak
        ));
    }
    if !parameters.is_empty() {
        print::line("");
        print_table(&["PARAMETER", "VALUE", "ORIGIN"], parameter_rows(parameters), desk.colours);
    }
}

fn parameter_rows(parameters: &[ParameterRow]) -> Vec<Vec<Cell>> {
    let row = |name: &str, value: &str, origin: &str| {
        let short: String = value.chars().take(60).collect();
        let more = if short.len() < value.len() { "…" } else { "" };
        vec![name.into(), format!("{short}{more}").into(), origin.into()]
    };
    let rows = parameters.iter().flat_map(|it| {
        let refused = it.refused.iter().map(|it| ("  refused", it));
        let below = refused.chain(it.hides.iter().map(|it| ("  hides", it)));
        std::iter::once(row(&it.name, &it.value, &it.origin))
            .chain(below.map(|(name, it)| row(name, &it.value, &it.origin)))
            .collect::<Vec<_>>()
    });
    rows.collect()
}
