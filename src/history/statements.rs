//! The statements of one transaction, each prepared once however often it is carried out.

use rusqlite::{Connection, Statement};

/// Changes something, all of it or nothing.
pub(super) fn transaction<T>(
    connection: &mut Connection,
    change: impl FnOnce(&mut Statements<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let transaction = connection.transaction()?;
    let done = change(&mut Statements { connection: &transaction, prepared: Vec::new() })?;
    transaction.commit()?;
    Ok(done)
}

/// Statements by their text.
pub(super) struct Statements<'c> {
    pub connection: &'c Connection,
    prepared: Vec<(&'static str, Statement<'c>)>,
}

impl<'c> Statements<'c> {
    /// The statement with this text.
    pub fn of(&mut self, text: &'static str) -> rusqlite::Result<&mut Statement<'c>> {
        // There are so few that looking at each is the fastest way, and a text is where it is.
        let known = self.prepared.iter().position(|(it, _)| std::ptr::eq(*it, text));
        let at = known.unwrap_or(self.prepared.len());
        if known.is_none() {
            self.prepared.push((text, self.connection.prepare(text)?));
        }
        Ok(&mut self.prepared[at].1)
    }
}
