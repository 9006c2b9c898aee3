//! What answers: the agent's own questions and answers over HTTP. The only place that names the web framework.
//!
//! It listens on a unix socket in the state directory, for the command line beside the agent ([`socket`]), and over TCP
//! ([`listen`]), where `guard` looks at who asks first, and [`rights`] says
//! what he may. [`api`] is what can be
//! asked about jobs and runs, with a file for each part of it; [`dto`] and [`dto_runs`] are how that is written, and
//! `problem` how a question is refused.

pub mod about;
pub mod actions;
pub mod api;
pub mod audit;
mod caller;
pub mod channels;
pub mod dto;
pub mod dto_channels;
pub mod dto_made;
pub mod dto_runs;
pub mod endpoints;
pub mod events;
mod follow;
pub mod guard;
pub mod health;
pub mod job;
pub mod jobs;
pub mod listen;
pub mod login;
pub mod made;
pub mod metrics;
pub mod opened;
pub mod output;
mod peer;
pub mod plan;
pub mod problem;
pub mod rights;
pub mod runs;
pub mod sessions;
mod shares;
pub mod socket;
mod throttle;
pub mod tls;
