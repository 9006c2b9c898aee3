//! `explain`: where each value of a job, or of the agent, comes from, and what it hid.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::{
    model::{
        container::Inventory,
        diagnostic::{Diagnostic, Severity, did_you_mean},
        name::JobId,
    },
    settings::{
        access::CallerSection,
        explain::{ChannelRow, Explained, ExplainedSettings, Placed, Row, explain, explain_settings},
        resolve::{View, resolve},
    },
    telemetry::report::rfc3339,
    time::Clock,
    watch::file::Reading,
};

use super::{
    Environment, Output,
    args::SettingFlags,
    labels::Labels,
    load, made,
    observe::observe,
    print,
    render::{Files, visible},
};

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

/// Explains; the exit code is 1 if there is no such job or it is not on the schedule, or a setting is wrong.
pub async fn run(args: ExplainArgs, environment: Environment, clock: Clock) -> ExitCode {
    let reading = load::load(&args.flags, &environment);
    let (inventory, files) = containers(&args.labels, &environment, &reading).await;
    // Where the Engine is not asked, no agent is either.
    let sources = if args.labels.is_empty() && args.job.is_some() {
        made::with_made(&reading.sources)
    } else {
        reading.sources
    };
    let view = inventory.as_ref().map_or(View::FilesOnly, View::Observed);
    let Some(job) = &args.job else {
        let explained = explain_settings(&sources, view);
        print_settings(&explained, &files, args.output);
        let wrong = explained.diagnostics.iter().any(|it| it.severity == Severity::Error);
        return if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    };
    let found = JobId::parse(job).ok().and_then(|id| explain(&sources, view, clock.now(), &id));
    let Some(explained) = found else {
        let desired = resolve(&sources, view, clock.now());
        let known =
            desired.jobs.keys().chain(sources.file.jobs.keys()).chain(sources.made.keys()).map(JobId::as_str);
        let hint = did_you_mean(job, known);
        let hint = hint.map(|hint| format!(": {hint}")).unwrap_or_default();
        print::complain(format_args!("watchbell: there is no job \"{job}\"{hint}"));
        return ExitCode::FAILURE;
    };
    match args.output {
        Output::Json => print::json(as_json(job, &explained, &files, &clock)),
        Output::Text => print_text(job, &explained, &clock),
    }
    if explained.job.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The containers to look at, `None` where only the files can be; and where their labels are written.
async fn containers(
    labels: &[String],
    environment: &Environment,
    reading: &Reading,
) -> (Option<Inventory>, Files) {
    if !labels.is_empty() {
        let labels = Labels::read(labels, environment, &reading.sources.settings.label_dialects);
        for it in &labels.diagnostics {
            print::complain(format_args!("watchbell: {}: {}", it.origin, it.reason));
        }
        return (labels.inventory(), labels.files);
    }
    let inventory = match observe(reading).await {
        Ok(inventory) => Some(inventory),
        Err(reason) => {
            print::complain(format_args!("watchbell: {reason}; what follows is without labels"));
            None
        }
    };
    (inventory, Files::default())
}

fn as_json(job: &str, explained: &Explained, files: &Files, clock: &Clock) -> Value {
    let problems = explained.diagnostics.iter().map(|it| files.json(it));
    json!({
        "job": job,
        "kind": explained.kind.as_str(),
        "scheduled": explained.job.is_some(),
        "words": explained.job.as_ref().map(|job| job.spec.schedule.words()),
        "next": next(explained, clock),
        "containers": containers_of(explained),
        "parameters": explained.parameters.iter().map(row).collect::<Vec<_>>(),
        "problems": problems.collect::<Vec<_>>(),
    })
}

fn placed(it: &Placed) -> Value {
    json!({ "value": it.value, "origin": it.origin.to_string() })
}

fn row(row: &Row) -> Value {
    let mut out = placed(&row.is);
    out["name"] = row.name.into();
    out["hides"] = row.hides.iter().map(placed).collect();
    out
}

fn setting(it: &Row) -> Value {
    let mut out = row(it);
    out["refused"] = it.refused.as_ref().map(placed).into();
    out
}

fn next(explained: &Explained, clock: &Clock) -> Option<String> {
    let schedule = &explained.job.as_ref().filter(|job| job.spec.enabled)?.spec.schedule;
    // What counts from when the agent first saw the job, only the agent knows.
    if schedule.is_anchored() {
        return None;
    }
    let next = schedule.next_after(clock.now(), clock.now())?;
    Some(rfc3339(next, schedule.zone().time_zone()))
}

fn containers_of(explained: &Explained) -> Vec<String> {
    let candidates = explained.job.iter().flat_map(|job| &job.candidates);
    candidates.map(|it| it.name.to_string()).collect()
}

fn print_text(job: &str, explained: &Explained, clock: &Clock) {
    match &explained.job {
        Some(it) => print::line(format_args!("job {job} ({}) {}", explained.kind, it.spec.when())),
        None => print::line(format_args!("job {job} ({}) is not on the schedule", explained.kind)),
    }
    if let Some(next) = next(explained, clock) {
        print::line(format_args!("next {next}"));
    }
    if let [first, more @ ..] = &containers_of(explained)[..] {
        let more = if more.is_empty() { String::new() } else { format!(", else {}", more.join(", ")) };
        print::line(format_args!("in container {first}{more}"));
    }
    print_diagnostics(&explained.diagnostics);
    print::line("");
    print_rows("PARAMETER", &explained.parameters);
}

fn print_diagnostics(diagnostics: &[Diagnostic]) {
    for it in diagnostics {
        print::line(format_args!("{}: {}: {}", it.severity.as_str(), it.origin, it.reason));
    }
}

fn print_settings(explained: &ExplainedSettings, files: &Files, output: Output) {
    let ExplainedSettings { settings, channels, callers, diagnostics } = explained;
    if output == Output::Json {
        let problems: Vec<Value> = diagnostics.iter().map(|it| files.json(it)).collect();
        let settings: Vec<Value> = settings.iter().map(setting).collect();
        let channels: Vec<Value> = channels.iter().map(channel).collect();
        let callers: Vec<Value> = callers.iter().map(caller).collect();
        let all =
            json!({ "settings": settings, "channels": channels, "callers": callers, "problems": problems });
        print::json(all);
        return;
    }
    if !diagnostics.is_empty() {
        print_diagnostics(diagnostics);
        print::line("");
    }
    print_rows("SETTING", settings);
    for it in channels {
        print::line("");
        print_channel(it);
    }
    if !callers.is_empty() {
        print::line("");
        let header = ["LETS IN", "ROLE", "ORIGIN"].map(str::to_owned);
        let line =
            |it: &CallerSection| [it.title(), it.role.as_str().to_owned(), visible(&it.origin.to_string())];
        print_columns(&std::iter::once(header).chain(callers.iter().map(line)).collect::<Vec<_>>());
    }
}

/// A channel with what is written of it.
fn print_channel(it: &ChannelRow) {
    print::line(format_args!(
        "channel {} ({}) from {}",
        it.name,
        it.kind.as_str(),
        visible(&it.origin.to_string())
    ));
    let row =
        |(name, is): &(&'static str, Placed)| Row { name, is: is.clone(), refused: None, hides: Vec::new() };
    print_rows("KEY", &it.values.iter().map(row).collect::<Vec<Row>>());
}

fn channel(it: &ChannelRow) -> Value {
    let value = |(name, is): &(&'static str, Placed)| {
        let mut out = placed(is);
        out["name"] = (*name).into();
        out
    };
    json!({
        "name": *it.name,
        "type": it.kind.as_str(),
        "origin": it.origin.to_string(),
        "values": it.values.iter().map(value).collect::<Vec<Value>>(),
    })
}

fn caller(it: &CallerSection) -> Value {
    json!({
        "section": it.sort.as_str(),
        "name": it.name,
        "role": it.role.as_str(),
        "origin": it.origin.to_string(),
    })
}

/// A table whose columns are as wide as what stands in them.
fn print_rows(title: &str, rows: &[Row]) {
    let mut lines = vec![[title.to_owned(), "VALUE".to_owned(), "ORIGIN".to_owned()]];
    for row in rows {
        lines.push([row.name.to_owned(), shown(&row.is.value), visible(&row.is.origin.to_string())]);
        let refused = row.refused.iter();
        lines.extend(
            refused.map(|it| ["  refused".to_owned(), shown(&it.value), visible(&it.origin.to_string())]),
        );
        let hides = row.hides.iter();
        lines.extend(
            hides.map(|it| ["  hides".to_owned(), shown(&it.value), visible(&it.origin.to_string())]),
        );
    }
    print_columns(&lines);
}

fn print_columns(lines: &[[String; 3]]) {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let (name, value) = (width(0), width(1));
    for line in lines {
        print::line(format_args!("{:name$}  {:value$}  {}", line[0], line[1], line[2]));
    }
}

/// One line, without what a terminal would take for a command, and not longer than a line is.
fn shown(text: &str) -> String {
    let line = visible(text);
    if line.chars().count() <= SHOWN {
        return line;
    }
    line.chars().take(SHOWN - 1).chain(['…']).collect()
}
