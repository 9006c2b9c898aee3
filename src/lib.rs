//! watchbell: cron for containers.
pub mod time;
