//! A message for programs: the body that a `webhook` sends unless it has its own template, and what templates can ask for.
//!
//! Every field is always there, `null` where it is not known: a receiver need not ask twice, and a name that a template asks
//! for in vain is a mistake. Fields are only ever added; another meaning is another [`VERSION`].
//! `docs/notifications.md` describes it, and so does the schema in `integration/notify/schemas/webhook.json`.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{
    name::JobKind,
    notification::{self, Notification, RunFacts},
};

use super::{
    Message, Severity,
    show::{line, plain},
    words::{REASON_LIMIT, broken_for},
};

/// What the fields mean.
pub const VERSION: u32 = 1;

/// A message for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Data {
    /// [`VERSION`].
    pub version: u32,
    /// What tells the message from every other.
    pub key: String,
    /// What belongs together: the same for all messages of a job.
    pub thread: String,
    /// Why it is sent, as in `notify-on`.
    pub cause: &'static str,
    /// `error`, `warning` or `info`.
    pub severity: &'static str,
    /// When it was decided, in RFC 3339.
    pub at: String,
    /// The job's identity.
    pub job: Option<String>,
    /// The job's kind.
    pub kind: Option<&'static str>,
    /// One line.
    pub title: String,
    /// Several lines of plain text.
    pub text: String,
    /// Where the agent answers with all that it knows.
    pub link: Option<String>,
    /// The run that it is about.
    pub run: Option<Run>,
    /// How long it has been going badly.
    pub streak: Streak,
    /// The expectation that was not met, or is met again.
    pub expected: Option<Expected>,
    /// How long a run usually takes, where that is why.
    pub usual_seconds: Option<f64>,
    /// The last lines of what was printed; empty where there are none.
    pub output: String,
}

/// What is known of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Its ID.
    pub id: String,
    /// Why it began: `schedule`, `startup`, `catch-up`, `manual` or `dependency`.
    pub trigger: String,
    /// The moment that the schedule named, in RFC 3339.
    pub occurrence: String,
    /// When its command was first started.
    pub started: Option<String>,
    /// When it was known how it ended.
    pub ended: Option<String>,
    /// How long the command went on.
    pub duration_seconds: Option<f64>,
    /// The outcome's word, such as `failed` or `timed-out`; `null` where it begins.
    pub outcome: Option<String>,
    /// The command's exit code.
    pub exit_code: Option<i64>,
    /// What there is to say beyond the outcome's word.
    pub reason: Option<String>,
    /// The container in which, or as which, it ran.
    pub container: Option<String>,
    /// How many attempts were made.
    pub attempts: u32,
    /// How many further occurrences it speaks for.
    pub and_more: u32,
}

/// How long it has been going badly; of a recovery, how long it had been.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Streak {
    /// How many bad ends there were without a success between.
    pub failures: u32,
    /// Since when, in RFC 3339.
    pub since: Option<String>,
    /// For how many further runs, of which nobody was told, the message speaks.
    pub folded: u32,
    /// For how long.
    pub broken_for_seconds: Option<f64>,
}

/// An expectation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expected {
    /// How often there should be a success.
    pub every_seconds: f64,
    /// The last one, in RFC 3339; `null` where none is known.
    pub last_success: Option<String>,
    /// Whether the job is still there.
    pub there: bool,
}

impl Severity {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bad => "error",
            Self::Odd => "warning",
            Self::Good => "info",
        }
    }
}

fn text_of(at: Timestamp) -> String {
    at.to_string()
}

fn seconds(length: Duration) -> f64 {
    length.as_secs_f64()
}

impl Data {
    /// Of a message whose other fields are as they will be sent.
    pub fn of(it: &Notification, message: &Message) -> Self {
        Self {
            version: VERSION,
            key: message.key.to_string(),
            thread: message.thread.to_string(),
            cause: it.cause.as_str(),
            severity: message.severity.as_str(),
            at: text_of(it.at),
            job: it.job.as_ref().map(|_| message.job.clone()),
            kind: it.kind.map(JobKind::as_str),
            title: message.title.clone(),
            text: message.text.clone(),
            link: message.link.clone(),
            run: it.run.as_ref().map(Run::of),
            streak: Streak {
                failures: it.streak.failures,
                since: it.streak.since.map(text_of),
                folded: it.streak.folded,
                broken_for_seconds: broken_for(it).map(seconds),
            },
            expected: it.expected.as_ref().map(Expected::of),
            usual_seconds: it.usual.map(seconds),
            output: message.tail.clone(),
        }
    }
}

impl Run {
    fn of(run: &RunFacts) -> Self {
        Self {
            id: run.run.to_string(),
            trigger: run.trigger.to_string(),
            occurrence: text_of(run.occurrence),
            started: run.started.map(text_of),
            ended: run.ended.map(text_of),
            duration_seconds: run.duration.map(seconds),
            outcome: run.outcome.as_deref().map(str::to_owned),
            exit_code: run.exit_code,
            reason: run.reason.as_deref().map(|reason| plain(reason, REASON_LIMIT)),
            container: run.container.as_deref().map(|name| line(name, 300)),
            attempts: run.attempts,
            and_more: run.and_more,
        }
    }
}

impl Expected {
    fn of(expected: &notification::Expected) -> Self {
        Self {
            every_seconds: seconds(expected.every),
            last_success: expected.last_success.map(text_of),
            there: expected.there,
        }
    }
}
