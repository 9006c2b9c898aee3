//! What is to be kept for the next agent, or for who asks later.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    audit::Audit,
    halt::{Halt, HaltId},
    job::Retention,
    memory::Memory,
    name::JobId,
    notification::Notification,
    notify_memory::NotifyMemory,
    run::{Admitted, Outcome, RunId, RunRecord, StopRequest, WorkHandle},
    secret::TokenHash,
    session::Session,
};

/// Something to be kept for the next agent, or for who asks later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// What is remembered of a job from now on; `None` is nothing.
    Memory(JobId, Option<Memory>),
    /// An occurrence came due and waits its turn.
    Waits(Admitted),
    /// A run begins.
    Begins(Admitted),
    /// An attempt is called this, and is about to begin or has just begun.
    AttemptStarted {
        /// Its run.
        run: RunId,
        /// Which of the run's attempts it is, from 1.
        number: u32,
        /// When.
        at: Timestamp,
        /// How to find it again.
        handle: WorkHandle,
    },
    /// A run was asked to end. The first who asked stays, and whoever asks harder is heard.
    Stops(RunId, StopRequest),
    /// An attempt took longer than its timeout, and is being ended for that.
    TimedOut {
        /// Its run.
        run: RunId,
        /// Which of the run's attempts it is, from 1.
        number: u32,
    },
    /// An attempt ended.
    AttemptEnded {
        /// Its run.
        run: RunId,
        /// Which of the run's attempts it is, from 1.
        number: u32,
        /// When.
        at: Timestamp,
        /// How.
        outcome: Outcome,
    },
    /// An occurrence left its record, and the runs of its job are kept for so long.
    Ended(RunRecord, Option<Retention>),
    /// A command that could not be ended when its run left its record has gone.
    Gone(RunId),
    /// These containers and services are about to be stopped for a run. This must outlast everything.
    Halted(Vec<Halt>),
    /// It does not need to be started again for a run any more.
    Restored {
        /// What was stopped.
        what: HaltId,
        /// The run.
        run: RunId,
    },
    /// What is remembered of what was told of a job from now on; `None` is nothing.
    NotifyMemory(JobId, Option<Box<NotifyMemory>>),
    /// Someone is to be told this, until it has arrived or is given up.
    Notify(Notification),
    /// What a run printed last was read for this message.
    Tail {
        /// The message.
        id: Arc<str>,
        /// The last lines.
        text: Arc<str>,
    },
    /// A channel is sent its daily message of this moment.
    Digested {
        /// The channel.
        channel: Arc<str>,
        /// When it came due.
        at: Timestamp,
    },
    /// This message has arrived.
    Delivered(Arc<str>),
    /// This one will not arrive.
    GivenUp(Arc<str>),
    /// Someone logged in.
    LoggedIn(Session),
    /// A session is over.
    LoggedOut(TokenHash),
    /// Someone asked for a change.
    Audited(Audit),
}
