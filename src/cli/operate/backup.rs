//! `backup`: a copy of the history, whole and of one moment, while the agent goes on writing it.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use serde_json::json;

use crate::{
    cli::{Output, call::CallError, print, way::Way},
    history::{query::Reader, store::StoreError},
};

use super::{AgentArgs, Desk, print_json};

/// Where the copy goes.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The copy, where there is nothing yet.
    pub file: PathBuf,
    /// The agent.
    #[command(flatten)]
    pub agent: AgentArgs,
}

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
enum BackupError {
    #[error("{0} is there already: name a file that is not")]
    Taken(String),
    #[error("there is no history in {0}: name the agent's directory with --state-dir")]
    Nothing(String),
    #[error("{path} cannot be written: {error}")]
    Unwritable { path: String, error: io::Error },
    #[error("the history cannot be copied to {path}: {error}")]
    Failed { path: String, error: StoreError },
}

/// Makes the copy. No agent is needed, and one that runs is not asked: the file itself is.
pub async fn backup(args: BackupArgs, desk: Desk) -> ExitCode {
    if !matches!(desk.way, Way::Socket(_)) {
        let reason = "backup copies a file: run it where the state directory is, without --url";
        return desk.fail(&CallError::Refused(reason.to_owned()));
    }
    match copy(&desk.state_dir, &args.file) {
        Ok(size) => {
            let file = args.file.display().to_string();
            match desk.output {
                Output::Json => print_json(&json!({ "file": file, "bytes": size })),
                Output::Text => print::line(format_args!("the history is in {file}: {size} bytes")),
            }
            ExitCode::SUCCESS
        }
        Err(error) => desk.fail(&CallError::Refused(error.to_string())),
    }
}

/// How large the copy is. What is at `to` is a whole copy, or nothing.
fn copy(state_dir: &Path, to: &Path) -> Result<u64, BackupError> {
    let shown = || to.display().to_string();
    let unwritable = |error| BackupError::Unwritable { path: shown(), error };
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Taken(shown()));
    }
    let failed = |error| BackupError::Failed { path: shown(), error };
    let reader = Reader::open(state_dir).map_err(failed)?;
    let reader = reader.ok_or_else(|| BackupError::Nothing(state_dir.display().to_string()))?;
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    // What runs printed is for nobody else's eyes. The store takes an empty file for none.
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part);
    let made = made.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => BackupError::Taken(part.display().to_string()),
        _ => unwritable(error),
    })?;
    let copied = reader.back_up(&part).map_err(failed).and_then(|()| {
        let size = made.sync_all().and_then(|()| made.metadata()).map(|it| it.len());
        size.and_then(|size| fs::rename(&part, to).map(|()| size)).map_err(unwritable)
    });
    if copied.is_err() {
        // Half a copy is worth nothing.
        let _ = fs::remove_file(&part);
    }
    copied
}
