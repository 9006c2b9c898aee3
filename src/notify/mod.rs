//! Tells someone what became of jobs: [`message`] makes the words of a notification, by [`template`]s where a channel has its
//! own, and one small file for each of the [`services`] turns them into what that service takes ([`request`]). Three ways are no
//! HTTP: [`email`], [`save`] and [`exec`].
//!
//! Who is told of what, and when, was decided before, in `agent`; what is to be told is in the store until it has arrived.
//! [`notifier`] has a [`lane`] for each channel and [`courier`] brings a message where it belongs; [`board`] knows how each
//! channel does, and [`handle`] is how others ask.

pub mod board;
pub mod courier;
pub mod digest;
pub mod email;
pub mod exec;
pub mod handle;
pub mod lane;
pub mod message;
pub mod notifier;
pub mod output;
pub mod printed;
pub mod request;
pub mod save;
pub mod services;
pub mod template;
pub mod trouble;
