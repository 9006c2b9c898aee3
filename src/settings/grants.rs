//! What a label on an ordinary container may do.
//!
//! By default: a command in its own container. Everything else needs a grant from the operator. The check works on the
//! finished spec, so no spelling of a key slips past it.

use std::{collections::BTreeSet, fmt};

use crate::model::{
    diagnostic::did_you_mean,
    job::{JobSpec, StartSpec, Volume, Work},
    name::{JobId, JobKind},
    options::ContainerOptions,
    service::Mount,
    swarm::Labelled,
};

/// Something that a label may do only if `allow-from-labels` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// A command in another container than the labelled one.
    ExecOther,
    /// A new container.
    Run,
    /// A Swarm service.
    ServiceRun,
    /// An action on a container.
    Container,
    /// A Compose command.
    Compose,
    /// A process beside the agent.
    Local,
    /// A path of the machine in a new container.
    HostMounts,
    /// All rights on the machine.
    Privileged,
    /// A file beside the agent.
    EnvFile,
}

impl Grant {
    /// Every grant, with what it allows.
    pub const ALL: [(Self, &'static str, &'static str); 9] = [
        (
            Self::ExecOther,
            "exec-other",
            "a command in another container than the labelled one; with `run` also its network (`network=container:<name>`), or a copy of it (`like`); with `container` an action on it, or stopping it while a job runs",
        ),
        (Self::Run, "run", "a new container, of any image, with the agent's credentials for that"),
        (
            Self::ServiceRun,
            "service-run",
            "a one-shot service of the Swarm, with any of its secrets and configs, and the agent's credentials for its image; an action on any service",
        ),
        (
            Self::Container,
            "container",
            "an action on the labelled container, and stopping it while a job runs; with `run` the start of one that is there already (`container`)",
        ),
        (
            Self::Compose,
            "compose",
            "a Compose command on any project, with any file of a project that the agent can read",
        ),
        (Self::Local, "local", "a process beside the agent"),
        (
            Self::HostMounts,
            "host-mounts",
            "a path of the machine in a new container (`volume`, `mount`, a volume with a driver of its own) or what is mounted into another one (`volumes-from`, `like`), besides `run` or `service-run`",
        ),
        (
            Self::Privileged,
            "privileged",
            "`privileged=true` and rights like it: `cap-add`, `device`, `gpus`, `runtime`, `network=host` (also by `like`), every `security-opt` but `no-new-privileges`, and a log that the Engine sends elsewhere (`log-driver`, `log-opt`); besides what its kind needs",
        ),
        (Self::EnvFile, "env-file", "a file that is read beside the agent"),
    ];

    fn row(self) -> (Self, &'static str, &'static str) {
        Self::ALL[self as usize]
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().1)
    }
}

/// The grants in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(BTreeSet<Grant>);

impl Grants {
    /// Reads names with commas, blanks or lines between them; `all` is every grant.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut grants = BTreeSet::new();
        for word in text.split([',', ' ', '\n']).map(str::trim).filter(|word| !word.is_empty()) {
            let word = word.to_ascii_lowercase();
            if word == "all" {
                grants.extend(Grant::ALL.map(|(grant, ..)| grant));
                continue;
            }
            let names = Grant::ALL.map(|(_, name, _)| name);
            let Some((grant, ..)) = Grant::ALL.into_iter().find(|(_, name, _)| *name == word) else {
                let hint = did_you_mean(&word, names.into_iter().chain(["all"]));
                let hint = hint.unwrap_or_else(|| format!("the grants are {}, all", names.join(", ")));
                return Err(format!("there is no grant \"{word}\": {hint}"));
            };
            grants.insert(grant);
        }
        Ok(Self(grants))
    }

    /// The names of the grants in force.
    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|grant| grant.row().1).collect()
    }

    /// Whether a grant is in force.
    pub fn has(&self, grant: Grant) -> bool {
        self.0.contains(&grant)
    }

    /// Why a label on an ordinary container may not start a job of someone else, which does this; `None` if it may.
    pub fn refuses_to_start(&self, job: &JobId, work: &Work) -> Option<String> {
        let grant = match work {
            Work::Exec(_) => Grant::ExecOther,
            Work::Run(_) | Work::Start(_) => Grant::Run,
            Work::Local(_) => Grant::Local,
            Work::ServiceRun(_) | Work::ServiceAction(_) => Grant::ServiceRun,
            Work::Compose(_) => Grant::Compose,
            Work::Container(_) => Grant::Container,
        };
        (!self.0.contains(&grant)).then(|| {
            format!("a label may not start {job}: the operator can allow it with allow-from-labels={grant}")
        })
    }

    /// What of stopping these containers while a job runs a label may not ask for; `own` says which of them are those
    /// of the label itself.
    pub fn refusals_to_stop(&self, names: &[String], own: impl Fn(&str) -> bool) -> Vec<Refusal> {
        let refusal = |grant: Grant, name: &String| {
            (!self.0.contains(&grant)).then(|| Refusal {
                parameter: "stop-during",
                reason: format!(
                    "a label may not ask for \"{name}\" to be stopped: the operator can allow it with \
                     allow-from-labels={grant}"
                ),
            })
        };
        let first = names.first().and_then(|name| refusal(Grant::Container, name));
        let other = names.iter().find(|name| !own(name)).and_then(|name| refusal(Grant::ExecOther, name));
        first.into_iter().chain(other).collect()
    }

    /// What `spec`, defined by a label on an ordinary container or a service, asks for and may not have.
    ///
    /// `by_label` says that a label, and not the operator alone, said what an `exec` does or where.
    pub fn refusals(&self, spec: &JobSpec, home: Home<'_>, by_label: bool) -> Vec<Refusal> {
        asked(&spec.work, home, by_label)
            .into_iter()
            .filter(|(grant, ..)| !self.0.contains(grant))
            .map(|(grant, parameter, what)| Refusal {
                parameter,
                reason: format!(
                    "a label may not ask for {what}: the operator can allow it with allow-from-labels={grant}"
                ),
            })
            .collect()
    }
}

/// What a job's labels are on.
#[derive(Debug, Clone, Copy)]
pub enum Home<'a> {
    /// It is there.
    On(Labelled<'a>),
    /// A container of which only the name is known.
    Name(&'a str),
}

impl Home<'_> {
    /// The name of the container, if it is one.
    fn container(&self) -> Option<&str> {
        match self {
            Self::On(labelled) => labelled.container(),
            Self::Name(name) => Some(name),
        }
    }

    /// Whether `like` means it.
    fn is_called(&self, name: &str) -> bool {
        match self {
            Self::On(labelled) => labelled.is_called(name),
            Self::Name(own) => *own == name,
        }
    }
}

/// Something that was asked for and is not granted.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The parameter that asks; for a kind of job the one that every job has.
    pub parameter: &'static str,
    /// What was asked for, and the switch that allows it.
    pub reason: String,
}

/// What `work` asks for beyond a command in `home`, and the parameter that does.
fn asked(work: &Work, home: Home<'_>, by_label: bool) -> Asked {
    let mut asked = Vec::new();
    let (privileged, env_files) = match work {
        // All that is done is the operator's word.
        Work::Exec(_) if !by_label => return asked,
        Work::Exec(exec) => {
            // No container is a service, whatever its name.
            let own = home.container();
            if let Some(other) = exec.container.as_ref().filter(|other| Some(other.as_str()) != own) {
                asked.push((
                    Grant::ExecOther,
                    "container",
                    format!("a command in the container \"{other}\""),
                ));
            }
            (exec.privileged, &exec.env_files[..])
        }
        Work::Run(run) => {
            asked.push((Grant::Run, "schedule", format!("a job of kind {}", JobKind::Run)));
            // What it shows of the machine is known when a run begins, and refused then.
            if let Some(like) = run.like.as_ref().filter(|like| !home.is_called(&like.name)) {
                asked.push((Grant::ExecOther, "like", format!("a copy of the container \"{}\"", like.name)));
            }
            if let Some(path) = run.volumes.iter().find_map(Volume::host_path) {
                asked.push((Grant::HostMounts, "volume", format!("the path {path} of the machine")));
            }
            network(&run.networks, &mut asked);
            if let Some(options) = &run.options {
                beyond(options, &mut asked);
            }
            (run.privileged, &run.env_files[..])
        }
        Work::Start(StartSpec { container }) => {
            asked.push((Grant::Run, "schedule", format!("a job of kind {}", JobKind::Run)));
            if Some(&**container) != home.container() {
                asked.push((
                    Grant::Container,
                    "container",
                    format!("the start of the container \"{container}\""),
                ));
            }
            (false, &[][..])
        }
        Work::Local(_) => {
            asked.push((Grant::Local, "schedule", format!("a job of kind {}", JobKind::Local)));
            (false, &[][..])
        }
        Work::ServiceRun(service) => {
            asked.push((Grant::ServiceRun, "schedule", format!("a job of kind {}", JobKind::ServiceRun)));
            if let Some(path) = service.mounts.iter().find_map(Mount::of_the_machine) {
                asked.push((Grant::HostMounts, "mount", format!("the path {path} of the machine")));
            }
            network(&service.networks, &mut asked);
            if let Some(like) = service.like.as_ref().filter(|like| !like.own) {
                // What the other service is, mounts and may do is known when a run begins, and is copied whatever it is.
                let what = format!("a copy of the service {}, whatever it mounts and may do", like.name);
                for grant in [Grant::ExecOther, Grant::HostMounts, Grant::Privileged] {
                    asked.push((grant, "like", what.clone()));
                }
            }
            (false, &service.env_files[..])
        }
        Work::ServiceAction(it) => {
            let what = format!("action={} on the service {}", it.action.as_str(), it.service);
            asked.push((Grant::ServiceRun, "action", what));
            (false, &[][..])
        }
        Work::Compose(_) => {
            asked.push((Grant::Compose, "schedule", format!("a job of kind {}", JobKind::Compose)));
            (false, &[][..])
        }
        Work::Container(it) => {
            asked.push((Grant::Container, "schedule", format!("a job of kind {}", JobKind::Container)));
            if let Some(other) =
                it.container.as_ref().filter(|other| Some(other.as_str()) != home.container())
            {
                asked.push((
                    Grant::ExecOther,
                    "container",
                    format!("an action on the container \"{other}\""),
                ));
            }
            (false, &[][..])
        }
    };
    if privileged {
        asked.push((Grant::Privileged, "privileged", "all rights on the machine".to_owned()));
    }
    if let Some(path) = env_files.first() {
        asked.push((Grant::EnvFile, "env-file", format!("the file {path} beside the agent")));
    }
    asked
}

type Asked = Vec<(Grant, &'static str, String)>;

/// Networks that are not a container's own.
fn network(networks: &[String], asked: &mut Asked) {
    for name in networks {
        if name == "host" {
            asked.push((Grant::Privileged, "network", "the network of the machine itself".to_owned()));
        } else if let Some(other) = name.strip_prefix("container:") {
            asked.push((Grant::ExecOther, "network", format!("the network of the container \"{other}\"")));
        }
    }
}

/// What a new container is given that others have not, or that the machine has.
fn beyond(options: &ContainerOptions, asked: &mut Asked) {
    if let Some(path) = options.mounts.iter().find_map(Mount::of_the_machine) {
        asked.push((Grant::HostMounts, "mount", format!("the path {path} of the machine")));
    }
    if let Some(other) = options.volumes_from.first().and_then(|it| it.split(':').next()) {
        let what = format!("what is mounted into the container \"{other}\"");
        asked.push((Grant::HostMounts, "volumes-from", what));
    }
    let loose = options.security.iter().find(|it| !it.only_tightens()).map(ToString::to_string);
    let rights = [
        ("cap-add", options.cap_add.first().map(|it| format!("the capability {it}"))),
        ("device", options.devices.first().map(|it| format!("the device {} of the machine", it.source))),
        ("gpus", options.gpus.as_ref().map(|_| "graphics processors of the machine".to_owned())),
        (
            "security-opt",
            loose.map(|it| format!("the security option {}", it.split('=').next().unwrap_or_default())),
        ),
        ("runtime", options.runtime.as_ref().map(|it| format!("the runtime {it}"))),
    ];
    let rights = rights.into_iter().filter_map(|(name, what)| Some((Grant::Privileged, name, what?)));
    asked.extend(rights);
    if let Some((parameter, what)) = options.log_leaves() {
        asked.push((Grant::Privileged, parameter, format!("a log that the Engine sends elsewhere ({what})")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (grant, name, _) in Grant::ALL {
            assert_eq!(grant.to_string(), name);
        }
    }

    #[test]
    fn grants_are_read_with_commas_blanks_or_lines() {
        let grants = Grants::parse("run, Exec-Other\nlocal").unwrap();
        assert_eq!(grants.0, BTreeSet::from([Grant::Run, Grant::ExecOther, Grant::Local]));
        assert_eq!(Grants::parse("all").unwrap().0.len(), Grant::ALL.len());
        assert!(Grants::parse("exec_othr").unwrap_err().contains("grant"));
        assert!(Grants::parse("locl").unwrap_err().contains("did you mean \"local\"?"));
    }
}
