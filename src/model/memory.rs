//! What is remembered of a job while the agent does not run.

use jiff::Timestamp;

use super::{schedule::Schedule, spread};

/// What is remembered of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// When the job was first seen: `@every` counts from there.
    pub anchor: Timestamp,
    /// The [`fingerprint`] of the schedule that it had.
    pub schedule: u64,
    /// Everything up to here was dealt with.
    pub seen: Timestamp,
    /// Since then the job was disabled or nobody defined it: nothing was due.
    pub idle: bool,
    /// What happened to it, and what an operator wants of it.
    pub marks: Marks,
}

/// What is remembered of a job whatever becomes of its schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// When its last run began. These moments and those of the other jobs are in the order in which things happened,
    /// whatever was done to the clock meanwhile.
    pub ran: Option<Timestamp>,
    /// When its last success was seen.
    pub succeeded: Option<Timestamp>,
    /// Whether an operator paused it.
    pub paused: Option<Pause>,
}

/// A pause of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    /// Its end; `None` is when an operator says so.
    pub until: Option<Timestamp>,
}

/// A number that stands for a schedule and its zone: two that differ have different ones.
pub fn fingerprint(schedule: &Schedule) -> u64 {
    spread::hash(&[schedule.text().as_bytes(), schedule.zone().name().as_bytes()])
}
