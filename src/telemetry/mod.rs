//! What the agent tells its operator: log lines, the one way they reach stdout, metrics and traces.
//!
//! Nothing in here decides anything about a job, and nothing in here may delay or fail a run.

pub mod legs;
mod line;
pub mod logging;
pub mod metrics;
pub mod otlp;
pub mod report;
pub mod sink;
pub mod stream;
