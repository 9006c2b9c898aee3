//! All layers and one observation → what there should be.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use crate::model::{
    container::{Container, ContainerId, ContainerState, Inventory},
    diagnostic::{Diagnostic, Severity, did_you_mean},
    job::{Environment, ExecSpec, JobSpec, LocalSpec, Overlap, RunSpec, Work},
    name::{JobId, JobKind},
    origin::Origin,
    schedule::{Schedule, Zone},
};

use super::{
    env::{self, Override},
    global::Settings,
    ini::Ini,
    label::LabelJob,
    layer::{JobLayer, Text, Written},
    memo::{Basis, Memo, Read, Settled},
    value,
};

/// How long a run has between being asked to stop and being killed, unless someone says otherwise.
pub const DEFAULT_GRACE_PERIOD: Duration = Duration::from_secs(10);

/// Everything that people wrote, but for the labels.
#[derive(Debug)]
pub struct Sources {
    /// The agent's settings.
    pub settings: Settings,
    /// The files.
    pub file: Ini,
    /// Flags, then environment: the later wins.
    pub overrides: Vec<Override>,
}

/// What there should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// The jobs.
    pub jobs: BTreeMap<JobId, DesiredJob>,
    /// Everything that is wrong with what was written, sorted.
    pub diagnostics: Vec<Diagnostic>,
}

/// One job, and where it can run now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredJob {
    /// The job.
    pub spec: Arc<JobSpec>,
    /// Containers in which a job of kind `exec` can run; the best first.
    pub candidates: Vec<Candidate>,
}

/// A container in which a job can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The Engine's ID.
    pub id: ContainerId,
    /// The name.
    pub name: Arc<str>,
    /// Whether it runs now.
    pub running: bool,
}

/// One container's word on a job.
struct Definition<'a> {
    id: &'a JobId,
    container: &'a Container,
    read: &'a Arc<Read>,
    job: &'a LabelJob,
}

/// How much of the Engine can be seen.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// It never answered. Not knowing is not knowing that there is nothing: the file's `local` jobs are all that is
    /// sure.
    Unknown,
    /// It is not asked: the files are looked at by themselves.
    FilesOnly,
    /// It was observed completely.
    Observed(&'a Inventory),
}

/// Puts everything together. `now` is for schedules that never come again.
pub fn resolve(sources: &Sources, view: View<'_>, now: Timestamp) -> Desired {
    resolve_again(sources, view, now, &mut Memo::default())
}

/// The same, sooner: `memo` has what the last pass over the same `sources` read.
pub fn resolve_again(sources: &Sources, view: View<'_>, now: Timestamp, memo: &mut Memo) -> Desired {
    let inventory = match view {
        View::Observed(inventory) => Some(inventory),
        View::Unknown | View::FilesOnly => None,
    };
    memo.begin();
    let read: Vec<(&Container, Arc<Read>)> = inventory
        .iter()
        .flat_map(|inventory| {
            inventory.containers.iter().map(|it| (it, inventory.own.as_ref() == Some(&it.id)))
        })
        .map(|(container, own)| (container, memo.read(container, own)))
        .filter(|(_, read)| !read.passed_over)
        .collect();
    let mut definitions: Vec<Definition<'_>> = read
        .iter()
        .flat_map(|(container, read)| {
            read.labels.jobs.iter().map(move |(id, job)| Definition { id, container, read, job })
        })
        .collect();
    definitions.sort_by_key(|it| it.id);
    let mut diagnostics = sources.file.diagnostics.clone();
    let labelled: BTreeMap<&JobId, Home<'_>> = definitions
        .chunk_by_mut(|a, b| a.id == b.id)
        .map(|all| (all[0].id, settle_home(all, &mut diagnostics)))
        .collect();

    for (container, read) in &read {
        diagnostics.extend(read.labels.diagnostics.iter().cloned().map(|mut it| {
            // A replica whose definition is not in force cannot cost the job: during a rolling update that mends a
            // label the old one is still there.
            let home = it.job.as_ref().and_then(|job| labelled.get(job));
            it.rejects &= home.is_none_or(|home| home.container.id == container.id);
            it
        }));
    }

    let mut known: BTreeMap<&JobId, (JobKind, Option<&Home<'_>>)> =
        labelled.iter().map(|(id, home)| (*id, (home.job.kind, Some(home)))).collect();
    for (id, job) in &sources.file.jobs {
        if !matches!(view, View::Unknown) || job.kind == JobKind::Local {
            known.entry(id).or_insert((job.kind, None));
        }
    }
    let kinds = if sources.overrides.is_empty() {
        BTreeMap::new()
    } else {
        known.iter().map(|(id, (kind, _))| (*id, *kind)).collect()
    };
    let (overrides, unmatched) = env::layers(&sources.overrides, &kinds, inventory.is_some());
    diagnostics.extend(unmatched);

    let refused: BTreeSet<JobId> =
        diagnostics.iter().filter(|it| it.rejects).filter_map(|it| it.job.clone()).collect();
    let places = Places::new(view);
    let mut jobs = Vec::with_capacity(known.len());
    for (id, (kind, home)) in known {
        if refused.contains(id) {
            continue;
        }
        let upper = overrides.get(id);
        let basis = Basis { home: home.map(|it| it.read), observed: inventory.is_some(), upper };
        let (spec, found) = memo.job(id, &basis, || {
            Resolver { sources, view, now, id, kind, home, diagnostics: Vec::new() }.job(upper)
        });
        diagnostics.extend(found.iter().cloned());
        if let Some(spec) = spec {
            let candidates = places.candidates(spec, home);
            jobs.push((id.clone(), DesiredJob { spec: spec.clone(), candidates }));
        }
    }
    memo.end();
    diagnostics.sort();
    diagnostics.dedup();
    Desired { jobs: jobs.into_iter().collect(), diagnostics }
}

/// The labelled side of one job: the definition that is in force, and the containers that share it.
struct Home<'a> {
    container: &'a Container,
    read: &'a Arc<Read>,
    job: &'a LabelJob,
    candidates: Vec<Candidate>,
}

/// Of several containers that define one identity, running goes over stopped, then the newest; name and ID settle the
/// rest, so that the order of the list never matters.
fn settle_home<'a>(all: &mut [Definition<'a>], diagnostics: &mut Vec<Diagnostic>) -> Home<'a> {
    all.sort_by_key(|it| {
        let container = it.container;
        let stopped = container.state == ContainerState::Stopped;
        (stopped, std::cmp::Reverse(container.created), container.name.clone(), container.id.clone())
    });
    let winner = &all[0];
    let mut replicas = Vec::new();
    for it in &*all {
        if same_text(it.job, winner.job) {
            replicas.push(it.container);
        } else if it.container.state == ContainerState::Running {
            diagnostics.push(
                Diagnostic::warning(
                    Origin::Container(it.container.name.clone()),
                    format!(
                        "it defines the job otherwise than container {}, whose definition is in force because it is newer",
                        winner.container.name
                    ),
                )
                .about(it.id),
            );
        }
    }
    replicas.sort_by_key(|it| {
        (it.healthy == Some(false), it.healthy.is_none(), it.replica(), it.name.clone(), it.id.clone())
    });
    Home {
        container: winner.container,
        read: winner.read,
        job: winner.job,
        candidates: replicas.into_iter().map(candidate).collect(),
    }
}

fn same_text(a: &LabelJob, b: &LabelJob) -> bool {
    let texts =
        |job: &'_ LabelJob| job.layer.iter().map(|(name, it)| (name, it.text.clone())).collect::<Vec<_>>();
    std::ptr::eq(a, b) || (a.kind == b.kind && texts(a) == texts(b))
}

fn candidate(container: &Container) -> Candidate {
    Candidate {
        id: container.id.clone(),
        name: container.name.clone(),
        running: container.state == ContainerState::Running,
    }
}

/// Resolves one job.
struct Resolver<'a> {
    sources: &'a Sources,
    view: View<'a>,
    now: Timestamp,
    id: &'a JobId,
    kind: JobKind,
    home: Option<&'a Home<'a>>,
    diagnostics: Vec<Diagnostic>,
}

impl Resolver<'_> {
    fn job(mut self, upper: Option<&JobLayer>) -> Settled {
        let Some(layer) = self.merged(upper) else { return (None, self.diagnostics) };
        let spec = self.spec(&layer);
        if let Some(spec) = &spec
            && !self.is_rejected()
        {
            self.check_grants(spec, &layer);
        }
        let spec = spec.filter(|_| !self.is_rejected());
        (spec.map(Arc::new), self.diagnostics)
    }

    fn is_rejected(&self) -> bool {
        self.diagnostics.iter().any(|it| it.rejects)
    }

    /// The layers of this job on top of each other; `None` if they do not make a job.
    fn merged(&mut self, upper: Option<&JobLayer>) -> Option<JobLayer> {
        let file = &self.sources.file;
        let mut layer = JobLayer::default();
        for (name, written) in file.defaults.iter() {
            // A default for all kinds holds for those that have the parameter.
            if let Ok(param) = super::params::look_up(name, self.kind) {
                layer.set(param, written.clone());
            }
        }
        if let Some(defaults) = file.kind_defaults.get(&self.kind) {
            layer = layer.under(defaults);
        }
        if let Some(job) = file.jobs.get(self.id) {
            if job.kind == self.kind {
                layer = layer.under(&job.layer);
            } else {
                let reason = format!(
                    "the section has no effect: container labels define this job as {}, not {}",
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
        if let Some(home) = self.home {
            layer = layer.under(&home.job.layer);
        }
        Some(upper.map_or(layer.clone(), |upper| layer.under(upper)))
    }

    /// The place to name when a value is missing.
    fn place(&self) -> Origin {
        match (self.home, self.sources.file.jobs.get(self.id)) {
            (Some(home), _) => Origin::Container(home.container.name.clone()),
            (None, Some(job)) => job.origin.clone(),
            (None, None) => Origin::Default,
        }
    }

    fn reject(&mut self, origin: Origin, parameter: &str, reason: &str) {
        self.diagnostics.push(Diagnostic::rejects(self.id, origin, format!("{parameter}: {reason}")));
    }

    fn warn(&mut self, origin: Origin, parameter: &str, reason: &str) {
        self.diagnostics.push(Diagnostic::warning(origin, format!("{parameter}: {reason}")).about(self.id));
    }

    /// A value with its type and place; what cannot be read rejects the job.
    fn read<T>(
        &mut self,
        layer: &JobLayer,
        name: &'static str,
        read: impl FnOnce(&Text) -> Result<T, String>,
    ) -> Option<(T, Origin)> {
        let Written { text, origin } = layer.get(name)?;
        let unquoted = match text {
            Text::One(text) => match value::unquote(text) {
                (bare, true) => {
                    self.warn(
                        origin.clone(),
                        name,
                        "the value is wrapped in literal quotes: they were taken off",
                    );
                    Some(Text::One(bare.into()))
                }
                _ => None,
            },
            Text::Items(_) => None,
        };
        match read(unquoted.as_ref().unwrap_or(text)) {
            Ok(value) => Some((value, origin.clone())),
            Err(reason) => {
                self.reject(origin.clone(), name, &reason);
                None
            }
        }
    }

    fn text(&mut self, layer: &JobLayer, name: &'static str) -> Option<String> {
        self.read(layer, name, |text| match value::single(text)?.trim() {
            "" => Err("the value is empty: write one, or remove it".to_owned()),
            text => Ok(text.to_owned()),
        })
        .map(|(text, _)| text)
    }

    fn required<T>(&mut self, layer: &JobLayer, name: &'static str, found: Option<T>) -> Option<T> {
        if found.is_none() && layer.get(name).is_none() {
            let hint = match self.home {
                Some(home) => {
                    let short = self.id.as_str();
                    let short = short.rsplit_once('.').map_or(short, |(_, name)| name);
                    format!(
                        "set the label watchbell.job-{}.{short}.{name} on container {}",
                        home.job.kind, home.container.name
                    )
                }
                None => format!("add {name} = … to the section"),
            };
            self.reject(self.place(), name, &format!("it is missing: {hint}"));
        }
        found
    }

    fn spec(&mut self, layer: &JobLayer) -> Option<JobSpec> {
        let enabled = self.read(layer, "enabled", |text| value::boolean(&value::single(text)?));
        let overlap = self.read(layer, "overlap", |text| overlap(&value::single(text)?));
        let timeout = self.read(layer, "timeout", |text| value::optional_duration(&value::single(text)?));
        let grace = self.read(layer, "grace-period", |text| value::duration(&value::single(text)?));
        let schedule = self.schedule(layer);
        let work = self.work(layer);
        let (schedule, origin) = schedule?;
        Some(JobSpec {
            id: self.id.clone(),
            schedule,
            work: work?,
            enabled: enabled.is_none_or(|(value, _)| value),
            overlap: overlap.map_or(Overlap::Skip, |(value, _)| value),
            timeout: timeout.and_then(|(value, _)| value),
            grace_period: grace.map_or(DEFAULT_GRACE_PERIOD, |(value, _)| value),
            origin,
        })
    }

    fn schedule(&mut self, layer: &JobLayer) -> Option<(Schedule, Origin)> {
        let zone = self.read(layer, "timezone", |text| {
            Zone::parse(&value::single(text)?).map_err(|error| error.to_string())
        });
        if zone.is_none() && layer.get("timezone").is_some() {
            return None;
        }
        let zone = zone.map_or_else(|| self.sources.settings.timezone.clone(), |(zone, _)| zone);
        let now = self.now;
        let found = self.read(layer, "schedule", |text| {
            let schedule =
                Schedule::parse(&value::single(text)?, &zone).map_err(|error| error.to_string())?;
            if schedule.never_fires(now) {
                return Err(format!("\"{}\" never comes: no such date exists", schedule.text()));
            }
            Ok(schedule)
        });
        if let Some((schedule, origin)) = &found {
            for warning in schedule.warnings() {
                self.warn(origin.clone(), "schedule", &warning);
            }
        }
        self.required(layer, "schedule", found)
    }

    fn command(&mut self, layer: &JobLayer) -> Option<Vec<String>> {
        let shell = match layer.get("shell") {
            Some(_) => self.read(layer, "shell", |text| value::shell(&value::single(text)?))?.0,
            None => None,
        };
        let (command, origin) =
            self.read(layer, "command", |text| value::command(&value::single(text)?, shell.as_deref()))?;
        if let Some(warning) = command.warning {
            self.warn(origin, "command", &warning);
        }
        Some(command.argv)
    }

    fn work(&mut self, layer: &JobLayer) -> Option<Work> {
        let argv = self.command(layer);
        let user = self.text(layer, "user");
        let workdir = self.text(layer, "workdir");
        let environment = self.read(layer, "environment", value::map);
        let environment = Environment(environment.map(|(items, _)| items).unwrap_or_default());
        match self.kind {
            JobKind::Exec => {
                let container = self.text(layer, "container");
                if container.is_none() && self.home.is_none() {
                    self.required::<()>(layer, "container", None);
                }
                let argv = self.required(layer, "command", argv)?;
                Some(Work::Exec(ExecSpec { container, argv, user, workdir, environment }))
            }
            JobKind::Run => {
                let image = self.text(layer, "image");
                let networks =
                    self.read(layer, "network", networks).map(|(list, _)| list).unwrap_or_default();
                let image = self.required(layer, "image", image)?;
                Some(Work::Run(RunSpec { image, argv, user, workdir, environment, networks }))
            }
            JobKind::Local => {
                let argv = self.required(layer, "command", argv)?;
                Some(Work::Local(LocalSpec { argv, workdir, environment }))
            }
            JobKind::ServiceRun | JobKind::Compose | JobKind::Container => None,
        }
    }

    fn check_grants(&mut self, spec: &JobSpec, layer: &JobLayer) {
        let Some(home) = self.home.filter(|home| !home.read.own) else { return };
        let aimed_by_label = layer.get("container").is_some_and(|written| written.origin.is_label());
        for refusal in self.sources.settings.grants.refusals(spec, &home.container.name, aimed_by_label) {
            let origin = match (&spec.work, layer.get("container")) {
                (Work::Exec(_), Some(written)) => written.origin.clone(),
                _ => spec.origin.clone(),
            };
            self.diagnostics.push(Diagnostic::rejects(self.id, origin, refusal));
        }
    }
}

/// The containers by name, for jobs that name theirs; put in order when the first of them asks.
struct Places<'a> {
    view: View<'a>,
    by_name: OnceCell<HashMap<&'a str, Vec<&'a Container>>>,
}

impl<'a> Places<'a> {
    fn new(view: View<'a>) -> Self {
        Self { view, by_name: OnceCell::new() }
    }

    fn candidates(&self, spec: &JobSpec, home: Option<&Home<'_>>) -> Vec<Candidate> {
        let Work::Exec(exec) = &spec.work else { return Vec::new() };
        match (&exec.container, home, self.view) {
            (None, Some(home), _) => home.candidates.clone(),
            (Some(name), _, View::Observed(inventory)) => {
                let by_name = self.by_name.get_or_init(|| {
                    let mut by_name: HashMap<&str, Vec<&Container>> = HashMap::new();
                    for it in &inventory.containers {
                        by_name.entry(&it.name).or_default().push(it);
                    }
                    by_name
                });
                by_name.get(name.as_str()).into_iter().flatten().map(|it| candidate(it)).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn overlap(text: &str) -> Result<Overlap, String> {
    let word = text.trim().to_ascii_lowercase();
    let names = Overlap::NAMES.map(|(name, _)| name);
    Overlap::NAMES.into_iter().find(|(name, _)| *name == word).map(|(_, policy)| policy).ok_or_else(|| {
        let hint = did_you_mean(&word, names).map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("\"{text}\" is none of {}{hint}", names.join(", "))
    })
}

fn networks(text: &Text) -> Result<Vec<String>, String> {
    let networks = value::list(text)?;
    let alone = |name: &str| matches!(name, "none" | "host") || name.starts_with("container:");
    if let Some(mode) = networks.iter().find(|name| alone(name)).filter(|_| networks.len() > 1) {
        return Err(format!("\"{mode}\" cannot be combined with other networks"));
    }
    Ok(networks)
}

impl Desired {
    /// Whether anything that was written is not in force.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|it| it.severity == Severity::Error)
    }
}
