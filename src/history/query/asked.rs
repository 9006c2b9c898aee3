//! Who has logged in, and what was asked to be changed.

use super::Reader;
use crate::{
    history::{schema::time, store::StoreError},
    model::{audit::Audit, secret::TokenHash, session::Session},
};

impl Reader {
    /// Everyone who has logged in and not out.
    pub fn sessions(&self) -> Result<Vec<Session>, StoreError> {
        self.ask(|connection| {
            let mut rows = connection.prepare("SELECT hash, user, mark, begun, until FROM sessions")?;
            let rows = rows.query_map([], |row| {
                Ok(Session {
                    hash: TokenHash::stored(row.get(0)?),
                    user: row.get(1)?,
                    mark: TokenHash::stored(row.get(2)?),
                    begun: time(row.get(3)?),
                    until: time(row.get(4)?),
                })
            })?;
            rows.collect()
        })
    }

    /// Up to `limit` audit records with their numbers, the newest first; older than the one with the number `before`.
    pub fn audits(&self, before: Option<i64>, limit: u32) -> Result<Vec<(i64, Audit)>, StoreError> {
        self.ask(|connection| {
            let mut rows = connection.prepare(
                "SELECT id, at, caller, address, method, path, status FROM audits WHERE id < ?1
                 ORDER BY id DESC LIMIT ?2",
            )?;
            let rows = rows.query_map((before.unwrap_or(i64::MAX), limit), |row| {
                let audit = Audit {
                    at: time(row.get(1)?),
                    caller: row.get::<_, String>(2)?.into(),
                    from: row.get(3)?,
                    method: row.get(4)?,
                    path: row.get(5)?,
                    status: row.get(6)?,
                };
                Ok((row.get(0)?, audit))
            })?;
            rows.collect()
        })
    }
}
