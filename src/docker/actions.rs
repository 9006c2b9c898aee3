//! Containers that are there already: how they stand, and what is done to them.

use std::time::Duration;

use bollard::{
    models::ContainerStateStatusEnum as Status,
    query_parameters::{
        KillContainerOptionsBuilder, RestartContainerOptionsBuilder, StopContainerOptionsBuilder,
    },
};
use jiff::Timestamp;

use super::{
    client::{ANSWER_LIMIT, Engine},
    error::EngineError,
};

/// How long the Engine waits between asking a container to stop and killing it, where nobody says otherwise.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A container may have as long as it wants to stop (`--stop-timeout -1`): what is never waited for, and can be added to.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The first API that takes a signal to stop a container with.
const STOP_SIGNAL_SINCE: (u32, u32) = (1, 42);

/// How a container stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its ID.
    pub id: String,
    /// Whether it runs.
    pub state: StandingState,
    /// When it was last started.
    pub started: Option<Timestamp>,
    /// How long it has between being asked to stop and being killed.
    pub stop_timeout: Duration,
    /// Whether the Engine removes it once it has stopped.
    pub auto_remove: bool,
}

/// Whether a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandingState {
    /// It was never started.
    Created,
    /// It runs, or is about to run again.
    Running,
    /// Its processes are frozen.
    Paused,
    /// It has ended.
    Stopped {
        /// With this exit code.
        code: i64,
    },
}

impl StandingState {
    /// Whether it has processes.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }

    /// It in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Created => "was never started",
            Self::Running => "is running",
            Self::Paused => "is paused",
            Self::Stopped { .. } => "is not running",
        }
    }
}

/// How a container is asked to stop.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stopping<'a> {
    /// With this signal, else its own.
    pub signal: Option<&'a str>,
    /// It is killed after this, else after its own stop timeout.
    pub grace: Option<Duration>,
}

impl Stopping<'_> {
    /// What the Engine is asked for: whole seconds, rounded up, because 0 would kill it at once.
    fn seconds(self) -> Option<i32> {
        let seconds = |it: Duration| it.as_secs() + u64::from(it.subsec_nanos() > 0);
        self.grace.map(|grace| i32::try_from(seconds(grace)).unwrap_or(i32::MAX))
    }

    /// How long the answer may take.
    fn limit(self, it: &Standing) -> Duration {
        self.grace.unwrap_or(it.stop_timeout).saturating_add(ANSWER_LIMIT)
    }
}

impl Engine {
    /// How a container stands, by its ID or name; none where there is no such container.
    pub async fn standing(&self, container: &str) -> Result<Option<Standing>, EngineError> {
        let found = match self.inspect_container(container).await {
            Ok(found) => found,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let state = found.state.unwrap_or_default();
        // The Engine writes the year 1 for what has not happened.
        let started = state.started_at.and_then(|it| it.parse::<Timestamp>().ok());
        let started = started.filter(|it| *it > Timestamp::UNIX_EPOCH);
        let standing = match state.status {
            Some(Status::RUNNING | Status::RESTARTING | Status::STOPPING) => StandingState::Running,
            Some(Status::PAUSED) => StandingState::Paused,
            Some(Status::CREATED | Status::EMPTY) | None if started.is_none() => StandingState::Created,
            _ => StandingState::Stopped { code: state.exit_code.unwrap_or_default() },
        };
        let timeout = found.config.and_then(|it| it.stop_timeout);
        Ok(Some(Standing {
            id: found.id.unwrap_or_else(|| container.to_owned()),
            state: standing,
            started,
            stop_timeout: timeout
                .map_or(STOP_TIMEOUT, |it| u64::try_from(it).map_or(FOR_EVER, Duration::from_secs)),
            auto_remove: found.host_config.and_then(|it| it.auto_remove).unwrap_or_default(),
        }))
    }

    /// Whether a container can be stopped with a signal that is not its own.
    pub async fn takes_stop_signal(&self) -> Result<bool, EngineError> {
        let version = self.version().await?.api_version.unwrap_or_default();
        let (major, minor) = version.split_once('.').unwrap_or((&version, ""));
        let number = |text: &str| text.parse::<u32>().unwrap_or_default();
        Ok((number(major), number(minor)) >= STOP_SIGNAL_SINCE)
    }

    /// Stops a container. The answer comes when it has ended.
    pub async fn stop_standing(&self, it: &Standing, how: Stopping<'_>) -> Result<(), EngineError> {
        let mut options = StopContainerOptionsBuilder::new();
        if let Some(seconds) = how.seconds() {
            options = options.t(seconds);
        }
        if let Some(signal) = how.signal {
            options = options.signal(signal);
        }
        let docker = self.docker()?.with_timeout(how.limit(it));
        Ok(docker.stop_container(&it.id, Some(options.build())).await?)
    }

    /// Stops a container and starts it. The answer comes when it was started.
    pub async fn restart_standing(&self, it: &Standing, how: Stopping<'_>) -> Result<(), EngineError> {
        let mut options = RestartContainerOptionsBuilder::new();
        if let Some(seconds) = how.seconds() {
            options = options.t(seconds);
        }
        if let Some(signal) = how.signal {
            options = options.signal(signal);
        }
        let docker = self.docker()?.with_timeout(how.limit(it));
        Ok(docker.restart_container(&it.id, Some(options.build())).await?)
    }

    /// Freezes a container's processes.
    pub async fn pause_container(&self, id: &str) -> Result<(), EngineError> {
        Ok(self.docker()?.pause_container(id).await?)
    }

    /// Lets them go on.
    pub async fn unpause_container(&self, id: &str) -> Result<(), EngineError> {
        Ok(self.docker()?.unpause_container(id).await?)
    }

    /// Sends a signal to a container's first process.
    pub async fn signal_container(&self, id: &str, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        Ok(self.docker()?.kill_container(id, Some(options)).await?)
    }
}
