//! What is counted and known of each job's runs. A job of which nothing was ever told has no entry.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;

use crate::model::{
    name::JobId,
    run::{Outcome, RunRecord},
    skip::Skip,
};

/// So many jobs that have gone are still known: a job whose container is made anew goes on where it was. Names that are
/// used once and never again do not pile up.
const GONE_LIMIT: usize = 1_000;

/// All jobs.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    jobs: HashMap<JobId, Box<Tally>>,
    /// Those that went, the oldest first.
    gone: VecDeque<JobId>,
}

/// One job.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// In the order of [`Outcome::NAMES`].
    outcomes: [u64; Outcome::NAMES.len()],
    /// In the order of [`Skip::ALL`].
    skipped: [u32; Skip::ALL.len()],
    pub last: Option<LastRun>,
    pub succeeded: Option<Timestamp>,
    gone: bool,
}

/// The end of a job's last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastRun {
    /// When.
    pub ended: Timestamp,
    /// How long its command took, if it was started.
    pub duration: Option<Duration>,
    /// The exit code, where it is known.
    pub exit_code: Option<i64>,
}

impl Tally {
    /// How many occurrences ended in each way.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Outcome::NAMES.into_iter().zip(self.outcomes)
    }

    /// How many were skipped by each.
    pub fn skipped(&self) -> impl Iterator<Item = (Skip, u64)> {
        Skip::ALL.into_iter().zip(self.skipped.map(u64::from))
    }

    fn count(&mut self, it: &RunRecord) {
        let name = it.outcome.as_str();
        if let Some(at) = Outcome::NAMES.iter().position(|it| *it == name) {
            // Those that were missed in one gap share a record.
            self.outcomes[at] += 1 + u64::from(it.and_more);
        }
        if let Outcome::Skipped { by, .. } = &it.outcome
            && let Some(at) = Skip::ALL.iter().position(|it| it == by)
        {
            self.skipped[at] = self.skipped[at].saturating_add(1);
        }
        if it.outcome.is_of_a_run() {
            let exit_code = it.outcome.exit_code();
            self.last = Some(LastRun { ended: it.ended, duration: it.duration, exit_code });
        }
        if matches!(it.outcome, Outcome::Succeeded { .. }) {
            self.succeeded = Some(it.ended);
        }
    }
}

impl Tallies {
    pub fn count(&mut self, it: &RunRecord) {
        self.jobs.entry(it.job.clone()).or_default().count(it);
    }

    /// What an earlier agent knew of a job: less than what happened since.
    pub fn remember(&mut self, job: JobId, last: Option<LastRun>, succeeded: Option<Timestamp>) {
        let tally = self.jobs.entry(job).or_default();
        tally.last = tally.last.or(last);
        tally.succeeded = tally.succeeded.or(succeeded);
    }

    pub fn get(&self, job: &JobId) -> Option<&Tally> {
        self.jobs.get(job).map(|it| &**it)
    }

    pub fn came(&mut self, job: &JobId) {
        if let Some(tally) = self.jobs.get_mut(job).filter(|it| it.gone) {
            tally.gone = false;
            self.gone.retain(|it| it != job);
        }
    }

    pub fn went(&mut self, job: &JobId) {
        // Also where nothing is known of it yet: its last run may be going on.
        let tally = self.jobs.entry(job.clone()).or_default();
        if !std::mem::replace(&mut tally.gone, true) {
            self.gone.push_back(job.clone());
        }
        if self.gone.len() > GONE_LIMIT
            && let Some(oldest) = self.gone.pop_front()
        {
            self.jobs.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        name::JobKind,
        run::{Printed, RunId, StopCause, Trigger},
    };

    fn record(outcome: Outcome, and_more: u32) -> RunRecord {
        let at = Timestamp::UNIX_EPOCH;
        RunRecord {
            run: RunId("01".into()),
            job: JobId::plain("a"),
            kind: JobKind::Local,
            trigger: Trigger::Schedule,
            occurrence: at,
            fires: at,
            admitted: at,
            started: None,
            ended: at,
            container: None,
            duration: None,
            outcome,
            attempts: 0,
            printed: Printed::default(),
            no_more: None,
            note: None,
            and_more,
        }
    }

    #[test]
    fn each_outcome_and_each_reason_has_its_count_and_what_was_missed_together_is_counted_singly() {
        let reason = String::new;
        let mut tally = Tally::default();
        for outcome in [
            Outcome::Succeeded { exit_code: Some(0) },
            Outcome::Failed { exit_code: Some(3), reason: None },
            Outcome::TimedOut { still_running: None, waited_for: None },
            Outcome::Stopped { by: StopCause::Operator, still_running: None },
            Outcome::NotStarted { error: reason() },
            Outcome::Lost { reason: reason() },
        ] {
            tally.count(&record(outcome, 0));
        }
        for by in Skip::ALL {
            tally.count(&record(Outcome::Skipped { by, reason: reason() }, 0));
        }
        assert_eq!(
            tally.last.unwrap().exit_code,
            None,
            "what was lost has none, and what was skipped is no run"
        );
        tally.count(&record(Outcome::Missed { reason: reason() }, 4));
        let counts: HashMap<_, _> = tally.outcomes().collect();
        assert_eq!((counts["skipped"], counts["missed"]), (10, 5));
        let others = counts.iter().filter(|(name, _)| !["skipped", "missed"].contains(name));
        assert!(others.clone().all(|(_, count)| *count == 1) && others.count() == 6, "{counts:?}");
        assert!(tally.skipped().all(|(_, count)| count == 1));
    }

    #[test]
    fn a_job_that_comes_back_goes_on_and_names_that_are_used_once_do_not_pile_up() {
        let mut tallies = Tallies::default();
        let last = LastRun { ended: Timestamp::UNIX_EPOCH, duration: None, exit_code: Some(7) };
        let stays = JobId::plain("stays");
        tallies.remember(stays.clone(), Some(last), None);
        for n in 0..3 * GONE_LIMIT {
            tallies.went(&JobId::plain(&format!("once-{n}")));
            tallies.went(&stays);
            tallies.came(&stays);
        }
        assert!(tallies.gone.len() <= GONE_LIMIT, "{}", tallies.gone.len());
        assert_eq!(tallies.jobs.len(), tallies.gone.len() + 1);
        assert_eq!(tallies.get(&stays).unwrap().last, Some(last));
        tallies.remember(stays.clone(), None, Some(Timestamp::UNIX_EPOCH));
        assert_eq!(tallies.get(&stays).unwrap().last, Some(last), "what is known stays");
    }
}
