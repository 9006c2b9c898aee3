//! Tells someone what became of jobs: [`message`] makes the words of a notification, and one small file for each service
//! turns them into what that service takes ([`request`]). Three ways are no HTTP: [`email`], [`save`] and [`exec`].
//!
//! Who is told of what, and when, was decided before, in `agent`; what is to be told is in the store until it has arrived.

pub mod email;
pub mod exec;
pub mod message;
pub mod output;
pub mod request;
pub mod save;
pub mod trouble;
