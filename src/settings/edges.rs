//! Which job comes before which: circles, and names that nobody has.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use crate::model::{
    diagnostic::{Diagnostic, did_you_mean},
    name::JobId,
    origin::Origin,
    policy::{EdgeKind, meant},
};

use super::resolve::{DesiredJob, View};

/// For no more names than this the nearest right one is looked for.
const HINTS: usize = 20;

/// Who comes directly after whom, by whose word and where that was written.
type Arrows = BTreeMap<JobId, BTreeMap<JobId, (JobId, Origin)>>;

/// Takes out the jobs that come after themselves, and tells of names that nobody has.
pub(super) fn check(
    jobs: &mut BTreeMap<JobId, DesiredJob>,
    view: View<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if jobs.values().all(|job| job.spec.policies.edges.is_empty()) {
        return;
    }
    while let Some(circle) = circle(&arrows(jobs)) {
        for found in refusals(&circle) {
            if let Some(job) = &found.job {
                jobs.remove(job);
            }
            diagnostics.push(found);
        }
    }
    unknown(jobs, view, diagnostics);
}

fn arrows(jobs: &BTreeMap<JobId, DesiredJob>) -> Arrows {
    let mut arrows = Arrows::new();
    for (id, job) in jobs {
        for edge in &job.spec.policies.edges {
            let Some(other) = meant(id, &edge.name, |it| jobs.contains_key(it)) else { continue };
            let (first, then) = match edge.kind {
                EdgeKind::DependsOn => (other, id.clone()),
                EdgeKind::OnSuccess | EdgeKind::OnFailure => (id.clone(), other),
            };
            if let Entry::Vacant(free) = arrows.entry(first).or_default().entry(then) {
                free.insert((id.clone(), edge.origin.clone()));
            }
        }
    }
    arrows
}

/// One circle: each job with the arrow to the next, whose word that is and where it stands.
type Circle = Vec<(JobId, JobId, Origin)>;

/// The first circle, if there is one.
fn circle(arrows: &Arrows) -> Option<Circle> {
    let mut done: BTreeSet<&JobId> = BTreeSet::new();
    for start in arrows.keys() {
        // The way here from the start, and what is still to be tried at each job on it.
        let mut way: Vec<(&JobId, _)> = Vec::new();
        let mut here = Some(start);
        loop {
            if let Some(job) = here.take().filter(|job| !done.contains(job)) {
                if let Some(from) = way.iter().position(|(it, _)| *it == job) {
                    let jobs: Vec<&JobId> = way[from..].iter().map(|(it, _)| *it).collect();
                    return Some(spelled(arrows, &jobs));
                }
                way.push((job, arrows.get(job).into_iter().flat_map(BTreeMap::keys)));
            }
            let Some((job, next)) = way.last_mut() else { break };
            here = next.next();
            if here.is_none() {
                done.insert(*job);
                way.pop();
            }
        }
    }
    None
}

/// The circle from its first job by name on.
fn spelled(arrows: &Arrows, jobs: &[&JobId]) -> Circle {
    let first = jobs.iter().enumerate().min_by_key(|(_, job)| **job).map_or(0, |(at, _)| at);
    let turned: Vec<&JobId> = jobs[first..].iter().chain(&jobs[..first]).copied().collect();
    let pairs = turned.iter().zip(turned.iter().cycle().skip(1));
    let arrow = |(from, to): (&&JobId, &&JobId)| {
        let (by, origin) = arrows.get(*from)?.get(*to)?;
        Some(((*from).clone(), by.clone(), origin.clone()))
    };
    pairs.filter_map(arrow).collect()
}

/// Rejected are the jobs by whose word the circle closes. Whoever can label a container must not be able to take the
/// operator's job away: where labels and the operator close it together, only the labels' jobs are.
fn refusals(circle: &Circle) -> Vec<Diagnostic> {
    let names: Vec<&str> = circle.iter().chain(circle.first()).map(|(job, ..)| job.as_str()).collect();
    let reason = format!(
        "it comes after itself, {}: take one of its depends-on, on-success and on-failure away",
        names.join(" → ")
    );
    let by_label = circle.iter().any(|(_, _, origin)| origin.is_label());
    let mut rejected: BTreeMap<&JobId, Diagnostic> = BTreeMap::new();
    for (_, by, origin) in circle.iter().filter(|(_, _, origin)| origin.is_label() || !by_label) {
        rejected.entry(by).or_insert_with(|| Diagnostic::rejects(by, origin.clone(), reason.clone()));
    }
    rejected.into_values().collect()
}

fn unknown(jobs: &BTreeMap<JobId, DesiredJob>, view: View<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut hints = 0;
    for (id, job) in jobs {
        for edge in &job.spec.policies.edges {
            if meant(id, &edge.name, |it| jobs.contains_key(it)).is_some() {
                continue;
            }
            hints += 1;
            let neighbours = jobs
                .keys()
                .filter(|it| it.home() == id.home())
                .filter_map(|it| it.as_str().rsplit('.').next());
            let known = neighbours.chain(jobs.keys().map(JobId::as_str));
            let hint = if hints <= HINTS { did_you_mean(&edge.name, known) } else { None };
            // Labels that are not seen may have it; a slip of the fingers is one anyway.
            if !matches!(view, View::Observed(_)) && hint.is_none() {
                continue;
            }
            let cost = match edge.kind {
                EdgeKind::DependsOn => "this job waits until there is and it has succeeded",
                EdgeKind::OnSuccess | EdgeKind::OnFailure => "nothing starts by it until there is",
            };
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            let reason =
                format!("{}: there is no job \"{}\" now, and {cost}{hint}", edge.kind.as_str(), edge.name);
            diagnostics.push(Diagnostic::warning(edge.origin.clone(), reason).about(id));
        }
    }
}
