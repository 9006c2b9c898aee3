//! `plan`: what would change if the agent were given these files, flags and variables now. It changes nothing.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::{
    http::plan::{ChangedParameter, PlanReport, WantedJob, compare},
    model::diagnostic::Severity,
    settings::resolve::{Desired, View, resolve},
    time::Clock,
};

use super::{
    Environment, Output, args::SettingFlags, ask::ask, load, observe::observe, print, render::Files,
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
    let sources = reading.sources;
    let desired = resolve(&sources, View::Observed(&inventory), clock.now());
    let wanted = wanted(&desired);
    let body = serde_json::to_string(&wanted).unwrap_or_default();
    let (report, agent) = match ask::<PlanReport>(&sources.settings.state_dir, "/plan", Some(body)).await {
        Ok(report) => (report, None),
        Err(error) => (compare([].into(), wanted), Some(error.to_string())),
    };
    match args.output {
        Output::Json => print_json(&report, agent.as_deref(), &desired),
        Output::Text => print_text(&report, agent.as_deref(), &desired),
    }
    let wrong = desired.diagnostics.iter().any(|it| it.severity == Severity::Error);
    if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn wanted(desired: &Desired) -> Vec<WantedJob> {
    let job = |job: &crate::settings::resolve::DesiredJob| {
        let parameters = job.spec.parameters().into_iter();
        let parameters = parameters.map(|(name, value)| {
            let shown = value.shown().to_owned();
            (name.to_owned(), (value.text, shown))
        });
        WantedJob {
            job: job.spec.id.to_string(),
            kind: job.spec.kind().to_string(),
            parameters: parameters.collect(),
        }
    };
    desired.jobs.values().map(job).collect()
}

fn print_json(report: &PlanReport, agent: Option<&str>, desired: &Desired) {
    let files = Files::default();
    let problems: Vec<_> = desired.diagnostics.iter().map(|it| files.json(it)).collect();
    let all = json!({ "agent": agent.unwrap_or("ok"), "plan": report, "problems": problems });
    print::exactly(format_args!("{all}\n"));
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
        for ChangedParameter { parameter, from, to } in changed {
            match (from, to) {
                (Some(from), Some(to)) if from == to => {
                    print::line(format_args!("    {parameter}: {to} (its secret changes)"));
                }
                (Some(from), Some(to)) => print::line(format_args!("    {parameter}: {from} -> {to}")),
                (None, Some(to)) => print::line(format_args!("    {parameter}: {to} (new)")),
                (Some(from), None) => print::line(format_args!("    {parameter}: {from} (goes)")),
                (None, None) => {}
            }
        }
    }
    for job in desired.jobs.values().filter(|job| report.added.iter().any(|it| *it == *job.spec.id.as_str()))
    {
        print::line(format_args!(
            "+ {} ({}) runs {}",
            job.spec.id,
            job.spec.kind(),
            job.spec.schedule.words()
        ));
    }
    print::line(format_args!(
        "{} to add, {} to change, {} to remove, {} unchanged",
        report.added.len(),
        report.updated.len(),
        report.removed.len(),
        report.unchanged
    ));
}
