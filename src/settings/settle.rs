//! One job: its layers on top of each other, each value with its type → its spec.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::model::{
    channel::Channels,
    diagnostic::Diagnostic,
    job::{DEFAULT_MAX_OUTPUT, JobSpec, MissedPolicy, Overlap, Work},
    name::{JobId, JobKind},
    origin::Origin,
    schedule::{Schedule, Zone},
};

use super::{
    check::check,
    global::Settings,
    grants, halts,
    label::PREFIX,
    layer::{JobLayer, Text, Written},
    made::{self, MadeJob},
    memo::SettledJob,
    params::{self, MISSED_MAX_LIMIT},
    resolve::{Home, Sources, View},
    value,
};

/// How long a run has between being asked to stop and being killed, unless someone says otherwise.
pub const DEFAULT_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// How many missed occurrences run at most with `missed=all`, unless someone says otherwise.
pub const DEFAULT_MISSED_MAX: u16 = 10;

/// One job on its way to its spec.
pub(super) struct Settle<'a> {
    pub sources: &'a Sources,
    pub settings: &'a Settings,
    /// The channels that a job can name.
    pub channels: &'a Channels,
    pub view: View<'a>,
    pub now: Timestamp,
    /// The schedule that is in force for the job already, if it names years.
    pub before: Option<&'a Schedule>,
    pub id: &'a JobId,
    pub kind: JobKind,
    pub home: Option<&'a Home<'a>>,
    /// The job of the API, where that is the one in force.
    pub made: Option<&'a Arc<MadeJob>>,
    /// Whether the job is rejected already, and only what else is wrong is asked for.
    pub spoiled: bool,
    /// Whether a default of the file is wrong, which is told once for all jobs that take it.
    pub spoiled_by_default: bool,
    pub diagnostics: Vec<Diagnostic>,
}

impl Settle<'_> {
    /// The job's spec, if its layers make one, and what is wrong with them.
    pub fn job(mut self, upper: Option<&JobLayer>) -> SettledJob {
        let Some(layers) = self.layers() else { return (None, self.diagnostics) };
        let layers: Vec<JobLayer> = layers.into_iter().chain(upper.cloned()).collect();
        let layer = layers.iter().fold(JobLayer::default(), JobLayer::under);
        self.check_hidden(&layers, &layer);
        let spec = self.spec(&layer);
        if let Some(spec) = &spec {
            let refused = self.check_grants(spec, &layer);
            if !refused.is_empty() && self.stands_without_labels() {
                // What a label may not ask for cannot cost the operator's own job either.
                let mut without = Self { home: None, diagnostics: Vec::new(), ..self };
                without.diagnostics.extend(refused.into_iter().map(|it| Diagnostic { rejects: false, ..it }));
                return without.job(upper);
            }
            self.diagnostics.extend(refused);
        }
        let spec = spec.filter(|_| !self.is_rejected());
        (spec.map(Arc::new), self.diagnostics)
    }

    /// Whether what labels say of the job is refused and the operator's own definition stands without it.
    pub fn falls_back(mut self, upper: Option<&JobLayer>) -> bool {
        let Some(layers) = self.layers() else { return false };
        let layer = layers.iter().chain(upper).fold(JobLayer::default(), JobLayer::under);
        let Some(spec) = self.spec(&layer) else { return false };
        !self.check_grants(&spec, &layer).is_empty() && self.stands_without_labels()
    }

    fn stands_without_labels(&self) -> bool {
        !self.is_rejected() && self.sources.file.defines(self.id, self.kind)
    }

    fn is_rejected(&self) -> bool {
        self.spoiled || self.spoiled_by_default || self.diagnostics.iter().any(|it| it.rejects)
    }

    /// What is written for this job and hidden by a higher layer is told of, if it is wrong: some day it is not hidden
    /// any more.
    fn check_hidden(&mut self, layers: &[JobLayer], merged: &JobLayer) {
        for (name, written) in layers.iter().flat_map(JobLayer::iter) {
            let Some(over) = merged.get(name).filter(|over| over.origin != written.origin) else { continue };
            if self.is_default(name, &written.origin) {
                continue;
            }
            if let Some(Err(reason)) = params::find(name).map(|param| check(param, &written.text)) {
                let reason = format!("{reason}; it has no effect now, because {} is over it", over.origin);
                let place = params::find(name).map(|param| written.place_of(|it| check(param, it).is_err()));
                self.warn(place.unwrap_or(&written.origin).clone(), name, &reason);
            }
        }
    }

    /// Whether a value is a default of the file, which is checked once for all jobs.
    pub(super) fn is_default(&self, name: &str, origin: &Origin) -> bool {
        let file = &self.sources.file;
        let layers = [Some(&file.defaults), file.kind_defaults.get(&self.kind)];
        layers.into_iter().flatten().filter_map(|layer| layer.get(name)).any(|it| it.origin == *origin)
    }

    /// What defaults, the API, file and labels say of this job, the lowest first; `None` if they do not make a job.
    pub(super) fn layers(&mut self) -> Option<Vec<JobLayer>> {
        let file = &self.sources.file;
        let mut defaults = JobLayer::default();
        for (name, written) in file.defaults.iter() {
            // A default for all kinds holds for those that have the parameter.
            if let Ok(param) = params::look_up(name, self.kind) {
                defaults.set(param, written.clone());
            }
        }
        let mut layers = vec![defaults];
        layers.extend(file.kind_defaults.get(&self.kind).cloned());
        if let Some(job) = file.jobs.get(self.id) {
            if job.kind == self.kind {
                layers.push(job.layer.clone());
            } else {
                let reason = format!(
                    "the section has no effect: it has no schedule, and container labels define this job as {}, not {}",
                    self.kind, job.kind
                );
                self.diagnostics.push(Diagnostic::error(job.origin.clone(), reason).about(self.id));
            }
            if self.home.is_none() && job.layer.get("schedule").is_none() && self.id.as_str().contains('.') {
                if let View::Observed(_) = self.view {
                    let reason = "no container defines this job now, and the section alone has no schedule: its values wait for the container";
                    self.diagnostics.push(Diagnostic::warning(job.origin.clone(), reason).about(self.id));
                }
                return None;
            }
        }
        layers.extend(self.made.map(|made| made.layer.clone()));
        layers.extend(self.home.map(|home| home.job.layer.clone()));
        Some(layers)
    }

    /// Whether another tool's labels made the job.
    pub(super) fn is_of_another_tool(&self) -> bool {
        self.home.is_some_and(|home| is_foreign(&home.job.layer))
    }

    /// The place to name when a value is missing.
    pub(super) fn place(&self) -> Origin {
        match (self.home, self.sources.file.jobs.get(self.id)) {
            (Some(home), _) => home.on.origin(),
            (None, Some(job)) => job.origin.clone(),
            (None, None) if self.made.is_some() => made::place(),
            (None, None) => Origin::Default,
        }
    }

    pub(super) fn reject(&mut self, origin: Origin, parameter: &str, reason: &str) {
        self.diagnostics.push(Diagnostic::rejects(self.id, origin, format!("{parameter}: {reason}")));
    }

    pub(super) fn warn(&mut self, origin: Origin, parameter: &str, reason: &str) {
        self.diagnostics.push(Diagnostic::warning(origin, format!("{parameter}: {reason}")).about(self.id));
    }

    /// A value with its type and place; what cannot be read rejects the job.
    pub(super) fn read<T>(
        &mut self,
        layer: &JobLayer,
        name: &'static str,
        read: impl Fn(&Text) -> Result<T, String>,
    ) -> Option<(T, Origin)> {
        let written = layer.get(name)?;
        let Written { text, origin, .. } = written;
        let (unquoted, quoted) = value::bare(text);
        if quoted {
            self.warn(origin.clone(), name, "the value is wrapped in literal quotes: they were taken off");
        }
        match read(&unquoted) {
            Ok(value) => Some((value, origin.clone())),
            Err(reason) => {
                let known = params::find(name).is_some_and(|param| check(param, text).is_err());
                if known && self.is_default(name, origin) {
                    self.spoiled_by_default = true;
                } else {
                    let place = written.place_of(|item| read(&value::bare(item).0).is_err());
                    self.reject(place.clone(), name, &reason);
                }
                None
            }
        }
    }

    pub(super) fn text(&mut self, layer: &JobLayer, name: &'static str) -> Option<String> {
        self.read(layer, name, |text| value::text(&value::single(text)?)).map(|(text, _)| text)
    }

    pub(super) fn required<T>(
        &mut self,
        layer: &JobLayer,
        name: &'static str,
        found: Option<T>,
    ) -> Option<T> {
        // What is missing may be what could not be taken.
        if found.is_none() && layer.get(name).is_none() && !self.spoiled {
            let hint = match self.home {
                // Each tool has its own word for it.
                Some(home) if is_foreign(&home.job.layer) => {
                    format!("add it to the job's labels on {} {}", home.on.word(), home.on.name())
                }
                Some(home) => {
                    let short = self.id.as_str();
                    let short = short.rsplit_once('.').map_or(short, |(_, name)| name);
                    format!(
                        "set the label watchbell.job-{}.{short}.{name} on {} {}",
                        home.job.kind,
                        home.on.word(),
                        home.on.name()
                    )
                }
                None if self.made.is_some() => format!("add \"{name}\" to the parameters"),
                None => format!("add {name} = … to the section"),
            };
            let place = match self.made {
                Some(_) => Origin::Api(Some(name.into())),
                None => self.place(),
            };
            self.reject(place, name, &format!("it is missing: {hint}"));
        }
        found
    }

    fn spec(&mut self, layer: &JobLayer) -> Option<JobSpec> {
        let enabled = self.read(layer, "enabled", |text| value::boolean(&value::single(text)?));
        let overlap = self.read(layer, "overlap", |text| choice(&value::single(text)?, Overlap::NAMES));
        let timeout = self.read(layer, "timeout", |text| value::optional_duration(&value::single(text)?));
        let grace = self.read(layer, "grace-period", |text| value::duration(&value::single(text)?));
        let jitter = self.read(layer, "jitter", |text| value::duration(&value::single(text)?));
        let missed = self.read(layer, "missed", |text| choice(&value::single(text)?, MissedPolicy::NAMES));
        let most =
            self.read(layer, "missed-max", |text| value::number(&value::single(text)?, MISSED_MAX_LIMIT));
        let deadline = self.read(layer, "start-deadline", |text| value::deadline(&value::single(text)?));
        let max_output = self.read(layer, "max-output", |text| value::output(&value::single(text)?));
        let history = self.read(layer, "history", |text| value::retention(&value::single(text)?));
        let schedule = self.schedule(layer);
        let policies = self.policies(layer).shared();
        let work = self.work(layer);
        let (schedule, origin) = schedule?;
        self.check_effect(layer, &schedule, missed.as_ref().map(|(value, _)| *value));
        Some(JobSpec {
            id: self.id.clone(),
            schedule,
            work: work?,
            enabled: enabled.is_none_or(|(value, _)| value),
            overlap: overlap.map_or(Overlap::Skip, |(value, _)| value),
            timeout: timeout.and_then(|(value, _)| value),
            grace_period: grace.map_or(DEFAULT_GRACE_PERIOD, |(value, _)| value),
            jitter: jitter.map_or(Duration::ZERO, |(value, _)| value),
            missed: missed.map_or(MissedPolicy::Skip, |(value, _)| value),
            missed_max: most.map_or(DEFAULT_MISSED_MAX, |(value, _)| value),
            start_deadline: deadline.and_then(|(value, _)| value),
            run_on_startup: self.flag(layer, "run-on-startup"),
            max_output: max_output.map_or(DEFAULT_MAX_OUTPUT, |(value, _)| value),
            history: history.map(|(value, _)| value).unwrap_or_default(),
            policies,
            origin,
        })
    }

    /// Warns of what is written for this job and can do nothing with such a schedule. `start-deadline` is not of these: a
    /// run that waits in line may come to its turn too late, whatever it began with.
    fn check_effect(&mut self, layer: &JobLayer, schedule: &Schedule, missed: Option<MissedPolicy>) {
        let no_clock = schedule.at_startup() || schedule.only_triggered();
        let reason = format!("it has no effect: no clock names the moments of `{}`", schedule.text());
        let all = missed == Some(MissedPolicy::All);
        let most = "it has no effect without missed=all";
        for (name, idle, reason) in [
            ("jitter", no_clock, &*reason),
            ("missed", no_clock, &reason),
            ("missed-max", no_clock, &reason),
            ("missed-max", !no_clock && !all, most),
        ] {
            let Some(written) = layer.get(name).filter(|_| idle) else { continue };
            // A default is for the jobs with which it can do something.
            if !self.is_default(name, &written.origin) {
                self.warn(written.origin.clone(), name, &format!("{reason}: remove it"));
            }
        }
    }

    fn schedule(&mut self, layer: &JobLayer) -> Option<(Schedule, Origin)> {
        let zone = self.read(layer, "timezone", |text| {
            Zone::parse(&value::single(text)?).map_err(|error| error.to_string())
        });
        let unknown = zone.is_none() && layer.get("timezone").is_some();
        let (zone, written) = match zone {
            Some((zone, origin)) => (zone, Some(origin)),
            None => (self.settings.timezone.clone(), None),
        };
        let (now, before, id) = (self.now, self.before, self.id);
        let found = self.read(layer, "schedule", |text| {
            let schedule = Schedule::of_job(&value::single(text)?, &zone, id.as_str());
            let schedule = schedule.map_err(|error| error.to_string())?;
            match schedule.why_never(now).filter(|_| before != Some(&schedule)) {
                Some(reason) => Err(format!("\"{}\" never comes: {reason}", schedule.text())),
                None => Ok(schedule),
            }
        });
        if let (Some((schedule, origin)), Some(written)) = (&found, written)
            && schedule.names_zone()
            && !schedule.zone().agrees_with(&zone)
        {
            let (there, here) = (schedule.zone().name(), zone.name());
            let reason = format!(
                "its prefix says {there}, which counts, and the parameter timezone at {written} says {here}: remove \
                 one of them"
            );
            self.warn(origin.clone(), "schedule", &reason);
        }
        if let Some((schedule, origin)) = &found {
            for warning in schedule.warnings() {
                self.warn(origin.clone(), "schedule", &warning);
            }
        }
        self.required(layer, "schedule", found).filter(|_| !unknown)
    }

    /// What the labels ask for and may not have.
    fn check_grants(&self, spec: &JobSpec, layer: &JobLayer) -> Vec<Diagnostic> {
        let Some(home) = self.home.filter(|home| !home.read.own) else { return Vec::new() };
        // Where the operator named another container, a label must not say what is done there.
        let by_label =
            ["container", "command", "shell", "user", "workdir", "environment", "env-file", "privileged"]
                .into_iter()
                .filter_map(|name| Some(&layer.get(name)?.origin))
                .find(|origin| origin.is_label());
        let fallback = match (&spec.work, by_label) {
            (Work::Exec(_), Some(origin)) => origin.clone(),
            _ if spec.origin.is_label() => spec.origin.clone(),
            _ => home.on.origin(),
        };
        let grants = &self.settings.grants;
        let stop = spec.policies.stop_during.as_ref();
        let refusals = grants.refusals(spec, grants::Home::On(home.on), by_label.is_some()).into_iter();
        let refusals =
            refusals.chain(stop.map(|it| halts::refusals(grants, it, home.on)).unwrap_or_default());
        refusals
            .map(|it| {
                let asking = layer.get(it.parameter).map(|written| &written.origin);
                let origin = asking.filter(|origin| origin.is_label()).unwrap_or(&fallback);
                Diagnostic::rejects(self.id, origin.clone(), it.reason)
            })
            .collect()
    }
}

/// Whether another tool's labels made a layer.
fn is_foreign(layer: &JobLayer) -> bool {
    let ours = |label: &str| label.split('.').next().is_some_and(|head| head.eq_ignore_ascii_case(PREFIX));
    layer.iter().any(|(_, it)| it.origin.label().is_some_and(|label| !ours(label)))
}

/// What one of the words that a parameter knows stands for.
pub(super) fn choice<T: Copy, const N: usize>(
    text: &str,
    names: [(&'static str, T); N],
) -> Result<T, String> {
    let word = value::choice(text, &names.map(|(name, _)| name))?;
    let meant = names.into_iter().find(|(name, _)| *name == word);
    meant.map(|(_, meant)| meant).ok_or_else(|| format!("\"{text}\" has no meaning"))
}
