//! What the agent knows of the services of a Swarm: one observation of them, and the facts of one service.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    container::{Container, RUN_LABELS, is_name},
    origin::Origin,
};

/// Where a stack writes its name, on its services and on the containers of their tasks.
pub const STACK_LABEL: &str = "com.docker.stack.namespace";

/// What the Swarm writes on the container of a task.
pub const SERVICE_NAME_LABEL: &str = "com.docker.swarm.service.name";
pub const TASK_LABEL: &str = "com.docker.swarm.task.id";
pub const TASK_NAME_LABEL: &str = "com.docker.swarm.task.name";

/// One service as the manager's list tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The Swarm's ID.
    pub id: Arc<str>,
    /// The name; a stack's services have the stack's before theirs.
    pub name: Arc<str>,
    /// When it was created, in seconds since 1970.
    pub created: i64,
    /// The labels of the service itself: `deploy.labels` of a stack.
    pub labels: BTreeMap<String, String>,
    /// Whether it has a number of tasks that can be changed: it is neither global nor in job mode.
    pub is_replicated: bool,
    /// The tasks that are to run on the Engine's own node: the number of each by its ID.
    pub here: BTreeMap<String, i64>,
    /// How many tasks run on other nodes.
    pub elsewhere: usize,
}

impl Service {
    /// What the identity of its jobs begins with: `<stack>.<service>`, else its name.
    pub fn home(&self) -> String {
        home(self.labels.get(STACK_LABEL).map(String::as_str), &self.name)
    }

    /// Whether it is a run of ours.
    pub fn is_run(&self) -> bool {
        RUN_LABELS.iter().all(|label| self.labels.contains_key(*label))
    }

    /// The number of the task whose container this is, if it is one of this service's that is to run here. What stands
    /// in a container's labels proves nothing: it counts only if the Swarm has such a task.
    pub fn task_of(&self, container: &Container) -> Option<i64> {
        self.here.get(container.labels.get(TASK_LABEL)?).copied()
    }
}

/// What identities begin with on a service of this name in a stack of that.
pub(super) fn home(stack: Option<&str>, name: &str) -> String {
    let of_stack = stack.filter(|stack| is_name(stack)).and_then(|stack| {
        let service = name.strip_prefix(stack)?.strip_prefix('_')?;
        is_name(service).then(|| format!("{stack}.{service}"))
    });
    of_stack.unwrap_or_else(|| name.to_owned())
}

/// A container, or a service of a Swarm: what labels stand on that define jobs, and what jobs are about.
#[derive(Debug, Clone, Copy)]
pub enum Labelled<'a> {
    /// A container.
    Container(&'a Container),
    /// A service of a Swarm.
    Service(&'a Service),
}

impl<'a> Labelled<'a> {
    /// Its name.
    pub fn name(self) -> &'a Arc<str> {
        match self {
            Self::Container(it) => &it.name,
            Self::Service(it) => &it.name,
        }
    }

    /// The name of the container, if it is one.
    pub fn container(self) -> Option<&'a str> {
        match self {
            Self::Container(it) => Some(&it.name),
            Self::Service(_) => None,
        }
    }

    /// The project of Compose to which it belongs, if it is a container of one.
    pub fn project(self) -> Option<&'a str> {
        match self {
            Self::Container(it) => it.project(),
            Self::Service(_) => None,
        }
    }

    /// Whether the two are one.
    pub fn is(self, other: Labelled<'_>) -> bool {
        match (self, other) {
            (Self::Container(one), Labelled::Container(other)) => one.id == other.id,
            (Self::Service(one), Labelled::Service(other)) => one.id == other.id,
            _ => false,
        }
    }

    /// All of its labels.
    pub fn labels(self) -> &'a BTreeMap<String, String> {
        match self {
            Self::Container(it) => &it.labels,
            Self::Service(it) => &it.labels,
        }
    }

    /// What the identity of its jobs begins with.
    pub fn home(self) -> String {
        match self {
            Self::Container(it) => it.home(),
            Self::Service(it) => it.home(),
        }
    }

    /// Whether a job on it that says this name means it, or its service.
    pub fn is_called(self, name: &str) -> bool {
        match self {
            Self::Container(it) => it.is_called(name),
            Self::Service(it) => {
                let home = it.home();
                *it.name == *name
                    || home == name
                    || home.strip_suffix(name).is_some_and(|it| it.ends_with('.'))
            }
        }
    }

    /// What it is, in one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Container(_) => "container",
            Self::Service(_) => "service",
        }
    }

    /// It as a whole, as a place.
    pub fn origin(self) -> Origin {
        match self {
            Self::Container(it) => Origin::Container(it.name.clone()),
            Self::Service(it) => Origin::Service(it.name.clone()),
        }
    }

    /// One of its labels, as a place.
    pub fn label(self, key: &str) -> Origin {
        match self {
            Self::Container(it) => Origin::Label { container: it.name.clone(), label: key.into() },
            Self::Service(it) => Origin::ServiceLabel { service: it.name.clone(), label: key.into() },
        }
    }
}

/// The services of the Swarm that the Engine manages. Not knowing is not the same as knowing that there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    /// Those that there are, or that there were when they could last be seen.
    pub list: Vec<Service>,
    /// Why they cannot be seen now, if the Engine is in a Swarm and they cannot.
    pub unseen: Option<Arc<str>>,
}

impl Services {
    /// Of an Engine that is in no Swarm.
    pub fn none() -> Self {
        Self { list: Vec::new(), unseen: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_of_a_stack_is_called_as_in_its_file() {
        for (stack, name, meant) in [
            (Some("shop"), "shop_web", "shop.web"),
            (Some("my_shop"), "my_shop_web_1", "my_shop.web_1"),
            (None, "shop_web", "shop_web"),
            // Anyone can write the label.
            (Some("shop"), "web", "web"),
            (Some("sh op"), "sh op_web", "sh op_web"),
            (Some("shop"), "shop_", "shop_"),
        ] {
            assert_eq!(home(stack, name), meant);
        }
    }
}
