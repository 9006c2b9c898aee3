//! The state directory, and the agent that works in it.

use std::{
    fs::{File, OpenOptions},
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    cli::ask::{AskError, ask},
    http::health::{HealthReport, Status},
};

use super::Check;

const NAME: &str = "state-dir";

/// Whether the directory is there and can be written to.
pub(super) fn directory(path: &Path) -> Check {
    let shown = path.display();
    let facts = match std::fs::metadata(path) {
        Ok(facts) => facts,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // Above a relative path is where the command was typed.
            let here =
                |it: &Path| if it.as_os_str().is_empty() { Path::new(".").into() } else { it.to_owned() };
            let above: Option<PathBuf> = path.ancestors().skip(1).map(here).find(|it| it.exists());
            return match above {
                Some(above) if try_to_write(&above).is_ok() => {
                    Check::ok(NAME, format!("{shown} is not there yet, and can be made"))
                }
                _ => Check::error(NAME, format!("{shown} is not there and cannot be made"), mend(path)),
            };
        }
        Err(error) => return Check::error(NAME, format!("{shown} cannot be looked at: {error}"), mend(path)),
    };
    if !facts.is_dir() {
        return Check::error(NAME, format!("{shown} is no directory"), "name a directory with --state-dir");
    }
    let owner = format!(
        "belongs to user {} and group {} with mode {:03o}",
        facts.uid(),
        facts.gid(),
        facts.mode() & 0o777
    );
    match try_to_write(path) {
        Ok(()) => Check::ok(NAME, format!("{shown} can be written to; it {owner}")),
        Err(error) => {
            Check::error(NAME, format!("{shown} cannot be written to: {error}; it {owner}"), mend(path))
        }
    }
}

fn mend(path: &Path) -> String {
    format!(
        "in a container, mount a volume at {}; else give it to the agent's user, or name another with --state-dir",
        path.display()
    )
}

/// Permissions alone do not tell: the file system may be read-only or full.
fn try_to_write(directory: &Path) -> std::io::Result<()> {
    let path = directory.join(format!(".watchbell-doctor-{}", std::process::id()));
    let made: std::io::Result<File> = OpenOptions::new().write(true).create_new(true).open(&path);
    made?;
    std::fs::remove_file(&path)
}

/// Whether an agent answers at the socket in it.
pub(super) async fn agent(path: &Path) -> Check {
    const NAME: &str = "agent";
    let advice = "to look at an agent that runs, give doctor its --state-dir; in a container: docker exec CONTAINER /watchbell doctor";
    match ask::<HealthReport>(path, "/health", None).await {
        Ok(it) if it.status == Status::Ok => Check::ok(
            NAME,
            format!(
                "it answers: {} jobs, {} running, {} waiting, {} warnings",
                it.agent.jobs, it.agent.running, it.agent.waiting, it.problems.warnings
            ),
        ),
        Ok(it) => {
            let reasons: Vec<String> = it.reasons().map(|(part, why)| format!("{part}: {why}")).collect();
            let found = format!("it answers, and is {}: {}", it.status.as_str(), reasons.join("; "));
            match it.status {
                Status::Down => Check::error(NAME, found, "look at its log"),
                _ => Check::warning(NAME, found, "look at its log"),
            }
        }
        Err(AskError::NoAgent(reason)) => Check::warning(NAME, reason, advice),
        Err(error @ AskError::TooLate) => {
            Check::error(NAME, error.to_string(), "look at its log, or start it anew")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_directory_that_can_be_written_to_is_left_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(directory(folder.path()).status, Status::Ok);
        assert_eq!(directory(&folder.path().join("a/b")).status, Status::Ok);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(directory(&file).status, Status::Error);
        assert_eq!(directory(&file.join("below")).status, Status::Error);
    }
}
