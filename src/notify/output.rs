//! What a run printed, as far as a channel passes it on.

use std::{fmt, io};

use bytes::Bytes;

use crate::model::channel::{Channel, ChannelKind};

/// The end of what a run printed, read as far as the channel wants it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The end of standard output.
    pub stdout: Vec<u8>,
    /// The end of standard error.
    pub stderr: Vec<u8>,
    /// How many bytes of standard output are not in it.
    pub stdout_dropped: u64,
    /// How many bytes of standard error are not in it.
    pub stderr_dropped: u64,
}

/// It may repeat what a job should not have printed: it shows none of it.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("stdout", &self.stdout.len())
            .field("stderr", &self.stderr.len())
            .finish_non_exhaustive()
    }
}

/// A stream of a run, piece by piece: it may be longer than what fits into memory.
pub type Pieces = Box<dyn Iterator<Item = io::Result<Bytes>> + Send>;

/// Both streams of a run.
pub struct Streams {
    /// Standard output.
    pub stdout: Pieces,
    /// Standard error.
    pub stderr: Pieces,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

impl From<Output> for Streams {
    fn from(it: Output) -> Self {
        let all = |bytes: Vec<u8>| -> Pieces { Box::new(std::iter::once(Ok(Bytes::from(bytes)))) };
        Self { stdout: all(it.stdout), stderr: all(it.stderr) }
    }
}

/// How many bytes of each stream the channel wants as [`Output`]; `None` is nothing. `save` takes [`Streams`].
pub fn wants_output(channel: &Channel) -> Option<u64> {
    if channel.kind != ChannelKind::Email {
        return None;
    }
    channel.number("attach").and_then(|it| u64::try_from(it).ok()).filter(|it| *it > 0)
}
