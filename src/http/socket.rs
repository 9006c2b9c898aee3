//! The unix socket in the state directory.

use std::{
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use axum::Router;
use tokio::net::{UnixListener, UnixStream};

/// The socket's name in the state directory.
const NAME: &str = "agent.sock";

/// Where the agent of this state directory listens.
pub fn path(state_dir: &Path) -> PathBuf {
    state_dir.join(NAME)
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another agent answers there.
    #[error(
        "another agent runs with this state directory: stop it, or give this one another with --state-dir"
    )]
    InUse,
    /// The directory or the socket could not be made.
    #[error("{operation} {path}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What came of it.
        source: io::Error,
    },
}

/// Makes the directory, if need be, and listens. A socket that a killed agent left behind is replaced.
pub async fn bind(state_dir: &Path) -> Result<UnixListener, SocketError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| SocketError::Io { operation, path, source }
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(failed("making the state directory", state_dir))?;
    let path = path(state_dir);
    if UnixStream::connect(&path).await.is_ok() {
        return Err(SocketError::InUse);
    }
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("removing", &path)(error));
        }
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed("listening on", &path))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .map_err(failed("restricting", &path))?;
    Ok(listener)
}

/// Answers until dropped.
pub async fn serve(listener: UnixListener, routes: Router) {
    // It returns only on errors of accepting that it cannot wait out, and it waits out all there are.
    let _ = axum::serve(listener, routes).await;
}
