//! All layers and one observation → what there should be.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;

use crate::model::{
    container::{Container, ContainerId, ContainerState, Inventory},
    diagnostic::Diagnostic,
    job::{JobSpec, Work},
    name::{JobId, JobKind},
    origin::Origin,
};

pub use super::sources::Sources;

use super::{
    check::check_defaults,
    dialect::table::firsts,
    edges, env,
    global::Settings,
    halts,
    label::LabelJob,
    memo::{Basis, Memo, Read},
    own,
    settle::Settle,
};

/// What there should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// The jobs.
    pub jobs: BTreeMap<JobId, DesiredJob>,
    /// The agent's settings; `None` leaves them as they are.
    pub settings: Option<Arc<Settings>>,
    /// Whether this is all that there should be: the Engine was observed as well.
    pub complete: bool,
    /// Everything that is wrong with what was written, sorted.
    pub diagnostics: Vec<Diagnostic>,
}

/// One job, and where it can run now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredJob {
    /// The job.
    pub spec: Arc<JobSpec>,
    /// Containers in which a job of kind `exec` can run, or on which one of kind `container` can act; the best first.
    pub candidates: Vec<Candidate>,
}

/// A container in which a job can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The Engine's ID.
    pub id: ContainerId,
    /// The name.
    pub name: Arc<str>,
    /// Whether it runs now, or can be acted on however it is.
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
    let read = read_labels(sources, view, memo);
    let own = read.iter().find(|(_, read)| read.own).map(|(_, read)| read);
    let (settings, found) = memo.settings(sources, own);
    let of_sources =
        [&sources.refused, &sources.diagnostics, &sources.file.broken, &sources.file.diagnostics, &found];
    let mut diagnostics: Vec<Diagnostic> = of_sources.into_iter().flatten().cloned().collect();
    diagnostics.extend(check_defaults(&sources.file));
    let known = known_jobs(sources, view, &read, &mut diagnostics);
    let kinds = if sources.overrides.is_empty() {
        BTreeMap::new()
    } else {
        known.iter().map(|(id, job)| (*id, job.kind)).collect()
    };
    let (overrides, unmatched) = env::layers(&sources.overrides, &kinds, inventory.is_some());
    diagnostics.extend(unmatched);

    let refused: BTreeSet<JobId> =
        diagnostics.iter().filter(|it| it.rejects).filter_map(|it| it.job.clone()).collect();
    let places = Places::new(view);
    let mut jobs = Vec::with_capacity(known.len());
    for (id, Known { kind, home }) in &known {
        let (kind, home, upper) = (*kind, home.as_ref(), overrides.get(id));
        // One that is rejected is read all the same: what else is wrong with it is told with the rest.
        let spoiled = refused.contains(id);
        let basis = Basis { home: home.map(|it| it.read), observed: inventory.is_some(), spoiled, upper };
        let (spec, found) = memo.job(id, &basis, |before| {
            let settings = &*settings;
            Settle {
                sources,
                settings,
                view,
                now,
                before,
                id,
                kind,
                home,
                spoiled,
                spoiled_by_default: false,
                diagnostics: Vec::new(),
            }
            .job(upper)
        });
        diagnostics.extend(found.iter().cloned());
        if let Some(spec) = spec {
            let candidates = places.candidates(spec, home);
            jobs.push(((*id).clone(), DesiredJob { spec: spec.clone(), candidates }));
        }
    }
    memo.end();
    let mut jobs: BTreeMap<JobId, DesiredJob> = jobs.into_iter().collect();
    own::check(&mut jobs, view, &mut diagnostics);
    halts::check(&mut jobs, view, &mut diagnostics);
    edges::check(&mut jobs, &settings.grants, view, &mut diagnostics);
    diagnostics.sort();
    diagnostics.dedup();
    Desired { jobs, settings: Some(settings), complete: inventory.is_some(), diagnostics }
}

/// The labels of every container that may define something.
pub(super) fn read_labels<'a>(
    sources: &Sources,
    view: View<'a>,
    memo: &mut Memo,
) -> Vec<(&'a Container, Arc<Read>)> {
    let View::Observed(inventory) = view else { return Vec::new() };
    let own = |container: &Container| inventory.own.as_ref() == Some(&container.id);
    let read =
        inventory.containers.iter().map(|it| (it, memo.read(it, own(it), &sources.settings.label_dialects)));
    read.filter(|(_, read)| !read.passed_over).collect()
}

/// A job that somebody defines.
pub(super) struct Known<'a> {
    pub kind: JobKind,
    pub home: Option<Home<'a>>,
}

/// Every job that labels or files speak of, with the definition that is in force; and what the others are told.
pub(super) fn known_jobs<'a>(
    sources: &'a Sources,
    view: View<'_>,
    read: &'a [(&'a Container, Arc<Read>)],
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<&'a JobId, Known<'a>> {
    let mut definitions: Vec<Definition<'a>> = read
        .iter()
        .flat_map(|(container, read)| {
            read.labels.jobs.iter().map(move |(id, job)| Definition { id, container, read, job })
        })
        .collect();
    definitions.sort_by_key(|it| it.id);
    let mut known: BTreeMap<&JobId, Known<'a>> = definitions
        .chunk_by_mut(|a, b| a.id == b.id)
        .map(|all| (all[0].id, settle_home(all, diagnostics)))
        .map(|(id, home)| (id, Known { kind: home.job.kind, home: Some(home) }))
        .collect();
    let spoiled = tell_labels(sources, read, &known, diagnostics);
    for (id, job) in &sources.file.jobs {
        if let Some(Known { kind, home: Some(home) }) = known.get(id)
            && *kind != job.kind
            && sources.file.defines(id, job.kind)
        {
            let reason = format!(
                "{} defines this job as {}, not {kind}: the labels have no effect",
                job.origin, job.kind
            );
            let origin = Origin::Container(home.container.name.clone());
            diagnostics.push(Diagnostic::error(origin, reason).about(id));
            known.remove(id);
        }
        if spoiled.contains(id) {
            known.remove(id);
        }
        if !matches!(view, View::Unknown) || job.kind == JobKind::Local {
            known.entry(id).or_insert(Known { kind: job.kind, home: None });
        }
    }
    known
}

/// Tells what is wrong with labels. The answer is the jobs of the operator whose labels are wrong, and count for
/// nothing: whoever can name a container must not be able to take the operator's job away, be it by a slip.
fn tell_labels(
    sources: &Sources,
    read: &[(&Container, Arc<Read>)],
    known: &BTreeMap<&JobId, Known<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeSet<JobId> {
    let stands = |id: &JobId| sources.file.jobs.get(id).is_some_and(|job| sources.file.defines(id, job.kind));
    let mut spoiled = BTreeSet::new();
    diagnostics.extend(firsts(read.iter().flat_map(|(_, read)| read.labels.once.iter().cloned())));
    for (container, read) in read {
        diagnostics.extend(read.labels.diagnostics.iter().cloned().map(|mut it| {
            // A replica whose definition is not in force cannot cost the job: during a rolling update that mends a
            // label the old one is still there.
            let home = it.job.as_ref().and_then(|job| known.get(job)?.home.as_ref());
            it.rejects &= home.is_none_or(|home| home.container.id == container.id);
            if let Some(job) = it.job.as_ref().filter(|job| it.rejects && stands(job)) {
                spoiled.insert(job.clone());
                it.rejects = false;
            }
            it
        }));
    }
    spoiled
}

/// The labelled side of one job: the definition that is in force, and the containers that share it.
pub(super) struct Home<'a> {
    pub container: &'a Container,
    pub read: &'a Arc<Read>,
    pub job: &'a LabelJob,
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
                        "it defines the job otherwise than container {}, whose definition is in force because {}",
                        winner.container.name,
                        why_first(winner.container, it.container)
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

/// Why, of two containers that run, the one before the other.
fn why_first(first: &Container, other: &Container) -> &'static str {
    if first.created > other.created { "it is newer" } else { "its name comes first" }
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
        let (container, acts) = match &spec.work {
            Work::Exec(exec) => (&exec.container, false),
            Work::Container(it) => (&it.container, true),
            Work::Run(_) | Work::Local(_) | Work::ServiceRun(_) => return Vec::new(),
        };
        let mut candidates = self.called(container.as_ref(), home);
        if acts {
            // A container that does not run is one to act on as well, and of several it is always the same one.
            for it in &mut candidates {
                it.running = true;
            }
            candidates.sort_by(|a, b| (a.name.len(), &a.name, &a.id).cmp(&(b.name.len(), &b.name, &b.id)));
        }
        candidates
    }

    fn called(&self, container: Option<&String>, home: Option<&Home<'_>>) -> Vec<Candidate> {
        match (container, home, self.view) {
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
