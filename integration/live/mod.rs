//! The agent's binary and its image against a real Docker Engine.
//!
//! `make test` sees to the Engine and the images; without them these tests fail and say so.

mod admission;
mod adoption;
mod cli;
mod compose;
mod compose_jobs;
mod container;
mod crash;
mod diagnostics;
mod engine;
mod exec;
mod existing;
mod full_image;
mod halted_services;
mod halts;
mod image;
mod labels;
mod like;
mod listen;
mod local;
mod made;
mod metrics;
mod new_container;
mod notify;
mod options;
mod plan;
mod policies;
mod proxy;
mod registry;
mod reload;
mod replicas;
mod restart;
mod secrets;
mod service;
mod service_actions;
mod shutdown;
mod swarm_labels;
mod timeouts;
mod tls;
