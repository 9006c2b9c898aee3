//! What the Engine answers, as far as it is read. The client library's own types hold all of it, and what reads them is
//! half a megabyte of the binary.

use std::collections::HashMap;

use bollard::models::{
    ContainerStateStatusEnum, ContainerStatus, ContainerSummaryStateEnum as State, LocalNodeState, Mount,
    MountPoint, RestartPolicy, TaskState,
};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{client::Engine, error::EngineError, raw::escaped};

/// A container of a list.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Listed {
    pub id: Option<String>,
    pub names: Option<Vec<String>>,
    pub created: Option<i64>,
    pub labels: Option<HashMap<String, String>>,
    #[serde(deserialize_with = "state")]
    pub state: Option<State>,
    pub status: Option<String>,
    pub host_config: Option<ListedHost>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ListedHost {
    pub network_mode: Option<String>,
}

/// A container by itself.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Inspected {
    pub id: Option<String>,
    pub state: Option<InspectedState>,
    pub image: Option<String>,
    #[serde(rename = "ExecIDs")]
    pub exec_ids: Option<Vec<String>>,
    pub host_config: Option<InspectedHost>,
    pub mounts: Option<Vec<MountPoint>>,
    pub config: Option<InspectedConfig>,
    pub network_settings: Option<InspectedNetworks>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct InspectedState {
    #[serde(deserialize_with = "status")]
    pub status: Option<ContainerStateStatusEnum>,
    #[serde(rename = "OOMKilled")]
    pub oom_killed: Option<bool>,
    pub exit_code: Option<i64>,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct InspectedHost {
    pub memory: Option<i64>,
    pub log_config: Option<LogConfig>,
    pub network_mode: Option<String>,
    pub restart_policy: Option<RestartPolicy>,
    pub auto_remove: Option<bool>,
    pub mounts: Option<Vec<Mount>>,
    pub readonly_rootfs: Option<bool>,
    pub tmpfs: Option<HashMap<String, String>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct LogConfig {
    #[serde(rename = "Type")]
    pub driver: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct InspectedConfig {
    pub user: Option<String>,
    pub env: Option<Vec<String>>,
    pub cmd: Option<Vec<String>>,
    pub working_dir: Option<String>,
    pub entrypoint: Option<Vec<String>>,
    pub labels: Option<HashMap<String, String>>,
    pub stop_timeout: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct InspectedNetworks {
    pub networks: Option<HashMap<String, Value>>,
}

/// The Engine itself.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Info {
    pub server_version: Option<String>,
    pub system_time: Option<String>,
    pub swarm: Option<SwarmInfo>,
}

/// Its part in a Swarm.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct SwarmInfo {
    #[serde(rename = "NodeID")]
    pub node_id: Option<String>,
    pub local_node_state: Option<LocalNodeState>,
    pub control_available: Option<bool>,
}

/// The Engine's versions.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Version {
    pub version: Option<String>,
    pub api_version: Option<String>,
}

/// A service, a secret or a config: each has an ID and, in its `Spec`, what it was made of.
#[derive(Deserialize)]
pub(super) struct Made<T> {
    #[serde(rename = "ID")]
    pub id: Option<String>,
    #[serde(rename = "Spec")]
    pub spec: Option<T>,
}

/// What it was made of, without more than what names it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Named {
    pub name: Option<String>,
    pub labels: Option<HashMap<String, String>>,
}

/// What a service was made of, for another one that is to be like it.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ServiceSpec {
    pub name: Option<String>,
    pub task_template: Option<Map<String, Value>>,
    pub networks: Option<Value>,
}

/// A service that was just made.
#[derive(Deserialize)]
pub(super) struct CreatedService {
    #[serde(rename = "ID")]
    pub id: Option<String>,
}

/// A task of a service.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Task {
    #[serde(rename = "ID")]
    pub id: Option<String>,
    pub created_at: Option<String>,
    pub slot: Option<i64>,
    #[serde(rename = "NodeID")]
    pub node_id: Option<String>,
    pub status: Option<TaskStatus>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct TaskStatus {
    pub timestamp: Option<String>,
    pub state: Option<TaskState>,
    pub err: Option<String>,
    pub container_status: Option<ContainerStatus>,
}

/// A state of another Engine, such as Podman's `stopped` for a moment, costs no list: whoever has it does not run.
fn state<'de, D: Deserializer<'de>>(from: D) -> Result<Option<State>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.map(|it| it.parse().unwrap_or(State::EXITED)))
}

/// The same of one container: who asks how a run ended must not be told that the answer makes no sense.
fn status<'de, D: Deserializer<'de>>(from: D) -> Result<Option<ContainerStateStatusEnum>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.map(|it| it.parse().unwrap_or(ContainerStateStatusEnum::EXITED)))
}

impl Engine {
    /// A container by its ID or name.
    pub(super) async fn inspect_container(&self, container: &str) -> Result<Inspected, EngineError> {
        self.get(&format!("/containers/{}/json", escaped(container)), None).await
    }

    /// The containers that `filters` lets through: those that run, or `all`.
    pub(super) async fn list_containers(
        &self,
        all: bool,
        filters: &Value,
    ) -> Result<Vec<Listed>, EngineError> {
        self.get(if all { "/containers/json?all=true" } else { "/containers/json" }, Some(filters)).await
    }

    /// The versions of the Engine and of its API.
    pub(super) async fn version(&self) -> Result<Version, EngineError> {
        self.get("/version", None).await
    }

    /// A service by its ID or name: `T` is what of it is read.
    pub(super) async fn inspect_service<T: serde::de::DeserializeOwned>(
        &self,
        service: &str,
    ) -> Result<T, EngineError> {
        self.get(&format!("/services/{}", escaped(service)), None).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_state_of_another_engine_costs_no_list() {
        let list = json!([
            { "Id": "a", "State": "stopped" },
            { "Id": "b", "State": "running", "Ports": null },
            { "Id": "c" },
            { "Id": "d", "State": null, "Labels": null },
        ]);
        let list: Vec<Listed> = serde_json::from_value(list).unwrap();
        let states: Vec<_> = list.into_iter().map(|it| it.state).collect();
        assert_eq!(states, [Some(State::EXITED), Some(State::RUNNING), None, None]);
    }

    #[test]
    fn a_state_of_another_engine_costs_no_run() {
        for (state, status) in [
            (json!("stopped"), Some(ContainerStateStatusEnum::EXITED)),
            (json!("running"), Some(ContainerStateStatusEnum::RUNNING)),
            (json!(null), None),
        ] {
            let it: Inspected = serde_json::from_value(json!({ "State": { "Status": state } })).unwrap();
            assert_eq!(it.state.unwrap().status, status);
        }
        let without: Inspected = serde_json::from_value(json!({ "State": {} })).unwrap();
        assert_eq!(without.state.unwrap().status, None);
    }
}
