//! Services that are there, and belong to someone else: what they are now, one change of them, and how their tasks do.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    client::Engine,
    error::EngineError,
    tasks::{Task, task},
};
use crate::model::service::Tasks;

/// What the Engine gives a container that says nothing else.
const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// How a service has its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// So many, kept up.
    Replicated(u64),
    /// One on each node, kept up.
    Global,
    /// So many, to their end.
    ReplicatedJob(u64),
    /// One on each node, to its end.
    GlobalJob,
}

/// How its last change goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollout {
    /// The Swarm says nothing of it.
    Untold,
    /// It goes on.
    Going,
    /// It is done.
    Done,
    /// It was stopped or taken back: why.
    Failed(String),
}

/// A service as it is now.
#[derive(Debug, Clone)]
pub struct ServiceNow {
    /// Its ID.
    pub id: String,
    /// How it has its tasks.
    pub mode: Mode,
    /// Whether a task that ended is always followed by another one.
    pub restarts: bool,
    /// The number that each forced change raises, and that its tasks carry.
    pub mark: u64,
    /// How its last change goes.
    pub rollout: Rollout,
    /// How long its tasks have between being asked to stop and being killed.
    pub grace: Duration,
    /// The number that each change of it raises, whoever makes it.
    pub version: u64,
    spec: Value,
}

/// A task of such a service.
#[derive(Debug, Clone)]
pub struct TaskOf {
    /// The task.
    pub task: Task,
    /// The number that the service had when it was made.
    pub mark: u64,
    /// Whether it is to run.
    pub wanted: bool,
    /// Whether it runs.
    pub running: bool,
    /// Whether it is to be forgotten once it has ended, as the service wants fewer.
    pub leaves: bool,
}

impl ServiceNow {
    /// `None` for what is no service.
    pub(crate) fn of(answer: &Value) -> Option<Self> {
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str);
        let number = |pointer: &str| answer.pointer(pointer).and_then(Value::as_u64);
        let mode = answer.pointer("/Spec/Mode")?;
        let mode = if mode.get("Replicated").is_some() {
            Mode::Replicated(number("/Spec/Mode/Replicated/Replicas").unwrap_or(1))
        } else if mode.get("ReplicatedJob").is_some() {
            Mode::ReplicatedJob(number("/Spec/Mode/ReplicatedJob/TotalCompletions").unwrap_or(1))
        } else if mode.get("GlobalJob").is_some() {
            Mode::GlobalJob
        } else {
            Mode::Global
        };
        let message = || text("/UpdateStatus/Message").unwrap_or_default().to_owned();
        let rollout = match text("/UpdateStatus/State") {
            None | Some("") => Rollout::Untold,
            Some("completed") => Rollout::Done,
            Some("updating") => Rollout::Going,
            Some(_) => Rollout::Failed(message()),
        };
        Some(Self {
            id: text("/ID")?.to_owned(),
            mode,
            restarts: matches!(text("/Spec/TaskTemplate/RestartPolicy/Condition"), None | Some("any")),
            mark: number("/Spec/TaskTemplate/ForceUpdate").unwrap_or_default(),
            rollout,
            grace: number("/Spec/TaskTemplate/ContainerSpec/StopGracePeriod")
                .map_or(DEFAULT_GRACE, Duration::from_nanos),
            version: number("/Version/Index")?,
            spec: answer.get("Spec")?.clone(),
        })
    }
}

impl Engine {
    /// A service by its name or ID; none where there is no such service.
    pub async fn service_now(&self, reference: &str) -> Result<Option<ServiceNow>, EngineError> {
        match self.inspect_service::<Value>(reference).await {
            // The Engine takes the beginning of an ID for it as well.
            Ok(answer)
                if answer.pointer("/Spec/Name") != Some(&json!(reference)) && answer["ID"] != reference =>
            {
                Ok(None)
            }
            Ok(answer) => {
                let now = ServiceNow::of(&answer);
                now.map(Some).ok_or_else(|| EngineError::Malformed("it is no service".to_owned()))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes how many tasks a replicated service has, and forces new ones, with this number, in place of those that it
    /// has. Refused where someone else has changed it since.
    pub async fn change_service(
        &self,
        now: &ServiceNow,
        replicas: Option<u64>,
        force: Option<u64>,
    ) -> Result<(), EngineError> {
        let mut spec = now.spec.clone();
        if let Some(replicas) = replicas {
            spec["Mode"]["Replicated"]["Replicas"] = replicas.into();
        }
        if let Some(mark) = force {
            spec["TaskTemplate"]["ForceUpdate"] = mark.into();
        }
        self.put_service(&now.id, now.version, &spec).await
    }

    /// All tasks of a service that the Swarm remembers.
    pub async fn tasks_of(&self, service: &str, of: Tasks) -> Result<Vec<TaskOf>, EngineError> {
        let answer: Value = self.get("/tasks", Some(&json!({ "service": [service] }))).await?;
        let rows = answer.as_array().ok_or_else(|| EngineError::Malformed("it is no list".to_owned()))?;
        Ok(rows.iter().filter_map(|row| task_of(row, of)).collect())
    }
}

fn task_of(row: &Value, of: Tasks) -> Option<TaskOf> {
    let mark = row.pointer("/Spec/ForceUpdate").and_then(Value::as_u64).unwrap_or_default();
    Some(TaskOf {
        task: task(serde_json::from_value(row.clone()).ok()?, of)?,
        mark,
        wanted: matches!(row["DesiredState"].as_str(), Some("running" | "complete" | "ready")),
        running: row.pointer("/Status/State").is_some_and(|it| it == "running"),
        leaves: row["DesiredState"] == "remove",
    })
}

impl EngineError {
    /// Whether someone else changed a service since it was looked at.
    pub fn is_out_of_sequence(&self) -> bool {
        matches!(self, Self::Refused { message, .. } if message.contains("out of sequence"))
    }
}
