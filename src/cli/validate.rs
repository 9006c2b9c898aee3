//! `validate`: says what is wrong with files and labels, without an Engine.

use std::{collections::BTreeMap, io::Read, process::ExitCode};

use serde::Deserialize;

use crate::{
    model::{
        container::{Container, ContainerId, ContainerState, Inventory},
        diagnostic::{Diagnostic, Severity},
    },
    settings::resolve::{Desired, View, resolve},
    time::Clock,
};

use super::{Environment, Output, USAGE, args::ValidateArgs, load};

/// Prints what is wrong; the exit code is 1 if anything written is not in force.
pub fn run(args: &ValidateArgs, environment: &Environment, clock: &Clock) -> ExitCode {
    let loaded = load::load(&args.flags, environment);
    let inventory = match args.labels.as_deref().map(read_labels).transpose() {
        Ok(inventory) => inventory,
        Err(reason) => {
            eprintln!("watchbell: --labels: {reason}");
            return ExitCode::from(USAGE);
        }
    };
    let view = inventory.as_ref().map_or(View::FilesOnly, View::Observed);
    let desired = resolve(&loaded.sources, view, clock.now());
    print(&desired, &desired.diagnostics, args.output);
    let errors = desired.diagnostics.iter().any(|it| it.severity == Severity::Error);
    if errors { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn print(desired: &Desired, diagnostics: &[Diagnostic], output: Output) {
    if output == Output::Json {
        let problems: Vec<_> = diagnostics
            .iter()
            .map(|it| {
                serde_json::json!({
                    "severity": it.severity.as_str(),
                    "job": it.job.as_ref().map(ToString::to_string),
                    "origin": it.origin.to_string(),
                    "reason": it.reason,
                })
            })
            .collect();
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
        println!("{}", serde_json::json!({ "jobs": jobs, "problems": problems }));
        return;
    }
    for it in diagnostics {
        let job = it.job.as_ref().map(|job| format!(" job {job}:")).unwrap_or_default();
        println!("{}: {}:{job} {}", it.severity.as_str(), it.origin, it.reason);
    }
    for job in desired.jobs.values() {
        println!("job {} ({}) runs {}", job.spec.id, job.spec.kind(), job.spec.schedule.words());
    }
    let count = |severity| diagnostics.iter().filter(|it| it.severity == severity).count();
    println!(
        "{} jobs, {} errors, {} warnings",
        desired.jobs.len(),
        count(Severity::Error),
        count(Severity::Warning)
    );
}

/// One container as `docker inspect` shows it, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    config: InspectedConfig,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedConfig {
    labels: Option<BTreeMap<String, String>>,
}

fn read_labels(path: &str) -> Result<Inventory, String> {
    let mut text = String::new();
    let read = if path == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| format!("{path} cannot be read: {error}"))?;
    let inspected: Vec<Inspected> = serde_json::from_str(&text)
        .map_err(|error| format!("{path} is not the JSON of docker inspect CONTAINER…: {error}"))?;
    let containers = inspected
        .into_iter()
        .enumerate()
        .map(|(index, it)| Container {
            id: ContainerId(if it.id.is_empty() { index.to_string() } else { it.id }.into()),
            name: it.name.trim_start_matches('/').into(),
            state: ContainerState::Running,
            healthy: None,
            created: 0,
            labels: it.config.labels.unwrap_or_default(),
        })
        .collect();
    Ok(Inventory { containers, own: None })
}
