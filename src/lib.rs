//! watchbell: cron for containers.
pub mod telemetry;
pub mod time;
