//! What is to be kept → rows. Everything of one batch is written, or nothing.
//!
//! Each statement may be repeated: a batch whose answer was lost is written once more.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, named_params, params};

use crate::model::{
    halt::Halt,
    job::Retention,
    memory::{Memory, TRUST_LIMIT},
    name::JobId,
    notify_memory::NotifyMemory,
    run::{Admitted, Item, Outcome, RunRecord},
};

use super::{
    audits,
    handles::stored,
    outbox::{self, GivenUp},
    output::Chunk,
    retain::{self, Retain},
    schema::{SUCCEEDED, is_of_schedule, length, nanos, number, stored_stop},
    sessions,
    statements::{Statements, transaction},
    store::{Store, StoreError},
    terms,
};

/// What is written at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// What is remembered of these jobs from now on.
    pub memory: HashMap<JobId, Option<Memory>>,
    /// What happened to runs, in order.
    pub items: Vec<Item>,
    /// What is remembered of what was told of these.
    pub notify_memory: HashMap<JobId, Option<Box<NotifyMemory>>>,
    /// What runs printed.
    pub output: Vec<Chunk>,
}

impl Batch {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
            && self.notify_memory.is_empty()
            && self.items.is_empty()
            && self.output.is_empty()
    }
}

impl Store {
    /// Keeps all of this, or nothing. The answer is which messages were given up for newer ones.
    pub fn write(&mut self, batch: &Batch) -> Result<Vec<GivenUp>, StoreError> {
        self.check_place()?;
        let lasting = batch.items.iter().any(|it| matches!(it, Item::Halted(_)));
        self.change(|connection, retain| {
            let write = |connection: &mut _| transaction(connection, |work| write(work, retain, batch));
            if lasting { lastingly(connection, write) } else { write(connection) }
        })
    }
}

/// Commits so that not even a machine that loses its power forgets it.
pub(super) fn lastingly<T>(
    connection: &mut Connection,
    write: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    let written = write(connection);
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    written
}

fn halt(work: &mut Statements<'_>, it: &Halt) -> rusqlite::Result<()> {
    let Halt { what, name, replicas, run, job, place, at } = it;
    work.of("INSERT OR REPLACE INTO halts (container, run, name, job, place, at, replicas)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute(params![
            what.as_str(),
            &*run.0,
            name,
            job.as_str(),
            place,
            nanos(*at),
            replicas.map(|it| i64::try_from(it).unwrap_or(i64::MAX))
        ])?;
    // Of a service that several runs need it is the number that was found last.
    if let Some(replicas) = replicas {
        work.of("UPDATE halts SET replicas = ?2 WHERE container = ?1")?
            .execute(params![what.as_str(), i64::try_from(*replicas).unwrap_or(i64::MAX)])?;
    }
    Ok(())
}

fn write(work: &mut Statements<'_>, retain: &Retain, batch: &Batch) -> rusqlite::Result<Vec<GivenUp>> {
    let mut given_up = Vec::new();
    // Runs whose end was in the file already: so is what was to be told of it, or it has arrived.
    let mut known = HashSet::new();
    for item in &batch.items {
        match item {
            Item::Memory(job, memory) => remember(work, job, memory.as_ref())?,
            Item::Waits(it) => begin(work, it, "waiting")?,
            Item::Begins(it) => begin(work, it, "running")?,
            Item::AttemptStarted { run, number, at, handle } => {
                let (what, id, of) = stored(handle);
                work.of("INSERT INTO attempts (id, number, started, handle, handle_id, handle_of)
                     SELECT id, ?2, ?3, ?4, ?5, ?6 FROM runs WHERE run = ?1
                     ON CONFLICT DO UPDATE SET handle = excluded.handle, handle_id = excluded.handle_id,
                        handle_of = excluded.handle_of")?
                    .execute(params![&*run.0, number, nanos(*at), what, id, of])?;
                work.of("UPDATE runs SET started = coalesce(started, ?2), attempts = max(attempts, ?3)
                     WHERE run = ?1 AND ended IS NULL")?
                    .execute(params![&*run.0, nanos(*at), number])?;
            }
            Item::Stops(run, request) => {
                let Some((by, force)) = stored_stop(*request) else { continue };
                work.of("UPDATE runs SET stop = coalesce(stop, ?2),
                        stop_force = CASE WHEN stop_force = 'kill' THEN stop_force ELSE ?3 END
                     WHERE run = ?1 AND ended IS NULL")?
                    .execute(params![&*run.0, by, force])?;
            }
            Item::TimedOut { run, number } => {
                work.of(
                    "INSERT INTO attempts (id, number, timed_out) SELECT id, ?2, 1 FROM runs WHERE run = ?1
                     ON CONFLICT DO UPDATE SET timed_out = 1",
                )?
                .execute(params![&*run.0, number])?;
            }
            Item::AttemptEnded { run, number, at, outcome } => {
                let (name, code, reason) = columns(outcome);
                work.of("INSERT INTO attempts (id, number, ended, outcome, exit_code, reason)
                     SELECT id, ?2, ?3, ?4, ?5, ?6 FROM runs WHERE run = ?1
                     ON CONFLICT DO UPDATE SET ended = excluded.ended, outcome = excluded.outcome,
                        exit_code = excluded.exit_code, reason = excluded.reason")?
                    .execute(params![&*run.0, number, nanos(*at), name, code, reason])?;
            }
            Item::Ended(record, keep) => {
                if !end(work, record, *keep)? {
                    known.insert(&record.run.0);
                }
            }
            Item::Notify(it) => {
                let is_known = it.run.as_ref().is_some_and(|run| known.contains(&run.run));
                if !is_known {
                    given_up.extend(outbox::add(work, it)?);
                }
            }
            Item::Digested { channel, at } => outbox::digested(work, channel, *at)?,
            Item::Tail { id, text } => outbox::set_tail(work, id, text)?,
            Item::Delivered(id) | Item::GivenUp(id) => outbox::remove(work, id)?,
            Item::NotifyMemory(job, memory) => outbox::remember(work, job, memory.as_deref())?,
            Item::Halted(halts) => {
                for it in halts {
                    halt(work, it)?;
                }
            }
            Item::Restored { what, run } => {
                work.of("DELETE FROM halts WHERE container = ?1 AND run = ?2")?
                    .execute(params![what.as_str(), &*run.0])?;
            }
            Item::LoggedIn(it) => sessions::begin(work, it)?,
            Item::LoggedOut(hash) => sessions::end(work, hash)?,
            Item::Audited(it) => audits::add(work, it)?,
            Item::Gone(run) => {
                work.of("UPDATE runs SET goes_on = 0, terms = NULL WHERE run = ?1 AND ended IS NOT NULL")?
                    .execute([&*run.0])?;
            }
        }
    }
    // After the rows, than which it is not older.
    for (job, memory) in &batch.memory {
        remember(work, job, memory.as_ref())?;
    }
    for (job, memory) in &batch.notify_memory {
        outbox::remember(work, job, memory.as_deref())?;
    }
    if retain.takes_output() {
        for chunk in &batch.output {
            put(work, chunk)?;
        }
    }
    Ok(given_up)
}

fn remember(work: &mut Statements<'_>, job: &JobId, memory: Option<&Memory>) -> rusqlite::Result<()> {
    if let Some(it) = memory {
        let Memory { anchor, schedule, seen, idle, marks } = it;
        work.of("INSERT OR REPLACE INTO job_memory
                (job, anchor, schedule, seen, idle, ran, succeeded, paused, paused_until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
            .execute(params![
                job.as_str(),
                nanos(*anchor),
                schedule.cast_signed(),
                nanos(*seen),
                idle,
                marks.ran.map(nanos),
                marks.succeeded.map(nanos),
                marks.paused.is_some(),
                marks.paused.and_then(|pause| pause.until).map(nanos),
            ])?;
        // Rows from so far ahead are of a clock that was wrong, and the agent has begun anew.
        let latest = seen.saturating_add(TRUST_LIMIT).unwrap_or(*seen);
        work.of("UPDATE jobs SET seen = ?2 WHERE job = ?1 AND seen > ?3")?.execute(params![
            job.as_str(),
            nanos(*seen),
            nanos(latest)
        ])?;
    } else {
        work.of("DELETE FROM job_memory WHERE job = ?1")?.execute([job.as_str()])?;
        work.of("UPDATE jobs SET gone = 1 WHERE job = ?1")?.execute([job.as_str()])?;
    }
    Ok(())
}

/// A row of a run that has not ended; one that is further already stays.
fn begin(work: &mut Statements<'_>, it: &Admitted, phase: &str) -> rusqlite::Result<()> {
    let Admitted { run, job, kind, trigger, occurrence, fires, admitted, container, terms } = it;
    work.of("INSERT INTO runs (run, job, kind, trigger, occurrence, fires, admitted, phase, container, terms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (run) DO UPDATE SET phase = excluded.phase, container = excluded.container, terms = excluded.terms
         WHERE phase = 'waiting'")?
        .execute(params![
            &*run.0,
            job.as_str(),
            kind.as_str(),
            trigger.as_str(),
            nanos(*occurrence),
            nanos(*fires),
            nanos(*admitted),
            phase,
            container,
            terms.as_ref().and_then(|it| terms::stored(it)),
        ])?;
    if is_of_schedule(*trigger) {
        work.of("INSERT INTO jobs (job, seen) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET gone = 0, seen = max(coalesce(seen, excluded.seen), excluded.seen)")?
            .execute(params![job.as_str(), nanos(*occurrence)])?;
    }
    Ok(())
}

/// The record of a run, and what follows from it for the rows of its job. Whether it is news.
fn end(work: &mut Statements<'_>, it: &RunRecord, keep: Option<Retention>) -> rusqlite::Result<bool> {
    let (name, code, _) = columns(&it.outcome);
    let changed = work
        .of(
            "INSERT INTO runs (run, job, kind, trigger, occurrence, fires, admitted, started, ended, duration, phase,
                outcome, exit_code, reason, container, and_more, attempts, stdout, stderr, goes_on)
             VALUES (:run, :job, :kind, :trigger, :occurrence, :fires, :admitted, :started, :ended, :duration, 'ended',
                :outcome, :exit_code, :reason, :container, :and_more, :attempts, :stdout, :stderr, :goes_on)
             ON CONFLICT (run) DO UPDATE SET started = coalesce(excluded.started, started), ended = excluded.ended,
                duration = excluded.duration, phase = excluded.phase, outcome = excluded.outcome,
                exit_code = excluded.exit_code, reason = excluded.reason,
                container = coalesce(excluded.container, container), and_more = excluded.and_more,
                attempts = max(attempts, excluded.attempts), stdout = excluded.stdout, stderr = excluded.stderr,
                goes_on = excluded.goes_on, terms = CASE WHEN excluded.goes_on THEN terms END
             WHERE ended IS NULL",
        )?
        .execute(named_params! {
            ":run": &*it.run.0,
            ":job": it.job.as_str(),
            ":kind": it.kind.as_str(),
            ":trigger": it.trigger.as_str(),
            ":occurrence": nanos(it.occurrence),
            ":fires": nanos(it.fires),
            ":admitted": nanos(it.admitted),
            ":started": it.started.map(nanos),
            ":ended": nanos(it.ended),
            ":duration": it.duration.map(length),
            ":outcome": name,
            ":exit_code": code,
            ":reason": it.reason(),
            ":container": it.container,
            ":and_more": it.and_more,
            ":attempts": it.attempts,
            ":stdout": number(it.printed.stdout),
            ":stderr": number(it.printed.stderr),
            ":goes_on": it.outcome.goes_on(),
        })?;
    if changed == 0 {
        return Ok(false);
    }
    work.of("INSERT INTO jobs (job, ended, newest, seen, succeeded, keep_runs, keep_for)
         VALUES (:job, 1, :run, :seen, :succeeded, :runs, :age)
         ON CONFLICT DO UPDATE SET ended = ended + 1, newest = max(coalesce(newest, ''), excluded.newest),
            seen = nullif(max(coalesce(seen, -1), coalesce(excluded.seen, -1)), -1),
            succeeded = nullif(max(coalesce(succeeded, -1), coalesce(excluded.succeeded, -1)), -1),
            keep_runs = CASE WHEN :told THEN excluded.keep_runs ELSE keep_runs END,
            keep_for = CASE WHEN :told THEN excluded.keep_for ELSE keep_for END,
            gone = CASE WHEN :told THEN 0 ELSE gone END")?
        .execute(named_params! {
            ":job": it.job.as_str(),
            ":run": &*it.run.0,
            ":seen": is_of_schedule(it.trigger).then(|| nanos(it.occurrence)),
            ":succeeded": (name == SUCCEEDED).then(|| nanos(it.ended)),
            ":runs": keep.unwrap_or_default().runs,
            ":age": keep.unwrap_or_default().age.map(length),
            ":told": keep.is_some(),
        })?;
    retain::trim(work, it.job.as_str(), it.ended)?;
    Ok(true)
}

fn put(work: &mut Statements<'_>, it: &Chunk) -> rusqlite::Result<()> {
    let packed = lz4_flex::block::compress(&it.bytes);
    // What cannot be made smaller is kept as it is: the lengths tell.
    let bytes = if packed.len() < it.bytes.len() { &packed } else { &it.bytes };
    let stream = it.stream as u8;
    work.of("INSERT INTO output (id, stream, sequence, attempt, place, length, bytes)
         SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM runs WHERE run = ?1
         ON CONFLICT DO UPDATE SET length = excluded.length, bytes = excluded.bytes")?
        .execute(params![
            &*it.run.0,
            stream,
            it.sequence,
            it.attempt,
            number(it.place),
            number(it.bytes.len() as u64),
            bytes
        ])?;
    if let Some((from, to)) = it.instead_of {
        work.of("DELETE FROM output WHERE id = (SELECT id FROM runs WHERE run = ?1) AND stream = ?2
             AND sequence >= ?3 AND sequence < ?4")?
            .execute(params![&*it.run.0, stream, from, to])?;
    }
    Ok(())
}

/// An outcome as its columns.
fn columns(it: &Outcome) -> (&'static str, Option<i64>, Option<String>) {
    (it.as_str(), it.exit_code(), it.reason())
}
