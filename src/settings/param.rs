//! One row of the table of job parameters.

use crate::model::name::JobKind;

use super::{grants::Grant, shape::Shape};

/// One parameter of a job.
#[derive(Debug)]
pub struct Param {
    /// Its name, lower case with `-`.
    pub name: &'static str,
    /// Other names for it, which people know from elsewhere.
    pub aliases: &'static [&'static str],
    /// The kinds that have it.
    pub kinds: &'static [JobKind],
    /// What can be written.
    pub shape: Shape,
    /// What holds when nobody writes it, in words or as it would be written.
    pub default: &'static str,
    /// What it does, in one line.
    pub doc: &'static str,
    /// Whether this version does it. A parameter that is planned is rejected by name, never ignored.
    pub support: Support,
    /// The grant that a label on an ordinary container needs for some or all of its values.
    pub grant: Option<Grant>,
    /// Whether its value may be a secret: it is never shown, and the INI file can read it from another file.
    pub secret: bool,
}

/// Whether this version does what the parameter says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Since this version.
    Since(&'static str),
    /// Known, and rejected as not yet supported.
    Planned,
}

/// The most tasks that one service can be asked for: each of them is followed.
pub const REPLICAS_LIMIT: u16 = 1000;

/// The most missed occurrences of one job that can be asked to run: each of them waits in memory.
pub const MISSED_MAX_LIMIT: u16 = 1000;

/// The most further attempts that a run can be given.
pub const RETRIES_LIMIT: u16 = 100;

/// The most failures that can be waited for before one is told.
pub const NOTIFY_AFTER_LIMIT: u16 = 1000;

/// A row with what every row has.
pub(super) const fn row(
    name: &'static str,
    kinds: &'static [JobKind],
    shape: Shape,
    default: &'static str,
    support: Support,
    doc: &'static str,
) -> Param {
    Param { name, aliases: &[], kinds, shape, default, doc, support, grant: None, secret: false }
}

impl Param {
    pub(super) const fn or(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    pub(super) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    pub(super) const fn grant(self, grant: Grant) -> Self {
        Self { grant: Some(grant), ..self }
    }
}
