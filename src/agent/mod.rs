//! What decides: which job is due, which run may begin, which must end.
//!
//! [`state`], [`timetable`] and [`admission`] are pure: they are told what happened and what time it is, and answer
//! with effects. [`actor`] alone owns the state, feeds it and carries the effects out. [`handle`] is how everyone
//! else asks.

pub mod actor;
pub mod admission;
pub mod handle;
pub mod state;
pub mod timetable;
