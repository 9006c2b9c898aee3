//! What can happen to the agent, and what follows from it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    model::{
        diagnostic::Diagnostic,
        job::JobSpec,
        name::{JobId, JobKind},
        run::{Item, RunId, RunRecord, StopForce, StopRequest},
    },
    run::order::RunOrder,
    settings::resolve::Desired,
};

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
    /// Keep all of this together, before anything else is done: of what is not kept nothing may begin.
    Keep(Vec<Item>),
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
