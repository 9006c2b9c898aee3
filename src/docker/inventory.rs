//! One complete list of the Engine's containers → our [`Inventory`].

use bollard::models::ContainerSummaryStateEnum as State;
use jiff::Timestamp;
use serde_json::json;

use crate::model::{
    container::{Container, ContainerId, ContainerState, Inventory},
    diagnostic::Diagnostic,
    origin::Origin,
    swarm::Services,
};

use super::{
    answers::{Info, Listed},
    client::Engine,
    error::EngineError,
    swarm::Membership,
};

/// The states that are asked for. What is being removed is gone for us. What was never started has run nothing yet and is
/// no container to us; but the agent itself may be called so for a moment after its start, and whose network it shares
/// has to be known then too.
const STATES: [&str; 5] = ["created", "running", "paused", "restarting", "exited"];

/// What the Engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFacts {
    /// Its version.
    pub version: String,
    /// Its wall-clock time; `None` where it does not tell, for example behind a proxy.
    pub time: Option<Timestamp>,
    /// Whether it manages a Swarm; `None` where it does not tell.
    pub manager: Option<bool>,
    /// Its part in a Swarm.
    pub swarm: Membership,
}

impl Engine {
    /// Asks the Engine who it is. A proxy may refuse the question about its time; that is no failure.
    pub async fn facts(&self) -> Result<EngineFacts, EngineError> {
        match self.get::<Info>("/info", None).await {
            Ok(info) => Ok(EngineFacts {
                version: info.server_version.unwrap_or_default(),
                time: info.system_time.and_then(|time| time.parse().ok()),
                manager: Some(info.swarm.as_ref().and_then(|it| it.control_available).unwrap_or_default()),
                swarm: Membership::of(info.swarm),
            }),
            Err(EngineError::Refused { status: 403..=405, .. }) => {
                let version = self.version().await?.version.unwrap_or_default();
                Ok(EngineFacts { version, time: None, manager: None, swarm: Membership::Untold })
            }
            Err(error) => Err(error),
        }
    }

    /// Lists all containers at once; services of a Swarm are not among what it tells. The second part of the answer says
    /// why it is unclear which of them is the agent's own.
    pub async fn inventory(&self, own: &OwnIds) -> Result<(Inventory, Option<Diagnostic>), EngineError> {
        let list = match self.list(&STATES).await {
            // Podman has no such state, and refuses to be asked for it.
            Err(EngineError::Refused { message, .. }) if message.contains("restarting") => {
                let known: Vec<&str> = STATES.into_iter().filter(|it| *it != "restarting").collect();
                self.list(&known).await?
            }
            list => list?,
        };
        let joined: Vec<String> = list.iter().filter_map(joined_network).map(str::to_owned).collect();
        let started = list.into_iter().filter(|it| it.state != Some(State::CREATED));
        let containers: Vec<Container> = started.filter_map(container).collect();
        // An ID that the agent read about itself counts only if the Engine has it: a label or a host name proves
        // nothing.
        let found = containers.iter().find(|container| {
            own.ids.iter().any(|id| id.len() >= 12 && container.id.0.starts_with(id.as_str()))
        });
        let unclear = found.filter(|it| !own.certain && joined.iter().any(|other| *other == *it.name || (other.len() >= 12 && it.id.0.starts_with(other.as_str())))).map(|it| {
            let reason = "it, or the one that shares its network, is the agent's own container, and which cannot be \
                          told: labels of neither are taken for the agent's";
            Diagnostic::warning(Origin::Container(it.name.clone()), reason)
        });
        let own = found.filter(|_| unclear.is_none()).map(|container| container.id.clone());
        Ok((Inventory { containers, own, services: Services::none() }, unclear))
    }

    async fn list(&self, states: &[&str]) -> Result<Vec<Listed>, EngineError> {
        self.list_containers(true, &json!({ "status": states })).await
    }
}

/// IDs that the agent's own container may have.
#[derive(Debug, Clone, Default)]
pub struct OwnIds {
    /// Whole, or at least twelve digits of them.
    pub ids: Vec<String>,
    /// Whether the kernel itself names the container. Otherwise the ID is from files that a container has in common
    /// with one whose network it shares.
    pub certain: bool,
}

/// The ID of the container whose network this one shares.
fn joined_network(summary: &Listed) -> Option<&str> {
    summary.host_config.as_ref()?.network_mode.as_deref()?.strip_prefix("container:")
}

/// `None` for what has neither ID nor name, which no Engine sends.
fn container(summary: Listed) -> Option<Container> {
    let state = match summary.state {
        Some(State::RUNNING) => ContainerState::Running,
        Some(State::PAUSED) => ContainerState::Paused,
        Some(State::RESTARTING) => ContainerState::Restarting,
        _ => ContainerState::Stopped,
    };
    // The list has no field for health before API 1.52; the status says "Up 5 minutes (healthy)".
    let healthy = summary.status.as_deref().and_then(|status| {
        if status.ends_with("(healthy)") {
            Some(true)
        } else if status.ends_with("(unhealthy)") || status.ends_with("(health: starting)") {
            Some(false)
        } else {
            None
        }
    });
    let names = summary.names?;
    // Links appear as further names with a slash inside.
    let name = names.iter().map(|name| name.trim_start_matches('/')).find(|name| !name.contains('/'))?;
    Some(Container {
        id: ContainerId(summary.id?.into()),
        name: name.into(),
        state,
        healthy,
        created: summary.created.unwrap_or_default(),
        labels: summary.labels.unwrap_or_default().into_iter().collect(),
    })
}
