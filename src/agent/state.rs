//! The agent's whole state, and the one function that changes it.
//!
//! [`State::handle`] never waits and never reads a clock: time and run IDs come in as arguments, and what is to be
//! done goes out as effects.

use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroUsize,
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    model::{
        container::Holder,
        diagnostic::Diagnostic,
        job::{JobSpec, Overlap, Work},
        memory::Memory,
        name::{JobId, JobKind},
        run::{Outcome, RunId, RunRecord, StopCause, StopForce, StopRequest, Trigger},
    },
    plan::{self, Catalog, Change},
    run::order::RunOrder,
    settings::resolve::Desired,
};

pub use super::event::{Effect, Event, Told};
use super::{
    admission::{Admission, Decision, Ticket},
    gap::Due,
    keep::Keep,
    records,
    timetable::{Moment, Timetable},
};

/// How many occurrences to come are told when a job is registered.
const UPCOMING: usize = 3;

/// The agent's state.
#[derive(Debug)]
pub struct State {
    /// Shared with those who only look: whoever changes it while one of them does changes a copy.
    catalog: Arc<Catalog>,
    timetable: Timetable,
    admission: Admission,
    keep: Keep,
    /// What came due in this step.
    came: Vec<Ticket>,
    problems: BTreeSet<Diagnostic>,
    /// Whether all jobs were known once.
    complete: bool,
    draining: bool,
}

impl State {
    /// No jobs and no runs; `memory` is what was kept of the last agent's jobs.
    pub fn new(max_concurrent_runs: NonZeroUsize, memory: HashMap<JobId, Memory>) -> Self {
        Self {
            catalog: Arc::default(),
            timetable: Timetable::default(),
            admission: Admission::new(max_concurrent_runs),
            keep: Keep::new(memory),
            came: Vec::new(),
            problems: BTreeSet::new(),
            complete: false,
            draining: false,
        }
    }

    /// Takes in what happened at `now`, and answers with what is to be done, in order. `ids` makes the IDs of new
    /// runs.
    pub fn handle(&mut self, event: Event, now: Timestamp, ids: &mut dyn FnMut() -> RunId) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Desired(desired) => self.reconcile(desired, now, ids, &mut effects),
            Event::Tick => self.tick(now, ids, &mut effects),
            Event::RunEnded { record, goes_on } => {
                if !goes_on {
                    self.admission.end(&record.job, &record.run);
                }
                effects.push(Effect::Tell(Told::Record(record)));
                self.begin_next(now, &mut effects);
            }
            Event::CommandGone { job, run } => {
                self.admission.end(&job, &run);
                self.begin_next(now, &mut effects);
            }
            Event::Drain => {
                self.draining = true;
                for ticket in self.admission.give_up_waiting() {
                    let reason = "the agent is shutting down and its turn had not come";
                    effects.push(told(records::skipped(&ticket, reason, now)));
                }
            }
            Event::StopAll(force) => {
                let request = StopRequest { force, cause: StopCause::Shutdown };
                effects.extend(self.admission.running().map(|run| Effect::Stop(run.clone(), request)));
            }
        }
        let catalog = &self.catalog;
        let retention = |job: &JobId| catalog.get(job).map(|entry| entry.spec.history);
        let items = records::items(self.keep.notes(), self.came.drain(..), &effects, retention);
        if !items.is_empty() {
            effects.insert(0, Effect::Keep(items));
        }
        effects
    }

    fn reconcile(
        &mut self,
        desired: Desired,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
        effects: &mut Vec<Effect>,
    ) {
        let mut distrusted = Vec::new();
        if let Some(settings) = &desired.settings {
            self.admission.set_cap(settings.max_concurrent_runs);
        }
        for change in plan::plan(&self.catalog, &desired) {
            let removed = match &change {
                Change::Remove(id) => self.catalog.get(id).map(|entry| entry.spec.kind()),
                _ => None,
            };
            Arc::make_mut(&mut self.catalog).apply(&change);
            effects.extend(self.follow(change, removed, &desired, now, &mut distrusted).map(Effect::Tell));
        }
        effects.extend(records::distrusted(&distrusted, now).map(|it| Effect::Tell(Told::Problem(it))));
        let complete = desired.complete;
        let problems: BTreeSet<Diagnostic> = desired.diagnostics.into_iter().collect();
        let new = problems.difference(&self.problems).cloned();
        effects.extend(new.map(|problem| Effect::Tell(Told::Problem(problem))));
        self.problems = problems;
        if complete && !self.complete && !self.draining {
            self.complete = true;
            self.first_complete(now, ids, effects);
        }
        // The cap may have been raised.
        self.begin_next(now, effects);
    }

    /// What a change of the catalog means for the timetable, and what there is to tell.
    fn follow(
        &mut self,
        change: Change,
        removed: Option<JobKind>,
        desired: &Desired,
        now: Timestamp,
        distrusted: &mut Vec<JobId>,
    ) -> Option<Told> {
        let name = |holder: &Option<Holder>| holder.as_ref().map(|it| it.name.clone());
        match change {
            Change::Remove(job) => {
                self.unschedule(&job, now);
                let rejected =
                    desired.diagnostics.iter().any(|it| it.rejects && it.job.as_ref() == Some(&job));
                let reason = if rejected {
                    "its definition is no longer right: see job.rejected"
                } else {
                    "nothing defines it any more"
                };
                Some(Told::JobRemoved { job, kind: removed?, reason })
            }
            Change::Update { spec, holder, changed } => {
                self.schedule(&spec, now, distrusted);
                let next = self.timetable.upcoming(&spec.id, UPCOMING, now);
                let reason = format!("changed: {}", changed.join(", "));
                Some(Told::JobUpdated { spec, container: name(&holder), next, reason })
            }
            Change::Place { job, holder: Some(holder), moved: true } => {
                let spec = self.catalog.get(&job)?.spec.clone();
                let next = self.timetable.upcoming(&job, UPCOMING, now);
                let reason = format!("its runs go to container {} now", holder.name);
                Some(Told::JobUpdated { spec, container: Some(holder.name), next, reason })
            }
            Change::Place { .. } => None,
            Change::Add { spec, holder } => {
                self.schedule(&spec, now, distrusted);
                let next = self.timetable.upcoming(&spec.id, UPCOMING, now);
                Some(Told::JobAdded { spec, container: name(&holder), next })
            }
        }
    }

    fn schedule(&mut self, spec: &Arc<JobSpec>, now: Timestamp, distrusted: &mut Vec<JobId>) {
        if !spec.enabled {
            return self.unschedule(&spec.id, now);
        }
        let taken = self.timetable.set(spec, self.keep.take(&spec.id), now);
        if taken.distrusted {
            distrusted.push(spec.id.clone());
        }
        if let Some(memory) = taken.memory {
            self.keep.note(&spec.id, memory);
        }
    }

    fn unschedule(&mut self, job: &JobId, now: Timestamp) {
        match self.timetable.remove(job, now) {
            Some(memory) => self.keep.gone(job, memory),
            None => self.keep.idle(job, now),
        }
    }

    /// The first time that all jobs are known: those that run when the agent starts do, and whoever is not there now
    /// has missed nothing when it comes later.
    fn first_complete(&mut self, now: Timestamp, ids: &mut dyn FnMut() -> RunId, effects: &mut Vec<Effect>) {
        self.keep.all_idle(now);
        let second = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let moment = Moment { occurrence: second, fires: now };
        let catalog = self.catalog.clone();
        for (_, entry) in catalog.iter().filter(|(_, entry)| entry.spec.enabled && at_startup(&entry.spec)) {
            let ticket = self.ticket(&entry.spec, Trigger::Startup, moment, now, ids);
            self.offer(ticket, entry.spec.overlap, now, effects);
        }
    }

    /// An occurrence came due.
    fn ticket(
        &mut self,
        spec: &JobSpec,
        trigger: Trigger,
        moment: Moment,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
    ) -> Ticket {
        let Moment { occurrence, fires } = moment;
        let (job, kind) = (spec.id.clone(), spec.kind());
        let ticket = Ticket { run: ids(), job, kind, trigger, occurrence, fires, admitted: now };
        self.came.push(ticket.clone());
        ticket
    }

    fn tick(&mut self, now: Timestamp, ids: &mut dyn FnMut() -> RunId, effects: &mut Vec<Effect>) {
        if self.draining {
            return;
        }
        while let Some((due, memory)) = self.timetable.pop(now) {
            self.keep.note(&due.job, memory);
            let Some(entry) = self.catalog.get(&due.job) else { continue };
            self.act(&entry.spec.clone(), due, now, ids, effects);
        }
        self.begin_next(now, effects);
    }

    /// Brings a job's due occurrences on their way.
    fn act(
        &mut self,
        spec: &JobSpec,
        due: Due,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
        effects: &mut Vec<Effect>,
    ) {
        if let Some(missed) = due.missed {
            let moment = Moment { occurrence: missed.newest, fires: missed.newest };
            let ticket = self.ticket(spec, Trigger::Schedule, moment, now, ids);
            effects.push(told(records::missed(&ticket, &missed, spec, now)));
        }
        let catch_up = due.catch_up.into_iter();
        let mut after: Vec<Ticket> =
            catch_up.map(|moment| self.ticket(spec, Trigger::CatchUp, moment, now, ids)).collect();
        let ticket = due.occurrence.map(|moment| self.ticket(spec, Trigger::Schedule, moment, now, ids));
        // What comes with older ones of the same gap is not held back by them.
        if after.is_empty() || spec.overlap == Overlap::Allow {
            self.admission.line_up(after, spec.overlap);
            if let Some(ticket) = ticket {
                self.offer(ticket, spec.overlap, now, effects);
            }
        } else {
            after.extend(ticket);
            self.admission.line_up(after, spec.overlap);
        }
    }

    fn offer(&mut self, ticket: Ticket, overlap: Overlap, now: Timestamp, effects: &mut Vec<Effect>) {
        match self.admission.offer(ticket, overlap, now) {
            Decision::InLine | Decision::Waits => {}
            Decision::Skipped { ticket, reason } => {
                effects.push(told(records::skipped(&ticket, reason, now)));
            }
            Decision::Replaces { stop, instead_of } => {
                let request = StopRequest { force: StopForce::Stop, cause: StopCause::Replaced };
                effects.extend(stop.into_iter().map(|run| Effect::Stop(run, request)));
                let reason = "a newer occurrence took its place before its turn came";
                effects.extend(instead_of.iter().map(|old| told(records::skipped(old, reason, now))));
            }
        }
    }

    /// Begins what is in line, as far as the cap allows. Everything about a run is settled here: the job as it is
    /// now, and the container that holds it now.
    fn begin_next(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.draining {
            return;
        }
        while let Some(ticket) = self.admission.next_in_line() {
            let refused = match self.catalog.get(&ticket.job) {
                None => Err((None, "the job was removed before its turn came".to_owned())),
                Some(entry) if !entry.spec.enabled => {
                    Err((None, "the job was disabled before its turn came".to_owned()))
                }
                Some(entry) if records::is_too_late(&entry.spec, ticket.fires, now) => {
                    self.admission.end(&ticket.job, &ticket.run);
                    let reason = records::too_late(&entry.spec);
                    effects.push(told(records::of(&ticket, None, Outcome::Missed { reason }, now)));
                    continue;
                }
                Some(entry) => match (&entry.spec.work, &entry.holder) {
                    (Work::Exec(_), Some(holder)) if holder.running => Ok((entry, Some(holder.clone()))),
                    (Work::Exec(_), Some(holder)) => {
                        let name = holder.name.to_string();
                        let reason = format!("container {name} is not running");
                        Err((Some(name), reason))
                    }
                    (Work::Exec(exec), None) => {
                        let name = exec.container.clone();
                        let reason = match &name {
                            Some(name) => format!("there is no container {name}"),
                            None => "the job has no container".to_owned(),
                        };
                        Err((name, reason))
                    }
                    (Work::Run(_) | Work::Local(_), _) => Ok((entry, None)),
                },
            };
            match refused {
                Ok((entry, container)) => {
                    self.admission.begin(&ticket, now);
                    effects.push(Effect::Start(RunOrder {
                        run: ticket.run,
                        spec: entry.spec.clone(),
                        container,
                        trigger: ticket.trigger,
                        occurrence: ticket.occurrence,
                        fires: ticket.fires,
                        admitted: ticket.admitted,
                    }));
                }
                Err((container, reason)) => {
                    self.admission.end(&ticket.job, &ticket.run);
                    effects.push(told(records::of(&ticket, container, Outcome::Skipped { reason }, now)));
                }
            }
        }
    }

    /// The earliest moment at which [`Event::Tick`] has something to do.
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.draining { None } else { self.timetable.next() }
    }

    /// The jobs.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The jobs, for someone to look at later.
    pub fn shared_catalog(&self) -> Arc<Catalog> {
        self.catalog.clone()
    }

    /// How many things are wrong with what was written.
    pub fn problem_count(&self) -> usize {
        self.problems.len()
    }

    /// How many runs go on.
    pub fn running_count(&self) -> usize {
        self.admission.running_count()
    }

    /// How many occurrences wait their turn.
    pub fn waiting_count(&self) -> usize {
        self.admission.waiting_count()
    }
}

/// Whether the job runs when the agent starts.
fn at_startup(spec: &JobSpec) -> bool {
    spec.run_on_startup || spec.schedule.at_startup()
}

fn told(record: RunRecord) -> Effect {
    Effect::Tell(Told::Record(record))
}
