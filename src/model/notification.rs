//! What someone is told of a job, and when.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    name::{JobId, JobKind},
    share::Recent,
    word,
};

/// Why someone is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A run failed, or could not be started.
    Failure,
    /// The job succeeds again, after someone was told that it does not.
    Recovery,
    /// A run took longer than its timeout.
    Timeout,
    /// A policy decided that an occurrence does not run.
    Skip,
    /// A moment passed while the agent could not act.
    Missed,
    /// How a run ended cannot be told.
    Lost,
    /// A run succeeded.
    Success,
    /// A run begins.
    Start,
    /// There was no success for longer than there should be.
    Expect,
    /// A run took much longer than usual (`duration-over`).
    Slow,
    /// Someone stopped a run. Only `always` asks for it.
    Stop,
    /// What happened in a day (`digest`).
    Digest,
    /// Someone wants to see whether it arrives.
    Test,
}

impl Cause {
    /// All of them by their words, in the order of the documentation.
    pub const NAMES: [(&'static str, Self); 13] = [
        ("failure", Self::Failure),
        ("recovery", Self::Recovery),
        ("timeout", Self::Timeout),
        ("skip", Self::Skip),
        ("missed", Self::Missed),
        ("lost", Self::Lost),
        ("success", Self::Success),
        ("start", Self::Start),
        ("expect", Self::Expect),
        ("slow", Self::Slow),
        ("stop", Self::Stop),
        ("digest", Self::Digest),
        ("test", Self::Test),
    ];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        word::of(Self::NAMES, self)
    }

    /// Whether something is wrong that someone has to look after.
    pub fn is_bad(self) -> bool {
        match self {
            Self::Failure | Self::Timeout | Self::Lost | Self::Expect | Self::Missed => true,
            Self::Recovery
            | Self::Skip
            | Self::Success
            | Self::Start
            | Self::Slow
            | Self::Stop
            | Self::Digest
            | Self::Test => false,
        }
    }
}

/// A set of causes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Causes(u16);

impl fmt::Debug for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Cause::as_str)).finish()
    }
}

impl Causes {
    /// What is told of a job unless someone says otherwise.
    pub const USUAL: Self =
        Self::of(&[Cause::Failure, Cause::Recovery, Cause::Timeout, Cause::Lost, Cause::Expect]);

    /// Everything that becomes of an occurrence (`always`).
    pub const ALWAYS: Self = Self::of(&[
        Cause::Failure,
        Cause::Recovery,
        Cause::Timeout,
        Cause::Skip,
        Cause::Missed,
        Cause::Lost,
        Cause::Success,
        Cause::Start,
        Cause::Expect,
        Cause::Stop,
    ]);

    /// These.
    pub const fn of(causes: &[Cause]) -> Self {
        let (mut set, mut at) = (0, 0);
        while at < causes.len() {
            set |= 1 << causes[at] as u16;
            at += 1;
        }
        Self(set)
    }

    /// Whether this is one of them.
    pub fn contains(self, cause: Cause) -> bool {
        self.0 & (1 << cause as u16) != 0
    }

    /// They and those.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// They in the words with which they would be written; `none` where there are none.
    pub fn words(self) -> Vec<&'static str> {
        if self == Self::ALWAYS {
            return vec!["always"];
        }
        let words: Vec<&str> = self.iter().map(Cause::as_str).collect();
        if words.is_empty() { vec!["none"] } else { words }
    }

    /// Each of them, in the order of the documentation.
    pub fn iter(self) -> impl Iterator<Item = Cause> {
        Cause::NAMES.into_iter().map(|(_, it)| it).filter(move |it| self.contains(*it))
    }
}

/// Who is told of a job, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// The names of the channels, each once.
    pub channels: Vec<Arc<str>>,
    /// Of what; `None` leaves it to each channel, and to [`Causes::USUAL`].
    pub on: Option<Causes>,
    /// How many failures must follow each other before it is told of; at least 1.
    pub after: u32,
    /// So long after one message of a sort, others of the same sort are counted and told together.
    pub cooldown: Duration,
    /// Which success is told of as slow.
    pub duration_over: Option<Over>,
    /// There should be a success at least this often.
    pub expect_every: Option<Duration>,
}

impl Notify {
    /// How long other messages of the same sort are held, unless someone says otherwise.
    pub const COOLDOWN: Duration = Duration::from_secs(3600);

    /// Many jobs tell the same people of the same: they share one.
    pub fn shared(self) -> Arc<Self> {
        static RECENT: Recent<Notify> = Recent::new();
        RECENT.share(self)
    }
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            channels: Vec::new(),
            on: None,
            after: 1,
            cooldown: Self::COOLDOWN,
            duration_over: None,
            expect_every: None,
        }
    }
}

/// How long a run may take until it is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// So many hundredths of the median of the last successes.
    Median(u32),
    /// This long.
    Length(Duration),
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Median(hundredths) => match (hundredths / 100, hundredths % 100) {
                (whole, 0) => write!(f, "{whole}x"),
                (whole, part) => write!(f, "{}x", format!("{whole}.{part:02}").trim_end_matches('0')),
            },
            Self::Length(length) => write!(f, "{}", humantime::format_duration(*length)),
        }
    }
}

/// A message on its way to one channel: facts, from which its words are made when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// What tells it from every other: the same facts for the same channel have the same, however often they are found.
    pub id: Arc<str>,
    /// The name of its channel.
    pub channel: Arc<str>,
    /// Why.
    pub cause: Cause,
    /// When it was decided.
    pub at: Timestamp,
    /// About which job; `None` is about all of them, or none.
    pub job: Option<JobId>,
    /// The job's kind.
    pub kind: Option<JobKind>,
    /// The run that it is about.
    pub run: Option<RunFacts>,
    /// How long it has been going badly.
    pub streak: Streak,
    /// The expectation that was not met, or is met again.
    pub expected: Option<Expected>,
    /// How long a run usually takes, where that is why.
    pub usual: Option<Duration>,
    /// What there is to say beyond that: the words of a digest.
    pub text: Option<String>,
}

/// What is known of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFacts {
    /// Its ID.
    pub run: Arc<str>,
    /// Why it began.
    pub trigger: Arc<str>,
    /// The moment that the schedule named.
    pub occurrence: Timestamp,
    /// When its command was first started.
    pub started: Option<Timestamp>,
    /// When it was known how it ended; `None` where it begins.
    pub ended: Option<Timestamp>,
    /// How long the command went on.
    pub duration: Option<Duration>,
    /// The outcome's word; `None` where it begins.
    pub outcome: Option<Arc<str>>,
    /// The command's exit code.
    pub exit_code: Option<i64>,
    /// What there is to say beyond the outcome's word.
    pub reason: Option<Arc<str>>,
    /// The container in which, or as which, it ran.
    pub container: Option<Arc<str>>,
    /// How many attempts were made.
    pub attempts: u32,
    /// How many further occurrences it speaks for.
    pub and_more: u32,
    /// The last lines of what it printed, once someone has read them.
    pub tail: Option<Arc<str>>,
}

/// How long it has been going badly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streak {
    /// How many bad ends there were without a success between; of a recovery, before it.
    pub failures: u32,
    /// Since when.
    pub since: Option<Timestamp>,
    /// For how many further ones, of which nobody was told, this message speaks.
    pub folded: u32,
}

/// An expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// How often there should be a success.
    pub every: Duration,
    /// The last one; `None` is none that is known.
    pub last_success: Option<Timestamp>,
    /// Whether the job is still there.
    pub there: bool,
}
