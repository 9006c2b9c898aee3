//! The open file, and how it is opened.
//!
//! One file, `watchbell.db`. Everything here blocks, so it is called where that hurts nobody.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use crate::model::{
    memory::{Marks, Memory, Pause},
    name::JobId,
};

use super::{
    retain::Retain,
    schema::{KNOWN, MIGRATIONS, time},
};

/// The file in the state directory.
pub(super) const FILE: &str = "watchbell.db";

/// What the database puts beside it.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// How long another process, such as one that makes a backup, may keep us from the file.
const BUSY_LIMIT: Duration = Duration::from_secs(1);

/// The log of changes goes into the file in idle moments; this many pages of it are too many to wait for one, and so is a
/// quarter of what the file may have.
const LOG_PAGES: i64 = 4_000;
const PAGE: i64 = 4_096;

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
    /// An earlier version wrote it, and only the agent brings it to the present schema.
    #[error("{path} was written by an earlier version of watchbell (schema {found}; this one knows {known})")]
    Older {
        /// The file.
        path: String,
        /// Its schema.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// Someone removed or replaced it while it was open.
    #[error("{path} was removed or replaced while the agent used it")]
    Replaced {
        /// The file.
        path: String,
    },
    /// It is damaged and cannot be moved away.
    #[error("{path} is damaged and cannot be put aside: {source}")]
    Aside {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// It cannot be made, or looked at.
    #[error("{path} cannot be used: {source}")]
    File {
        /// The file or its directory.
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

    /// Whether someone else keeps it locked, and it is well besides.
    pub fn is_busy(&self) -> bool {
        matches!(self.code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }

    /// What to do about it: a fragment.
    pub fn mend(&self) -> &'static str {
        match (self, self.code()) {
            (Self::Newer { .. }, _) => "use that version again, or another state directory",
            (Self::Older { .. }, _) => "start the agent of this version once",
            (_, Some(ErrorCode::DiskFull)) => "make room on the state directory's disk",
            _ if self.is_busy() => "end the program that keeps it locked",
            _ => "make the state directory writable, in a container by a volume",
        }
    }

    fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Database { source, .. } => source.sqlite_error_code(),
            _ => None,
        }
    }
}

/// The open file.
#[derive(Debug)]
pub struct Store {
    pub(super) connection: Connection,
    pub(super) retain: Retain,
    path: PathBuf,
    /// Device and number of the file that was opened.
    identity: (u64, u64),
}

/// Whether there is a file with nothing in it, which the database would take for a new one.
pub(super) fn is_emptied(directory: &Path) -> bool {
    fs::metadata(directory.join(FILE)).is_ok_and(|it| it.is_file() && it.len() == 0)
}

impl Store {
    /// Opens the file in `directory`, or begins one, and brings it to the present schema. It is kept within `most`
    /// bytes.
    pub fn open(directory: &Path, most: u64) -> Result<Self, StoreError> {
        let path = directory.join(FILE);
        let failed = |path: &Path| {
            let path = shown(path);
            move |source| StoreError::File { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed(directory))?;
        // What jobs print is for nobody else's eyes; the database makes the files beside it alike.
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        drop(file.map_err(failed(&path))?);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&path, flags).map_err(told(&path))?;
        let found = prepare(&mut connection, most).map_err(told(&path))?;
        if found > KNOWN {
            return Err(StoreError::Newer { path: shown(&path), found, known: KNOWN });
        }
        let identity = identity(&path).map_err(failed(&path))?;
        Ok(Self { connection, retain: Retain::within(most), path, identity })
    }

    /// Whether others can read what is written. A database goes on writing to a file that was removed, and what it has
    /// read once it does not read again: damage below it would be noticed days later.
    pub fn check_place(&self) -> Result<(), StoreError> {
        match identity(&self.path) {
            Ok(identity) if identity == self.identity => self.check_beginning(),
            Ok(_) => Err(StoreError::Replaced { path: shown(&self.path) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::Replaced { path: shown(&self.path) })
            }
            Err(source) => Err(StoreError::File { path: shown(&self.path), source }),
        }
    }

    /// Reads the beginning of the file anew, as one who opens it does.
    fn check_beginning(&self) -> Result<(), StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let read = Connection::open_with_flags(&self.path, flags).and_then(|it| {
            it.busy_timeout(BUSY_LIMIT)?;
            it.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        });
        read.map_err(told(&self.path))
    }

    /// What was kept of every job. Of an occurrence whose run is kept nothing is due any more, whatever else is
    /// remembered of its job.
    pub fn memory(&self) -> Result<HashMap<JobId, Memory>, StoreError> {
        self.told(memory)
    }

    /// Asks the database; what it says to that is told with the file's name.
    pub(super) fn told<T>(
        &self,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        ask(&self.connection).map_err(told(&self.path))
    }

    /// The same for what changes something.
    pub(super) fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Connection, &mut Retain) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        change(&mut self.connection, &mut self.retain).map_err(told(&self.path))
    }
}

/// What is remembered of each job.
pub(super) fn memory(connection: &Connection) -> rusqlite::Result<HashMap<JobId, Memory>> {
    let mut rows = connection.prepare(
        "SELECT m.job, m.anchor, m.schedule, max(m.seen, coalesce(j.seen, m.seen)), m.idle, m.ran, m.succeeded,
            m.paused, m.paused_until
         FROM job_memory m LEFT JOIN jobs j ON j.job = m.job",
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
}

/// Settles how the file is used, and its schema. The answer is the schema that it has then, or had if it is later than
/// ours.
fn prepare(connection: &mut Connection, most: u64) -> rusqlite::Result<u32> {
    connection.busy_timeout(BUSY_LIMIT)?;
    // A page cache of the default size is memory that the agent does not need.
    connection.pragma_update(None, "cache_size", -256)?;
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > KNOWN {
        return Ok(found);
    }
    let vacuum: u32 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if vacuum != 2 {
        // Pages that are free can then be given back. A file that has tables already is written anew for it; the one
        // of the first version is small.
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        connection.execute_batch("VACUUM")?;
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let quarter = i64::try_from(most / 4).unwrap_or(i64::MAX);
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES.min(quarter / PAGE).max(64))?;
    connection.pragma_update(None, "journal_size_limit", quarter.min(1 << 20))?;
    let work = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in MIGRATIONS.iter().skip(found as usize) {
        work.execute_batch(migration)?;
    }
    // Written each time, so that a file that cannot be written is found out now.
    work.pragma_update(None, "user_version", KNOWN)?;
    work.commit()?;
    Ok(KNOWN)
}

/// Moves a damaged file out of the way, with what belongs to it; the answer is its new name.
pub fn put_aside(directory: &Path, now: Timestamp) -> Result<String, StoreError> {
    let mut name = format!("{FILE}.corrupt-{}", now.strftime("%Y%m%dT%H%M%SZ"));
    while directory.join(&name).exists() {
        name.push('x');
    }
    for companion in COMPANIONS {
        let (from, to) = (format!("{FILE}{companion}"), format!("{name}{companion}"));
        match fs::rename(directory.join(&from), directory.join(to)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::Aside { path: shown(&directory.join(from)), source });
            }
            _ => {}
        }
    }
    Ok(name)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|it| (it.dev(), it.ino()))
}

pub(super) fn told(path: &Path) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Database { path: shown(path), source }
}

pub(super) fn shown(path: &Path) -> String {
    path.display().to_string()
}
