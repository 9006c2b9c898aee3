//! The database: the only place that names it.
//!
//! One file, `watchbell.db`. Everything here blocks, so it is called where that hurts nobody.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, params};

use crate::model::{
    memory::{Marks, Memory, Pause},
    name::JobId,
};

/// The file in the state directory.
const FILE: &str = "watchbell.db";

/// What the database puts beside it.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// The steps from an empty file to the present schema; the file says how many of them it has seen. A step that was
/// released is never changed.
const MIGRATIONS: [&str; 2] = [
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
     ALTER TABLE job_memory ADD COLUMN paused_until INTEGER",
];

/// The present schema.
#[expect(clippy::cast_possible_truncation, reason = "they are a handful")]
const KNOWN: u32 = MIGRATIONS.len() as u32;

/// How long another process, such as one that makes a backup, may keep us from the file.
const BUSY_LIMIT: Duration = Duration::from_secs(1);

/// Why nothing could be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database said no.
    #[error("{path} cannot be used: {source}")]
    Database {
        /// The file.
        path: String,
        /// What it said.
        source: rusqlite::Error,
    },
    /// A later version wrote it.
    #[error("{path} was written by a later version of watchbell (schema {found}; this one knows {known})")]
    Newer {
        /// The file.
        path: String,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// It is damaged and cannot be moved away.
    #[error("{path} is damaged and cannot be put aside: {source}")]
    Aside {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
}

impl StoreError {
    /// Whether the file itself is broken.
    pub fn is_damage(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }

    /// What to do about it: a fragment.
    pub fn mend(&self) -> &'static str {
        match (self, self.code()) {
            (Self::Newer { .. }, _) => "use that version again, or another state directory",
            (_, Some(ErrorCode::DiskFull)) => "make room on the state directory's disk",
            (_, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => {
                "end the program that keeps it locked"
            }
            _ => "make the state directory writable, in a container by a volume",
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Database { source, .. } => source.sqlite_error_code(),
            Self::Newer { .. } | Self::Aside { .. } => None,
        }
    }
}

/// The open file.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
}

impl Store {
    /// Opens the file in `directory`, or begins one, and brings it to the present schema.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(told(&path))?;
        prepare(&mut connection).map_err(told(&path)).and_then(|found| {
            let known = KNOWN;
            if found > known { Err(StoreError::Newer { path: shown(&path), found, known }) } else { Ok(()) }
        })?;
        Ok(Self { connection, path })
    }

    /// What was kept of every job.
    pub fn memory(&self) -> Result<HashMap<JobId, Memory>, StoreError> {
        let read = || -> rusqlite::Result<HashMap<JobId, Memory>> {
            let mut rows = self.connection.prepare(
                "SELECT job, anchor, schedule, seen, idle, ran, succeeded, paused, paused_until FROM job_memory",
            )?;
            let rows = rows.query_map([], |row| {
                let job: String = row.get(0)?;
                let memory = Memory {
                    anchor: time(row.get(1)?),
                    schedule: row.get::<_, i64>(2)?.cast_unsigned(),
                    seen: time(row.get(3)?),
                    idle: row.get(4)?,
                    marks: Marks {
                        ran: row.get::<_, Option<i64>>(5)?.map(time),
                        succeeded: row.get::<_, Option<i64>>(6)?.map(time),
                        paused: if row.get(7)? {
                            Some(Pause { until: row.get::<_, Option<i64>>(8)?.map(time) })
                        } else {
                            None
                        },
                    },
                };
                Ok((JobId::plain(&job), memory))
            })?;
            rows.collect()
        };
        read().map_err(told(&self.path))
    }

    /// Keeps this of these jobs, all or nothing; `None` is nothing.
    pub fn keep(&mut self, notes: &HashMap<JobId, Option<Memory>>) -> Result<(), StoreError> {
        write(&mut self.connection, notes).map_err(told(&self.path))
    }
}

/// Settles how the file is used, and its schema. The answer is the schema that it has then, or had if it is later than
/// ours.
fn prepare(connection: &mut Connection) -> rusqlite::Result<u32> {
    connection.busy_timeout(BUSY_LIMIT)?;
    // A page cache of the default size is memory that a table this small does not need.
    connection.pragma_update(None, "cache_size", -256)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // The last second is not worth a flush of the disk each time: the file stays whole without.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "journal_size_limit", 1 << 20)?;
    let work = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let found: u32 = work.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for migration in MIGRATIONS.iter().skip(found as usize) {
        work.execute_batch(migration)?;
    }
    if found > KNOWN {
        return Ok(found);
    }
    // Written each time, so that a file that cannot be written is found out now.
    work.pragma_update(None, "user_version", KNOWN)?;
    work.commit()?;
    Ok(KNOWN)
}

fn write(connection: &mut Connection, notes: &HashMap<JobId, Option<Memory>>) -> rusqlite::Result<()> {
    let work: Transaction<'_> = connection.transaction()?;
    {
        let mut put = work.prepare(
            "INSERT OR REPLACE INTO job_memory \
             (job, anchor, schedule, seen, idle, ran, succeeded, paused, paused_until) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?;
        let mut forget = work.prepare("DELETE FROM job_memory WHERE job = ?1")?;
        for (job, memory) in notes {
            match memory {
                Some(it) => put.execute(params![
                    job.as_str(),
                    nanos(it.anchor),
                    it.schedule.cast_signed(),
                    nanos(it.seen),
                    it.idle,
                    it.marks.ran.map(nanos),
                    it.marks.succeeded.map(nanos),
                    it.marks.paused.is_some(),
                    it.marks.paused.and_then(|pause| pause.until).map(nanos),
                ])?,
                None => forget.execute([job.as_str()])?,
            };
        }
    }
    work.commit()
}

/// Moves a damaged file out of the way, with what belongs to it; the answer is its new name.
pub fn put_aside(directory: &Path, now: Timestamp) -> Result<String, StoreError> {
    let name = format!("{FILE}.corrupt-{}", now.strftime("%Y%m%dT%H%M%SZ"));
    for companion in COMPANIONS {
        let (from, to) = (format!("{FILE}{companion}"), format!("{name}{companion}"));
        match std::fs::rename(directory.join(&from), directory.join(to)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::Aside { path: shown(&directory.join(from)), source });
            }
            _ => {}
        }
    }
    Ok(name)
}

fn told(path: &Path) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Database { path: shown(path), source }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Nanoseconds, because a moment that comes back earlier than it was would be due once more. They last until 2262.
fn nanos(at: Timestamp) -> i64 {
    let nanos = at.as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

fn time(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanos.into()).unwrap_or(Timestamp::UNIX_EPOCH)
}
