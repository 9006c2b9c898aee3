//! `doctor --grants`: what a proxy between the agent and the Engine must let through for the jobs that there are.

use std::process::ExitCode;

use crate::{
    http::endpoints::{EndpointItem, EndpointList},
    model::{container::Inventory, diagnostic::Severity, job::JobSpec},
    settings::resolve::{View, resolve},
    time::Clock,
};

use super::{
    super::{Environment, Output, ask::ask, labels::Labels, load, print},
    DoctorArgs,
};

/// Prints it: for the running agent's jobs, or for those of the files and labels that were named. The exit code is 1 if
/// that is not all there should be.
pub(super) async fn run(args: &DoctorArgs, environment: &Environment, clock: &Clock) -> ExitCode {
    let loaded = load::load(&args.flags, environment);
    let (list, complete) = if args.labels.is_empty() && args.flags.config.is_empty() {
        match ask::<EndpointList>(&loaded.sources.settings.state_dir, "/api/endpoints", None).await {
            Ok(list) => (list, true),
            Err(error) => {
                print::complain(format_args!(
                    "watchbell: {error}; name files and labels with --config and --labels to have the answer for them"
                ));
                return ExitCode::FAILURE;
            }
        }
    } else {
        let labels = Labels::read(&args.labels, environment, &loaded.sources.settings.label_dialects);
        let inventory = if args.labels.is_empty() { None } else { labels.inventory() };
        let view = inventory.as_ref().map_or(View::FilesOnly, View::Observed);
        let desired = resolve(&loaded.sources, view, clock.now());
        let found = labels.diagnostics.iter().chain(&desired.diagnostics).chain(&loaded.diagnostics);
        let mut wrong: Vec<_> = found.filter(|it| it.severity == Severity::Error).collect();
        wrong.sort();
        wrong.dedup();
        for it in &wrong {
            print::complain(format_args!("watchbell: {}: {}", it.origin, it.reason));
        }
        let jobs = desired.jobs.values().map(|it| (&*it.spec, is_seen(&it.spec, inventory.as_ref())));
        (EndpointList::of(jobs), wrong.is_empty())
    };
    match args.output {
        Output::Json => {
            let list = serde_json::to_string(&list).unwrap_or_default();
            print::exactly(format_args!("{list}\n"));
        }
        Output::Text => print_text(&list.endpoints),
    }
    if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether those are there whom the job would stop: otherwise a name may be that of a service of a Swarm.
fn is_seen(job: &JobSpec, inventory: Option<&Inventory>) -> bool {
    let stop = job.policies.stop_during.as_ref();
    stop.is_none_or(|stop| inventory.is_some_and(|inventory| stop.meant(inventory).is_ok()))
}

fn print_text(endpoints: &[EndpointItem]) {
    let width = endpoints.iter().map(|it| it.pattern.len()).max().unwrap_or_default();
    for it in endpoints {
        let uses: Vec<String> = it.uses.iter().map(|it| format!("{} ({})", it.r#for, it.by)).collect();
        print::line(format_args!("{:<6}  {:<width$}  {}", it.method, it.pattern, uses.join("; ")));
    }
}
