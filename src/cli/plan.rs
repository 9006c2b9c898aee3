//! `plan`: what would change if the agent were given these files, flags and variables now. It changes nothing.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::model::gather::Gather;
use crate::{
    http::plan::{
        self, ChangedParameter, PlanReport, Wanted, WantedJob, WantedSettings, compare, compare_channels,
    },
    model::{diagnostic::Severity, parameters::Value},
    settings::{
        access::CallerSection,
        global::{self, Taken},
        resolve::{Desired, View, resolve},
    },
    time::Clock,
};

use super::{
    Environment, Output, args::SettingFlags, ask::ask, load, made, observe::observe, print, render::Files,
};

/// What `plan` looks at.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The settings; --state-dir says which agent is asked.
    #[command(flatten)]
    pub flags: SettingFlags,
    /// Text or JSON.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// Prints the plan; the exit code is 1 if the Engine cannot be asked, or something written is not in force.
pub async fn run(args: PlanArgs, environment: Environment, clock: Clock) -> ExitCode {
    let reading = load::load(&args.flags, &environment);
    let inventory = match observe(&reading).await {
        Ok(inventory) => inventory,
        // Without its labels every job of a container would seem to go.
        Err(reason) => {
            for it in &reading.diagnostics {
                print::complain(format_args!("watchbell: {}: {}", it.origin, it.reason));
            }
            print::complain(format_args!("watchbell: no plan can be made: {reason}"));
            return ExitCode::FAILURE;
        }
    };
    let sources = made::with_made(&reading.sources);
    let desired = resolve(&sources, View::Observed(&inventory), clock.now());
    let wanted = wanted(&desired);
    let body = serde_json::to_string(&wanted).unwrap_or_default();
    let (report, agent) = match ask::<PlanReport>(&sources.settings.state_dir, "/plan", Some(body)).await {
        Ok(report) => (report, None),
        Err(error) => {
            let channels = compare_channels([].into(), wanted.channels);
            (PlanReport { channels, ..compare([].into(), wanted.jobs) }, Some(error.to_string()))
        }
    };
    match args.output {
        Output::Json => print_json(&report, agent.as_deref(), &desired),
        Output::Text => print_text(&report, agent.as_deref(), &desired),
    }
    let wrong = desired.diagnostics.iter().any(|it| it.severity == Severity::Error);
    if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn wanted(desired: &Desired) -> Wanted {
    let shown = |(name, value): (&str, Value)| {
        let shown = value.shown().to_owned();
        (name.to_owned(), (value.text, shown))
    };
    let job = |job: &crate::settings::resolve::DesiredJob| {
        let parameters = job.spec.parameters().into_iter().map(shown);
        WantedJob {
            job: job.spec.id.to_string(),
            kind: job.spec.kind().to_string(),
            parameters: parameters.into_map(),
        }
    };
    let settings = desired.settings.iter().flat_map(|it| plan::settings(it.values(), &it.access)).into_map();
    Wanted {
        jobs: desired.jobs.values().map(job).collect(),
        settings: WantedSettings(settings),
        channels: plan::channels(&desired.channels),
    }
}

fn print_json(report: &PlanReport, agent: Option<&str>, desired: &Desired) {
    let files = Files::default();
    let problems: Vec<_> = desired.diagnostics.iter().map(|it| files.json(it)).collect();
    let settings = report.settings.iter().map(|it| {
        let at_start = is_taken_at_start(it);
        let mut row =
            json!({ "setting": it.parameter, "from": it.from, "to": it.to, "at_next_start": at_start });
        if let Some(caller) = caller(desired, it) {
            row["origin"] = caller.origin.to_string().into();
        }
        row
    });
    let mut plan = json!(report);
    plan["settings"] = settings.collect();
    let all = json!({ "agent": agent.unwrap_or("ok"), "plan": plan, "problems": problems });
    print::json(all);
}

fn in_words(ChangedParameter { parameter, from, to }: &ChangedParameter) -> String {
    match (from, to) {
        (Some(from), Some(to)) if from == to => format!("{parameter}: {to} (its secret changes)"),
        (Some(from), Some(to)) => format!("{parameter}: {from} -> {to}"),
        (None, Some(to)) => format!("{parameter}: {to} (new)"),
        (Some(from), None) => format!("{parameter}: {from} (goes)"),
        (None, None) => parameter.clone(),
    }
}

/// Whom it lets in, if it is a section that does.
fn caller(desired: &Desired, it: &ChangedParameter) -> Option<CallerSection> {
    let sections = desired.settings.iter().flat_map(|settings| settings.access.sections());
    sections.into_iter().find(|section| section.title() == it.parameter)
}

fn is_taken_at_start(setting: &ChangedParameter) -> bool {
    global::find(&setting.parameter).is_some_and(|it| it.taken == Taken::AtStart)
}

fn print_text(report: &PlanReport, agent: Option<&str>, desired: &Desired) {
    if let Some(reason) = agent {
        print::line(reason);
        print::line("Compared with an agent that has no jobs:");
    }
    for it in &desired.diagnostics {
        let job = it.job.as_ref().map(|job| format!("job {job}: ")).unwrap_or_default();
        print::line(format_args!("! {}: {}: {job}{}", it.severity.as_str(), it.origin, it.reason));
    }
    for job in &report.removed {
        print::line(format_args!("- {job}"));
    }
    for (job, changed) in &report.updated {
        print::line(format_args!("~ {job}"));
        for it in changed {
            print::line(format_args!("    {}", in_words(it)));
        }
    }
    for it in &report.settings {
        let when = if is_taken_at_start(it) { " (at the next start)" } else { "" };
        // Whom the files let in is no setting, and goes by the header of his section.
        let word = if global::find(&it.parameter).is_some() { "setting " } else { "" };
        let place = caller(desired, it).map(|it| format!(", at {}", it.origin)).unwrap_or_default();
        print::line(format_args!("~ {word}{}{when}{place}", in_words(it)));
    }
    print_channels(report, desired);
    for job in desired.jobs.values().filter(|job| report.added.iter().any(|it| *it == *job.spec.id.as_str()))
    {
        print::line(format_args!("+ {} ({}) {}", job.spec.id, job.spec.kind(), job.spec.when()));
    }
    print::line(format_args!(
        "{} to add, {} to change, {} to remove, {} unchanged",
        report.added.len(),
        report.updated.len(),
        report.removed.len(),
        report.unchanged
    ));
}

fn print_channels(report: &PlanReport, desired: &Desired) {
    let place = |name: &str| desired.channels.get(name).map(|it| format!(", at {}", it.origin));
    let place = |name: &str| place(name).unwrap_or_default();
    for (name, kind) in &report.channels.removed {
        print::line(format_args!("- channel \"{name}\" ({kind})"));
    }
    for (name, keys) in &report.channels.updated {
        print::line(format_args!("~ channel \"{name}\": {}{}", keys.join(", "), place(name)));
    }
    for (name, kind) in &report.channels.added {
        print::line(format_args!("+ channel \"{name}\" ({kind}){}", place(name)));
    }
}
