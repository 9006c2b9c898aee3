//! What the last agent had stopped for runs, for the one that starts.

use rusqlite::Connection;

use crate::model::{
    container::ContainerId,
    halt::{Halt, HaltId},
    name::JobId,
    run::RunId,
};

use super::{
    schema::time,
    store::{Store, StoreError},
};

/// What is to be started again once its runs have ended.
pub(super) fn halts(connection: &Connection) -> rusqlite::Result<Vec<Halt>> {
    let mut rows = connection
        .prepare("SELECT container, run, name, job, place, at, replicas FROM halts ORDER BY run, place")?;
    let rows = rows.query_map([], |row| {
        let id: String = row.get(0)?;
        let replicas = row.get::<_, Option<i64>>(6)?.map(|it| u64::try_from(it).unwrap_or_default());
        Ok(Halt {
            // A service is what has a number of tasks.
            what: match replicas {
                Some(_) => HaltId::Service(id.into()),
                None => HaltId::Container(ContainerId(id.into())),
            },
            replicas,
            run: RunId(row.get::<_, String>(1)?.into()),
            name: row.get(2)?,
            job: JobId::plain(&row.get::<_, String>(3)?),
            place: row.get(4)?,
            at: time(row.get(5)?),
        })
    })?;
    rows.collect()
}

impl Store {
    /// What is to be started again once its runs have ended.
    pub fn halts(&self) -> Result<Vec<Halt>, StoreError> {
        self.told(halts)
    }
}
