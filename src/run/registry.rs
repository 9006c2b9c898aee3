//! What is shown to a registry of images: read beside the agent anew for each use, where `docker login` keeps it, or asked
//! of a helper program.
//!
//! Secrets: no error repeats what stands in the file or what a helper says.

use std::{io, path::Path, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

use crate::docker::credentials::{self, Credentials, Found, Helper};

use super::reap::Children;

/// How long a helper, or a disk that is slow, may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// The most that is read of what a helper says, in bytes.
const SAID_LIMIT: u64 = 64 * 1024;

/// The credentials for the registry of an image; an error is why there are none.
pub(super) async fn credentials(
    image: &str,
    file: Option<&Path>,
    children: &Children,
) -> Result<Credentials, String> {
    let Some(path) = file.map(Path::to_owned) else {
        return Err("neither DOCKER_CONFIG nor HOME says where the credentials are".to_owned());
    };
    let shown = path.display().to_string();
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path));
    let text = match timeout(ANSWER_LIMIT, read).await {
        Ok(read) => read.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("{shown} could not be read in time")),
    };
    let text = text.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!(
            "there is no {shown}: run docker login {} beside the agent, or mount the file there",
            credentials::registry(image)
        ),
        _ => format!("{shown} cannot be read: {error}"),
    })?;
    match credentials::find(&text, image).map_err(|reason| format!("{shown}: {reason}"))? {
        Found::Here(credentials) => Ok(credentials),
        Found::Helper(helper) => {
            let asked = timeout(ANSWER_LIMIT, ask(&helper, children)).await;
            asked.unwrap_or_else(|_| Err("it did not answer in time".to_owned())).map_err(|reason| {
                format!("{shown} leaves those of {} to {}: {reason}", helper.registry(), helper.program())
            })
        }
    }
}

/// Asks a helper program. It is ended when nobody waits for it any more.
async fn ask(helper: &Helper, children: &Children) -> Result<Credentials, String> {
    let mut command = Command::new(helper.program());
    command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    let mut own = children.spawn(&mut command).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            "there is no such program beside the agent: put it into a directory of PATH".to_owned()
        }
        _ => format!("it cannot be started: {error}"),
    })?;
    if let Some(mut stdin) = own.child.stdin.take() {
        // One that does not listen says so by how it ends.
        let _ = stdin.write_all(helper.server().as_bytes()).await;
        let _ = stdin.write_all(b"\n").await;
    }
    let mut said = Vec::new();
    if let Some(stdout) = own.child.stdout.take() {
        stdout.take(SAID_LIMIT).read_to_end(&mut said).await.map_err(|error| error.to_string())?;
    }
    let status = own.child.wait().await.map_err(|error| error.to_string())?;
    own.kill_group = false;
    if status.success() {
        return helper.read(&said).ok_or_else(|| "what it says cannot be understood".to_owned());
    }
    // The one sentence of a helper that all of them have in common.
    if said.trim_ascii().starts_with(b"credentials not found") {
        return Err(format!("it has none: run docker login {}", helper.registry()));
    }
    let by_hand = format!("echo {} | {} get", helper.server(), helper.program());
    Err(format!("it failed ({status}); by hand it may say why: {by_hand}"))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    const SECRET: &str = "hunter2-canary";

    /// What a helper of this name, with this script, comes to.
    async fn with_helper(name: &str, script: &str) -> Result<Credentials, String> {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(format!("docker-credential-{name}"));
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let helper = Helper::at(program.to_str().unwrap().to_owned(), "registry.example");
        // Another test's child may hold the file open for writing for a moment.
        let mut found = ask(&helper, &Children::default()).await;
        while found.as_ref().is_err_and(|it| it.contains("busy")) {
            found = ask(&helper, &Children::default()).await;
        }
        found
    }

    #[tokio::test]
    async fn a_helper_is_asked_for_the_registry_and_its_answer_is_taken() {
        let script = format!(
            "[ \"$1\" = get ] || exit 7; read server; [ \"$server\" = registry.example ] || exit 8\n\
             echo '{{\"ServerURL\": \"x\", \"Username\": \"anna\", \"Secret\": \"{SECRET}\"}}'"
        );
        let found = with_helper("good", &script).await.unwrap();
        assert_eq!(found.login(), ("anna", SECRET));
        let token = format!("echo '{{\"Username\": \"<token>\", \"Secret\": \"{SECRET}\"}}'");
        let found = with_helper("token", &token).await.unwrap();
        assert_eq!(found.token(), SECRET);
    }

    #[tokio::test]
    async fn what_a_helper_says_that_fails_is_not_repeated() {
        for (script, part) in [
            (format!("echo {SECRET}; echo {SECRET} >&2; exit 3"), "exit status: 3"),
            (format!("echo {SECRET}"), "cannot be understood"),
            ("echo credentials not found in native keychain; exit 1".to_owned(), "run docker login"),
        ] {
            let reason = with_helper("bad", &script).await.unwrap_err();
            assert!(reason.contains(part) && !reason.contains(SECRET), "{reason}");
        }
        let missing = Helper::at("docker-credential-no-such-thing".to_owned(), "registry.example");
        let reason = ask(&missing, &Children::default()).await.unwrap_err();
        assert!(reason.contains("PATH"), "{reason}");
    }
}
