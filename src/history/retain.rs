//! How long runs are kept: by count and age for each job, and by size for all of them.
//!
//! Nothing here looks at all rows. What one run's end makes superfluous goes with it; age is looked after a few jobs at
//! a time; and of a file that is too large the oldest runs go in small steps. The newest run of a job stays, unless the
//! job itself was forgotten.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    schema::nanos,
    statements::{Statements, transaction},
    store::{Store, StoreError},
};

/// So many rows go in one step at most.
const STEP: u32 = 64;

/// So many jobs are looked at for old runs in one step.
const JOBS: u32 = 200;

/// So many pages are given back in one step, and fewer are not worth it.
const PAGES: u64 = 256;

/// What is known of the file's size and of the way through it.
#[derive(Debug)]
pub(super) struct Retain {
    most: u64,
    /// The file is too large, and nothing but unfinished runs is left to go.
    full: bool,
    /// Up to which run the oldest were taken already.
    taken: String,
    /// Up to which job old runs were looked for.
    looked: String,
}

/// What is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing for now.
    Nothing,
    /// More of the same.
    More,
}

impl Retain {
    /// The file may take this many bytes.
    pub fn within(most: u64) -> Self {
        Self { most, full: false, taken: String::new(), looked: String::new() }
    }

    /// A little below, so that not every run has to make room for itself.
    fn low(&self) -> u64 {
        self.most / 20 * 19
    }

    /// Whether there is room for output.
    pub fn takes_output(&self) -> bool {
        !self.full
    }
}

/// How the file's pages are used.
struct Pages {
    size: u64,
    all: u64,
    free: u64,
}

impl Pages {
    fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let ask = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let ask = |name| ask(name).map(i64::unsigned_abs);
        Ok(Self { size: ask("page_size")?, all: ask("page_count")?, free: ask("freelist_count")? })
    }

    fn used(&self) -> u64 {
        self.size * self.all.saturating_sub(self.free)
    }
}

impl Store {
    /// One small step towards the allowed size.
    pub fn shrink(&mut self) -> Result<Left, StoreError> {
        self.change(|connection, retain| {
            let pages = Pages::of(connection)?;
            let begun = !retain.taken.is_empty() && pages.used() > retain.low();
            if retain.full && pages.used() > retain.most {
                return Ok(Left::Nothing);
            }
            if begun || pages.used() > retain.most {
                return transaction(connection, |work| evict(work, retain));
            }
            retain.taken.clear();
            retain.full = false;
            if pages.free > PAGES {
                let mut give_back = connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
                let mut rows = give_back.query([])?;
                while rows.next()?.is_some() {}
                return Ok(if pages.free > 2 * PAGES { Left::More } else { Left::Nothing });
            }
            Ok(Left::Nothing)
        })
    }

    /// Looks at a few jobs for runs that have grown too old.
    pub fn age(&mut self, now: Timestamp) -> Result<Left, StoreError> {
        self.change(|connection, retain| {
            let jobs = transaction(connection, |work| {
                let jobs: Vec<String> = work
                    .of("SELECT job FROM jobs WHERE job > ?1 ORDER BY job LIMIT ?2")?
                    .query_map(params![retain.looked, JOBS], |row| row.get(0))?
                    .collect::<rusqlite::Result<_>>()?;
                for job in &jobs {
                    trim(work, job, now)?;
                }
                Ok(jobs)
            })?;
            // What was unfinished may have ended.
            retain.full = false;
            let more = jobs.len() == JOBS as usize;
            retain.looked = jobs.last().filter(|_| more).cloned().unwrap_or_default();
            Ok(if more { Left::More } else { Left::Nothing })
        })
    }

    /// Moves what was written into the file itself. Others may read meanwhile.
    pub fn checkpoint(&mut self) -> Result<(), StoreError> {
        self.change(|connection, _| connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())))
    }
}

/// What this job may keep no longer goes, the oldest first and a few at a time.
pub(super) fn trim(work: &mut Statements<'_>, job: &str, now: Timestamp) -> rusqlite::Result<()> {
    let found = work
        .of("SELECT ended, newest, keep_runs, keep_for, gone FROM jobs WHERE job = ?1")?
        .query_row([job], |row| {
            let (ended, newest): (i64, Option<String>) = (row.get(0)?, row.get(1)?);
            let (runs, age): (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
            Ok((ended, newest.unwrap_or_default(), runs, age, row.get::<_, bool>(4)?))
        })
        .optional()?;
    let Some((ended, newest, runs, age, gone)) = found else { return Ok(()) };
    let superfluous = runs.map_or(0, |runs| (ended - runs.max(1)).max(0)).min(STEP.into());
    let eldest = age.map(|age| nanos(now).saturating_sub(age));
    // The newest of a job that was forgotten grows old like any other.
    let spared = if gone { "" } else { &newest };
    let old: Vec<i64> = work
        .of("SELECT id FROM (
                SELECT id, ended, row_number() OVER (ORDER BY run) AS place FROM (
                    SELECT id, run, ended FROM runs WHERE job = ?1 AND ended IS NOT NULL AND goes_on = 0 AND run <> ?2
                    ORDER BY run LIMIT ?3)
             ) WHERE place <= ?4 OR ended < ?5")?
        .query_map(params![job, spared, STEP, superfluous, eldest], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    remove(work, &old)?;
    if gone {
        work.of(
            "DELETE FROM jobs WHERE job = ?1 AND ended <= 0 AND NOT EXISTS (SELECT 1 FROM runs WHERE job = ?1)",
        )?
        .execute([job])?;
    }
    Ok(())
}

/// The oldest runs go; then the output of those that stay.
fn evict(work: &mut Statements<'_>, retain: &mut Retain) -> rusqlite::Result<Left> {
    let oldest: Vec<(i64, String)> = work
        .of("SELECT r.id, r.run FROM runs r LEFT JOIN jobs j ON j.job = r.job
             WHERE r.run > ?1 AND r.ended IS NOT NULL AND r.goes_on = 0 AND r.run IS NOT j.newest ORDER BY r.run LIMIT ?2")?
        .query_map(params![retain.taken, STEP], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    if oldest.is_empty() {
        let freed = work
            .of("DELETE FROM output WHERE rowid IN (SELECT o.rowid FROM output o JOIN runs r ON r.id = o.id
                 WHERE r.ended IS NOT NULL ORDER BY o.rowid LIMIT ?1)")?
            .execute([STEP])?;
        retain.full = freed == 0;
    }
    for (id, run) in oldest {
        remove(work, &[id])?;
        retain.taken = run;
        if Pages::of(work.connection)?.used() <= retain.low() {
            break;
        }
    }
    Ok(if retain.full { Left::Nothing } else { Left::More })
}

fn remove(work: &mut Statements<'_>, ids: &[i64]) -> rusqlite::Result<()> {
    for id in ids {
        work.of("UPDATE jobs SET ended = ended - 1 WHERE job = (SELECT job FROM runs WHERE id = ?1)")?
            .execute([id])?;
        work.of("DELETE FROM output WHERE id = ?1")?.execute([id])?;
        work.of("DELETE FROM attempts WHERE id = ?1")?.execute([id])?;
        work.of("DELETE FROM runs WHERE id = ?1")?.execute([id])?;
    }
    Ok(())
}
