//! The connection to the Engine.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bollard::Docker;

use super::error::EngineError;

/// How long an answer's beginning may take. Streams go on for as long as they like: whoever reads one watches it.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The Engine. Cheap to clone; a connection is made for each call, so it survives the Engine's restarts.
#[derive(Clone)]
pub struct Engine {
    host: Arc<str>,
    /// `None` until the socket was there once: the library refuses to make a client for a socket that is not.
    docker: Arc<Mutex<Option<Docker>>>,
}

impl Engine {
    /// The Engine at `host`, as [`crate::settings::global`] checked it. Nothing is sent yet, and nothing need be
    /// listening.
    pub fn at(host: &str) -> Self {
        Self { host: host.into(), docker: Arc::default() }
    }

    /// The Engine behind a client that is there already.
    pub fn with_client(docker: Docker) -> Self {
        Self { host: "client".into(), docker: Arc::new(Mutex::new(Some(docker))) }
    }

    /// The address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The client. The transport is decided here and not by the library.
    pub(super) fn docker(&self) -> Result<Docker, EngineError> {
        let mut docker = self.docker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(docker) = &*docker {
            return Ok(docker.clone());
        }
        let limit = ANSWER_LIMIT.as_secs();
        let made = match self.host.split_once("://") {
            Some(("unix", path)) => Docker::connect_with_unix(path, limit, bollard::API_DEFAULT_VERSION)?,
            Some(("tcp" | "http", address)) => {
                Docker::connect_with_http(&format!("http://{address}"), limit, bollard::API_DEFAULT_VERSION)?
            }
            _ => return Err(EngineError::Unreachable(format!("{} is no address of an Engine", self.host))),
        };
        *docker = Some(made.clone());
        Ok(made)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("host", &self.host).finish_non_exhaustive()
    }
}
