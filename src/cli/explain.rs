//! `explain`: where each value of a job, or of the agent, comes from, and what it hid.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::{
    model::{container::Inventory, diagnostic::did_you_mean, name::JobId},
    settings::{
        explain::{Explained, Placed, Row, explain, explain_settings},
        resolve::{Sources, View, resolve},
    },
    telemetry::report::rfc3339,
    time::Clock,
};

use super::{Environment, Output, args::SettingFlags, labels::Labels, load, observe::observe};

/// What `explain` looks at.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The job's identity; without it the agent's settings are explained.
    pub job: Option<String>,
    /// The settings.
    #[command(flatten)]
    pub flags: SettingFlags,
    /// Containers from a compose file or the JSON of `docker inspect`, instead of the Engine's; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub labels: Vec<String>,
    /// Text or JSON.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// The longest value that a line of text shows whole, in characters.
const SHOWN: usize = 60;

/// Explains; the exit code is 1 if there is no such job or it is not on the schedule.
pub async fn run(args: ExplainArgs, environment: Environment, clock: Clock) -> ExitCode {
    let sources = load::load(&args.flags, &environment).sources;
    let inventory = containers(&args.labels, &environment, &sources).await;
    let view = inventory.as_ref().map_or(View::FilesOnly, View::Observed);
    let Some(job) = &args.job else {
        print_settings(&explain_settings(&sources, view), args.output);
        return ExitCode::SUCCESS;
    };
    let found = JobId::parse(job).ok().and_then(|id| explain(&sources, view, clock.now(), &id));
    let Some(explained) = found else {
        let desired = resolve(&sources, view, clock.now());
        let known = desired.jobs.keys().chain(sources.file.jobs.keys()).map(JobId::as_str);
        let hint = did_you_mean(job, known);
        let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
        eprintln!("watchbell: there is no job \"{job}\"{hint}");
        return ExitCode::FAILURE;
    };
    match args.output {
        Output::Json => println!("{}", as_json(job, &explained, &clock)),
        Output::Text => print_text(job, &explained, &clock),
    }
    if explained.job.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The containers to look at; `None` where only the files can be.
async fn containers(labels: &[String], environment: &Environment, sources: &Sources) -> Option<Inventory> {
    if !labels.is_empty() {
        let labels = Labels::read(labels, environment, &sources.settings.label_dialects);
        for it in &labels.diagnostics {
            eprintln!("watchbell: {}: {}", it.origin, it.reason);
        }
        return labels.inventory();
    }
    match observe(&sources.settings).await {
        Ok(inventory) => Some(inventory),
        Err(reason) => {
            eprintln!("watchbell: {reason}; what follows is without labels");
            None
        }
    }
}

fn as_json(job: &str, explained: &Explained, clock: &Clock) -> Value {
    let problems = explained.diagnostics.iter().map(|it| {
        json!({ "severity": it.severity.as_str(), "origin": it.origin.to_string(), "reason": it.reason })
    });
    json!({
        "job": job,
        "kind": explained.kind.as_str(),
        "scheduled": explained.job.is_some(),
        "words": explained.job.as_ref().map(|job| job.spec.schedule.words()),
        "next": next(explained, clock),
        "containers": containers_of(explained),
        "parameters": rows(&explained.parameters),
        "problems": problems.collect::<Vec<_>>(),
    })
}

fn rows(rows: &[Row]) -> Value {
    let placed = |it: &Placed| json!({ "value": it.value, "origin": it.origin.to_string() });
    rows.iter()
        .map(|row| {
            json!({
                "name": row.name,
                "value": row.is.value,
                "origin": row.is.origin.to_string(),
                "hides": row.hides.iter().map(placed).collect::<Vec<_>>(),
            })
        })
        .collect()
}

fn next(explained: &Explained, clock: &Clock) -> Option<String> {
    let schedule = &explained.job.as_ref().filter(|job| job.spec.enabled)?.spec.schedule;
    let next = schedule.next_after(clock.now(), clock.now())?;
    Some(rfc3339(next, schedule.zone().time_zone()))
}

fn containers_of(explained: &Explained) -> Vec<String> {
    let candidates = explained.job.iter().flat_map(|job| &job.candidates);
    candidates.map(|it| it.name.to_string()).collect()
}

fn print_text(job: &str, explained: &Explained, clock: &Clock) {
    match &explained.job {
        Some(it) if it.spec.enabled => {
            println!("job {job} ({}) runs {}", explained.kind, it.spec.schedule.words());
        }
        Some(_) => println!("job {job} ({}) is not enabled and never runs", explained.kind),
        None => println!("job {job} ({}) is not on the schedule", explained.kind),
    }
    if let Some(next) = next(explained, clock) {
        println!("next {next}");
    }
    if let [first, more @ ..] = &containers_of(explained)[..] {
        let more = if more.is_empty() { String::new() } else { format!(", else {}", more.join(", ")) };
        println!("in container {first}{more}");
    }
    for it in &explained.diagnostics {
        println!("{}: {}: {}", it.severity.as_str(), it.origin, it.reason);
    }
    println!();
    print_rows("PARAMETER", &explained.parameters);
}

fn print_settings(settings: &[Row], output: Output) {
    match output {
        Output::Json => println!("{}", json!({ "settings": rows(settings) })),
        Output::Text => print_rows("SETTING", settings),
    }
}

/// A table whose columns are as wide as what stands in them.
fn print_rows(title: &str, rows: &[Row]) {
    let mut lines = vec![[title.to_owned(), "VALUE".to_owned(), "ORIGIN".to_owned()]];
    for row in rows {
        lines.push([row.name.to_owned(), shown(&row.is.value), row.is.origin.to_string()]);
        let hides = row.hides.iter();
        lines.extend(hides.map(|it| ["  hides".to_owned(), shown(&it.value), it.origin.to_string()]));
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let (name, value) = (width(0), width(1));
    for line in &lines {
        println!("{:name$}  {:value$}  {}", line[0], line[1], line[2]);
    }
}

/// One line, without what a terminal would take for a command, and not longer than a line is.
fn shown(text: &str) -> String {
    let line: String = text
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    if line.chars().count() <= SHOWN {
        return line;
    }
    line.chars().take(SHOWN - 1).chain(['…']).collect()
}
