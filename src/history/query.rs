//! What was kept, for who asks: the agent's own pages and commands, also while no agent runs.
//!
//! Each reader has a connection of its own, which can only read, so that it stands in nobody's way. Everything here
//! blocks.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, named_params, params};

use crate::model::{
    name::{JobId, JobKind},
    run::{Printed, RunId, Stream, Trigger, WorkHandle},
};

use super::{
    handles::handle,
    schema::{KNOWN, count, duration, kind, time, trigger},
    store::{FILE, StoreError, shown, told},
};

mod asked;
mod day;
mod last;
mod remembered;

pub use day::Ends;
pub use last::LastEnd;

/// A reader of the file.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its occurrence came due and waits its turn.
    Waiting,
    /// It was begun.
    Running,
    /// It has its record.
    Ended,
}

/// How a run, or one of its attempts, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Timestamp,
    /// The outcome's word, such as `succeeded`.
    pub outcome: String,
    /// The command's exit code, where it is known.
    pub exit_code: Option<i64>,
    /// What there is to say beyond.
    pub reason: Option<String>,
}

/// A run as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRun {
    /// Its ID.
    pub run: RunId,
    /// Its job.
    pub job: JobId,
    /// The job's kind.
    pub kind: JobKind,
    /// Why it began.
    pub trigger: Trigger,
    /// The moment that the schedule named.
    pub occurrence: Timestamp,
    /// The moment from which it was to begin.
    pub fires: Timestamp,
    /// When it came due and was given its ID.
    pub admitted: Timestamp,
    /// When its command was first started.
    pub started: Option<Timestamp>,
    /// How long the command went on.
    pub duration: Option<std::time::Duration>,
    /// How far it has come.
    pub phase: Phase,
    /// How it ended, if it has.
    pub end: Option<End>,
    /// The container in or as which it ran.
    pub container: Option<String>,
    /// How many further occurrences it speaks for.
    pub and_more: u32,
    /// How many times it was tried.
    pub attempts: u32,
    /// What it printed, kept or not; 0 before it has ended.
    pub printed: Printed,
}

/// One try of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Which, from 1.
    pub number: u32,
    /// When it began.
    pub started: Option<Timestamp>,
    /// How it ended, if it has.
    pub end: Option<End>,
    /// What it is called by whoever carries it out.
    pub handle: Option<WorkHandle>,
    /// Whether it took longer than its timeout, and was ended, or is being ended, for that.
    pub timed_out: bool,
}

/// A piece of what a run printed. What lies between the end of one and the beginning of the next was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// In which attempt.
    pub attempt: u32,
    /// How many bytes of the stream come before it.
    pub place: u64,
    /// What was printed.
    pub bytes: Vec<u8>,
}

/// Where a piece of a stream lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// In which attempt.
    pub attempt: u32,
    /// How many bytes of the stream come before it.
    pub place: u64,
    /// How many bytes it has.
    pub length: u64,
}

/// Which runs are asked for. Without any of these it is all, the newest first.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this job.
    pub job: Option<JobId>,
    /// With this outcome's word.
    pub outcome: Option<String>,
    /// Older than this run: the last one of the page before.
    pub before: Option<RunId>,
}

/// How much there is of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Runs that were kept and have ended.
    pub ended: u64,
    /// Runs that have not.
    pub unfinished: u64,
}

const COLUMNS: &str = "run, job, kind, trigger, occurrence, fires, admitted, started, duration, phase, ended, outcome, \
                       exit_code, reason, container, and_more, attempts, stdout, stderr";

impl Reader {
    /// Opens the file in `directory`; nothing where there is none yet.
    pub fn open(directory: &Path) -> Result<Option<Self>, StoreError> {
        let path = directory.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let it = Self { connection: connect(&path).map_err(told(&path))?, path };
        let known = KNOWN;
        match it.ask(|connection| connection.pragma_query_value(None, "user_version", |row| row.get(0)))? {
            found if found > known => Err(StoreError::Newer { path: shown(&it.path), found, known }),
            found if found < known => Err(StoreError::Older { path: shown(&it.path), found, known }),
            _ => Ok(Some(it)),
        }
    }

    pub(super) fn ask<T>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        ask(&self.connection).map_err(told(&self.path))
    }

    /// Up to `limit` runs, the newest first.
    pub fn runs(&self, filter: &Filter, limit: u32) -> Result<Vec<KeptRun>, StoreError> {
        let Filter { job, outcome, before } = filter;
        let mut conditions = vec!["run < :before"];
        conditions.extend(job.as_ref().map(|_| "job = :job"));
        conditions.extend(outcome.as_ref().map(|_| "outcome = :outcome"));
        let sql = format!(
            "SELECT {COLUMNS} FROM runs WHERE {} ORDER BY run DESC LIMIT :limit",
            conditions.join(" AND ")
        );
        // Every ID is less than this.
        let before = before.as_ref().map_or("~", |run| &*run.0);
        let mut values: Vec<(&str, &dyn rusqlite::ToSql)> = vec![(":before", &before), (":limit", &limit)];
        let job = job.as_ref().map(JobId::as_str);
        if job.is_some() {
            values.push((":job", &job));
        }
        if outcome.is_some() {
            values.push((":outcome", outcome));
        }
        self.ask(|connection| connection.prepare(&sql)?.query_map(&values[..], run)?.collect())
    }

    /// One run with its attempts.
    pub fn run(&self, id: &RunId) -> Result<Option<(KeptRun, Vec<Attempt>)>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM runs WHERE run = ?1");
        self.ask(|connection| {
            let Some(found) = connection.query_row(&sql, [&*id.0], run).optional()? else { return Ok(None) };
            Ok(Some((found, attempts(connection, id)?)))
        })
    }

    /// The runs that have no record, the oldest first, with their attempts: what an agent left that was killed, or what
    /// goes on now.
    pub fn unfinished(&self) -> Result<Vec<(KeptRun, Vec<Attempt>)>, StoreError> {
        self.ask(|connection| {
            let with_attempts = unfinished(connection)?.into_iter().map(|it| {
                let attempts = attempts(connection, &it.run)?;
                Ok((it, attempts))
            });
            with_attempts.collect()
        })
    }

    /// What a run printed to a stream from `from` to before `to`, as far as it was kept, in order.
    pub fn output(&self, id: &RunId, stream: Stream, from: u64, to: u64) -> Result<Vec<Piece>, StoreError> {
        let bound = |it: u64| i64::try_from(it).unwrap_or(i64::MAX);
        self.ask(|connection| {
            let mut rows = connection.prepare(
                "SELECT o.attempt, o.place, o.length, o.bytes FROM output o JOIN runs r ON r.id = o.id
                 WHERE r.run = ?1 AND o.stream = ?2 AND o.place + o.length > ?3 AND o.place < ?4 ORDER BY o.sequence",
            )?;
            let rows = rows.query_map(params![&*id.0, stream as u8, bound(from), bound(to)], |row| {
                let (attempt, place) = (row.get(0)?, count(row.get(1)?));
                let bytes = unpacked(row.get(3)?, row.get(2)?)?;
                Ok(cut(Piece { attempt, place, bytes }, from, to))
            })?;
            rows.collect()
        })
    }

    /// Where what was kept of a stream lies, in order: attempt, place and length of each piece.
    pub fn extents(&self, id: &RunId, stream: Stream) -> Result<Vec<Extent>, StoreError> {
        self.ask(|connection| {
            let mut rows = connection.prepare(
                "SELECT o.attempt, o.place, o.length FROM output o JOIN runs r ON r.id = o.id
                 WHERE r.run = ?1 AND o.stream = ?2 ORDER BY o.sequence",
            )?;
            let rows = rows.query_map(params![&*id.0, stream as u8], |row| {
                Ok(Extent { attempt: row.get(0)?, place: count(row.get(1)?), length: count(row.get(2)?) })
            })?;
            rows.collect()
        })
    }

    /// The runs whose ID begins so, the oldest first; two are enough to know that it is not one.
    pub fn beginning(&self, prefix: &str) -> Result<Vec<RunId>, StoreError> {
        self.ask(|connection| {
            let mut rows = connection
                .prepare("SELECT run FROM runs WHERE run >= ?1 AND run < ?1 || '~' ORDER BY run LIMIT 2")?;
            let rows = rows.query_map([prefix], |row| Ok(RunId(row.get::<_, String>(0)?.into())))?;
            rows.collect()
        })
    }

    /// When this job last succeeded, also where that run is no longer kept.
    pub fn last_success(&self, job: &JobId) -> Result<Option<Timestamp>, StoreError> {
        let found = self.ask(|connection| {
            let ask = "SELECT succeeded FROM jobs WHERE job = ?1";
            connection.query_row(ask, [job.as_str()], |row| row.get::<_, Option<i64>>(0)).optional()
        })?;
        Ok(found.flatten().map(time))
    }

    /// How many runs are kept, of one job or of all.
    pub fn counts(&self, job: Option<&JobId>) -> Result<Counts, StoreError> {
        let job = job.map(JobId::as_str);
        self.ask(|connection| {
            let ended = "SELECT coalesce(sum(ended), 0) FROM jobs WHERE :job IS NULL OR job = :job";
            let unfinished = "SELECT count(*) FROM runs WHERE ended IS NULL AND (:job IS NULL OR job = :job)";
            let ask = |sql| connection.query_row(sql, named_params! { ":job": job }, |row| row.get(0));
            Ok(Counts { ended: count(ask(ended)?), unfinished: count(ask(unfinished)?) })
        })
    }

    /// Makes a copy of the whole file, as it is now, at a path where there is nothing yet.
    pub fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        let to = to.display().to_string();
        self.ask(|connection| connection.execute("VACUUM INTO ?1", [to]).map(drop))
    }
}

/// A connection that changes nothing. Without an agent, in a directory that cannot be written, the file is read as it
/// lies there: nobody changes it.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(std::time::Duration::from_secs(1))?;
        connection.pragma_update(None, "cache_size", -256)?;
        // The first thing that is read shows whether it can be.
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
        Ok(connection)
    };
    let log = path.with_file_name(format!("{FILE}-wal"));
    match open() {
        Err(rusqlite::Error::SqliteFailure(error, _))
            if error.code == rusqlite::ErrorCode::CannotOpen && !log.exists() =>
        {
            let name: String =
                path.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
            let uri = format!("file:{name}?immutable=1");
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
        }
        other => other,
    }
}

/// What nobody could have stored: the file was changed by someone else.
fn strange(column: usize) -> rusqlite::Error {
    let what = "a word that this version does not know".into();
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, what)
}

fn run(row: &Row<'_>) -> rusqlite::Result<KeptRun> {
    let text = |column: usize| row.get::<_, String>(column);
    let moment = |column: usize| row.get::<_, Option<i64>>(column).map(|it| it.map(time));
    Ok(KeptRun {
        run: RunId(text(0)?.into()),
        job: JobId::plain(&text(1)?),
        kind: kind(&text(2)?).ok_or_else(|| strange(2))?,
        trigger: trigger(&text(3)?).ok_or_else(|| strange(3))?,
        occurrence: time(row.get(4)?),
        fires: time(row.get(5)?),
        admitted: time(row.get(6)?),
        started: moment(7)?,
        duration: row.get::<_, Option<i64>>(8)?.map(duration),
        phase: match &*text(9)? {
            "waiting" => Phase::Waiting,
            "running" => Phase::Running,
            "ended" => Phase::Ended,
            _ => return Err(strange(9)),
        },
        end: end(row, 10)?,
        container: row.get(14)?,
        and_more: row.get(15)?,
        attempts: row.get(16)?,
        printed: Printed { stdout: count(row.get(17)?), stderr: count(row.get(18)?) },
    })
}

/// The four columns of an end.
fn end(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<End>> {
    let (at, outcome): (Option<i64>, Option<String>) = (row.get(first)?, row.get(first + 1)?);
    let (Some(at), Some(outcome)) = (at, outcome) else { return Ok(None) };
    Ok(Some(End { at: time(at), outcome, exit_code: row.get(first + 2)?, reason: row.get(first + 3)? }))
}

/// The runs that have no record, the oldest first.
pub(super) fn unfinished(connection: &Connection) -> rusqlite::Result<Vec<KeptRun>> {
    let sql = format!("SELECT {COLUMNS} FROM runs WHERE ended IS NULL ORDER BY run");
    connection.prepare(&sql)?.query_map([], run)?.collect()
}

pub(super) fn attempts(connection: &Connection, id: &RunId) -> rusqlite::Result<Vec<Attempt>> {
    let mut rows = connection.prepare(
        "SELECT a.number, a.started, a.ended, a.outcome, a.exit_code, a.reason, a.handle, a.handle_id, a.handle_of,
            a.timed_out
         FROM attempts a JOIN runs r ON r.id = a.id WHERE r.run = ?1 ORDER BY a.number",
    )?;
    let rows = rows.query_map([&*id.0], |row| {
        let handle = match row.get::<_, Option<String>>(6)? {
            Some(what) => Some(handle(&what, row.get(7)?, row.get(8)?).ok_or_else(|| strange(6))?),
            None => None,
        };
        let started = row.get::<_, Option<i64>>(1)?.map(time);
        let timed_out = row.get(9)?;
        Ok(Attempt { number: row.get(0)?, started, end: end(row, 2)?, handle, timed_out })
    })?;
    rows.collect()
}

fn unpacked(bytes: Vec<u8>, length: i64) -> rusqlite::Result<Vec<u8>> {
    let length = usize::try_from(length).unwrap_or(0);
    if bytes.len() == length {
        return Ok(bytes);
    }
    lz4_flex::block::decompress(&bytes, length).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(3, rusqlite::types::Type::Blob, Box::new(error))
    })
}

/// What of it lies in the range.
fn cut(piece: Piece, from: u64, to: u64) -> Piece {
    let Piece { attempt, place, mut bytes } = piece;
    let at = |bound: u64| usize::try_from(bound.saturating_sub(place)).unwrap_or(usize::MAX).min(bytes.len());
    let (begin, end) = (at(from), at(to));
    bytes.truncate(end);
    bytes.drain(..begin.min(end));
    Piece { attempt, place: place + begin as u64, bytes }
}
