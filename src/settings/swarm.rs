//! Where the jobs run that labels on a service of a Swarm define: in the containers of its tasks on the agent's own node.

use std::{cell::OnceCell, sync::Arc};

use crate::model::{
    container::Container,
    job::{JobSpec, Work},
    swarm::{Labelled, Service, TASK_LABEL},
};

use super::resolve::{Candidate, candidate};

/// The best first: healthy before one whose health nobody checks, then by number.
pub(super) fn in_order<'a>(replicas: impl Iterator<Item = (i64, &'a Container)>) -> Vec<Candidate> {
    let mut replicas: Vec<(i64, &Container)> = replicas.collect();
    replicas.sort_by_key(|(number, it)| {
        (it.healthy == Some(false), it.healthy.is_none(), *number, it.name.clone(), it.id.clone())
    });
    replicas.into_iter().map(|(_, it)| candidate(it)).collect()
}

/// The containers of this node that may be a task's, found when the first service asks.
pub(super) struct Tasks<'a> {
    all: &'a [Container],
    of_tasks: OnceCell<Vec<&'a Container>>,
}

impl<'a> Tasks<'a> {
    /// Of all containers.
    pub fn new(all: &'a [Container]) -> Self {
        Self { all, of_tasks: OnceCell::new() }
    }

    /// Those of a service's tasks, the best first.
    pub fn candidates(&self, service: &Service) -> Vec<Candidate> {
        let is_task = |it: &&Container| it.labels.contains_key(TASK_LABEL);
        let of_tasks = self.of_tasks.get_or_init(|| self.all.iter().filter(is_task).collect());
        in_order(of_tasks.iter().filter_map(|it| Some((service.task_of(it)?, *it))))
    }
}

/// Why a job of a service has no container here.
pub(super) fn nowhere(spec: &JobSpec, on: Labelled<'_>) -> Option<Arc<str>> {
    let (Work::Exec(exec), Labelled::Service(service)) = (&spec.work, on) else { return None };
    if exec.container.is_some() {
        return None;
    }
    let name = &service.name;
    let reason = match service.elsewhere {
        0 => format!("no task of the service {name} runs"),
        1 => format!(
            "the task of the service {name} runs on another node, and commands run on the agent's own"
        ),
        many => format!(
            "the {many} tasks of the service {name} run on other nodes, and commands run on the agent's own"
        ),
    };
    Some(reason.into())
}
