//! Which job comes before which: the gates before which occurrences are held, and what the end of a run starts.
//!
//! Names are looked up when they matter, and not before: a job whose container is being made anew is the same job
//! before and after. What is compared are not times but the order in which things happened, which a clock that is set
//! cannot change ([`super::keep`]).

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use crate::{
    model::{
        diagnostic::Diagnostic,
        job::JobSpec,
        name::{JobId, JobKind},
        origin::Origin,
        policy::{EdgeKind, meant},
        run::{Outcome, RunId, RunRecord, Trigger},
        skip::Skip,
    },
    plan::Catalog,
};

use super::{
    admission::Ticket,
    event::{Effect, Told},
    keep::Keep,
    records,
    state::{State, problem, told},
    timetable::Moment,
};

/// A job that went is taken to be made anew for this long: what is to start it, or is held for it, waits.
const AWAY_LIMIT: Duration = Duration::from_secs(60);

/// Why nothing starts any more.
const ENDING: &str = "the agent is shutting down";

/// Occurrences that are held, one a job at most, jobs that may come back, and what names a job of which nobody can say yet
/// whether there is one.
#[derive(Debug, Default)]
pub struct Dependencies {
    held: BTreeMap<JobId, Ticket>,
    away: HashMap<JobId, Away>,
    unknown: Vec<Start>,
}

/// What a run's end starts: a job, by its name as the run's job says it.
#[derive(Debug, PartialEq, Eq)]
struct Start {
    by: JobId,
    name: String,
}

#[derive(Debug)]
struct Away {
    kind: JobKind,
    until: Timestamp,
}

impl Dependencies {
    /// A job went.
    pub fn went(&mut self, job: &JobId, kind: JobKind, now: Timestamp) {
        self.away.retain(|id, it| it.until > now || self.held.contains_key(id));
        let until = now.saturating_add(AWAY_LIMIT).unwrap_or(now);
        self.away.insert(job.clone(), Away { kind, until });
    }

    /// A job came.
    pub fn came(&mut self, job: &JobId) {
        self.away.remove(job);
    }

    /// How many occurrences are held.
    pub fn held_count(&self) -> usize {
        self.held.len()
    }

    /// It is to start once it is known which jobs there are; once, however many ends say so meanwhile, as with one that is held.
    fn wait_for(&mut self, by: &JobId, name: &str) {
        let start = Start { by: by.clone(), name: name.to_owned() };
        if !self.unknown.contains(&start) {
            self.unknown.push(start);
        }
    }

    /// When a job for which something is held is no longer waited for.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.held.keys().filter_map(|job| self.away.get(job)).map(|it| it.until).min()
    }

    /// All that is held, given up.
    pub fn drain(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.held).into_values().collect()
    }

    /// What is held under this ID, given up.
    pub fn give_up(&mut self, run: &RunId) -> Option<Ticket> {
        let job = self.held.iter().find(|(_, it)| it.run == *run).map(|(job, _)| job.clone())?;
        self.held.remove(&job)
    }

    /// What is held for jobs that did not come back.
    fn abandoned(&mut self, now: Timestamp) -> Vec<Ticket> {
        let gone = self.held.keys().filter(|job| self.away.get(*job).is_some_and(|it| it.until <= now));
        let gone: Vec<JobId> = gone.cloned().collect();
        gone.iter().filter_map(|job| self.held.remove(job)).collect()
    }
}

/// The names of the jobs that have not succeeded since this job's last run began.
fn closed_by<'a>(spec: &'a JobSpec, catalog: &Catalog, keep: &Keep) -> Vec<&'a str> {
    let ran = keep.marks(&spec.id).ran;
    let is_open = |name: &str| {
        let job = meant(&spec.id, name, |it| catalog.get(it).is_some());
        // What a job has done counts, also while its container is being made anew.
        let job = job.or_else(|| meant(&spec.id, name, |it| keep.marks(it).succeeded.is_some()));
        let succeeded = job.and_then(|job| keep.marks(&job).succeeded);
        succeeded.is_some_and(|succeeded| ran.is_none_or(|ran| succeeded > ran))
    };
    spec.policies.named(EdgeKind::DependsOn).map(|edge| &*edge.name).filter(|name| !is_open(name)).collect()
}

/// Whether it waits for others at all.
fn is_gated(spec: &JobSpec) -> bool {
    spec.policies.named(EdgeKind::DependsOn).next().is_some()
}

/// `depends-on: a and b have not succeeded since this job's last run`.
fn closed(names: &[&str]) -> String {
    let have = if names.len() == 1 { "has" } else { "have" };
    format!("depends-on: {} {have} not succeeded since this job's last run", names.join(" and "))
}

/// What the end of a run starts. What did not run, or was ended by someone's wish, starts nothing.
fn follows(outcome: &Outcome) -> Option<EdgeKind> {
    match outcome {
        Outcome::Succeeded { .. } => Some(EdgeKind::OnSuccess),
        Outcome::Failed { .. }
        | Outcome::TimedOut { .. }
        | Outcome::NotStarted { .. }
        | Outcome::Lost { .. } => Some(EdgeKind::OnFailure),
        Outcome::Stopped { .. } | Outcome::Skipped { .. } | Outcome::Missed { .. } => None,
    }
}

fn never_known(by: &JobId, name: &str) -> Effect {
    let reason = format!(
        "the end of its run was to start \"{name}\", which was not known before the agent ended: run it by hand"
    );
    problem(Diagnostic::warning(Origin::Place("shutdown".into()), reason).about(by))
}

impl State {
    /// Brings occurrences of one moment, the oldest first, past the gate or to it; what comes back is past it.
    pub(super) fn past_gate(
        &mut self,
        spec: &JobSpec,
        mut tickets: Vec<Ticket>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Vec<Ticket> {
        if !is_gated(spec) {
            return tickets;
        }
        // After one of them the gate is closed again: only the newest could run.
        let Some(newest) = tickets.pop() else { return tickets };
        let newer = "a newer occurrence came due with it, and depends-on lets only one run";
        effects.extend(tickets.iter().map(|old| told(records::skipped(old, Skip::DependsOn, newer, now))));
        let names = closed_by(spec, &self.catalog, &self.keep);
        let before = self.dependencies.held.remove(&spec.id);
        if let Some(before) = before {
            let reason = format!("{}, and a newer occurrence came", closed(&names));
            effects.push(told(records::skipped(&before, Skip::DependsOn, reason, now)));
        }
        if names.is_empty() {
            return vec![newest];
        }
        self.hold(newest, closed(&names), effects);
        Vec::new()
    }

    fn hold(&mut self, ticket: Ticket, reason: String, effects: &mut Vec<Effect>) {
        let Ticket { run, job, kind, trigger, occurrence, .. } = ticket.clone();
        effects.push(Effect::Tell(Told::RunHeld { run, job, kind, trigger, occurrence, reason }));
        self.dependencies.held.insert(ticket.job.clone(), ticket);
    }

    /// What follows from the end of a run.
    pub(super) fn run_ended(
        &mut self,
        record: &RunRecord,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
        effects: &mut Vec<Effect>,
    ) {
        let admitted = self.admitted.remove(&record.run);
        let spec = admitted.or_else(|| Some(self.catalog.get(&record.job)?.spec.clone()));
        let Some(spec) = spec else { return };
        let Some(kind) = follows(&record.outcome) else { return };
        if kind == EdgeKind::OnSuccess {
            let memory = self.timetable.memory(&spec.id);
            self.keep.mark(&spec.id, memory, now, |marks, stamp| marks.succeeded = Some(stamp));
        }
        for edge in spec.policies.named(kind) {
            self.start_by_dependency(&spec.id, &edge.name, now, ids, effects);
        }
        self.open_gates(now, ids, effects);
    }

    fn start_by_dependency(
        &mut self,
        by: &JobId,
        name: &str,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
        effects: &mut Vec<Effect>,
    ) {
        let there = meant(by, name, |it| self.catalog.get(it).is_some());
        // Before all jobs were known once, one that is not there may be, and so may be a neighbour that goes before the one
        // that is: a run that was taken up can end before the first job is known.
        if !self.complete && (there.is_none() || by.home().is_some()) {
            if self.draining {
                return effects.push(never_known(by, name));
            }
            return self.dependencies.wait_for(by, name);
        }
        let Some(job) = there.or_else(|| meant(by, name, |it| self.is_away(it, now))) else { return };
        if self.dependencies.held.contains_key(&job) {
            // What is held already stands for this as well.
            return;
        }
        let Some(entry) = self.catalog.get(&job) else {
            let Some(away) = self.dependencies.away.get(&job) else { return };
            let Moment { occurrence, fires } = Moment::now(now);
            let (run, kind, trigger) = (ids(), away.kind, Trigger::Dependency);
            let ticket = self.came(Ticket {
                run,
                job,
                kind,
                trigger,
                occurrence,
                fires,
                admitted: now,
                group: None,
                place: None,
            });
            if self.draining {
                return effects.push(told(records::skipped(&ticket, Skip::Shutdown, ENDING, now)));
            }
            return self.hold(ticket, "its container is being made anew".to_owned(), effects);
        };
        let spec = entry.spec.clone();
        let ticket = self.ticket(&spec, Trigger::Dependency, Moment::now(now), now, ids);
        let (by, refused) = match () {
            () if self.draining => (Skip::Shutdown, ENDING),
            () if !spec.enabled => (Skip::Disabled, "the job is not enabled"),
            () if self.paused.contains_key(&spec.id) => (Skip::Paused, "the job is paused"),
            () => {
                for ticket in self.past_gate(&spec, vec![ticket], now, effects) {
                    self.offer_all(&spec, ticket, now, ids, effects);
                }
                return;
            }
        };
        effects.push(told(records::skipped(&ticket, by, refused, now)));
    }

    /// Starts what the ends of runs were to start before their jobs were known.
    pub(super) fn start_the_unknown(
        &mut self,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
        effects: &mut Vec<Effect>,
    ) {
        for Start { by, name } in std::mem::take(&mut self.dependencies.unknown) {
            self.start_by_dependency(&by, &name, now, ids, effects);
        }
    }

    /// Nothing begins any more: what was to start and is no job that anyone knows leaves no record, but is told.
    pub(super) fn give_up_the_unknown(&mut self, effects: &mut Vec<Effect>) {
        for Start { by, name } in std::mem::take(&mut self.dependencies.unknown) {
            effects.push(never_known(&by, &name));
        }
    }

    fn is_away(&self, job: &JobId, now: Timestamp) -> bool {
        self.dependencies.away.get(job).is_some_and(|it| it.until > now)
    }

    /// Lets through what is held and need not be any more.
    pub(super) fn open_gates(
        &mut self,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
        effects: &mut Vec<Effect>,
    ) {
        if self.draining || self.dependencies.held.is_empty() {
            return;
        }
        let open: Vec<Arc<JobSpec>> = self
            .dependencies
            .held
            .keys()
            .filter_map(|job| Some(self.catalog.get(job)?.spec.clone()))
            .filter(|spec| closed_by(spec, &self.catalog, &self.keep).is_empty())
            .collect();
        for spec in open {
            if let Some(ticket) = self.dependencies.held.remove(&spec.id) {
                let group = spec.policies.group.clone();
                self.offer_all(&spec, Ticket { group, ..ticket }, now, ids, effects);
            }
        }
    }

    /// Gives up what is held for jobs that did not come back.
    pub(super) fn give_up_abandoned(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for ticket in self.dependencies.abandoned(now) {
            let reason = "the job was removed while it was waited for, and did not come back";
            effects.push(told(records::skipped(&ticket, Skip::Removed, reason, now)));
        }
    }

    /// A run of the job begins: its gate is closed until the others have succeeded again.
    pub(super) fn close_gate(&mut self, spec: &JobSpec, now: Timestamp) {
        if is_gated(spec) {
            let memory = self.timetable.memory(&spec.id);
            self.keep.mark(&spec.id, memory, now, |marks, stamp| marks.ran = Some(stamp));
        }
    }
}
