//! Title and text of a message, where no template says otherwise.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::model::{
    channel::Channel,
    notification::{Cause, Expected, Notification, RunFacts},
};

use super::show::{between, count, duration, line, moment, plain};

/// The longest title, in characters.
pub const TITLE_LIMIT: usize = 300;

/// The longest reason, in characters.
pub const REASON_LIMIT: usize = 2000;

/// The longest text that came with the facts, in characters: a digest of many jobs.
const GIVEN_LIMIT: usize = 16_000;

/// One line: `backup failed with exit code 3`.
pub fn title(it: &Notification, channel: &Channel) -> String {
    let job = it.job.as_ref().map_or("a job", |job| job.as_str());
    let run = it.run.as_ref();
    // The one that is described, and those that are told with it.
    let told = u64::from(it.streak.folded) + 1;
    let again = |did: &str| match told {
        1 => format!("{job} {did}"),
        _ => format!("{job} {did} {told} more times"),
    };
    let title = match it.cause {
        Cause::Failure if told > 1 => again("failed"),
        Cause::Failure => format!("{job} {}", failed(run)),
        Cause::Recovery => recovered(job, it),
        Cause::Timeout => match run.and_then(|run| run.duration).filter(|_| told == 1) {
            Some(length) => format!("{job} timed out after {}", duration(length)),
            None => again("timed out"),
        },
        Cause::Skip => match told + u64::from(run.map_or(0, |run| run.and_more)) {
            1 => format!("{job} was skipped"),
            times => format!("{job} was skipped {times} times"),
        },
        Cause::Missed => match told + u64::from(run.map_or(0, |run| run.and_more)) {
            1 => format!("an occurrence of {job} was missed"),
            times => format!("{times} occurrences of {job} were missed"),
        },
        Cause::Lost => again("was lost"),
        Cause::Success => again("succeeded"),
        Cause::Start => format!("{job} began"),
        Cause::Expect => {
            let gone = if is_gone(it) { "; the job is not there any more" } else { "" };
            match without_success(it) {
                Some(length) => format!("{job} has had no success for {}{gone}", duration(length)),
                None => format!("{job} has had no success that is known{gone}"),
            }
        }
        Cause::Slow => slow(job, it),
        Cause::Stop => format!("{job} was stopped"),
        Cause::Digest => "a day of watchbell".to_owned(),
        Cause::Test => format!("a test of the channel \"{}\"", channel.name),
    };
    line(&title, TITLE_LIMIT)
}

fn failed(run: Option<&RunFacts>) -> String {
    match run {
        Some(run) if run.outcome.as_deref() == Some("not-started") => "could not be started".to_owned(),
        Some(RunFacts { exit_code: Some(code), .. }) => format!("failed with exit code {code}"),
        _ => "failed".to_owned(),
    }
}

fn recovered(job: &str, it: &Notification) -> String {
    let failures = match it.streak.failures {
        0 => String::new(),
        number => format!(" ({})", count(number.into(), "failure", "failures")),
    };
    match (broken_for(it), without_success(it)) {
        (Some(length), _) => format!("{job} succeeds again after {}{failures}", duration(length)),
        (None, Some(length)) => {
            format!("{job} succeeds again after {} without a success{failures}", duration(length))
        }
        (None, None) => format!("{job} succeeds again{failures}"),
    }
}

fn slow(job: &str, it: &Notification) -> String {
    let took = it.run.as_ref().and_then(|run| run.duration);
    match (took, it.usual) {
        (Some(took), Some(usual)) => format!("{job} took {}, usually {}", duration(took), duration(usual)),
        (Some(took), None) => format!("{job} took {}, longer than it should", duration(took)),
        (None, Some(usual)) => format!("{job} took longer than usual, which is {}", duration(usual)),
        (None, None) => format!("{job} took longer than it should"),
    }
}

fn is_gone(it: &Notification) -> bool {
    it.expected.is_some_and(|expected| !expected.there)
}

/// How long it has been going badly; of a recovery, how long it had been until then.
pub fn broken_for(it: &Notification) -> Option<Duration> {
    let until = match it.cause {
        Cause::Recovery => it.run.as_ref().and_then(|run| run.ended).unwrap_or(it.at),
        _ => it.at,
    };
    between(it.streak.since?, until)
}

/// For how long there was no success where one was expected.
fn without_success(it: &Notification) -> Option<Duration> {
    between(it.expected?.last_success?, it.at)
}

/// The outcome in words: `timed out`.
pub fn outcome(word: &str) -> String {
    line(&word.replace('-', " "), 40)
}

/// Why a run began, as the end of a sentence.
fn trigger(word: &str) -> String {
    match word {
        "schedule" => "by its schedule".to_owned(),
        "startup" => "at the start of the agent".to_owned(),
        "catch-up" => "to catch up on a missed occurrence".to_owned(),
        "manual" => "by hand".to_owned(),
        "dependency" => "by another job".to_owned(),
        other => format!("by {}", line(other, 40)),
    }
}

/// Several lines: why, when, where, and how often.
pub fn text(it: &Notification, zone: &TimeZone) -> String {
    let mut lines = Vec::new();
    if let Some(text) = &it.text {
        lines.push(plain(text, GIVEN_LIMIT));
    } else if it.cause == Cause::Test {
        lines.push("Whoever reads this will be told of jobs here.".to_owned());
    }
    if let Some(reason) = it.run.as_ref().and_then(|run| run.reason.as_deref()) {
        lines.push(format!("Reason: {}", plain(reason, REASON_LIMIT)));
    }
    if let Some(expected) = &it.expected {
        lines.push(expectation(expected, zone));
    }
    if let Some(run) = &it.run {
        lines.extend(times(run, zone));
        lines.push(place(run));
        if run.and_more > 0 {
            lines.push(match run.and_more {
                1 => "One further occurrence is told with it.".to_owned(),
                more => format!("{more} further occurrences are told with it."),
            });
        }
    }
    lines.extend(streak(it, zone));
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

fn expectation(expected: &Expected, zone: &TimeZone) -> String {
    let every = duration(expected.every);
    let last = match expected.last_success {
        Some(at) => format!("the last one was at {}", moment(at, zone)),
        None => "none is known".to_owned(),
    };
    let gone = if expected.there { "" } else { " The job is not there any more." };
    format!("There should be a success every {every}; {last}.{gone}")
}

/// When it was due, began and ended.
fn times(run: &RunFacts, zone: &TimeZone) -> Option<String> {
    let took = run.duration.map_or_else(String::new, |length| format!(", took {}", duration(length)));
    match (run.started, run.ended, run.outcome.is_some()) {
        (Some(began), Some(ended), _) => {
            Some(format!("Began {}, ended {}{took}.", moment(began, zone), moment(ended, zone)))
        }
        (Some(began), None, _) => Some(format!("Began {}{took}.", moment(began, zone))),
        // It never began: when it was to.
        (None, _, true) => Some(format!("Due {}.", moment(run.occurrence, zone))),
        (None, _, false) => None,
    }
}

/// Why it began, where it ran, and how many attempts it took.
fn place(run: &RunFacts) -> String {
    let container =
        run.container.as_ref().map_or_else(String::new, |name| format!(", container {}", line(name, 300)));
    let attempts = match run.attempts {
        0 | 1 => String::new(),
        several => format!(", {several} attempts"),
    };
    format!("Triggered {}{container}{attempts}.", trigger(&run.trigger))
}

fn streak(it: &Notification, zone: &TimeZone) -> Vec<String> {
    let mut lines = Vec::new();
    let failures = it.streak.failures;
    // One bad end is what the message is about anyway.
    if failures > 1 || (failures == 1 && it.cause == Cause::Recovery) {
        let since = it.streak.since.map_or_else(String::new, |at| format!(", since {}", moment(at, zone)));
        let length = broken_for(it).map_or_else(String::new, |length| format!(" ({})", duration(length)));
        let tense = if it.cause == Cause::Recovery { "It had gone badly" } else { "It has gone badly" };
        let times = count(failures.into(), "time", "times in a row");
        lines.push(format!("{tense} {times}{since}{length}."));
    }
    if it.streak.folded > 0 {
        let told = u64::from(it.streak.folded) + 1;
        lines.push(format!("This message speaks for {told} runs, of which it describes the last."));
    }
    lines
}
