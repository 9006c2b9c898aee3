//! A notification in words.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::model::notification::Cause;

/// How bad it is, for services that sort by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something is wrong.
    Bad,
    /// Something is odd.
    Odd,
    /// It goes well, or well again.
    Good,
}

/// What a channel sends.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What tells it from every other; a receiver that was sent it twice knows by it.
    pub key: Arc<str>,
    /// What belongs together: the same for a failure and the recovery from it.
    pub thread: Arc<str>,
    /// Why it is sent.
    pub cause: Cause,
    /// How bad it is.
    pub severity: Severity,
    /// When it was decided.
    pub at: Timestamp,
    /// One line: `backup failed with exit code 3`.
    pub title: String,
    /// Several lines of plain text, without the title and without what was printed.
    pub text: String,
    /// The last lines of what was printed, at most a few thousand characters; empty where there are none.
    pub tail: String,
    /// The page of the run, or of the job, where `public-url` says how the agent is called.
    pub link: Option<String>,
    /// What is known, by name, in the order in which it is shown: `job`, `outcome`, `exit code`, …
    pub facts: Vec<(&'static str, String)>,
    /// The same for programs: what a `webhook` sends, and what a template can ask for.
    pub data: serde_json::Value,
    /// The job's identity; empty where it is about none.
    pub job: String,
    /// The run's ID; empty where it is about none.
    pub run: String,
    /// The command's exit code.
    pub exit_code: Option<i64>,
    /// How long the command went on.
    pub duration: Option<Duration>,
}
