//! What commands do: the script a test writes for an exec or for a container that the agent creates.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::sync::watch;

use super::FakeEngine;

/// A barrier that a test opens once. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything that waits here, or ever will, pass.
    pub fn release(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    pub(super) async fn released(&self) {
        // The sender is `self`: it cannot be gone while this waits.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

/// Which of a command's two streams a chunk belongs to; the number is the one in the frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StdStream {
    Out = 1,
    Err = 2,
}

/// Output and end of a command.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Each chunk with the time that passes before it.
    pub steps: Vec<(Duration, StdStream, Bytes)>,
    /// The least time from start to end.
    pub takes: Duration,
    pub held: Held,
    pub exit: i64,
}

/// What keeps a command from ending.
#[derive(Debug, Clone)]
pub(super) enum Held {
    No,
    Until(Gate),
    UntilKilled,
}

impl Script {
    fn exit(exit: i64) -> Self {
        Self { steps: Vec::new(), takes: Duration::ZERO, held: Held::No, exit }
    }

    /// The process of a container that nobody scripted: silent, until it is stopped.
    pub(super) fn forever() -> Self {
        Self { held: Held::UntilKilled, ..Self::exit(0) }
    }
}

/// A refusal: HTTP status and message.
pub(super) type Refusal = (u16, String);

type Hook = Arc<dyn Fn(&FakeEngine) + Send + Sync>;

/// What an exec does from creation to the last inspection.
#[derive(Clone)]
pub struct ExecBehaviour {
    pub(super) script: Script,
    pub(super) create_error: Option<Refusal>,
    pub(super) start_error: Option<Refusal>,
    pub(super) never_starts: bool,
    pub(super) inspects_running: u32,
    pub(super) inspects_without_code: u32,
    pub(super) stream_outlives: Duration,
    pub(super) on_start: Option<Hook>,
}

/// What a container created through the API does.
#[derive(Debug, Clone)]
pub struct RunBehaviour {
    pub(super) script: Script,
    pub(super) create_error: Option<Refusal>,
    pub(super) start_error: Option<Refusal>,
    pub(super) ignores_term: bool,
}

/// The parts of a script are the same for execs and containers.
macro_rules! scripted {
    ($behaviour:ident) => {
        impl $behaviour {
            /// Writes this to stdout at once.
            pub fn stdout(self, chunk: impl Into<Bytes>) -> Self {
                self.stdout_after(Duration::ZERO, chunk)
            }

            /// Writes this to stdout `delay` after the chunk before.
            pub fn stdout_after(mut self, delay: Duration, chunk: impl Into<Bytes>) -> Self {
                self.script.steps.push((delay, StdStream::Out, chunk.into()));
                self
            }

            /// Writes this to stderr at once.
            pub fn stderr(self, chunk: impl Into<Bytes>) -> Self {
                self.stderr_after(Duration::ZERO, chunk)
            }

            /// Writes this to stderr `delay` after the chunk before.
            pub fn stderr_after(mut self, delay: Duration, chunk: impl Into<Bytes>) -> Self {
                self.script.steps.push((delay, StdStream::Err, chunk.into()));
                self
            }

            /// Ends this long after its start, or after its last chunk, whichever is later.
            pub fn takes(mut self, total: Duration) -> Self {
                self.script.takes = total;
                self
            }

            /// Does not end before the gate is released.
            pub fn hold_until_released(mut self, gate: &Gate) -> Self {
                self.script.held = Held::Until(gate.clone());
                self
            }

            /// Does not end by itself.
            pub fn hold_until_killed(mut self) -> Self {
                self.script.held = Held::UntilKilled;
                self
            }

            /// Creating it fails.
            pub fn create_error(mut self, status: u16, message: impl Into<String>) -> Self {
                self.create_error = Some((status, message.into()));
                self
            }

            /// Creating it works and starting it fails.
            pub fn start_error(mut self, status: u16, message: impl Into<String>) -> Self {
                self.start_error = Some((status, message.into()));
                self
            }
        }
    };
}

scripted!(ExecBehaviour);
scripted!(RunBehaviour);

impl ExecBehaviour {
    /// Ends at once, without output, with this code.
    pub fn exit(code: i64) -> Self {
        Self {
            script: Script::exit(code),
            create_error: None,
            start_error: None,
            never_starts: false,
            inspects_running: 0,
            inspects_without_code: 0,
            stream_outlives: Duration::ZERO,
            on_start: None,
        }
    }

    /// The command does not exist in the container: the Engine "starts" it, says so as if the command had said it, and
    /// leaves `code` (20.10: 126; later 127) to be inspected.
    pub fn missing_command(command: &str, code: i64) -> Self {
        let text = format!(
            "OCI runtime exec failed: exec failed: unable to start container process: exec: \"{command}\": executable \
             file not found in $PATH: unknown\r\n"
        );
        Self { never_starts: true, ..Self::exit(code).stdout(text) }
    }

    /// The first `n` inspections after the end of the stream still say `Running: true`.
    pub fn still_running_for(mut self, n: u32) -> Self {
        self.inspects_running = n;
        self
    }

    /// The next `n` inspections say that it ended, and not with which code.
    pub fn without_code_for(mut self, n: u32) -> Self {
        self.inspects_without_code = n;
        self
    }

    /// A background child keeps the stream open for this long after the command ended.
    pub fn stream_outlives_by(mut self, time: Duration) -> Self {
        self.stream_outlives = time;
        self
    }

    /// Runs this when the exec starts: for commands that act on others, as a kill does.
    pub fn on_start(mut self, hook: impl Fn(&FakeEngine) + Send + Sync + 'static) -> Self {
        self.on_start = Some(Arc::new(hook));
        self
    }
}

impl RunBehaviour {
    /// Ends at once, without output, with this code.
    pub fn exit(code: i64) -> Self {
        Self { script: Script::exit(code), create_error: None, start_error: None, ignores_term: false }
    }

    /// The image is not there, and this Engine does not learn it by a pull.
    pub fn no_such_image(image: &str) -> Self {
        Self::exit(0).create_error(404, super::world::no_such_image(image))
    }

    /// The command does not exist in the image: starting fails.
    pub fn missing_command(command: &str) -> Self {
        Self::exit(127).start_error(
            400,
            format!(
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container \
                 process: exec: \"{command}\": executable file not found in $PATH: unknown"
            ),
        )
    }

    /// Only SIGKILL ends it before its time.
    pub fn ignores_term(mut self) -> Self {
        self.ignores_term = true;
        self
    }
}
