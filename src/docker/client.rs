//! The connection to the Engine.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use bollard::Docker;

use super::{error::EngineError, transport::Way};

/// How long an answer's beginning may take. Streams go on for as long as they like: whoever reads one watches it.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// The Engine. Cheap to clone; a connection is made for each call, so it survives the Engine's restarts.
#[derive(Clone)]
pub struct Engine {
    host: Arc<str>,
    docker: Result<Docker, Arc<str>>,
}

impl Engine {
    /// The Engine at `host`, as [`crate::settings::global`] checked it, over TLS where `certificates` is a directory with
    /// what that needs. Nothing is sent yet, and nothing need be listening.
    pub fn at(host: &str, certificates: Option<&Path>) -> Self {
        // The transport is decided here and not by the library: it would talk in the clear where it was built without TLS.
        let docker = Way::to(host, certificates).and_then(|way| {
            let limit = ANSWER_LIMIT.as_secs();
            let version = bollard::API_DEFAULT_VERSION;
            let made = Docker::connect_with_custom_transport(
                move |request| way.clone().exchange(request),
                Some("http://engine"),
                limit,
                version,
            );
            made.map_err(|error| error.to_string())
        });
        Self { host: host.into(), docker: docker.map_err(Into::into) }
    }

    /// The Engine behind a client that is there already.
    pub fn with_client(docker: Docker) -> Self {
        Self { host: "client".into(), docker: Ok(docker) }
    }

    /// The address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Why nothing can be asked of it before someone has mended that: its address is none, or its certificates are not
    /// there.
    pub fn obstacle(&self) -> Option<&str> {
        self.docker.as_ref().err().map(|it| &**it)
    }

    /// The client.
    pub(super) fn docker(&self) -> Result<Docker, EngineError> {
        self.docker.clone().map_err(|reason| EngineError::Unreachable(reason.to_string()))
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("host", &self.host).finish_non_exhaustive()
    }
}
