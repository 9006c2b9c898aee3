//! What is scheduled and when, as plain values: no clock, no I/O, no tasks.
pub mod schedule;
