//! Promises of the product, as tests. One binary: each test's name is the promise.

mod api;
mod cli;
mod endpoints;
mod examples;
mod fake_engine_self;
mod forgotten;
mod grammar;
mod history;
mod killed;
mod laws;
mod live;
mod metrics;
mod mistakes;
mod observability;
mod policies;
mod running;
mod scenarios;
mod schedules;
mod settings;
mod shutdown;
mod spec;
mod support;
mod tidy;
mod watching;
mod wrong_inputs;
mod year;
