//! What observes: keeps an up-to-date observation of the Engine on a channel.

pub mod backoff;
pub mod engine;
pub mod file;
pub mod identity;
