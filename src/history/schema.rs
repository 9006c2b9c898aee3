//! The shape of the file: its tables, step by step, and how the model's values stand in them.
//! What an attempt is called has a module of its own, `handles`.
//!
//! What is stored has its own words here, so that the model can change freely. A step that was released is never changed.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{
    name::JobKind,
    run::{Outcome, StopCause, StopForce, StopRequest, Trigger, reason_of_ended},
};

/// The steps from an empty file to the present schema; the file says how many of them it has seen.
///
/// Moments are nanoseconds since 1970: one that comes back earlier than it was would be due once more.
pub(super) const MIGRATIONS: [&str; 10] = [
    "CREATE TABLE job_memory (
        job TEXT PRIMARY KEY,
        anchor INTEGER NOT NULL,
        schedule INTEGER NOT NULL,
        seen INTEGER NOT NULL,
        idle INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID",
    "ALTER TABLE job_memory ADD COLUMN ran INTEGER;
    ALTER TABLE job_memory ADD COLUMN succeeded INTEGER;
    ALTER TABLE job_memory ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE job_memory ADD COLUMN paused_until INTEGER;

    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        run TEXT NOT NULL UNIQUE,
        job TEXT NOT NULL,
        kind TEXT NOT NULL,
        trigger TEXT NOT NULL,
        occurrence INTEGER NOT NULL,
        fires INTEGER NOT NULL,
        admitted INTEGER NOT NULL,
        started INTEGER,
        ended INTEGER,
        duration INTEGER,
        phase TEXT NOT NULL,
        outcome TEXT,
        exit_code INTEGER,
        reason TEXT,
        container TEXT,
        and_more INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        stdout INTEGER NOT NULL DEFAULT 0,
        stderr INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX runs_by_job ON runs (job, run);
    CREATE INDEX runs_unfinished ON runs (run) WHERE ended IS NULL;

    CREATE TABLE attempts (
        id INTEGER NOT NULL,
        number INTEGER NOT NULL,
        started INTEGER,
        ended INTEGER,
        outcome TEXT,
        exit_code INTEGER,
        reason TEXT,
        handle TEXT,
        handle_id TEXT,
        handle_of TEXT,
        PRIMARY KEY (id, number)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE output (
        id INTEGER NOT NULL,
        stream INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        place INTEGER NOT NULL,
        length INTEGER NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX output_by_run ON output (id, stream, sequence);

    CREATE TABLE jobs (
        job TEXT PRIMARY KEY,
        ended INTEGER NOT NULL DEFAULT 0,
        newest TEXT,
        seen INTEGER,
        succeeded INTEGER,
        keep_runs INTEGER DEFAULT 100,
        keep_for INTEGER DEFAULT 2592000000000000,
        gone INTEGER NOT NULL DEFAULT 0
    ) STRICT, WITHOUT ROWID",
    "ALTER TABLE runs ADD COLUMN terms TEXT",
    "ALTER TABLE runs ADD COLUMN stop TEXT;
    ALTER TABLE runs ADD COLUMN stop_force TEXT;
    ALTER TABLE runs ADD COLUMN goes_on INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX runs_going_on ON runs (run) WHERE goes_on = 1;
    ALTER TABLE attempts ADD COLUMN timed_out INTEGER NOT NULL DEFAULT 0",
    "CREATE TABLE halts (
        container TEXT NOT NULL,
        run TEXT NOT NULL,
        name TEXT NOT NULL,
        job TEXT NOT NULL,
        place INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (container, run)
    ) STRICT, WITHOUT ROWID",
    "CREATE TABLE sessions (
        hash BLOB PRIMARY KEY,
        user TEXT NOT NULL,
        mark BLOB NOT NULL,
        begun INTEGER NOT NULL,
        until INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID",
    "CREATE TABLE audits (
        id INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        caller TEXT NOT NULL,
        address TEXT,
        method TEXT NOT NULL,
        path TEXT NOT NULL,
        status INTEGER NOT NULL
    ) STRICT",
    "CREATE TABLE made_jobs (
        job TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        revision TEXT NOT NULL,
        parameters TEXT NOT NULL
    ) STRICT, WITHOUT ROWID",
    "CREATE TABLE outbox (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        channel TEXT NOT NULL,
        at INTEGER NOT NULL,
        message TEXT NOT NULL,
        tail TEXT
    ) STRICT;
    CREATE INDEX outbox_by_channel ON outbox (channel, number);
    CREATE TABLE notify_memory (
        job TEXT PRIMARY KEY,
        memory TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE digests (
        channel TEXT PRIMARY KEY,
        at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID",
    "ALTER TABLE halts ADD COLUMN replicas INTEGER",
];

/// The present schema.
#[expect(clippy::cast_possible_truncation, reason = "they are a handful")]
pub(super) const KNOWN: u32 = MIGRATIONS.len() as u32;

/// A moment as it is stored: nanoseconds, which last until 2262.
pub(super) fn nanos(at: Timestamp) -> i64 {
    let nanos = at.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// A stored moment.
pub(super) fn time(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanos.into()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A length of time as it is stored.
pub(super) fn length(it: Duration) -> i64 {
    i64::try_from(it.as_nanos()).unwrap_or(i64::MAX)
}

/// A stored length of time.
pub(super) fn duration(nanos: i64) -> Duration {
    Duration::from_nanos(nanos.max(0).unsigned_abs())
}

/// A number as it is stored.
pub(super) fn number(it: u64) -> i64 {
    i64::try_from(it).unwrap_or(i64::MAX)
}

/// A stored number.
pub(super) fn count(it: i64) -> u64 {
    it.max(0).unsigned_abs()
}

/// A stored kind; `None` for what nobody could have stored.
pub(super) fn kind(text: &str) -> Option<JobKind> {
    JobKind::ALL.into_iter().find(|it| it.as_str() == text)
}

/// A stored trigger; `None` for what nobody could have stored.
pub(super) fn trigger(text: &str) -> Option<Trigger> {
    Trigger::ALL.into_iter().find(|it| it.as_str() == text)
}

/// Whether a run of this trigger says that its occurrence was dealt with. What runs because the agent started,
/// or someone or another job asked for it, has a moment of its own.
pub(super) fn is_of_schedule(trigger: Trigger) -> bool {
    match trigger {
        Trigger::Schedule | Trigger::CatchUp => true,
        Trigger::Startup | Trigger::Manual | Trigger::Dependency => false,
    }
}

/// Who asked a run to end and how hard, as two columns; none where it is only to make no further attempt, which the next
/// agent makes all the same.
pub(super) fn stored_stop(request: StopRequest) -> Option<(&'static str, &'static str)> {
    let force = match request.force {
        StopForce::Finish => return None,
        StopForce::Stop => "stop",
        StopForce::Kill => "kill",
    };
    Some((cause(request.cause), force))
}

fn cause(it: StopCause) -> &'static str {
    match it {
        StopCause::Shutdown => "shutdown",
        StopCause::Replaced => "replaced",
        StopCause::Operator => "operator",
    }
}

/// The two columns read back; `None` for what nobody could have stored.
pub(super) fn stop(by: &str, force: &str) -> Option<StopRequest> {
    let cause = CAUSES.into_iter().find(|it| cause(*it) == by)?;
    let force = if force == "kill" { StopForce::Kill } else { StopForce::Stop };
    Some(StopRequest { force, cause })
}

const CAUSES: [StopCause; 3] = [StopCause::Shutdown, StopCause::Replaced, StopCause::Operator];

/// The stored outcome of an attempt, which is never skipped; `None` for what nobody could have stored.
pub(super) fn outcome(word: &str, code: Option<i64>, reason: Option<String>) -> Option<Outcome> {
    let text = || reason.clone().unwrap_or_default();
    Some(match word {
        SUCCEEDED => Outcome::Succeeded { exit_code: code },
        "failed" => Outcome::Failed { exit_code: code, reason },
        "timed-out" => {
            let (waited_for, still_running) = reason.as_deref().map(reason_of_ended).unwrap_or_default();
            Outcome::TimedOut {
                still_running: still_running.map(str::to_owned),
                waited_for: Some(waited_for.to_owned()).filter(|it| !it.is_empty()),
            }
        }
        "stopped" => {
            let text = text();
            let (by, still_running) = reason_of_ended(&text);
            let by = CAUSES.into_iter().find(|it| it.as_str() == by)?;
            Outcome::Stopped { by, still_running: still_running.map(str::to_owned) }
        }
        "missed" => Outcome::Missed { reason: text() },
        "not-started" => Outcome::NotStarted { error: text() },
        "lost" => Outcome::Lost { reason: text() },
        _ => return None,
    })
}

/// The word that is stored for each outcome; the one that a query counts successes by.
pub(super) const SUCCEEDED: &str = "succeeded";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::run::Outcome;

    #[test]
    fn every_word_reads_back_as_what_it_was() {
        for it in JobKind::ALL {
            assert_eq!(kind(it.as_str()), Some(it));
        }
        for it in Trigger::ALL {
            assert_eq!(trigger(it.as_str()), Some(it));
        }
        for by in CAUSES {
            for force in [StopForce::Stop, StopForce::Kill] {
                let request = StopRequest { force, cause: by };
                assert_eq!(stored_stop(request).and_then(|(by, force)| stop(by, force)), Some(request));
            }
            assert_eq!(stored_stop(StopRequest { force: StopForce::Finish, cause: by }), None);
        }
        assert_eq!(Outcome::Succeeded { exit_code: Some(0) }.as_str(), SUCCEEDED);
        for it in [
            Outcome::Succeeded { exit_code: Some(3) },
            Outcome::Failed { exit_code: Some(1), reason: Some("r".into()) },
            Outcome::Succeeded { exit_code: None },
            Outcome::Failed { exit_code: None, reason: Some("r".into()) },
            Outcome::TimedOut { still_running: None, waited_for: None },
            Outcome::TimedOut { still_running: Some("r".into()), waited_for: Some("w".into()) },
            Outcome::TimedOut { still_running: Some(String::new()), waited_for: None },
            Outcome::Stopped { by: StopCause::Operator, still_running: None },
            Outcome::Stopped { by: StopCause::Replaced, still_running: Some("r; s".into()) },
            Outcome::Missed { reason: "r".into() },
            Outcome::NotStarted { error: "r".into() },
            Outcome::Lost { reason: "r".into() },
        ] {
            assert_eq!(outcome(it.as_str(), it.exit_code(), it.reason()), Some(it));
        }
        let at: Timestamp = "2026-03-29T01:59:59.123456789Z".parse().unwrap();
        assert_eq!(time(nanos(at)), at);
    }
}
