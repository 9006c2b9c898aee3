//! Who has logged in, so that a restart of the agent logs nobody out.

use rusqlite::params;

use crate::model::{secret::TokenHash, session::Session};

use super::{schema::nanos, statements::Statements};

/// Someone logged in. Those whose time is over go.
pub(super) fn begin(work: &mut Statements<'_>, it: &Session) -> rusqlite::Result<()> {
    let Session { hash, user, mark, begun, until } = it;
    work.of("DELETE FROM sessions WHERE until <= ?1")?.execute([nanos(*begun)])?;
    work.of("INSERT OR REPLACE INTO sessions (hash, user, mark, begun, until) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![hash.bytes(), user, mark.bytes(), nanos(*begun), nanos(*until)])?;
    Ok(())
}

/// A session is over.
pub(super) fn end(work: &mut Statements<'_>, hash: &TokenHash) -> rusqlite::Result<()> {
    work.of("DELETE FROM sessions WHERE hash = ?1")?.execute([hash.bytes()])?;
    Ok(())
}
