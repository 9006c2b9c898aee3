//! Jobs that were made over the API: read for the agent that starts, and changed one by one, each change in the file before
//! anyone is told of it.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::model::{
    made::{Made, MadeChange},
    name::JobId,
};

use super::{
    query::Reader,
    schema::kind,
    statements::{Statements, transaction},
    store::{Store, StoreError},
    write::lastingly,
};

/// All of them. What nobody could have stored is none.
pub(super) fn made(connection: &Connection) -> rusqlite::Result<Vec<Made>> {
    let mut rows =
        connection.prepare("SELECT job, kind, revision, parameters FROM made_jobs ORDER BY job")?;
    let rows = rows.query_map([], |row| {
        let (job, of_kind): (String, String) = (row.get(0)?, row.get(1)?);
        let (revision, parameters): (String, String) = (row.get(2)?, row.get(3)?);
        let read = || {
            let parameters: BTreeMap<String, String> = serde_json::from_slice(parameters.as_bytes()).ok()?;
            let (job, kind) = (JobId::plain(&job), kind(&of_kind)?);
            Some(Made { job, kind, revision: revision.into(), parameters })
        };
        Ok(read())
    })?;
    rows.filter_map(Result::transpose).collect()
}

impl Store {
    /// The jobs that were made over the API.
    pub fn made(&self) -> Result<Vec<Made>, StoreError> {
        self.told(made)
    }

    /// Changes them, all of this or nothing, so that not even a machine that loses its power forgets it.
    pub(super) fn change_made(&mut self, changes: &[MadeChange]) -> Result<(), StoreError> {
        self.check_place()?;
        self.change(|connection, _| {
            lastingly(connection, |connection| {
                transaction(connection, |work| changes.iter().try_for_each(|it| change(work, it)))
            })
        })
    }
}

impl Reader {
    /// The jobs that were made over the API.
    pub fn made(&self) -> Result<Vec<Made>, StoreError> {
        self.ask(made)
    }
}

fn change(work: &mut Statements<'_>, it: &MadeChange) -> rusqlite::Result<()> {
    match it {
        MadeChange::Put(Made { job, kind, revision, parameters }) => {
            let parameters = serde_json::Value::from_iter(parameters.clone()).to_string();
            work.of(
                "INSERT OR REPLACE INTO made_jobs (job, kind, revision, parameters) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![job.as_str(), kind.as_str(), &**revision, parameters])?;
        }
        MadeChange::Remove(job) => {
            work.of("DELETE FROM made_jobs WHERE job = ?1")?.execute([job.as_str()])?;
        }
    }
    Ok(())
}
