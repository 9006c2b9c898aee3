//! Containers that the agent makes.

use std::{collections::HashMap, time::Duration};

use bollard::{
    errors::Error as Client,
    models::{ContainerCreateBody, ContainerStateStatusEnum as Status, HostConfig, NetworkConnectRequest},
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, KillContainerOptionsBuilder,
        ListContainersOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
        StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
    },
};
use futures::StreamExt;
use jiff::Timestamp;

use super::{
    client::{ANSWER_LIMIT, Engine},
    error::EngineError,
    output::{Output, output},
    pattern::CopiedMount,
};

/// A container to be made.
#[derive(Debug, Clone)]
pub struct CreateRequest {
    /// Its name.
    pub name: String,
    /// The image.
    pub image: String,
    /// The command; `None` is the image's own.
    pub argv: Option<Vec<String>>,
    /// What the command is handed to; `None` is the image's own.
    pub entrypoint: Option<Vec<String>>,
    /// `NAME=VALUE`.
    pub environment: Vec<String>,
    /// As whom.
    pub user: Option<String>,
    /// Where.
    pub workdir: Option<String>,
    /// Its host name.
    pub hostname: Option<String>,
    /// By exact name; the first may be a mode such as `host`.
    pub networks: Vec<String>,
    /// `<volume or path>:<path>[:<mode>]`.
    pub volumes: Vec<String>,
    /// What is mounted as into another container.
    pub mounts: Vec<CopiedMount>,
    /// Directories in memory, with their options.
    pub tmpfs: HashMap<String, String>,
    /// With all rights on the machine.
    pub privileged: bool,
    /// What says whose it is.
    pub labels: HashMap<String, String>,
}

/// What is known of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFacts {
    /// Its ID.
    pub id: String,
    /// How far it has come.
    pub phase: ContainerPhase,
    /// When it was last started.
    pub started: Option<Timestamp>,
    /// Whether the Engine keeps what it prints.
    pub readable: bool,
    /// What says whose it is.
    pub labels: HashMap<String, String>,
}

/// How far a container has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerPhase {
    /// It was never started.
    Created,
    /// It goes on.
    Running,
    /// It has ended.
    Ended {
        /// Its exit code.
        code: i64,
        /// When.
        at: Option<Timestamp>,
    },
}

impl Engine {
    /// Makes a container; the answer is its ID. A container of that name that is there already is a refusal.
    pub async fn create_container(&self, request: CreateRequest) -> Result<String, EngineError> {
        let docker = self.docker()?;
        let mut networks = request.networks.into_iter();
        let body = ContainerCreateBody {
            image: Some(request.image),
            cmd: request.argv,
            env: Some(request.environment),
            user: request.user,
            working_dir: request.workdir,
            labels: Some(request.labels),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            entrypoint: request.entrypoint,
            hostname: request.hostname,
            host_config: Some(HostConfig {
                network_mode: networks.next(),
                binds: Some(request.volumes),
                mounts: Some(request.mounts.into_iter().map(|it| it.body).collect()),
                tmpfs: Some(request.tmpfs),
                privileged: Some(request.privileged),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(&request.name).build();
        let id = docker.create_container(Some(options), body).await?.id;
        // Engines before API 1.44 take one network at creation only.
        for network in networks {
            let connect = NetworkConnectRequest { container: id.clone(), endpoint_config: None };
            if let Err(error) = docker.connect_network(&network, connect).await {
                // Nobody knows of the half-made container yet; one that cannot be removed is found by its label.
                let _ = self.remove_container(&id).await;
                return Err(error.into());
            }
        }
        Ok(id)
    }

    /// The ID of a container that has this `NAME=VALUE` among its labels, in whatever state it is.
    pub async fn container_with_label(&self, label: &str) -> Result<Option<String>, EngineError> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let list = self.docker()?.list_containers(Some(options)).await?;
        Ok(list.into_iter().find_map(|container| container.id))
    }

    /// What is known of a container by its ID or name, in whatever state it is; none where there is no such container.
    pub async fn container_facts(&self, id: &str) -> Result<Option<ContainerFacts>, EngineError> {
        let none = None::<bollard::query_parameters::InspectContainerOptions>;
        let found = match self.docker()?.inspect_container(id, none).await.map_err(EngineError::from) {
            Ok(found) => found,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let state = found.state.unwrap_or_default();
        // The Engine writes the year 1 for what has not happened.
        let time = |text: Option<String>| {
            text.and_then(|it| it.parse::<Timestamp>().ok()).filter(|it| *it > Timestamp::UNIX_EPOCH)
        };
        let started = time(state.started_at);
        let driver = found.host_config.and_then(|it| it.log_config).and_then(|it| it.typ);
        let phase = match state.status {
            Some(Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING) => {
                ContainerPhase::Running
            }
            Some(Status::CREATED | Status::EMPTY) | None if started.is_none() => ContainerPhase::Created,
            _ => ContainerPhase::Ended {
                code: state.exit_code.unwrap_or_default(),
                at: time(state.finished_at),
            },
        };
        Ok(Some(ContainerFacts {
            id: found.id.unwrap_or_else(|| id.to_owned()),
            phase,
            started,
            readable: driver.as_deref() != Some("none"),
            labels: found.config.and_then(|it| it.labels).unwrap_or_default(),
        }))
    }

    /// The containers that have this `NAME=VALUE` among their labels: their IDs, with the value of another label.
    pub async fn containers_with_label(
        &self,
        label: &str,
        and: &str,
    ) -> Result<Vec<(String, String)>, EngineError> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let list = self.docker()?.list_containers(Some(options)).await?;
        let found = list.into_iter().filter_map(|it| Some((it.id?, it.labels?.remove(and)?)));
        Ok(found.collect())
    }

    /// All that a container printed from its beginning, and goes on to print; of an ended one to its end.
    pub fn container_output(&self, id: &str) -> Result<Output, EngineError> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).follow(true).build();
        Ok(output(self.docker()?.logs(id, Some(options))))
    }

    /// Everything that it is going to print. Must be asked before the start.
    pub async fn attach_container(&self, id: &str) -> Result<Output, EngineError> {
        let options = AttachContainerOptionsBuilder::new().stream(true).stdout(true).stderr(true).build();
        Ok(output(self.docker()?.attach_container(id, Some(options)).await?.output))
    }

    /// Starts it.
    pub async fn start_container(&self, id: &str) -> Result<(), EngineError> {
        let none = None::<bollard::query_parameters::StartContainerOptions>;
        Ok(self.docker()?.start_container(id, none).await?)
    }

    /// Waits until it does not run, and gives its exit code. Asked after the start of a container that is not removed
    /// by itself, the answer cannot be missed, however soon it ends.
    pub async fn wait_container(&self, id: &str) -> Result<i64, EngineError> {
        let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
        let mut answers = Box::pin(self.docker()?.wait_container(id, Some(options)));
        match answers.next().await {
            Some(Ok(answer)) => Ok(answer.status_code),
            // The library takes an exit code other than 0 for an error.
            Some(Err(Client::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(error.into()),
            None => Err(EngineError::Unreachable("the connection ended before the container did".to_owned())),
        }
    }

    /// Sends its stop signal, and kills it after `grace`. The answer comes when it has ended.
    pub async fn stop_container(&self, id: &str, grace: Duration) -> Result<(), EngineError> {
        // Rounded up: 0 would kill it at once.
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        let docker = self.docker()?.with_timeout(grace.saturating_add(ANSWER_LIMIT));
        Ok(docker.stop_container(id, Some(options)).await?)
    }

    /// Kills it.
    pub async fn kill_container(&self, id: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::new().signal("KILL").build();
        Ok(self.docker()?.kill_container(id, Some(options)).await?)
    }

    /// Removes it with its anonymous volumes, whether it runs or not. One that is gone already is no failure.
    pub async fn remove_container(&self, id: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self.docker()?.remove_container(id, Some(options)).await.map_err(EngineError::from) {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }
}
