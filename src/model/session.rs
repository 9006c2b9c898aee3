//! Someone who has logged in, until he logs out or his time is over.

use jiff::Timestamp;

use super::secret::TokenHash;

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// What remains of what his browser shows.
    pub hash: TokenHash,
    /// Who it is.
    pub user: String,
    /// The mark of the hash of his password then: with another password he has to log in anew.
    pub mark: TokenHash,
    /// When he logged in.
    pub begun: Timestamp,
    /// When his time is over.
    pub until: Timestamp,
}
