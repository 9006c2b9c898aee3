//! What is remembered of what was told of one job. It outlives the agent, and the job where something is still to be told
//! of it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{
    name::JobKind,
    notification::{Cause, Expected, RunFacts, Streak},
};

/// What is remembered of one job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NotifyMemory {
    /// Its bad ends without a success between.
    pub failures: u32,
    /// When the first of them was.
    pub since: Option<Timestamp>,
    /// What each of its channels was told, by the channel's name.
    pub heard: BTreeMap<Arc<str>, Heard>,
    /// How long its last successes took, the oldest first, where it says which one is slow.
    pub durations: VecDeque<Duration>,
    /// How often it should succeed, where it says so.
    pub expectation: Option<Expectation>,
}

/// What one channel was told of one job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard {
    /// Whether it was told of the bad ends that [`NotifyMemory::failures`] counts.
    pub of_streak: bool,
    /// What of each sort.
    pub sorts: BTreeMap<Sort, Told>,
}

/// Messages that are counted and told together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sort {
    /// Bad ends, whatever their causes.
    Bad,
    /// Skipped occurrences.
    Skip,
    /// Missed ones.
    Missed,
    /// Runs that someone stopped.
    Stop,
    /// Successes that took long.
    Slow,
}

impl Sort {
    /// All of them by their words.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("bad", Self::Bad),
        ("skip", Self::Skip),
        ("missed", Self::Missed),
        ("stop", Self::Stop),
        ("slow", Self::Slow),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        super::word::of(Self::NAMES, self)
    }
}

/// What was told of one sort.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// When the last message was decided.
    pub last: Option<Timestamp>,
    /// What came since, and was not told.
    pub held: Option<Box<Held>>,
}

/// What is counted and not told yet: the newest of it stands for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// When it is told at the latest.
    pub until: Timestamp,
    /// How many occurrences it speaks for.
    pub count: u32,
    /// Why the newest would have been told.
    pub cause: Cause,
    /// The job's kind.
    pub kind: JobKind,
    /// The newest.
    pub run: RunFacts,
    /// How long it had been going badly then.
    pub streak: Streak,
    /// How long a run usually takes, where that is why.
    pub usual: Option<Duration>,
}

/// That a job should succeed so often, and who is told if it does not. It holds whatever becomes of the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// How often.
    pub every: Duration,
    /// From when it is counted: the last success, or when the expectation was first seen.
    pub from: Timestamp,
    /// The last success that is known.
    pub last_success: Option<Timestamp>,
    /// When it was told that it is not met. It is not told again before it was met.
    pub told: Option<Timestamp>,
    /// Who is told of it; once it was told, who was.
    pub channels: Vec<Arc<str>>,
    /// The job's kind.
    pub kind: JobKind,
}

impl Expectation {
    /// When it is not met any more.
    pub fn deadline(&self) -> Timestamp {
        self.from.saturating_add(self.every).unwrap_or(Timestamp::MAX)
    }

    /// What there is to say of it.
    pub fn facts(&self, there: bool) -> Expected {
        Expected { every: self.every, last_success: self.last_success, there }
    }
}

impl NotifyMemory {
    /// How long it has been going badly.
    pub fn streak(&self) -> Streak {
        Streak { failures: self.failures, since: self.since, folded: 0 }
    }

    /// When held messages are to be told, the earliest of them.
    pub fn held_until(&self) -> Option<Timestamp> {
        let told = self.heard.values().flat_map(|it| it.sorts.values());
        told.filter_map(|it| it.held.as_ref()).map(|it| it.until).min()
    }
}
