//! A notification in words.
//!
//! [`message`] makes them, by the channel's templates where it has some; [`tail()`] reads off what a run printed, and [`digest()`]
//! writes a day as a table. Names, reasons and output come from containers that nobody vouches for: here they lose what
//! a terminal obeys and what is too long; each service then quotes them as it must.

mod data;
mod digest;
mod facts;
pub(super) mod show;
mod tail;
#[cfg(test)]
mod tests;
mod words;

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, tz::TimeZone};

pub use data::{Data, Expected, Run, Streak, VERSION};
pub use digest::{DigestRow, digest};
pub use tail::{TAIL_LIMIT, tail};

use crate::model::{
    channel::Channel,
    notification::{Cause, Notification},
};

use super::template;
use show::{line, path_part, plain};

/// The longest identity of a job, in characters; one that someone writes has at most 255.
const JOB_LIMIT: usize = 300;

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

impl Severity {
    /// Of a message with this cause.
    pub fn of(cause: Cause) -> Self {
        match cause {
            it if it.is_bad() => Self::Bad,
            Cause::Skip | Cause::Slow | Cause::Stop => Self::Odd,
            _ => Self::Good,
        }
    }
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

/// The words of a notification for this channel.
///
/// A template that fails loses no message: then the usual words are sent, and its failure is told at the end of the text.
pub fn message(
    notification: &Notification,
    channel: &Channel,
    public_url: Option<&str>,
    zone: &TimeZone,
) -> Result<Message, String> {
    let it = notification;
    let run = it.run.as_ref();
    let tail = run.and_then(|run| run.tail.as_deref()).filter(|_| channel.number("output-lines") != Some(0));
    let job = it.job.as_ref().map_or_else(String::new, |job| line(job.as_str(), JOB_LIMIT));
    let thread = if it.job.is_some() { format!("watchbell:{job}") } else { "watchbell".to_owned() };
    let mut message = Message {
        key: it.id.clone(),
        thread: thread.into(),
        cause: it.cause,
        severity: Severity::of(it.cause),
        at: it.at,
        title: words::title(it, channel),
        text: words::text(it, zone),
        tail: tail.map_or_else(String::new, |tail| plain(tail, TAIL_LIMIT)),
        link: public_url.and_then(|address| link(it, address)),
        facts: facts::facts(it, zone),
        data: serde_json::Value::Null,
        job,
        run: run.map_or_else(String::new, |run| run.run.to_string()),
        exit_code: run.and_then(|run| run.exit_code),
        duration: run.and_then(|run| run.duration),
    };
    message.data = serde_json::to_value(Data::of(it, &message))
        .map_err(|error| format!("the message cannot be written as JSON ({error}): report this as a bug"))?;
    by_templates(&mut message, channel);
    Ok(message)
}

/// Puts what the channel's templates make in place of title and text.
fn by_templates(message: &mut Message, channel: &Channel) {
    let mut failed = Vec::new();
    let mut made = |key: &str| match template::render(channel.text(key)?, message) {
        Ok(text) => Some(text),
        Err(why) => {
            failed.push(format!("the {key} of this channel failed: {why}"));
            None
        }
    };
    let title = made("title-template");
    let text = made("template");
    if let Some(title) = title {
        match line(&title, words::TITLE_LIMIT) {
            title if title.is_empty() => failed.push(
                "the title-template of this channel failed: it makes an empty title: write one that always says something"
                    .to_owned(),
            ),
            title => message.title = title,
        }
    }
    if let Some(text) = text {
        message.text = text;
    }
    if !failed.is_empty() {
        let apart = if message.text.is_empty() { "" } else { "\n\n" };
        message.text = format!("{}{apart}{}", message.text, failed.join("\n"));
    }
    message.data["title"] = message.title.as_str().into();
    message.data["text"] = message.text.as_str().into();
}

/// Where the agent answers with what it knows of the run, or else of the job; none where nothing would be found.
fn link(it: &Notification, address: &str) -> Option<String> {
    let address = address.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let gone = it.expected.is_some_and(|expected| !expected.there);
    match (&it.run, &it.job) {
        (Some(run), _) => Some(format!("{address}/api/runs/{}", path_part(&run.run))),
        (None, Some(job)) if !gone => Some(format!("{address}/api/jobs/{}", path_part(job.as_str()))),
        _ => None,
    }
}
