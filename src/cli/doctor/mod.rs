//! `doctor`: looks at everything that the agent stands on, and says what was found and what to do.
//!
//! It changes nothing, but for an empty file that is made in the state directory and removed again.

mod container;
mod engine;
mod files;
mod grants;
mod socket;
mod state;
mod zone;

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::{
    http::tls::Certificate,
    model::{
        diagnostic::{Diagnostic, Severity},
        name::JobKind,
    },
    settings::{
        access::Access,
        grants::Grants,
        resolve::{View, resolve},
    },
    time::Clock,
};

use super::{
    Environment, Output,
    args::SettingFlags,
    load, print,
    render::{Colours, Files, visible},
};

/// What `doctor` looks at.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The settings of the agent that is looked at; best those that it was started with.
    #[command(flatten)]
    pub flags: SettingFlags,
    /// Print which of the Engine's endpoints the jobs need, as the allow list of a proxy before it: of the running agent,
    /// or of the files and labels that are named.
    #[arg(long)]
    pub grants: bool,
    /// A compose file, or the JSON of `docker inspect`, for --grants; - is standard input; can be repeated.
    #[arg(long, value_name = "FILE", requires = "grants")]
    pub labels: Vec<String>,
    /// Text or JSON.
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok,
    /// The agent runs, and something is worth a look.
    Warning,
    /// The agent, or some of its jobs, cannot do their work.
    Error,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was looked at. Names are stable.
#[derive(Debug)]
struct Check {
    name: &'static str,
    status: Status,
    found: String,
    advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, found: found.into(), advice: None }
    }

    fn warning(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name, status: Status::Warning, found: found.into(), advice: Some(advice.into()) }
    }

    fn error(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { status: Status::Error, ..Self::warning(name, found, advice) }
    }
}

/// Looks, and prints; the exit code is 1 if any check is an error.
pub async fn run(args: &DoctorArgs, environment: &Environment, clock: &Clock) -> ExitCode {
    if args.grants {
        return grants::run(args, environment, clock).await;
    }
    let loaded = load::load(&args.flags, environment);
    let seen = engine::look(&args.flags, &loaded.sources.settings, environment, clock).await;
    let view = seen.inventory.as_ref().map_or(View::FilesOnly, View::Observed);
    let desired = resolve(&loaded.sources, view, clock.now());
    // The agent's own container may say more than files and flags do.
    let settings = desired.settings.as_deref().unwrap_or(&loaded.sources.settings);
    let mut checks = seen.checks;
    checks.push(zone::check(settings, environment));
    checks.push(state::directory(&settings.state_dir));
    checks.push(state::agent(&settings.state_dir).await);
    checks.push(files::check(&loaded.files, &loaded.diagnostics));
    checks.push(listening(&settings.access));
    checks.push(granted(&settings.grants));
    let services = desired.jobs.values().filter(|it| it.spec.kind() == JobKind::ServiceRun).count();
    checks.push(swarm(services, seen.manager));
    let mut problems = desired.diagnostics.clone();
    problems.extend(seen.unclear);
    checks.push(count(&problems, desired.jobs.len(), seen.inventory.is_some()));
    show(&checks, &problems, args.output, Colours::of_stdout(environment));
    let failed = checks.iter().any(|it| it.status == Status::Error);
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn listening(access: &Access) -> Check {
    const NAME: &str = "listen";
    let Some(address) = access.listen else {
        return Check::ok(NAME, "the agent answers on its socket, and not over TCP");
    };
    match access.refused() {
        Some(refused) => {
            Check::error(NAME, refused.reason, "who is meant to ask from elsewhere can do it through a proxy")
        }
        None if access.insecure_no_auth && !address.ip().is_loopback() => Check::warning(
            NAME,
            format!("whoever reaches {address} can have jobs run, and need not say who he is"),
            "see to it that nobody reaches it who may not",
        ),
        None => match access.tls.as_ref().map(Certificate::read) {
            Some(Err(wrong)) => {
                Check::error(NAME, wrong.reason, "put the right files there: they are read when they change")
            }
            Some(Ok(_)) => Check::ok(NAME, format!("the agent answers at {address}, over TLS")),
            None if !address.ip().is_loopback() => Check::warning(
                NAME,
                format!(
                    "the agent answers at {address} in the clear: who is in between reads tokens and passwords"
                ),
                "set tls-cert and tls-key, or let a proxy beside the agent speak TLS",
            ),
            None => Check::ok(NAME, format!("the agent answers at {address}")),
        },
    }
}

fn granted(grants: &Grants) -> Check {
    const NAME: &str = "grants";
    let names = grants.names();
    if names.is_empty() {
        return Check::ok(NAME, "labels may run commands in their own containers, and no more");
    }
    let found = format!("labels of every container are granted {}", names.join(", "));
    if ["local", "run", "service-run", "host-mounts", "privileged"].iter().any(|it| names.contains(it)) {
        let advice = "whoever can label a container has these rights, and with them in the end the machine's: grant \
                      in allow-from-labels no more than is needed";
        return Check::warning(NAME, found, advice);
    }
    Check::ok(NAME, found)
}

/// Whether the Engine can do what so many jobs ask of it.
fn swarm(jobs: usize, manager: Option<bool>) -> Check {
    const NAME: &str = "swarm";
    match (jobs, manager) {
        (0, _) => Check::ok(NAME, "no job runs services of a Swarm"),
        (_, Some(true)) => Check::ok(NAME, format!("the Engine manages the Swarm that {jobs} jobs need")),
        (_, Some(false)) => Check::error(
            NAME,
            format!("{jobs} jobs run services of a Swarm, and the Engine manages none"),
            "docker swarm init makes a manager of it; in a Swarm, the agent belongs on a manager",
        ),
        (_, None) => Check::warning(
            NAME,
            format!(
                "{jobs} jobs run services of a Swarm, and the Engine does not tell whether it manages one"
            ),
            "a proxy in between that lets GET /info pass would tell; it must let pass what these jobs ask",
        ),
    }
}

fn count(problems: &[Diagnostic], jobs: usize, observed: bool) -> Check {
    const NAME: &str = "problems";
    let of = |severity| problems.iter().filter(|it| it.severity == severity).count();
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    let whence = if observed { "files and labels" } else { "files alone" };
    let found = format!("{jobs} jobs from {whence}, {errors} errors, {warnings} warnings");
    match (errors, warnings) {
        (0, 0) => Check::ok(NAME, found),
        (0, _) => Check::warning(NAME, found, "each is told below, with its place"),
        _ => Check::error(NAME, found, "each is told below, with its place and what to do"),
    }
}

fn show(checks: &[Check], problems: &[Diagnostic], output: Output, colours: Colours) {
    let files = Files::default();
    if output == Output::Json {
        let checks: Vec<Value> = checks
            .iter()
            .map(|it| {
                json!({ "name": it.name, "status": it.status.as_str(), "found": it.found, "advice": it.advice })
            })
            .collect();
        let problems: Vec<Value> = problems.iter().map(|it| files.json(it)).collect();
        print::json(json!({ "checks": checks, "problems": problems }));
        return;
    }
    for it in checks {
        let status = it.status.as_str();
        let severity = match it.status {
            Status::Ok => None,
            Status::Warning => Some(Severity::Warning),
            Status::Error => Some(Severity::Error),
        };
        let padded = format!("{status:7}");
        let status = severity.map_or_else(|| padded.clone(), |it| colours.mark(&padded, it));
        // The colour is a command to the terminal that is meant.
        print::exactly(format_args!("{status} {}: {}\n", it.name, visible(&it.found)));
        if let Some(advice) = &it.advice {
            print::line(format_args!("        {advice}"));
        }
    }
    for it in problems {
        print::exactly(files.text(it, colours));
    }
}
