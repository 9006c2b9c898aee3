//! What executes: one unit a run, from its order to its end.
//!
//! A run order leaves no choices: container, command and limits were settled when it was admitted. [`mod@unit`] carries
//! one out; [`in_container`], [`new_container`], [`service`], [`compose`], [`process`] and [`action`] are the kinds, and
//! [`user`] is as whom a process beside the agent runs; [`ending`] finds and signals
//! what the Engine does not end; [`capture`] makes lines of what they print; [`interrupts`] is what ends a run early;
//! [`pull`] brings a run's image, `registry` what a registry is shown, `like` what a run takes of another container; [`halt`]
//! and [`halts`] are what is stopped while runs go on; `looks` is when the tasks of a service are looked at; `retry` is
//! what comes after an attempt that failed; [`takeover`] is the same for a run that another agent began, and
//! [`adoption`] what is to be made of it; [`leftovers`] is what nobody waits for;
//! [`reap`] is what PID 1 owes to orphans.

pub mod action;
pub mod adoption;
pub mod capture;
mod clearing;
mod collect;
pub mod compose;
pub mod ending;
mod environment;
mod existing;
pub mod halt;
pub mod halts;
pub mod in_container;
pub mod interrupts;
pub mod kept;
pub mod leftovers;
mod like;
mod looks;
mod making;
pub mod new_container;
pub mod order;
mod outage;
pub mod own_variables;
mod prepare;
pub mod process;
pub mod pull;
pub mod reap;
mod reasons;
mod registry;
mod retry;
pub mod service;
mod service_action;
pub mod takeover;
mod tasks;
pub mod unit;
pub mod user;
