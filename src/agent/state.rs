//! The agent's whole state, and the one function that changes it.
//!
//! [`State::handle`] never waits and never reads a clock: time and run IDs come in as arguments, and what is to be
//! done goes out as effects.

use std::{collections::BTreeSet, num::NonZeroUsize, sync::Arc};

use jiff::Timestamp;

use crate::{
    model::{
        container::Holder,
        diagnostic::Diagnostic,
        job::{JobSpec, Work},
        name::{JobId, JobKind},
        run::{Outcome, RunId, RunRecord, StopCause, StopForce, StopRequest, Trigger},
    },
    plan::{self, Catalog, Change},
    run::order::RunOrder,
    settings::resolve::Desired,
};

use super::{
    admission::{Admission, Decision, Ticket},
    timetable::{Due, Missed, Timetable},
};

/// How many occurrences to come are told when a job is registered.
const UPCOMING: usize = 3;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// Sources or observation changed: this is what there should be now.
    Desired(Desired),
    /// Time has passed.
    Tick,
    /// A run has ended.
    RunEnded {
        /// Its record.
        record: RunRecord,
        /// Whether its command could not be ended: then the job goes on counting as running.
        goes_on: bool,
    },
    /// A command that could not be ended has ended by itself.
    CommandGone {
        /// Its job.
        job: JobId,
        /// Its run.
        run: RunId,
    },
    /// The agent is to end: nothing begins any more.
    Drain,
    /// The runs that still go on are to end.
    StopAll(StopForce),
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Begin this run; it is registered.
    Start(RunOrder),
    /// Ask this run to end.
    Stop(RunId, StopRequest),
    /// Tell the operator.
    Tell(Told),
}

/// Something worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A job came.
    JobAdded {
        /// The job.
        spec: Arc<JobSpec>,
        /// The container its runs go to.
        container: Option<Arc<str>>,
        /// Its next occurrences.
        next: Vec<Timestamp>,
    },
    /// A job changed, or its runs go to another container.
    JobUpdated {
        /// The job as it is now.
        spec: Arc<JobSpec>,
        /// The container its runs go to.
        container: Option<Arc<str>>,
        /// Its next occurrences.
        next: Vec<Timestamp>,
        /// What changed, in words.
        reason: String,
    },
    /// A job went.
    JobRemoved {
        /// Its identity.
        job: JobId,
        /// Its kind.
        kind: JobKind,
        /// Why.
        reason: &'static str,
    },
    /// Something new is wrong with what was written.
    Problem(Diagnostic),
    /// An occurrence left its record.
    Record(RunRecord),
}

/// The agent's state.
#[derive(Debug)]
pub struct State {
    /// Shared with those who only look: whoever changes it while one of them does changes a copy.
    catalog: Arc<Catalog>,
    timetable: Timetable,
    admission: Admission,
    problems: BTreeSet<Diagnostic>,
    draining: bool,
}

impl State {
    /// No jobs and no runs.
    pub fn new(max_concurrent_runs: NonZeroUsize) -> Self {
        Self {
            catalog: Arc::default(),
            timetable: Timetable::default(),
            admission: Admission::new(max_concurrent_runs),
            problems: BTreeSet::new(),
            draining: false,
        }
    }

    /// Takes in what happened at `now`, and answers with what is to be done, in order. `ids` makes the IDs of new
    /// runs.
    pub fn handle(&mut self, event: Event, now: Timestamp, ids: &mut dyn FnMut() -> RunId) -> Vec<Effect> {
        let mut effects = Vec::new();
        match event {
            Event::Desired(desired) => self.reconcile(desired, now, &mut effects),
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
                    let reason = "the agent is shutting down and its turn had not come".to_owned();
                    effects.push(record(&ticket, None, Outcome::Skipped { reason }));
                }
            }
            Event::StopAll(force) => {
                let request = StopRequest { force, cause: StopCause::Shutdown };
                effects.extend(self.admission.running().map(|run| Effect::Stop(run.clone(), request)));
            }
        }
        effects
    }

    fn reconcile(&mut self, desired: Desired, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Some(settings) = &desired.settings {
            self.admission.set_cap(settings.max_concurrent_runs);
        }
        for change in plan::plan(&self.catalog, &desired) {
            let removed = match &change {
                Change::Remove(id) => self.catalog.get(id).map(|entry| entry.spec.kind()),
                _ => None,
            };
            Arc::make_mut(&mut self.catalog).apply(&change);
            effects.extend(self.follow(change, removed, &desired, now).map(Effect::Tell));
        }
        let problems: BTreeSet<Diagnostic> = desired.diagnostics.into_iter().collect();
        let new = problems.difference(&self.problems).cloned();
        effects.extend(new.map(|problem| Effect::Tell(Told::Problem(problem))));
        self.problems = problems;
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
    ) -> Option<Told> {
        let name = |holder: &Option<Holder>| holder.as_ref().map(|it| it.name.clone());
        match change {
            Change::Remove(job) => {
                self.timetable.remove(&job);
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
                self.schedule(&spec, now);
                let next = self.timetable.upcoming(&spec.id, UPCOMING);
                let reason = format!("changed: {}", changed.join(", "));
                Some(Told::JobUpdated { spec, container: name(&holder), next, reason })
            }
            Change::Place { job, holder: Some(holder), moved: true } => {
                let spec = self.catalog.get(&job)?.spec.clone();
                let next = self.timetable.upcoming(&job, UPCOMING);
                let reason = format!("its runs go to container {} now", holder.name);
                Some(Told::JobUpdated { spec, container: Some(holder.name), next, reason })
            }
            Change::Place { .. } => None,
            Change::Add { spec, holder } => {
                self.schedule(&spec, now);
                let next = self.timetable.upcoming(&spec.id, UPCOMING);
                Some(Told::JobAdded { spec, container: name(&holder), next })
            }
        }
    }

    fn schedule(&mut self, spec: &JobSpec, now: Timestamp) {
        if spec.enabled {
            self.timetable.set(&spec.id, &spec.schedule, now);
        } else {
            self.timetable.remove(&spec.id);
        }
    }

    fn tick(&mut self, now: Timestamp, ids: &mut dyn FnMut() -> RunId, effects: &mut Vec<Effect>) {
        if self.draining {
            return;
        }
        while let Some(Due { job, occurrence, missed }) = self.timetable.pop(now) {
            let Some(entry) = self.catalog.get(&job) else { continue };
            let (kind, overlap) = (entry.spec.kind(), entry.spec.overlap);
            let mut ticket = |occurrence| Ticket {
                run: ids(),
                job: job.clone(),
                kind,
                trigger: Trigger::Schedule,
                occurrence,
            };
            if let Some(missed) = missed {
                effects.push(missed_record(&ticket(missed.newest), missed));
            }
            let Some(occurrence) = occurrence else { continue };
            let ticket = ticket(occurrence);
            match self.admission.offer(ticket, overlap, now) {
                Decision::InLine | Decision::Waits => {}
                Decision::Skipped { ticket, reason } => {
                    effects.push(record(&ticket, None, Outcome::Skipped { reason }));
                }
                Decision::Replaces { stop, instead_of } => {
                    let request = StopRequest { force: StopForce::Stop, cause: StopCause::Replaced };
                    effects.extend(stop.into_iter().map(|run| Effect::Stop(run, request)));
                    if let Some(old) = instead_of {
                        let reason = "a newer occurrence took its place before its turn came".to_owned();
                        effects.push(record(&old, None, Outcome::Skipped { reason }));
                    }
                }
            }
        }
        self.begin_next(now, effects);
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
                    }));
                }
                Err((container, reason)) => {
                    self.admission.end(&ticket.job, &ticket.run);
                    effects.push(record(&ticket, container, Outcome::Skipped { reason }));
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

fn record(ticket: &Ticket, container: Option<String>, outcome: Outcome) -> Effect {
    Effect::Tell(Told::Record(RunRecord {
        run: ticket.run.clone(),
        job: ticket.job.clone(),
        kind: ticket.kind,
        trigger: ticket.trigger,
        occurrence: ticket.occurrence,
        container,
        duration: None,
        outcome,
        and_more: 0,
    }))
}

fn missed_record(ticket: &Ticket, missed: Missed) -> Effect {
    let mut reason =
        "its moment passed while the agent could not act: the machine slept, the clock was set or the \
                      agent was held up"
            .to_owned();
    if missed.more {
        reason.push_str("; there were more than are counted here");
    }
    match record(ticket, None, Outcome::Missed { reason }) {
        Effect::Tell(Told::Record(it)) => {
            Effect::Tell(Told::Record(RunRecord { and_more: missed.count - 1, ..it }))
        }
        other => other,
    }
}
