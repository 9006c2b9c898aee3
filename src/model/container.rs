//! What the agent knows of the Engine's containers: one complete observation, and the facts of one container.

use std::{collections::BTreeMap, sync::Arc};

use super::swarm::{self, SERVICE_NAME_LABEL, STACK_LABEL, Services, TASK_NAME_LABEL};

const COMPOSE: &str = "com.docker.compose.";

/// What the agent writes on each container that it makes: what tells it from other agents on the Engine, then job, run and occurrence.
pub const RUN_LABELS: [&str; 4] = [AGENT_LABEL, JOB_LABEL, RUN_LABEL, OCCURRENCE_LABEL];

/// The one of them that tells our agent from others.
pub const AGENT_LABEL: &str = "watchbell.agent";

/// The one of them that holds the job's identity.
pub const JOB_LABEL: &str = "watchbell.job";

/// The one of them that holds the run's ID.
pub const RUN_LABEL: &str = "watchbell.run";

/// The moment that the schedule named.
pub const OCCURRENCE_LABEL: &str = "watchbell.occurrence";

/// The Engine's full ID of a container: 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub Arc<str>);

/// Whether a command can be run in a container now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// Running, and not paused.
    Running,
    /// Paused: it exists, but a command in it would wait for ever.
    Paused,
    /// It has ended, and the Engine is about to start it again.
    Restarting,
    /// It exists, and is not running.
    Stopped,
}

/// The container in which a job's runs go. It stays the same as long as it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The Engine's ID.
    pub id: ContainerId,
    /// The name.
    pub name: Arc<str>,
    /// Whether it runs now.
    pub running: bool,
    /// Whether it does not, and may in a moment.
    pub passing: bool,
}

impl Holder {
    /// One of which no more is known than what it is called.
    pub fn called(name: &str) -> Self {
        Self { id: ContainerId(name.into()), name: name.into(), running: false, passing: false }
    }
}

impl ContainerState {
    /// Whether it does not run now, and may in a moment.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::Paused | Self::Restarting)
    }
}

/// One container as the Engine's list tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The Engine's ID.
    pub id: ContainerId,
    /// The name, without the leading slash.
    pub name: Arc<str>,
    /// Whether a command can run in it.
    pub state: ContainerState,
    /// Whether its own health check says that it is well; `None` without a health check.
    pub healthy: Option<bool>,
    /// When it was created, in seconds since 1970.
    pub created: i64,
    /// All of its labels.
    pub labels: BTreeMap<String, String>,
}

impl Container {
    fn compose(&self, key: &str) -> Option<&str> {
        self.labels.get(&format!("{COMPOSE}{key}")).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The project of Compose to which it belongs.
    pub fn project(&self) -> Option<&str> {
        self.compose("project")
    }

    /// Its compose project and service.
    pub fn service(&self) -> Option<(&str, &str)> {
        // Anyone can write these labels; Compose itself writes names.
        let both = Some((self.compose("project")?, self.compose("service")?));
        both.filter(|(project, service)| is_name(project) && is_name(service))
    }

    /// Whether a job on it that says this name means it, or its service.
    pub fn is_called(&self, name: &str) -> bool {
        *self.name == *name
            || self.service().is_some_and(|(project, service)| {
                name == service
                    || name.strip_prefix(project).and_then(|rest| rest.strip_prefix('.')) == Some(service)
            })
    }

    /// The service of a Swarm of which it is a task.
    pub fn swarm_service(&self) -> Option<&str> {
        self.labels.get(SERVICE_NAME_LABEL).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// What the identity of its jobs begins with: `<compose project>.<compose service>`, for a task of a Swarm that of
    /// its service, else its name.
    pub fn home(&self) -> String {
        match self.service() {
            Some((project, service)) => format!("{project}.{service}"),
            None => match self.labels.get(SERVICE_NAME_LABEL).filter(|name| is_name(name)) {
                Some(service) => swarm::home(self.labels.get(STACK_LABEL).map(String::as_str), service),
                None => self.name.to_string(),
            },
        }
    }

    /// The number of this replica in its compose service, or of this task in its service of a Swarm, from 1.
    pub fn replica(&self) -> u32 {
        let number = self.compose("container-number").and_then(|number| number.parse().ok());
        number.or_else(|| self.slot()).unwrap_or(u32::MAX)
    }

    /// Of a task's name, `<service>.<number>.<task>`; one on each node has its node in place of the number.
    fn slot(&self) -> Option<u32> {
        self.labels.get(TASK_NAME_LABEL)?.split('.').nth(1)?.parse().ok()
    }

    /// Whether `docker compose run` made it: it carries its service's labels, but is no replica of the service.
    pub fn is_one_off(&self) -> bool {
        self.compose("oneoff").is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// Whether it is a run of ours. It has the labels of its image as well, which may define jobs, and none of them
    /// is meant for it. All of the labels are asked for, so that a slip in one does not hide a container.
    pub fn is_run(&self) -> bool {
        RUN_LABELS.iter().all(|label| self.labels.contains_key(*label))
    }
}

/// Whether Compose or a Swarm would give such a name.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// A complete observation of the Engine. There is deliberately no empty default: not knowing is not the same as
/// knowing that there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// Every container that runs, is paused or has stopped.
    pub containers: Vec<Container>,
    /// The container in which the agent itself runs, if it runs in one.
    pub own: Option<ContainerId>,
    /// The services of the Swarm that the Engine manages.
    pub services: Services,
}
