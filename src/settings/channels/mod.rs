//! Channels as they are written: `[notify "name"]` in the file, `WATCHBELL_NOTIFY_<NAME>_<KEY>` in the environment and
//! `watchbell.notify.<name>.<key>` on the agent's own container.
//!
//! [`table`] says what a channel takes and [`shape`] how that is written; `environment` finds out of which channel a
//! variable speaks, and [`settle()`] lays the sources on top of each other.

mod environment;
mod settle;
pub mod shape;
pub mod table;

use std::{fmt, sync::Arc};

use crate::model::{name::check_name, origin::Origin};

pub use environment::{PREFIX, Variable, variable};
pub use settle::{Layers, Settled, settle};

use super::layer::Written;

/// A channel as one source writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawChannel {
    /// Its name.
    pub name: Arc<str>,
    /// Where the source begins to speak of it.
    pub origin: Origin,
    /// What the source says, each key once.
    pub values: Vec<RawValue>,
    /// Something of it could not be taken and was told of: what is missing may be that.
    pub spoiled: bool,
}

impl RawChannel {
    /// One of which nothing is known yet.
    pub fn new(name: &str, origin: Origin) -> Self {
        Self { name: name.into(), origin, values: Vec::new(), spoiled: false }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&RawValue> {
        self.values.iter().find(|it| it.key == key)
    }
}

/// One value of a channel as it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct RawValue {
    /// Its key, as the table has it.
    pub key: &'static str,
    /// The text and its place.
    pub written: Written,
    /// Where the text comes from.
    pub from: From,
}

/// It may be secret.
impl fmt::Debug for RawValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawValue").field("key", &self.key).field("from", &self.from).finish_non_exhaustive()
    }
}

/// Where a text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// It stands where its key does.
    Here,
    /// It was read from the file that stands there.
    File,
    /// It is the path of a file that is still to be read.
    Path,
}

/// Reads files with one value each, for what is not read when the sources are: labels.
#[derive(Clone)]
pub struct SecretFiles(Arc<Contents>);

/// The content of a file, or why there is none, in words that repeat neither the path nor the content.
type Contents = dyn Fn(&str) -> Result<String, String> + Send + Sync;

impl SecretFiles {
    /// Files are read like this.
    pub fn new(read: impl Fn(&str) -> Result<String, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    fn read(&self, path: &str) -> Result<String, String> {
        (self.0)(path)
    }
}

/// No file is read.
impl Default for SecretFiles {
    fn default() -> Self {
        Self::new(|_| Err("no other file is read here".to_owned()))
    }
}

impl fmt::Debug for SecretFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretFiles(…)")
    }
}

/// Whether a text is the name of a channel.
pub fn check_channel(name: &str) -> Result<(), String> {
    check_name(name).map_err(|error| {
        let reason = error.to_string().replace("job name", "channel's name");
        reason.replace("the job has no name", "the channel has no name")
    })
}
