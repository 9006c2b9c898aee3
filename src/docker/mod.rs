//! The Engine and its API. The only place that names the client library: what leaves here are our own types.
//!
//! [`client`] is the Engine, `transport` and `tls` the connection to it, [`error`] what can go wrong, [`endpoints`] what is
//! asked; then one file for each thing that is asked of the Engine.

pub mod actions;
mod answers;
pub mod archive;
pub mod changes;
pub mod client;
pub mod containers;
pub mod credentials;
pub mod endpoints;
pub mod error;
pub mod events;
pub mod execs;
pub mod images;
pub mod inventory;
mod options;
pub mod output;
pub mod pattern;
pub mod probe;
pub mod projects;
mod raw;
mod service_body;
pub mod services;
pub mod swarm;
pub mod task_output;
pub mod tasks;
mod tls;
mod transport;
