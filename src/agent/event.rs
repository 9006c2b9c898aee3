//! What can happen to the agent, and what follows from it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::{
    model::{
        diagnostic::Diagnostic,
        job::JobSpec,
        name::{JobId, JobKind},
        notification::Notification,
        run::{Item, RunId, RunRecord, StopCause, StopForce, StopRequest, Trigger},
        unfinished::{GoingOn, Legacy, Unfinished},
    },
    run::order::{RunOrder, TakenUp},
    settings::resolve::Desired,
};

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// What the last agent left; the first thing that happens to this one.
    Left(Legacy),
    /// These go on, and the store knows nothing of them: it was lost.
    Found(Vec<Unfinished>),
    /// Sources or observation changed: this is what there should be now.
    Desired(Desired),
    /// Time has passed.
    Tick,
    /// Whether the Engine answers. While it does not, what needs it waits.
    Engine {
        /// It does.
        answers: bool,
    },
    /// A run has ended.
    RunEnded {
        /// Its record.
        record: Box<RunRecord>,
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
    /// An operator asks that nothing of a job is due, until this moment or until it is resumed.
    Pause {
        /// The job.
        job: JobId,
        /// When the pause ends by itself.
        until: Option<Timestamp>,
    },
    /// An operator asks that a job goes on.
    Resume {
        /// The job.
        job: JobId,
    },
    /// An operator asks for a run.
    RunNow {
        /// Its job.
        job: JobId,
    },
    /// Someone asks a run to end.
    StopRun {
        /// The run.
        run: RunId,
        /// Who.
        by: StopCause,
    },
}

/// Why what an operator asked for is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such job.
    #[error("there is no job \"{0}\" now")]
    NoJob(JobId),
    /// There is no such run.
    #[error("no run {0} goes on or waits for its turn")]
    NoRun(RunId),
    /// The job may not run.
    #[error("the job \"{0}\" is not enabled")]
    Disabled(JobId),
    /// The pause would be over already.
    #[error("{0} has passed: a pause ends later than now")]
    Over(Timestamp),
    /// The run was not begun, and left its record.
    #[error("run {run} was skipped: {reason}")]
    Skipped {
        /// The run.
        run: RunId,
        /// Why.
        reason: String,
    },
    /// Nothing begins any more.
    #[error("the agent is shutting down")]
    Ending,
}

/// What is answered to who asked: the run that it is about, if it is about one.
pub type Answer = Result<Vec<RunId>, Refused>;

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Begin this run; it is registered.
    Start(RunOrder),
    /// Take up this run, which the last agent began; it is registered.
    TakeUp(TakenUp),
    /// Wait until what could not be ended of this run has gone.
    Await(GoingOn),
    /// Ask this run to end.
    Stop(RunId, StopRequest),
    /// Tell the operator.
    Tell(Told),
    /// Answer who asked.
    Answer(Answer),
    /// Keep all of this together, before anything else is done: of what is not kept nothing may begin.
    Keep(Vec<Item>),
    /// This is to be told; it is kept.
    Notify(Notification),
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
    /// Nothing of a job is due from now on.
    JobPaused {
        /// The job.
        job: JobId,
        /// Its kind.
        kind: JobKind,
        /// When the pause ends by itself.
        until: Option<Timestamp>,
    },
    /// A job that was paused goes on.
    JobResumed {
        /// The job.
        job: JobId,
        /// Its kind.
        kind: JobKind,
        /// Its next occurrence.
        next: Option<Timestamp>,
        /// Why.
        reason: &'static str,
    },
    /// An occurrence came due and waits for other jobs.
    RunHeld {
        /// The run that it will be.
        run: RunId,
        /// Its job.
        job: JobId,
        /// The job's kind.
        kind: JobKind,
        /// Why it came.
        trigger: Trigger,
        /// The moment that the schedule named.
        occurrence: Timestamp,
        /// What it waits for.
        reason: String,
    },
    /// Something new is wrong with what was written.
    Problem(Diagnostic),
    /// An occurrence left its record.
    Record(RunRecord),
}
