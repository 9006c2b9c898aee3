//! Files of ours in a container, and how they are removed.

use futures::StreamExt;

use super::{
    ROOT,
    helper::{self, Program},
    is_root,
};
use crate::docker::{client::Engine, error::EngineError, execs::ExecRequest};

/// At most this much is read of what a command of ours says.
const ANSWER_BYTES: usize = 256 * 1024;

/// A file of ours in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Copy {
    pub directory: String,
    pub name: String,
}

impl Copy {
    pub fn path(&self) -> String {
        format!("{}/{}", self.directory.trim_end_matches('/'), self.name)
    }
}

/// The helper's files, where it did not remove them itself.
#[derive(Debug, Clone)]
pub struct Leftover {
    pub(super) container: String,
    pub(super) user: Option<String>,
    pub(super) program: Program,
    pub(super) copies: Vec<Copy>,
}

impl Leftover {
    /// Removes them; an error says what stays, and why.
    pub async fn remove(&self, engine: &Engine) -> Result<(), String> {
        for copy in &self.copies {
            self.remove_one(engine, copy)
                .await
                .map_err(|why| format!("the helper {} stays in the container: {why}", copy.path()))?;
        }
        Ok(())
    }

    async fn remove_one(&self, engine: &Engine, copy: &Copy) -> Result<(), String> {
        let mut why = String::new();
        for again in [false, true] {
            if again {
                // It may be there in part, and what is not whole cannot remove itself.
                let archive = self.program.archive(&copy.name).await?;
                let put = engine.put_archive(&self.container, &copy.directory, archive).await;
                put.map_err(|error| error.to_string())?;
            }
            for user in users(&copy.directory, self.user.as_deref()) {
                let argv = vec![copy.path(), helper::REMOVE.to_owned(), copy.path()];
                let removed = format!("{}{}", helper::REMOVED, copy.path());
                match said_by(engine, &self.container, user, argv, &removed).await {
                    Ok(said) if is_removed(copy, &said) => return Ok(()),
                    Ok(said) => said.trim().clone_into(&mut why),
                    Err(error) if error.is_not_found() => return Ok(()),
                    Err(error) => why = error.to_string(),
                }
            }
        }
        Err(why)
    }
}

/// As whom the helper is run, in turn: as root where nobody else can put another program in its place.
pub(super) fn users<'a>(directory: &str, own: Option<&'a str>) -> [Option<&'a str>; 2] {
    let own = if own.is_some_and(is_root) { Some(ROOT) } else { own };
    if directory == "/" { [Some(ROOT), own] } else { [own, Some(ROOT)] }
}

pub(super) fn is_removed(copy: &Copy, said: &str) -> bool {
    let path = copy.path();
    said.lines().any(|line| line.strip_prefix(helper::REMOVED) == Some(&*path))
}

/// What a command of ours in the container prints, up to this line, which is its last. An Engine may tell of its end up
/// to seconds later: while a child of another command that has ended holds the output of that one open.
pub(super) async fn said_by(
    engine: &Engine,
    container: &str,
    user: Option<&str>,
    argv: Vec<String>,
    last_line: &str,
) -> Result<String, EngineError> {
    let request = ExecRequest {
        argv,
        // It must not carry the mark itself.
        environment: Vec::new(),
        user: user.map(str::to_owned),
        workdir: Some("/".to_owned()),
        tty: false,
        privileged: false,
    };
    let id = engine.create_exec(container, request).await?;
    let mut output = engine.start_exec(&id).await?;
    let mut said = Vec::new();
    while let Some(chunk) = output.next().await {
        let (_, bytes) = chunk?;
        if said.len() < ANSWER_BYTES {
            said.extend_from_slice(&bytes);
        }
        let mut lines = said.strip_suffix(b"\n").unwrap_or_default().rsplit(|byte| *byte == b'\n');
        if lines.next() == Some(last_line.as_bytes()) {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}
