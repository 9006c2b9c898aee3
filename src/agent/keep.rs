//! What the agent remembers of its jobs: what it was given at the start, what is to be kept of them, and the anchors of
//! jobs that have gone.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};

use crate::model::{
    memory::{Marks, Memory, Pause},
    name::JobId,
};

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
    /// Of all jobs of which there is something to mark, wherever the rest of their memory is.
    marks: HashMap<JobId, Marks>,
    /// The latest moment in them.
    latest: Timestamp,
    /// What is to be kept, in the order in which it happened.
    notes: Vec<Note>,
}

impl Keep {
    /// With what was kept of the last agent's jobs.
    pub fn new(memory: HashMap<JobId, Memory>) -> Self {
        let mut keep = Self::default();
        for (job, Memory { marks, .. }) in &memory {
            if *marks != Marks::default() {
                keep.latest =
                    [marks.ran, marks.succeeded].into_iter().flatten().fold(keep.latest, Timestamp::max);
                keep.marks.insert(job.clone(), *marks);
            }
        }
        keep.absent = memory;
        keep.absent.values_mut().for_each(|it| it.marks = Marks::default());
        keep
    }

    /// What is remembered of a job that comes.
    pub fn take(&mut self, job: &JobId) -> Option<Memory> {
        self.absent.remove(job)
    }

    /// Whether this job is remembered though it is not on the timetable.
    pub fn knows(&self, job: &JobId) -> bool {
        self.absent.contains_key(job)
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
        let marks = self.marks(job);
        self.notes.push((job.clone(), Some(Memory { marks, ..memory })));
    }

    /// What is marked of a job.
    pub fn marks(&self, job: &JobId) -> Marks {
        self.marks.get(job).copied().unwrap_or_default()
    }

    /// The pauses that there are.
    pub fn pauses(&self) -> impl Iterator<Item = (&JobId, Pause)> {
        self.marks.iter().filter_map(|(job, marks)| Some((job, marks.paused?)))
    }

    /// Marks something of a job; `memory` is the rest of what is to be kept of it, where that is not with us.
    pub fn mark(
        &mut self,
        job: &JobId,
        memory: Option<Memory>,
        now: Timestamp,
        mark: impl FnOnce(&mut Marks, Timestamp),
    ) {
        // Strictly later than all that was marked before: what is compared is what came first.
        let next = self.latest.saturating_add(SignedDuration::from_nanos(1)).unwrap_or(self.latest);
        let stamp = now.max(next);
        let marks = self.marks.entry(job.clone()).or_default();
        let before = (marks.ran, marks.succeeded);
        mark(marks, stamp);
        if before != (marks.ran, marks.succeeded) {
            self.latest = stamp;
        }
        if *marks == Marks::default() {
            self.marks.remove(job);
        }
        let memory = memory.unwrap_or_else(|| {
            let unknown = Memory { anchor: now, schedule: 0, seen: now, idle: true, marks: Marks::default() };
            *self.absent.entry(job.clone()).or_insert(unknown)
        });
        self.note(job, memory);
    }

    /// The job is no longer on the timetable. The answer is a job that is forgotten for it, because too many have gone.
    pub fn gone(&mut self, job: &JobId, memory: Memory) -> Option<JobId> {
        self.note(job, memory);
        self.absent.insert(job.clone(), memory);
        if self.absent.len() <= GONE_LIMIT {
            return None;
        }
        // Jobs that are still waited for are not given up for those that went.
        let idle = self.absent.iter().filter(|(_, it)| it.idle);
        let oldest = idle.min_by_key(|(_, it)| it.seen).map(|(job, _)| job.clone())?;
        self.absent.remove(&oldest);
        self.marks.remove(&oldest);
        self.notes.push((oldest.clone(), None));
        Some(oldest)
    }

    /// Nothing of this job is due while it is not on the timetable.
    pub fn idle(&mut self, job: &JobId, now: Timestamp) {
        if let Some(memory) = self.absent.get_mut(job).filter(|it| !it.idle) {
            *memory = Memory { seen: memory.seen.max(now), idle: true, ..*memory };
            let memory = *memory;
            self.note(job, memory);
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
            let memory =
                Memory { anchor: at(0), schedule: 1, seen: at(n), idle: true, marks: Marks::default() };
            keep.gone(&JobId::plain(&format!("j{n}")), memory);
        }
        assert_eq!(keep.absent.len(), GONE_LIMIT);
        assert_eq!(keep.notes().last(), Some(&(JobId::plain("j0"), None)));
        assert_eq!(keep.take(&JobId::plain("j0")), None);
        assert!(keep.take(&JobId::plain("j1")).is_some());
    }
}
