//! `migrate`: another tool's labels, file or crontab as ours, with both readings of each schedule.
//!
//! It reads with the same code as the agent does under `label-dialects`, so that what it prints means what the agent
//! would do with the original. What cannot be brought over stands in the output as a comment and on standard error.

mod variables;
mod write;

use std::{collections::BTreeMap, path::Path, process::ExitCode, sync::Arc};

use jiff::Timestamp;

use crate::model::gather::Gather;
use crate::{
    model::{
        container::{Container, Inventory},
        diagnostic::{Diagnostic, Severity},
        job::JobSpec,
        name::JobId,
        origin::Origin,
    },
    settings::{
        dialect::{self, Dialect, crontab, table::Draft, table::Foreign},
        global::{self, layers::Upper},
        grants::Grants,
        ini::{Ini, RawSetting},
        layer::JobLayer,
        resolve::{Sources, View, resolve},
    },
    telemetry::report::rfc3339,
    time::Clock,
};

use super::{
    Environment, Output, USAGE,
    args::{Form, From, MigrateArgs},
    labels::{self, Labels},
    print,
    render::Files,
};
use variables::{Variables, with_variables};

/// How many occurrences stand beside a schedule.
const OCCURRENCES: usize = 5;

/// Prints our equivalent; the exit code is 1 if something could not be brought over.
pub fn run(args: &MigrateArgs, environment: &Environment, clock: &Clock) -> ExitCode {
    if (args.system || args.user) && args.from != From::Crontab {
        print::complain("watchbell: --system and --user say what a crontab is: use them with --from crontab");
        return ExitCode::from(USAGE);
    }
    let text = match labels::text(&args.file) {
        Ok(text) => text,
        Err(reason) => {
            print::complain(format_args!("watchbell: {reason}"));
            return ExitCode::FAILURE;
        }
    };
    let flags: Vec<RawSetting> = args
        .timezone
        .iter()
        .map(|zone| RawSetting::new("timezone", zone, Origin::Flag("--timezone".into())))
        .collect();
    let (settings, wrong) = global::layers::settle(
        &[],
        &[],
        &Upper::new(flags, Vec::new(), &|name| environment.get(name).cloned()),
    );
    if let Some(wrong) =
        wrong.iter().find(|it| it.severity == Severity::Error && it.origin.to_string().contains("--timezone"))
    {
        print::complain(format_args!("watchbell: {}: {}", wrong.origin, wrong.reason));
        return ExitCode::from(USAGE);
    }
    // What counts from now need not show parts of a second.
    let now = Timestamp::from_second(clock.now().as_second()).unwrap_or_else(|_| clock.now());
    let users = match (args.system, args.user) {
        (false, false) => has_users(&args.file, &text),
        (system, _) => system,
    };
    let moved = Migration::new(args.from, users, &args.file, &text, settings, environment, now);
    let form = args.to.unwrap_or(if moved.containers.is_empty() { Form::Ini } else { Form::Labels });
    let written = moved.text(form);
    match args.output {
        Output::Text => print::exactly(&written.text),
        Output::Json => print::json(moved.json(&written.text)),
    }
    for it in &moved.problems {
        let job = it.job.as_ref().map(|job| format!("job {job}: ")).unwrap_or_default();
        print::complain(format_args!("{}: {}: {job}{}", it.severity.as_str(), it.origin, it.reason));
    }
    if moved.jobs.is_empty() && moved.problems.is_empty() {
        print::complain(format_args!("watchbell: {} has nothing of {}", args.file, args.from.as_str()));
        return ExitCode::FAILURE;
    }
    let errors = moved.problems.iter().any(|it| it.severity == Severity::Error);
    if moved.lost || written.lost || errors { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What was read, and what it means to the agent.
#[derive(Debug)]
struct Migration {
    from: From,
    path: String,
    now: Timestamp,
    jobs: BTreeMap<JobId, Moved>,
    /// The containers whose labels were read, by name; none where it was a file.
    containers: BTreeMap<Arc<str>, Container>,
    global: Vec<RawSetting>,
    defaults: JobLayer,
    variables: Variables,
    problems: Vec<Diagnostic>,
    /// The texts, for the lines of the problems.
    files: Files,
    lost: bool,
}

/// One job.
#[derive(Debug)]
struct Moved {
    draft: Draft,
    /// What the agent makes of it; `None` if it cannot be one.
    spec: Option<Arc<JobSpec>>,
    /// The container on which it is labelled.
    container: Option<Arc<str>>,
}

impl From {
    fn dialect(self) -> Option<Dialect> {
        Dialect::parse(self.as_str())
    }
}

/// Whether a crontab has users in its lines. Where it lies says so, however it was named.
fn has_users(path: &str, text: &str) -> bool {
    let whole = std::fs::canonicalize(path).ok().filter(|_| path != "-");
    let whole = whole.as_deref().and_then(Path::to_str).unwrap_or(path);
    crontab::has_users(whole, text)
}

/// Whether the text is an INI file: its first line that says something is a section.
fn is_ini(text: &str) -> bool {
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    first.is_some_and(|line| line.starts_with('['))
        && serde_json::from_slice::<serde_json::Value>(text.as_bytes()).is_err()
}

impl Migration {
    fn new(
        from: From,
        users: bool,
        path: &str,
        text: &str,
        settings: global::Settings,
        environment: &Environment,
        now: Timestamp,
    ) -> Self {
        let name = if path == "-" { "standard input" } else { path };
        let foreign = match from.dialect() {
            None => Some(crontab::read(name, text, users)),
            // What stands in a variable may be secret, and is not for printing.
            Some(dialect) if is_ini(text) => dialect.file(name, text.as_bytes(), Some(&|_| None)),
            Some(_) => None,
        };
        match (foreign, from.dialect()) {
            (Some(foreign), dialect) => {
                let mut out = Self::of_file(from, name, foreign, settings, now);
                if let Some(there) = dialect.and_then(|it| it.file(name, text.as_bytes(), None)) {
                    out.with_variables(&there, dialect.is_some_and(Dialect::substitutes), environment);
                }
                out
            }
            (None, Some(dialect)) => {
                let mut labels = Labels::new(&[dialect]);
                labels.in_any_state = true;
                labels.understand(path, text, environment);
                Self::of_labels(from, dialect, name, labels, settings, now)
            }
            (None, None) => Self::empty(from, name, now),
        }
    }

    fn empty(from: From, path: &str, now: Timestamp) -> Self {
        Self {
            from,
            path: path.to_owned(),
            now,
            jobs: BTreeMap::new(),
            containers: BTreeMap::new(),
            global: Vec::new(),
            defaults: JobLayer::default(),
            variables: Variables::default(),
            problems: Vec::new(),
            files: Files::default(),
            lost: false,
        }
    }

    fn of_file(from: From, path: &str, foreign: Foreign, settings: global::Settings, now: Timestamp) -> Self {
        let (lost, drafts) = (foreign.lost, foreign.jobs.clone());
        let sources = Sources::given(settings, dialect::into_ini(foreign));
        let desired = resolve(&sources, View::FilesOnly, now);
        let Ini { global, defaults, broken, .. } = Arc::unwrap_or_clone(sources.file);
        let jobs = drafts.into_iter().map(|(id, draft)| {
            let spec = desired.jobs.get(&id).map(|job| job.spec.clone());
            (id, Moved { draft, spec, container: None })
        });
        let mut problems = broken;
        problems.extend(desired.diagnostics);
        Self { jobs: jobs.into_map(), global, defaults, problems, lost, ..Self::empty(from, path, now) }
    }

    /// Takes variables from the file as it stands `there`, before anything was put in.
    fn with_variables(&mut self, there: &Foreign, replaced: bool, environment: &Environment) {
        self.variables = Variables::new(replaced, environment);
        for (id, job) in &mut self.jobs {
            job.draft = with_variables(job.draft.clone(), there.jobs.get(id));
            self.problems.extend(self.variables.told(id, &job.draft.layer));
        }
        self.problems.sort();
    }

    fn of_labels(
        from: From,
        dialect: Dialect,
        path: &str,
        labels: Labels,
        mut settings: global::Settings,
        now: Timestamp,
    ) -> Self {
        let mut problems = labels.diagnostics.clone();
        let lost = labels.under_deploy;
        let Some(Inventory { containers, own, services }) = labels.inventory() else {
            return Self { problems, lost, files: labels.files, ..Self::empty(from, path, now) };
        };
        settings.label_dialects = vec![dialect];
        // What a label may do is the operator's to say, and is said beside the job.
        settings.grants = Grants::parse("all").unwrap_or_default();
        let inventory = Inventory { containers, own, services };
        let sources = Sources::given(settings, Ini::default());
        let desired = resolve(&sources, View::Observed(&inventory), now);
        problems.extend(desired.diagnostics);
        let mut out = Self { problems, lost, files: labels.files, ..Self::empty(from, path, now) };
        for container in inventory.containers {
            let read = dialect.labels(&container, false);
            out.lost |= read.lost;
            for (id, draft) in read.jobs {
                let spec = desired.jobs.get(&id).map(|job| job.spec.clone());
                let name = Some(container.name.clone());
                out.jobs.entry(id).or_insert(Moved { draft, spec, container: name });
            }
            out.containers.insert(container.name.clone(), container);
        }
        for service in &inventory.services.list {
            out.lost |= dialect.of_service(service).lost;
        }
        out
    }

    fn next(&self, spec: &JobSpec) -> Vec<String> {
        let zone = spec.schedule.zone().time_zone();
        let first = spec.schedule.next_after(self.now, self.now);
        let all = std::iter::successors(first, |at| spec.schedule.next_after(*at, self.now));
        all.take(OCCURRENCES).map(|at| rfc3339(at, zone)).collect()
    }

    /// What a job's schedule means there.
    fn there(&self, draft: &Draft) -> String {
        let schedule = draft.schedule.as_deref().unwrap_or_default();
        self.from.dialect().map_or_else(|| dialect::named_fields(schedule), |it| it.in_words(schedule))
    }

    fn json(&self, text: &str) -> serde_json::Value {
        let brought = self.jobs.iter().filter_map(|(id, job)| Some((id, job, job.spec.as_ref()?)));
        let jobs: Vec<_> = brought
            .map(|(id, job, spec)| {
                serde_json::json!({
                    "job": id.to_string(),
                    "kind": spec.kind().as_str(),
                    "origin": job.draft.origin.to_string(),
                    "there": { "schedule": job.draft.schedule, "words": self.there(&job.draft) },
                    "here": { "schedule": spec.schedule.text(), "words": spec.schedule.words() },
                    "next": self.next(spec),
                })
            })
            .collect();
        let problems: Vec<_> = self.problems.iter().map(|it| self.files.json(it)).collect();
        serde_json::json!({ "jobs": jobs, "problems": problems, "text": text })
    }
}

#[cfg(test)]
mod tests;
