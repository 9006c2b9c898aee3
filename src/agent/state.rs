//! The agent's whole state, and the one function that changes it.
//!
//! [`State::handle`] never waits and never reads a clock: time and run IDs come in as arguments, and what is to be
//! done goes out as effects.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    num::NonZeroUsize,
    sync::Arc,
};

use jiff::Timestamp;

use crate::model::gather::Gather;
use crate::{
    model::{
        diagnostic::Diagnostic,
        job::{JobSpec, Overlap},
        memory::Memory,
        name::JobId,
        notify_memory::NotifyMemory,
        run::{Item, Outcome, RunId, RunRecord, StopCause, StopForce, StopRequest, Trigger},
        skip::Skip,
        unfinished::Unfinished,
    },
    plan::Catalog,
    run::order::RunOrder,
};

pub use super::event::{Answer, Effect, Event, Refused, Told};
use super::{
    admission::{Admission, Decision, Ticket},
    dependencies::Dependencies,
    gap::Due,
    keep::Keep,
    notices::{Notices, Step},
    records,
    takeover::outlives_the_agent,
    timetable::{Moment, Timetable},
};

mod clock;
mod look;
mod place;
mod startup;

pub(super) use clock::was_never_set;
use startup::Startup;
pub(super) use startup::needs_engine;

/// The agent's state.
#[derive(Debug)]
pub struct State {
    /// Shared with those who only look: whoever changes it while one of them does changes a copy.
    pub(super) catalog: Arc<Catalog>,
    /// How many changes it saw.
    pub(super) changes: u64,
    pub(super) timetable: Timetable,
    pub(super) admission: Admission,
    pub(super) dependencies: Dependencies,
    pub(super) keep: Keep,
    pub(super) notices: Notices,
    /// What came due in this step.
    came: Vec<Ticket>,
    /// What waited its turn when the last agent ended, and whose jobs are not known yet.
    pub(super) left: Vec<Ticket>,
    /// Runs that the store knows nothing of, until all jobs are known.
    pub(super) found: Vec<Unfinished>,
    /// Whether all jobs were known once.
    pub(super) complete: bool,
    pub(super) problems: Arc<BTreeSet<Diagnostic>>,
    startup: Startup,
    pub(super) draining: bool,
    /// What runs, as it was when it was admitted.
    pub(super) admitted: HashMap<RunId, Arc<JobSpec>>,
    /// Jobs of which nothing is due, and until when.
    pub(super) paused: Arc<BTreeMap<JobId, Option<Timestamp>>>,
    /// Why jobs of services have no container here.
    pub(super) nowhere: HashMap<JobId, Arc<str>>,
    /// The Engine answered, and does not now.
    engine_lost: bool,
    /// The latest moment that the clock has shown, as far as it is believed.
    latest: Option<Timestamp>,
}

impl State {
    /// No jobs and no runs; `memory` is what was kept of the last agent's jobs.
    pub fn new(max_concurrent_runs: NonZeroUsize, memory: HashMap<JobId, Memory>) -> Self {
        let keep = Keep::new(memory);
        let paused = keep.pauses().map(|(job, pause)| (job.clone(), pause.until)).into_map();
        Self {
            catalog: Arc::default(),
            changes: 0,
            timetable: Timetable::default(),
            admission: Admission::new(max_concurrent_runs),
            dependencies: Dependencies::default(),
            keep,
            notices: Notices::default(),
            came: Vec::new(),
            left: Vec::new(),
            found: Vec::new(),
            complete: false,
            problems: Arc::default(),
            startup: Startup::Waiting,
            draining: false,
            nowhere: HashMap::new(),
            engine_lost: false,
            latest: None,
            admitted: HashMap::new(),
            paused: Arc::new(paused),
        }
    }

    /// The same, with what was kept of what was told of them.
    #[must_use]
    pub fn with_notices(self, memory: HashMap<JobId, NotifyMemory>) -> Self {
        Self { notices: Notices::new(memory), ..self }
    }

    /// Takes in what happened at `now`, and answers with what is to be done, in order. `ids` makes the IDs of new
    /// runs.
    pub fn handle(&mut self, event: Event, now: Timestamp, ids: &mut dyn FnMut() -> RunId) -> Vec<Effect> {
        let mut effects = Vec::new();
        let (mut gone, mut admitted) = (None, None);
        self.look_at_the_clock(now, &mut effects);
        match event {
            Event::Left(left) => self.take_over(left, now, &mut effects),
            Event::Found(found) => self.found(found, &mut effects),
            Event::Desired(desired) => self.reconcile(desired, now, ids, &mut effects),
            Event::Tick => self.tick(now, ids, &mut effects),
            Event::Engine { answers } => {
                self.engine_lost = !answers;
                if answers {
                    self.timetable.release();
                    self.tick(now, ids, &mut effects);
                }
            }
            Event::RunEnded { record, goes_on } => {
                if !goes_on {
                    self.admission.end(&record.job, &record.run, now);
                }
                effects.push(told(RunRecord::clone(&record)));
                admitted = self.admitted.get(&record.run).cloned();
                self.run_ended(&record, now, ids, &mut effects);
                self.begin_next(now, &mut effects);
            }
            Event::CommandGone { job, run } => {
                self.admission.end(&job, &run, now);
                self.begin_next(now, &mut effects);
                gone = Some(Item::Gone(run));
            }
            Event::Drain => self.drain(now, &mut effects),
            Event::StopAll(force) => {
                let request = StopRequest { force, cause: StopCause::Shutdown };
                let stays = |run: &&RunId| self.admitted.get(*run).is_some_and(|it| outlives_the_agent(it));
                let ends = self.admission.running().filter(|run| !stays(run));
                effects.extend(ends.map(|run| Effect::Stop(run.clone(), request)));
            }
            Event::Pause { job, until } => {
                // What is due now was due before.
                self.tick(now, ids, &mut effects);
                let answer = self.pause(&job, until, now, &mut effects);
                effects.push(Effect::Answer(answer.map(|()| Vec::new())));
            }
            Event::Resume { job } => {
                let answer = self.resume(&job, now, &mut effects);
                effects.push(Effect::Answer(answer.map(|()| Vec::new())));
            }
            Event::RunNow { job } => {
                let answer = self.run_now(&job, now, ids, &mut effects);
                effects.push(Effect::Answer(answer));
            }
            Event::StopRun { run, by } => {
                let answer = self.stop_run(&run, by, now, &mut effects);
                effects.push(Effect::Answer(answer.map(|()| vec![run])));
            }
        }
        if was_never_set(now) {
            self.keep.forget_notes();
        }
        let notes = self.keep.notes();
        let (messages, remembered) = self.notices.of_step(Step {
            effects: &effects,
            notes: &notes,
            catalog: &self.catalog,
            keep: &self.keep,
            admitted: admitted.as_ref(),
            complete: self.complete,
            draining: self.draining,
            now,
            unset: was_never_set(now),
        });
        let catalog = &self.catalog;
        let retention = |job: &JobId| catalog.get(job).map(|entry| entry.spec.history);
        let mut items = records::items(notes, self.came.drain(..), &effects, retention);
        items.extend(gone);
        // With the records: who is told of a run that is kept is told, whatever becomes of this agent.
        items.extend(messages.iter().cloned().map(Item::Notify));
        items.extend(remembered);
        effects.extend(messages.into_iter().map(Effect::Notify));
        if !items.is_empty() {
            effects.insert(0, Effect::Keep(items));
        }
        effects
    }

    /// An occurrence came due.
    pub(super) fn ticket(
        &mut self,
        spec: &JobSpec,
        trigger: Trigger,
        moment: Moment,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
    ) -> Ticket {
        let Moment { occurrence, fires } = moment;
        let (job, kind, group) = (spec.id.clone(), spec.kind(), spec.policies.group.clone());
        self.came(Ticket {
            run: ids(),
            job,
            kind,
            trigger,
            occurrence,
            fires,
            admitted: now,
            group,
            place: None,
        })
    }

    /// It came due in this step, and is kept with it.
    pub(super) fn came(&mut self, ticket: Ticket) -> Ticket {
        self.came.push(ticket.clone());
        ticket
    }

    fn tick(&mut self, now: Timestamp, ids: &mut dyn FnMut() -> RunId, effects: &mut Vec<Effect>) {
        if self.draining {
            return;
        }
        self.end_pauses(now, effects);
        self.go_on_with_startup(false, now, ids, effects);
        while let Some(spec) = self.timetable.first_due(now) {
            if self.engine_lost && needs_engine(spec) {
                self.timetable.hold_first();
                continue;
            }
            let Some((due, memory)) = self.timetable.pop(now) else { break };
            self.keep.note(&due.job, memory);
            let Some(entry) = self.catalog.get(&due.job) else { continue };
            self.act(&entry.spec.clone(), due, now, ids, effects);
        }
        self.give_up_abandoned(now, effects);
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
        let mut ticket = due.occurrence.map(|moment| self.ticket(spec, Trigger::Schedule, moment, now, ids));
        if !spec.policies.edges.is_empty() {
            after.extend(ticket.take());
            after = self.past_gate(spec, after, now, effects);
            ticket = after.pop_if(|it| it.trigger == Trigger::Schedule);
        }
        let after: Vec<Ticket> = after.into_iter().flat_map(|it| self.spread(spec, it, ids)).collect();
        let ticket: Vec<Ticket> = ticket.into_iter().flat_map(|it| self.spread(spec, it, ids)).collect();
        // What comes with older ones of the same gap is not held back by them.
        if after.is_empty() || spec.overlap == Overlap::Allow {
            self.admission.line_up(after, spec.overlap, now);
            for ticket in ticket {
                self.offer(ticket, spec.overlap, now, effects);
            }
        } else {
            self.admission.line_up(after.into_iter().chain(ticket), spec.overlap, now);
        }
    }

    pub(super) fn offer(
        &mut self,
        ticket: Ticket,
        overlap: Overlap,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        match self.admission.offer(ticket, overlap, now) {
            Decision::InLine | Decision::Waits => {}
            Decision::Skipped { ticket, reason } => {
                effects.push(told(records::skipped(&ticket, Skip::Overlap, reason, now)));
            }
            Decision::Replaces { stop, instead_of } => {
                let request = StopRequest { force: StopForce::Stop, cause: StopCause::Replaced };
                effects.extend(stop.into_iter().map(|run| Effect::Stop(run, request)));
                let reason = "a newer occurrence took its place before its turn came";
                effects.extend(
                    instead_of.iter().map(|old| told(records::skipped(old, Skip::Replaced, reason, now))),
                );
            }
        }
    }

    /// Begins what is in line, as far as the cap allows. Everything about a run is settled here: the job as it is
    /// now, and the container that holds it now.
    pub(super) fn begin_next(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.draining {
            return;
        }
        for (ticket, reason) in self.admission.expired(now) {
            effects.push(told(records::skipped(&ticket, Skip::GroupWait, reason, now)));
        }
        while let Some(ticket) = self.admission.next_in_line() {
            let refused = match self.catalog.get(&ticket.job) {
                None => Err((Skip::Removed, None, "the job was removed before its turn came".to_owned())),
                Some(entry) if !entry.spec.enabled => {
                    Err((Skip::Disabled, None, "the job was disabled before its turn came".to_owned()))
                }
                Some(_) if ticket.trigger != Trigger::Manual && self.paused.contains_key(&ticket.job) => {
                    Err((Skip::Paused, None, "the job is paused".to_owned()))
                }
                Some(entry) if entry.spec.policies.group != ticket.group => {
                    let group = entry.spec.policies.group.clone();
                    self.admission.change_group(ticket, group, now);
                    continue;
                }
                Some(entry) if records::is_too_late(&entry.spec, ticket.fires, now) => {
                    self.admission.end(&ticket.job, &ticket.run, now);
                    let reason = records::too_late(&entry.spec);
                    effects.push(told(records::of(&ticket, None, Outcome::Missed { reason }, now)));
                    continue;
                }
                Some(entry) => self.place(entry, &ticket).map(|container| (entry, container)),
            };
            match refused {
                Ok((entry, container)) => {
                    let spec = entry.spec.clone();
                    let name = container.as_ref().map(|it| it.name.clone());
                    self.admission.begin(&ticket, name, now);
                    self.close_gate(&spec, now);
                    self.admitted.insert(ticket.run.clone(), spec.clone());
                    effects.push(Effect::Start(RunOrder {
                        run: ticket.run,
                        spec,
                        container,
                        trigger: ticket.trigger,
                        occurrence: ticket.occurrence,
                        fires: ticket.fires,
                        admitted: ticket.admitted,
                    }));
                }
                Err((by, container, reason)) => {
                    self.admission.end(&ticket.job, &ticket.run, now);
                    let outcome = Outcome::Skipped { by, reason };
                    effects.push(told(records::of(&ticket, container, outcome, now)));
                }
            }
        }
    }

    /// The earliest moment at which [`Event::Tick`] has something to do.
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.draining {
            return None;
        }
        let theirs = [
            self.timetable.next(),
            self.startup.next(),
            self.admission.deadline(),
            self.dependencies.deadline(),
            self.next_pause_end(),
            self.notices.next(),
        ];
        theirs.into_iter().flatten().min()
    }
}

pub(super) fn problem(it: Diagnostic) -> Effect {
    Effect::Tell(Told::Problem(it))
}

pub(super) fn told(record: RunRecord) -> Effect {
    Effect::Tell(Told::Record(record))
}
