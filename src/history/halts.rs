//! What the last agent had stopped for runs, for the one that starts.

use rusqlite::Connection;

use crate::model::{container::ContainerId, halt::Halt, name::JobId, run::RunId};

use super::{
    schema::time,
    store::{Store, StoreError},
};

/// Containers that are to be started again once their runs have ended.
pub(super) fn halts(connection: &Connection) -> rusqlite::Result<Vec<Halt>> {
    let mut rows =
        connection.prepare("SELECT container, run, name, job, place, at FROM halts ORDER BY run, place")?;
    let rows = rows.query_map([], |row| {
        Ok(Halt {
            container: ContainerId(row.get::<_, String>(0)?.into()),
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
    /// Containers that are to be started again once their runs have ended.
    pub fn halts(&self) -> Result<Vec<Halt>, StoreError> {
        self.told(halts)
    }
}
