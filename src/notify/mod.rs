//! Tells someone what became of jobs: [`message`] makes the words of a notification, and one small file for each service
//! turns them into what that service takes ([`request`]).
//!
//! Who is told of what, and when, was decided before, in `agent`; what is to be told is in the store until it has arrived.
//! [`notifier`] has a [`lane`] for each channel, and [`courier`] brings a message where it belongs. [`handle`] is how
//! others ask.

pub mod board;
pub mod courier;
pub mod digest;
pub mod handle;
pub mod lane;
pub mod message;
pub mod notifier;
pub mod request;
pub mod trouble;
