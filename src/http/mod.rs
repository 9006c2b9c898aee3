//! What answers: the agent's own questions and answers over HTTP. The only place that names the web framework.
//!
//! It listens on a unix socket in the state directory, for the command line beside the agent.

pub mod health;
pub mod plan;
pub mod socket;
