//! What a new container can be given beside its image, its command and its volumes. Few jobs have any of it, so it stands
//! apart from what every one has.

use std::fmt;

use super::{
    job::Environment,
    service::{Cpus, Mount, Size},
    word,
};

/// What a job of kind `run` asks for its container. The default is nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerOptions {
    /// What is mounted, in the long form.
    pub mounts: Vec<Mount>,
    /// Directories in memory.
    pub tmpfs: Vec<Tmpfs>,
    /// Containers whose volumes it sees: `<name>[:<mode>]`.
    pub volumes_from: Vec<String>,
    /// Further names in its networks.
    pub aliases: Vec<String>,
    /// Addresses of name servers.
    pub dns: Vec<String>,
    /// `<name>:<address>`, where the address may be `host-gateway`.
    pub extra_hosts: Vec<String>,
    /// The most memory.
    pub memory: Option<Size>,
    /// The most processors.
    pub cpus: Option<Cpus>,
    /// The most processes.
    pub pids_limit: Option<Pids>,
    /// The size of `/dev/shm`.
    pub shm_size: Option<Size>,
    /// Limits of its processes.
    pub ulimits: Vec<Ulimit>,
    /// Capabilities beyond those that the Engine gives, such as `CAP_NET_ADMIN`.
    pub cap_add: Vec<String>,
    /// Capabilities that the Engine gives and it does not get.
    pub cap_drop: Vec<String>,
    /// Devices of the machine.
    pub devices: Vec<Device>,
    /// Graphics processors.
    pub gpus: Option<Gpus>,
    /// What the kernel holds it to.
    pub security: Vec<SecurityOption>,
    /// Whether nothing can be written outside its volumes.
    pub read_only: bool,
    /// Whether a small init is its first process; `None` is as the Engine is set up.
    pub init: Option<bool>,
    /// Labels of its own.
    pub labels: Vec<(String, String)>,
    /// What asks it to stop.
    pub stop_signal: Option<String>,
    /// Which of an image's platforms it is of.
    pub platform: Option<String>,
    /// What runs it.
    pub runtime: Option<String>,
    /// Where its log goes.
    pub log_driver: Option<String>,
    /// How: values may be secret.
    pub log_options: Environment,
}

/// A directory in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// The absolute path in the container.
    pub path: String,
    /// Words with commas between, such as `size=64m,mode=1777`; may be empty.
    pub options: String,
}

impl fmt::Display for Tmpfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, options } = self;
        if options.is_empty() { f.write_str(path) } else { write!(f, "{path}:{options}") }
    }
}

/// How many processes there may be at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pids {
    /// So many, at least one.
    Most(u32),
    /// As many as the machine has room for, whatever the Engine gives otherwise.
    Unlimited,
}

impl fmt::Display for Pids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Most(count) => write!(f, "{count}"),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

/// A limit of each process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// Such as `nofile`.
    pub name: &'static str,
    /// What holds; -1 is unlimited.
    pub soft: i64,
    /// How far a process may raise it.
    pub hard: i64,
}

impl fmt::Display for Ulimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.name, self.soft, self.hard)
    }
}

/// A device of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its path on the machine.
    pub source: String,
    /// Its path in the container.
    pub target: String,
    /// Some of `rwm`: read, write, make nodes.
    pub permissions: String,
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.source, self.target, self.permissions)
    }
}

/// Graphics processors of the machine, as `docker run --gpus` names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpus {
    /// How many, where they are not named; -1 is all.
    pub count: Option<i64>,
    /// Which, by number or ID.
    pub devices: Vec<String>,
    /// Whose; empty is any.
    pub driver: String,
    /// What they have to be able to, `gpu` among it.
    pub capabilities: Vec<String>,
    /// As it was written.
    pub text: String,
}

/// What the kernel holds a container to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecurityOption {
    /// Whether its processes cannot gain rights that they did not begin with.
    NoNewPrivileges(bool),
    /// Its seccomp profile: `unconfined`, `builtin` or JSON.
    Seccomp(String),
    /// The name of its `AppArmor` profile, or `unconfined`.
    AppArmor(String),
    /// A label of `SELinux`, such as `disable` or `type:container_t`.
    Label(String),
    /// Whether it sees the paths of the kernel that are hidden otherwise.
    AllPaths,
}

impl SecurityOption {
    /// Whether it holds the container to no less than without it, whatever the Engine does by itself.
    pub fn only_tightens(&self) -> bool {
        match self {
            Self::NoNewPrivileges(on) => *on,
            Self::Seccomp(_) | Self::AppArmor(_) | Self::Label(_) | Self::AllPaths => false,
        }
    }
}

impl fmt::Display for SecurityOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNewPrivileges(on) => write!(f, "no-new-privileges={on}"),
            Self::Seccomp(profile) => write!(f, "seccomp={profile}"),
            Self::AppArmor(profile) => write!(f, "apparmor={profile}"),
            Self::Label(label) => write!(f, "label={label}"),
            Self::AllPaths => f.write_str("systempaths=unconfined"),
        }
    }
}

/// Whether a container can have further names in a network: not in those that the Engine has by itself, and not in that
/// of another container.
pub fn takes_aliases(network: &str) -> bool {
    !matches!(network, "none" | "host" | "bridge" | "default") && !network.starts_with("container:")
}

/// Log drivers that keep a log on the machine, where the Engine keeps it, and go nowhere else.
const LOCAL_LOG_DRIVERS: [&str; 4] = ["json-file", "local", "journald", "none"];

/// Options of log drivers that do not say where a log goes, or with which rights.
const HARMLESS_LOG_OPTIONS: [&str; 10] = [
    "max-size",
    "max-file",
    "compress",
    "labels",
    "labels-regex",
    "env",
    "env-regex",
    "tag",
    "mode",
    "max-buffer-size",
];

impl ContainerOptions {
    /// What of its log the Engine is asked to send somewhere, or to read from the machine for that: a parameter and its
    /// value, without what may be secret.
    pub fn log_leaves(&self) -> Option<(&'static str, &str)> {
        let driver = self.log_driver.as_deref().filter(|driver| !LOCAL_LOG_DRIVERS.contains(driver));
        let mut names = self.log_options.0.iter().map(|(name, _)| &**name);
        let mut option = || names.find(|name| !HARMLESS_LOG_OPTIONS.contains(name));
        driver.map(|driver| ("log-driver", driver)).or_else(|| option().map(|name| ("log-opt", name)))
    }
}

/// When the container of a run is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delete {
    /// When it has ended and its record is kept.
    #[default]
    Always,
    /// So if it succeeded, else as [`Self::Never`].
    OnSuccess,
    /// When it is past what the job's history keeps.
    Never,
}

impl Delete {
    /// The policies by their names.
    pub const NAMES: [(&'static str, Self); 3] =
        [("always", Self::Always), ("on-success", Self::OnSuccess), ("never", Self::Never)];

    /// The policy's name.
    pub fn as_str(self) -> &'static str {
        word::of(Self::NAMES, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_goes_elsewhere_is_known_by_its_driver_or_by_an_option() {
        let option = |name: &str| Environment(vec![(name.to_owned(), "x".to_owned())]);
        let of = |driver: Option<&str>, log_options| ContainerOptions {
            log_driver: driver.map(str::to_owned),
            log_options,
            ..ContainerOptions::default()
        };
        let none = Environment::default;
        assert_eq!(of(None, none()).log_leaves(), None);
        assert_eq!(of(Some("json-file"), option("max-size")).log_leaves(), None);
        assert_eq!(of(Some("syslog"), none()).log_leaves(), Some(("log-driver", "syslog")));
        // Whatever the Engine's own driver is, it may be told to send elsewhere.
        let told = of(None, option("fluentd-address"));
        assert_eq!(told.log_leaves(), Some(("log-opt", "fluentd-address")));
    }
}
