//! What the agent tells its operator: log lines, and the one way they reach stdout.
//!
//! Nothing in here decides anything about a job, and nothing in here may delay or fail a run.

mod line;
pub mod logging;
pub mod report;
pub mod sink;
pub mod stream;
