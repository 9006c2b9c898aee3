//! What executes: one unit a run, from its order to its end.
//!
//! A run order leaves no choices: container, command and limits were settled when it was admitted. [`mod@unit`] carries
//! one out; [`in_container`], [`new_container`], [`service`] and [`process`] are the kinds; [`ending`] finds and signals
//! what the Engine does not end; [`capture`] makes lines of what they print; [`interrupts`] is what ends a run early;
//! `retry` is what comes after an attempt that failed; [`reap`] is what PID 1 owes to orphans.

pub mod capture;
mod collect;
pub mod ending;
mod environment;
pub mod in_container;
pub mod interrupts;
pub mod new_container;
pub mod order;
pub mod process;
pub mod reap;
mod retry;
pub mod service;
mod tasks;
pub mod unit;
