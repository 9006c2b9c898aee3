//! What was asked to be changed, and by whom.

use rusqlite::params;

use crate::model::audit::Audit;

use super::{schema::nanos, statements::Statements};

/// So many are kept.
pub(super) const KEPT: i64 = 5000;

/// One more. The oldest goes for it.
pub(super) fn add(work: &mut Statements<'_>, it: &Audit) -> rusqlite::Result<()> {
    let Audit { at, caller, from, method, path, status } = it;
    work.of(
        "INSERT INTO audits (at, caller, address, method, path, status) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![nanos(*at), &**caller, from, method, path, status])?;
    work.of("DELETE FROM audits WHERE id <= (SELECT max(id) FROM audits) - ?1")?.execute([KEPT])?;
    Ok(())
}
