//! The command line: what can be typed, and the commands that print.

pub mod args;
pub mod ask;
pub mod call;
pub mod completions;
pub mod contexts;
pub mod doctor;
pub mod explain;
pub mod files;
pub mod hash_password;
pub mod healthcheck;
pub mod labels;
pub mod load;
mod made;
pub mod migrate;
mod moment;
mod mounts;
pub mod next;
pub mod observe;
pub mod operate;
pub mod plan;
pub mod print;
pub mod render;
pub mod schema;
pub mod simulate;
pub mod snippet;
pub mod validate;
mod way;

use std::collections::BTreeMap;

/// The environment, read once.
pub type Environment = BTreeMap<String, String>;

/// The exit code for wrong usage.
pub const USAGE: u8 = 2;

/// Text for people or JSON for programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}
