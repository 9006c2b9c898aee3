//! Who has logged in.

use super::Reader;
use crate::{
    history::{schema::time, store::StoreError},
    model::{secret::TokenHash, session::Session},
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
}
