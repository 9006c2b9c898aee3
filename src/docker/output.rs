//! What a command prints, stream by stream.

use bollard::container::LogOutput;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};

use super::error::EngineError;

/// Which of its two streams a command printed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Channel {
    /// `stdout` or `stderr`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A command's output in the chunks in which it came.
pub type Output = BoxStream<'static, Result<(Channel, Bytes), EngineError>>;

pub(super) fn output(
    stream: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send + 'static,
) -> Output {
    stream
        .map(|chunk| match chunk? {
            LogOutput::StdErr { message } => Ok((Channel::Stderr, message)),
            LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                Ok((Channel::Stdout, message))
            }
        })
        .boxed()
}
