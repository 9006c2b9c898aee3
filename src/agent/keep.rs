//! What the agent remembers of its jobs: what it was given at the start, what is to be kept of them, and the anchors of
//! jobs that have gone.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::model::{memory::Memory, name::JobId};

/// How many jobs that have gone are remembered. Names that are used once and never again must not pile up.
const GONE_LIMIT: usize = 2_000;

/// What is to be kept of a job from now on; `None` is nothing.
pub type Note = (JobId, Option<Memory>);

/// What the agent remembers of jobs that are not on the timetable, and what it has not told yet.
#[derive(Debug, Default)]
pub struct Keep {
    /// Jobs that are not on the timetable: not seen yet, disabled or gone.
    absent: HashMap<JobId, Memory>,
    /// What was not believed of jobs because the clock showed an earlier time. It may be right after all, and the clock
    /// wrong.
    doubted: HashMap<JobId, Memory>,
    /// The earliest moment at which some of it would turn out to be right.
    doubted_until: Option<Timestamp>,
    /// What is to be kept, in the order in which it happened.
    notes: Vec<Note>,
}

impl Keep {
    /// With what was kept of the last agent's jobs.
    pub fn new(memory: HashMap<JobId, Memory>) -> Self {
        Self { absent: memory, ..Self::default() }
    }

    /// What is remembered of a job that comes.
    pub fn take(&mut self, job: &JobId) -> Option<Memory> {
        self.absent.remove(job)
    }

    /// What is remembered of this job is not believed for now.
    pub fn doubt(&mut self, job: &JobId, memory: Memory) {
        self.doubted_until = Some(self.doubted_until.map_or(memory.seen, |at| at.min(memory.seen)));
        self.doubted.insert(job.clone(), memory);
    }

    /// What was doubted and is past again: the clock was wrong, and what was remembered is right.
    pub fn right_after_all(&mut self, now: Timestamp) -> Vec<(JobId, Memory)> {
        if self.doubted_until.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let right = self.doubted.extract_if(|_, it| it.seen <= now).collect();
        self.doubted_until = self.doubted.values().map(|it| it.seen).min();
        right
    }

    /// What was remembered of a job and not believed.
    pub fn doubted(&mut self, job: &JobId) -> Option<Memory> {
        self.doubted.remove(job)
    }

    /// Nothing is to be kept of what happened since it was asked last.
    pub fn forget_notes(&mut self) {
        self.notes.clear();
    }

    /// This is to be kept of a job.
    pub fn note(&mut self, job: &JobId, memory: Memory) {
        self.notes.push((job.clone(), Some(memory)));
    }

    /// The job is no longer on the timetable.
    pub fn gone(&mut self, job: &JobId, memory: Memory) {
        self.note(job, memory);
        self.absent.insert(job.clone(), memory);
        if self.absent.len() <= GONE_LIMIT {
            return;
        }
        // Jobs that are still waited for are not given up for those that went.
        let idle = self.absent.iter().filter(|(_, it)| it.idle);
        if let Some(oldest) = idle.min_by_key(|(_, it)| it.seen).map(|(job, _)| job.clone()) {
            self.absent.remove(&oldest);
            self.notes.push((oldest, None));
        }
    }

    /// Nothing of this job is due while it is not on the timetable.
    pub fn idle(&mut self, job: &JobId, now: Timestamp) {
        if let Some(memory) = self.absent.get_mut(job).filter(|it| !it.idle) {
            *memory = Memory { seen: memory.seen.max(now), idle: true, ..*memory };
            self.notes.push((job.clone(), Some(*memory)));
        }
    }

    /// All jobs that there are were seen: nothing of the others is due.
    pub fn all_idle(&mut self, now: Timestamp) {
        let waiting: Vec<JobId> =
            self.absent.iter().filter(|(_, it)| !it.idle).map(|(job, _)| job.clone()).collect();
        for job in waiting {
            self.idle(&job, now);
        }
        self.absent.shrink_to_fit();
    }

    /// What is to be kept since it was asked last.
    pub fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_that_went_do_not_pile_up_and_the_oldest_is_forgotten_first() {
        let mut keep = Keep::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let limit = i64::try_from(GONE_LIMIT).unwrap();
        for n in 0..=limit {
            let memory = Memory { anchor: at(0), schedule: 1, seen: at(n), idle: true };
            keep.gone(&JobId::plain(&format!("j{n}")), memory);
        }
        assert_eq!(keep.absent.len(), GONE_LIMIT);
        assert_eq!(keep.notes().last(), Some(&(JobId::plain("j0"), None)));
        assert_eq!(keep.take(&JobId::plain("j0")), None);
        assert!(keep.take(&JobId::plain("j1")).is_some());
    }
}
