//! A clock that is wrong by days or years, and what is believed then.

use jiff::Timestamp;

use crate::{
    agent::{event::Effect, records},
    model::{memory::TRUST_LIMIT, name::JobId},
};

use super::{State, problem};

/// A clock that shows an earlier time than this was never set: 2020-01-01.
const NEVER_SET: Timestamp = Timestamp::constant(1_577_836_800, 0);

/// Whether the clock shows a time before anyone ran this.
pub(in crate::agent) fn was_never_set(now: Timestamp) -> bool {
    now < NEVER_SET
}

impl State {
    /// Notices a clock that was set so far that it, or what is known of jobs, was wrong.
    pub(super) fn look_at_the_clock(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let last = self.latest;
        self.latest = Some(last.map_or(now, |last| last.max(now)));
        match last {
            None if was_never_set(now) => effects.push(problem(records::never_set(now))),
            Some(last) if was_never_set(last) && !was_never_set(now) => {
                // As if the agent had started now: all that happened before has no place in time.
                let keep = &mut self.keep;
                for (job, memory) in self.timetable.begin_anew(now, |job| keep.doubted(job)) {
                    self.keep.note(&job, memory);
                }
            }
            Some(last) if now.saturating_add(TRUST_LIMIT).is_ok_and(|trusted| last > trusted) => {
                self.latest = Some(now);
                let doubted = self.timetable.distrust(now);
                let jobs: Vec<JobId> = doubted.iter().map(|(job, _)| job.clone()).collect();
                effects.extend(records::distrusted(&jobs, now).map(problem));
                for (job, memory) in doubted {
                    self.keep.doubt(&job, memory);
                    self.note_of(&job);
                }
            }
            _ => {}
        }
        for (job, memory) in self.keep.right_after_all(now) {
            self.timetable.recall(&job, memory.seen);
            self.note_of(&job);
        }
    }

    /// What is known of this job is to be kept.
    fn note_of(&mut self, job: &JobId) {
        if let Some(memory) = self.timetable.memory(job) {
            self.keep.note(job, memory);
        }
    }
}
