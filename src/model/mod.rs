//! The nouns of watchbell: what a job, a run, a container and a mistake are.
//!
//! Pure data. Nothing here talks, waits or reads a clock, and nothing here knows how a value was written.

pub mod action;
pub mod audit;
pub mod bytes;
pub mod channel;
pub mod compose;
pub mod connection;
pub mod container;
pub mod diagnostic;
pub mod duration;
pub mod gather;
pub mod halt;
pub mod image;
pub mod item;
pub mod job;
pub mod kept;
pub mod made;
pub mod mailbox;
pub mod memory;
pub mod name;
pub mod notification;
pub mod notify_memory;
pub mod options;
pub mod origin;
pub mod parameters;
pub mod password;
pub mod policy;
pub mod run;
pub mod schedule;
pub mod secret;
pub mod service;
pub mod session;
mod share;
pub mod skip;
pub mod spread;
pub mod swarm;
pub mod unfinished;
pub mod variable;
mod word;
