//! What the tasks of a service print, as the Swarm collects it from its nodes: one stream for all of them, in which each
//! piece says whose it is and when it was printed.

use bollard::{container::LogOutput, errors::Error as Client, query_parameters::LogsOptionsBuilder};
use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt, stream::BoxStream};
use jiff::Timestamp;

use super::{client::Engine, error::EngineError, output::Channel};

/// What names task and node among the details of a piece.
const TASK: &str = "com.docker.swarm.task.id=";
const NODE: &str = "com.docker.swarm.node.id=";

/// A line, or the part of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The task's ID.
    pub task: String,
    /// The ID of its node.
    pub node: String,
    /// Which of its two streams.
    pub channel: Channel,
    /// When it was printed, by the clock of the node. The parts of a long line have the same.
    pub at: Timestamp,
    /// What was printed.
    pub bytes: Bytes,
}

/// What the tasks print, as it comes.
pub type TaskOutput = BoxStream<'static, Result<Piece, EngineError>>;

impl Engine {
    /// What all tasks of a service printed so far, and go on to print. It ends only with the connection.
    pub fn service_output(&self, service: &str) -> Result<TaskOutput, EngineError> {
        let options =
            LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true).follow(true).build();
        let docker = self.with_details()?;
        Ok(pieces(docker.service_logs(service, Some(options))))
    }

    /// What one task printed, since a second that it may have printed in; to its end, if it has one.
    pub fn task_output(&self, task: &str, since: Option<Timestamp>) -> Result<TaskOutput, EngineError> {
        let since = since.and_then(|it| i32::try_from(it.as_second()).ok()).unwrap_or_default();
        let options =
            LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true).since(since).build();
        let docker = self.with_details()?;
        Ok(pieces(docker.task_logs(task, Some(options))))
    }

    /// The client, asking for what the library has no option for.
    fn with_details(&self) -> Result<bollard::Docker, EngineError> {
        Ok(self.docker()?.with_request_modifier(|mut request| {
            let mark = if request.uri().query().is_some() { '&' } else { '?' };
            if let Ok(uri) = format!("{}{mark}details=true", request.uri()).parse() {
                *request.uri_mut() = uri;
            }
            request
        }))
    }
}

fn pieces(stream: impl Stream<Item = Result<LogOutput, Client>> + Send + 'static) -> TaskOutput {
    stream
        .map(|chunk| {
            let (channel, message) = match chunk? {
                LogOutput::StdOut { message } | LogOutput::StdIn { message } => (Channel::Stdout, message),
                LogOutput::StdErr { message } => (Channel::Stderr, message),
                // The frame that holds an error is of a kind that the library does not know.
                LogOutput::Console { message } => return Err(told(&message)),
            };
            piece(channel, message)
                .ok_or_else(|| EngineError::Malformed("a line that says not whose it is".to_owned()))
        })
        .boxed()
}

/// What the Engine says in place of output.
fn told(frame: &[u8]) -> EngineError {
    const HEADER: usize = 8;
    let text = if frame.first() == Some(&3) { frame.get(HEADER..).unwrap_or_default() } else { frame };
    EngineError::Refused { status: 500, message: String::from_utf8_lossy(text).trim().to_owned() }
}

/// `<time> <details> <what was printed>`; the details have neither blanks nor line ends.
fn piece(channel: Channel, mut message: Bytes) -> Option<Piece> {
    let time = message.split_to(message.iter().position(|byte| *byte == b' ')?);
    message.advance(1);
    let details = message.split_to(message.iter().position(|byte| *byte == b' ')?);
    message.advance(1);
    let details = std::str::from_utf8(&details).ok()?;
    let detail = |name| details.split(',').find_map(|it| it.strip_prefix(name)).map(str::to_owned);
    Some(Piece {
        task: detail(TASK)?,
        node: detail(NODE)?,
        channel,
        at: std::str::from_utf8(&time).ok()?.parse().ok()?,
        bytes: message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_and_by_which_task_it_was_printed() {
        let line = "2026-11-22T14:26:26.728802080Z com.docker.swarm.node.id=n,com.docker.swarm.service.id=s,\
                    com.docker.swarm.task.id=t1  a b = c\n";
        let it = piece(Channel::Stdout, Bytes::from_static(line.as_bytes())).unwrap();
        assert_eq!((&*it.task, &*it.bytes), ("t1", &b" a b = c\n"[..]));
        assert_eq!(it.at.to_string(), "2026-11-22T14:26:26.72880208Z");
        let empty = line.split(" a b").next().unwrap().to_owned();
        assert_eq!(piece(Channel::Stdout, Bytes::from(empty)).unwrap().bytes, Bytes::new());
        for wrong in [
            "",
            "x",
            "2026-11-22T14:26:26Z a=b c",
            "yesterday com.docker.swarm.node.id=n,com.docker.swarm.task.id=t c",
        ] {
            assert_eq!(piece(Channel::Stdout, Bytes::from(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn an_error_in_place_of_output_is_an_error() {
        let frame = b"\x03\0\0\0\0\0\0\x21Error grabbing logs: no reading\n";
        assert_eq!(told(frame).to_string(), "Error grabbing logs: no reading (status 500)");
    }
}
