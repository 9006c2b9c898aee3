//! What decides: which job is due, which run may begin, which must end.
//!
//! [`state`], [`timetable`], [`gap`], [`keep`], [`admission`], `activity`, [`mod@line`], [`dependencies`], [`notices`], `operator`, `takeover` and `reconcile`
//! are pure: they are told what happened and what time it is, and answer with effects ([`event`]). [`actor`] alone owns the
//! state, feeds it and carries the effects out. [`handle`] is how everyone else asks, with [`making`] for jobs.

mod activity;
pub mod actor;
pub mod admission;
pub mod dependencies;
pub mod event;
pub mod gap;
pub mod handle;
pub mod keep;
pub mod line;
pub mod making;
pub mod notices;
mod operator;
mod reconcile;
mod records;
pub mod state;
mod takeover;
pub mod timetable;
