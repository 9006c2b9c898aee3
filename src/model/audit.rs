//! What someone asked to be changed.

use std::sync::Arc;

use jiff::Timestamp;

/// An audit record: who asked for what, from where, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// When it was answered.
    pub at: Timestamp,
    /// Who: `user` or `token` with a name, `socket` or `anyone`.
    pub caller: Arc<str>,
    /// The address from which he asked; none on the socket.
    pub from: Option<String>,
    /// The method, which says what kind of change it is.
    pub method: String,
    /// What it was asked of, as it was written.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}
