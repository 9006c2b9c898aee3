//! The unix socket in the state directory.

use std::{
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use axum::Router;
use tokio::{
    net::UnixListener,
    task::spawn_blocking,
    time::{sleep, timeout},
};

/// The socket's name in the state directory.
const NAME: &str = "agent.sock";

/// After a try that failed, the time until the next: at first, and at most.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

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
    /// The directory's disk takes too long.
    #[error("the state directory does not answer: look after its disk")]
    Unanswered,
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
///
/// The disk may be slow to answer, or never do: then this waits, on a thread of its own, no longer than `patience`.
pub async fn bind(state_dir: &Path, patience: Duration) -> Result<UnixListener, SocketError> {
    let directory = state_dir.to_owned();
    let Ok(made) = timeout(patience, spawn_blocking(move || make(&directory))).await else {
        return Err(SocketError::Unanswered);
    };
    let made = made.unwrap_or_else(|error| {
        Err(SocketError::Io {
            operation: "making the socket in",
            path: state_dir.to_owned(),
            source: io::Error::other(error),
        })
    })?;
    UnixListener::from_std(made).map_err(|source| SocketError::Io {
        operation: "listening on",
        path: path(state_dir),
        source,
    })
}

fn make(state_dir: &Path) -> Result<std::os::unix::net::UnixListener, SocketError> {
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
    if std::os::unix::net::UnixStream::connect(&path).is_ok() {
        return Err(SocketError::InUse);
    }
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("removing", &path)(error));
        }
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(&path).map_err(failed("listening on", &path))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
        .map_err(failed("restricting", &path))?;
    listener.set_nonblocking(true).map_err(failed("listening on", &path))?;
    Ok(listener)
}

/// Answers until dropped.
pub async fn serve(listener: UnixListener, routes: Router) {
    // It returns only on errors of accepting that it cannot wait out, and it waits out all there are.
    let _ = axum::serve(listener, routes).await;
}

/// The same where the socket could not be made at the start: it is tried until it can be.
pub async fn serve_when_it_can_be(state_dir: PathBuf, routes: Router) {
    let mut pause = RETRY.0;
    loop {
        sleep(pause).await;
        pause = (pause * 2).min(RETRY.1);
        match bind(&state_dir, RETRY.1).await {
            Ok(listener) => return serve(listener, routes).await,
            // Another agent took the directory meanwhile, and answers there; this one goes on unasked.
            Err(SocketError::InUse) => return std::future::pending().await,
            Err(SocketError::Unanswered | SocketError::Io { .. }) => {}
        }
    }
}
