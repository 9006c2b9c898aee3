//! What the figures are measured with.

pub mod agent;
pub mod bare;
pub mod engine;
pub mod samples;
pub mod table;

/// Whatever went wrong; it ends one group and is told.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
