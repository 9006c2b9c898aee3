//! `validate`: says what is wrong with files and labels, without an Engine.

use std::process::ExitCode;

use crate::{
    http::tls::Certificate,
    model::diagnostic::{Diagnostic, Severity},
    settings::resolve::{Desired, View, resolve},
    time::Clock,
};

use super::{
    Environment, Output,
    args::ValidateArgs,
    labels::Labels,
    load, print,
    render::{Colours, Files, visible},
};

/// Prints what is wrong; the exit code is 1 if anything written is not in force.
pub fn run(args: &ValidateArgs, environment: &Environment, clock: &Clock) -> ExitCode {
    let loaded = load::load(&args.flags, environment);
    let labels = Labels::read(&args.labels, environment, &loaded.sources.settings.label_dialects);
    let inventory = if args.labels.is_empty() { None } else { labels.inventory() };
    let view = inventory.as_ref().map_or(View::FilesOnly, View::Observed);
    let desired = resolve(&loaded.sources, view, clock.now());
    let mut diagnostics = labels.diagnostics.clone();
    diagnostics.extend(labels.told_once(desired.diagnostics.clone()));
    let access = &loaded.sources.settings.access;
    diagnostics.extend(access.refused());
    diagnostics.extend(access.tls.as_ref().and_then(|it| Certificate::read(it).err()));
    match args.output {
        Output::Json => print_json(&desired, &diagnostics, &labels.files),
        Output::Text => {
            print_text(&desired, &diagnostics, &labels.files, Colours::of_stdout(environment));
        }
    }
    let errors = diagnostics.iter().any(|it| it.severity == Severity::Error);
    if errors { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn print_json(desired: &Desired, diagnostics: &[Diagnostic], files: &Files) {
    let problems: Vec<_> = diagnostics.iter().map(|it| files.json(it)).collect();
    let jobs: Vec<_> = desired
        .jobs
        .values()
        .map(|job| {
            serde_json::json!({
                "job": job.spec.id.to_string(),
                "kind": job.spec.kind().as_str(),
                "schedule": job.spec.schedule.text(),
                "words": job.spec.schedule.words(),
            })
        })
        .collect();
    let channels: Vec<_> = desired
        .channels
        .values()
        .map(|it| {
            serde_json::json!({ "name": *it.name, "type": it.kind.as_str(), "origin": it.origin.to_string() })
        })
        .collect();
    print::json(serde_json::json!({ "jobs": jobs, "channels": channels, "problems": problems }));
}

fn print_text(desired: &Desired, diagnostics: &[Diagnostic], files: &Files, colours: Colours) {
    for it in diagnostics {
        print::exactly(files.text(it, colours));
    }
    for it in desired.channels.values() {
        let origin = visible(&it.origin.to_string());
        print::line(format_args!("channel {} ({}) from {origin}", it.name, it.kind.as_str()));
    }
    for job in desired.jobs.values() {
        print::line(format_args!("job {} ({}) {}", job.spec.id, job.spec.kind(), job.spec.when()));
    }
    let count = |severity| diagnostics.iter().filter(|it| it.severity == severity).count();
    print::line(format_args!(
        "{} jobs, {} errors, {} warnings",
        desired.jobs.len(),
        count(Severity::Error),
        count(Severity::Warning)
    ));
}
