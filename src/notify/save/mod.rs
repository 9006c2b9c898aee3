//! Files beside the agent: below the channel's directory a folder for each job, and in it `<run>.json`, and `<run>.stdout`
//! and `<run>.stderr` where the run printed something. A run's ID begins with its moment, so names sort by time.
//!
//! Nobody sees half a file, the `.json` comes last, and no name leads out of the directory.

mod folder;
mod names;

use std::{path::PathBuf, time::Duration};

use jiff::Timestamp;
use tokio::{sync::Semaphore, time::timeout};

use self::{folder::Folder, names::component};
use super::{
    message::Message,
    output::{Pieces, Streams},
    trouble::Trouble,
};
use crate::model::{channel::Channel, job::Retention};

/// How long one try may take, unless the channel says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What is written to unless the channel says otherwise.
const MODE: u32 = 0o600;

/// In this folder is what is about no job; no job is called so.
const NO_JOB: &str = "_agent";

/// So many write at once. A disk that hangs holds no more threads than this, however often it is tried.
static WRITERS: Semaphore = Semaphore::const_new(4);

/// What is written, and where.
struct Plan {
    directory: PathBuf,
    job: String,
    stem: String,
    json: Vec<u8>,
    mode: u32,
    keep: Retention,
    at: Timestamp,
}

/// Saves a message and what its run printed. What is there already of the same run is replaced.
pub async fn deliver(channel: &Channel, message: &Message, streams: Streams) -> Result<(), Trouble> {
    let plan = Plan::read(channel, message)?;
    let shown = plan.directory.display().to_string();
    let limit = channel.duration("timeout").unwrap_or(TIMEOUT);
    let saved = timeout(limit, async {
        let turn = WRITERS.acquire().await;
        let written = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            plan.save(streams)
        });
        written
            .await
            .unwrap_or_else(|error| Err(Trouble::passing(format!("saving broke off ({error}): try again"))))
    });
    saved.await.unwrap_or_else(|_| {
        Err(Trouble::passing(format!("{shown} took nothing for {limit:?}: check its disk, or raise timeout")))
    })
}

impl Plan {
    fn read(channel: &Channel, message: &Message) -> Result<Self, Trouble> {
        let directory = PathBuf::from(channel.text("directory").unwrap_or_default());
        if !directory.is_absolute() {
            return Err(Trouble::lasting(
                "the directory is no absolute path: write for example /var/lib/runs",
            ));
        }
        let keep = match channel.text("keep").map(Retention::parse) {
            Some(Err(why)) => return Err(Trouble::lasting(format!("keep: {why}"))),
            Some(Ok(keep)) => keep,
            None => Retention { runs: None, age: None },
        };
        let mode = match channel.text("mode").map(|it| u32::from_str_radix(it, 8)) {
            Some(Ok(mode)) if mode <= 0o777 => mode,
            Some(_) => {
                return Err(Trouble::lasting("mode is no octal number up to 0777: write for example 0640"));
            }
            None => MODE,
        };
        let job = if message.job.is_empty() { NO_JOB.to_owned() } else { component(&message.job) };
        let stem = if message.run.is_empty() {
            names::without_run(message.at, &message.key)
        } else {
            component(&message.run)
        };
        let json = format!("{:#}\n", message.data).into_bytes();
        Ok(Self { directory, job, stem, json, mode, keep, at: message.at })
    }

    /// All of it, while a thread waits for the disk.
    fn save(self, streams: Streams) -> Result<(), Trouble> {
        let root = Folder::root(&self.directory, self.mode)?;
        let folder = root.inner(&self.job, self.mode)?;
        for (kind, pieces) in [("stdout", streams.stdout), ("stderr", streams.stderr)] {
            self.save_stream(&folder, kind, pieces)?;
        }
        let mut file = folder.begin(&self.stem, "json", self.mode)?;
        file.write(&self.json)?;
        file.finish()?;
        folder.sync()?;
        folder.prune(&self.stem, self.keep, self.at)
    }

    fn save_stream(&self, folder: &Folder, kind: &str, pieces: Pieces) -> Result<(), Trouble> {
        let mut file = None;
        for piece in pieces {
            let piece = piece.map_err(|error| {
                Trouble::passing(format!(
                    "what the run printed could not be read ({error}): check the state directory"
                ))
            })?;
            if piece.is_empty() {
                continue;
            }
            let open = match file.take() {
                Some(open) => open,
                None => folder.begin(&self.stem, kind, self.mode)?,
            };
            file.insert(open).write(&piece)?;
        }
        file.map_or(Ok(()), folder::Begun::finish)
    }
}
