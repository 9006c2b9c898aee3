//! Where the image of a new container comes from: the registry, or a container that is there already.

use std::time::Duration;

use super::word;

/// How long a pull may take, unless someone says otherwise.
pub const DEFAULT_PULL_TIMEOUT: Duration = Duration::from_secs(600);

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PullPolicy {
    /// Where the Engine does not have it.
    #[default]
    Missing,
    /// Before each run.
    Always,
    /// Not at all.
    Never,
}

impl PullPolicy {
    /// The policies by their names.
    pub const NAMES: [(&'static str, Self); 3] =
        [("missing", Self::Missing), ("always", Self::Always), ("never", Self::Never)];

    /// The policy's name.
    pub fn as_str(self) -> &'static str {
        word::of(Self::NAMES, self)
    }
}

/// The pulls of a job's image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pull {
    /// When there is one.
    pub policy: PullPolicy,
    /// How long a run waits for one.
    pub timeout: Duration,
}

impl Default for Pull {
    fn default() -> Self {
        Self { policy: PullPolicy::default(), timeout: DEFAULT_PULL_TIMEOUT }
    }
}

/// A container that a new one is made like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Like {
    /// As it was written: a service of Compose, or a container's name.
    pub name: String,
    /// Whether paths of the machine that it shows may come along.
    pub host_mounts: bool,
    /// Whether the network of the machine may.
    pub host_network: bool,
    /// Whether the network of yet another container may.
    pub other_network: bool,
}
