//! What the last agent left without a record, for the one that starts.

use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::model::{
    run::{Admitted, Stream},
    unfinished::{KeptChunk, KeptOutput, LastAttempt, Unfinished},
};

use super::{
    query::{Attempt, KeptRun, Phase, attempts, unfinished},
    schema::{count, outcome},
    store::{Store, StoreError},
    terms,
};

impl Store {
    /// The runs that have no record, the oldest first.
    pub fn unfinished(&self) -> Result<Vec<Unfinished>, StoreError> {
        self.told(|connection| {
            let mut found = Vec::new();
            for run in unfinished(connection)? {
                let attempts = attempts(connection, &run.run)?;
                found.push(whole(connection, run, attempts)?);
            }
            Ok(found)
        })
    }
}

fn whole(connection: &Connection, run: KeptRun, mut attempts: Vec<Attempt>) -> rusqlite::Result<Unfinished> {
    let text: Option<String> =
        connection.query_row("SELECT terms FROM runs WHERE run = ?1", [&*run.run.0], |row| row.get(0))?;
    let terms = text.and_then(|text| terms::read(&text)).unwrap_or_else(terms::unknown);
    let last = attempts.pop().map(|it| LastAttempt {
        number: it.number,
        started: it.started,
        handle: it.handle,
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
    Ok(Unfinished { admitted, begun, started, last, output })
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
