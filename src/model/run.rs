//! One execution of a job: what it is called, why it began and how it ended.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;

pub use super::item::Item;

use super::{
    name::{JobId, JobKind},
    service::Followed,
    skip::Skip,
    unfinished::Terms,
};

/// A run's ID: 26 characters, sortable by time of admission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub Arc<str>);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Its schedule named the moment.
    Schedule,
    /// The agent started.
    Startup,
    /// Its moment was missed, and the job's policy lets it run after all.
    CatchUp,
    /// Someone asked for it.
    Manual,
    /// A run of another job ended as it was to end for this one to start.
    Dependency,
}

impl Trigger {
    /// Every trigger.
    pub const ALL: [Self; 5] = [Self::Schedule, Self::Startup, Self::CatchUp, Self::Manual, Self::Dependency];

    /// The trigger as it stands in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schedule => "schedule",
            Self::Startup => "startup",
            Self::CatchUp => "catch-up",
            Self::Manual => "manual",
            Self::Dependency => "dependency",
        }
    }
}

/// How an occurrence ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The command ended with an exit code that counts as success, or what has no exit code was done.
    Succeeded {
        /// The code: 0, unless the job says otherwise; `None` where there was no command.
        exit_code: Option<i64>,
    },
    /// The command ended with any other exit code, or what has no exit code was not done.
    Failed {
        /// The code; 128 + n where signal n ended the command. `None` where there was no command.
        exit_code: Option<i64>,
        /// What else is known, for example that the command does not exist.
        reason: Option<String>,
    },
    /// It took longer than its timeout.
    TimedOut {
        /// Why the command, or a part of it, could not be ended and goes on; `None` where it has gone.
        still_running: Option<String>,
        /// What it waited for, where that is known and it never began.
        waited_for: Option<String>,
    },
    /// Someone asked for it to end.
    Stopped {
        /// Who or what.
        by: StopCause,
        /// Why the command, or a part of it, could not be ended and goes on; `None` where it has gone.
        still_running: Option<String>,
    },
    /// A policy decided that it does not run.
    Skipped {
        /// What decided it.
        by: Skip,
        /// The policy, and what it saw.
        reason: String,
    },
    /// Its moment passed while the agent could not act.
    Missed {
        /// Why.
        reason: String,
    },
    /// It could not be started.
    NotStarted {
        /// The operation that failed, and why.
        error: String,
    },
    /// It was started, and how it ended cannot be told.
    Lost {
        /// Why.
        reason: String,
    },
}

/// What a reason says of a command that could not be ended.
pub const STILL_RUNNING: &str = "the command could not be ended and is still running";

impl Outcome {
    /// How each stands in logs.
    pub const NAMES: [&'static str; 8] =
        ["succeeded", "failed", "timed-out", "stopped", "skipped", "missed", "not-started", "lost"];

    /// Whether someone has to look after it.
    pub fn is_bad(&self) -> bool {
        match self {
            Self::Failed { .. } | Self::TimedOut { .. } | Self::NotStarted { .. } | Self::Lost { .. } => true,
            Self::Succeeded { .. } | Self::Stopped { .. } | Self::Skipped { .. } | Self::Missed { .. } => {
                false
            }
        }
    }

    /// Whether a run began, or was to begin at once.
    pub fn is_of_a_run(&self) -> bool {
        !matches!(self, Self::Skipped { .. } | Self::Missed { .. })
    }

    /// The outcome as it stands in logs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Succeeded { .. } => "succeeded",
            Self::Failed { .. } => "failed",
            Self::TimedOut { .. } => "timed-out",
            Self::Stopped { .. } => "stopped",
            Self::Skipped { .. } => "skipped",
            Self::Missed { .. } => "missed",
            Self::NotStarted { .. } => "not-started",
            Self::Lost { .. } => "lost",
        }
    }

    /// The command's exit code, where it is known.
    pub fn exit_code(&self) -> Option<i64> {
        match self {
            Self::Succeeded { exit_code } | Self::Failed { exit_code, .. } => *exit_code,
            _ => None,
        }
    }

    /// Whether the command, or a part of it, could not be ended and goes on.
    pub fn goes_on(&self) -> bool {
        matches!(
            self,
            Self::TimedOut { still_running: Some(_), .. } | Self::Stopped { still_running: Some(_), .. }
        )
    }

    /// What there is to say beyond the outcome's name.
    pub fn reason(&self) -> Option<String> {
        let still = |why: &str| {
            let colon = if why.is_empty() { "" } else { ": " };
            format!("{STILL_RUNNING}{colon}{why}")
        };
        match self {
            Self::Succeeded { .. } => None,
            Self::Failed { reason, .. } => reason.clone(),
            Self::TimedOut { still_running, waited_for } => {
                let still = still_running.as_deref().map(still);
                let parts: Vec<String> = waited_for.iter().cloned().chain(still).collect();
                (!parts.is_empty()).then(|| parts.join("; "))
            }
            Self::Stopped { by, still_running: None } => Some(by.as_str().to_owned()),
            Self::Stopped { by, still_running: Some(why) } => {
                Some(format!("{}; {}", by.as_str(), still(why)))
            }
            Self::Skipped { reason, .. } | Self::Missed { reason } | Self::Lost { reason } => {
                Some(reason.clone())
            }
            Self::NotStarted { error } => Some(error.clone()),
        }
    }
}

/// The two parts of the reason of a run that was ended: what was waited for or who asked, and why it goes on.
pub fn reason_of_ended(reason: &str) -> (&str, Option<&str>) {
    match reason.split_once(STILL_RUNNING) {
        Some((first, why)) => (first.trim_end_matches("; "), Some(why.trim_start_matches(": "))),
        None => (reason, None),
    }
}

/// Who or what asked for a run to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// The agent is shutting down.
    Shutdown,
    /// The job's next occurrence replaces it (`overlap=replace`).
    Replaced,
    /// Someone asked for this run to end.
    Operator,
}

impl StopCause {
    /// The cause in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shutdown => "the agent is shutting down",
            Self::Replaced => "the next occurrence replaces it",
            Self::Operator => "an operator stopped it",
        }
    }
}

/// Asks a run to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopRequest {
    /// How hard; a later request may only be harder.
    pub force: StopForce,
    /// Who or what asks. The first cause stays.
    pub cause: StopCause,
}

impl StopRequest {
    /// A request may get harder, never softer, and its first cause stays. The answer is whether it is another one now.
    pub fn goes_over(self, last: &mut Option<Self>) -> bool {
        match last {
            Some(last) if last.force >= self.force => return false,
            // That it makes no further attempt is not yet a cause of its end.
            Some(last) if last.force == StopForce::Finish => *last = self,
            Some(last) => last.force = self.force,
            None => *last = Some(self),
        }
        true
    }
}

/// How hard a run is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopForce {
    /// Let it go on, but make no further attempt.
    Finish,
    /// Ask it to stop, and kill it after its grace period.
    Stop,
    /// Kill it now.
    Kill,
}

/// An occurrence that came due, as it is known before it has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// The run's ID.
    pub run: RunId,
    /// The job.
    pub job: JobId,
    /// The job's kind.
    pub kind: JobKind,
    /// Why it began.
    pub trigger: Trigger,
    /// The moment that the schedule named.
    pub occurrence: Timestamp,
    /// The moment from which it was to begin: with jitter a little later.
    pub fires: Timestamp,
    /// When it came due and was given its ID.
    pub admitted: Timestamp,
    /// The container in or as which it runs, once that is settled.
    pub container: Option<String>,
    /// How it is to be ended, once it begins.
    pub terms: Option<Arc<Terms>>,
}

/// The one record that an occurrence leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// The run's ID.
    pub run: RunId,
    /// The job.
    pub job: JobId,
    /// The job's kind.
    pub kind: JobKind,
    /// Why it began.
    pub trigger: Trigger,
    /// The moment that the schedule named.
    pub occurrence: Timestamp,
    /// The moment from which it was to begin: with jitter a little later.
    pub fires: Timestamp,
    /// When it came due and was given its ID.
    pub admitted: Timestamp,
    /// When its command was first started.
    pub started: Option<Timestamp>,
    /// When it was known how it ended.
    pub ended: Timestamp,
    /// The container in which, or as which, it ran.
    pub container: Option<String>,
    /// How long the command went on; `None` where it never began.
    pub duration: Option<Duration>,
    /// How it ended.
    pub outcome: Outcome,
    /// How many attempts were made; 0 where it never came to one.
    pub attempts: u32,
    /// What its attempts printed, kept or not.
    pub printed: Printed,
    /// Why a further attempt that was left was not made.
    pub no_more: Option<String>,
    /// What there is to know of a run that another agent began.
    pub note: Option<String>,
    /// How many further occurrences this record speaks for: those that passed in one gap are told together.
    pub and_more: u32,
}

impl RunRecord {
    /// What there is to say beyond the outcome's name.
    pub fn reason(&self) -> Option<String> {
        let no_more = self.no_more.as_ref().map(|why| format!("no further attempt was made: {why}"));
        let parts: Vec<String> =
            self.outcome.reason().into_iter().chain(no_more).chain(self.note.clone()).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

/// One of the two streams of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// How many bytes were printed to each stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Printed {
    /// Standard output.
    pub stdout: u64,
    /// Standard error.
    pub stderr: u64,
}

/// What an attempt is called by whoever carries it out, so that the next agent finds it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkHandle {
    /// A command in a container.
    Exec {
        /// The Engine's ID of the command.
        exec: String,
        /// The container's ID.
        container: String,
    },
    /// A container that was made for it.
    Container {
        /// The container's ID.
        id: String,
    },
    /// A container that was there already.
    Existing {
        /// The container's ID.
        id: String,
    },
    /// A Swarm service that was made for it.
    Service {
        /// The service's ID.
        id: String,
    },
    /// What is done to a container that was there already, and is nobody's to remove.
    Action {
        /// The container's ID.
        container: String,
        /// When it had been started before, by the Engine's clock.
        started: Option<Timestamp>,
    },
    /// A Swarm service that was there, and is changed for it.
    Change {
        /// The service's ID.
        service: String,
        /// How many tasks it is given back afterwards.
        back: Option<u64>,
        /// How it is followed; none where an earlier version's agent began it, which did not say.
        followed: Option<Followed>,
    },
    /// A process beside the agent.
    Process {
        /// Its ID.
        pid: i32,
        /// When it began, in the kernel's ticks since boot: an ID alone is used again.
        start: u64,
    },
}
