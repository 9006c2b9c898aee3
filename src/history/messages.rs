//! Messages, and what is remembered of them, as they stand in their rows. Moments and lengths of time are nanoseconds. What
//! is not said is none.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::model::gather::Gather;
use crate::model::{
    name::JobId,
    notification::{Cause, Expected, Notification, RunFacts, Streak},
    notify_memory::{Expectation, Heard, Held, NotifyMemory, Sort, Told},
};

use super::schema::{duration, kind, length, nanos, time};

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct StoredMessage {
    cause: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<StoredRun>,
    #[serde(skip_serializing_if = "is_none")]
    streak: StoredStreak,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<StoredExpected>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usual: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct StoredRun {
    run: String,
    trigger: String,
    occurrence: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(skip_serializing_if = "is_none")]
    attempts: u32,
    #[serde(skip_serializing_if = "is_none")]
    and_more: u32,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct StoredStreak {
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    #[serde(skip_serializing_if = "is_none")]
    folded: u32,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct StoredExpected {
    every: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success: Option<i64>,
    there: bool,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct StoredMemory {
    #[serde(skip_serializing_if = "is_none")]
    streak: StoredStreak,
    #[serde(skip_serializing_if = "is_none")]
    heard: BTreeMap<String, StoredHeard>,
    #[serde(skip_serializing_if = "is_none")]
    durations: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expectation: Option<StoredExpectation>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct StoredHeard {
    #[serde(skip_serializing_if = "is_none")]
    of_streak: bool,
    #[serde(skip_serializing_if = "is_none")]
    sorts: BTreeMap<String, StoredTold>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct StoredTold {
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<StoredHeld>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct StoredHeld {
    until: i64,
    count: u32,
    cause: String,
    kind: String,
    run: StoredRun,
    streak: StoredStreak,
    #[serde(skip_serializing_if = "Option::is_none")]
    usual: Option<i64>,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct StoredExpectation {
    every: i64,
    from: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_success: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    told: Option<i64>,
    channels: Vec<String>,
    kind: String,
}

fn is_none<T: Default + PartialEq>(it: &T) -> bool {
    *it == T::default()
}

fn cause(word: &str) -> Option<Cause> {
    Cause::NAMES.into_iter().find(|(name, _)| *name == word).map(|(_, it)| it)
}

fn sort(word: &str) -> Option<Sort> {
    Sort::NAMES.into_iter().find(|(name, _)| *name == word).map(|(_, it)| it)
}

fn text(it: Option<&Arc<str>>) -> Option<String> {
    it.map(ToString::to_string)
}

impl From<&RunFacts> for StoredRun {
    fn from(it: &RunFacts) -> Self {
        let RunFacts { run, trigger, occurrence, started, ended, duration, outcome, .. } = it;
        let RunFacts { exit_code, reason, container, attempts, and_more, tail: _, .. } = it;
        Self {
            run: run.to_string(),
            trigger: trigger.to_string(),
            occurrence: nanos(*occurrence),
            started: started.map(nanos),
            ended: ended.map(nanos),
            duration: duration.map(length),
            outcome: text(outcome.as_ref()),
            exit_code: *exit_code,
            reason: text(reason.as_ref()),
            container: text(container.as_ref()),
            attempts: *attempts,
            and_more: *and_more,
        }
    }
}

impl StoredRun {
    fn read(self) -> RunFacts {
        RunFacts {
            run: self.run.into(),
            trigger: self.trigger.into(),
            occurrence: time(self.occurrence),
            started: self.started.map(time),
            ended: self.ended.map(time),
            duration: self.duration.map(duration),
            outcome: self.outcome.map(Into::into),
            exit_code: self.exit_code,
            reason: self.reason.map(Into::into),
            container: self.container.map(Into::into),
            attempts: self.attempts,
            and_more: self.and_more,
            tail: None,
        }
    }
}

impl From<Streak> for StoredStreak {
    fn from(Streak { failures, since, folded }: Streak) -> Self {
        Self { failures, since: since.map(nanos), folded }
    }
}

impl StoredStreak {
    fn read(self) -> Streak {
        Streak { failures: self.failures, since: self.since.map(time), folded: self.folded }
    }
}

/// A message as text, without what has a column of its own: its ID, its channel, when it was decided and what the run
/// printed last. None where it cannot be written, which does not happen.
pub(super) fn stored(it: &Notification) -> Option<String> {
    let Notification { cause, job, kind, run, streak, expected, usual, text, .. } = it;
    let stored = StoredMessage {
        cause: cause.as_str().to_owned(),
        job: job.as_ref().map(|job| job.as_str().to_owned()),
        kind: kind.map(|kind| kind.as_str().to_owned()),
        run: run.as_ref().map(Into::into),
        streak: (*streak).into(),
        expected: expected.map(|it| StoredExpected {
            every: length(it.every),
            last_success: it.last_success.map(nanos),
            there: it.there,
        }),
        usual: usual.map(length),
        text: text.clone(),
    };
    serde_json::to_string(&stored).ok()
}

/// Reads it again; none where nobody could have written it.
pub(super) fn read(
    (id, channel, at): (String, String, i64),
    message: &str,
    tail: Option<String>,
) -> Option<Notification> {
    let it: StoredMessage = serde_json::from_slice(message.as_bytes()).ok()?;
    let tail = tail.map(Into::into);
    Some(Notification {
        id: id.into(),
        channel: channel.into(),
        cause: cause(&it.cause)?,
        at: time(at),
        job: it.job.map(|job| JobId::plain(&job)),
        kind: it.kind.and_then(|word| kind(&word)),
        run: it.run.map(|run| RunFacts { tail, ..run.read() }),
        streak: it.streak.read(),
        expected: it.expected.map(|it| Expected {
            every: duration(it.every),
            last_success: it.last_success.map(time),
            there: it.there,
        }),
        usual: it.usual.map(duration),
        text: it.text,
    })
}

/// What is remembered of a job as text.
pub(super) fn stored_memory(it: &NotifyMemory) -> Option<String> {
    let NotifyMemory { failures, since, heard, durations, expectation } = it;
    let held = |it: &Held| StoredHeld {
        until: nanos(it.until),
        count: it.count,
        cause: it.cause.as_str().to_owned(),
        kind: it.kind.as_str().to_owned(),
        run: (&it.run).into(),
        streak: it.streak.into(),
        usual: it.usual.map(length),
    };
    let told = |it: &Told| StoredTold { last: it.last.map(nanos), held: it.held.as_deref().map(held) };
    let sorts =
        |it: &Heard| it.sorts.iter().map(|(sort, it)| (sort.as_str().to_owned(), told(it))).into_map();
    let heard = heard.iter().map(|(channel, it)| {
        (channel.to_string(), StoredHeard { of_streak: it.of_streak, sorts: sorts(it) })
    });
    let stored = StoredMemory {
        streak: Streak { failures: *failures, since: *since, folded: 0 }.into(),
        heard: heard.into_map(),
        durations: durations.iter().copied().map(length).collect(),
        expectation: expectation.as_ref().map(|it| StoredExpectation {
            every: length(it.every),
            from: nanos(it.from),
            last_success: it.last_success.map(nanos),
            told: it.told.map(nanos),
            channels: it.channels.iter().map(ToString::to_string).collect(),
            kind: it.kind.as_str().to_owned(),
        }),
    };
    serde_json::to_string(&stored).ok()
}

/// Reads it again; what nobody could have written is left out.
pub(super) fn read_memory(text: &str) -> Option<NotifyMemory> {
    let it: StoredMemory = serde_json::from_slice(text.as_bytes()).ok()?;
    let held = |it: StoredHeld| {
        Some(Box::new(Held {
            until: time(it.until),
            count: it.count,
            cause: cause(&it.cause)?,
            kind: kind(&it.kind)?,
            run: it.run.read(),
            streak: it.streak.read(),
            usual: it.usual.map(duration),
        }))
    };
    let told = |it: StoredTold| Told { last: it.last.map(time), held: it.held.and_then(held) };
    let heard = |it: StoredHeard| Heard {
        of_streak: it.of_streak,
        sorts: it.sorts.into_iter().filter_map(|(word, it)| Some((sort(&word)?, told(it)))).into_map(),
    };
    let expectation = |it: StoredExpectation| {
        Some(Expectation {
            every: duration(it.every),
            from: time(it.from),
            last_success: it.last_success.map(time),
            told: it.told.map(time),
            channels: it.channels.into_iter().map(Into::into).collect(),
            kind: kind(&it.kind)?,
        })
    };
    let streak = it.streak.read();
    Some(NotifyMemory {
        failures: streak.failures,
        since: streak.since,
        heard: it.heard.into_iter().map(|(channel, it)| (channel.into(), heard(it))).into_map(),
        durations: it.durations.into_iter().map(duration).collect(),
        expectation: it.expectation.and_then(expectation),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use super::*;
    use crate::model::name::JobKind;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn run() -> RunFacts {
        RunFacts {
            run: "01A".into(),
            trigger: "catch-up".into(),
            occurrence: at(1),
            started: Some(at(2)),
            ended: Some(at(3)),
            duration: Some(Duration::from_millis(999)),
            outcome: Some("failed".into()),
            exit_code: Some(3),
            reason: Some("it said \"no\"\n".into()),
            container: Some("web".into()),
            attempts: 2,
            and_more: 4,
            tail: Some("the last line".into()),
        }
    }

    const STREAK: Streak = Streak { failures: 7, since: Some(Timestamp::UNIX_EPOCH), folded: 5 };

    #[test]
    fn a_message_reads_back_as_what_it_was() {
        let full = Notification {
            id: "01A:ops:failure".into(),
            channel: "ops".into(),
            cause: Cause::Failure,
            at: at(4),
            job: Some(JobId::plain("shop.web.sync")),
            kind: Some(JobKind::Exec),
            run: Some(run()),
            streak: STREAK,
            expected: Some(Expected {
                every: Duration::from_secs(60),
                last_success: Some(at(9)),
                there: false,
            }),
            usual: Some(Duration::from_secs(5)),
            text: Some("words".to_owned()),
        };
        let bare = Notification {
            job: None,
            kind: None,
            run: None,
            streak: Streak::default(),
            expected: None,
            usual: None,
            text: None,
            ..full.clone()
        };
        for (_, cause) in Cause::NAMES {
            for it in [Notification { cause, ..full.clone() }, Notification { cause, ..bare.clone() }] {
                let text = stored(&it).unwrap();
                let columns = (it.id.to_string(), it.channel.to_string(), nanos(it.at));
                let tail = it.run.as_ref().and_then(|run| run.tail.as_deref()).map(str::to_owned);
                assert_eq!(read(columns, &text, tail), Some(it), "{text}");
            }
        }
        assert_eq!(read((String::new(), String::new(), 0), "{}", None), None);
    }

    #[test]
    fn what_is_remembered_reads_back_as_what_it_was() {
        let held = Held {
            until: at(7),
            count: 3,
            cause: Cause::Timeout,
            kind: JobKind::Local,
            run: RunFacts { tail: None, ..run() },
            streak: STREAK,
            usual: Some(Duration::from_secs(1)),
        };
        let sorts = Sort::NAMES.map(|(_, sort)| {
            let held = (sort != Sort::Skip).then(|| Box::new(held.clone()));
            (sort, Told { last: Some(at(6)), held })
        });
        let full = NotifyMemory {
            failures: 2,
            since: Some(at(5)),
            heard: [("ops".into(), Heard { of_streak: true, sorts: sorts.into() })].into(),
            durations: [1, 2, 3].map(Duration::from_secs).into(),
            expectation: Some(Expectation {
                every: Duration::from_secs(26 * 3600),
                from: at(1),
                last_success: Some(at(1)),
                told: Some(at(8)),
                channels: vec!["ops".into()],
                kind: JobKind::Run,
            }),
        };
        for it in [full, NotifyMemory::default()] {
            assert_eq!(stored_memory(&it).and_then(|text| read_memory(&text)), Some(it));
        }
        assert_eq!(read_memory("nothing"), None);
    }
}
