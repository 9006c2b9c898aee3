//! The tasks of a service of a Swarm: where each of them stands, and the containers of this node that are theirs.

use std::{collections::HashMap, fmt};

use bollard::{
    models::TaskState as State,
    query_parameters::{EventsOptionsBuilder, KillContainerOptionsBuilder},
};
use futures::{Stream, StreamExt};
use jiff::Timestamp;
use serde_json::json;

use crate::model::service::Tasks;

use super::{
    answers::{Made, Named, Task as Listed},
    client::Engine,
    error::EngineError,
};

/// The label of the Swarm's own on each container of a service.
const SERVICE_LABEL: &str = "com.docker.swarm.service.id";

/// One task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The Swarm's ID.
    pub id: String,
    /// What it is for.
    pub place: Place,
    /// Where it stands.
    pub state: TaskState,
    /// When it was made.
    pub created: Timestamp,
    /// When it came to where it stands.
    pub since: Timestamp,
    /// What went wrong, or what it waits for, in the Swarm's words.
    pub error: Option<String>,
    /// The code with which its container ended, if it has.
    pub exit_code: Option<i64>,
}

/// What a task is for. A task that takes the place of another has the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// One of the replicas, by its number, from 0.
    Slot(i64),
    /// One of the nodes, by its ID.
    Node(String),
}

/// Where a task stands, as far as it matters to who waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    /// Nowhere yet: it waits for a node.
    Pending,
    /// On its way on a node, or running.
    Going,
    /// Its command ended with exit code 0.
    Complete,
    /// Its command ended otherwise, or could not be started.
    Failed,
    /// The node would not take it: the image is not there, for example.
    Rejected,
    /// Someone ended it, or its node is gone.
    Ended,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot) => write!(f, "{slot}"),
            Self::Node(node) => f.write_str(node),
        }
    }
}

impl TaskState {
    /// Whether nothing comes after it.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Going)
    }
}

impl Engine {
    /// The tasks whose containers have this `NAME=VALUE` among their labels; also those of a service that is gone.
    pub async fn tasks_with_label(&self, label: &str, of: Tasks) -> Result<Vec<Task>, EngineError> {
        let list: Vec<Listed> = self.get("/tasks", Some(&json!({ "label": [label] }))).await?;
        Ok(list.into_iter().filter_map(|listed| task(listed, of)).collect())
    }

    /// Whether no task goes on of those whose containers have this `NAME=VALUE` among their labels.
    pub async fn service_is_over(&self, label: &str) -> Result<bool, EngineError> {
        let tasks = self.tasks_with_label(label, Tasks::EachNode).await?;
        Ok(tasks.iter().all(|task| task.state.is_over()))
    }

    /// The services that have this `NAME=VALUE` among their labels: of each its ID, its name and its labels.
    pub async fn labelled_services(
        &self,
        label: &str,
    ) -> Result<Vec<(String, String, HashMap<String, String>)>, EngineError> {
        let list: Vec<Made<Named>> = self.get("/services", Some(&json!({ "label": [label] }))).await?;
        let found = list.into_iter().filter_map(|it| {
            let spec = it.spec?;
            Some((it.id?, spec.name.unwrap_or_default(), spec.labels.unwrap_or_default()))
        });
        Ok(found.collect())
    }

    /// A hint whenever something happens to a container of the service on this node. Of other nodes, and of a task that
    /// has no container, an Engine tells nothing.
    pub fn service_hints(
        &self,
        service: &str,
    ) -> Result<impl Stream<Item = Result<(), EngineError>> + Send + 'static, EngineError> {
        let label = format!("{SERVICE_LABEL}={service}");
        let names = vec!["create", "start", "die", "destroy"];
        let filters =
            HashMap::from([("type", vec!["container"]), ("event", names), ("label", vec![label.as_str()])]);
        let options = EventsOptionsBuilder::new().filters(&filters).build();
        Ok(self.docker()?.events(Some(options)).map(|event| event.map(drop).map_err(EngineError::from)))
    }

    /// The containers of the service on this node, in whatever state they are.
    pub async fn service_containers(&self, service: &str) -> Result<Vec<String>, EngineError> {
        let filters = json!({ "label": [format!("{SERVICE_LABEL}={service}")] });
        let list = self.list_containers(true, &filters).await?;
        Ok(list.into_iter().filter_map(|container| container.id).collect())
    }

    /// Kills what runs of the service on this node.
    pub async fn kill_service_containers(&self, service: &str) -> Result<(), EngineError> {
        for id in self.service_containers(service).await? {
            let options = KillContainerOptionsBuilder::new().signal("KILL").build();
            // One that does not run cannot be killed, and need not.
            let _ = self.docker()?.kill_container(&id, Some(options)).await;
        }
        Ok(())
    }
}

/// `None` for what has no ID, which no Engine sends.
pub(super) fn task(listed: Listed, of: Tasks) -> Option<Task> {
    let status = listed.status.unwrap_or_default();
    let state = match status.state {
        Some(State::NEW | State::ALLOCATED | State::PENDING) | None => TaskState::Pending,
        Some(
            State::ASSIGNED
            | State::ACCEPTED
            | State::PREPARING
            | State::READY
            | State::STARTING
            | State::RUNNING,
        ) => TaskState::Going,
        Some(State::COMPLETE) => TaskState::Complete,
        Some(State::FAILED) => TaskState::Failed,
        Some(State::REJECTED) => TaskState::Rejected,
        Some(State::SHUTDOWN | State::REMOVE | State::ORPHANED) => TaskState::Ended,
    };
    let time = |text: Option<String>| text.and_then(|it| it.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH);
    let place = match listed.node_id {
        Some(node) if of == Tasks::EachNode => Place::Node(node),
        // The Swarm leaves the number out of the first.
        _ => Place::Slot(listed.slot.unwrap_or_default()),
    };
    // Without a container, 0 is only the default.
    let container =
        status.container_status.filter(|it| it.container_id.as_ref().is_some_and(|id| !id.is_empty()));
    let exit_code = container.and_then(|it| it.exit_code).filter(|_| state.is_over());
    Some(Task {
        id: listed.id?,
        place,
        state,
        created: time(listed.created_at),
        since: time(status.timestamp),
        error: status.err.filter(|it| !it.is_empty()),
        exit_code,
    })
}
