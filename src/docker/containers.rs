//! Containers that the agent makes.

use std::{collections::HashMap, time::Duration};

use bollard::{
    errors::Error as Client,
    models::{
        ContainerCreateBody, ContainerStateStatusEnum as Status, ContainerSummaryStateEnum as State,
        EndpointSettings, HostConfig, NetworkConnectRequest, NetworkingConfig,
        RestartPolicyNameEnum as Policy,
    },
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, KillContainerOptionsBuilder,
        LogsOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
        WaitContainerOptionsBuilder,
    },
};
use futures::StreamExt;
use jiff::Timestamp;
use serde_json::json;

use crate::model::options::{ContainerOptions, takes_aliases};

use super::{
    client::{ANSWER_LIMIT, Engine},
    error::EngineError,
    options,
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
    pub copied: Vec<CopiedMount>,
    /// With all rights on the machine.
    pub privileged: bool,
    /// What says whose it is.
    pub labels: HashMap<String, String>,
    /// What else it is given.
    pub options: ContainerOptions,
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
    /// Whether it is paused.
    pub paused: bool,
    /// By which rule the Engine starts it again when it has ended, if it does whatever the exit code is.
    pub always_restarts: Option<&'static str>,
    /// Whether the kernel killed something in it for lack of memory.
    pub out_of_memory: bool,
    /// The most memory that it may have, in bytes.
    pub memory_limit: Option<u64>,
}

/// A container of many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: HashMap<String, String>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// Whether it goes on.
    pub runs: bool,
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
        let mode = networks.next();
        let aliases = &request.options.aliases;
        // Nothing is said of a network where there is nothing to say: the mode alone makes the Engine join it.
        let endpoint = |network: &str| {
            let aliases = Some(aliases.clone()).filter(|it| !it.is_empty() && takes_aliases(network));
            aliases.map(|it| EndpointSettings { aliases: Some(it), ..EndpointSettings::default() })
        };
        let first = mode.as_ref().and_then(|network| Some((network.clone(), endpoint(network)?)));
        let rest: Vec<(String, Option<EndpointSettings>)> = networks
            .map(|network| {
                let endpoint = endpoint(&network);
                (network, endpoint)
            })
            .collect();
        let platform = request.options.platform.clone();
        let mut body = ContainerCreateBody {
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
                network_mode: mode,
                binds: Some(request.volumes),
                privileged: Some(request.privileged),
                ..HostConfig::default()
            }),
            networking_config: first.map(|it| NetworkingConfig { endpoints_config: Some([it].into()) }),
            ..ContainerCreateBody::default()
        };
        options::put(request.options, &mut body);
        if !request.copied.is_empty() {
            let mounts = body.host_config.get_or_insert_default().mounts.get_or_insert_default();
            mounts.extend(request.copied.into_iter().map(|it| it.body));
        }
        let named = CreateContainerOptionsBuilder::new().name(&request.name);
        let named = match &platform {
            Some(platform) => named.platform(platform),
            None => named,
        };
        let id = docker.create_container(Some(named.build()), body).await?.id;
        // Engines before API 1.44 take one network at creation only.
        for (network, endpoint_config) in rest {
            let connect = NetworkConnectRequest { container: id.clone(), endpoint_config };
            if let Err(error) = docker.connect_network(&network, connect).await {
                // Nobody knows of the half-made container yet; one that cannot be removed is found by its label.
                let _ = self.remove_container(&id).await;
                return Err(error.into());
            }
        }
        Ok(id)
    }

    /// The version of the API that the Engine talks, as two numbers.
    pub async fn api_version(&self) -> Result<(u32, u32), EngineError> {
        let version = self.version().await?.api_version.unwrap_or_default();
        let parts = version.split_once('.').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        parts.ok_or_else(|| EngineError::Malformed(format!("\"{version}\" is no version of the API")))
    }

    /// The ID of a container that has this `NAME=VALUE` among its labels, in whatever state it is.
    pub async fn container_with_label(&self, label: &str) -> Result<Option<String>, EngineError> {
        let list = self.list_containers(true, &json!({ "label": [label] })).await?;
        Ok(list.into_iter().find_map(|container| container.id))
    }

    /// What is known of a container by its ID or name, in whatever state it is; none where there is no such container.
    pub async fn container_facts(&self, id: &str) -> Result<Option<ContainerFacts>, EngineError> {
        let found = match self.inspect_container(id).await {
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
        let host = found.host_config.unwrap_or_default();
        let driver = host.log_config.and_then(|it| it.driver);
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
            paused: state.status == Some(Status::PAUSED),
            always_restarts: match host.restart_policy.and_then(|it| it.name) {
                Some(Policy::ALWAYS) => Some("always"),
                Some(Policy::UNLESS_STOPPED) => Some("unless-stopped"),
                _ => None,
            },
            out_of_memory: state.oom_killed.unwrap_or_default(),
            memory_limit: host.memory.and_then(|it| u64::try_from(it).ok()).filter(|it| *it > 0),
        }))
    }

    /// The containers that have all of these labels, each as `NAME` or `NAME=VALUE`, in whatever state they are.
    pub async fn labelled_containers(&self, labels: &[&str]) -> Result<Vec<Labelled>, EngineError> {
        let list = self.list_containers(true, &json!({ "label": labels })).await?;
        let found = list.into_iter().filter_map(|it| {
            Some(Labelled {
                id: it.id?,
                name: it.names.iter().flatten().next()?.trim_start_matches('/').to_owned(),
                labels: it.labels.unwrap_or_default(),
                created: it.created.unwrap_or_default(),
                runs: !matches!(it.state, Some(State::CREATED | State::EXITED | State::DEAD)),
            })
        });
        Ok(found.collect())
    }

    /// All that a container printed from its beginning, and goes on to print; of an ended one to its end.
    /// With `since`, which counts in whole seconds, what came before is left out.
    pub fn container_output(&self, id: &str, since: Option<Timestamp>) -> Result<Output, EngineError> {
        let since = since.and_then(|it| i32::try_from(it.as_second()).ok()).unwrap_or_default();
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).follow(true).since(since).build();
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
