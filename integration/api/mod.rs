//! What the agent answers over HTTP: the real process, asked over its socket.

mod access;
mod answers;
mod client;
pub mod description;
pub mod health;
mod listen;
mod made;
mod opened;
mod output;
mod tls;
mod users;

/// Stands where secrets stand, and must never be answered.
pub const SECRET: &str = "hunter2-canary";
