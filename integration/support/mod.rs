//! What the integration tests stand on. Nothing in here makes a promise about the product; it only makes the product's
//! surroundings repeatable.
#![allow(dead_code, reason = "a toolbox: not every test run uses every tool")]

pub mod abnf;
pub mod agent_process;
pub mod alone;
pub mod beside;
pub mod certificates;
pub mod disk;
pub mod docs;
pub mod example;
pub mod expect;
pub mod exposition;
pub mod fake_engine;
pub mod front;
pub mod live_engine;
pub mod prometheus;
pub mod receiver;
pub mod scenario;
pub mod silent_engine;
pub mod smtp;
pub mod source;
pub mod test_agent;
pub mod year;
