//! Tells someone what became of jobs: [`message`] makes the words of a notification, and one small file for each service
//! turns them into what that service takes ([`request`]).
//!
//! Who is told of what, and when, was decided before, in `agent`; what is to be told is in the store until it has arrived.

pub mod message;
pub mod request;
pub mod services;
