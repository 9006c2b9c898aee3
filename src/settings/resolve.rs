//! All layers and one observation → what there should be.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use crate::model::gather::Gather;
use crate::model::{
    channel::Channels,
    container::{Container, ContainerId, ContainerState, Inventory},
    diagnostic::Diagnostic,
    job::JobSpec,
    name::{JobId, JobKind},
    origin::Origin,
    swarm::Labelled,
};

pub use super::sources::{ComposeThere, Sources};

use super::{
    check::check_defaults,
    dialect::table::firsts,
    edges, env,
    global::Settings,
    halts,
    label::LabelJob,
    labelled::read_labels,
    made::{self, MadeJob},
    memo::{Basis, Memo, Read, SettledSettings},
    notify, own,
    places::Places,
    settle::Settle,
    swarm::{Tasks, in_order, nowhere},
};

/// What there should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// The jobs.
    pub jobs: BTreeMap<JobId, DesiredJob>,
    /// The agent's settings; `None` leaves them as they are.
    pub settings: Option<Arc<Settings>>,
    /// Where someone can be told. A job may name one that is not among them, and has been told of then.
    pub channels: Arc<Channels>,
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
    /// Containers in which a job of kind `exec` can run, which one of kind `run` is to be like, or on which one of kind
    /// `container` can act; the best first.
    pub candidates: Vec<Candidate>,
    /// Why there are none, where that is more than that the job has no container.
    pub nowhere: Option<Arc<str>>,
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
    /// Whether it does not, and may in a moment.
    pub passing: bool,
}

/// The word of one container or service on a job.
struct Definition<'a> {
    id: &'a JobId,
    on: Labelled<'a>,
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
    let SettledSettings { settings, channels, places: _, diagnostics: found } =
        memo.settings(sources, own, inventory.is_some());
    let of_sources =
        [&sources.refused, &sources.diagnostics, &sources.file.broken, &sources.file.diagnostics, &found];
    let mut diagnostics: Vec<Diagnostic> = of_sources.into_iter().flatten().cloned().collect();
    diagnostics.extend(check_defaults(&sources.file));
    diagnostics.extend(notify::check_defaults(sources, own.map(|it| &it.labels), &settings, &channels, view));
    if let Some(why) = inventory.and_then(|it| it.services.unseen.as_ref()) {
        let reason =
            format!("{why}; until it can be told, the jobs that labels on services define stay as they were");
        diagnostics.push(Diagnostic::warning(Origin::Place("the Swarm".into()), reason));
    }
    let known = known_jobs(sources, view, &read, &mut diagnostics);
    let kinds = if sources.overrides.is_empty() {
        BTreeMap::new()
    } else {
        known.iter().map(|(id, job)| (*id, job.kind)).into_map()
    };
    let (overrides, unmatched) = env::layers(&sources.overrides, &kinds, inventory.is_some());
    diagnostics.extend(unmatched);

    let refused: BTreeSet<JobId> =
        diagnostics.iter().filter(|it| it.rejects).filter_map(|it| it.job.clone()).into_set();
    let places = Places::new(view);
    let mut jobs = Vec::with_capacity(known.len());
    for (id, Known { kind, home, made }) in &known {
        let (kind, home, made, upper) = (*kind, home.as_ref(), *made, overrides.get(id));
        // One that is rejected is read all the same: what else is wrong with it is told with the rest.
        let spoiled = refused.contains(id);
        let basis =
            Basis { home: home.map(|it| it.read), made, observed: inventory.is_some(), spoiled, upper };
        let (spec, found) = memo.job(id, &basis, |before| {
            let (settings, channels) = (&*settings, &*channels);
            Settle {
                sources,
                settings,
                channels,
                view,
                now,
                before,
                id,
                kind,
                home,
                made,
                spoiled,
                spoiled_by_default: false,
                diagnostics: Vec::new(),
            }
            .job(upper)
        });
        diagnostics.extend(found.iter().cloned());
        if let Some(spec) = spec {
            let candidates = places.candidates(spec, home);
            let nowhere = home.filter(|_| candidates.is_empty()).and_then(|home| nowhere(spec, home.on));
            jobs.push(((*id).clone(), DesiredJob { spec: spec.clone(), candidates, nowhere }));
        }
    }
    memo.end();
    let mut jobs: BTreeMap<JobId, DesiredJob> = jobs.into_iter().collect();
    own::check(&mut jobs, view, &mut diagnostics);
    halts::check(&mut jobs, view, &mut diagnostics);
    edges::check(&mut jobs, &settings.grants, view, &mut diagnostics);
    diagnostics.sort();
    diagnostics.dedup();
    Desired { jobs, settings: Some(settings), channels, complete: inventory.is_some(), diagnostics }
}

/// A job that somebody defines.
pub(super) struct Known<'a> {
    pub kind: JobKind,
    pub home: Option<Home<'a>>,
    /// The job of the API, where that is the one in force.
    pub made: Option<&'a Arc<MadeJob>>,
}

/// Every job that labels or files speak of, or that was made over the API, with the definition that is in force; and what the others are told.
pub(super) fn known_jobs<'a>(
    sources: &'a Sources,
    view: View<'a>,
    read: &'a [(Labelled<'a>, Arc<Read>)],
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeMap<&'a JobId, Known<'a>> {
    let mut definitions: Vec<Definition<'a>> = read
        .iter()
        .flat_map(|(on, read)| {
            read.labels.jobs.iter().map(move |(id, job)| Definition { id, on: *on, read, job })
        })
        .collect();
    definitions.sort_by_key(|it| it.id);
    let tasks = Tasks::new(match view {
        View::Observed(inventory) => &inventory.containers,
        View::Unknown | View::FilesOnly => &[],
    });
    let mut known: BTreeMap<&JobId, Known<'a>> = definitions
        .chunk_by_mut(|a, b| a.id == b.id)
        .map(|all| (all[0].id, settle_home(all, &tasks, diagnostics)))
        .map(|(id, home)| (id, Known { kind: home.job.kind, home: Some(home), made: None }))
        .collect();
    let spoiled = tell_labels(sources, read, &known, diagnostics);
    for (id, job) in &sources.file.jobs {
        if let Some(Known { kind, home: Some(home), .. }) = known.get(id)
            && *kind != job.kind
            && sources.file.defines(id, job.kind)
        {
            let reason = format!(
                "{} defines this job as {}, not {kind}: the labels have no effect",
                job.origin, job.kind
            );
            diagnostics.push(Diagnostic::error(home.on.origin(), reason).about(id));
            known.remove(id);
        }
        if spoiled.contains(id) {
            known.remove(id);
        }
        if is_sure(view, job.kind) {
            known.entry(id).or_insert(Known { kind: job.kind, home: None, made: None });
        }
    }
    add_made(sources, view, &mut known, diagnostics);
    known
}

/// Whether a job that no label defines is known to be there.
fn is_sure(view: View<'_>, kind: JobKind) -> bool {
    !matches!(view, View::Unknown) || kind == JobKind::Local
}

/// The jobs of the API whose names nobody else has; the others are told who has.
fn add_made<'a>(
    sources: &'a Sources,
    view: View<'a>,
    known: &mut BTreeMap<&'a JobId, Known<'a>>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (id, job) in &*sources.made {
        let section = sources.file.jobs.get(id).map(|section| section.origin.clone());
        let label = || known.get(id)?.home.as_ref().map(|home| home.on.origin());
        if let Some(by) = section.or_else(label) {
            diagnostics.push(made::hidden(id, &by));
            continue;
        }
        if is_sure(view, job.kind) {
            diagnostics.extend(job.diagnostics.iter().cloned());
            known.insert(id, Known { kind: job.kind, home: None, made: Some(job) });
        }
    }
}

/// Tells what is wrong with labels. The answer is the jobs of the operator whose labels are wrong, and count for
/// nothing: whoever can name a container must not be able to take the operator's job away, be it by a slip.
fn tell_labels(
    sources: &Sources,
    read: &[(Labelled<'_>, Arc<Read>)],
    known: &BTreeMap<&JobId, Known<'_>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> BTreeSet<JobId> {
    let stands = |id: &JobId| sources.file.jobs.get(id).is_some_and(|job| sources.file.defines(id, job.kind));
    let mut spoiled = BTreeSet::new();
    diagnostics.extend(firsts(read.iter().flat_map(|(_, read)| read.labels.once.iter().cloned())));
    for (on, read) in read {
        diagnostics.extend(read.labels.diagnostics.iter().cloned().map(|mut it| {
            // A replica whose definition is not in force cannot cost the job: during a rolling update that mends a
            // label the old one is still there.
            let home = it.job.as_ref().and_then(|job| known.get(job)?.home.as_ref());
            it.rejects &= home.is_none_or(|home| home.on.is(*on));
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
    pub on: Labelled<'a>,
    pub read: &'a Arc<Read>,
    pub job: &'a LabelJob,
    pub candidates: Vec<Candidate>,
    /// And those that define the job otherwise: while a service is updated, what runs in each of its containers runs in the
    /// old ones too, as the newest says.
    pub each: Vec<Candidate>,
}

/// Of several that define one identity, a service goes over its tasks' containers and any other, running over stopped,
/// then the newest; name and ID settle the rest, so that the order of the list never matters.
fn settle_home<'a>(
    all: &mut [Definition<'a>],
    tasks: &Tasks<'a>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Home<'a> {
    all.sort_by_key(|it| match it.on {
        Labelled::Service(it) => (false, false, Reverse(it.created), it.name.clone(), it.id.clone()),
        Labelled::Container(it) => {
            let stopped = it.state == ContainerState::Stopped;
            (true, stopped, Reverse(it.created), it.name.clone(), it.id.0.clone())
        }
    });
    let container = |on: Labelled<'a>| match on {
        Labelled::Container(it) => Some(it),
        Labelled::Service(_) => None,
    };
    let winner = &all[0];
    let mut replicas = Vec::new();
    for it in &*all {
        let runs = match it.on {
            Labelled::Container(container) => container.state == ContainerState::Running,
            Labelled::Service(_) => true,
        };
        if same_text(it.job, winner.job) {
            replicas.extend(container(it.on));
        } else if runs {
            let (on, name) = (winner.on.word(), winner.on.name());
            let reason = format!(
                "it defines the job otherwise than {on} {name}, whose definition is in force because {}",
                why_first(winner.on, it.on)
            );
            diagnostics.push(Diagnostic::warning(it.on.origin(), reason).about(it.id));
        }
    }
    let numbered = |it: &'a Container| (i64::from(it.replica()), it);
    let (candidates, each) = match winner.on {
        Labelled::Service(service) => {
            let candidates = tasks.candidates(service);
            (candidates.clone(), candidates)
        }
        Labelled::Container(_) => {
            let all = all.iter().filter_map(|it| container(it.on));
            (in_order(replicas.into_iter().map(numbered)), in_order(all.map(numbered)))
        }
    };
    Home { on: winner.on, read: winner.read, job: winner.job, candidates, each }
}

/// Why, of two that count now, the one goes before the other.
fn why_first(first: Labelled<'_>, other: Labelled<'_>) -> &'static str {
    let newer = match (first, other) {
        (Labelled::Service(_), Labelled::Container(_)) => {
            return "the labels of a service go over those of a container";
        }
        (Labelled::Service(first), Labelled::Service(other)) => first.created > other.created,
        (Labelled::Container(first), Labelled::Container(other)) => first.created > other.created,
        (Labelled::Container(_), Labelled::Service(_)) => false,
    };
    if newer { "it is newer" } else { "its name comes first" }
}

fn same_text(a: &LabelJob, b: &LabelJob) -> bool {
    let texts =
        |job: &'_ LabelJob| job.layer.iter().map(|(name, it)| (name, it.text.clone())).collect::<Vec<_>>();
    std::ptr::eq(a, b) || (a.kind == b.kind && texts(a) == texts(b))
}

pub(super) fn candidate(container: &Container) -> Candidate {
    Candidate {
        id: container.id.clone(),
        name: container.name.clone(),
        running: container.state == ContainerState::Running,
        passing: container.state.is_passing(),
    }
}
