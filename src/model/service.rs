//! A one-shot service of a Swarm, as a job names it: what its tasks are, where they may run and what they see.

use std::fmt;

use jiff::Timestamp;

use super::job::Environment;

/// A service of a Swarm that runs its tasks once and is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRunSpec {
    /// The image; `None` is that of the service in `like`.
    pub image: Option<String>,
    /// The service that it is like in all that is not said here.
    pub like: Option<LikeService>,
    /// The command; `None` is the image's own.
    pub argv: Option<Vec<String>>,
    /// `user`, `uid`, `user:group` or `uid:gid`; the image's own without it.
    pub user: Option<String>,
    /// The working directory; the image's own without it.
    pub workdir: Option<String>,
    /// Variables added to the image's.
    pub environment: Environment,
    /// Files beside the agent with more of them, under `environment`.
    pub env_files: Vec<String>,
    /// Names of networks; none means the Engine's default.
    pub networks: Vec<String>,
    /// What is mounted into each task.
    pub mounts: Vec<Mount>,
    /// Secrets of the Swarm that each task sees.
    pub secrets: Vec<Reference>,
    /// Configs of the Swarm that each task sees.
    pub configs: Vec<Reference>,
    /// What a node must be for a task to run there, such as `node.role==worker`.
    pub constraints: Vec<String>,
    /// How many tasks there are.
    pub tasks: Tasks,
    /// How much memory a task may have.
    pub memory: Option<Size>,
    /// How many processors a task may use.
    pub cpus: Option<Cpus>,
    /// Whether the nodes get the agent's credentials for the image's registry.
    pub with_registry_auth: bool,
}

/// A service of the Swarm that another one is made like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LikeService {
    /// Its name.
    pub name: String,
    /// Whether the job stands on its labels.
    pub own: bool,
}

/// Something that is done to a service that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceActionSpec {
    /// Its name.
    pub service: String,
    /// What is done.
    pub action: ServiceAction,
}

/// What is done to a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceAction {
    /// Its tasks run once more, to their end; with so many of them, if that is said.
    Run(Option<u16>),
    /// Its tasks are replaced by new ones.
    Restart,
    /// It has so many tasks.
    Scale(u16),
}

impl ServiceAction {
    /// The words for them.
    pub const WORDS: [&'static str; 3] = ["run", "restart", "scale"];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run(_) => Self::WORDS[0],
            Self::Restart => Self::WORDS[1],
            Self::Scale(_) => Self::WORDS[2],
        }
    }

    /// How many tasks are asked for.
    pub fn replicas(self) -> Option<u16> {
        match self {
            Self::Run(replicas) => replicas,
            Self::Restart => None,
            Self::Scale(replicas) => Some(replicas),
        }
    }
}

/// How the change of a service that is there is followed, by whichever agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followed {
    /// The number that its new tasks carry.
    pub mark: u64,
    /// Which version of the service is changed.
    pub version: u64,
    /// When the newest of the tasks was made that there were before; later ones are new.
    pub newest: Option<Timestamp>,
    /// What is waited for.
    pub wants: Wants,
}

/// What is waited for when a service was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// So many new tasks have ended.
    Ended(Tasks),
    /// The change is carried out.
    RolledOut,
    /// So many tasks run, and no other.
    Running(u16),
}

impl Followed {
    /// How many tasks a replicated service has for it, where these are counted.
    pub fn given(&self) -> Option<u64> {
        match self.wants {
            Wants::Ended(Tasks::Replicas(count)) | Wants::Running(count) => Some(count.into()),
            Wants::Ended(Tasks::EachNode) | Wants::RolledOut => None,
        }
    }
}

impl Wants {
    /// The places of the tasks that are followed.
    pub fn places(self) -> Tasks {
        match self {
            Self::Ended(tasks) => tasks,
            Self::RolledOut | Self::Running(_) => Tasks::Replicas(u16::MAX),
        }
    }

    /// Whether it has new tasks in place of those that it has.
    pub fn is_forced(self) -> bool {
        !matches!(self, Self::Running(_))
    }

    /// The action for which it is waited.
    pub fn action(self) -> ServiceAction {
        match self {
            Self::Ended(Tasks::Replicas(count)) => ServiceAction::Run(Some(count)),
            Self::Ended(Tasks::EachNode) => ServiceAction::Run(None),
            Self::RolledOut => ServiceAction::Restart,
            Self::Running(count) => ServiceAction::Scale(count),
        }
    }
}

impl ServiceRunSpec {
    /// What its tasks are made of, in words.
    pub fn source(&self) -> String {
        match (&self.image, &self.like) {
            (Some(image), _) => image.clone(),
            (None, Some(like)) => format!("the image of the service {}", like.name),
            (None, None) => String::new(),
        }
    }
}

/// How many tasks a service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tasks {
    /// So many, wherever there is room; at least one.
    Replicas(u16),
    /// One on each node that meets the constraints.
    EachNode,
}

/// Something that is mounted into a container, as `docker service create --mount` writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// The absolute path in the container.
    pub target: String,
    /// Whether it can only be read.
    pub read_only: bool,
    /// As it was written.
    pub text: String,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A path of the machine.
    Bind {
        /// The path.
        path: String,
        /// How mounts below it are shared, such as `rslave`.
        propagation: Option<String>,
    },
    /// A volume of the Engine's.
    Volume {
        /// Its name; one without a name is new for each task.
        name: Option<String>,
        /// Whether a new one is left empty rather than filled from the image.
        no_copy: bool,
        /// The driver of a new one.
        driver: Option<String>,
        /// The driver's options.
        options: Vec<(String, String)>,
        /// The labels of a new one.
        labels: Vec<(String, String)>,
    },
    /// Memory.
    Tmpfs {
        /// The most that it takes, in bytes.
        size: Option<Size>,
        /// Its permissions.
        mode: Option<u32>,
    },
}

impl Mount {
    /// What it shows of the machine besides the Engine's own volumes: a path, or what a driver was told to show.
    pub fn of_the_machine(&self) -> Option<&str> {
        match &self.source {
            MountSource::Bind { path, .. } => Some(path),
            // Options of the driver `local` mount whatever they name.
            MountSource::Volume { driver, options, .. } if driver.is_some() || !options.is_empty() => {
                let device = options.iter().find(|(name, _)| name == "device");
                Some(device.map_or("that the driver of a volume mounts", |(_, path)| path))
            }
            MountSource::Volume { .. } | MountSource::Tmpfs { .. } => None,
        }
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A secret or config of the Swarm, and the file that it is in a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its name.
    pub name: String,
    /// The file; of a secret, a name is below `/run/secrets`.
    pub target: String,
    /// The owner of the file, by number.
    pub uid: String,
    /// The group of the file, by number.
    pub gid: String,
    /// The permissions of the file.
    pub mode: u32,
    /// As it was written.
    pub text: String,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An amount of memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// The units by their letters, the largest first.
    pub const UNITS: [(char, u64); 5] =
        [('p', 1 << 50), ('t', 1 << 40), ('g', 1 << 30), ('m', 1 << 20), ('k', 1 << 10)];
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::UNITS.into_iter().find(|(_, unit)| self.0 > 0 && self.0.is_multiple_of(*unit)) {
            Some((letter, unit)) => write!(f, "{}{letter}", self.0 / unit),
            None => write!(f, "{}b", self.0),
        }
    }
}

/// A number of processors, in billionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus(pub u64);

impl Cpus {
    /// A whole processor.
    pub const ONE: u64 = 1_000_000_000;
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:09}", self.0 / Self::ONE, self.0 % Self::ONE);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}
