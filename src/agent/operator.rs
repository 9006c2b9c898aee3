//! What an operator asks for: a pause, its end, a run now, the end of a run.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{
    memory::Pause,
    name::JobId,
    run::{Outcome, RunId, StopCause, StopForce, StopRequest, Trigger},
    skip::Skip,
};

use super::{
    event::{Effect, Refused, Told},
    records,
    state::{State, told},
    timetable::{Moment, just_before},
};

impl State {
    /// From now on nothing of a job is due, and nothing of it is missed.
    pub(super) fn pause(
        &mut self,
        job: &JobId,
        until: Option<Timestamp>,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refused> {
        let Some(entry) = self.catalog.get(job) else { return Err(Refused::NoJob(job.clone())) };
        let kind = entry.spec.kind();
        if let Some(until) = until.filter(|until| *until <= now) {
            return Err(Refused::Over(until));
        }
        let pause = Pause { until };
        let before = Arc::make_mut(&mut self.paused).insert(job.clone(), until);
        if before == Some(until) {
            return Ok(());
        }
        self.timetable.hold(job, pause);
        let memory = self.timetable.memory(job);
        self.keep.mark(job, memory, now, |marks, _| marks.paused = Some(pause));
        effects.push(Effect::Tell(Told::JobPaused { job: job.clone(), kind, until }));
        Ok(())
    }

    /// A job goes on with what comes from now on.
    pub(super) fn resume(
        &mut self,
        job: &JobId,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refused> {
        if self.paused.contains_key(job) {
            self.end_pause(job, now, now, "an operator ended its pause", effects);
            return Ok(());
        }
        if self.catalog.get(job).is_some() { Ok(()) } else { Err(Refused::NoJob(job.clone())) }
    }

    /// Pauses whose time is over.
    pub(super) fn end_pauses(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let over = self.paused.iter().filter_map(|(job, until)| Some((job.clone(), (*until)?)));
        let over: Vec<(JobId, Timestamp)> = over.filter(|(_, until)| *until <= now).collect();
        for (job, until) in over {
            self.end_pause(&job, just_before(until), now, "the time of its pause is over", effects);
        }
    }

    /// When the next pause ends by itself.
    pub(super) fn next_pause_end(&self) -> Option<Timestamp> {
        self.paused.values().copied().flatten().min()
    }

    fn end_pause(
        &mut self,
        job: &JobId,
        from: Timestamp,
        now: Timestamp,
        reason: &'static str,
        effects: &mut Vec<Effect>,
    ) {
        Arc::make_mut(&mut self.paused).remove(job);
        self.timetable.let_go(job, from);
        let memory = self.timetable.memory(job);
        self.keep.mark(job, memory, now, |marks, _| marks.paused = None);
        // Of a job that is not there now, its coming tells enough.
        if let Some(entry) = self.catalog.get(job) {
            let next = self.timetable.upcoming(job, 1, now).into_iter().next();
            let kind = entry.spec.kind();
            effects.push(Effect::Tell(Told::JobResumed { job: job.clone(), kind, next, reason }));
        }
    }

    /// An occurrence of a job, now, on the same way as one that is due. The answer has those of its runs that were not
    /// skipped.
    pub(super) fn run_now(
        &mut self,
        job: &JobId,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
        effects: &mut Vec<Effect>,
    ) -> Result<Vec<RunId>, Refused> {
        if self.draining {
            return Err(Refused::Ending);
        }
        let Some(entry) = self.catalog.get(job) else { return Err(Refused::NoJob(job.clone())) };
        if !entry.spec.enabled {
            return Err(Refused::Disabled(job.clone()));
        }
        let spec = entry.spec.clone();
        let ticket = self.ticket(&spec, Trigger::Manual, Moment::now(now), now, ids);
        let runs = self.offer_all(&spec, ticket, now, ids, effects);
        self.begin_next(now, effects);
        let refused = |run: &RunId| {
            effects.iter().find_map(|effect| match effect {
                Effect::Tell(Told::Record(record)) if record.run == *run => match &record.outcome {
                    Outcome::Skipped { reason, .. } | Outcome::Missed { reason } => Some(reason.clone()),
                    _ => None,
                },
                _ => None,
            })
        };
        let (mut begun, mut skipped) = (Vec::new(), None);
        for run in runs {
            match refused(&run) {
                None => begun.push(run),
                Some(reason) => drop(skipped.get_or_insert(Refused::Skipped { run, reason })),
            }
        }
        if begun.is_empty() { Err(skipped.unwrap_or_else(|| Refused::NoJob(job.clone()))) } else { Ok(begun) }
    }

    /// Asks a run to end, or gives up what waits for its turn.
    pub(super) fn stop_run(
        &mut self,
        run: &RunId,
        by: StopCause,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Refused> {
        if self.admitted.contains_key(run) {
            effects.push(Effect::Stop(run.clone(), StopRequest { force: StopForce::Stop, cause: by }));
            return Ok(());
        }
        let ticket = self.dependencies.give_up(run).or_else(|| self.admission.give_up(run, now));
        let Some(ticket) = ticket else { return Err(Refused::NoRun(run.clone())) };
        let reason = format!("{} before its turn came", by.as_str());
        effects.push(told(records::skipped(&ticket, Skip::Operator, reason, now)));
        self.begin_next(now, effects);
        Ok(())
    }
}
