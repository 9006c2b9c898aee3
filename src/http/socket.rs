//! The unix socket in the state directory.

use std::{
    fs::{File, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use axum::Router;
use tokio::{
    net::UnixListener,
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

use crate::{
    model::{diagnostic::Diagnostic, origin::Origin},
    telemetry::report,
};

/// The socket's name in the state directory.
const NAME: &str = "agent.sock";

/// Beside it, and locked as long as the agent lives: a socket can be removed, and then says nothing of who runs.
const LOCK: &str = "agent.lock";

/// How long a killed agent may take to be gone.
const DYING: Duration = Duration::from_secs(2);

/// So often an agent looks whether its socket is still there.
const LOOK_EVERY: Duration = Duration::from_secs(10);

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

/// A socket that is this agent's.
#[derive(Debug)]
pub struct Bound {
    listener: UnixListener,
    /// Device and number of its file.
    identity: (u64, u64),
    /// None where the file system has no locks.
    lock: Option<File>,
}

/// Makes the directory, if need be, and listens. A socket that a killed agent left behind is replaced.
///
/// The disk may be slow to answer, or never do: then this waits, on a thread of its own, no longer than `patience`.
pub async fn bind(state_dir: &Path, patience: Duration) -> Result<Bound, SocketError> {
    let until = Instant::now() + DYING.min(patience);
    loop {
        match bind_now(state_dir, patience).await {
            Err(SocketError::InUse) if Instant::now() < until => sleep(DYING / 20).await,
            other => return other,
        }
    }
}

async fn bind_now(state_dir: &Path, patience: Duration) -> Result<Bound, SocketError> {
    let directory = state_dir.to_owned();
    let Ok(made) = timeout(patience, spawn_blocking(move || make(&directory))).await else {
        return Err(SocketError::Unanswered);
    };
    let (listener, lock) = made.unwrap_or_else(|error| {
        Err(SocketError::Io {
            operation: "making the socket in",
            path: state_dir.to_owned(),
            source: io::Error::other(error),
        })
    })?;
    let failed = |source| SocketError::Io { operation: "listening on", path: path(state_dir), source };
    let listener = UnixListener::from_std(listener).map_err(failed)?;
    let identity = identity(&path(state_dir)).map_err(failed)?;
    Ok(Bound { listener, identity, lock })
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    path.symlink_metadata().map(|it| (it.dev(), it.ino()))
}

fn make(state_dir: &Path) -> Result<(std::os::unix::net::UnixListener, Option<File>), SocketError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| SocketError::Io { operation, path, source }
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(failed("making the state directory", state_dir))?;
    let lock = take_lock(&state_dir.join(LOCK))?;
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
    Ok((listener, lock))
}

/// None where the file system has no locks: then only the socket tells whether another agent runs.
fn take_lock(path: &Path) -> Result<Option<File>, SocketError> {
    let opened = File::options().write(true).create(true).truncate(false).mode(0o600).open(path);
    let file =
        opened.map_err(|source| SocketError::Io { operation: "making", path: path.to_owned(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(SocketError::InUse),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// Answers until dropped. `bound` is the socket, if it could be made at the start. Where it could not, or is removed later, it
/// is tried until it can be.
pub async fn serve(mut bound: Option<Bound>, state_dir: PathBuf, routes: Router) {
    let mut pause = RETRY.0;
    loop {
        if let Some(Bound { listener, identity, lock }) = bound.take() {
            pause = RETRY.0;
            let server = async { axum::serve(listener, routes.clone()).await };
            tokio::select! {
                // It returns only on errors of accepting that it cannot wait out, and it waits out all there are.
                _ = server => {}
                () = removed(&state_dir, identity) => {
                    told("the agent's socket was removed: it is made anew, and until then no command can ask the agent");
                }
            }
            drop(lock);
        } else {
            sleep(pause).await;
            pause = (pause * 2).min(RETRY.1);
        }
        match bind(&state_dir, RETRY.1).await {
            Ok(made) => bound = Some(made),
            // Another agent took the directory meanwhile, and answers there; this one goes on unasked.
            Err(error @ SocketError::InUse) => {
                told(&format!("{error}; jobs of both agents run, and commands ask the other one"));
                return std::future::pending().await;
            }
            Err(SocketError::Unanswered | SocketError::Io { .. }) => {}
        }
    }
}

fn told(reason: &str) {
    report::problem(&Diagnostic::error(Origin::Place("setting state-dir".into()), reason.to_owned()));
}

/// Waits until the socket's file is another one, or none.
async fn removed(state_dir: &Path, is: (u64, u64)) {
    loop {
        sleep(LOOK_EVERY).await;
        let path = path(state_dir);
        let found = spawn_blocking(move || identity(&path)).await;
        match found {
            Ok(Ok(found)) if found == is => {}
            Ok(Err(error)) if error.kind() != io::ErrorKind::NotFound => {}
            _ => return,
        }
    }
}
