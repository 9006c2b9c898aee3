//! What the last agent left without a record, for the one that starts.

use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::model::{
    name::JobId,
    run::{Admitted, RunId, Stream},
    unfinished::{GoingOn, KeptChunk, KeptOutput, LastAttempt, Legacy, Terms, Unfinished},
};

use super::{
    query::{Attempt, KeptRun, Phase, attempts, unfinished},
    schema::{count, outcome, stop, time},
    store::{Store, StoreError},
    terms,
};

impl Store {
    /// All that the last agent left.
    pub fn legacy(&self) -> Result<Legacy, StoreError> {
        self.told(legacy)
    }
}

/// All that the last agent left.
pub(super) fn legacy(connection: &Connection) -> rusqlite::Result<Legacy> {
    let mut runs = Vec::new();
    for run in unfinished(connection)? {
        let attempts = attempts(connection, &run.run)?;
        runs.push(whole(connection, run, attempts)?);
    }
    Ok(Legacy { runs, going_on: going_on(connection)? })
}

/// Runs that have their record, and whose commands could not be ended. Of one that nobody could find again nothing is
/// waited for.
fn going_on(connection: &Connection) -> rusqlite::Result<Vec<GoingOn>> {
    let mut rows = connection.prepare(
        "SELECT run, job, coalesce(started, admitted), terms, container FROM runs WHERE goes_on = 1 ORDER BY run",
    )?;
    let rows = rows.query_map([], |row| {
        let (run, job): (String, String) = (row.get(0)?, row.get(1)?);
        Ok((
            RunId(run.into()),
            JobId::plain(&job),
            time(row.get(2)?),
            row.get::<_, Option<String>>(3)?,
            row.get(4)?,
        ))
    })?;
    let mut found = Vec::new();
    for row in rows {
        let (run, job, since, terms, container) = row?;
        let Some(handle) = attempts(connection, &run)?.pop().and_then(|it| it.handle) else { continue };
        let group = terms.and_then(|text| terms::read(&text)).and_then(|it| it.group);
        found.push(GoingOn { run, job, group, container, since, handle });
    }
    Ok(found)
}

fn whole(connection: &Connection, run: KeptRun, mut attempts: Vec<Attempt>) -> rusqlite::Result<Unfinished> {
    let ask = "SELECT terms, stop, stop_force FROM runs WHERE run = ?1";
    let (text, by, force) = connection.query_row(ask, [&*run.run.0], |row| {
        let text = |column| row.get::<_, Option<String>>(column);
        Ok((text(0)?, text(1)?, text(2)?))
    })?;
    let stop = by.and_then(|by| stop(&by, &force.unwrap_or_default()));
    let terms = text.and_then(|text| terms::read(&text)).unwrap_or_else(Terms::unknown);
    let last = attempts.pop().map(|it| LastAttempt {
        number: it.number,
        started: it.started,
        handle: it.handle,
        timed_out: it.timed_out,
        ended: it.end.and_then(|end| Some((end.at, outcome(&end.outcome, end.exit_code, end.reason)?))),
    });
    let output = KeptOutput {
        stdout: chunks(connection, &run, Stream::Stdout)?,
        stderr: chunks(connection, &run, Stream::Stderr)?,
    };
    let begun = run.phase != Phase::Waiting;
    let KeptRun { run, job, kind, trigger, occurrence, fires, admitted, container, started, .. } = run;
    let terms = Some(Arc::new(terms));
    let admitted = Admitted { run, job, kind, trigger, occurrence, fires, admitted, container, terms };
    Ok(Unfinished { admitted, begun, started, stop, last, output })
}

fn chunks(connection: &Connection, run: &KeptRun, stream: Stream) -> rusqlite::Result<Vec<KeptChunk>> {
    let mut rows = connection.prepare(
        "SELECT o.sequence, o.attempt, o.place, o.length FROM output o JOIN runs r ON r.id = o.id
         WHERE r.run = ?1 AND o.stream = ?2 ORDER BY o.sequence",
    )?;
    let rows = rows.query_map(params![&*run.run.0, stream as u8], |row| {
        let (place, length) = (count(row.get(2)?), count(row.get(3)?));
        Ok(KeptChunk { sequence: row.get(0)?, attempt: row.get(1)?, place, length })
    })?;
    rows.collect()
}
