//! The jobs that run once when the agent starts.

use std::{collections::HashSet, sync::Arc};

use jiff::{SignedDuration, Timestamp};

use crate::{
    agent::{event::Effect, timetable::Moment},
    model::{
        job::{JobSpec, Work},
        name::JobId,
        run::{RunId, Trigger},
    },
};

use super::State;

/// How long the jobs that run when the agent starts, and need no Engine, wait for what labels may say of them.
const STARTUP_PATIENCE: SignedDuration = SignedDuration::from_secs(10);

/// How far the jobs that run when the agent starts have come.
#[derive(Debug)]
pub(super) enum Startup {
    /// Nothing is known yet.
    Waiting,
    /// Not all jobs are known; at this moment those begin that need no Engine.
    Until(Timestamp),
    /// These have begun, and not all jobs are known.
    Begun(HashSet<JobId>),
    /// All jobs were known once.
    Done,
}

impl Startup {
    /// The moment at which there is something to begin.
    pub(super) fn next(&self) -> Option<Timestamp> {
        match self {
            Self::Until(at) => Some(*at),
            Self::Waiting | Self::Begun(_) | Self::Done => None,
        }
    }
}

impl State {
    /// The jobs that run when the agent starts. Once all jobs are known they all do, and whoever is not there then has
    /// missed nothing when it comes later. Where the Engine keeps the agent waiting, those that need none do not wait
    /// for it.
    pub(in crate::agent) fn go_on_with_startup(
        &mut self,
        complete: bool,
        now: Timestamp,
        ids: &mut dyn FnMut() -> RunId,
        effects: &mut Vec<Effect>,
    ) {
        let begun = match (std::mem::replace(&mut self.startup, Startup::Done), complete) {
            (Startup::Done, _) => return,
            (Startup::Begun(begun), true) => begun,
            (Startup::Waiting | Startup::Until(_), true) => HashSet::new(),
            (Startup::Waiting, false) => {
                let at = now.saturating_add(STARTUP_PATIENCE).unwrap_or(now);
                self.startup = Startup::Until(at);
                return;
            }
            (Startup::Until(at), false) if at <= now => HashSet::new(),
            (early, false) => {
                self.startup = early;
                return;
            }
        };
        let catalog = self.catalog.clone();
        let due = catalog.iter().map(|(_, entry)| &entry.spec).filter(|spec| {
            spec.enabled && at_startup(spec) && !begun.contains(&spec.id) && (complete || !needs_engine(spec))
        });
        let due: Vec<&Arc<JobSpec>> = due.collect();
        if complete {
            self.keep.all_idle(now);
        } else {
            self.startup = Startup::Begun(due.iter().map(|spec| spec.id.clone()).collect());
        }
        for spec in due {
            let ticket = self.ticket(spec, Trigger::Startup, Moment::now(now), now, ids);
            for ticket in self.past_gate(spec, vec![ticket], now, effects) {
                self.offer_all(spec, ticket, now, ids, effects);
            }
        }
    }
}

/// Whether the job runs when the agent starts.
fn at_startup(spec: &JobSpec) -> bool {
    spec.run_on_startup || spec.schedule.at_startup()
}

/// Whether a run of the job asks the Engine for something.
pub(in crate::agent) fn needs_engine(spec: &JobSpec) -> bool {
    match spec.work {
        Work::Exec(_)
        | Work::Run(_)
        | Work::Start(_)
        | Work::ServiceRun(_)
        | Work::ServiceAction(_)
        | Work::Compose(_)
        | Work::Container(_) => true,
        Work::Local(_) => false,
    }
}
