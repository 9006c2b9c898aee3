//! watchbell: cron for containers.
pub mod model;
pub mod time;
